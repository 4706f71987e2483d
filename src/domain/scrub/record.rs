//! The audit record of a destroyed image.

use std::sync::Arc;

use super::work::WorkKind;
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::image::Image;
use crate::domain::store::StoreId;
use crate::domain::time::{Timestamp, isotime};

/// An image whose data a pass has destroyed.
#[derive(Debug)]
pub struct Destroyed<'a> {
    /// The image as it was before.
    pub image: &'a Image,
    /// Why it was in the pass. Of a living image, only locations removed from it were destroyed.
    pub kind: WorkKind,
    /// The stores that had the data.
    pub stores: Vec<&'a StoreId>,
    /// The pass's name: when it began.
    pub pass: &'a str,
}

impl Destroyed<'_> {
    /// The audit entry.
    pub(super) fn entry(&self, at: Timestamp) -> AuditEntry {
        let image = self.image;
        let operation = match self.kind {
            WorkKind::Due | WorkKind::Resumed => "scrubImage",
            WorkKind::Leftovers => "scrubRemovedLocations",
        };
        let stores: Vec<_> = self.stores.iter().map(|store| store.0.clone()).collect();
        AuditEntry::new(at, operation, Actor::scrubber())
            .about(image)
            .with("bytes", image.size)
            .with("stores", stores)
            .with("deleted_at", image.deleted_at.map(isotime))
            .with("pass", self.pass)
    }
}

/// Called for each destroyed image before the rows are written: a record may be repeated, but is
/// never missing.
pub type Journal = Arc<dyn Fn(&Destroyed<'_>) + Send + Sync>;
