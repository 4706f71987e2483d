//! A removed location of a living image may hold the last copy of its data.

use super::work::{Work, WorkKind};
use crate::domain::image::Image;
use crate::domain::store::{Placed, Presence, Stores};

/// Whether the data to be destroyed may be all that is left of a living image, because none of its
/// live locations has the whole data.
pub(super) async fn may_be(work: &Work, placed: &[Placed], stores: &dyn Stores) -> bool {
    let is_destroyed = |one: &Placed| !one.store.objects(&one.uri).is_empty();
    work.kind() == WorkKind::Leftovers
        && placed.iter().any(is_destroyed)
        && !lives(work.image(), stores).await
}

/// Whether one of the live locations of a living image has its data.
async fn lives(image: &Image, stores: &dyn Stores) -> bool {
    for location in image.locations.iter().filter(|location| location.is_live()) {
        let Ok(placed) = stores.place(location) else { continue };
        let whole = |found: u64| image.size.is_none_or(|size| i64::try_from(found) == Ok(size));
        match placed.store.stat(&image.id, &placed.uri).await {
            Ok(Presence::Present { size }) if whole(size) => return true,
            _ => {}
        }
    }
    false
}
