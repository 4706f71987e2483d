//! The `scrub_time` in force, and the last pass: what all processes share.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::db::Database;
use glance_revert::domain::control::Orders;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::scrub::{PassLimits, ScrubReport, ScrubSettings, Scrubber};
use glance_revert::domain::time::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

use super::orders::control;
use crate::support::crowd::ids;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::{HOUR, World};

on_each_database! {
    images_due_only_by_a_lowered_scrub_time_wait_until_somebody_accepts_them,
    of_two_replicas_the_one_with_the_shorter_scrub_time_destroys_nothing_early,
    images_that_only_a_store_can_judge_are_not_destroyed_early,
    images_that_nothing_can_destroy_do_not_make_a_lowered_scrub_time_stop_the_others,
    the_last_pass_is_shown_with_times_host_and_result,
}

const WEEK: Duration = Duration::from_hours(7 * 24);
const DAY: Duration = Duration::from_hours(24);
const LIMITS: PassLimits = PassLimits { images: 1000, bytes: None };

/// A replica with this `scrub_time`.
fn replica(world: &World, database: &Database, scrub_time: Duration) -> Scrubber {
    let settings = ScrubSettings {
        scrub_time,
        pool_size: 4,
        absent_limit: 20,
        limits: LIMITS,
        delayed_delete: true,
    };
    let (repo, lock) = (Arc::clone(&database.scrub_repo), Arc::clone(&database.lock));
    Scrubber::new(repo, lock, Arc::clone(&world.stores), Arc::new(SystemClock), settings)
        .with_control(Arc::clone(&database.control))
}

async fn pass(scrubber: &Scrubber) -> ScrubReport {
    scrubber.run_once(&CancellationToken::new()).await.unwrap()
}

async fn crowd(world: &World, prefix: &str, count: usize, ago: Duration) {
    let at = (SystemClock.now() - ago).format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    world.crowd(&ids(prefix, count), &at).await;
}

async fn orders(database: &Database) -> Orders {
    database.control.orders().await.unwrap().unwrap()
}

async fn images_due_only_by_a_lowered_scrub_time_wait_until_somebody_accepts_them(kind: Kind) {
    let world = World::with_tables(kind).await;
    let database = world.open();
    crowd(&world, "new", 2, DAY * 2).await;
    crowd(&world, "old", 1, WEEK * 2).await;
    assert_eq!(pass(&replica(&world, &database, WEEK)).await.scrubbed, 1);
    assert_eq!(orders(&database).await.scrub_time, Some(WEEK));

    crowd(&world, "aged", 1, WEEK * 2).await;
    let lowered = replica(&world, &world.open(), HOUR);
    let report = pass(&lowered).await;
    let told = report.limited.unwrap().to_string();
    assert!(told.contains("3 images"), "{told}");
    let why = "2 of them only because scrub_time was lowered from 604800 to 3600";
    assert!(told.contains(why), "{told}");
    assert_eq!((report.seen, world.files()), (0, 3), "{report:?}");
    let plan = lowered.plan(&Admin::local_operator(), Duration::ZERO).await.unwrap();
    assert_eq!((plan.total.images, plan.limited.map(|l| l.to_string())), (3, Some(told)));
    let (due, limited) = lowered.forecast().await.unwrap();
    assert_eq!((due.images, limited.is_some()), (3, true));

    let control = control(&world, &database);
    control.accept(&Admin::local_operator(), 2).await.unwrap();
    let told = pass(&lowered).await.limited.unwrap().to_string();
    assert!(told.contains("only 2 were accepted, 2 of them only because"), "{told}");
    assert_eq!((world.files(), orders(&database).await.scrub_time), (3, Some(WEEK)));

    control.accept(&Admin::local_operator(), 3).await.unwrap();
    let report = pass(&lowered).await;
    assert_eq!((report.scrubbed, report.limited), (3, None), "{report:?}");
    assert_eq!(orders(&database).await.scrub_time, Some(HOUR), "that one is in force now");
    crowd(&world, "more", 2, DAY * 2).await;
    assert_eq!(pass(&replica(&world, &world.open(), HOUR)).await.scrubbed, 2);
}

async fn of_two_replicas_the_one_with_the_shorter_scrub_time_destroys_nothing_early(kind: Kind) {
    let world = World::with_tables(kind).await;
    let (ours, theirs) = (world.open(), world.open());
    let (longer, shorter) = (replica(&world, &ours, WEEK), replica(&world, &theirs, DAY));
    assert_eq!(pass(&shorter).await, ScrubReport::default());
    crowd(&world, "new", 2, DAY * 2).await;
    crowd(&world, "old", 1, WEEK * 2).await;
    for _ in 0..2 {
        assert_eq!(pass(&longer).await.limited, None);
        let lowered = pass(&shorter).await.limited.and_then(|limited| limited.lowered);
        assert_eq!(lowered.map(|lowered| lowered.images), Some(2), "until they agree");
    }
    assert_eq!(world.files(), 2, "what is due by both times is gone");
    shorter.accept(&Admin::local_operator(), 2);
    assert_eq!(pass(&shorter).await.scrubbed, 2);
    pass(&longer).await;
    assert_eq!(orders(&ours).await.scrub_time, Some(WEEK), "the longer one is in force again");
}

async fn images_that_only_a_store_can_judge_are_not_destroyed_early(kind: Kind) {
    let world = World::with_tables(kind).await;
    let database = world.open();
    pass(&replica(&world, &database, WEEK)).await;
    crowd(&world, "new", 2, DAY * 2).await;
    // as Glance's image_destroy writes: both with one time
    world.db.execute("UPDATE image_locations SET status = 'deleted'").await;
    world.db.execute("UPDATE images SET status = 'deleted'").await;
    let lowered = replica(&world, &database, HOUR);
    let report = pass(&lowered).await;
    assert_eq!((report.seen, world.files()), (0, 2), "{report:?}");
    lowered.accept(&Admin::local_operator(), 1);
    assert_eq!(pass(&lowered).await.scrubbed, 2, "rows tell of none");
}

async fn images_that_nothing_can_destroy_do_not_make_a_lowered_scrub_time_stop_the_others(
    kind: Kind,
) {
    let world = World::with_tables(kind).await;
    let database = world.open();
    pass(&replica(&world, &database, WEEK)).await;
    crowd(&world, "stuck", 2, DAY * 2).await;
    world.db.execute("UPDATE image_locations SET value = 'vsphere://h/a'").await;
    crowd(&world, "old", 1, WEEK * 2).await;
    let report = pass(&replica(&world, &database, HOUR)).await;
    assert_eq!((report.scrubbed, report.limited), (1, None), "{report:?}");
    assert_eq!(orders(&database).await.scrub_time, Some(WEEK), "nobody accepted anything");
}

async fn the_last_pass_is_shown_with_times_host_and_result(kind: Kind) {
    let world = World::with_tables(kind).await;
    let (ours, theirs) = (world.open(), world.open());
    assert_eq!(orders(&theirs).await.last_pass, None);
    crowd(&world, "old", 2, WEEK * 2).await;
    let scrubber = replica(&world, &ours, WEEK);
    pass(&scrubber).await;
    let seen = orders(&theirs).await.last_pass.unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(seen.host, host.trim());
    let ended = seen.ended.unwrap();
    assert!(seen.began <= ended && ended - seen.began < chrono::TimeDelta::minutes(5), "{seen:?}");
    let result = seen.result.unwrap();
    assert_eq!((result.outcome.as_str(), result.scrubbed), ("finished", 2), "{result:?}");

    crowd(&world, "many", 1001, WEEK * 2).await;
    pass(&scrubber).await;
    let result = orders(&theirs).await.last_pass.unwrap().result.unwrap();
    assert_eq!((result.outcome.as_str(), result.scrubbed), ("limited", 0), "{result:?}");
    // a process without the pass lock leaves no trace
    let before = orders(&theirs).await.last_pass;
    let held = theirs.lock.try_lock_pass().await.unwrap().unwrap();
    assert!(pass(&scrubber).await.skipped);
    held.release().await;
    assert_eq!(orders(&theirs).await.last_pass, before);

    ours.control.pass_began().await.unwrap();
    let running = orders(&theirs).await.last_pass.unwrap();
    assert_eq!((running.ended, running.result), (None, None), "it has no end yet");
}
