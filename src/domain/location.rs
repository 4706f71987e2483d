//! Where an image's data is, as Glance's `image_locations` rows say it.

use std::fmt;

use serde_json::{Map, Value};

use super::time::Timestamp;

/// `image_locations.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocationStatus {
    /// The data serves the image.
    Active,
    /// The data waits to be scrubbed.
    PendingDelete,
    /// The data is gone.
    Deleted,
}

impl LocationStatus {
    /// Reads Glance's spelling; `None` for a word that Glance does not use.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "pending_delete" => Some(Self::PendingDelete),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// `image_locations.value` as stored: a URI, or the cipher text of one where
/// `metadata_encryption_key` is set. May hold credentials, so it is never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LocationValue(String);

impl LocationValue {
    /// Wraps a column's text.
    pub fn new(stored: String) -> Self {
        Self(stored)
    }

    /// The column's text.
    pub fn as_stored(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LocationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocationValue(..)")
    }
}

/// One row of `image_locations`.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// `image_locations.id`.
    pub id: i32,
    /// `image_locations.value`.
    pub value: LocationValue,
    /// `image_locations.meta_data`; NULL and `null` read as empty.
    pub metadata: Map<String, Value>,
    /// `image_locations.status`.
    pub status: LocationStatus,
    /// `image_locations.deleted`.
    pub deleted: bool,
    /// `image_locations.deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

impl Location {
    /// The store that the row names (`meta_data.store`; multi-store Glance writes it).
    pub fn store(&self) -> Option<&str> {
        self.metadata.get("store").and_then(Value::as_str)
    }

    /// Whether the row serves its image now.
    pub fn is_live(&self) -> bool {
        self.status == LocationStatus::Active && !self.deleted
    }

    /// Whether the data waits to be scrubbed.
    pub fn is_pending(&self) -> bool {
        self.status == LocationStatus::PendingDelete
    }
}
