//! Asks the database for the plan of every statement, which reads no row: what is missing or not
//! granted is refused as when the statement runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::dialect::Dialect;
use super::names;

/// Whose tables statements use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// Glance's alone.
    Glance,
    /// Ours too.
    Ours,
}

/// Statements of administrators, who may do what the service may not.
const OF_ADMINISTRATORS: [&str; 1] = ["TRIM_AUDIT"];

/// How long a database that planned everything is believed to do so again.
const BELIEVED: Duration = Duration::from_secs(20);

/// When all statements on some tables were last planned.
#[derive(Debug, Default)]
pub(super) struct Planned(Mutex<Option<Instant>>);

impl Planned {
    /// Plans all statements on these tables, unless that was done just now.
    pub(super) async fn all<D: Dialect>(
        &self,
        connection: &mut D::Connection,
        on: On,
    ) -> Result<(), sqlx::Error> {
        if self.last().is_some_and(|at| at.elapsed() < BELIEVED) {
            return Ok(());
        }
        let all = names::ALL.iter().filter(|(name, _)| !OF_ADMINISTRATORS.contains(name));
        for (_, text) in all.filter(|(_, text)| whose(text) == on) {
            D::probe(connection, format!("{} {}", D::PLAN, without_values(text))).await?;
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whose(text: &str) -> On {
    if text.contains(" revert_") { On::Ours } else { On::Glance }
}

/// With NULL for each value, except where a database wants to see its type.
fn without_values(text: &str) -> String {
    let typed = text.replace("LIMIT ?", "LIMIT 0").replace("OFFSET ?", "OFFSET 0");
    typed.replace("THEN ?", "THEN CURRENT_TIMESTAMP").replace('?', "NULL")
}
