//! Data that another row still needs. Several rows may name the same data, and the stores do not
//! know it.
//!
//! Asking who else names a value is a walk over the table, since `value` has no index. So it is
//! asked in two steps: once for a page, which values more than one row names ([`Contested`]: none,
//! as a rule), and of those again for each batch, after its claims are committed ([`Held`]). A
//! revert of another image that was not committed by then finds the data only if its row was
//! there; and a row that is there, and not claimed by this very batch, keeps the data.
//!
//! Where rows that name the same data may be stored in other letters, the database cannot tell:
//! all of them are read instead, and their objects compared.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::Scrubber;
use super::destroy::Claimed;
use crate::domain::image::ImageId;
use crate::domain::location::{Location, LocationValue};
use crate::domain::repo::RepoError;
use crate::domain::store::Placed;

/// Rows read at a time.
const PAGE: u32 = 1000;
/// The table is walked once for a page of images, and again if the page takes longer than this.
const FRESH: Duration = Duration::from_secs(30);
/// The same where every row has to be read.
const FRESH_WHOLE: Duration = Duration::from_mins(5);

/// What more than one row names, at the time of asking.
#[derive(Debug)]
pub(super) enum Contested {
    /// Values as stored, of the images from `first` to `last`.
    Values { values: HashSet<LocationValue>, first: ImageId, last: ImageId, read: Instant },
    /// Hashes of [`names`], of all images.
    Objects { names: HashSet<u64>, read: Instant },
}

/// What must not be destroyed by one batch of claims.
#[derive(Debug)]
pub(super) struct Held {
    values: HashSet<LocationValue>,
    objects: HashSet<u64>,
    /// Images of the batch may name the same data: which of them it goes with. The others only let
    /// go of it, so that no image is given back after its data went with another one.
    goes_with: HashMap<u64, ImageId>,
}

impl Contested {
    pub(super) async fn read(
        scrubber: &Scrubber,
        first: &ImageId,
        last: &ImageId,
    ) -> Result<Self, RepoError> {
        let read = Instant::now();
        if !scrubber.stores.values_are_alike() {
            let mut all = Vec::new();
            walk_objects(scrubber, |_, name| all.push(name)).await?;
            return Ok(Self::Objects { names: repeated(all), read });
        }
        let values = scrubber.repo.contested_in_range(first, last).await?;
        Ok(Self::Values { values, first: first.clone(), last: last.clone(), read })
    }

    /// Whether it speaks of these images, and of the present.
    pub(super) fn is_fresh(&self, page: &[ImageId]) -> bool {
        match self {
            Self::Objects { read, .. } => read.elapsed() < FRESH_WHOLE,
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
        let mut held = Held::of(batch);
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
            Self::Objects { names, .. } => {
                let is_asked =
                    targets().any(|(_, placed)| any(placed, |name| names.contains(&name)));
                if is_asked {
                    let note = |id, object| {
                        if !ours.contains(&id) {
                            held.objects.insert(object);
                        }
                    };
                    walk_objects(scrubber, note).await?;
                }
            }
        }
        Ok(held)
    }
}

impl Held {
    fn of(batch: &[Claimed<'_>]) -> Self {
        let goes_with = batch.iter().flat_map(|claimed| {
            let named = claimed.targets().flat_map(|(_, placed)| names(placed));
            named.map(|name| (name, claimed.work.image().id.clone()))
        });
        let (values, objects) = (HashSet::new(), HashSet::new());
        Self { values, objects, goes_with: goes_with.collect() }
    }

    pub(super) fn contains(&self, image: &ImageId, location: &Location, placed: &Placed) -> bool {
        let goes_elsewhere = |name| self.goes_with.get(&name).is_some_and(|last| last != image);
        self.values.contains(&location.value)
            || any(placed, |name| self.objects.contains(&name) || goes_elsewhere(name))
    }
}

/// Tells row and object of every location that is not done with.
async fn walk_objects(
    scrubber: &Scrubber,
    mut note: impl FnMut(i32, u64),
) -> Result<(), RepoError> {
    let mut after = 0;
    loop {
        let page = scrubber.repo.needed_locations(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.location.id;
        for held in &page {
            let stores = &scrubber.stores;
            let named = match stores.place(&held.location) {
                Ok(placed) => names(&placed).to_vec(),
                Err(_) => stores.uri(&held.location.value).iter().map(hash).collect(),
            };
            for name in named {
                note(held.location.id, name);
            }
        }
    }
}

/// Those that are there more than once. A sorted list takes a fraction of a set's memory.
fn repeated(mut names: Vec<u64>) -> HashSet<u64> {
    names.sort_unstable();
    names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

/// The URI as it stands, which also tells of rows that have no store, and the object.
fn names(placed: &Placed) -> [u64; 2] {
    [hash(&placed.uri), hash(&placed.object())]
}

fn any(placed: &Placed, is_so: impl Fn(u64) -> bool) -> bool {
    names(placed).into_iter().any(is_so)
}

fn hash(name: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
