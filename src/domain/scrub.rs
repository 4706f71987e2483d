//! Destroys the data of images that are due.
//!
//! A pass claims before it destroys: the claim is committed before the first byte is deleted, and
//! no revert can win after that. A removed location of a living image is claimed by clearing its
//! `deleted_at`, because the image's own row must not change for it.

mod backlog;
mod backoff;
mod circuit_breaker;
mod claimed;
mod destroy;
mod horizon;
mod in_force;
mod last_copy;
mod limit;
mod pace;
mod pass;
mod placing;
mod plan;
mod record;
mod report;
mod rules;
mod shared_data;
mod survey;
mod work;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

pub use self::limit::{Limited, Lowered, PassLimits, Tally};
pub use self::placing::Obstacle;
pub use self::plan::{Plan, PlanGroup, PlannedImage, Stopped};
pub use self::record::{Destroyed, Journal};
pub use self::report::{RetainedIn, ScrubFailure, ScrubReport};
pub use self::rules::RuleTally;
pub use self::work::{Claim, Ended, Release, Settled, Work, WorkKind};

use self::backlog::Bookmark;
use self::backoff::Backoff;
use self::circuit_breaker::Tripped;
use self::horizon::Horizon;
use self::pass::Pass;
use super::control::{Acceptance, ControlRepo, Hold, InForce};
use super::image::ImageId;
use super::lock::ImageLock;
use super::principal::Admin;
use super::repo::{RepoError, ScrubRepo};
use super::retention::{Retention, Rules};
use super::store::Stores;
use super::time::{Clock, Timestamp};

/// Hosts with synchronized clocks differ by less than a second.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(1);

/// How often a pass checks whether it is paused.
const LOOK_FOR_PAUSE: Duration = Duration::from_secs(1);

/// The settings of a [`Scrubber`].
#[derive(Debug, Clone, Copy)]
pub struct ScrubSettings {
    /// How long a deleted image is kept.
    pub scrub_time: Duration,
    /// Images destroyed concurrently.
    pub pool_size: usize,
    /// Consecutive missing objects after which a store is skipped for the rest of the pass.
    pub absent_limit: usize,
    /// Whether Glance delays deletions (`delayed_delete`). If not, it has destroyed the data of
    /// locations that it ended.
    pub delayed_delete: bool,
    /// How much one pass may destroy before somebody must accept it.
    pub limits: PassLimits,
}

/// Receives the report as it grows.
pub type Progress = Arc<dyn Fn(&ScrubReport) + Send + Sync>;

/// Destroys what is due, one pass at a time.
pub struct Scrubber {
    repo: Arc<dyn ScrubRepo>,
    lock: Arc<dyn ImageLock>,
    stores: Arc<dyn Stores>,
    clock: Arc<dyn Clock>,
    settings: ScrubSettings,
    retention: Retention,
    backoff: Mutex<Backoff>,
    bookmark: Mutex<Bookmark>,
    tripped: tokio::sync::Mutex<Tripped>,
    progress: Option<Progress>,
    journal: Option<Journal>,
    control: Option<Arc<dyn ControlRepo>>,
    accepted: Mutex<Option<u64>>,
    acceptance: Notify,
    is_limited: AtomicBool,
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Scrubber {
    /// Puts the parts together.
    pub fn new(
        repo: Arc<dyn ScrubRepo>,
        lock: Arc<dyn ImageLock>,
        stores: Arc<dyn Stores>,
        clock: Arc<dyn Clock>,
        settings: ScrubSettings,
    ) -> Self {
        Self {
            repo,
            lock,
            stores,
            clock,
            settings,
            retention: Retention::plain(settings.scrub_time),
            backoff: Mutex::default(),
            bookmark: Mutex::default(),
            tripped: tokio::sync::Mutex::default(),
            progress: None,
            journal: None,
            control: None,
            accepted: Mutex::default(),
            acceptance: Notify::new(),
            is_limited: AtomicBool::default(),
        }
    }

    /// Calls `progress` after each batch.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Sets the retention rules, which take precedence over `scrub_time`.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.retention.rules = rules;
        self
    }

    /// Obeys the orders stored there.
    #[must_use]
    pub fn with_control(mut self, control: Arc<dyn ControlRepo>) -> Self {
        self.control = Some(control);
        self
    }

    /// Calls `journal` for each destroyed image.
    #[must_use]
    pub fn with_journal(mut self, journal: Journal) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Lets the next pass of this process destroy up to this many images, whatever the limits.
    /// Valid for one pass: a pass that finds more uses it up too. Kept in memory; [`ControlRepo`]
    /// stores the acceptances for all processes.
    pub fn accept(&self, _: &Admin, images: u64) {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(images);
        self.acceptance.notify_one();
    }

    /// Wakes [`Self::accepted`]: somebody has stored an acceptance for the next pass of any
    /// process.
    pub fn tell_accepted(&self) {
        self.acceptance.notify_one();
    }

    /// Whether the last pass of this process was refused for its size.
    pub fn is_limited(&self) -> bool {
        self.is_limited.load(Ordering::Relaxed)
    }

    /// Waits for an acceptance since the last call.
    pub async fn accepted(&self) {
        self.acceptance.notified().await;
    }

    /// The time that decides what is due: the earlier of the database's and this host's. Data
    /// destroyed too early is lost; data destroyed late is not.
    async fn present(&self) -> Result<Timestamp, RepoError> {
        Ok(self.repo.now().await?.min(self.clock.now()))
    }

    /// What is due now under this process's own settings.
    async fn horizon(&self) -> Result<Horizon, RepoError> {
        Ok(Horizon::new(self.present().await?, self.retention.clone().into()))
    }

    /// How much a pass would destroy that began after `within`, according to the rows.
    pub async fn count_due(&self, within: Duration) -> Result<Tally, RepoError> {
        self.count(&self.horizon().await?.after(within)).await
    }

    /// Runs one pass over everything that is due. Checks `stop` between locations; a stopped pass
    /// leaves a normal state, and the next pass continues from there.
    ///
    /// Only a database that does not answer ends a pass early; a bad image is counted in the
    /// report.
    pub async fn run_once(&self, stop: &CancellationToken) -> Result<ScrubReport, RepoError> {
        // destroy nothing that could not be reverted or recorded
        if stop.run_until_cancelled(self.rehearse()).await.transpose()?.is_none() {
            return Ok(ScrubReport { interrupted: true, ..ScrubReport::default() });
        }
        if self.is_paused().await? {
            return Ok(ScrubReport { paused: true, ..ScrubReport::default() });
        }
        let Some(guard) = self.lock.try_lock_pass().await? else {
            return Ok(ScrubReport { skipped: true, ..ScrubReport::default() });
        };
        self.note_beginning().await;
        let result = self.pass_until_paused(stop).await;
        self.note_end(&result).await;
        guard.release().await;
        result
    }

    async fn rehearse(&self) -> Result<(), RepoError> {
        self.repo.rehearse().await?;
        match &self.control {
            Some(control) => control.rehearse().await,
            None => Ok(()),
        }
    }

    /// A pass that stops as soon as somebody pauses the scrubber.
    async fn pass_until_paused(&self, stop: &CancellationToken) -> Result<ScrubReport, RepoError> {
        let (stop, paused) = (stop.child_token(), CancellationToken::new());
        let watch = async {
            self.paused().await;
            paused.cancel();
            stop.cancel();
            std::future::pending::<()>().await;
        };
        // always polled in this order, so that a seed determines a simulation
        let mut report = tokio::select! {
            biased;
            report = Box::pin(self.pass(&stop)) => report?,
            () = watch => ScrubReport::default(),
        };
        report.paused |= paused.is_cancelled();
        self.is_limited.store(report.limited.is_some(), Ordering::Relaxed);
        Ok(report)
    }

    /// Returns once the scrubber is paused.
    async fn paused(&self) {
        loop {
            tokio::time::sleep(LOOK_FOR_PAUSE).await;
            match self.is_paused().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "cannot read whether the scrubber is paused");
                }
            }
        }
    }

    async fn is_paused(&self) -> Result<bool, RepoError> {
        match &self.control {
            Some(control) => control.is_paused().await,
            None => Ok(false),
        }
    }

    /// Which of these images are held, and by whom.
    async fn holds_of(&self, ids: &[ImageId]) -> Result<HashMap<ImageId, InForce>, RepoError> {
        let holds = match &self.control {
            Some(control) => control.holds_of(ids).await?,
            None => Vec::new(),
        };
        Ok(holds.into_iter().map(|Hold { image, hold }| (image, hold)).collect())
    }

    /// The acceptance for the next pass of this process.
    fn acceptance(&self) -> Option<u64> {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_accepted(&self, ours: Option<u64>) {
        let mut known = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        known.take_if(|still| Some(*still) == ours);
    }

    /// Uses up both acceptances: each is valid for one pass.
    async fn use_up(&self, ours: Option<u64>, kept: Option<&Acceptance>) -> Result<(), RepoError> {
        self.forget_accepted(ours);
        match (&self.control, kept) {
            (Some(control), Some(kept)) => control.use_up(kept).await,
            (Some(_) | None, None) | (None, Some(_)) => Ok(()),
        }
    }

    async fn pass(&self, stop: &CancellationToken) -> Result<ScrubReport, RepoError> {
        let (theirs, ours) = (self.repo.now().await?, self.clock.now());
        if let Some(why) = clocks_differ(ours, theirs) {
            tracing::warn!(why, "clocks differ");
        }
        let now = ours.min(theirs);
        let orders = self.orders().await?;
        let times = self.times(now, orders.as_ref());
        let stored = self.keep_times(&times, orders.as_ref()).await?;
        let (ours, kept) = (self.acceptance(), orders.and_then(|orders| orders.accepted));
        let accepted = ours.max(kept.as_ref().map(|kept| kept.images));
        let judged = stop.run_until_cancelled(self.judge(&times, accepted)).await;
        let Some((first, judged)) = judged.transpose()? else {
            return Ok(ScrubReport { interrupted: true, ..ScrubReport::default() });
        };
        if judged.is_ok() && accepted.is_some() {
            self.shorten(&times, &stored).await?;
        }
        self.use_up(ours, kept.as_ref()).await?;
        if let Err(limited) = judged {
            return Ok(ScrubReport { limited: Some(limited), ..ScrubReport::default() });
        }
        let left = self.settings.limits.allowance(accepted);
        // Shorter times apply only to an accepted pass: otherwise nobody has seen what they add.
        let horizon = if accepted.is_some() { times.own } else { times.in_force };
        let mut pass = Pass::new(self, stop, now, horizon, left);
        let span = tracing::info_span!("pass", pass = pass.name());
        pass.run(first).instrument(span).await.map(|()| pass.into_report())
    }

    fn with_backoff<T>(&self, act: impl FnOnce(&mut Backoff) -> T) -> T {
        act(&mut self.backoff.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Describes the difference between the two clocks if it is too large.
pub fn clocks_differ(ours: Timestamp, theirs: Timestamp) -> Option<String> {
    let apart = ours - theirs;
    let side = if apart > TimeDelta::zero() { "ahead of" } else { "behind" };
    (apart.abs() > CLOCKS_APART).then(|| {
        format!(
            "the clock of this host is {} s {side} the database's: the earlier time decides what is \
             due; set the clocks (NTP)",
            apart.abs().num_seconds()
        )
    })
}

/// `now` minus `time`, or an early time that every database can compare with.
fn earlier(now: Timestamp, time: Duration) -> Timestamp {
    let never = DateTime::UNIX_EPOCH.naive_utc();
    now.checked_sub_signed(delta(time)).unwrap_or(never).max(never)
}

fn delta(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}
