//! Destroying the data of images whose time has come.
//!
//! A pass claims before it destroys: the claim is committed before the first byte goes, and no
//! revert can win after it. A removed location of a living image is claimed by clearing its
//! `deleted_at`, since the image's own row must not change for it.

mod backoff;
mod brakes;
mod destroy;
mod held;
mod pace;
mod pass;
mod report;
mod work;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::report::{ScrubFailure, ScrubReport};
pub use self::work::{Claim, Settled, Work, WorkKind};

use self::backoff::Backoff;
use self::pass::Pass;
use super::lock::ImageLock;
use super::repo::{ImageRepo, RepoError};
use super::store::Stores;
use super::time::Clock;

/// Hosts that keep their time are within a second of each other.
const MOST_AHEAD: Duration = Duration::from_mins(1);

/// The settings of a [`Scrubber`].
#[derive(Debug, Clone, Copy)]
pub struct ScrubSettings {
    /// How long after its deletion an image is left alone.
    pub scrub_time: Duration,
    /// Images destroyed at a time.
    pub pool_size: usize,
    /// So many absent objects in a row stop a store for the pass.
    pub absent_brake: usize,
}

/// Told of the report as it grows.
pub type Progress = Arc<dyn Fn(&ScrubReport) + Send + Sync>;

/// Destroys what is due, one pass at a time.
pub struct Scrubber {
    repo: Arc<dyn ImageRepo>,
    lock: Arc<dyn ImageLock>,
    stores: Arc<dyn Stores>,
    clock: Arc<dyn Clock>,
    settings: ScrubSettings,
    backoff: Mutex<Backoff>,
    progress: Option<Progress>,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Scrubber {
    /// Puts the parts together.
    pub fn new(
        repo: Arc<dyn ImageRepo>,
        lock: Arc<dyn ImageLock>,
        stores: Arc<dyn Stores>,
        clock: Arc<dyn Clock>,
        settings: ScrubSettings,
    ) -> Self {
        Self { repo, lock, stores, clock, settings, backoff: Mutex::default(), progress: None }
    }

    /// Calls `progress` after each batch.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// How far the clock here is ahead of the database's, where that is too far to scrub by it:
    /// what is not due for long would be destroyed at once.
    pub async fn clock_is_ahead(&self) -> Result<Option<Duration>, RepoError> {
        let theirs = self.repo.now().await?;
        let ahead = (self.clock.now() - theirs).to_std().unwrap_or_default();
        Ok((ahead > MOST_AHEAD).then_some(ahead))
    }

    /// One pass over everything that is due. Looks at `stop` between locations; what a stopped
    /// pass leaves is a normal state, and the next pass goes on from it.
    ///
    /// Only a database that does not answer ends a pass early: a bad image counts in the report.
    pub async fn run_once(&self, stop: &CancellationToken) -> Result<ScrubReport, RepoError> {
        let Some(guard) = self.lock.try_lock_pass().await? else {
            return Ok(ScrubReport { skipped: true, ..ScrubReport::default() });
        };
        let mut pass = Pass::new(self, stop);
        let result = pass.run().await;
        guard.release().await;
        result.map(|()| pass.into_report())
    }

    fn with_backoff<T>(&self, act: impl FnOnce(&mut Backoff) -> T) -> T {
        act(&mut self.backoff.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
