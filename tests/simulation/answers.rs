//! Compares the product's results with the actual state.

use std::time::Duration;

use glance_revert::domain::image::{ImageId, State};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::revert::{RevertError, RevertRequest, Reverted, Verify};

use crate::memory::{Cause, LocationRow};
use crate::objects::object;
use crate::process::{Process, Product};
use crate::world::World;

/// Reverts one image, and checks the result.
pub(crate) async fn revert(process: &Process, product: &Product, image: &str, how: Verify) {
    let (id, request) = (ImageId::parse(image).unwrap(), RevertRequest::whole(how));
    let began = process.world.elapsed();
    let result = product.reverter.revert(&Admin::local_operator(), &id, &request).await;
    check(process, image, (began, how), &result);
}

/// Previews one.
pub(crate) async fn preview(process: &Process, product: &Product, image: &str) {
    let id = ImageId::parse(image).unwrap();
    let began = process.world.elapsed();
    let preview = product.reverter.preview(&Admin::local_operator(), &id).await;
    let obstacle = match preview {
        Ok(preview) => preview.obstacle,
        Err(error) => Some(error),
    };
    if let Some(error) = obstacle {
        refused(process, image, (began, Verify::Exists), &error);
    }
}

/// Whether a location of an image has data that this verification accepts.
fn is_whole(world: &World, row: &LocationRow, how: Verify) -> bool {
    let objects = world.objects.lock().unwrap();
    let content = objects.whole.get(&object(&row.value));
    content.is_some_and(|content| how != Verify::Checksum || content.of == row.image)
}

/// Locations that were deleted with their image, are not claimed, and have their data.
pub(crate) fn waiting(world: &World, image: &str, how: Verify) -> Vec<LocationRow> {
    world.database.latest(|tables| {
        let Some(row) = tables.images.get(image) else { return Vec::new() };
        let waits = |one: &&LocationRow| match one.status {
            LocationStatus::Active => !one.deleted && row.deleted,
            LocationStatus::PendingDelete => {
                one.deleted_at.is_some() && matches!(one.cause, Cause::Delete(_))
            }
            LocationStatus::Deleted => {
                row.deleted && one.deleted_at.is_some() && one.deleted_at == row.deleted_at
            }
        };
        let of_delete = |one: &&LocationRow| match one.cause {
            Cause::Delete(at) => Some(at),
            _ => None,
        };
        let waiting: Vec<_> = tables.locations_of(image).filter(waits).collect();
        let last = waiting.iter().filter_map(of_delete).max();
        let is_last = |one: &&&LocationRow| of_delete(one).is_none_or(|at| Some(at) == last);
        let waiting = waiting.iter().filter(is_last);
        waiting.filter(|one| is_whole(world, one, how)).map(|one| (*one).clone()).collect()
    })
}

/// Compares a result with the actual state.
pub(crate) fn check(
    process: &Process,
    image: &str,
    (began, how): (Duration, Verify),
    result: &Result<Reverted, RevertError>,
) {
    let world = &process.world;
    world.truth.tell(|| {
        let answer = match result {
            Ok(reverted) => format!("200, {:?}", reverted.restored),
            Err(error) => format!("{}: {error}", error.reason()),
        };
        format!("process {} reverted {image}: {answer}", process.number)
    });
    let reason = result.as_ref().map_or_else(RevertError::reason, |_| "reverted");
    world.truth.visit(reason, world.state_of(image).into_iter());
    match result {
        Ok(reverted) => brought_back(process, image, began, reverted),
        Err(error) => refused(process, image, (began, how), error),
    }
}

/// Checks that an image reported as active can be downloaded.
fn brought_back(process: &Process, image: &str, began: Duration, reverted: &Reverted) {
    let (world, truth) = (&process.world, &process.world.truth);
    let looked =
        truth.seen.lock().unwrap().looked.get(&(process.number, image.to_owned())).copied();
    let looked = if reverted.repeated { Some(began) } else { looked };
    let Some(looked) = looked.filter(|at| *at >= began) else {
        return truth.fail(format!("{image} is called active without a second look"));
    };
    let since = looked.saturating_sub(truth.lag());
    if !truth.was(image, since, |state| state == State::Live) {
        truth.fail(format!("{image} is called active, and was not when it was looked at"));
    }
    if world.state_of(image) != Some(State::Live) {
        return;
    }
    let lost = world.database.latest(|tables| {
        let is_answered = |row: &&LocationRow| {
            reverted.image.locations.iter().any(|one| one.id == row.id && one.is_live())
        };
        let live = tables.locations_of(image).filter(|row| row.is_live()).filter(is_answered);
        let objects = world.objects.lock().unwrap();
        let is_lost = |row: &&LocationRow| {
            let name = object(&row.value);
            !objects.whole.contains_key(&name) && !objects.taken.contains(&name)
        };
        live.filter(is_lost).map(|row| row.id).next()
    });
    if let Some(row) = lost {
        truth.fail(format!("{image} is active, and the data of row {row} is not there"));
    }
}

/// Checks that a refusal was correct at some moment after the lock was taken.
fn refused(process: &Process, image: &str, (began, how): (Duration, Verify), error: &RevertError) {
    let (world, truth) = (&process.world, &process.world.truth);
    let locked = truth.seen.lock().unwrap().locked.get(&process.number).copied();
    let since = locked.map_or(began, |at| at.max(began)).saturating_sub(truth.lag());
    let must_be = |what: &str, is: &dyn Fn(State) -> bool| {
        if !truth.was(image, since, is) {
            truth.fail(format!("{image} is refused as {what}, and never was so"));
        }
    };
    match error {
        RevertError::NotPending(_, why) => match why {
            NotPending::AlreadyActive => must_be("active", &|state| state == State::Live),
            NotPending::ScrubInProgress => must_be("claimed", &|state| state == State::Claimed),
            NotPending::AlreadyScrubbed => {
                must_be("scrubbed", &|state| matches!(state, State::Scrubbed | State::Unscrubbed));
            }
            NotPending::NoLocations => must_be("empty", &|state| {
                matches!(state, State::Empty | State::Pending | State::Deleting | State::Broken)
            }),
            NotPending::DeleteInProgress { .. } => {
                must_be("being deleted", &|state| matches!(state, State::Deleting | State::Broken));
            }
            NotPending::OtherStatus(_) => must_be("other", &|state| state == State::Other),
        },
        RevertError::Scrubbed { .. } => {
            must_be("scrubbed", &|state| matches!(state, State::Scrubbed | State::Unscrubbed));
        }
        RevertError::DataMissing { .. } => {
            let has_turned = truth.turned_since(began);
            if let Some(row) = waiting(world, image, how).first().filter(|_| !has_turned) {
                truth.fail(format!("the data of {image} is called lost; row {} has it", row.id));
            }
        }
        RevertError::DestroyedMeanwhile { problem, .. } => {
            let is_strange = truth.seen.lock().unwrap().strange.contains(image);
            if !is_strange && !truth.turned_since(began) && !world.odds.strangers {
                truth.fail(format!("{image} is called destroyed, and nobody did it: {problem}"));
            }
        }
        RevertError::NotFound(_) => truth.fail(format!("{image} is called unknown")),
        RevertError::NotVerifiable { .. } => {
            truth.fail(format!("{image} is called one that nobody can verify"));
        }
        RevertError::Busy(_) | RevertError::StoreUnavailable { .. } => {}
        RevertError::Repo(why) => {
            if world.odds.broken == 0 && world.odds.nodes == 1 {
                truth.fail(format!("{image}: {why}, and nothing was broken"));
            }
        }
    }
}
