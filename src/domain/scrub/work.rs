//! What a pass has to do with one image, and what became of it.

use chrono::{SubsecRound, TimeDelta};

use crate::domain::audit::AuditEntry;
use crate::domain::image::{Image, ImageId, ImageStatus, State, Waiting};
use crate::domain::location::{Location, LocationStatus};
use crate::domain::lock::ImageGuard;
use crate::domain::time::Timestamp;

/// One image of a pass. Made by [`Image::into_work`] alone, so nothing else can be scrubbed.
#[derive(Debug, Clone)]
pub struct Work {
    image: Image,
    kind: WorkKind,
    targets: Vec<Location>,
}

/// Why an image is in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// Deleted, with data that waits or with nothing left, and due.
    Due,
    /// CLAIMED by a pass that did not finish. What that pass destroyed is not known.
    Resumed,
    /// LIVE, with locations that were removed long enough ago.
    Leftovers,
}

impl Image {
    /// Shows what of the image has to be destroyed, if it was deleted at `before` or earlier.
    pub fn into_work(self, before: Timestamp) -> Option<Work> {
        let due = self.waits_since().is_some_and(|at| at <= before);
        let (kind, targets) = match self.state() {
            State::Pending | State::Empty | State::Unscrubbed if due => {
                (WorkKind::Due, self.targets(|l| self.waiting(l).is_some()))
            }
            State::Claimed if due => (WorkKind::Resumed, self.targets(Location::is_claimed)),
            State::Live => {
                // no time: claimed by a pass that did not finish
                let is_due = |l: &Location| l.is_claimed() || l.stamp() <= Some(before);
                let removed = |l: &Location| l.status == LocationStatus::PendingDelete;
                (WorkKind::Leftovers, self.targets(|l| removed(l) && is_due(l)))
            }
            State::Pending
            | State::Empty
            | State::Unscrubbed
            | State::Claimed
            | State::Scrubbed
            | State::Broken
            | State::Deleting
            | State::Other => return None,
        };
        if kind == WorkKind::Leftovers && targets.is_empty() {
            return None;
        }
        Some(Work { image: self, kind, targets })
    }

    fn targets(&self, wanted: impl Fn(&Location) -> bool) -> Vec<Location> {
        self.locations.iter().filter(|location| wanted(location)).cloned().collect()
    }
}

impl Work {
    /// The image as it was read.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Why it is here.
    pub fn kind(&self) -> WorkKind {
        self.kind
    }

    /// The locations whose data has to go, as they were read.
    pub fn targets(&self) -> &[Location] {
        &self.targets
    }

    /// Whether the location's data may be gone already: a pass that did not finish had claimed it,
    /// or the rows leave it open. Then its absence says nothing about the store.
    pub fn may_be_gone(&self, location: &Location) -> bool {
        location.is_claimed() || self.image.waiting(location) == Some(Waiting::Ended)
    }

    /// Puts this first claim back: every row as it was read.
    pub fn release(&self, stamp: Timestamp) -> Release<'_> {
        Release { status: self.image.status, locations: &self.targets, stamp }
    }

    /// When the locations are settled, at the earliest: later than the image was deleted, so that
    /// nobody takes them for locations that Glance ended with the image.
    pub fn settled_after(&self, now: Timestamp) -> Timestamp {
        self.image.deleted_at.map_or(now, |at| now.max(next_second(at)))
    }

    /// The `updated_at` that a claim writes: later than the row's own even where the database
    /// keeps whole seconds, so that a claim that was renewed can be told from the first one.
    pub fn stamp(&self, now: Timestamp) -> Timestamp {
        let now = now.trunc_subsecs(0);
        self.image.updated_at.map_or(now, |at| now.max(next_second(at)))
    }
}

fn next_second(at: Timestamp) -> Timestamp {
    at.trunc_subsecs(0) + TimeDelta::seconds(1)
}

/// An image about to be claimed.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Its lock.
    pub guard: &'a ImageGuard,
    /// What is to be done with it.
    pub work: &'a Work,
    /// See [`Work::stamp`].
    pub stamp: Timestamp,
}

/// What became of a claimed image.
#[derive(Debug)]
pub struct Settled<'a> {
    /// Its lock.
    pub guard: &'a ImageGuard,
    /// `image_locations.id` of the locations that are done with.
    pub deleted: Vec<i32>,
    /// The claim that is released: not one byte was destroyed.
    pub release: Option<Release<'a>>,
    /// What the audit says of an image that is destroyed whole.
    pub audit: Option<AuditEntry>,
    /// Whether nothing is left of what was claimed. If not, the image is destroyed whole only where
    /// another pass has ended the rest.
    pub is_whole: bool,
}

/// What became of the rows of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many of the locations waited until then.
    pub waited: u64,
    /// Images of which something was left, and of which nothing waits any more.
    pub last: Vec<ImageId>,
}

/// A claim that is released, and the rows as they were before it.
#[derive(Debug)]
pub struct Release<'a> {
    /// `images.status`.
    pub status: ImageStatus,
    /// The locations that were claimed with it.
    pub locations: &'a [Location],
    /// The claim's stamp.
    pub stamp: Timestamp,
}
