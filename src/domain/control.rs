//! Stopping the scrubber, and keeping images from it: pause, resume, hold and release.
//!
//! Whoever was answered can rely on it at once: every claim, of every process, begins with the same
//! row that these write (see [`ControlRepo`]).

mod last_pass;
mod orders;

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;

pub use self::last_pass::{LastPass, PassResult};
pub use self::orders::Control;
use super::image::ImageId;
use super::pending::NotPending;
use super::principal::Admin;
use super::repo::RepoError;
use super::time::{FAR_FUTURE, Timestamp, isotime};

/// A pause that nobody gave an end to.
pub const USUAL_PAUSE: TimeDelta = TimeDelta::hours(24);
/// Longest reason, in characters.
pub const LONGEST_REASON: usize = 1000;

/// Until when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The end; [`FAR_FUTURE`] for none.
    pub until: Timestamp,
    /// Why, in the words of whoever asked for it.
    pub reason: Option<String>,
}

/// A term that runs, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Until when, and why.
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

/// Leave for one pass beyond the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// How many images it may destroy.
    pub images: u64,
    /// When somebody said so.
    pub at: Timestamp,
    /// Who.
    pub by: String,
}

/// What all processes on the database go by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// The pause, if it runs.
    pub pause: Option<InForce>,
    /// What the next pass may destroy.
    pub accepted: Option<Acceptance>,
    /// Images that are held.
    pub held: u64,
    /// The longest `scrub_time` that a pass went by, until somebody accepts a shorter one; `None`
    /// before the first pass.
    pub scrub_time: Option<Duration>,
    /// The last pass of any process.
    pub last_pass: Option<LastPass>,
}

/// A held image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The image.
    pub image: ImageId,
    /// Until when, why, by whom.
    pub hold: InForce,
}

/// What became of one image that was to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOutcome {
    /// No claim will be made before the end; also where it was held for longer already.
    Held,
    /// There is no such image.
    NotFound,
    /// It is too late, or there is nothing to be held.
    Refused(NotPending),
}

/// The row of orders, and the holds. Each writer begins its transaction with an UPDATE of that row, and
/// so does each batch of claims: on one server they exclude each other, and on two nodes of a Galera one
/// of them loses at COMMIT and starts again. So a claim sees every pause and hold that was answered.
///
/// Without our own tables all of these fail with [`RepoError::TablesMissing`], but where they say other.
#[async_trait]
pub trait ControlRepo: Debug + Send + Sync {
    /// What is in force; `None` without tables.
    async fn orders(&self) -> Result<Option<Orders>, RepoError>;

    /// Whether the scrubber is paused; without tables it is not.
    async fn is_paused(&self) -> Result<bool, RepoError>;

    /// Pauses the scrubber. A pause that runs is never made shorter.
    async fn pause(&self, term: &Term, by: &Admin) -> Result<(), RepoError>;

    /// Ends the pause; whether there was one.
    async fn resume(&self, by: &Admin) -> Result<bool, RepoError>;

    /// Keeps an acceptance for the next pass, whichever process runs it.
    async fn accept(&self, images: u64, by: &Admin) -> Result<(), RepoError>;

    /// Takes an acceptance back that was used up, unless there is another one by now.
    async fn use_up(&self, accepted: &Acceptance) -> Result<(), RepoError>;

    /// Lets this `scrub_time` be in force unless a longer one is. Does nothing without tables, as the
    /// next ones.
    async fn keep_scrub_time(&self, scrub_time: Duration) -> Result<(), RepoError>;

    /// Lets a shorter one be in force, unless another one than `from` is by now.
    async fn shorten_scrub_time(&self, from: Duration, to: Duration) -> Result<(), RepoError>;

    /// Notes that a pass begins on this machine.
    async fn pass_began(&self) -> Result<(), RepoError>;

    /// Notes what came of the pass that began on this machine.
    async fn pass_ended(&self, result: &PassResult) -> Result<(), RepoError>;

    /// Holds images: one transaction, an answer for each. A hold that runs is never made shorter.
    async fn hold(
        &self,
        images: &[ImageId],
        term: &Term,
        by: &Admin,
    ) -> Result<Vec<HoldOutcome>, RepoError>;

    /// Ends holds; whether there was one, for each.
    async fn release(&self, images: &[ImageId], by: &Admin) -> Result<Vec<bool>, RepoError>;

    /// The holds of these images that run; none without tables.
    async fn holds_of(&self, images: &[ImageId]) -> Result<Vec<Hold>, RepoError>;

    /// A page of all holds that run, by image; none without tables.
    async fn holds(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<Hold>, RepoError>;

    /// Images and removed locations of living ones that are claimed at this moment, by whatever
    /// process, be it dead. Walks over all locations.
    async fn claimed(&self) -> Result<u64, RepoError>;
}

/// Why something was not ordered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The end that was asked for has passed.
    #[error("{} has passed: the database's clock says {}", isotime(*.until), isotime(*.now))]
    Past {
        /// The end.
        until: Timestamp,
        /// The present.
        now: Timestamp,
    },
    /// There is no such image.
    #[error("there is no image {0}")]
    NotFound(ImageId),
    /// The image cannot be held.
    #[error("image {0} cannot be held: {1}")]
    NotPending(ImageId, NotPending),
    /// No image is what was asked for.
    #[error("no image that waits fits the selection; nothing was changed")]
    NothingSelected,
    /// The database could not serve, or has no tables of ours.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl ControlError {
    /// The stable word for it.
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

/// What a pause has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// The pause in force. It may be another one that lasts longer.
    pub pause: InForce,
    /// Claims that were in hand still when the patience was over; 0 as a rule.
    pub in_hand: u64,
}

/// What became of a selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tended {
    /// Images that were meant.
    pub images: u64,
    /// Of these, those that are held now, or not any more.
    pub done: u64,
    /// The first of the others.
    pub failures: Vec<(ImageId, HoldOutcome)>,
}
