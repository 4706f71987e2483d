//! Advisory locks: they give order, not safety. Safety rests on the compare-and-set of
//! [`super::repo::ImageRepo`].

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::RepoError;
use super::image::ImageId;

/// The adapter's side of a lock that is held; dropping it gives the lock up too, a little later.
#[async_trait]
pub trait HeldLock: Debug + Send + Sync {
    /// Gives the lock up and waits until it is free.
    async fn release(self: Box<Self>);

    /// Lets go of a lock that [`ImageLock::release_all`] has given up. For adapters that have a way
    /// of their own to give up several.
    fn forget(self: Box<Self>) {}
}

/// Proof that the lock of one image is held: no guard, no write.
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

    /// Gives the lock up.
    pub async fn release(self) {
        self.held.release().await;
    }

    /// For lock adapters: see [`HeldLock::forget`].
    pub fn forget(self) {
        self.held.forget();
    }
}

/// Proof that this process is the one that runs a scrub pass.
#[derive(Debug)]
pub struct PassGuard(Box<dyn HeldLock>);

impl PassGuard {
    /// For lock adapters.
    pub fn new(held: Box<dyn HeldLock>) -> Self {
        Self(held)
    }

    /// Gives the lock up.
    pub async fn release(self) {
        self.0.release().await;
    }
}

/// What a trial of the locks found. Without them the compare-and-set stands alone: nothing is lost,
/// but a revert may be refused for a claim that is about to be released, and two replicas may run a
/// pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LockTrial {
    /// They can be relied on.
    #[error("advisory locks can be taken")]
    Works,
    /// The database has none.
    #[error(
        "the database has no named locks (Percona XtraDB Cluster in strict mode, some Galeras): the \
         compare-and-set on images alone keeps a revert and a scrub apart"
    )]
    Absent,
    /// The session that holds them changes.
    #[error(
        "the database session changes between two statements: a pooler is in transaction mode, and \
         locks stay behind in sessions that nobody holds. The compare-and-set on images alone keeps a \
         revert and a scrub apart. Connect to the database itself, or use pool_mode = session"
    )]
    Wanders,
}

/// Locks shared by every process on the same Glance database.
#[async_trait]
pub trait ImageLock: Debug + Send + Sync {
    /// Takes the lock of an image if nobody has it.
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError>;

    /// Takes the locks of those images that nobody has, in as few round trips as it can.
    async fn try_lock_all(&self, ids: &[ImageId]) -> Result<Vec<ImageGuard>, RepoError> {
        let mut guards = Vec::new();
        for id in ids {
            guards.extend(self.try_lock(id).await?);
        }
        Ok(guards)
    }

    /// Gives all of these locks up, in as few round trips as it can.
    async fn release_all(&self, guards: Vec<ImageGuard>) {
        for guard in guards {
            guard.release().await;
        }
    }

    /// Takes the one lock of scrub passes if nobody has it.
    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError>;

    /// The database session that holds the locks of this process; `None` where none does. With
    /// another session than before, locks that were taken before are lost.
    async fn session(&self) -> Result<Option<String>, RepoError> {
        Ok(None)
    }

    /// Tries whether the locks can be relied on.
    async fn trial(&self) -> Result<LockTrial, RepoError> {
        Ok(LockTrial::Works)
    }
}
