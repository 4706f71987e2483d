//! Faults of the product's own process: killed, stopped for longer than any time-out, misled by its
//! clock, with its log on a full disk.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tempfile::TempDir;

use super::scene::{Scene, a_moment, chance, descriptors_of};
use crate::support::database::{Kind, tests_on};
use crate::support::env;
use crate::support::small_disk::SmallDisk;

tests_on!(
    mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    a_service_killed_at_any_moment_leaves_only_work_that_the_next_one_finishes,
    a_service_that_was_frozen_while_others_worked_does_no_harm,
    faketime_a_service_whose_clock_jumps_destroys_nothing_before_its_time,
    full_disk_a_service_whose_log_cannot_grow_goes_on
);
tests_on!(
    postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    a_service_killed_at_any_moment_leaves_only_work_that_the_next_one_finishes,
    a_service_that_was_frozen_while_others_worked_does_no_harm,
    faketime_a_service_whose_clock_jumps_destroys_nothing_before_its_time
);

/// A round without faults ends within this time even on a slow machine.
const A_ROUND: Duration = Duration::from_millis(700);
/// The product's longest time-out is a minute.
const BEYOND_EVERY_TIMEOUT: Duration = Duration::from_secs(65);

async fn a_service_killed_at_any_moment_leaves_only_work_that_the_next_one_finishes(kind: Kind) {
    let mut scene = Scene::new(kind).await;
    let (mut chance, mut cut, mut a_round) = (chance(), 0, A_ROUND);
    for round in 0..env::rounds(6) {
        let prefix = format!("k{round}");
        scene.prepare(&prefix).await;
        let mut service = scene.setup.serve().await;
        let kill = async {
            a_moment(&mut chance, a_round).await;
            service.signal("KILL").await;
        };
        let start = Instant::now();
        let work = async { (scene.work(&service, &prefix).await, start.elapsed()) };
        let ((answers, took), ()) = tokio::join!(work, kill);
        scene.note(&prefix, answers);
        service.ended().await;
        if scene.was_undisturbed(&prefix) {
            // the kill came too late, but this is how long a round takes
            a_round = took;
        } else {
            cut += 1;
        }
        scene.settles().await;
        scene.is_free().await;
        scene.rest_comes_back().await;
    }
    assert!(cut > 0, "all kills came too late");
}

/// Its database sessions end meanwhile, so others take its locks; then it resumes its work.
async fn a_service_that_was_frozen_while_others_worked_does_no_harm(kind: Kind) {
    let mut scene = Scene::new(kind).await;
    let mut chance = chance();
    for round in 0..env::rounds(2) {
        let prefix = format!("s{round}");
        scene.prepare(&prefix).await;
        let service = scene.setup.serve().await;
        let descriptors = descriptors_of(service.child.id().unwrap());
        let stands_still = async {
            a_moment(&mut chance, A_ROUND).await;
            service.signal("STOP").await;
            scene.world.cut_connections(kind).await;
            scene.quiet_pass().await;
            // only in long runs
            if round % 10 == 2 {
                tokio::time::sleep(BEYOND_EVERY_TIMEOUT).await;
            }
            service.signal("CONT").await;
        };
        let (answers, ()) = tokio::join!(scene.work(&service, &prefix), stands_still);
        scene.note(&prefix, answers);
        scene.settles().await;
        service.ready(StatusCode::OK).await;
        scene.rest_comes_back().await;
        scene.ends(service, descriptors).await;
    }
}

/// The clock jumps forward by more than `scrub_time`, then back again.
async fn faketime_a_service_whose_clock_jumps_destroys_nothing_before_its_time(kind: Kind) {
    let (folder, mut chance) = (TempDir::new().unwrap(), chance());
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let scene = Scene::new(kind).await.with_variable("LD_PRELOAD", env::faketime());
    let mut scene = scene
        .with_variable("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap().to_owned())
        .with_variable("FAKETIME_NO_CACHE", "1".to_owned())
        .with_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned());
    let service = scene.setup.serve().await;
    let descriptors = descriptors_of(service.child.id().unwrap());
    for round in 0..env::rounds(1) {
        let prefix = format!("t{round}");
        scene.prepare(&prefix).await;
        let jumps = async {
            for jump in ["+10d", "-10d", "+0"] {
                a_moment(&mut chance, A_ROUND).await;
                std::fs::write(&clock, jump).unwrap();
                // time for a pass or two by this clock
                tokio::time::sleep(Duration::from_millis(1500)).await;
            }
        };
        let (answers, ()) = tokio::join!(scene.work(&service, &prefix), jumps);
        scene.note(&prefix, answers);
        service.said("clocks differ").await;
        scene.settles().await;
        scene.rest_comes_back().await;
    }
    service.ready(StatusCode::OK).await;
    scene.ends(service, descriptors).await;
}

async fn full_disk_a_service_whose_log_cannot_grow_goes_on(kind: Kind) {
    let (mut scene, disk) = (Scene::new(kind).await, SmallDisk::new(64).await);
    let service = scene.setup.serve_with_log(disk.seen_from_outside().join("log")).await;
    let descriptors = descriptors_of(service.child.id().unwrap());
    scene.prepare("l").await;
    disk.fill();
    let answers = scene.work(&service, "l").await;
    scene.note("l", answers);
    assert!(scene.was_undisturbed("l"));
    assert!(service.metric("glance_revert_log_failures_total").await >= 1.0);
    scene.settles().await;
    scene.rest_comes_back().await;
    service.ready(StatusCode::OK).await;
    scene.ends(service, descriptors).await;
}
