//! The session that holds this process's locks on a server.

use std::sync::OnceLock;

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::mysql::MySql;
use sqlx::postgres::Postgres;

use crate::db::connections::Connections;
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::{connection_broke, has_no_named_locks, repo_error};
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement, Value};
use crate::domain::lock::LockTrial;
use crate::domain::repo::RepoError;
use crate::telemetry::metric;

/// Named locks of a database session. If the database has no reliable ones, every request is
/// granted.
#[async_trait]
pub(super) trait SessionLock: std::fmt::Debug + Send + Sync {
    /// Returns a result for each name. After an error no lock is held.
    async fn try_lock(&self, names: &[String]) -> Result<Vec<bool>, RepoError>;
    /// Releases locks. Never fails: a broken session has released everything.
    async fn unlock(&self, names: &[String]);
    /// The server's name of the session. Opens a new session if the last one broke.
    async fn name(&self) -> Result<String, RepoError>;
    /// Tests whether they are reliable.
    async fn trial(&self) -> Result<LockTrial, RepoError>;
}

/// Queries in a test of the locks: a pooler gives a random session.
const TRIALS: usize = 10;
/// The same before the first lock, within a request.
const FIRST_TRIALS: usize = 3;

/// Locks taken or released in one round trip.
const LOCKS: usize = 16;

/// Repeats a text `LOCKS` times.
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
    /// Returns `granted`, a text with one word for each lock, separated by commas; and, like each
    /// statement here, [`Self::SESSION`]'s `session`.
    const TRY_LOCK: &'static str;
    /// The same for [`LOCKS`] locks; a key of [`Self::NO_KEY`] takes no lock.
    const TRY_LOCKS: &'static str;
    const UNLOCK: &'static str;
    const UNLOCKS: &'static str;
    /// Returns `session`, which identifies the session on the server.
    const SESSION: &'static str;
    const NO_KEY: Value;
    /// How often each key is bound in [`Self::TRY_LOCKS`] and [`Self::UNLOCKS`].
    const BOUND: usize;
    /// The word for a lock that was granted.
    const GRANTED: &'static str;
    /// The lock's name on the server, unique to Glance's database.
    fn key(database: &str, name: &str) -> Value;
    /// The server has no such locks; only the compare-and-set protects.
    fn has_none(error: &sqlx::Error) -> bool;
}

impl LockDialect for MySql {
    const TRY_LOCK: &'static str = "SELECT CONCAT_WS(',', GET_LOCK(?, 0)) AS granted, \
         CONCAT(CONNECTION_ID(), '') AS session";
    const TRY_LOCKS: &'static str = concat!(
        "SELECT CONCAT_WS(',', ",
        each_lock!("IF(? IS NULL, 0, COALESCE(GET_LOCK(?, 0), 0))"),
        ") AS granted, CONCAT(CONNECTION_ID(), '') AS session"
    );
    const UNLOCK: &'static str = "SELECT RELEASE_LOCK(?), CONCAT(CONNECTION_ID(), '') AS session";
    const UNLOCKS: &'static str = concat!(
        "SELECT ",
        each_lock!("IF(? IS NULL, 0, RELEASE_LOCK(?))"),
        ", CONCAT(CONNECTION_ID(), '') AS session"
    );
    const SESSION: &'static str = "SELECT CONCAT(CONNECTION_ID(), '') AS session";
    const NO_KEY: Value = Value::Text(None);
    /// MySQL, unlike MariaDB, refuses a name that is NULL.
    const BOUND: usize = 2;
    const GRANTED: &'static str = "1";

    /// Names are global on the server and have at most 64 characters: 4 + 16 + 1 + 36.
    fn key(database: &str, name: &str) -> Value {
        let database = hex::encode(&sha256(database)[..8]);
        format!("grv.{database}.{name}").as_str().into()
    }

    fn has_none(error: &sqlx::Error) -> bool {
        has_no_named_locks(error)
    }
}

impl LockDialect for Postgres {
    const TRY_LOCK: &'static str = "SELECT CONCAT_WS(',', pg_try_advisory_lock(?)) AS granted, \
         CONCAT(pg_backend_pid(), '') AS session";
    const TRY_LOCKS: &'static str = concat!(
        "SELECT CONCAT_WS(',', ",
        each_lock!("COALESCE(pg_try_advisory_lock(?), FALSE)"),
        ") AS granted, CONCAT(pg_backend_pid(), '') AS session"
    );
    const UNLOCK: &'static str =
        "SELECT pg_advisory_unlock(?), CONCAT(pg_backend_pid(), '') AS session";
    const UNLOCKS: &'static str = concat!(
        "SELECT ",
        each_lock!("pg_advisory_unlock(?)"),
        ", CONCAT(pg_backend_pid(), '') AS session"
    );
    const SESSION: &'static str = "SELECT CONCAT(pg_backend_pid(), '') AS session";
    const NO_KEY: Value = Value::Big(None);
    const BOUND: usize = 1;
    const GRANTED: &'static str = "t";

    /// Keys are per database, with 64 bits.
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
    connection: tokio::sync::Mutex<Option<LockConnection<D>>>,
    /// Set if locks are not reliable.
    unreliable: OnceLock<LockTrial>,
    /// Set once they were tested.
    tried: tokio::sync::OnceCell<()>,
}

/// A connection, and its first session.
#[derive(Debug)]
struct LockConnection<D: LockDialect> {
    connection: PooledConnection<D>,
    session: Option<String>,
}

impl<D: LockDialect> Session<D> {
    pub(in crate::db) fn new(connections: Connections<D>, database: &str) -> Self {
        Self {
            connections,
            database: database.to_owned(),
            connection: tokio::sync::Mutex::default(),
            unreliable: OnceLock::new(),
            tried: tokio::sync::OnceCell::new(),
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

    /// A broken connection has released all its locks, so the query is repeated on a new one: a
    /// database restart causes no error.
    async fn ask(&self, statement: Statement) -> Result<Vec<D::Row>, sqlx::Error> {
        let mut held = self.connection.lock().await;
        if let Some(known) = &mut *held {
            let answer = self.say(known, statement.clone()).await;
            if !answer.as_ref().is_err_and(connection_broke) {
                return answer;
            }
            *held = None;
        }
        let mut new = self.connect().await?;
        let answer = self.say(&mut new, statement).await;
        if !answer.as_ref().is_err_and(connection_broke) {
            *held = Some(new);
        }
        answer
    }

    async fn say(
        &self,
        held: &mut LockConnection<D>,
        statement: Statement,
    ) -> Result<Vec<D::Row>, sqlx::Error> {
        let answer = D::fetch(&mut held.connection, statement).await;
        let rows = self.connections.note_result(&mut held.connection, answer)?;
        let session = session::<D>(&rows)?;
        let first = held.session.get_or_insert_with(|| session.clone());
        if *first != session {
            self.distrust(LockTrial::Wanders);
        }
        Ok(rows)
    }

    /// Stops relying on locks; only the compare-and-set protects from now on. Logged once.
    fn distrust(&self, found: LockTrial) {
        if self.unreliable.set(found).is_err() {
            return;
        }
        match found {
            LockTrial::Works => {}
            LockTrial::Absent => tracing::info!("{found}"),
            LockTrial::Wanders => {
                metrics::counter!(metric::LOCK_SESSIONS_LOST_TOTAL).increment(1);
                tracing::error!("{found}");
            }
        }
    }

    /// Never returns to the pool, where nobody would release its locks.
    async fn connect(&self) -> Result<LockConnection<D>, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        connection.keep();
        Ok(LockConnection { connection, session: None })
    }

    /// At most [`LOCKS`] names.
    async fn try_lock_some(&self, names: &[String]) -> Result<Vec<bool>, RepoError> {
        let all = || vec![true; names.len()];
        self.try_first().await.map_err(repo_error)?;
        if self.unreliable.get().is_some() {
            return Ok(all());
        }
        let rows = match self.ask(self.statement(D::TRY_LOCK, D::TRY_LOCKS, names)).await {
            Ok(rows) => rows,
            Err(error) if D::has_none(&error) => {
                self.distrust(LockTrial::Absent);
                return Ok(all());
            }
            Err(error) => return Err(repo_error(error)),
        };
        if self.unreliable.get().is_some() {
            return Ok(all());
        }
        let text = rows.first().map(|row| D::text(row, "granted")).transpose();
        let text = text.map_err(repo_error)?.flatten().unwrap_or_default();
        let words = text.split(',').map(|word| word == D::GRANTED);
        Ok(words.chain(std::iter::repeat(false)).take(names.len()).collect())
    }

    /// Before the first lock: behind a pooler in transaction mode a lock would stay in a session
    /// that this process no longer has, and block others until the pooler ends that session.
    async fn try_first(&self) -> Result<(), sqlx::Error> {
        self.tried.get_or_try_init(|| self.try_often(FIRST_TRIALS)).await.map(drop)
    }

    async fn try_often(&self, times: usize) -> Result<(), sqlx::Error> {
        for _ in 0..times {
            if self.unreliable.get().is_none() {
                self.try_beside_a_transaction().await?;
            }
        }
        Ok(())
    }

    /// To detect a pooler that gives each transaction any session, another connection opens a
    /// transaction: either it gets the session of the locks, or it takes the session that would
    /// answer here next.
    async fn try_beside_a_transaction(&self) -> Result<(), sqlx::Error> {
        let ask = || Statement::new(D::SESSION);
        let ours = session::<D>(&self.ask(ask()).await?)?;
        let mut connection = self.connections.acquire().await?;
        let theirs = async {
            let mut transaction = within(PATIENCE, connection.begin_with(D::BEGIN)).await?;
            let theirs = session::<D>(&D::fetch(&mut transaction, ask()).await?)?;
            let again = session::<D>(&self.ask(ask()).await?)?;
            within(PATIENCE, transaction.rollback()).await?;
            Ok([theirs, again])
        };
        let theirs = theirs.await;
        let [theirs, again] = self.connections.note_result(&mut connection, theirs)?;
        if theirs == ours || again != ours {
            self.distrust(LockTrial::Wanders);
        }
        Ok(())
    }
}

fn session<D: Dialect>(rows: &[D::Row]) -> Result<String, sqlx::Error> {
    let session = rows.first().map(|row| D::text(row, "session")).transpose()?;
    Ok(session.flatten().unwrap_or_default())
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
            // Uses no new connection, which would hold none of the locks.
            let Some(known) = &mut *held else { return };
            let statement = self.statement(D::UNLOCK, D::UNLOCKS, some);
            if let Err(error) = self.say(known, statement).await
                && !D::has_none(&error)
            {
                tracing::warn!(%error, "a lock was lost with its connection");
                *held = None;
            }
        }
    }

    async fn name(&self) -> Result<String, RepoError> {
        let rows = self.ask(Statement::new(D::SESSION)).await.map_err(repo_error)?;
        session::<D>(&rows).map_err(repo_error)
    }

    async fn trial(&self) -> Result<LockTrial, RepoError> {
        let name = ["check".to_owned()];
        if self.try_lock(&name).await? == [true] {
            self.unlock(&name).await;
        }
        self.try_often(TRIALS).await.map_err(repo_error)?;
        Ok(self.unreliable.get().copied().unwrap_or(LockTrial::Works))
    }
}
