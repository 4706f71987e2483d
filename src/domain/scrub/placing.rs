//! The stores of an image's data, and whether all of it may be destroyed. Used by passes and plans.

use super::work::Work;
use crate::domain::store::{Placed, Stores};

/// Why a pass skips an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// Its rows cannot be read.
    Unreadable,
    /// No configured store matches one of its locations.
    NoStore,
    /// A store must not destroy one of its locations for this image.
    NotAcceptable,
    /// One of its stores is unhealthy.
    StoreUnavailable,
    /// It failed recently; a later pass tries it again.
    FailedLately,
    /// Somebody holds it.
    Held,
}

impl Obstacle {
    /// Its stable name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoStore => "no_store",
            Self::NotAcceptable => "not_acceptable",
            Self::StoreUnavailable => "store_unavailable",
            Self::FailedLately => "failed_lately",
            Self::Held => "held",
        }
    }
}

/// Finds the store of every location to be destroyed; an image of which only a part could be
/// destroyed is skipped. Does no I/O.
pub(super) fn place(stores: &dyn Stores, work: &Work) -> Result<Vec<Placed>, (Obstacle, String)> {
    let image = &work.image().id;
    let placed = work.targets().iter().map(|location| {
        let placed =
            stores.place(location).map_err(|error| (Obstacle::NoStore, error.to_string()))?;
        match placed.store.accepts(image, &placed.uri) {
            Ok(()) => Ok(placed),
            Err(error) => {
                Err((Obstacle::NotAcceptable, format!("location {}: {error}", location.id)))
            }
        }
    });
    placed.collect()
}
