//! Finds data that another row still needs. Several rows may name the same data, in any spelling,
//! and the stores do not know it.
//!
//! The database cannot find the rows that name an object. So before a pass claims anything, it
//! walks once over all rows that need their data and counts those that name an object that is due.
//! The counts are then kept up to date: settled rows are subtracted, and before a batch is
//! destroyed, but after its claims, new rows are added. A revert of another image does not change
//! them, because its row counts both while it waits and while it lives.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::Scrubber;
use super::claimed::Claimed;
use crate::domain::image::ImageId;
use crate::domain::location::{Location, LocationStatus};
use crate::domain::repo::{Handed, HeldLocation, RepoError};
use crate::domain::store::Objects;
use crate::domain::time::Timestamp;

/// Rows read at a time.
const PAGE: u32 = 10_000;

/// How many rows name each object that is due.
#[derive(Debug)]
pub(super) struct SharedData {
    hasher: RandomState,
    /// Hashes of the names, sorted. A list takes a fraction of a map's memory.
    names: Vec<u64>,
    rows: Vec<u32>,
    /// Images deleted at this time or earlier are due.
    before: Timestamp,
    /// The last row that was counted.
    last: i32,
    /// The last row that was counted before the current batch was claimed.
    last_before: i32,
}

/// Whether a location's data is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// No other row needs its data.
    Own,
    /// Its data is destroyed with this row of the batch, so that no claim is released whose data
    /// was destroyed with another image.
    GoesWith(i32),
    /// A row that still needs the data names it too.
    Needed,
    /// It did not exist when the rows were counted.
    Uncounted,
}

/// [`Share`] of each location of a batch, by its row.
pub(super) type Shares = HashMap<i32, Share>;

impl SharedData {
    /// Walks over all rows. Images deleted at `before` or earlier are due.
    pub(super) async fn of(
        scrubber: &Scrubber,
        due: &[ImageId],
        before: Timestamp,
    ) -> Result<Self, RepoError> {
        let hasher = RandomState::new();
        let mut names = Vec::new();
        let mut note = |location: &Location| {
            names.extend(hashes(&hasher, &asked(scrubber.stores.objects(location))));
        };
        scrubber.repo.locations_of(due, &mut |held| note(&held.location)).await?;
        names.sort_unstable();
        names.dedup();
        names.shrink_to_fit();
        let rows = vec![0; names.len()];
        let mut shared = Self { hasher, names, rows, before, last: 0, last_before: 0 };
        if !shared.names.is_empty() {
            shared.catch_up(scrubber).await?;
        }
        Ok(shared)
    }

    /// Counts the rows that were added since.
    pub(super) async fn catch_up(&mut self, scrubber: &Scrubber) -> Result<(), RepoError> {
        self.last_before = self.last;
        loop {
            let (before, after) = (self.before, self.last);
            let mut ended: HashMap<_, Vec<_>> = HashMap::new();
            let take = &mut |held: &HeldLocation| {
                let names = self.due_names(scrubber, &held.location);
                if held.location.status != LocationStatus::Deleted {
                    self.add(&names, 1);
                } else if !names.is_empty() {
                    ended.entry(held.image.clone()).or_default().push((held.location.id, names));
                }
            };
            let handed = scrubber.repo.needed_locations(before, after, PAGE, take).await?;
            for (image, rows) in ended {
                let needed = needed_rows(scrubber, image.as_ref()).await?;
                let is_needed = |row: &i32| needed.as_ref().is_none_or(|rows| rows.contains(row));
                let names = rows.iter().filter(|(row, _)| is_needed(row)).map(|(_, names)| names);
                names.for_each(|names| self.add(names, 1));
            }
            match handed {
                Handed::Until(last) => self.last = last,
                Handed::Nothing => return Ok(()),
            }
        }
    }

    /// The names of a location's objects that are due, as hashes.
    fn due_names(&self, scrubber: &Scrubber, location: &Location) -> Vec<u64> {
        let mut names = hashes(&self.hasher, &named(scrubber.stores.objects(location)));
        names.retain(|name| self.names.binary_search(name).is_ok());
        names
    }

    /// Subtracts a location that is settled.
    pub(super) fn settled(&mut self, scrubber: &Scrubber, location: &Location) {
        if self.counts(location) {
            self.count(scrubber, location, -1);
        }
    }

    /// Subtracts a location whose claim is released, so that every row is as it was read.
    pub(super) fn released(&mut self, scrubber: &Scrubber, location: &Location) {
        if !self.needs_data(location) && self.counts(location) {
            self.count(scrubber, location, -1);
        }
    }

    /// Whether a location of the current batch, as it was read, is among the counted rows.
    fn counts(&self, location: &Location) -> bool {
        // its claim made it a waiting row
        self.needs_data(location) || location.id > self.last_before
    }

    /// Whether the location needs its data. One that Glance ended together with its image does not,
    /// once it is due.
    fn needs_data(&self, location: &Location) -> bool {
        location.status != LocationStatus::Deleted || location.deleted_at > Some(self.before)
    }

    fn count(&mut self, scrubber: &Scrubber, location: &Location, by: i32) {
        self.add(&self.due_names(scrubber, location), by);
    }

    fn add(&mut self, names: &[u64], by: i32) {
        for name in names {
            if let Ok(at) = self.names.binary_search(name)
                && let Some(rows) = self.rows.get_mut(at)
            {
                *rows = rows.saturating_add_signed(by);
            }
        }
    }

    /// Judges the locations of a batch, after its claims.
    pub(super) fn shares(&self, scrubber: &Scrubber, batch: &[Claimed<'_>]) -> Shares {
        let objects = |location: &Location| scrubber.stores.objects(location);
        let all: Vec<_> = batch
            .iter()
            .flat_map(Claimed::targets)
            .map(|(location, _)| (location.id, self.counts(location), objects(location)))
            .collect();
        let mut ours: HashMap<u64, (i32, u32)> = HashMap::new();
        for (row, is_counted, objects) in &all {
            for name in hashes(&self.hasher, &objects.names) {
                ours.entry(name).or_insert((*row, 0)).1 += u32::from(*is_counted);
            }
        }
        all.iter().map(|(row, _, objects)| (*row, self.share(*row, objects, &ours))).collect()
    }

    fn share(&self, row: i32, objects: &Objects, ours: &HashMap<u64, (i32, u32)>) -> Share {
        let counted = |name: u64| {
            self.names.binary_search(&name).ok().and_then(|at| self.rows.get(at)).copied()
        };
        let mut share = Share::Own;
        for name in hashes(&self.hasher, &objects.names) {
            let (first, of_batch) = ours.get(&name).copied().unwrap_or((row, 0));
            match counted(name) {
                Some(rows) if rows > of_batch => return Share::Needed,
                Some(rows) if rows == of_batch && first == row => {}
                Some(rows) if rows == of_batch => share = Share::GoesWith(first),
                Some(_) | None => return Share::Uncounted,
            }
        }
        let rough = objects.rough.as_ref().map(|rough| self.hasher.hash_one(rough));
        if rough.and_then(counted).is_some_and(|rows| rows > 0) { Share::Needed } else { share }
    }
}

/// The rows of an image that still need their data although they may be ended: Glance ended them
/// together with the image, without touching the store. `None` if that is unknown; then all of them
/// count. Called once per image, because an image may have any number of ended rows.
async fn needed_rows(
    scrubber: &Scrubber,
    image: Option<&ImageId>,
) -> Result<Option<HashSet<i32>>, RepoError> {
    let Some(image) = image else { return Ok(None) };
    let images = scrubber.repo.get_many(std::slice::from_ref(image)).await?;
    let Ok(images) = images.into_iter().collect::<Result<Vec<_>, _>>() else { return Ok(None) };
    Ok(Some(images.iter().flat_map(|one| one.locations.iter().map(|row| row.id)).collect()))
}

/// The names under which a row is counted.
fn named(objects: Objects) -> Vec<String> {
    if objects.names.is_empty() { objects.rough.into_iter().collect() } else { objects.names }
}

/// The names that are looked up for a location that is due.
fn asked(objects: Objects) -> Vec<String> {
    objects.names.into_iter().chain(objects.rough).collect()
}

fn hashes(hasher: &RandomState, names: &[String]) -> Vec<u64> {
    names.iter().map(|name| hasher.hash_one(name)).collect()
}
