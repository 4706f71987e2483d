//! The work of a pass on one image, and its result.

use chrono::{SubsecRound, TimeDelta};

use crate::domain::audit::AuditEntry;
use crate::domain::image::{Image, ImageId, ImageStatus, State, Waiting};
use crate::domain::location::{Location, LocationStatus};
use crate::domain::lock::ImageGuard;
use crate::domain::time::Timestamp;

/// The work on one image. Only [`Image::into_work`] and [`Image::into_purge`] create it, so nothing
/// else can be scrubbed or purged.
#[derive(Debug, Clone)]
pub struct Work {
    image: Image,
    kind: WorkKind,
    targets: Vec<Location>,
}

/// Why an image is in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// Deleted and due, with data that waits or with nothing left.
    Due,
    /// CLAIMED by a pass that did not finish; it is unknown what that pass destroyed.
    Resumed,
    /// LIVE, with locations that were removed long enough ago.
    Leftovers,
}

impl Image {
    /// Returns what has to be destroyed of the image, if it was deleted at `before` or earlier.
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

    /// Returns the destroyed locations of an image of which nothing waits, which are claimed while a
    /// purge removes what stores kept of them. `None` in any other state.
    pub fn into_purge(self) -> Option<Work> {
        let targets = self.targets(|location| location.status == LocationStatus::Deleted);
        let has_ended = matches!(self.state(), State::Scrubbed | State::Unscrubbed);
        has_ended.then_some(Work { image: self, kind: WorkKind::Due, targets })
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

    /// Why the image is in the pass.
    pub fn kind(&self) -> WorkKind {
        self.kind
    }

    /// The locations whose data is to be destroyed, as they were read.
    pub fn targets(&self) -> &[Location] {
        &self.targets
    }

    /// Whether the location's data may already be gone, because an unfinished pass had claimed it
    /// or the rows leave it open. Its absence then says nothing about the store.
    pub fn may_be_gone(&self, location: &Location) -> bool {
        location.is_claimed() || self.image.waiting(location) == Some(Waiting::Ended)
    }

    /// The release of this claim, which is not a resumed one: restores every row as it was read.
    pub fn release(&self, stamp: Timestamp) -> Release<'_> {
        Release { status: self.image.status, locations: &self.targets, stamp }
    }

    /// The earliest time for settling the locations: later than the image's deletion, so that they
    /// are not mistaken for locations that Glance ended with the image.
    pub fn settled_after(&self, now: Timestamp) -> Timestamp {
        self.image.deleted_at.map_or(now, |at| now.max(next_second(at)))
    }

    /// The `updated_at` that a claim writes: later than the row's own even in databases with whole
    /// seconds, so that a renewed claim differs from the first one.
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
    /// The work that is claimed.
    pub work: &'a Work,
    /// See [`Work::stamp`].
    pub stamp: Timestamp,
}

/// The result for a claimed image.
#[derive(Debug)]
pub struct Settled<'a> {
    /// Its lock.
    pub guard: &'a ImageGuard,
    /// `image_locations.id` of the locations that are settled.
    pub deleted: Vec<i32>,
    /// The claim to release, if no data was destroyed.
    pub release: Option<Release<'a>>,
    /// The audit entry of an image that is completely destroyed.
    pub audit: Option<AuditEntry>,
    /// Whether nothing remains of what was claimed. Otherwise the image is completely destroyed
    /// only if another pass has ended the rest.
    pub is_whole: bool,
}

/// The result of settling a batch's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Images of which somebody else had ended locations before, and how many.
    pub missed: Vec<(ImageId, u64)>,
    /// Images that were not completely destroyed here, but of which nothing waits any more.
    pub last: Vec<ImageId>,
}

/// A claim to release, and the rows as they were before it.
#[derive(Debug)]
pub struct Release<'a> {
    /// `images.status`.
    pub status: ImageStatus,
    /// The locations that were claimed with it.
    pub locations: &'a [Location],
    /// The claim's stamp.
    pub stamp: Timestamp,
}
