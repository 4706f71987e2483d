//! Which properties, tags and members come back: those that were deleted with the image.

use std::collections::HashSet;

use super::PendingDelete;
use crate::domain::image::{Image, ImageStatus, Member, Property, Tag};
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// Prefix of properties that belong to Glance's import tasks and never come back.
pub const RESERVED_PROPERTIES: &str = "os_glance_";

/// Which kinds of children a caller wants back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Children {
    pub properties: bool,
    pub tags: bool,
    pub members: bool,
}

impl Children {
    /// All of them.
    pub const ALL: Self = Self { properties: true, tags: true, members: true };
    /// None of them.
    pub const NONE: Self = Self { properties: false, tags: false, members: false };
}

/// The number of rows that a revert restores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RestoredCounts {
    pub locations: usize,
    pub properties: usize,
    pub tags: usize,
    pub members: usize,
}

/// The columns of an image that decide which children were deleted with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageDeletion {
    /// `images.status`.
    pub status: ImageStatus,
    /// `images.deleted`.
    pub deleted: bool,
    /// `images.deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

impl From<&Image> for ImageDeletion {
    fn from(image: &Image) -> Self {
        Self { status: image.status, deleted: image.deleted, deleted_at: image.deleted_at }
    }
}

impl ImageDeletion {
    /// Whether a tag or member with this deletion time was deleted with the image: at exactly its
    /// time.
    pub fn took(self, at: Option<Timestamp>) -> bool {
        at.is_some() && at == self.deleted_at
    }

    /// The last time at which a property can have been deleted with the image. The DELETE stamps
    /// all properties again when it changes the status, before it stamps the image itself; a DELETE
    /// that died earlier has deleted none.
    pub fn properties_until(self) -> Option<Timestamp> {
        let is_active = self.status == ImageStatus::Active;
        match self.deleted_at {
            Some(at) if self.deleted || is_active => Some(at),
            Some(_) | None if is_active => None,
            Some(_) | None => Some(FAR_FUTURE),
        }
    }

    /// Whether a property was deleted with the image.
    pub fn took_property(self, property: &Property) -> bool {
        let until = self.properties_until();
        let stamped = property.deleted_at.is_some() && property.deleted_at <= until;
        property.deleted && stamped && !property.name.starts_with(RESERVED_PROPERTIES)
    }
}

impl PendingDelete {
    /// Properties that come back: those that the delete stamped, which includes those that a user
    /// had removed earlier (Glance overwrites their deletion time).
    pub fn properties_to_restore(&self) -> Vec<&Property> {
        let deletion = ImageDeletion::from(&self.image);
        self.image.properties.iter().filter(|property| deletion.took_property(property)).collect()
    }

    /// Tags that come back: those deleted at exactly the image's time.
    pub fn tags_to_restore(&self) -> Vec<&Tag> {
        let live: HashSet<_> =
            self.image.tags.iter().filter(|t| !t.deleted).map(|t| &t.value).collect();
        let deletion = ImageDeletion::from(&self.image);
        let together = |t: &&Tag| t.deleted && deletion.took(t.deleted_at);
        self.image.tags.iter().filter(together).filter(|t| !live.contains(&t.value)).collect()
    }

    /// Members that come back: those deleted at exactly the image's time. One revoked earlier has
    /// an older time and stays revoked.
    pub fn members_to_restore(&self) -> Vec<&Member> {
        let live: HashSet<_> =
            self.image.members.iter().filter(|m| !m.deleted).map(|m| &m.member).collect();
        let deletion = ImageDeletion::from(&self.image);
        let together = |m: &&Member| m.deleted && deletion.took(m.deleted_at);
        self.image.members.iter().filter(together).filter(|m| !live.contains(&m.member)).collect()
    }
}
