//! Data that another image still needs. Two images may name the same URI, and the stores do not
//! know it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::Scrubber;
use crate::domain::image::ImageId;
use crate::domain::location::{Location, LocationValue};
use crate::domain::repo::RepoError;
use crate::domain::store::{Placed, StoreUri};
use crate::domain::time::Timestamp;

/// Rows read at a time.
const PAGE: u32 = 1000;
/// `image_locations.value` has no index, so the table is walked once for a page of images, and
/// again if the page takes longer than this.
const FRESH: Duration = Duration::from_secs(30);

/// What must not be destroyed.
#[derive(Debug)]
pub(super) enum Held {
    /// Values as stored, of the images from `first` to `last`.
    Values { values: HashSet<LocationValue>, first: ImageId, last: ImageId, read: Instant },
    /// Hashes of all plain URIs: where values are encrypted, equal data has unequal values.
    Uris(HashSet<u64>),
}

impl Held {
    pub(super) async fn read(
        scrubber: &Scrubber,
        first: &ImageId,
        last: &ImageId,
        before: Timestamp,
    ) -> Result<Self, RepoError> {
        if scrubber.stores.encrypted() {
            return read_uris(scrubber, before).await.map(Self::Uris);
        }
        let read = Instant::now();
        let values = scrubber.repo.held_in_range(first, last, before).await?;
        Ok(Self::Values { values, first: first.clone(), last: last.clone(), read })
    }

    /// Whether it speaks of these images, and of the present. Hashes are made once a pass.
    pub(super) fn is_fresh(&self, page: &[ImageId]) -> bool {
        match self {
            Self::Uris(_) => true,
            Self::Values { first, last, read, .. } => {
                page.first() == Some(first) && page.last() == Some(last) && read.elapsed() < FRESH
            }
        }
    }

    pub(super) fn contains(&self, location: &Location, placed: &Placed) -> bool {
        match self {
            Self::Values { values, .. } => values.contains(&location.value),
            Self::Uris(uris) => uris.contains(&hash(&placed.uri)),
        }
    }
}

async fn read_uris(scrubber: &Scrubber, before: Timestamp) -> Result<HashSet<u64>, RepoError> {
    let (mut uris, mut after) = (HashSet::new(), 0);
    loop {
        let page = scrubber.repo.held_locations(before, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(uris) };
        after = last.location.id;
        let plain = page.iter().filter_map(|held| scrubber.stores.uri(&held.location.value));
        uris.extend(plain.map(|uri| hash(&uri)));
    }
}

fn hash(uri: &StoreUri) -> u64 {
    let mut hasher = DefaultHasher::new();
    uri.hash(&mut hasher);
    hasher.finish()
}
