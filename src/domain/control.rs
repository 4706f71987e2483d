//! Pausing the scrubber and holding images: pause, resume, hold and release.
//!
//! An answered request is effective at once: every claim of every process begins with the same row
//! that these write (see [`ControlRepo`]).

mod last_pass;
mod orders;

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

pub use self::last_pass::{LastPass, PassResult};
pub use self::orders::Control;
use super::audit::AuditEntry;
use super::image::ImageId;
use super::pending::NotPending;
use super::principal::Admin;
use super::repo::RepoError;
use super::time::{FAR_FUTURE, Timestamp, isotime};

/// The length of a pause if none is given.
pub const USUAL_PAUSE: TimeDelta = TimeDelta::hours(24);
/// Longest reason, in characters.
pub const LONGEST_REASON: usize = 1000;

/// An end and a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The end; [`FAR_FUTURE`] for none.
    pub until: Timestamp,
    /// The reason in the requester's words.
    pub reason: Option<String>,
}

/// A pause or hold in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its end and reason.
    pub term: Term,
    /// Since when.
    pub since: Timestamp,
    /// Who asked for it.
    pub by: String,
}

/// `until 2026-11-23T08:00:00Z by alice: why`.
impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Term { until, reason } = &self.term;
        if *until < FAR_FUTURE {
            write!(f, "until {}", isotime(*until))?;
        } else {
            f.write_str("until released")?;
        }
        write!(f, " by {}", self.by)?;
        reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// A permission for one pass beyond the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// How many images the pass may destroy.
    pub images: u64,
    /// When it was given.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// The pause, holds and limits for all processes on the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// The pause in force.
    pub pause: Option<InForce>,
    /// What the next pass may destroy beyond the limits.
    pub accepted: Option<Acceptance>,
    /// The number of held images.
    pub held: u64,
    /// The longest `scrub_time` used by a pass, until somebody accepts a shorter one; `None` before
    /// the first pass.
    pub scrub_time: Option<Duration>,
    /// The retention rules that passes have applied ([`super::retention::KeptText`]); `None` if
    /// `scrub_time` says it all.
    pub retention: Option<String>,
    /// The last pass of any process.
    pub last_pass: Option<LastPass>,
}

/// A held image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The image.
    pub image: ImageId,
    /// Its end, reason and author.
    pub hold: InForce,
}

/// The result of holding one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// Held until the requested end at least.
    Held,
    /// There is no such image.
    NotFound,
    /// Not held: too late, or nothing to hold.
    Refused(NotPending),
}

/// The row of orders, and the holds. Every writer and every batch of claims begins with an UPDATE
/// of that row: on one server they exclude each other; of two on different Galera nodes one fails
/// at COMMIT and is repeated. So a claim sees every answered pause and hold.
///
/// Without our own tables these fail with [`RepoError::TablesMissing`], unless stated otherwise.
#[async_trait]
pub trait ControlRepo: Debug + Send + Sync {
    /// The orders in force; `None` without tables.
    async fn orders(&self) -> Result<Option<Orders>, RepoError>;

    /// Whether the scrubber is paused; false without tables.
    async fn is_paused(&self) -> Result<bool, RepoError>;

    /// Pauses the scrubber. A pause in force is never shortened.
    async fn pause(&self, term: &Term, by: &Admin) -> Result<(), RepoError>;

    /// Ends the pause; returns whether there was one.
    async fn resume(&self, by: &Admin) -> Result<bool, RepoError>;

    /// Stores an acceptance for the next pass of any process.
    async fn accept(&self, images: u64, by: &Admin) -> Result<(), RepoError>;

    /// Removes a used acceptance, unless it was replaced meanwhile.
    async fn use_up(&self, accepted: &Acceptance) -> Result<(), RepoError>;

    /// Raises the `scrub_time` in force to this one, never lowers it. Does nothing without tables,
    /// like the next ones.
    async fn keep_scrub_time(&self, scrub_time: Duration) -> Result<(), RepoError>;

    /// Lowers the `scrub_time` in force, unless it is no longer `from`.
    async fn shorten_scrub_time(&self, from: Duration, to: Duration) -> Result<(), RepoError>;

    /// Replaces the stored retention rules, unless they are no longer `from`.
    async fn keep_retention(&self, from: Option<&str>, to: Option<&str>) -> Result<(), RepoError>;

    /// Records that a pass begins on this machine.
    async fn pass_began(&self) -> Result<(), RepoError>;

    /// Records the result of the pass that began on this machine.
    async fn pass_ended(&self, result: &PassResult) -> Result<(), RepoError>;

    /// Holds images in one transaction, with a result for each. Never shortens a hold.
    async fn hold(
        &self,
        images: &[ImageId],
        term: &Term,
        by: &Admin,
    ) -> Result<Vec<HoldOutcome>, RepoError>;

    /// Ends holds; returns for each image whether it was held.
    async fn release(&self, images: &[ImageId], by: &Admin) -> Result<Vec<bool>, RepoError>;

    /// The holds in force on these images; none without tables.
    async fn holds_of(&self, images: &[ImageId]) -> Result<Vec<Hold>, RepoError>;

    /// Fails if there are tables that cannot be used.
    async fn rehearse(&self) -> Result<(), RepoError>;

    /// A page of all holds in force, by image; none without tables.
    async fn holds(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<Hold>, RepoError>;

    /// Writes an audit entry of something that changes no row; false without tables.
    async fn record(&self, entry: &AuditEntry) -> Result<bool, RepoError>;

    /// Images, and removed locations of living images, claimed now by any process, alive or dead.
    /// Scans all locations.
    async fn claimed(&self) -> Result<u64, RepoError>;
}

/// Why a pause or hold was refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The requested end is in the past.
    #[error("{} has passed: the database's clock says {}", isotime(*.until), isotime(*.now))]
    Past {
        /// The end.
        until: Timestamp,
        /// The current time.
        now: Timestamp,
    },
    /// There is no such image.
    #[error("there is no image {0}")]
    NotFound(ImageId),
    /// The image cannot be held.
    #[error("image {0} cannot be held: {1}")]
    NotPending(ImageId, NotPending),
    /// The selection has no images.
    #[error("no pending image matches the selection; nothing was changed")]
    NothingSelected,
    /// The database is unavailable, or our own tables are missing.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl ControlError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Past { .. } => "request.invalid",
            Self::NotFound(_) => "image.not_found",
            Self::NotPending(_, why) => why.reason(),
            Self::NothingSelected => "selection.empty",
            Self::Repo(error) => error.reason(),
        }
    }
}

/// The result of a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// The pause in force; possibly another one that lasts longer.
    pub pause: InForce,
    /// Claims still held when the wait timed out; usually 0.
    pub in_hand: u64,
}

/// The result of holding or releasing a selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tended {
    /// Images selected.
    pub images: u64,
    /// Of these, those now held or released.
    pub done: u64,
    /// The first of the others.
    pub failures: Vec<(ImageId, HoldOutcome)>,
}
