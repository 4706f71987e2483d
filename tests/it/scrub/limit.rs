//! What is due by whose clock, the limits of a pass, and the plan.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glance_revert::db::Database;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::scrub::{PassLimits, Plan, ScrubReport, ScrubSettings, Scrubber, Tally};
use glance_revert::domain::time::{Clock, SystemClock, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::support::clock::ShiftedClock;
use crate::support::crowd::ids;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::{HOUR, World};

on_each_database! {
    a_sudden_backlog_waits_until_somebody_accepts_its_number,
    the_plan_is_what_the_pass_then_destroys_and_writes_nothing,
    a_plan_that_gave_up_its_search_says_so,
    a_clock_that_is_ahead_makes_nothing_due_early,
    images_that_are_scrubbed_next_are_counted,
}

const WEEK: Duration = Duration::from_hours(7 * 24);
const LIMITS: PassLimits = PassLimits { images: 1000, bytes: None };

/// A time as Glance writes it.
fn text(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn ago(time: Duration) -> String {
    text(SystemClock.now() - time)
}

/// A scrubber with the machine's clock, put forward.
fn scrubber(world: &World, scrub_time: Duration, limits: PassLimits, ahead: Duration) -> Scrubber {
    let clock = Arc::new(ShiftedClock::default());
    clock.advance(ahead);
    let settings =
        ScrubSettings { scrub_time, pool_size: 8, absent_limit: 20, limits, delayed_delete: true };
    let Database { scrub_repo, lock, .. } = world.open();
    Scrubber::new(scrub_repo, lock, Arc::clone(&world.stores), clock, settings)
}

async fn pass(scrubber: &Scrubber) -> ScrubReport {
    scrubber.run_once(&CancellationToken::new()).await.unwrap()
}

async fn plan(scrubber: &Scrubber, within: Duration) -> Plan {
    scrubber.plan(&Admin::local_operator(), within).await.unwrap()
}

/// How much is due, according to a pass or a plan.
fn due(report: &ScrubReport) -> Option<u64> {
    report.limited.map(|limited| limited.due.images)
}

async fn a_sudden_backlog_waits_until_somebody_accepts_its_number(kind: Kind) {
    let world = World::new(kind).await;
    world.crowd(&ids("a", 5000), &ago(HOUR * 48)).await;
    let before = scrubber(&world, WEEK, LIMITS, Duration::ZERO);
    assert_eq!(pass(&before).await, ScrubReport::default(), "not due yet");

    let lowered = scrubber(&world, HOUR, LIMITS, Duration::ZERO);
    let report = pass(&lowered).await;
    assert_eq!((due(&report), report.seen, world.files()), (Some(5000), 0, 5000), "{report:?}");
    let planned = plan(&lowered, Duration::ZERO).await;
    assert_eq!((planned.total.images, planned.limited.is_some()), (5000, true));

    lowered.accept(&Admin::local_operator(), 4999);
    let report = pass(&lowered).await;
    let told = report.limited.unwrap().to_string();
    assert!(told.contains("5000 images") && told.contains("only 4999 were accepted"), "{told}");
    assert_eq!(world.files(), 5000, "more than was accepted");

    lowered.accept(&Admin::local_operator(), 5000);
    let report = pass(&lowered).await;
    assert_eq!((report.scrubbed, due(&report), world.files()), (5000, None, 0), "{report:?}");

    world.crowd(&ids("b", 1001), &ago(HOUR * 48)).await;
    assert_eq!(due(&pass(&lowered).await), Some(1001), "one pass, and no more");
}

#[tokio::test]
async fn the_limit_can_also_be_in_bytes() {
    let world = World::new(Kind::Sqlite).await;
    world.crowd(&ids("a", 3), &ago(HOUR * 2)).await;
    let bytes: u64 = ids("a", 3).iter().map(|id| format!("the bytes of {id}").len() as u64).sum();
    let limits = |bytes| PassLimits { images: 10, bytes: Some(bytes) };
    let report = pass(&scrubber(&world, HOUR, limits(bytes - 1), Duration::ZERO)).await;
    assert_eq!(report.limited.map(|l| l.due), Some(Tally { images: 3, bytes }), "{report:?}");
    assert!(report.limited.unwrap().to_string().contains("max_bytes_per_pass"));
    let report = pass(&scrubber(&world, HOUR, limits(bytes), Duration::ZERO)).await;
    assert_eq!(report.scrubbed, 3, "{report:?}");
}

#[tokio::test]
async fn images_that_only_a_store_can_judge_count_towards_the_limit_of_bytes() {
    let world = World::new(Kind::Sqlite).await;
    world.crowd(&ids("a", 3), &ago(HOUR * 2)).await;
    // as Glance's image_destroy writes: both with one time
    world.db.execute("UPDATE image_locations SET status = 'deleted'").await;
    world.db.execute("UPDATE images SET status = 'deleted'").await;
    let bytes: u64 = ids("a", 2).iter().map(|id| format!("the bytes of {id}").len() as u64).sum();
    let limits = PassLimits { images: 10, bytes: Some(bytes) };
    let report = pass(&scrubber(&world, HOUR, limits, Duration::ZERO)).await;
    assert_eq!((report.scrubbed, world.files()), (2, 1), "{report:?}");
}

#[tokio::test]
async fn images_that_nothing_can_destroy_do_not_block_others() {
    let world = World::new(Kind::Sqlite).await;
    let stuck = ids("stuck", 5);
    world.crowd(&stuck, &ago(HOUR * 2)).await;
    world.db.execute("UPDATE image_locations SET value = 'vsphere://h/a'").await;
    world.crowd(&ids("a", 2), &ago(HOUR * 2)).await;
    let limits = PassLimits { images: 2, bytes: None };
    let report = pass(&scrubber(&world, HOUR, limits, Duration::ZERO)).await;
    assert_eq!((report.scrubbed, report.failed, due(&report)), (2, 5, None), "{report:?}");
}

#[tokio::test]
async fn an_acceptance_survives_a_pass_that_was_skipped() {
    let world = World::new(Kind::Sqlite).await;
    world.crowd(&ids("a", 3), &ago(HOUR * 2)).await;
    let limits = PassLimits { images: 1, bytes: None };
    let scrubber = scrubber(&world, HOUR, limits, Duration::ZERO);
    scrubber.accept(&Admin::local_operator(), 3);
    let others = world.open().lock.try_lock_pass().await.unwrap().unwrap();
    assert!(pass(&scrubber).await.skipped);
    others.release().await;
    assert_eq!(pass(&scrubber).await.scrubbed, 3);
}

/// Everything that a pass may write.
async fn rows(world: &World) -> Vec<Vec<Vec<Option<String>>>> {
    let mut all = Vec::new();
    for table in ["images", "image_locations"] {
        let columns = "id, status, CONCAT(updated_at, ''), CONCAT(deleted_at, '')";
        let sql = format!("SELECT CONCAT(id, ''), {columns} FROM {table} ORDER BY id");
        all.push(
            world.db.rows(&sql.replace("SELECT CONCAT(id, ''), id", "SELECT CONCAT(id, '')")).await,
        );
    }
    all
}

/// Every kind of image that a pass can meet: due, not due, in an unknown store, removed from a
/// living image, claimed by a pass that died.
async fn mixed(kind: Kind) -> World {
    let world = World::new(kind).await;
    world.crowd(&ids("due", 3), &ago(HOUR * 30)).await;
    world.crowd(&ids("later", 2), &ago(HOUR * 2)).await;
    world.crowd(&ids("stuck", 2), &ago(HOUR * 30)).await;
    let stuck = "UPDATE image_locations SET value = 'vsphere://h/a' WHERE image_id LIKE 'stuck%'";
    world.db.execute(stuck).await;
    world.live_image("living").await;
    std::fs::write(world.datadir().join("living-old"), b"contents").unwrap();
    world.live_image("copied").await;
    world.db.execute("UPDATE images SET owner = 'p2' WHERE id = 'due-0001'").await;
    world
}

async fn the_plan_is_what_the_pass_then_destroys_and_writes_nothing(kind: Kind) {
    let world = mixed(kind).await;
    let destroyed = Arc::new(Mutex::new(BTreeSet::new()));
    let told = Arc::clone(&destroyed);
    let day = HOUR * 24;
    let scrubber =
        scrubber(&world, day, LIMITS, Duration::ZERO).with_journal(Arc::new(move |one| {
            told.lock().unwrap().insert(one.image.id.to_string());
        }));
    let before = rows(&world).await;
    let planned = plan(&scrubber, Duration::ZERO).await;
    assert_eq!(rows(&world).await, before, "a plan writes nothing");
    let files = world.files();

    let names: BTreeSet<_> = planned.next.iter().map(|image| image.id.clone()).collect();
    assert_eq!(names, ids("due", 3).into_iter().collect());
    assert!(planned.next.is_sorted_by_key(|image| image.scrub_at), "soonest lost first");
    let groups: Vec<_> = planned
        .groups
        .iter()
        .map(|group| {
            (group.project.as_deref().unwrap(), group.store.as_deref().unwrap(), group.tally.images)
        })
        .collect();
    assert_eq!(BTreeSet::from_iter(groups), BTreeSet::from([("p1", "file", 2), ("p2", "file", 1)]));
    let [stopped] = planned.stopped.as_slice() else { panic!("{planned:?}") };
    assert_eq!((stopped.obstacle.word(), stopped.tally.images), ("no_store", 2), "{stopped:?}");
    assert!(stopped.examples[0].1.contains("vsphere"), "{stopped:?}");
    let tomorrow = plan(&scrubber, day).await;
    assert_eq!((tomorrow.total.images, tomorrow.groups.len()), (5, 2), "{tomorrow:?}");

    let report = pass(&scrubber).await;
    assert_eq!((report.scrubbed, report.failed), (3, 2), "{report:?}");
    assert_eq!((*destroyed.lock().unwrap()).clone(), names, "a record for each of the plan");
    assert_eq!(world.files(), files - 3);
    let after = plan(&scrubber, Duration::ZERO).await;
    assert_eq!(after.total.images, 0, "{after:?}");
    assert_eq!(after.stopped[0].obstacle.word(), "failed_lately", "{after:?}");
}

async fn a_plan_that_gave_up_its_search_says_so(kind: Kind) {
    let world = World::new(kind).await;
    world.crowd(&ids("due", 1001), &ago(HOUR * 30)).await;
    let scrubber = scrubber(&world, HOUR * 24, LIMITS, Duration::ZERO);
    let planned = plan(&scrubber, Duration::ZERO).await;
    assert_eq!((planned.total.images, planned.is_complete), (1001, true));

    let ended = "UPDATE image_locations SET status = 'deleted' WHERE image_id LIKE 'due-%'";
    world.db.execute(ended).await;
    let planned = plan(&scrubber, Duration::ZERO).await;
    assert_eq!((planned.total.images, planned.is_complete), (1000, false));
}

async fn a_clock_that_is_ahead_makes_nothing_due_early(kind: Kind) {
    let world = World::new(kind).await;
    world.crowd(&ids("due", 1), &ago(HOUR + Duration::from_mins(2))).await;
    world.crowd(&ids("soon", 1), &ago(Duration::from_secs(3550))).await;
    for ahead in [Duration::from_secs(55), WEEK] {
        let report = pass(&scrubber(&world, HOUR, LIMITS, ahead)).await;
        assert!(world.has_data("soon-0000"), "{ahead:?} ahead: {report:?}");
        assert!(!world.has_data("due-0000"), "{ahead:?} ahead: {report:?}");
    }
}

async fn images_that_are_scrubbed_next_are_counted(kind: Kind) {
    let world = World::new(kind).await;
    world.crowd(&ids("due", 3), &ago(HOUR * 30)).await;
    world.crowd(&ids("soon", 2), &ago(Duration::from_mins(23 * 60 + 30))).await;
    world.crowd(&ids("later", 1), &ago(HOUR)).await;
    world.crowd(&ids("empty", 1), &ago(Duration::from_mins(1))).await;
    world.live_image("living").await;
    for sql in [
        "UPDATE image_locations SET status = 'deleted' WHERE image_id = 'empty-0000'",
        "UPDATE images SET size = NULL WHERE id = 'due-0001'",
    ] {
        world.db.execute(sql).await;
    }
    let scrubber = scrubber(&world, HOUR * 24, LIMITS, Duration::ZERO);
    let waits = [Duration::ZERO, HOUR, HOUR * 24];
    let outlook = scrubber.outlook(waits, SystemClock.now() - HOUR * 2).await.unwrap();
    let images = outlook.due.map(|tally| tally.images);
    assert_eq!((outlook.pending.images, images), (7, [3, 5, 7]), "{outlook:?}");
    assert_eq!(outlook.due[0].bytes, 2 * "the bytes of due-0000".len() as u64, "{outlook:?}");
    assert_eq!((outlook.without_locations, outlook.half_deleted), (1, 0), "{outlook:?}");
    assert_eq!(outlook.recent.images, 2, "deleted within two hours: {outlook:?}");
    let half = "UPDATE images SET deleted = FALSE WHERE id = 'later-0000'";
    world.db.execute(half).await;
    let outlook = scrubber.outlook(waits, SystemClock.now() - HOUR * 2).await.unwrap();
    assert_eq!((outlook.pending.images, outlook.half_deleted), (6, 1), "{outlook:?}");
}
