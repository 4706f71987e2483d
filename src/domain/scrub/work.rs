//! What a pass has to do with one image, and what became of it.

use chrono::{SubsecRound, TimeDelta};

use crate::domain::image::{Image, State};
use crate::domain::location::Location;
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
    /// PENDING or EMPTY, and due.
    Due,
    /// CLAIMED by a pass that did not finish. What that pass destroyed is not known.
    Resumed,
    /// LIVE, with locations that were removed long enough ago.
    Leftovers,
}

impl Image {
    /// Shows what of the image has to be destroyed, if it was deleted at `before` or earlier.
    pub fn into_work(self, before: Timestamp) -> Option<Work> {
        let due = self.deleted && self.deleted_at.is_some_and(|at| at <= before);
        let (kind, targets) = match self.state() {
            State::Pending | State::Empty if due => (WorkKind::Due, self.waiting(|_| true)),
            State::Claimed if due => (WorkKind::Resumed, self.waiting(|_| true)),
            State::Live => {
                // no time: claimed by a pass that did not finish
                let leftover = |l: &Location| l.deleted_at.is_none_or(|at| at <= before);
                (WorkKind::Leftovers, self.waiting(leftover))
            }
            State::Pending
            | State::Empty
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

    fn waiting(&self, wanted: impl Fn(&Location) -> bool) -> Vec<Location> {
        self.locations.iter().filter(|l| l.is_pending() && wanted(l)).cloned().collect()
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

    /// The locations whose data has to go.
    pub fn targets(&self) -> &[Location] {
        &self.targets
    }

    /// Whether a pass that did not finish had claimed the location already. Then its data may be
    /// gone, and its absence says nothing about the store.
    pub fn was_claimed(&self, location: &Location) -> bool {
        match self.kind {
            WorkKind::Due => false,
            WorkKind::Resumed => true,
            WorkKind::Leftovers => location.deleted_at.is_none(),
        }
    }

    /// The `updated_at` that a claim writes: later than the row's own even where the database
    /// keeps whole seconds, so that a claim that was renewed can be told from the first one.
    pub fn stamp(&self, now: Timestamp) -> Timestamp {
        let later = |at: Timestamp| at.trunc_subsecs(0) + TimeDelta::seconds(1);
        let now = now.trunc_subsecs(0);
        self.image.updated_at.map_or(now, |at| now.max(later(at)))
    }
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
    /// The stamp of a claim that is given back: not one byte was destroyed.
    pub give_back: Option<Timestamp>,
}
