//! The session that holds this process's locks on a server.

use async_trait::async_trait;
use sqlx::mysql::MySql;
use sqlx::postgres::Postgres;

use crate::db::connections::{Connections, Lent};
use crate::db::dialect::Dialect;
use crate::db::error::{connection_broke, repo_error};
use crate::db::statement::{Statement, Value};
use crate::domain::repo::RepoError;

/// Named locks of a database session.
#[async_trait]
pub(super) trait SessionLock: std::fmt::Debug + Send + Sync {
    /// An answer for each name. With an error none is held.
    async fn try_lock(&self, names: &[String]) -> Result<Vec<bool>, RepoError>;
    /// Never fails: a session that broke has let go of everything.
    async fn unlock(&self, names: &[String]);
}

/// Locks taken, and given up, in one round trip.
const LOCKS: usize = 16;

/// `LOCKS` times the same text.
macro_rules! each_lock {
    ($one:literal) => {
        concat!(
            $one, ",", $one, ",", $one, ",", $one, ",", $one, ",", $one, ",", $one, ",", $one, ",",
            $one, ",", $one, ",", $one, ",", $one, ",", $one, ",", $one, ",", $one, ",", $one
        )
    };
}

/// How a dialect names and takes a lock.
pub(in crate::db) trait LockDialect: Dialect {
    /// Answers with `granted`, a text of one word for each lock, with commas between.
    const TRY_LOCK: &'static str;
    /// The same for [`LOCKS`] of them; no lock is asked for where the key is [`Self::NO_KEY`].
    const TRY_LOCKS: &'static str;
    const UNLOCK: &'static str;
    const UNLOCKS: &'static str;
    const NO_KEY: Value;
    /// How often each key is bound in [`Self::TRY_LOCKS`] and [`Self::UNLOCKS`].
    const BOUND: usize;
    /// The word for a lock that was granted.
    const GRANTED: &'static str;
    /// The lock's name on the server, unique to Glance's database.
    fn key(database: &str, name: &str) -> Value;
    /// The server has no such locks; the compare-and-set alone must do.
    fn has_none(error: &sqlx::Error) -> bool;
}

impl LockDialect for MySql {
    const TRY_LOCK: &'static str = "SELECT CONCAT_WS(',', GET_LOCK(?, 0)) AS granted";
    const TRY_LOCKS: &'static str = concat!(
        "SELECT CONCAT_WS(',', ",
        each_lock!("IF(? IS NULL, 0, COALESCE(GET_LOCK(?, 0), 0))"),
        ") AS granted"
    );
    const UNLOCK: &'static str = "DO RELEASE_LOCK(?)";
    const UNLOCKS: &'static str = concat!("DO ", each_lock!("IF(? IS NULL, 0, RELEASE_LOCK(?))"));
    const NO_KEY: Value = Value::Text(None);
    /// MySQL, other than MariaDB, has an error for a name that is NULL.
    const BOUND: usize = 2;
    const GRANTED: &'static str = "1";

    /// Names are the server's, at most 64 characters: 4 + 16 + 1 + 36.
    fn key(database: &str, name: &str) -> Value {
        let database = hex::encode(&sha256(database)[..8]);
        format!("grv.{database}.{name}").as_str().into()
    }

    /// 1235: some builds of Galera refuse `GET_LOCK`.
    fn has_none(error: &sqlx::Error) -> bool {
        error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
            .is_some_and(|error| error.number() == 1235)
    }
}

impl LockDialect for Postgres {
    const TRY_LOCK: &'static str = "SELECT CONCAT_WS(',', pg_try_advisory_lock(?)) AS granted";
    const TRY_LOCKS: &'static str = concat!(
        "SELECT CONCAT_WS(',', ",
        each_lock!("COALESCE(pg_try_advisory_lock(?), FALSE)"),
        ") AS granted"
    );
    const UNLOCK: &'static str = "SELECT pg_advisory_unlock(?)";
    const UNLOCKS: &'static str = concat!("SELECT ", each_lock!("pg_advisory_unlock(?)"));
    const NO_KEY: Value = Value::Big(None);
    const BOUND: usize = 1;
    const GRANTED: &'static str = "t";

    /// Keys are the database's, 64 bits.
    fn key(_database: &str, name: &str) -> Value {
        let digest = sha256(&format!("glance-revert {name}"));
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        i64::from_be_bytes(key).into()
    }

    fn has_none(_error: &sqlx::Error) -> bool {
        false
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// The connection that holds this process's locks.
#[derive(Debug)]
pub(in crate::db) struct Session<D: LockDialect> {
    connections: Connections<D>,
    database: String,
    connection: tokio::sync::Mutex<Option<Lent<D>>>,
}

impl<D: LockDialect> Session<D> {
    pub(in crate::db) fn new(connections: Connections<D>, database: &str) -> Self {
        Self {
            connections,
            database: database.to_owned(),
            connection: tokio::sync::Mutex::default(),
        }
    }

    /// `one` for a single name, `many` for up to [`LOCKS`] of them.
    fn statement(&self, one: &'static str, many: &'static str, names: &[String]) -> Statement {
        let (sql, slots, bound) =
            if names.len() == 1 { (one, 1, 1) } else { (many, LOCKS, D::BOUND) };
        let keys = names.iter().map(|name| D::key(&self.database, name));
        let keys = keys.chain(std::iter::repeat_n(D::NO_KEY, slots - names.len()));
        let keys = keys.flat_map(|key| std::iter::repeat_n(key, bound));
        keys.fold(Statement::new(sql), Statement::bind_value)
    }

    /// A connection that broke has let go of all its locks, so the question is put again to a new
    /// one: a database that was restarted since the last question costs nobody an answer.
    async fn ask(&self, names: &[String]) -> Result<Vec<D::Row>, sqlx::Error> {
        let statement = self.statement(D::TRY_LOCK, D::TRY_LOCKS, names);
        let mut held = self.connection.lock().await;
        if let Some(connection) = &mut *held {
            let answer = self.say(connection, statement.clone()).await;
            if !answer.as_ref().is_err_and(connection_broke) {
                return answer;
            }
            *held = None;
        }
        let mut connection = self.connect().await?;
        let answer = self.say(&mut connection, statement).await;
        if !answer.as_ref().is_err_and(connection_broke) {
            *held = Some(connection);
        }
        answer
    }

    async fn say(
        &self,
        connection: &mut Lent<D>,
        statement: Statement,
    ) -> Result<Vec<D::Row>, sqlx::Error> {
        let answer = D::fetch(connection, statement).await;
        self.connections.heed(connection, answer)
    }

    /// Never goes back to the pool: there its locks would be held by nobody.
    async fn connect(&self) -> Result<Lent<D>, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        connection.keep();
        Ok(connection)
    }

    /// At most [`LOCKS`] names.
    async fn try_lock_some(&self, names: &[String]) -> Result<Vec<bool>, RepoError> {
        let rows = match self.ask(names).await {
            Ok(rows) => rows,
            Err(error) if D::has_none(&error) => {
                tracing::debug!("the database has no named locks; its transactions must do");
                return Ok(vec![true; names.len()]);
            }
            Err(error) => return Err(repo_error(error)),
        };
        let text = rows.first().map(|row| D::text(row, "granted")).transpose();
        let text = text.map_err(repo_error)?.flatten().unwrap_or_default();
        let words = text.split(',').map(|word| word == D::GRANTED);
        Ok(words.chain(std::iter::repeat(false)).take(names.len()).collect())
    }
}

#[async_trait]
impl<D: LockDialect> SessionLock for Session<D> {
    async fn try_lock(&self, names: &[String]) -> Result<Vec<bool>, RepoError> {
        let mut granted = Vec::with_capacity(names.len());
        for some in names.chunks(LOCKS) {
            match self.try_lock_some(some).await {
                Ok(answers) => granted.extend(answers),
                Err(error) => {
                    self.unlock(&names[..granted.len()]).await;
                    return Err(error);
                }
            }
        }
        Ok(granted)
    }

    async fn unlock(&self, names: &[String]) {
        for some in names.chunks(LOCKS) {
            let mut held = self.connection.lock().await;
            // No new connection for this: it would hold none of the locks.
            let Some(connection) = &mut *held else { return };
            let statement = self.statement(D::UNLOCK, D::UNLOCKS, some);
            if let Err(error) = self.say(connection, statement).await {
                tracing::warn!(%error, "a lock was lost with its connection");
                *held = None;
            }
        }
    }
}
