//! Advisory locks: one connection holds those of this process, for as long as they are wanted.
//!
//! Locks of one session do not exclude each other, neither on MariaDB nor on PostgreSQL, so the
//! process keeps a set of its own in front. SQLite has no named locks: there the set is all, and
//! the one lock that two processes must not share, that of the pass, is a locked file.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sqlx::mysql::MySql;
use sqlx::pool::PoolConnection;
use sqlx::postgres::Postgres;

use super::connections::Connections;
use super::dialect::Dialect;
use super::error::{connection_broke, repo_error};
use super::statement::{Statement, Value};
use crate::domain::image::ImageId;
use crate::domain::lock::{HeldLock, ImageGuard, ImageLock, PassGuard};
use crate::domain::repo::RepoError;

/// The pass lock's name; no image id has a blank.
const PASS: &str = "scrub pass";

/// Advisory locks of one database.
#[derive(Debug)]
pub(super) struct AdvisoryLock {
    taken: Arc<Mutex<HashSet<String>>>,
    beyond: Beyond,
}

/// What reaches beyond this process.
#[derive(Debug)]
enum Beyond {
    Session(Arc<dyn SessionLock>),
    PassFile(PathBuf),
}

impl AdvisoryLock {
    pub(super) fn shared<D: LockDialect>(session: Session<D>) -> Self {
        Self { taken: Arc::default(), beyond: Beyond::Session(Arc::new(session)) }
    }

    pub(super) fn local(pass_file: PathBuf) -> Self {
        Self { taken: Arc::default(), beyond: Beyond::PassFile(pass_file) }
    }

    async fn try_take(&self, name: &str) -> Result<Option<Box<dyn HeldLock>>, RepoError> {
        let Some(ours) = Taken::take(&self.taken, name) else { return Ok(None) };
        let beyond = match &self.beyond {
            Beyond::Session(session) => return take_in_session(Arc::clone(session), ours).await,
            Beyond::PassFile(path) if name == PASS => match lock_file(path)? {
                Some(file) => HeldBeyond::File(file),
                None => return Ok(None),
            },
            Beyond::PassFile(_) => HeldBeyond::Nothing,
        };
        Ok(Some(Box::new(Held { beyond, ours })))
    }
}

/// In a task of its own: a caller who leaves in the middle of the question would leave a lock that
/// nobody gives up. So the task ends in any case, and a lock that nobody waits for is dropped.
async fn take_in_session(
    session: Arc<dyn SessionLock>,
    ours: Taken,
) -> Result<Option<Box<dyn HeldLock>>, RepoError> {
    let task = tokio::spawn(async move {
        let granted = session.try_lock(&ours.name).await?;
        let beyond = HeldBeyond::Session { session, released: false };
        Ok(granted.then(|| Box::new(Held { beyond, ours }) as Box<dyn HeldLock>))
    });
    task.await.unwrap_or_else(|error| Err(RepoError::Unavailable(error.to_string())))
}

#[async_trait]
impl ImageLock for AdvisoryLock {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        // MariaDB's lock names and ids do not tell case
        let held = self.try_take(&id.as_str().to_ascii_lowercase()).await?;
        Ok(held.map(|held| ImageGuard::new(id.clone(), held)))
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        Ok(self.try_take(PASS).await?.map(PassGuard::new))
    }
}

/// One name in the process's own set.
#[derive(Debug)]
struct Taken {
    set: Arc<Mutex<HashSet<String>>>,
    name: String,
}

impl Taken {
    fn take(set: &Arc<Mutex<HashSet<String>>>, name: &str) -> Option<Self> {
        let is_new = set.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        is_new.then(|| Self { set: Arc::clone(set), name: name.to_owned() })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.set.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// A lock that is held. Fields drop in order: beyond first, ours last.
#[derive(Debug)]
struct Held {
    beyond: HeldBeyond,
    ours: Taken,
}

#[derive(Debug)]
enum HeldBeyond {
    Session { session: Arc<dyn SessionLock>, released: bool },
    File(File),
    Nothing,
}

#[async_trait]
impl HeldLock for Held {
    async fn release(mut self: Box<Self>) {
        if let HeldBeyond::Session { session, released } = &mut self.beyond {
            session.unlock(&self.ours.name).await;
            *released = true;
        }
    }
}

impl Drop for Held {
    /// A guard that was dropped and not released: a request was cut off. The name stays taken in
    /// this process until the database has let go of it.
    fn drop(&mut self) {
        if let HeldBeyond::File(file) = &self.beyond
            && let Err(error) = file.unlock()
        {
            // closing it gives the lock up too, unless a child process has it open
            tracing::debug!(%error, "the lock of the pass ends with its file");
        }
        let HeldBeyond::Session { session, released: false } = &self.beyond else { return };
        let (session, set) = (Arc::clone(session), Arc::clone(&self.ours.set));
        let name = std::mem::take(&mut self.ours.name);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let ours = Taken { set, name };
            session.unlock(&ours.name).await;
        });
    }
}

fn lock_file(path: &PathBuf) -> Result<Option<File>, RepoError> {
    let problem = |error: std::io::Error| {
        RepoError::Unavailable(format!("{} cannot be locked: {error}", path.display()))
    };
    let file = File::options().create(true).append(true).open(path).map_err(problem)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(problem(error)),
    }
}

/// Named locks of a database session.
#[async_trait]
trait SessionLock: std::fmt::Debug + Send + Sync {
    async fn try_lock(&self, name: &str) -> Result<bool, RepoError>;
    /// Never fails: a session that broke has let go of everything.
    async fn unlock(&self, name: &str);
}

/// How a dialect names and takes a lock.
pub(super) trait LockDialect: Dialect {
    const TRY_LOCK: &'static str;
    const UNLOCK: &'static str;
    /// The lock's name on the server, unique to Glance's database.
    fn key(database: &str, name: &str) -> Value;
    /// Reads the answer to `TRY_LOCK`.
    fn granted(row: &Self::Row) -> Result<bool, sqlx::Error>;
    /// The server has no such locks; the compare-and-set alone must do.
    fn has_none(error: &sqlx::Error) -> bool;
}

impl LockDialect for MySql {
    const TRY_LOCK: &'static str = "SELECT CAST(GET_LOCK(?, 0) AS SIGNED) AS granted";
    const UNLOCK: &'static str = "DO RELEASE_LOCK(?)";

    /// Names are the server's, at most 64 characters: 4 + 16 + 1 + 36.
    fn key(database: &str, name: &str) -> Value {
        let database = hex::encode(&sha256(database)[..8]);
        format!("grv.{database}.{name}").as_str().into()
    }

    fn granted(row: &Self::Row) -> Result<bool, sqlx::Error> {
        Self::big(row, "granted").map(|granted| granted == Some(1))
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
    const TRY_LOCK: &'static str = "SELECT pg_try_advisory_lock(?) AS granted";
    const UNLOCK: &'static str = "SELECT pg_advisory_unlock(?)";

    /// Keys are the database's, 64 bits.
    fn key(_database: &str, name: &str) -> Value {
        let digest = sha256(&format!("glance-revert {name}"));
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        i64::from_be_bytes(key).into()
    }

    fn granted(row: &Self::Row) -> Result<bool, sqlx::Error> {
        Self::bool(row, "granted")
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
pub(super) struct Session<D: LockDialect> {
    connections: Connections<D>,
    database: String,
    connection: tokio::sync::Mutex<Option<PoolConnection<D>>>,
}

impl<D: LockDialect> Session<D> {
    pub(super) fn new(connections: Connections<D>, database: &str) -> Self {
        Self {
            connections,
            database: database.to_owned(),
            connection: tokio::sync::Mutex::default(),
        }
    }

    /// A connection that broke has let go of all its locks, so the question is put again to a new
    /// one: a database that was restarted since the last question costs nobody an answer.
    async fn ask(&self, name: &str) -> Result<Vec<D::Row>, sqlx::Error> {
        let mut held = self.connection.lock().await;
        if let Some(connection) = &mut *held {
            let answer = self.say(connection, D::TRY_LOCK, name).await;
            if !answer.as_ref().is_err_and(connection_broke) {
                return answer;
            }
            *held = None;
        }
        let mut connection = self.connect().await?;
        let answer = self.say(&mut connection, D::TRY_LOCK, name).await;
        if !answer.as_ref().is_err_and(connection_broke) {
            *held = Some(connection);
        }
        answer
    }

    async fn say(
        &self,
        connection: &mut PoolConnection<D>,
        sql: &'static str,
        name: &str,
    ) -> Result<Vec<D::Row>, sqlx::Error> {
        let statement = Statement::new(sql).bind_value(D::key(&self.database, name));
        let answer = D::fetch(connection, statement).await;
        self.connections.heed(connection, answer)
    }

    /// Never goes back to the pool: there its locks would be held by nobody.
    async fn connect(&self) -> Result<PoolConnection<D>, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        connection.close_on_drop();
        Ok(connection)
    }
}

#[async_trait]
impl<D: LockDialect> SessionLock for Session<D> {
    async fn try_lock(&self, name: &str) -> Result<bool, RepoError> {
        match self.ask(name).await {
            Ok(rows) => rows.first().map_or(Ok(false), D::granted).map_err(repo_error),
            Err(error) if D::has_none(&error) => {
                tracing::debug!("the database has no named locks; its transactions must do");
                Ok(true)
            }
            Err(error) => Err(repo_error(error)),
        }
    }

    async fn unlock(&self, name: &str) {
        let mut held = self.connection.lock().await;
        // No new connection for this: it would hold none of the locks.
        let Some(connection) = &mut *held else { return };
        if let Err(error) = self.say(connection, D::UNLOCK, name).await {
            tracing::warn!(%error, "a lock was lost with its connection");
            *held = None;
        }
    }
}
