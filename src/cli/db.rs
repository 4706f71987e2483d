//! `glance-revert db`.

use std::time::Duration;

use chrono::TimeDelta;
use clap::{Args, Subcommand};

use super::duration::duration;
use super::output::{line, text};
use super::{CliError, Exit, Outcome, SourceArgs, record};
use crate::app::App;
use crate::db::{Schema, SchemaVersion};
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::repo::RepoError;
use crate::domain::time::isotime;

#[derive(Debug, Args)]
pub(super) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Create or update the tables; safe while servers run, and safe to repeat
    #[command(long_about = SYNC)]
    Sync(SyncArgs),
    /// Delete old audit entries; needs a database user who may delete
    TrimAudit(TrimArgs),
    /// Show the version of the tables in the database, and the version that this program needs
    Version,
}

const SYNC: &str = "Create or update the tables; safe while servers run, and safe to repeat\n\n\
    Needs a database user who may create tables: OS_DATABASE__CONNECTION overrides the configured one. \
    Glance's own tables are not touched.";

#[derive(Debug, Args)]
struct SyncArgs {
    /// Print the statements for an empty database, for a database administrator; change nothing
    #[arg(long)]
    sql: bool,
}

#[derive(Debug, Args)]
struct TrimArgs {
    /// Such as 400d or 2y
    #[arg(long, value_name = "TIME", value_parser = duration)]
    older_than: Duration,
}

/// Exit codes: 0 the tables are up to date; 1 they are not; 69 the database is unavailable.
pub(super) async fn run(sources: &SourceArgs, args: &DbArgs) -> Outcome {
    let app = sources.app()?;
    let schema = &*app.database.schema;
    match &args.command {
        DbCommand::Sync(SyncArgs { sql: true }) => {
            text(&schema.sql())?;
            Ok(Exit::Ok)
        }
        DbCommand::Sync(_) => sync(schema).await,
        DbCommand::TrimAudit(args) => trim(&app, args).await,
        DbCommand::Version => {
            let version = schema.version().await?;
            line(format_args!("database: {}, needed: {}", version.found, version.needed))?;
            Ok(if version.is_enough() { Exit::Ok } else { Exit::Failed })
        }
    }
}

async fn trim(app: &App, TrimArgs { older_than }: &TrimArgs) -> Outcome {
    if !app.database.schema.version().await?.is_enough() {
        return Err(RepoError::TablesMissing.into());
    }
    let now = app.clock.now();
    let age = TimeDelta::from_std(*older_than).unwrap_or(TimeDelta::MAX);
    let before = now.checked_sub_signed(age).unwrap_or(chrono::DateTime::UNIX_EPOCH.naive_utc());
    let entry = AuditEntry::new(now, "trimAudit", Actor::from(&record::operator()));
    let entry = entry.with("before", isotime(before));
    let trimmed = app.database.schema.trim_audit(before, entry).await;
    let trimmed = trimmed.map_err(|error| with_advice(error, "delete from revert_audit", ""))?;
    line(format_args!("{trimmed} entries from before {} were deleted", isotime(before)))?;
    Ok(Exit::Ok)
}

async fn sync(schema: &dyn Schema) -> Outcome {
    let [before, after] = schema.sync().await.map_err(|error| {
        with_advice(
            error,
            "create tables",
            ", or let such a user run the statements of db sync --sql",
        )
    })?;
    let SchemaVersion { found, .. } = after;
    if before == after {
        line(format_args!("version {found} already exists; nothing was changed"))?;
    } else {
        line(format_args!("updated to version {found}, from {}", before.found))?;
    }
    Ok(Exit::Ok)
}

/// A refused statement almost always means a user without that privilege.
fn with_advice(error: RepoError, what: &str, more: &str) -> CliError {
    if !matches!(error, RepoError::Refused(_)) {
        return error.into();
    }
    CliError::Other(format!(
        "{error}. Run it as a user who may {what} (OS_DATABASE__CONNECTION=.. overrides the \
         configured one){more}"
    ))
}
