//! A claimed image during a pass: what happened to it, and when its claim is released.

use super::work::{Settled, Work, WorkKind};
use crate::domain::audit::AuditEntry;
use crate::domain::image::Image;
use crate::domain::location::Location;
use crate::domain::lock::ImageGuard;
use crate::domain::store::{Placed, StoreId};
use crate::domain::time::Timestamp;

/// A claimed image during a pass.
pub(super) struct Claimed<'a> {
    pub(super) guard: &'a ImageGuard,
    pub(super) work: Work,
    pub(super) placed: Vec<Placed>,
    pub(super) stamp: Timestamp,
}

/// What happened to one claimed image's data.
#[derive(Default)]
pub(super) struct Destruction {
    pub(super) deleted: Vec<i32>,
    pub(super) gone: u64,
    /// Of these, the ones that somebody else must have destroyed.
    pub(super) taken: u64,
    pub(super) shared: u64,
    /// The stores that keep what they deleted, once for each location.
    pub(super) retained: Vec<StoreId>,
    /// Data was destroyed, or may have been.
    pub(super) touched: bool,
    /// Why something remains, if anything does.
    pub(super) left: Option<String>,
    /// Data is absent from a store that has shown nothing yet.
    pub(super) unproved: bool,
    /// The pass was stopped before the end of this image.
    pub(super) stopped: bool,
}

impl Destruction {
    /// Whether nothing remains of the image.
    pub(super) fn is_whole(&self) -> bool {
        self.left.is_none() && !self.stopped
    }
}

impl Claimed<'_> {
    /// Each location to be destroyed, and its store.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&Location, &Placed)> {
        self.work.targets().iter().zip(&self.placed)
    }

    pub(super) fn has(&self, row: i32) -> bool {
        self.work.targets().iter().any(|location| location.id == row)
    }

    /// Whether another pass had claimed some of it before. That pass may still be at work, if locks
    /// exclude nobody.
    pub(super) fn is_renewed(&self) -> bool {
        self.work.targets().iter().any(Location::is_claimed)
    }

    /// Whether the image still has this claim, which no other pass has renewed.
    pub(super) fn is_claim_of(&self, image: &Image) -> bool {
        // leftovers are claimed in their own rows
        let has_stamp =
            self.work.kind() == WorkKind::Leftovers || image.updated_at == Some(self.stamp);
        image.id == self.work.image().id && has_stamp
    }

    /// Whether the claim may be released. Only the pass that made the claim can know that nothing
    /// was destroyed, and only if it is certain.
    pub(super) fn may_be_released(&self, outcome: &Destruction) -> bool {
        !outcome.is_whole() && !outcome.touched && self.work.kind() == WorkKind::Due
    }

    /// `audit` is the entry of an image that is completely destroyed.
    pub(super) fn settled<'s>(
        &'s self,
        outcome: &Destruction,
        audit: AuditEntry,
    ) -> Option<Settled<'s>> {
        let (guard, is_whole) = (self.guard, outcome.is_whole());
        if self.may_be_released(outcome) {
            let (deleted, release) = (Vec::new(), Some(self.work.release(self.stamp)));
            return Some(Settled { guard, deleted, release, audit: None, is_whole });
        }
        let deleted = outcome.deleted.clone();
        let is_something = !deleted.is_empty() || is_whole;
        let audit = Some(audit);
        is_something.then_some(Settled { guard, deleted, release: None, audit, is_whole })
    }
}
