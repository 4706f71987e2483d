//! Advisory locks: they order work, but safety rests on the compare-and-set of
//! [`super::repo::ImageRepo`].

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::RepoError;
use super::image::ImageId;

/// The adapter's side of a held lock; dropping it releases the lock a little later.
#[async_trait]
pub trait HeldLock: Debug + Send + Sync {
    /// Releases the lock, and returns when it is free.
    async fn release(self: Box<Self>);

    /// Drops a lock that [`ImageLock::release_all`] has already released.
    fn forget(self: Box<Self>) {}
}

/// Proof that an image's lock is held; every write requires one.
#[derive(Debug)]
pub struct ImageGuard {
    id: ImageId,
    held: Box<dyn HeldLock>,
}

impl ImageGuard {
    /// For lock adapters: binds a held lock to its image.
    pub fn new(id: ImageId, held: Box<dyn HeldLock>) -> Self {
        Self { id, held }
    }

    /// The image that is locked.
    pub fn id(&self) -> &ImageId {
        &self.id
    }

    /// Releases the lock.
    pub async fn release(self) {
        self.held.release().await;
    }

    /// For lock adapters: see [`HeldLock::forget`].
    pub fn forget(self) {
        self.held.forget();
    }
}

/// Proof that this process holds the lock of scrub passes.
#[derive(Debug)]
pub struct PassGuard(Box<dyn HeldLock>);

impl PassGuard {
    /// For lock adapters.
    pub fn new(held: Box<dyn HeldLock>) -> Self {
        Self(held)
    }

    /// Releases the lock.
    pub async fn release(self) {
        self.0.release().await;
    }
}

/// The result of testing the locks. Without them only the compare-and-set protects: nothing is
/// lost, but a revert may be refused for a claim that is about to be released, and two replicas may
/// run passes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockTrial {
    /// They work.
    #[error("advisory locks can be taken")]
    Works,
    /// The database has none.
    #[error(
        "the database has no named locks (Percona XtraDB Cluster in strict mode, some Galeras): \
         only the compare-and-set on images separates reverts from passes"
    )]
    Absent,
    /// The session that holds them changes (a pooler).
    #[error(
        "the database session changes between two statements: a pooler is in transaction mode, \
         and locks stay in other sessions. Only the compare-and-set on images separates reverts \
         from passes. Connect to the database directly, or use pool_mode = session"
    )]
    Wanders,
}

/// Locks shared by every process on the same Glance database.
#[async_trait]
pub trait ImageLock: Debug + Send + Sync {
    /// Takes the lock of an image if it is free.
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError>;

    /// Takes those of these images' locks that are free, in as few round trips as possible.
    async fn try_lock_all(&self, ids: &[ImageId]) -> Result<Vec<ImageGuard>, RepoError> {
        let mut guards = Vec::new();
        for id in ids {
            guards.extend(self.try_lock(id).await?);
        }
        Ok(guards)
    }

    /// Releases all of these locks in as few round trips as possible.
    async fn release_all(&self, guards: Vec<ImageGuard>) {
        for guard in guards {
            guard.release().await;
        }
    }

    /// Takes the lock of scrub passes if it is free.
    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError>;

    /// The database session that holds this process's locks; `None` if there is none. If it
    /// changes, earlier locks are lost.
    async fn session(&self) -> Result<Option<String>, RepoError> {
        Ok(None)
    }

    /// Tests whether the locks work.
    async fn trial(&self) -> Result<LockTrial, RepoError> {
        Ok(LockTrial::Works)
    }
}
