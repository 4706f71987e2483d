//! Creates our own tables. sqlx records migrations in `revert_migrations`.
//!
//! MariaDB commits each CREATE TABLE by itself, so every migration can be repeated from its
//! beginning, after a process that died in it or next to another one. So it needs no lock, which
//! Galera would not respect.

mod dialect;

use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

pub(super) use self::dialect::SchemaDialect;
use super::connections::Connections;
use super::deadline::within;
use super::dialect::Dialect;
use super::error::{is_being_made, lost_race, repo_error};
use super::own::NEEDED;
use super::pooled::PooledConnection;
use super::statement::Statement;
use super::tables::{self, SqlTables};
use super::{audit, own};
use crate::domain::audit::AuditEntry;
use crate::domain::repo::RepoError;
use crate::domain::time::Timestamp;

/// The table of completed migrations.
const MIGRATIONS: &str = "revert_migrations";

/// The migrations. A released text never changes: databases store its checksum.
const TEXTS: [(i64, &str, &str); 1] = [(1, "tables", include_str!("schema/0001_tables.sql"))];

const _: () = assert!(TEXTS[TEXTS.len() - 1].0 == NEEDED);

/// Attempts, since other processes may migrate concurrently.
const ATTEMPTS: usize = 10;
/// Attempts after which an unfinished migration counts as abandoned.
const PATIENT: usize = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// Time-out of the whole migration.
const PATIENCE: Duration = Duration::from_mins(5);

/// The version of our tables in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The database's version; 0 for none.
    pub found: i64,
    /// The version that this program needs.
    pub needed: i64,
}

impl SchemaVersion {
    /// Whether the tables suffice. A later version includes all of an earlier one.
    pub fn is_enough(self) -> bool {
        self.found >= self.needed
    }
}

/// Creates our own tables.
#[async_trait]
pub trait Schema: Debug + Send + Sync {
    /// Migrates to the version this program needs; returns the versions before and after.
    async fn sync(&self) -> Result<[SchemaVersion; 2], RepoError>;

    /// The current version.
    async fn version(&self) -> Result<SchemaVersion, RepoError>;

    /// The statements of [`Schema::sync`] on an empty database, for a database administrator.
    fn sql(&self) -> String;

    /// Deletes audit entries from before this time; returns how many. `audit` records who did it.
    async fn trim_audit(&self, before: Timestamp, audit: AuditEntry) -> Result<u64, RepoError>;
}

/// The tables in one family of databases.
#[derive(Debug)]
pub(super) struct SqlSchema<D: Dialect> {
    pub(super) connections: Connections<D>,
    pub(super) tables: Arc<SqlTables<D>>,
}

#[async_trait]
impl<D: SchemaDialect> Schema for SqlSchema<D> {
    async fn sync(&self) -> Result<[SchemaVersion; 2], RepoError> {
        let before = self.version().await?;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match self.migrate(attempt >= PATIENT).await {
                Err(error) if is_being_made(&error) || lost_race(&error) => {}
                done => {
                    done.map_err(repo_error)?;
                    // another process may have started again what this one ended
                    let after = self.version().await?;
                    if after.is_enough() {
                        return Ok([before, after]);
                    }
                }
            }
        }
        Err(RepoError::Unavailable("other processes keep creating the same tables".to_owned()))
    }

    async fn version(&self) -> Result<SchemaVersion, RepoError> {
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let found = tables::version::<D>(&mut connection).await;
        let found = self.connections.note_result(&mut connection, found).map_err(repo_error)?;
        Ok(SchemaVersion { found, needed: NEEDED })
    }

    fn sql(&self) -> String {
        let mut text = format!("{}\n", D::MIGRATIONS_TABLE);
        for migration in migrations::<D>() {
            let (version, description) = (migration.version, &migration.description);
            let checksum = D::bytes(&hex::encode(&migration.checksum));
            // writing into a text cannot fail
            let _ = write!(
                text,
                "\n{}\nINSERT INTO {MIGRATIONS} (version, description, success, checksum, \
                 execution_time)\nVALUES ({version}, '{description}', TRUE, {checksum}, 0);\n",
                migration.sql.as_str()
            );
        }
        text
    }

    async fn trim_audit(&self, before: Timestamp, audit: AuditEntry) -> Result<u64, RepoError> {
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let trimmed = trim::<D>(&mut connection, before).await;
        let trimmed = self.connections.note_result(&mut connection, trimmed).map_err(repo_error)?;
        let audit = audit.with("entries", trimmed);
        let told = self.tables.audit(&mut connection, vec![&audit]).await;
        let written = match told {
            Ok(told) => told.write::<D>(&mut connection).await,
            Err(error) => Err(error),
        };
        self.connections.note_result(&mut connection, written).map_err(repo_error)?;
        Ok(trimmed)
    }
}

/// Deletes a few at a time, each batch in its own transaction.
async fn trim<D: Dialect>(
    connection: &mut PooledConnection<D>,
    before: Timestamp,
) -> Result<u64, sqlx::Error> {
    let before = audit::least_id(before);
    let mut all = 0;
    loop {
        let statement = Statement::new(own::TRIM_AUDIT).bind(before.as_str());
        match D::execute(connection, statement).await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}

impl<D: SchemaDialect> SqlSchema<D> {
    /// `impatient` finishes a migration that another process began and did not complete.
    async fn migrate(&self, impatient: bool) -> Result<(), sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let done = within(PATIENCE, migrate::<D>(&mut connection, impatient)).await;
        if done.is_err() {
            connection.keep();
        }
        self.connections.note_result(&mut connection, done)
    }
}

async fn migrate<D: SchemaDialect>(
    connection: &mut PooledConnection<D>,
    impatient: bool,
) -> Result<(), sqlx::Error> {
    D::probe(connection, D::MIGRATIONS_TABLE.to_owned()).await?;
    if impatient {
        D::probe(connection, format!("DELETE FROM {MIGRATIONS} WHERE success = FALSE")).await?;
    }
    let mut migrator = Migrator::with_migrations(migrations::<D>());
    migrator.dangerous_set_table_name(MIGRATIONS);
    // Tables of a later version stay, and this program works with them.
    migrator.set_locking(false).set_ignore_missing(true);
    let connection: &mut D::Connection = connection;
    migrator.run_direct(None, connection, false).await.map_err(plain)
}

fn plain(error: MigrateError) -> sqlx::Error {
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        error
    } else {
        error.into()
    }
}

fn migrations<D: SchemaDialect>() -> Vec<Migration> {
    let migration = |&(version, description, text): &(i64, &'static str, &str)| {
        let text = text.replace("{time}", D::TIME_TYPE).replace("{options}", D::TABLE_OPTIONS);
        // safe: built from constants alone
        let sql = AssertSqlSafe(text).into_sql_str();
        Migration::new(version, description.into(), MigrationType::Simple, sql, false)
    };
    TEXTS.iter().map(migration).collect()
}
