//! Data that another row still needs. Several rows may name the same data, and the stores do not
//! know it.
//!
//! Asking who else names a value is a walk over the table, since `value` has no index. So it is
//! asked in two steps: once for a page, which values more than one row names ([`Contested`]: none,
//! as a rule), and of those again for each batch, after its claims are committed ([`Held`]). A
//! revert of another image that was not committed by then finds the data only if its row was
//! there; and a row that is there, and not claimed by this very batch, keeps the data.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::Scrubber;
use super::destroy::Claimed;
use crate::domain::image::ImageId;
use crate::domain::location::{Location, LocationValue};
use crate::domain::repo::RepoError;
use crate::domain::store::{Placed, StoreUri};

/// Rows read at a time.
const PAGE: u32 = 1000;
/// The table is walked once for a page of images, and again if the page takes longer than this.
const FRESH: Duration = Duration::from_secs(30);

/// What more than one row names, at the time of asking.
#[derive(Debug)]
pub(super) enum Contested {
    /// Values as stored, of the images from `first` to `last`.
    Values { values: HashSet<LocationValue>, first: ImageId, last: ImageId, read: Instant },
    /// Hashes of all plain URIs: where values are encrypted, equal data has unequal values.
    Uris(HashSet<u64>),
}

/// What must not be destroyed by one batch of claims.
#[derive(Debug)]
pub(super) struct Held {
    values: HashSet<LocationValue>,
    uris: HashSet<u64>,
}

impl Contested {
    pub(super) async fn read(
        scrubber: &Scrubber,
        first: &ImageId,
        last: &ImageId,
    ) -> Result<Self, RepoError> {
        if scrubber.stores.encrypted() {
            let (mut seen, mut contested) = (HashSet::new(), HashSet::new());
            let note = |_, uri| {
                if !seen.insert(uri) {
                    contested.insert(uri);
                }
            };
            walk_uris(scrubber, note).await?;
            return Ok(Self::Uris(contested));
        }
        let read = Instant::now();
        let values = scrubber.repo.contested_in_range(first, last).await?;
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

    /// Who of the contested data's owners is not in this batch: asked now, after the claims.
    pub(super) async fn held(
        &self,
        scrubber: &Scrubber,
        batch: &[Claimed<'_>],
    ) -> Result<Held, RepoError> {
        let mut held = Held { values: HashSet::new(), uris: HashSet::new() };
        let targets = || batch.iter().flat_map(Claimed::targets);
        let ours: HashSet<i32> = targets().map(|(location, _)| location.id).collect();
        match self {
            Self::Values { values, .. } => {
                let wanted: HashSet<_> = targets().map(|(location, _)| &location.value).collect();
                let asked: Vec<_> =
                    wanted.into_iter().filter(|value| values.contains(*value)).cloned().collect();
                if !asked.is_empty() {
                    let naming = scrubber.repo.naming(&asked).await?.into_iter();
                    held.values =
                        naming.filter(|(id, _)| !ours.contains(id)).map(|n| n.1).collect();
                }
            }
            Self::Uris(uris) => {
                let is_asked = targets().any(|(_, placed)| uris.contains(&hash(&placed.uri)));
                if is_asked {
                    let note = |id, uri| {
                        if !ours.contains(&id) {
                            held.uris.insert(uri);
                        }
                    };
                    walk_uris(scrubber, note).await?;
                }
            }
        }
        Ok(held)
    }
}

impl Held {
    pub(super) fn contains(&self, location: &Location, placed: &Placed) -> bool {
        self.values.contains(&location.value) || self.uris.contains(&hash(&placed.uri))
    }
}

/// Tells row and URI of every location that is not done with.
async fn walk_uris(scrubber: &Scrubber, mut note: impl FnMut(i32, u64)) -> Result<(), RepoError> {
    let mut after = 0;
    loop {
        let page = scrubber.repo.needed_locations(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.location.id;
        for held in &page {
            if let Some(uri) = scrubber.stores.uri(&held.location.value) {
                note(held.location.id, hash(&uri));
            }
        }
    }
}

fn hash(uri: &StoreUri) -> u64 {
    let mut hasher = DefaultHasher::new();
    uri.hash(&mut hasher);
    hasher.finish()
}
