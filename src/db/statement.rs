//! A statement with its values, the same for every dialect.

use std::time::Duration;

use tokio::time::Instant;

use super::deadline::within;
use super::names;
use crate::domain::time::Timestamp;

/// A value to bind.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Int(i32),
    Big(Option<i64>),
    Time(Option<Timestamp>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Big(Some(number))
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Time(Some(time))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(time: Option<Timestamp>) -> Self {
        Self::Time(time)
    }
}

/// Time-out of a statement. Without it, a hung server or a lost host would block until the kernel
/// gives up, which may be never.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Time-out of statements that walk over whole tables.
const LONG_PATIENCE: Duration = Duration::from_mins(5);

/// A statement that takes longer is logged.
const SLOW: Duration = Duration::from_secs(1);
/// The same for a statement that walks over a table.
const SLOW_WALK: Duration = Duration::from_secs(10);

/// Monitors one statement: its time-out, and a log line with its name if it is slow. sqlx would log
/// the whole text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    sql: &'static str,
    patience: Duration,
}

impl Watch {
    /// Waits for the answer.
    pub(super) async fn over<T>(
        self,
        answer: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let began = Instant::now();
        let answer = within(self.patience, answer).await;
        let slow = if self.patience > PATIENCE { SLOW_WALK } else { SLOW };
        let seconds = began.elapsed().as_secs_f64();
        if seconds >= slow.as_secs_f64() {
            let statement = names::of(self.sql);
            tracing::warn!(statement, seconds, "the database was slow to answer");
        } else {
            tracing::debug!(statement = names::of(self.sql), seconds, "statement");
        }
        answer
    }
}

/// One of the constants of [`super::statements`], with its values.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: &'static str,
    patience: Duration,
    values: Vec<Value>,
}

impl Statement {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql, patience: PATIENCE, values: Vec::new() }
    }

    /// A statement that scans a table.
    pub(super) fn walk(sql: &'static str) -> Self {
        Self { patience: LONG_PATIENCE, ..Self::new(sql) }
    }

    pub(super) fn bind(self, value: impl Into<Value>) -> Self {
        self.bind_value(value.into())
    }

    pub(super) fn bind_value(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    /// Fills a list of `slots` places; unused ones repeat the last value.
    pub(super) fn bind_list<V: Into<Value> + Clone>(mut self, slots: usize, values: &[V]) -> Self {
        for slot in 0..slots {
            if let Some(value) = values.get(slot).or(values.last()) {
                self = self.bind(value.clone());
            }
        }
        self
    }

    /// A running, monitored statement.
    pub(super) fn watch(&self) -> Watch {
        Watch { sql: self.sql, patience: self.patience }
    }

    pub(super) fn into_values(self) -> Vec<Value> {
        self.values
    }
}
