//! What a deleted image is, what of it comes back, and why the rest does not.

use std::collections::HashSet;
use std::time::Duration;

use super::image::{Image, ImageId, ImageStatus, Member, Property, State, Tag};
use super::location::{Location, LocationStatus};
use super::time::Timestamp;

/// Properties of this prefix belong to Glance's import tasks and never come back.
const RESERVED_PROPERTIES: &str = "os_glance_";

/// Why an image cannot be reverted as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPending {
    /// LIVE.
    #[error("it is active already")]
    AlreadyActive,
    /// CLAIMED.
    #[error("the scrubber is destroying its data")]
    ScrubInProgress,
    /// SCRUBBED.
    #[error("its data has been destroyed")]
    AlreadyScrubbed,
    /// EMPTY.
    #[error("no location of it is left to bring back")]
    NoLocations,
    /// A DELETE is between its transactions.
    #[error("a delete of it is still under way")]
    DeleteInProgress {
        /// When to look again.
        retry_after: Duration,
    },
    /// Any other status.
    #[error("its status is {0}, not pending_delete")]
    OtherStatus(ImageStatus),
}

/// An image that may be reverted: PENDING, BROKEN, or left half deleted by a glance-api that died.
/// Made by [`Image::into_pending_delete`] alone, so nothing else can be reverted.
#[derive(Debug, Clone)]
pub struct PendingDelete {
    image: Image,
    /// When the image was deleted, as far as its rows tell.
    at: Timestamp,
    /// The last moment at which the delete can have stamped a property.
    until: Timestamp,
    /// How long before `at` the delete can have begun.
    window: Duration,
}

/// How time decides; both from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// How long a DELETE takes at most, from its first transaction to its last.
    pub location: Duration,
    /// How long a DELETE may stand still before it counts as dead.
    pub grace: Duration,
}

impl Image {
    /// Shows that the image may be reverted, or says why not.
    pub fn into_pending_delete(
        self,
        now: Timestamp,
        windows: Windows,
    ) -> Result<PendingDelete, NotPending> {
        let quiet_since = match self.state() {
            State::Pending => None,
            // upstream's --restore left it, and no later delete is under way
            State::Broken if self.last_location_delete() <= self.deleted_at => None,
            State::Broken => self.last_location_delete(),
            State::Deleting => self.updated_at,
            State::Live => return Err(NotPending::AlreadyActive),
            State::Claimed => return Err(NotPending::ScrubInProgress),
            State::Scrubbed => return Err(NotPending::AlreadyScrubbed),
            State::Empty => return Err(NotPending::NoLocations),
            State::Other => return Err(NotPending::OtherStatus(self.status)),
        };
        if let Some(since) = quiet_since {
            let quiet = (now - since).to_std().unwrap_or_default();
            if let Some(retry_after) = windows.grace.checked_sub(quiet).filter(|d| !d.is_zero()) {
                return Err(NotPending::DeleteInProgress { retry_after });
            }
        }
        // where the delete died, `deleted_at` is none or that of an earlier delete
        let Some(at) = self.deleted_at.max(self.last_location_delete()) else {
            return Err(NotPending::NoLocations);
        };
        let until = if self.deleted_at == Some(at) { at } else { at + windows.location };
        Ok(PendingDelete { image: self, at, until, window: windows.location })
    }

    fn last_location_delete(&self) -> Option<Timestamp> {
        self.locations.iter().filter(|l| l.is_pending()).filter_map(|l| l.deleted_at).max()
    }
}

impl PendingDelete {
    /// The image.
    pub fn image(&self) -> &Image {
        &self.image
    }

    fn earliest(&self) -> Timestamp {
        self.at - self.window
    }

    /// Locations that were deleted with the image. One without a deletion time is in the hands of
    /// the scrubber (see [`super::scrub`]) and is nobody else's any more.
    pub fn locations_together(&self) -> Vec<&Location> {
        self.waiting_locations().filter(|(_, at)| *at >= self.earliest()).map(|(l, _)| l).collect()
    }

    /// Locations that were removed from the living image before, the last one first.
    pub fn locations_removed_earlier(&self) -> Vec<&Location> {
        let mut earlier: Vec<_> =
            self.waiting_locations().filter(|(_, at)| *at < self.earliest()).collect();
        earlier.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        earlier.into_iter().map(|(location, _)| location).collect()
    }

    fn waiting_locations(&self) -> impl Iterator<Item = (&Location, Timestamp)> {
        let pending = self.image.locations.iter().filter(|l| l.is_pending());
        pending.filter_map(|l| l.deleted_at.map(|at| (l, at)))
    }

    /// Properties that come back: those that the delete stamped, which includes those that a user
    /// had removed earlier (Glance overwrites their deletion time).
    pub fn properties(&self) -> Vec<&Property> {
        let stamped = |p: &&Property| {
            p.deleted && p.deleted_at.is_some_and(|at| at >= self.earliest() && at <= self.until)
        };
        let ours = |p: &&Property| !p.name.starts_with(RESERVED_PROPERTIES);
        self.image.properties.iter().filter(stamped).filter(ours).collect()
    }

    /// Tags that come back: those deleted at the image's own moment, exactly.
    pub fn tags(&self) -> Vec<&Tag> {
        let live: HashSet<_> =
            self.image.tags.iter().filter(|t| !t.deleted).map(|t| &t.value).collect();
        let together = |t: &&Tag| t.deleted && self.is_moment_of_delete(t.deleted_at);
        self.image.tags.iter().filter(together).filter(|t| !live.contains(&t.value)).collect()
    }

    /// Members that come back: those deleted at the image's own moment, exactly. One that was
    /// revoked earlier has an older time and stays revoked.
    pub fn members(&self) -> Vec<&Member> {
        let live: HashSet<_> =
            self.image.members.iter().filter(|m| !m.deleted).map(|m| &m.member).collect();
        let together = |m: &&Member| m.deleted && self.is_moment_of_delete(m.deleted_at);
        self.image.members.iter().filter(together).filter(|m| !live.contains(&m.member)).collect()
    }

    fn is_moment_of_delete(&self, at: Option<Timestamp>) -> bool {
        at.is_some() && at == self.image.deleted_at
    }

    /// Fixes what is to be written.
    pub fn plan(self, locations: Vec<i32>, children: Children, protect: bool) -> RevertPlan {
        let count = |wanted: bool, found: usize| if wanted { found } else { 0 };
        RevertPlan {
            counts: RestoredCounts {
                locations: locations.len(),
                properties: count(children.properties, self.properties().len()),
                tags: count(children.tags, self.tags().len()),
                members: count(children.members, self.members().len()),
            },
            locations,
            protect,
            pending: self,
        }
    }
}

/// Which kinds of children a caller wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Children {
    pub properties: bool,
    pub tags: bool,
    pub members: bool,
}

/// How many rows a revert brings back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RestoredCounts {
    pub locations: usize,
    pub properties: usize,
    pub tags: usize,
    pub members: usize,
}

/// A revert, decided: what one transaction has to write, and how many rows each of its statements
/// must find. Any other number means that the rows changed meanwhile, and nothing is written.
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

    /// Whether the image becomes protected.
    pub fn protect(&self) -> bool {
        self.protect
    }

    /// How many rows of each kind come back.
    pub fn counts(&self) -> RestoredCounts {
        self.counts
    }

    /// From when to when the delete stamped properties, both ends included.
    pub fn property_window(&self) -> (Timestamp, Timestamp) {
        (self.pending.earliest(), self.pending.until)
    }

    /// The image as it is once the plan is carried out.
    pub fn applied(&self, now: Timestamp) -> Image {
        let properties = keep(&self.pending.properties(), self.counts.properties);
        let tags = keep(&self.pending.tags(), self.counts.tags);
        let members = keep(&self.pending.members(), self.counts.members);
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

/// All of the rows, or none where their kind is skipped.
fn keep<T: Clone>(rows: &[&T], count: usize) -> Vec<T> {
    rows.iter().take(count).map(|row| (*row).clone()).collect()
}
