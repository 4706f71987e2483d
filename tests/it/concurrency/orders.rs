//! Orders that race passes: every claim of any process respects an order that was answered before
//! it.

use std::sync::Arc;

use futures::future::join;
use glance_revert::db::Database;
use glance_revert::domain::control::{Control, ControlError};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::scrub::{PassLimits, Scrubber};
use glance_revert::domain::selection::{Filter, Selection};
use tokio_util::sync::CancellationToken;

use crate::scrub::orders::{control, scrubber};
use crate::support::crowd::{Fate, LONG_AGO, ids};
use crate::support::daemon::until;
use crate::support::database::{Kind, on_each_database};
use crate::support::env;
use crate::support::odds::LocksOfNobody;
use crate::support::world::World;

on_each_database! {
    no_image_is_claimed_after_its_hold_was_answered,
    no_image_is_claimed_after_a_pause_was_answered,
    orders_are_kept_where_locks_exclude_nobody,
}

/// `GLANCE_REVERT_TEST_ROUNDS` sets another number.
const ROUNDS: usize = 25;
const IMAGES: usize = 12;

fn admin() -> Admin {
    Admin::local_operator()
}

fn without_locks(database: Database) -> Database {
    Database { lock: Arc::new(LocksOfNobody), ..database }
}

async fn pass(scrubber: &Scrubber) {
    scrubber.run_once(&CancellationToken::new()).await.unwrap();
}

/// Waits, a little longer in each round.
async fn dawdle(control: &Control, round: usize) {
    for _ in 0..round % 12 {
        control.orders(&admin()).await.unwrap();
    }
}

/// Holds race a pass over the same images. A held image must stay; a refused one is gone.
async fn hold_in_races(world: &World, ours: &Database, theirs: &Database) {
    let control = control(world, ours);
    let scrubber = scrubber(world, theirs, PassLimits::NONE);
    let (mut held, mut late) = (0, 0);
    for round in 0..env::rounds(ROUNDS) {
        let prefix = format!("h{round}");
        let names = ids(&prefix, IMAGES);
        world.crowd(&names, LONG_AGO).await;
        let images: Vec<_> = names.iter().map(|name| ImageId::parse(name).unwrap()).collect();
        let holding = async {
            dawdle(&control, round).await;
            let mut answers = Vec::new();
            for image in images.iter().rev() {
                answers.push((image, control.hold(&admin(), image, None, None).await));
            }
            answers
        };
        let ((), answers) = join(pass(&scrubber), holding).await;
        let fates = world.fates(&prefix).await;
        for (image, answer) in answers {
            match (answer, &fates[image.as_str()]) {
                (Ok(_), fate) if *fate == Fate::WAITS => held += 1,
                (Err(ControlError::NotPending(..)), fate) if *fate == Fate::GONE => late += 1,
                (answer, fate) => panic!("round {round}, {image}: {answer:?}, and then {fate:?}"),
            }
        }
        let all = Selection::new(images, Filter::default()).unwrap();
        control.release_all(&admin(), &all).await.unwrap();
        pass(&scrubber).await;
        assert_eq!(world.files(), 0, "round {round}: what was released is scrubbed");
    }
    eprintln!("{held} held, {late} too late");
    assert!(held > 0 && late > 0, "a race that always ends the same way is none: {held}, {late}");
}

/// Pauses race a pass. After the response no file is deleted, and no claim is left.
async fn pause_in_races(world: &World, ours: &Database, theirs: &Database) {
    let control = control(world, ours);
    let scrubber = scrubber(world, theirs, PassLimits::NONE);
    let (mut waiting, mut gone) = (0, 0);
    for round in 0..env::rounds(ROUNDS) {
        let prefix = format!("p{round}");
        world.crowd(&ids(&prefix, IMAGES), LONG_AGO).await;
        let pause = async {
            if round % 2 == 0 {
                dawdle(&control, round).await;
            } else {
                let begun = async || (world.files() < IMAGES).then_some(());
                until("the first file gone", begun).await;
            }
            let paused = control.pause(&admin(), None, None).await.unwrap();
            (paused.in_hand, world.files())
        };
        let ((), (in_hand, files)) = join(pass(&scrubber), pause).await;
        assert_eq!((in_hand, world.files()), (0, files), "round {round}");
        let fates = world.fates(&prefix).await;
        let is_whole = |fate: &Fate| [Fate::WAITS, Fate::GONE].contains(fate);
        assert!(fates.values().all(is_whole), "round {round}: {fates:?}");
        waiting += files;
        gone += IMAGES - files;
        control.resume(&admin()).await.unwrap();
        pass(&scrubber).await;
        assert_eq!(world.files(), 0, "round {round}: what was left is scrubbed");
    }
    eprintln!("{waiting} waited, {gone} gone before");
    assert!(waiting > 0 && gone > 0, "no race: {waiting} waited, {gone} gone before");
}

async fn no_image_is_claimed_after_its_hold_was_answered(kind: Kind) {
    let world = World::with_tables(kind).await;
    hold_in_races(&world, &world.open(), &world.open()).await;
}

async fn no_image_is_claimed_after_a_pause_was_answered(kind: Kind) {
    let world = World::with_tables(kind).await;
    pause_in_races(&world, &world.open(), &world.open()).await;
}

/// Like two Galera nodes, which each grant every lock.
async fn orders_are_kept_where_locks_exclude_nobody(kind: Kind) {
    let world = World::with_tables(kind).await;
    let (ours, theirs) = (without_locks(world.open()), without_locks(world.open()));
    hold_in_races(&world, &ours, &theirs).await;
    pause_in_races(&world, &ours, &theirs).await;
}
