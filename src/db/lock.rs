//! Advisory locks: one connection holds all locks of this process.
//!
//! Locks of one session do not exclude each other, neither on MariaDB nor on PostgreSQL, so the
//! process also keeps its own set of taken names. SQLite has no named locks: there only that set
//! exists, and the one lock that excludes other processes, the pass lock, is a locked file.

mod session;

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::session::{LockDialect, SessionLock};
use crate::domain::image::ImageId;
use crate::domain::lock::{HeldLock, ImageGuard, ImageLock, LockTrial, PassGuard};
use crate::domain::repo::RepoError;

pub(super) use self::session::Session;

/// The pass lock's name; no image id has a blank.
const PASS: &str = "scrub pass";

/// Advisory locks of one database.
#[derive(Debug)]
pub(super) struct AdvisoryLock {
    taken: Arc<Mutex<HashSet<String>>>,
    beyond: Beyond,
}

/// Locks that also exclude other processes.
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

    /// Takes each of these names that is free.
    async fn try_take(&self, names: &[String]) -> Result<Vec<Option<Box<NamedLock>>>, RepoError> {
        let ours = names.iter().map(|name| Taken::take(&self.taken, name)).collect();
        match &self.beyond {
            Beyond::Session(session) => take_in_session(Arc::clone(session), ours).await,
            Beyond::PassFile(_) => {
                let held = |ours| Box::new(NamedLock { beyond: HeldBeyond::Nothing, ours });
                Ok(ours.into_iter().map(|ours| ours.map(held)).collect())
            }
        }
    }
}

/// Runs in its own task: a caller that is cancelled during the query would leave locks that are
/// never released. So the task always completes, and drops a lock if its caller is gone.
async fn take_in_session(
    session: Arc<dyn SessionLock>,
    ours: Vec<Option<Taken>>,
) -> Result<Vec<Option<Box<NamedLock>>>, RepoError> {
    let task = tokio::spawn(async move {
        let names: Vec<_> = ours.iter().flatten().map(|ours| ours.name.clone()).collect();
        let mut granted = session.try_lock(&names).await?.into_iter();
        let held = |ours: Option<Taken>| {
            let ours = ours.filter(|_| granted.next() == Some(true))?;
            let session = Arc::clone(&session);
            Some(Box::new(NamedLock {
                beyond: HeldBeyond::Session { session, released: false },
                ours,
            }))
        };
        Ok(ours.into_iter().map(held).collect())
    });
    task.await.unwrap_or_else(|error| Err(RepoError::Unavailable(error.to_string())))
}

/// MariaDB's lock names and ids are not case-sensitive.
fn lock_name(id: &ImageId) -> String {
    id.as_str().to_ascii_lowercase()
}

#[async_trait]
impl ImageLock for AdvisoryLock {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        Ok(self.try_lock_all(std::slice::from_ref(id)).await?.pop())
    }

    async fn try_lock_all(&self, ids: &[ImageId]) -> Result<Vec<ImageGuard>, RepoError> {
        let names: Vec<_> = ids.iter().map(lock_name).collect();
        let held = self.try_take(&names).await?;
        let guard = |(id, held): (&ImageId, Option<Box<NamedLock>>)| {
            held.map(|held| ImageGuard::new(id.clone(), held))
        };
        Ok(ids.iter().zip(held).filter_map(guard).collect())
    }

    async fn release_all(&self, guards: Vec<ImageGuard>) {
        let Beyond::Session(session) = &self.beyond else { return };
        let names: Vec<_> = guards.iter().map(|guard| lock_name(guard.id())).collect();
        session.unlock(&names).await;
        for guard in guards {
            guard.forget();
        }
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        let Some(mut held) = self.try_take(&[PASS.to_owned()]).await?.pop().flatten() else {
            return Ok(None);
        };
        if let Beyond::PassFile(path) = &self.beyond {
            let Some(file) = lock_file(path)? else { return Ok(None) };
            held.beyond = HeldBeyond::File(file);
        }
        Ok(Some(PassGuard::new(held)))
    }

    async fn session(&self) -> Result<Option<String>, RepoError> {
        match &self.beyond {
            Beyond::Session(session) => session.name().await.map(Some),
            Beyond::PassFile(_) => Ok(None),
        }
    }

    async fn trial(&self) -> Result<LockTrial, RepoError> {
        match &self.beyond {
            Beyond::Session(session) => session.trial().await,
            Beyond::PassFile(_) => Ok(LockTrial::Works),
        }
    }
}

/// A name in the process's own set.
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

/// A held lock. Fields drop in order: the database's lock first, the process's own last.
#[derive(Debug)]
struct NamedLock {
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
impl HeldLock for NamedLock {
    async fn release(mut self: Box<Self>) {
        if let HeldBeyond::Session { session, released } = &mut self.beyond {
            session.unlock(std::slice::from_ref(&self.ours.name)).await;
            *released = true;
        }
    }

    fn forget(mut self: Box<Self>) {
        if let HeldBeyond::Session { released, .. } = &mut self.beyond {
            *released = true;
        }
    }
}

impl Drop for NamedLock {
    /// A guard that was dropped without release, because its request was cancelled. The name stays
    /// taken in this process until the database has released it.
    fn drop(&mut self) {
        if let HeldBeyond::File(file) = &self.beyond
            && let Err(error) = file.unlock()
        {
            // closing it also releases the lock, unless a child process has it open
            tracing::debug!(%error, "the lock of the pass ends with its file");
        }
        let HeldBeyond::Session { session, released: false } = &self.beyond else { return };
        let (session, set) = (Arc::clone(session), Arc::clone(&self.ours.set));
        let name = std::mem::take(&mut self.ours.name);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let ours = Taken { set, name };
            session.unlock(std::slice::from_ref(&ours.name)).await;
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
