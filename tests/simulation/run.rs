//! Runs one seed, or many.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use glance_revert::domain::image::{ImageId, State};
use glance_revert::domain::location::{Location, LocationStatus};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::actors::{self, IMAGES};
use crate::answers;
use crate::glance::Glance;
use crate::memory::LocationRow;
use crate::objects::{Mount, STORES};
use crate::process::{Process, Product};
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
        two_passes(world, &product).await;
    } else {
        two_passes(world, &product).await;
        bring_back(world, &process, &product).await;
    }
    nothing_is_lost(world);
}

/// Reverts everything that still exists.
async fn bring_back(world: &World, process: &Process, product: &Product) {
    for image in IMAGES {
        let began = world.elapsed();
        let waiting = answers::waiting(world, image);
        let is_other = world.state_of(image) == Some(State::Other);
        let last = world.database.latest(|tables| {
            let stamped = |row: &&LocationRow| row.status == LocationStatus::PendingDelete;
            tables.locations_of(image).filter(stamped).filter_map(|row| row.deleted_at).max()
        });
        let (id, request) = (ImageId::parse(image).unwrap(), RevertRequest::whole(Verify::Exists));
        let result = product.reverter.revert(&Admin::local_operator(), &id, &request).await;
        answers::check(process, image, began, &result);
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

/// Nothing is stuck after two passes.
async fn two_passes(world: &World, product: &Product) {
    let admin = Admin::local_operator();
    world.truth.seen.lock().unwrap().paused = None;
    product.control.resume(&admin).await.unwrap();
    let held = std::mem::take(&mut world.truth.seen.lock().unwrap().held);
    for image in IMAGES {
        product.control.release(&admin, &ImageId::parse(image).unwrap()).await.unwrap();
    }
    drop(held);
    for _ in 0..2 {
        let report = product.scrubber.run_once(&CancellationToken::new()).await.unwrap();
        world.truth.tell(|| format!("{report:?}"));
        let is_strange = !world.truth.seen.lock().unwrap().strange.is_empty();
        if (report.failed > 0 && !is_strange)
            || report.interrupted
            || report.skipped
            || report.paused
        {
            world.truth.fail(format!("a quiet pass does not go well: {report:?}"));
        }
        sleep(Duration::from_secs(90)).await;
    }
    let before = world.now() - TimeDelta::from_std(crate::world::SCRUB_TIME).unwrap();
    for image in IMAGES {
        let found = world.database.latest(|tables| tables.image_with_locations(image));
        let Some(found) = found else { continue };
        let state = found.state();
        let due = found.waits_since().is_some_and(|at| at + TimeDelta::minutes(4) <= before);
        // a living image must have no claimed location; others wait until they are due or alive
        let is_claimed = state == State::Live && found.locations.iter().any(Location::is_claimed);
        if is_claimed || (due && !actors::is_settled(state)) {
            world.truth.fail(format!("{image} is stuck as {state:?} after two passes"));
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
                objects.whole.contains(&name) || objects.taken.contains(&name)
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
