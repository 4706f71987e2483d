//! The record of a destruction.

use std::sync::Arc;

use super::work::WorkKind;
use crate::domain::image::Image;
use crate::domain::store::StoreId;

/// An image whose data a pass has destroyed.
#[derive(Debug)]
pub struct Destroyed<'a> {
    /// The image as it was before.
    pub image: &'a Image,
    /// Why it was in the pass. Of a living image only locations went that were removed from it.
    pub kind: WorkKind,
    /// The stores that had the data.
    pub stores: Vec<&'a StoreId>,
    /// The pass: when it began.
    pub pass: &'a str,
}

/// Told of each image that was destroyed, before the rows say so: a record may come twice, and is
/// never missing.
pub type Journal = Arc<dyn Fn(&Destroyed<'_>) + Send + Sync>;
