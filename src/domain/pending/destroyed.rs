//! Which locations of a scrubbed image may come back if a store retained the data. Their rows say
//! that the data was destroyed, so only a hash of the whole data can prove that it exists.

use chrono::TimeDelta;

use super::{NotPending, PendingDelete};
use crate::domain::image::{Image, State, Waiting};
use crate::domain::location::{Location, LocationStatus};
use crate::domain::time::Timestamp;

/// Glance without `delayed_delete` ends one location after the other, each once its data is gone.
/// Two that are further apart belong to different deletions.
const SLOWEST_REMOVAL: TimeDelta = TimeDelta::minutes(1);

impl Image {
    /// Whether the rows say that the data was destroyed, or leave it open.
    pub fn may_be_scrubbed(&self) -> bool {
        matches!(self.state(), State::Scrubbed | State::Unscrubbed)
    }

    /// Checks that a scrubbed image may come back with data that its stores retained. `ended` are
    /// its `deleted` locations, which are not read otherwise.
    pub fn into_second_chance(mut self, ended: Vec<Location>) -> Result<PendingDelete, NotPending> {
        let known: Vec<_> = self.locations.iter().map(|location| location.id).collect();
        let is_new = |location: &Location| {
            location.status == LocationStatus::Deleted && !known.contains(&location.id)
        };
        self.locations.extend(ended.into_iter().filter(is_new));
        let pending = PendingDelete { image: self };
        if pending.stamps().is_empty() { Err(NotPending::AlreadyScrubbed) } else { Ok(pending) }
    }
}

impl PendingDelete {
    /// Whether the row says that a location's data was destroyed: it then comes back only if the
    /// hash proves its whole data.
    pub fn must_be_proved(&self, location: &Location) -> bool {
        self.was_destroyed_at(location).is_some()
    }

    /// Whether every location that could come back needs such a proof.
    pub fn is_scrubbed(&self) -> bool {
        self.image.state() == State::Scrubbed
    }

    /// Whether a location was ended before its image: Glance destroyed it immediately.
    pub fn was_ended_at_once(&self, location: &Location) -> bool {
        self.image.waiting(location) == Some(Waiting::Ended)
            || self.was_destroyed_at(location).is_some_and(|at| Some(at) < self.image.deleted_at)
    }

    /// When the data of a location was destroyed, according to its row.
    pub(super) fn was_destroyed_at(&self, location: &Location) -> Option<Timestamp> {
        let is_ended = location.status == LocationStatus::Deleted && location.deleted;
        let is_open = self.image.waiting(location).is_none() && self.image.may_be_scrubbed();
        location.deleted_at.filter(|_| is_ended && is_open)
    }

    /// How many of these, counted from the last one, were destroyed with the image: after its
    /// delete, or right before it.
    pub(super) fn destroyed_together(&self, stamps: &[(&Location, Timestamp)]) -> usize {
        let mut last = self.image.deleted_at;
        let is_together = |(_, at): &&(&Location, Timestamp)| {
            let is_near = last.is_none_or(|last| last - *at <= SLOWEST_REMOVAL);
            last = Some(*at).min(last.or(Some(*at)));
            is_near
        };
        stamps.iter().take_while(is_together).count()
    }
}
