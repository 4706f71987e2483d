//! Purges of what stores keep, and what must be true of them.

use std::time::Duration;

use glance_revert::domain::audit::PURGE_RETAINED;
use glance_revert::domain::image::{ImageId, State};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::purge::{PurgeError, PurgedImage};
use tokio_util::sync::CancellationToken;

use crate::actors::IMAGES;
use crate::chance::Chance;
use crate::memory::{Change, Commit, LocationRow, Tables};
use crate::objects::object;
use crate::process::{Process, Product};
use crate::truth::Truth;
use crate::world::World;

/// The claim of a purge.
#[derive(Debug, Clone)]
pub(crate) struct Purge {
    process: usize,
    /// The locations before it.
    rows: Vec<LocationRow>,
}

/// Purges one image or all of them, and checks what is told.
pub(crate) async fn purge(process: &Process, product: &Product, chance: &mut Chance) {
    let ages = [Duration::ZERO, Duration::from_mins(1), Duration::from_mins(10)];
    let age = chance.pick(&ages).copied().unwrap_or_default();
    let one = chance.pick(&IMAGES).map_or(&IMAGES[..1], std::slice::from_ref);
    let all = if chance.permille(500) { one } else { &IMAGES };
    let _ = purge_all(process, product, all, age).await;
}

/// Purges these images.
pub(crate) async fn purge_all(
    process: &Process,
    product: &Product,
    images: &[&str],
    age: Duration,
) -> Result<(), PurgeError> {
    let seen = &process.world.truth.seen;
    let asked = images.iter().map(|image| (*image).to_owned()).collect();
    seen.lock().unwrap().purging.insert(process.number, asked);
    let ids: Vec<_> = images.iter().map(|image| ImageId::parse(image).unwrap()).collect();
    let began = process.world.elapsed();
    let mut tell = |id: &ImageId, result: Result<PurgedImage, PurgeError>| {
        told(process, id.as_str(), began, &result);
    };
    let (admin, stop) = (Admin::local_operator(), CancellationToken::new());
    let done = product.purger.purge(&admin, &ids, age, &stop, &mut tell).await;
    seen.lock().unwrap().purging.remove(&process.number);
    done
}

/// Compares a result with the actual state.
fn told(process: &Process, image: &str, began: Duration, result: &Result<PurgedImage, PurgeError>) {
    let (world, truth) = (&process.world, &process.world.truth);
    truth.tell(|| match result {
        Ok(purged) => format!("{image} is purged: {:?} {:?}", purged.removed, purged.problems),
        Err(error) => format!("{image} is not purged: {error}"),
    });
    let event = match result {
        Ok(purged) if purged.is_whole() => "purge: all",
        Ok(_) => "purge: some",
        Err(error) => refused(world, process, image, began, error),
    };
    truth.visit(event, world.state_of(image).into_iter());
    let removed = truth.removed_since(process.number, image, began);
    match result {
        Ok(purged) => {
            if purged.is_whole()
                && let Some(row) = still_kept(world, image, began)
            {
                truth.fail(format!("{image} is told as purged, and the data of row {row} is kept"));
            }
            let told: u64 = purged.removed.values().map(|remains| remains.pieces).sum();
            if told > removed {
                truth.fail(format!("{told} pieces of {image} are told as purged, not {removed}"));
            }
            let must_be_recorded = purged.is_recorded && told > 0;
            if must_be_recorded && !world.database.latest(|tables| is_recorded(tables, image)) {
                truth.fail(format!("{image} is purged, and no entry says so"));
            }
        }
        Err(_) if removed > 0 => {
            truth.fail(format!("{image} is told as not purged, and {removed} pieces are gone"));
        }
        Err(_) => {}
    }
}

/// Checks that a refusal was correct at some moment.
fn refused(
    world: &World,
    process: &Process,
    image: &str,
    began: Duration,
    error: &PurgeError,
) -> &'static str {
    let truth = &world.truth;
    let locked = truth.seen.lock().unwrap().locked.get(&process.number).copied();
    let since = locked.map_or(began, |at| at.max(began)).saturating_sub(truth.lag());
    let must_be = |what: &str, is: &dyn Fn(State) -> bool| {
        if !truth.was(image, since, is) {
            truth.fail(format!("the purge of {image} is refused as {what}, and never was so"));
        }
    };
    match error {
        PurgeError::Live(_) => must_be("active", &|state| state == State::Live),
        PurgeError::Claimed(_) => must_be("claimed", &|state| state == State::Claimed),
        PurgeError::NotScrubbed(..) => must_be("not scrubbed", &|state| !has_ended(state)),
        PurgeError::NotFound(_) | PurgeError::ByHand(..) => {
            truth.fail(format!("the purge of {image} is refused: {error}"));
        }
        _ => {}
    }
    match error {
        PurgeError::Live(_) => "purge: active",
        PurgeError::Claimed(_) => "purge: claimed",
        PurgeError::NotScrubbed(..) => "purge: not scrubbed",
        PurgeError::Held(..) => "purge: held",
        PurgeError::Young { .. } => "purge: too young",
        PurgeError::Shared(..) => "purge: shared",
        PurgeError::InPlace(..) => "purge: in place",
        PurgeError::Busy(_) => "purge: busy",
        PurgeError::Unknown { .. } | PurgeError::Unplaced(..) => "purge: store",
        _ => "purge: other",
    }
}

/// Whether the rows of an image in this state say that nothing waits.
fn has_ended(state: State) -> bool {
    matches!(state, State::Scrubbed | State::Unscrubbed)
}

fn is_recorded(tables: &Tables, image: &str) -> bool {
    tables
        .audit
        .values()
        .any(|row| row.image_id.as_deref() == Some(image) && row.operation == PURGE_RETAINED)
}

/// A location of which something is kept that was deleted before this time.
fn still_kept(world: &World, image: &str, before: Duration) -> Option<i32> {
    world.database.latest(|tables| {
        let objects = world.objects.lock().unwrap();
        let is_kept = |row: &&LocationRow| {
            let mut versions = objects.versions(&object(&row.value)).iter();
            row.status == LocationStatus::Deleted && versions.any(|kept| kept.since < before)
        };
        tables.locations_of(image).find(is_kept).map(|row| row.id)
    })
}

impl Truth {
    fn removed_since(&self, process: usize, image: &str, since: Duration) -> u64 {
        let seen = self.seen.lock().unwrap();
        let times = seen.removed.get(&(process, image.to_owned()));
        times.map_or(0, |times| times.iter().filter(|at| **at >= since).count() as u64)
    }

    /// Whether a process has claimed an image in its present pass or purge. Another pass may have
    /// resumed and ended the claim since, if the process has lost its locks.
    pub(crate) fn has_claimed(&self, process: usize, image: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        let claimed = seen.claimed.get(&(process, image.to_owned()));
        claimed.is_some_and(|at| seen.began.get(&process) <= Some(at))
    }

    /// The product removes a version for good at this moment.
    pub(crate) fn purges(&self, world: &World, process: usize, image: &str, name: &str) {
        self.tell(|| format!("process {process} purges {name} of {image}"));
        let names_it = |row: &&LocationRow| object(&row.value) == name;
        let asked = self.seen.lock().unwrap().purging.get(&process).cloned().unwrap_or_default();
        let why = world.database.latest(|tables| {
            // images that are purged together may share their data
            let is_gone = |id: &String| {
                let state = tables.image_with_locations(id).map(|image| image.state());
                let is_claimed = state == Some(State::Claimed);
                asked.contains(id) && (is_claimed || state.is_some_and(has_ended))
            };
            let needs_it = |row: &&LocationRow| row.image != image && !is_gone(&row.image);
            if let Some(row) = tables.locations.values().filter(names_it).find(needs_it) {
                return Some(format!("row {} of {} names it", row.id, row.image));
            }
            let is_claimed =
                tables.locations_of(image).filter(names_it).any(LocationRow::is_claimed);
            let is_overtaken = self.has_claimed(process, image);
            (!is_claimed && !is_overtaken).then(|| "no row of it is claimed".to_owned())
        });
        let at = self.elapsed();
        let mut seen = self.seen.lock().unwrap();
        seen.removed.entry((process, image.to_owned())).or_default().push(at);
        drop(seen);
        if let Some(why) = why {
            self.fail(format!("{name} of {image} is purged, and {why}"));
        }
    }

    /// A purge claims no image of which something waits.
    pub(crate) fn check_purge_claim(
        &self,
        commit: &Commit<'_>,
        images: &std::collections::BTreeMap<String, Option<State>>,
    ) {
        let is_purging = self.seen.lock().unwrap().purging.contains_key(&commit.process);
        for (image, state) in images {
            // a COMMIT may be carried out after the purge was told that it had failed
            let is_purge = is_purging || *state == Some(State::Scrubbed);
            if is_purge && !state.is_some_and(has_ended) {
                self.fail(format!(
                    "{image} is claimed by process {}, and is {state:?}",
                    commit.process
                ));
            }
            let mut seen = self.seen.lock().unwrap();
            seen.purged.remove(image);
            if is_purge {
                let row = |change: &Change| match change {
                    Change::Location(_, Some(row)) if row.image == *image => Some(row.clone()),
                    _ => None,
                };
                let rows = commit.before.iter().filter_map(row).collect();
                seen.purged.insert(image.clone(), Purge { process: commit.process, rows });
            }
        }
    }

    /// Whether a transaction ends the claim of a purge; checks that all rows are as before.
    pub(crate) fn is_end_of_purge(&self, commit: &Commit<'_>, image: &str) -> bool {
        let known = self.seen.lock().unwrap().purged.get(image).cloned();
        let Some(purge) = known.filter(|purge| purge.process == commit.process) else {
            return false;
        };
        for was in purge.rows {
            let is = commit.tables.locations.get(&was.id);
            let is_as_before = is.is_none_or(|is| {
                (is.status, is.deleted, is.deleted_at) == (was.status, was.deleted, was.deleted_at)
            });
            if !is_as_before {
                self.fail(format!("row {} of {image} is not as it was before the purge", was.id));
            }
        }
        self.seen.lock().unwrap().purged.remove(image);
        true
    }
}
