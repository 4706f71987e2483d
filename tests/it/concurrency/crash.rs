//! Concurrent processes of the real binary, killed at random points.

use std::collections::BTreeSet;

use futures::StreamExt;
use reqwest::StatusCode;

use crate::support::crowd::{Fate, LONG_AGO, NOT_YET, bytes_of, ids, tally};
use crate::support::daemon::{Service, Setup, until};
use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    a_second_pass_says_that_it_was_skipped,
    two_processes_scrub_and_revert_side_by_side_without_harm,
    passes_killed_at_random_points_leave_nothing_stuck_and_nothing_lost,
    reverts_killed_at_random_points_are_whole_or_undone,
}

const SKIPPED: i32 = 75;
const KILLS: usize = 32;

/// Random numbers that differ between runs; a failure reports its seed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        eprintln!("seed {seed}");
        Self(seed | 1)
    }

    /// From 0 up to, excluding, `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }
}

async fn a_second_pass_says_that_it_was_skipped(kind: Kind) {
    let world = World::new(kind).await;
    world.crowd(&ids("a", 3), LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "");
    let first = world.open().lock.try_lock_pass().await.unwrap().unwrap();
    let second = setup.run(&["scrub"]).await;
    assert_eq!(second.status.code(), Some(SKIPPED));
    let said = String::from_utf8(second.stdout).unwrap();
    assert!(said.contains("another process is running a pass"), "{said}");
    assert_eq!(world.files(), 3);
    first.release().await;
    assert_eq!(setup.run(&["scrub"]).await.status.code(), Some(0));
    assert_eq!(world.files(), 0);
}

/// Images that a process reported as active again.
type Kept = BTreeSet<String>;

/// `serve` scrubs and serves reverts, the command line scrubs and reverts, all on the same images.
async fn two_processes_scrub_and_revert_side_by_side_without_harm(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("p", 300);
    world.crowd(&images, LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "");
    let service = setup.serve().await;
    let over_http = async {
        let mut kept = Kept::new();
        for id in images.iter().rev().step_by(6) {
            let answer = service.revert(id).await.unwrap();
            match answer.status() {
                StatusCode::OK => drop(kept.insert(id.clone())),
                StatusCode::CONFLICT => {}
                other => panic!("{id}: {other} {}", answer.text().await.unwrap()),
            }
        }
        kept
    };
    let by_command = async {
        let mut kept = Kept::new();
        for id in images.iter().rev().skip(3).step_by(30) {
            match setup.run(&["revert", id]).await.status.code() {
                Some(0) => drop(kept.insert(id.clone())),
                Some(1) => {}
                other => panic!("{id}: {other:?}"),
            }
        }
        kept
    };
    let scrubs = async {
        for _ in 0..10 {
            let code = setup.run(&["scrub"]).await.status.code();
            assert!(matches!(code, Some(0 | SKIPPED)), "{code:?}");
        }
    };
    let (mut kept, by_command, ()) = tokio::join!(over_http, by_command, scrubs);
    kept.extend(by_command);
    assert!(!kept.is_empty());
    until("the last pass", async || {
        let left = world.fates("p").await;
        left.values().all(|fate| *fate == Fate::GONE || *fate == Fate::KEPT).then_some(())
    })
    .await;
    assert_kept(&world, "p", &kept).await;
}

/// Checks that exactly these images are active, with the uploaded bytes.
async fn assert_kept(world: &World, prefix: &str, kept: &Kept) {
    let fates = world.fates(prefix).await;
    let live: Kept =
        fates.iter().filter(|(_, fate)| **fate == Fate::KEPT).map(|(id, _)| id.clone()).collect();
    assert_eq!(live, *kept, "{:?}", tally(&fates));
    for id in kept {
        assert_eq!(std::fs::read(world.datadir().join(id)).unwrap(), bytes_of(id));
    }
}

/// Ids in random order, as in Glance: images deleted later sort between others.
fn scattered(prefix: &str, count: usize) -> Vec<String> {
    let id = |_| format!("{prefix}-{}", &uuid::Uuid::new_v4().simple().to_string()[..20]);
    (0..count).map(id).collect()
}

/// Kills a pass after this many files are gone, or right after its start.
async fn kill_a_pass(world: &World, setup: &Setup, after: usize) {
    let goal = world.files().saturating_sub(after);
    let mut pass = setup.spawn(&["scrub"]);
    until("the kill", async || {
        (world.files() <= goal || pass.try_wait().unwrap().is_some()).then_some(())
    })
    .await;
    // An error means that the pass has already ended.
    drop(pass.start_kill());
    pass.wait().await.unwrap();
}

async fn passes_killed_at_random_points_leave_nothing_stuck_and_nothing_lost(kind: Kind) {
    let world = World::new(kind).await;
    let (mut images, young) = (Vec::new(), ids("y", 3));
    world.crowd(&young, NOT_YET).await;
    world.live_image("canary").await;
    let setup = Setup::new(&world, &world.db.url(), "");
    let (mut dice, mut kept) = (Dice::new(), Kept::new());
    for kill in 0..KILLS {
        let more = scattered("k", if kill == 0 { 200 } else { 25 });
        world.crowd(&more, LONG_AGO).await;
        images.extend(more);
        kill_a_pass(&world, &setup, dice.below(24)).await;
        let id = &images[dice.below(images.len())];
        if setup.run(&["revert", id]).await.status.success() {
            kept.insert(id.clone());
        }
    }
    let waiting = world.files();
    assert!(waiting > kept.len() + 4, "the kills came too late to be of interest");
    // The server may need a moment to notice that the last process is gone.
    let report = until("the last pass", async || {
        let pass = setup.run(&["scrub", "--json"]).await;
        (pass.status.code() != Some(SKIPPED)).then_some(pass)
    })
    .await;
    let told = String::from_utf8_lossy(&report.stdout);
    assert_eq!(report.status.code(), Some(0), "{told} {}", String::from_utf8_lossy(&report.stderr));
    let told: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(told["alerts"], serde_json::json!([]), "{told}");
    assert!(told["scrubbed"].as_u64().unwrap() > 0, "{told}");
    let fates = world.fates("k").await;
    let ended = |fate: &Fate| *fate == Fate::GONE || *fate == Fate::KEPT;
    assert!(fates.values().all(ended), "{:?}", tally(&fates));
    assert!(!kept.is_empty());
    assert_kept(&world, "k", &kept).await;
    assert!(world.fates("y").await.values().all(|fate| *fate == Fate::WAITS));
    assert_eq!(world.files(), kept.len() + young.len() + 1);
}

/// The service is killed while it answers: what it answered holds; every other revert is complete
/// or undone.
async fn reverts_killed_at_random_points_are_whole_or_undone(kind: Kind) {
    let world = World::new(kind).await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let (mut dice, mut cut) = (Dice::new(), 0);
    for round in 0..KILLS / 2 {
        let prefix = format!("c{round}");
        let images = ids(&prefix, 40);
        world.crowd(&images, LONG_AGO).await;
        let mut service = setup.serve().await;
        let kept = reverts_until_killed(&mut service, &images, dice.below(20)).await;
        let fates = world.fates(&prefix).await;
        let whole = |fate: &Fate| *fate == Fate::KEPT || *fate == Fate::WAITS;
        assert!(fates.values().all(whole), "{:?}", tally(&fates));
        assert!(kept.iter().all(|id| fates[id] == Fate::KEPT), "{kept:?} {:?}", tally(&fates));
        cut += images.len() - kept.len();
    }
    assert!(cut > KILLS, "hardly any revert was cut off: {cut}");
}

/// Runs eight reverts at a time and kills the service after this many responses; returns the images
/// with a 200.
async fn reverts_until_killed(service: &mut Service, images: &[String], answers: usize) -> Kept {
    let mut kept = Kept::new();
    {
        let service = &*service;
        let ask = |id: String| async move {
            let answer = service.revert(&id).await;
            (id, answer)
        };
        let all = futures::stream::iter(images.to_vec());
        let mut running = all.map(ask).buffer_unordered(8);
        while kept.len() < answers {
            let (id, answer) = running.next().await.unwrap();
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
            kept.insert(id);
        }
        // Poll once, so that the next requests are sent.
        futures::future::poll_immediate(running.next()).await;
        let pid = service.child.id().unwrap().to_string();
        let kill =
            std::process::Command::new("sh").args(["-c", "kill -s KILL \"$0\"", &pid]).status();
        assert!(kill.unwrap().success());
        while let Some((id, answer)) = running.next().await {
            if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                kept.insert(id);
            }
        }
    }
    service.ended().await;
    kept
}
