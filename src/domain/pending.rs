//! Whether a deleted image can be reverted, and which of its locations come back.

mod children;
mod destroyed;

use std::cmp::Reverse;
use std::time::Duration;

use chrono::TimeDelta;

use super::image::{Image, ImageId, ImageStatus, Member, Property, State, Tag, Waiting};
use super::location::{Location, LocationStatus};
use super::time::Timestamp;
pub use children::{Children, ImageDeletion, RESERVED_PROPERTIES, RestoredCounts};

/// Why an image cannot be reverted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPending {
    /// LIVE.
    #[error("it is already active")]
    AlreadyActive,
    /// CLAIMED.
    #[error("the scrubber is destroying its data")]
    ScrubInProgress,
    /// SCRUBBED.
    #[error("its data was destroyed")]
    AlreadyScrubbed,
    /// EMPTY.
    #[error("it has no location to bring back")]
    NoLocations,
    /// A DELETE is between its transactions.
    #[error("Glance is still deleting it")]
    DeleteInProgress {
        /// When to try again.
        retry_after: Duration,
    },
    /// Any other status.
    #[error("its status is {0}, not pending_delete")]
    OtherStatus(ImageStatus),
}

impl NotPending {
    /// The stable reason; `docs/troubleshooting.md` has a heading for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyActive => "image.already_active",
            Self::ScrubInProgress => "image.scrub_in_progress",
            Self::AlreadyScrubbed => "image.already_scrubbed",
            Self::NoLocations => "image.no_locations",
            Self::DeleteInProgress { .. } => "image.delete_in_progress",
            Self::OtherStatus(_) => "image.not_pending_delete",
        }
    }
}

/// An image that may be reverted: PENDING, BROKEN, or left half deleted by a glance-api that died.
/// Made by [`Image::into_pending_delete`] alone, so nothing else can be reverted.
#[derive(Debug, Clone)]
pub struct PendingDelete {
    image: Image,
}

/// A DELETE stamps one location after the other, and MariaDB stores whole seconds: stamps further
/// apart than this belong to two deletions.
const SAME_DELETE: TimeDelta = TimeDelta::seconds(1);

/// The longest time from a DELETE's locations to its image. An image only becomes `pending_delete`
/// with a location of its own, so if all stamps are older, that location's row is gone.
const SLOWEST_DELETE: TimeDelta = TimeDelta::hours(1);

impl Image {
    /// Since when a DELETE may be between its transactions. Only elapsed time shows whether its
    /// process died.
    pub fn delete_seen_at(&self) -> Option<Timestamp> {
        match self.state() {
            State::Deleting => self.updated_at,
            // Left by upstream's --restore; no later delete is in progress.
            State::Broken if self.last_stamp() <= self.deleted_at => None,
            State::Broken => self.last_stamp(),
            State::Live
            | State::Pending
            | State::Claimed
            | State::Unscrubbed
            | State::Scrubbed
            | State::Empty
            | State::Other => None,
        }
    }

    /// Checks that the image may be reverted, or returns why not. `grace` is how long a DELETE may
    /// make no progress before it counts as dead; `now` is the database's time where
    /// [`Image::delete_seen_at`] returns one.
    pub fn into_pending_delete(
        self,
        now: Timestamp,
        grace: Duration,
    ) -> Result<PendingDelete, NotPending> {
        match self.state() {
            State::Pending | State::Broken | State::Deleting | State::Unscrubbed => {}
            State::Live => return Err(NotPending::AlreadyActive),
            State::Claimed => return Err(NotPending::ScrubInProgress),
            State::Scrubbed => return Err(NotPending::AlreadyScrubbed),
            State::Empty => return Err(NotPending::NoLocations),
            State::Other => return Err(NotPending::OtherStatus(self.status)),
        }
        if let Some(since) = self.delete_seen_at() {
            let quiet = (now - since).to_std().unwrap_or_default();
            if let Some(retry_after) = grace.checked_sub(quiet).filter(|d| !d.is_zero()) {
                return Err(NotPending::DeleteInProgress { retry_after });
            }
        }
        let pending = PendingDelete { image: self };
        if pending.stamps().is_empty() { Err(NotPending::NoLocations) } else { Ok(pending) }
    }

    fn last_stamp(&self) -> Option<Timestamp> {
        self.locations.iter().filter_map(Location::stamp).max()
    }
}

impl PendingDelete {
    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Whether, according to the rows, the data may have been destroyed: then a location comes back
    /// only if the store has it.
    pub fn must_be_seen(&self, location: &Location) -> bool {
        self.image.waiting(location) == Some(Waiting::Ended)
    }

    /// Locations that were deleted with the image: those that no delete stamped, and those whose
    /// stamps follow each other closely up to the last one. A claimed location belongs to no other
    /// deletion.
    pub fn locations_together(&self) -> Vec<&Location> {
        self.stamps().into_iter().take(self.together()).map(|(location, _)| location).collect()
    }

    /// Locations removed from the living image before, last removed first, and how long before the
    /// delete. The rows cannot tell them from those that the same delete stamped before it stalled.
    pub fn locations_removed_earlier(&self) -> Vec<(&Location, TimeDelta)> {
        let (mut stamps, together) = (self.stamps(), self.together());
        let removed = stamps.split_off(together.min(stamps.len()));
        let began = stamps.last().map(|(_, at)| *at).or(self.image.deleted_at);
        let before = |at| began.map_or(TimeDelta::zero(), |began| began - at);
        removed.into_iter().map(|(location, at)| (location, before(at))).collect()
    }

    /// How many of [`Self::stamps`] belong to the delete.
    fn together(&self) -> usize {
        let stamps = self.stamps();
        if self.image.may_be_scrubbed() {
            return self.destroyed_together(&stamps);
        }
        let has_stamped = self.image.status == ImageStatus::PendingDelete;
        // unstamped locations were added during the delete, and say nothing about its stamps
        let unseen =
            stamps.iter().take_while(|(location, _)| has_stamped && !self.is_stamped(location));
        let unseen = unseen.count();
        let (_, stamped) = stamps.split_at(unseen);
        let last = stamped.first().map(|(_, at)| *at);
        let is_older = self.image.deleted_at.zip(last).is_some_and(|(d, l)| d - l > SLOWEST_DELETE);
        if is_older && has_stamped {
            return unseen;
        }
        let apart = |pair: &[(&Location, Timestamp)]| pair[0].1 - pair[1].1 > SAME_DELETE;
        let together = stamped.windows(2).position(apart).map_or(stamped.len(), |last| last + 1);
        unseen + together
    }

    fn is_stamped(&self, location: &Location) -> bool {
        self.image.waiting(location) == Some(Waiting::Stamped)
    }

    /// Each location that may come back, with its deletion time, last deleted first. One without a
    /// stamp was deleted with the image.
    fn stamps(&self) -> Vec<(&Location, Timestamp)> {
        let of_image = self.image.deleted_at.max(self.image.last_stamp());
        let of_image = of_image.or(self.image.updated_at).unwrap_or(self.image.created_at);
        let stamp = |location| match self.image.waiting(location) {
            Some(Waiting::Kept | Waiting::Ended) => Some((location, of_image)),
            Some(Waiting::Stamped) => location.stamp().map(|at| (location, at)),
            Some(Waiting::Claimed) => None,
            None => self.was_destroyed_at(location).map(|at| (location, at)),
        };
        let mut stamps: Vec<_> = self.image.locations.iter().filter_map(stamp).collect();
        stamps.sort_by_key(|(location, at)| (Reverse(*at), self.is_stamped(location)));
        stamps
    }

    /// Creates the plan: what is to be written.
    pub fn plan(self, locations: Vec<i32>, children: Children, protect: bool) -> RevertPlan {
        let count = |wanted: bool, found: usize| if wanted { found } else { 0 };
        RevertPlan {
            counts: RestoredCounts {
                locations: locations.len(),
                properties: count(children.properties, self.properties_to_restore().len()),
                tags: count(children.tags, self.tags_to_restore().len()),
                members: count(children.members, self.members_to_restore().len()),
            },
            locations,
            protect,
            pending: self,
        }
    }
}

/// A planned revert: what one transaction writes, and how many rows each statement must match. Any
/// other number means that rows changed meanwhile, and nothing is written.
#[derive(Debug, Clone)]
pub struct RevertPlan {
    pending: PendingDelete,
    locations: Vec<i32>,
    protect: bool,
    counts: RestoredCounts,
}

impl RevertPlan {
    /// The image as it was read.
    pub fn image(&self) -> &Image {
        &self.pending.image
    }

    /// The image's id.
    pub fn id(&self) -> &ImageId {
        &self.pending.image.id
    }

    /// `image_locations.id` of those that come back; never empty.
    pub fn locations(&self) -> &[i32] {
        &self.locations
    }

    /// `image_locations.id` of live locations that do not come back: from now on they wait like the
    /// others.
    pub fn left_out(&self) -> Vec<i32> {
        let live = self.image().locations.iter().filter(|location| location.is_live());
        live.map(|location| location.id).filter(|id| !self.locations.contains(id)).collect()
    }

    /// Whether the image becomes protected.
    pub fn protect(&self) -> bool {
        self.protect
    }

    /// How many rows of each kind come back.
    pub fn counts(&self) -> RestoredCounts {
        self.counts
    }

    /// The last time at which a property can have been deleted with the image.
    pub fn properties_until(&self) -> Timestamp {
        ImageDeletion::from(self.image()).properties_until().unwrap_or_default()
    }

    /// The image after the plan is carried out.
    pub fn applied(&self, now: Timestamp) -> Image {
        let properties = keep(&self.pending.properties_to_restore(), self.counts.properties);
        let tags = keep(&self.pending.tags_to_restore(), self.counts.tags);
        let members = keep(&self.pending.members_to_restore(), self.counts.members);
        let mut image = self.pending.image.clone();
        image.status = ImageStatus::Active;
        image.deleted = false;
        image.deleted_at = None;
        image.updated_at = Some(now);
        image.protected |= self.protect;
        for location in &mut image.locations {
            if self.locations.contains(&location.id) {
                location.status = LocationStatus::Active;
                location.deleted = false;
                location.deleted_at = None;
            } else if location.is_live() {
                location.status = LocationStatus::PendingDelete;
                location.deleted = true;
                location.deleted_at = Some(now);
            }
        }
        image.properties.retain(|p| !p.deleted);
        image.properties.extend(properties.into_iter().map(|p| Property { deleted: false, ..p }));
        image.tags.retain(|t| !t.deleted);
        image.tags.extend(tags.into_iter().map(|t| Tag { deleted: false, ..t }));
        image.members.retain(|m| !m.deleted);
        image.members.extend(members.into_iter().map(|m| Member { deleted: false, ..m }));
        image
    }
}

/// All rows, or none if their kind is skipped.
fn keep<T: Clone>(rows: &[&T], count: usize) -> Vec<T> {
    rows.iter().take(count).map(|row| (*row).clone()).collect()
}
