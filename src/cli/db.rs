//! `glance-revert db`.

use clap::{Args, Subcommand};

use super::output::{line, text};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::db::{Schema, SchemaVersion};
use crate::domain::repo::RepoError;

#[derive(Debug, Args)]
pub(super) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Make the tables, or bring them up to date; safe while servers run, and again
    #[command(long_about = SYNC)]
    Sync(SyncArgs),
    /// Say which version of the tables the database has, and which this program needs
    Version,
}

const SYNC: &str = "Make the tables, or bring them up to date; safe while servers run, and again\n\n\
    Needs a database user who may create tables: OS_DATABASE__CONNECTION overrides the configured one. \
    Glance's own tables are not touched.";

#[derive(Debug, Args)]
struct SyncArgs {
    /// Print the statements for an empty database and change nothing: for somebody else to run
    #[arg(long)]
    sql: bool,
}

/// Exit codes: 0 the tables are as this program needs them; 1 they are not; 69 the database does not
/// answer.
pub(super) async fn run(sources: &SourceArgs, args: &DbArgs) -> Outcome {
    let app = sources.app()?;
    let schema = &*app.database.schema;
    match &args.command {
        DbCommand::Sync(SyncArgs { sql: true }) => {
            text(&schema.sql())?;
            Ok(Exit::Ok)
        }
        DbCommand::Sync(_) => sync(schema).await,
        DbCommand::Version => {
            let version = schema.version().await?;
            line(format_args!("database: {}, needed: {}", version.found, version.needed))?;
            Ok(if version.is_enough() { Exit::Ok } else { Exit::Failed })
        }
    }
}

async fn sync(schema: &dyn Schema) -> Outcome {
    let [before, after] = schema.sync().await.map_err(with_advice)?;
    let SchemaVersion { found, .. } = after;
    if before == after {
        line(format_args!("version {found} was there already; nothing was changed"))?;
    } else {
        line(format_args!("version {found} is made, after {}", before.found))?;
    }
    Ok(Exit::Ok)
}

/// A refused statement is nearly always a user who may not create tables.
fn with_advice(error: RepoError) -> CliError {
    if !matches!(error, RepoError::Refused(_)) {
        return error.into();
    }
    CliError::Other(format!(
        "{error}. Run it as a user who may create tables (OS_DATABASE__CONNECTION=.. overrides the \
         configured one), or give such a user the statements of db sync --sql"
    ))
}
