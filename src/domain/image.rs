//! An image with its children, and its state in the life cycle.

use std::fmt;

use super::location::{Location, LocationStatus};
use super::time::Timestamp;

/// `images.id`: 1 to 36 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(String);

/// The text cannot be an image id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an image id has 1 to 36 visible ASCII characters")]
pub struct ImpossibleImageId;

impl ImageId {
    /// Longest id that Glance's column holds.
    pub const MAX_LEN: usize = 36;

    /// Accepts what Glance's column can hold and a path segment can carry.
    pub fn parse(text: &str) -> Result<Self, ImpossibleImageId> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ImpossibleImageId)
        }
    }

    /// The id as stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `images.status`, Glance's words (`glance/domain/__init__.py`, `ImageStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are Glance's own")]
pub enum ImageStatus {
    Queued,
    Saving,
    Uploading,
    Importing,
    Active,
    Killed,
    Deleted,
    PendingDelete,
    Deactivated,
}

impl ImageStatus {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Queued, "queued"),
        (Self::Saving, "saving"),
        (Self::Uploading, "uploading"),
        (Self::Importing, "importing"),
        (Self::Active, "active"),
        (Self::Killed, "killed"),
        (Self::Deleted, "deleted"),
        (Self::PendingDelete, "pending_delete"),
        (Self::Deactivated, "deactivated"),
    ];

    /// Parses Glance's spelling; `None` for an unknown status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(status, _)| *status)
    }

    /// Glance's spelling.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for ImageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The times of an image's row exactly as the database prints them, empty for NULL. Every write
/// requires that they and the status are unchanged (compare-and-set). As text, because SQLite
/// stores times as text, and a parsed value may not equal its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowVersion {
    /// `deleted_at` as printed.
    pub deleted_at: String,
    /// `updated_at` as printed.
    pub updated_at: String,
}

/// A row of `image_properties`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// `name`.
    pub name: String,
    /// `value`, NULL included.
    pub value: Option<String>,
    /// `deleted`.
    pub deleted: bool,
    /// `deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

/// A row of `image_tags`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// `value`.
    pub value: String,
    /// `deleted`.
    pub deleted: bool,
    /// `deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

/// A row of `image_members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `member`: the project that the image is shared with.
    pub member: String,
    /// `status`: `pending`, `accepted` or `rejected`.
    pub status: String,
    /// `deleted`.
    pub deleted: bool,
    /// `deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

/// A row of `images` with its children, deleted ones included.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of Glance's columns")]
pub struct Image {
    pub id: ImageId,
    pub name: Option<String>,
    pub disk_format: Option<String>,
    pub container_format: Option<String>,
    pub visibility: String,
    pub size: Option<i64>,
    pub virtual_size: Option<i64>,
    pub status: ImageStatus,
    pub checksum: Option<String>,
    pub os_hash_algo: Option<String>,
    pub os_hash_value: Option<String>,
    pub protected: bool,
    pub os_hidden: bool,
    pub min_ram: i32,
    pub min_disk: i32,
    pub owner: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub deleted: bool,
    pub version: RowVersion,
    pub locations: Vec<Location>,
    pub properties: Vec<Property>,
    pub tags: Vec<Tag>,
    pub members: Vec<Member>,
}

/// An image's state in the life cycle of delete, revert and scrub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `active`, with data.
    Live,
    /// Deleted, with data waiting: may be reverted or claimed.
    Pending,
    /// `deleted`, and a scrubber has claimed all remaining data.
    Claimed,
    /// `deleted`, and nothing waits. But its locations were ended together with the image, which
    /// Glance does without touching their data, so only the store knows whether it exists.
    Unscrubbed,
    /// `deleted`, nothing left.
    Scrubbed,
    /// `active` without a live location while some wait: upstream's `--restore`, or an interrupted
    /// DELETE.
    Broken,
    /// Deleted with nothing waiting: a killed glance-scrubber, or `db purge`.
    Empty,
    /// A DELETE between its transactions: `deleted` is still 0.
    Deleting,
    /// Any other status; never touched.
    Other,
}

/// Why the data of a location of an image that is not LIVE may still exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The row is live: the delete never saw it.
    Kept,
    /// `pending_delete`, with its deletion time.
    Stamped,
    /// `deleted` at exactly the image's time: written by `image_destroy`
    /// (`glance/db/sqlalchemy/api.py`), which only changes rows. A scrubber that destroys data
    /// stamps the location later than the image.
    Ended,
    /// Claimed by a scrubber.
    Claimed,
}

impl Image {
    /// Derives the state from the row and its locations.
    pub fn state(&self) -> State {
        let any = |wanted: &[Waiting]| {
            let mut waiting = self.locations.iter().filter_map(|l| self.waiting(l));
            waiting.any(|why| wanted.contains(&why))
        };
        let (mine, claimed) = (any(&[Waiting::Kept, Waiting::Stamped]), any(&[Waiting::Claimed]));
        let ended = any(&[Waiting::Ended]);
        match (self.status, self.deleted) {
            (ImageStatus::Active, false) if any(&[Waiting::Kept]) => State::Live,
            (ImageStatus::Active, false) if mine || claimed => State::Broken,
            (ImageStatus::Active, false) => State::Live,
            (ImageStatus::PendingDelete | ImageStatus::Deleted, false) => State::Deleting,
            (ImageStatus::Active | ImageStatus::PendingDelete, true) => {
                if mine || claimed || ended { State::Pending } else { State::Empty }
            }
            (ImageStatus::Deleted, true) if mine => State::Pending,
            // Before the claim states: a claim of the image marks all locations, a claim of a
            // removed location does not.
            (ImageStatus::Deleted, true) if ended => State::Unscrubbed,
            (ImageStatus::Deleted, true) if claimed => State::Claimed,
            (ImageStatus::Deleted, true) => State::Scrubbed,
            (
                ImageStatus::Queued
                | ImageStatus::Saving
                | ImageStatus::Uploading
                | ImageStatus::Importing
                | ImageStatus::Killed
                | ImageStatus::Deactivated,
                _,
            ) => State::Other,
        }
    }

    /// Why a location's data may still exist; `None` if it is gone.
    pub fn waiting(&self, location: &Location) -> Option<Waiting> {
        let with_image = self.deleted && location.deleted_at.is_some();
        match location.status {
            LocationStatus::Active if !location.deleted => Some(Waiting::Kept),
            LocationStatus::PendingDelete if location.is_claimed() => Some(Waiting::Claimed),
            LocationStatus::PendingDelete => Some(Waiting::Stamped),
            LocationStatus::Deleted if with_image && location.deleted_at == self.deleted_at => {
                Some(Waiting::Ended)
            }
            LocationStatus::Active | LocationStatus::Deleted => None,
        }
    }

    /// Since when a pending image has waited. A row without `deleted_at` counts from its last
    /// change.
    pub fn waits_since(&self) -> Option<Timestamp> {
        match self.state() {
            State::Pending | State::Empty | State::Unscrubbed | State::Claimed => {
                self.deleted_at.or(self.updated_at)
            }
            State::Live | State::Scrubbed | State::Broken | State::Deleting | State::Other => None,
        }
    }
}
