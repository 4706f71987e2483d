//! Rows of the tables.

use std::time::Duration;

use glance_revert::domain::control::{Acceptance, InForce};
use glance_revert::domain::image::{
    Image, ImageId, ImageStatus, Member, Property, RowVersion, Tag,
};
use glance_revert::domain::location::{Location, LocationMetadata, LocationStatus, LocationValue};
use glance_revert::domain::time::Timestamp;

/// Who deleted a row. Not a column: only the simulation knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cause {
    /// Nobody, or the product.
    #[default]
    Nobody,
    /// A user, who removed it from a living image.
    User(Timestamp),
    /// A DELETE of the image.
    Delete(Timestamp),
    /// Somebody other than Glance's API.
    Stranger,
}

/// A row of `images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageRow {
    pub(crate) id: String,
    pub(crate) owner: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) checksum: Option<String>,
    pub(crate) status: ImageStatus,
    pub(crate) protected: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) deleted: bool,
}

/// A row of `image_locations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocationRow {
    pub(crate) id: i32,
    pub(crate) image: String,
    pub(crate) value: String,
    pub(crate) status: LocationStatus,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) deleted: bool,
    pub(crate) cause: Cause,
}

/// The kind of a child row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChildKind {
    Property,
    Tag,
    Member,
}

/// A row of `image_properties`, `image_tags` or `image_members`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChildRow {
    pub(crate) id: i32,
    pub(crate) kind: ChildKind,
    pub(crate) image: String,
    /// `name`, `value` or `member`.
    pub(crate) word: String,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) deleted: bool,
    pub(crate) cause: Cause,
}

/// The row of `revert_scrubber`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct OrdersRow {
    pub(crate) claims: u64,
    pub(crate) pause: Option<InForce>,
    pub(crate) accepted: Option<Acceptance>,
    pub(crate) scrub_time: Option<Duration>,
    pub(crate) retention: Option<String>,
}

/// A time as a database prints it; empty for NULL.
pub(crate) fn printed(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string())
}

impl ImageRow {
    /// The image without children.
    pub(super) fn image(&self) -> Image {
        Image {
            id: ImageId::parse(&self.id).unwrap(),
            name: Some(format!("name of {}", self.id)),
            disk_format: Some("raw".to_owned()),
            container_format: Some("bare".to_owned()),
            visibility: "shared".to_owned(),
            size: self.size,
            virtual_size: None,
            status: self.status,
            checksum: self.checksum.clone(),
            os_hash_algo: None,
            os_hash_value: None,
            protected: self.protected,
            os_hidden: false,
            min_ram: 0,
            min_disk: 0,
            owner: self.owner.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            deleted: self.deleted,
            version: RowVersion {
                deleted_at: printed(self.deleted_at),
                updated_at: printed(self.updated_at),
            },
            locations: Vec::new(),
            properties: Vec::new(),
            tags: Vec::new(),
            members: Vec::new(),
        }
    }

    /// `COALESCE(deleted_at, updated_at)`.
    pub(super) fn gone_at(&self) -> Option<Timestamp> {
        self.deleted_at.or(self.updated_at)
    }
}

impl LocationRow {
    /// The row as a location.
    pub(crate) fn location(&self) -> Location {
        Location {
            id: self.id,
            value: LocationValue::new(self.value.clone()),
            metadata: LocationMetadata::read(Some("{}".to_owned())),
            status: self.status,
            deleted: self.deleted,
            deleted_at: self.deleted_at,
        }
    }

    /// Whether the row is live.
    pub(crate) fn is_live(&self) -> bool {
        self.status == LocationStatus::Active && !self.deleted
    }

    /// Whether the row has the mark of a claim.
    pub(crate) fn is_claimed(&self) -> bool {
        self.status == LocationStatus::PendingDelete && self.deleted_at.is_none()
    }
}

impl ChildRow {
    pub(super) fn property(&self) -> Property {
        Property {
            name: self.word.clone(),
            value: Some("value".to_owned()),
            deleted: self.deleted,
            deleted_at: self.deleted_at,
        }
    }

    pub(super) fn tag(&self) -> Tag {
        Tag { value: self.word.clone(), deleted: self.deleted, deleted_at: self.deleted_at }
    }

    pub(super) fn member(&self) -> Member {
        Member {
            member: self.word.clone(),
            status: "accepted".to_owned(),
            deleted: self.deleted,
            deleted_at: self.deleted_at,
        }
    }
}

impl LocationRow {
    /// A new live location.
    pub(crate) fn live(id: i32, image: &str, value: &str) -> Self {
        Self {
            id,
            image: image.to_owned(),
            value: value.to_owned(),
            status: LocationStatus::Active,
            updated_at: None,
            deleted_at: None,
            deleted: false,
            cause: Cause::Nobody,
        }
    }
}
