//! What must be true of a world without faults in which only the product acts.

use std::time::Duration;

use chrono::TimeDelta;
use glance_revert::domain::image::{ImageId, State};
use glance_revert::domain::location::{Location, LocationStatus};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertRequest, Verify};
use glance_revert::domain::scrub::ScrubReport;
use glance_revert::domain::time::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::actors::{self, IMAGES};
use crate::answers;
use crate::memory::{LocationRow, Tables};
use crate::objects::{Objects, object};
use crate::process::{Process, Product};
use crate::purge;
use crate::world::World;

/// Nothing is stuck after two passes.
pub(crate) async fn two_passes(world: &World, process: &Process, product: &Product) {
    let admin = Admin::local_operator();
    world.truth.seen.lock().unwrap().paused = None;
    product.control.resume(&admin).await.unwrap();
    let held = std::mem::take(&mut world.truth.seen.lock().unwrap().held);
    for image in IMAGES {
        product.control.release(&admin, &ImageId::parse(image).unwrap()).await.unwrap();
    }
    drop(held);
    let mut is_accepted = false;
    for _ in 0..2 {
        is_accepted |= pass(world, product).await;
        sleep(Duration::from_secs(90)).await;
    }
    nothing_is_stuck(world, process, is_accepted);
    if world.odds.rules && world.seed.is_multiple_of(4) {
        sleep(world.truth.policies.longest() + Duration::from_mins(5)).await;
        is_accepted |= pass(world, product).await;
        nothing_is_stuck(world, process, is_accepted);
    }
}

/// A pass, after an acceptance if shorter rules need one. Returns whether they did.
async fn pass(world: &World, product: &Product) -> bool {
    let mut report = product.scrubber.run_once(&CancellationToken::new()).await.unwrap();
    let is_limited = report.limited.is_some() && world.odds.rules;
    if is_limited {
        world.truth.visit("limited", IMAGES.iter().filter_map(|image| world.state_of(image)));
        actors::accept(world, product).await;
        report = product.scrubber.run_once(&CancellationToken::new()).await.unwrap();
    }
    world.truth.tell(|| format!("{report:?}"));
    let is_strange = !world.truth.seen.lock().unwrap().strange.is_empty();
    if (report.failed > 0 && !is_strange) || is_cut_short(&report) {
        world.truth.fail(format!("a quiet pass does not go well: {report:?}"));
    }
    is_limited
}

fn is_cut_short(report: &ScrubReport) -> bool {
    report.interrupted || report.skipped || report.paused || report.limited.is_some()
}

/// What is due is gone. Shorter rules count only if they were accepted.
fn nothing_is_stuck(world: &World, process: &Process, is_accepted: bool) {
    let first = if is_accepted { process.policy } else { 0 };
    let waits = |tables: &Tables, image: &str| {
        let policies = (first..=process.policy).map(|number| world.truth.policies.get(number));
        policies.map(|policy| policy.waits(tables, image).1).max().unwrap_or_default()
    };
    let now = world.now();
    for image in IMAGES {
        let found = world.database.latest(|tables| {
            tables.image_with_locations(image).map(|found| (found, waits(tables, image)))
        });
        let Some((found, wait)) = found else { continue };
        let state = found.state();
        let is_due = |at: Timestamp| at + wait + TimeDelta::minutes(4) <= now;
        let is_late = |one: &Location| {
            let is_removed = one.status == LocationStatus::PendingDelete;
            one.is_claimed() || (is_removed && one.deleted_at.is_some_and(is_due))
        };
        // a living image must have no claimed location; others wait until they are due or alive
        let is_claimed = state == State::Live && found.locations.iter().any(Location::is_claimed);
        let is_left =
            is_claimed || (found.waits_since().is_some_and(is_due) && !actors::is_settled(state));
        if is_left {
            world.truth.fail(format!("{image} is stuck as {state:?} after two passes"));
        }
        let may_stay = world.truth.seen.lock().unwrap().strange.contains(image);
        if state == State::Live && !may_stay && found.locations.iter().any(is_late) {
            world.truth.fail(format!("a removed location of {image} is still there"));
        }
    }
}

/// What a store has kept of scrubbed images comes back, if it is theirs.
pub(crate) async fn second_chances(world: &World, process: &Process, product: &Product) {
    for image in IMAGES {
        if world.state_of(image) != Some(State::Scrubbed) {
            continue;
        }
        let has_chance = world.database.latest(|tables| {
            let objects = world.objects.lock().unwrap();
            tables.locations_of(image).any(|row| has_chance(&objects, row))
        });
        let (id, request) =
            (ImageId::parse(image).unwrap(), RevertRequest::whole(Verify::Checksum));
        let began = world.elapsed();
        let result = product.reverter.revert(&Admin::local_operator(), &id, &request).await;
        answers::check(process, image, (began, Verify::Checksum), &result);
        if let Err(error) = result
            && has_chance
        {
            world.truth.fail(format!("{image} is kept, and does not come back: {error:?}"));
        }
    }
}

/// Whether a store has the right data for a destroyed location.
fn has_chance(objects: &Objects, row: &LocationRow) -> bool {
    let name = object(&row.value);
    let kept = objects.newest(&name).map(|kept| &kept.content);
    let found = objects.whole.get(&name).or(kept);
    row.status == LocationStatus::Deleted && found.is_some_and(|found| found.of == row.image)
}

/// Nothing of scrubbed images is kept after a purge, except what another image names.
pub(crate) async fn purge_everything(world: &World, process: &Process, product: &Product) {
    if let Err(error) = purge::purge_all(process, product, &IMAGES, Duration::ZERO).await {
        world.truth.fail(format!("a quiet purge does not go well: {error}"));
    }
    for image in IMAGES {
        if world.state_of(image) != Some(State::Scrubbed) {
            continue;
        }
        let left = world.database.latest(|tables| {
            let objects = world.objects.lock().unwrap();
            let names: Vec<_> = tables.locations_of(image).map(|row| object(&row.value)).collect();
            let is_in_the_way = |name: &String| {
                let is_other =
                    |row: &LocationRow| row.image != image && object(&row.value) == *name;
                objects.has(name) || tables.locations.values().any(is_other)
            };
            let is_free = !names.iter().any(is_in_the_way);
            names.into_iter().find(|name| is_free && !objects.versions(name).is_empty())
        });
        if let Some(name) = left {
            world.truth.fail(format!("{name} of {image} is kept after a quiet purge"));
        }
    }
}
