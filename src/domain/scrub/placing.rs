//! Where the data of an image lies, and whether all of it may be destroyed. A pass and its plan ask
//! the same.

use super::work::Work;
use crate::domain::store::{Placed, Stores};

/// Why an image is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// Its rows cannot be read.
    Unreadable,
    /// No store that is configured has one of its locations.
    NoStore,
    /// A store may not touch one of its locations for this image.
    NotAcceptable,
    /// A store of its is not well.
    StoreUnavailable,
    /// It failed lately, and waits to be tried again.
    FailedLately,
    /// Somebody holds it.
    Held,
}

impl Obstacle {
    /// The word for programs.
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

/// Places every location whose data has to go; an image that could only be half destroyed is not
/// begun. Does no I/O.
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
