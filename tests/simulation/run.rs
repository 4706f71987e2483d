//! Runs one seed, or many.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::TimeDelta;
use glance_revert::domain::image::{ImageId, State};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use tokio::time::sleep;

use crate::actors::{self, IMAGES};
use crate::answers;
use crate::glance::Glance;
use crate::memory::LocationRow;
use crate::objects::{Mount, STORES};
use crate::process::{Process, Product};
use crate::quiet;
use crate::truth::Visits;
use crate::world::{GRACE, Mutant, World};

/// The stamps of one DELETE are at most this far apart.
const SAME_DELETE: TimeDelta = TimeDelta::seconds(1);

/// The result of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) failures: Vec<String>,
    pub(crate) told: Vec<String>,
    pub(crate) visits: Visits,
}

/// Runs one world from beginning to end.
pub(crate) fn one(seed: u64, mutant: Mutant, is_told: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        let world = World::new(seed, mutant, is_told);
        live(&world).await;
        end(&world).await;
        world
    });
    let mut known = world.truth.seen.lock().unwrap();
    let (failures, told) = (std::mem::take(&mut known.failures), std::mem::take(&mut known.told));
    Outcome { failures, told, visits: std::mem::take(&mut known.visits) }
}

/// Runs this many worlds on all processors, until one fails in a way that counts.
pub(crate) fn many(seeds: u64, mutant: Mutant, counts: impl Fn(&String) -> bool + Sync) -> Outcome {
    let (next, has_failed, all) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut visits = Visits::new();
                while !has_failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    let outcome = one(seed, mutant, false);
                    for (cell, count) in outcome.visits {
                        *visits.entry(cell).or_default() += count;
                    }
                    let failures: Vec<_> = outcome.failures.iter().filter(|f| counts(f)).collect();
                    if !failures.is_empty() {
                        has_failed.store(true, Ordering::Relaxed);
                        let mut all: std::sync::MutexGuard<'_, Outcome> = all.lock().unwrap();
                        let told = failures.iter().map(|what| format!("seed {seed}: {what}"));
                        all.failures.extend(told);
                    }
                }
                let mut all = all.lock().unwrap();
                for (cell, count) in visits {
                    *all.visits.entry(cell).or_default() += count;
                }
            });
        }
    });
    all.into_inner().unwrap()
}

async fn live(world: &Arc<World>) {
    let glance = Glance::new(world);
    let mut chance = world.chance("images");
    glance.create("image-0", &mut chance);
    for image in IMAGES {
        glance.create(image, &mut chance);
    }
    for node in 0..world.odds.nodes {
        world.database.catch_up(node);
    }
    let mut all = vec![
        tokio::spawn(actors::user(Arc::clone(world), 0)),
        tokio::spawn(actors::user(Arc::clone(world), 1)),
        tokio::spawn(actors::operator(Arc::clone(world), 0)),
        tokio::spawn(actors::operator(Arc::clone(world), 1)),
        tokio::spawn(actors::scrubber(Arc::clone(world), 0)),
        tokio::spawn(actors::weather(Arc::clone(world))),
    ];
    if world.odds.nodes > 1 || world.seed.is_multiple_of(2) {
        all.push(tokio::spawn(actors::scrubber(Arc::clone(world), 1)));
    }
    if world.odds.strangers {
        all.push(tokio::spawn(actors::stranger(Arc::clone(world))));
    }
    for one in all {
        one.await.unwrap();
    }
}

/// Ends all faults and all actors except the product.
async fn end(world: &Arc<World>) {
    world.is_quiet.store(true, Ordering::Relaxed);
    for store in STORES {
        world.truth.mounted(store, Mount::Up);
    }
    for node in 0..world.odds.nodes {
        world.database.catch_up(node);
    }
    world.truth.tell(|| "quiet from now on".to_owned());
    let process = Process::start(world);
    process.set_clock(0);
    let product = process.product();
    sleep(if world.odds.jumps { GRACE * 10 } else { GRACE * 2 }).await;
    if world.seed.is_multiple_of(2) {
        bring_back(world, &process, &product).await;
        quiet::two_passes(world, &process, &product).await;
    } else {
        quiet::two_passes(world, &process, &product).await;
        bring_back(world, &process, &product).await;
    }
    if world.odds.has_keeper() && world.seed.is_multiple_of(3) {
        quiet::purge_everything(world, &process, &product).await;
    } else if world.odds.has_keeper() {
        quiet::second_chances(world, &process, &product).await;
    }
    nothing_is_lost(world);
}

/// Reverts everything that still exists.
async fn bring_back(world: &World, process: &Process, product: &Product) {
    for image in IMAGES {
        let began = world.elapsed();
        let waiting = answers::waiting(world, image, Verify::Exists);
        let is_other = world.state_of(image) == Some(State::Other);
        let last = world.database.latest(|tables| {
            let stamped = |row: &&LocationRow| row.status == LocationStatus::PendingDelete;
            tables.locations_of(image).filter(stamped).filter_map(|row| row.deleted_at).max()
        });
        let (id, request) = (ImageId::parse(image).unwrap(), RevertRequest::whole(Verify::Exists));
        let result = product.reverter.revert(&Admin::local_operator(), &id, &request).await;
        answers::check(process, image, (began, Verify::Exists), &result);
        let is_back = match &result {
            Ok(_) => true,
            Err(error) => error.is_back() || is_other,
        };
        if !waiting.is_empty() && !is_back {
            let error = result.as_ref().err().map(RevertError::reason);
            world.truth.fail(format!("{image} has its data, and does not come back: {error:?}"));
        }
        if result.as_ref().is_ok_and(|reverted| !reverted.repeated) {
            let is_live = |row: &LocationRow| {
                world.database.latest(|tables| {
                    tables.locations.get(&row.id).is_some_and(LocationRow::is_live)
                })
            };
            // stamps that are further apart belong to two DELETEs, or to a slow one: then one copy
            // suffices
            let is_last = |row: &LocationRow| {
                row.status == LocationStatus::PendingDelete
                    && row.deleted_at.zip(last).is_some_and(|(at, last)| last - at <= SAME_DELETE)
            };
            let left_out = waiting.iter().find(|row| !is_live(row));
            if let Some(row) = left_out.filter(|_| waiting.iter().all(is_last)) {
                let rows = world.database.latest(|tables| {
                    tables.locations_of(image).map(|row| format!("{row:?}")).collect::<Vec<_>>()
                });
                world.truth.tell(|| format!("{waiting:#?} {rows:#?}"));
                world.truth.fail(format!("{image} came back without row {}", row.id));
            }
        }
    }
}

/// Every destruction is recorded, and every living image has its data.
fn nothing_is_lost(world: &World) {
    let destroyed = world.truth.seen.lock().unwrap().destroyed.clone();
    let strange = world.truth.seen.lock().unwrap().strange.clone();
    let mut problems = Vec::new();
    world.database.latest(|tables| {
        for image in &destroyed {
            let is_its = tables.audit.values().any(|row| {
                row.image_id.as_ref() == Some(image) && row.operation.starts_with("scrub")
            });
            // the rest of a deactivated image has to wait
            let is_unfinished = tables.locations_of(image).any(LocationRow::is_claimed);
            if !is_its && !is_unfinished && !strange.contains(image) {
                problems.push(format!("{image} was destroyed, and no entry says so"));
            }
        }
        for image in IMAGES {
            let is_live = tables
                .image_with_locations(image)
                .is_some_and(|image| image.state() == State::Live);
            let live: Vec<_> = tables.locations_of(image).filter(|row| row.is_live()).collect();
            let objects = world.objects.lock().unwrap();
            let is_there = |row: &&LocationRow| {
                let name = crate::objects::object(&row.value);
                objects.whole.contains_key(&name) || objects.taken.contains(&name)
            };
            if is_live && !strange.contains(image) && !live.iter().any(is_there) {
                problems.push(format!("{image} is active without its data"));
            }
        }
    });
    for problem in problems {
        world.truth.fail(problem);
    }
}
