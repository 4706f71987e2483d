//! Changes by others around a pass: rows that members write, another scrubber, an unmounted share,
//! the last copy of a living image.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use glance_revert::domain::scrub::{Progress, ScrubReport, Scrubber};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::database::{Kind, on_each_database};
use crate::support::odds::MeanwhileStores;
use crate::support::rows::{DELETED, REMOVED};
use crate::support::world::{HOUR, World};

const PENDING: &str = "pending_delete deleted time";

on_each_database! {
    data_that_a_living_image_names_by_any_path_that_glance_opens_stays,
    data_that_another_image_names_since_the_pass_began_stays,
    rows_of_one_image_that_name_one_file_are_one_deletion,
    long_locations_that_members_wrote_stop_no_pass,
    an_image_with_too_many_locations_fails_without_affecting_others,
    a_share_that_was_never_mounted_ends_no_image_even_where_nothing_lives,
    a_share_that_disappears_during_a_pass_ends_no_image,
    absence_is_accepted_once_the_store_has_destroyed_something,
    a_tripped_breaker_is_reported_until_the_store_shows_something,
    a_truly_lost_store_is_settled_once_an_image_lives_in_it,
    the_last_copy_of_a_living_image_stays,
    another_running_scrubber_is_reported,
    data_that_was_already_missing_is_counted,
    a_pass_that_waits_for_the_database_can_be_stopped,
}

/// A scrubber whose stores run `act` each time just before an object is destroyed.
fn meanwhile(
    world: &World,
    act: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
) -> Scrubber {
    let stores = MeanwhileStores { inner: Arc::clone(&world.stores), act: Arc::new(act) };
    world.scrubber_over(&world.open(), Arc::new(stores))
}

/// The same with a statement of somebody else.
fn meanwhile_sql(world: &Arc<World>, sql: String) -> Scrubber {
    let other = Arc::clone(world);
    let act = move || {
        let (other, sql) = (Arc::clone(&other), sql.clone());
        async move { other.db.execute(&sql).await }.boxed()
    };
    meanwhile(world, act)
}

async fn run(scrubber: &Scrubber) -> ScrubReport {
    scrubber.run_once(&CancellationToken::new()).await.unwrap()
}

/// Leaves an empty folder in place of the mounted share.
fn unmount(world: &World) {
    std::fs::rename(world.datadir(), world.datadir().with_extension("away")).unwrap();
    std::fs::create_dir(world.datadir()).unwrap();
}

fn mount(world: &World) {
    std::fs::remove_dir_all(world.datadir()).unwrap();
    std::fs::rename(world.datadir().with_extension("away"), world.datadir()).unwrap();
}

/// Each of these paths leads to the data of the living image.
async fn data_that_a_living_image_names_by_any_path_that_glance_opens_stays(kind: Kind) {
    let world = World::new(kind).await;
    let folder = world.datadir();
    let folder = folder.to_str().unwrap();
    let linked = folder.replace("/images", "/linked");
    std::os::unix::fs::symlink(folder, &linked).unwrap();
    let spelled = |id: &str| {
        [
            format!("file:///..//{folder}/{id}"),
            format!("file://{folder}/../images/{id}"),
            format!("file://{folder}/./{id}?x=y"),
            format!("filesystem://{folder}//{id}#x"),
            format!("file://{folder}/\t{id} "),
            format!("file://{linked}/{id}"),
        ]
    };
    world.rows().image("alive", "active", 8, None).await;
    for (number, _) in spelled("").iter().enumerate() {
        let id = format!("a{number}");
        world.deleted_image(&id).await;
        world.rows().location("alive", &spelled(&id)[number], "active", None).await;
    }
    let report = world.scrub().await;
    for (number, other) in spelled("a").iter().enumerate() {
        assert!(world.has_data(&format!("a{number}")), "{other}: {report:?}");
    }
    assert_eq!((report.scrubbed, report.data_shared), (6, 6), "{report:?}");
}

/// Another image's row is written while the first one's data is being destroyed.
async fn data_that_another_image_names_since_the_pass_began_stays(kind: Kind) {
    let world = Arc::new(World::new(kind).await);
    for number in 0..17 {
        world.deleted_image(&format!("a{number:02}")).await;
    }
    world.rows().image("b", "active", 8, None).await;
    let add = format!(
        "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, deleted) \
         VALUES ('b', '{}', '{{}}', 'active', '{REMOVED}', FALSE)",
        world.uri("a16")
    );
    let report = run(&meanwhile_sql(&world, add)).await;
    assert_eq!((report.scrubbed, report.data_shared), (17, 1), "{report:?}");
    assert!(world.has_data("a16"));
}

/// A location that was removed and added again many times.
async fn rows_of_one_image_that_name_one_file_are_one_deletion(kind: Kind) {
    let world = World::new(kind).await;
    for number in 0..6 {
        let id = format!("a{number}");
        world.deleted_image(&id).await;
        for _ in 0..5 {
            world.rows().location(&id, &world.uri(&id), "pending_delete", Some(REMOVED)).await;
        }
    }
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.locations_deleted), (6, 36), "{report:?}");
    assert_eq!((report.data_gone, report.data_shared), (0, 0), "{report:?}");
    assert_eq!(report.alerts, Vec::<String>::new());
    assert_eq!(std::fs::read_dir(world.datadir()).unwrap().count(), 0);
}

/// Together they exceed MariaDB's limit for one statement (16 MiB).
async fn long_locations_that_members_wrote_stop_no_pass(kind: Kind) {
    let world = World::new(kind).await;
    let long = format!("http://127.0.0.1:9/{}", "x".repeat(60_000));
    for number in 0..280 {
        let id = format!("a{number:03}");
        world.rows().image(&id, "pending_delete", 8, Some(DELETED)).await;
        world.rows().location(&id, &long, "pending_delete", Some(DELETED)).await;
    }
    world.deleted_image("a140-b").await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (281, 0), "{report:?}");
    assert!(!world.has_data("a140-b"));
}

/// It does not fit beside others, so it is handled alone.
async fn an_image_with_too_many_locations_fails_without_affecting_others(kind: Kind) {
    let world = World::new(kind).await;
    for id in ["a", "b", "c"] {
        world.deleted_image(id).await;
    }
    let copies = |image: &str, length: usize, count: usize| {
        let value = format!("file://{}/{}", world.datadir().display(), "x".repeat(length));
        let row =
            format!("('{image}', '{value}', 'pending_delete', TRUE, '{DELETED}', '{DELETED}')");
        format!(
            "INSERT INTO image_locations (image_id, value, status, deleted, deleted_at, created_at) \
             VALUES {}",
            vec![row; count].join(", ")
        )
    };
    for _ in 0..7 {
        world.db.execute(&copies("b", 15_000, 60)).await;
    }
    let report = world.scrub().await;
    assert_eq!((report.seen, report.scrubbed, report.failed), (3, 2, 1), "{report:?}");
    assert!(report.failures[0].reason.contains("take more than 4 MiB"), "{report:?}");
    assert!(world.has_data("b") && !world.has_data("a") && !world.has_data("c"));
}

async fn a_share_that_was_never_mounted_ends_no_image_even_where_nothing_lives(kind: Kind) {
    let world = World::new(kind).await;
    for number in 0..50 {
        world.deleted_image(&format!("a{number:02}")).await;
    }
    world.claim(&["a49"]).await;
    unmount(&world);
    let scrubber = world.scrubber(&world.open());
    for pass in 0..3 {
        let report = run(&scrubber).await;
        assert_eq!((report.scrubbed, report.data_gone), (0, 0), "pass {pass}: {report:?}");
        assert_eq!(report.alerts.len(), 1, "pass {pass}: {report:?}");
        assert!(report.alerts[0].contains("upload an image"), "{report:?}");
        world.clock.advance(HOUR);
    }
    let waiting = world.db.rows("SELECT id FROM images WHERE status = 'pending_delete'").await;
    assert_eq!(waiting.len(), 49);
    mount(&world);
    world.clock.advance(24 * HOUR);
    let report = run(&scrubber).await;
    assert_eq!((report.scrubbed, report.data_gone), (50, 0), "{report:?}");
    assert_eq!(report.alerts, Vec::<String>::new(), "it has destroyed something");
}

async fn a_share_that_disappears_during_a_pass_ends_no_image(kind: Kind) {
    let world = Arc::new(World::new(kind).await);
    world.live_image("alive").await;
    for number in 0..40 {
        world.deleted_image(&format!("a{number:02}")).await;
    }
    std::fs::remove_file(world.datadir().join("a00")).unwrap();
    let other = Arc::clone(&world);
    let away: Progress = Arc::new(move |_| {
        if !other.datadir().with_extension("away").exists() {
            unmount(&other);
        }
    });
    let scrubber = world.scrubber(&world.open()).with_progress(away);
    let report = run(&scrubber).await;
    assert_eq!((report.scrubbed, report.data_gone), (16, 1), "{report:?}");
    let waiting = world.db.rows("SELECT id FROM images WHERE status = 'pending_delete'").await;
    assert_eq!(waiting.len(), 24);
}

/// The missing object is examined first, before the store has shown anything.
async fn absence_is_accepted_once_the_store_has_destroyed_something(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().deleted_image("a", &world.uri("a"), 8).await;
    for number in 0..20 {
        world.deleted_image(&format!("b{number:02}")).await;
    }
    let report = world.scrub().await;
    assert_eq!((report.seen, report.scrubbed, report.data_gone), (21, 21, 1), "{report:?}");
    assert_eq!(report.failed, 0, "{report:?}");
}

async fn a_tripped_breaker_is_reported_until_the_store_shows_something(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().deleted_image("a", &world.uri("a"), 8).await;
    let scrubber = world.scrubber(&world.open());
    assert_eq!(run(&scrubber).await.alerts.len(), 1);
    let second = run(&scrubber).await;
    assert_eq!((second.backed_off, second.alerts.len()), (1, 1), "{second:?}");
    world.deleted_image("b").await;
    let third = run(&scrubber).await;
    assert_eq!((third.scrubbed, third.alerts.len()), (1, 0), "{third:?}");
}

/// The procedure that the alert recommends.
async fn a_truly_lost_store_is_settled_once_an_image_lives_in_it(kind: Kind) {
    let world = World::new(kind).await;
    for number in 0..10 {
        let id = format!("a{number:02}");
        world.rows().deleted_image(&id, &world.uri(&id), 8).await;
    }
    assert_eq!(world.scrub().await.scrubbed, 0);
    world.live_image("new").await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.data_gone), (10, 10), "{report:?}");
}

/// The live file is missing, or truncated.
async fn the_last_copy_of_a_living_image_stays(kind: Kind) {
    for lost in [true, false] {
        let world = World::with_datadirs(kind, &["images", "second"]).await;
        world.live_image("alive").await;
        world.live_image("a").await;
        let copy = world.datadir().with_file_name("second").join("a");
        std::fs::write(&copy, b"contents").unwrap();
        let removed = format!("file://{}", copy.display());
        world.rows().location("a", &removed, "pending_delete", Some(REMOVED)).await;
        let live = world.datadir().join("a");
        if lost {
            std::fs::remove_file(&live).unwrap();
        } else {
            std::fs::write(&live, b"").unwrap();
        }
        let report = world.scrub().await;
        assert!(copy.exists(), "{report:?}");
        assert_eq!((report.leftovers, report.failed), (0, 1), "{report:?}");
        assert!(report.failures[0].reason.contains("last copy"), "{report:?}");
        assert_eq!(world.locations("a").await, format!("active kept no time, {PENDING}"));
        std::fs::write(&live, b"contents").unwrap();
        assert_eq!(world.scrub().await.leftovers, 1);
        assert!(!copy.exists());
    }
}

async fn another_running_scrubber_is_reported(kind: Kind) {
    let world = Arc::new(World::new(kind).await);
    world.deleted_image("a").await;
    let settle = "UPDATE image_locations SET status = 'deleted'".to_owned();
    let report = run(&meanwhile_sql(&world, settle)).await;
    assert_eq!(report.taken_by_others, 1, "{report:?}");
    assert_eq!(report.alerts.len(), 1, "{report:?}");
    assert!(report.alerts[0].contains("glance-scrubber"), "{report:?}");
}

async fn data_that_was_already_missing_is_counted(kind: Kind) {
    let world = World::new(kind).await;
    world.live_image("alive").await;
    for id in ["a", "b"] {
        world.rows().deleted_image(id, &world.uri(id), 8).await;
    }
    world.claim(&["b"]).await;
    let report = world.scrub().await;
    assert_eq!((report.data_gone, report.taken_by_others), (2, 1), "b was claimed: {report:?}");
    assert_eq!(report.alerts.len(), 1, "{report:?}");
}

/// Somebody has locked the table.
async fn a_pass_that_waits_for_the_database_can_be_stopped(kind: Kind) {
    let (hold, holds, waits) = match kind {
        Kind::Sqlite => return,
        Kind::Mariadb => (
            "LOCK TABLES image_locations WRITE; DO SLEEP(8); UNLOCK TABLES",
            "SELECT id FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%' \
             AND db = DATABASE()",
            "SELECT id FROM information_schema.processlist WHERE state LIKE '%metadata lock%' \
             AND db = DATABASE()",
        ),
        Kind::Postgres => (
            "BEGIN; LOCK TABLE image_locations; SELECT pg_sleep(8); COMMIT",
            "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
             AND datname = current_database()",
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
             AND datname = current_database()",
        ),
    };
    let world = Arc::new(World::new(kind).await);
    world.deleted_image("a").await;
    let holder = Arc::clone(&world);
    let holding = tokio::spawn(async move { holder.db.execute(hold).await });
    let scrubber = world.scrubber(&world.open());
    let stop = CancellationToken::new();
    let seen = async |sql| {
        while world.db.rows(sql).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    seen(holds).await;
    let told = async {
        seen(waits).await;
        stop.cancel();
        Instant::now()
    };
    let (report, told) = tokio::join!(scrubber.run_once(&stop), told);
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
    assert!(report.unwrap().interrupted);
    assert!(world.has_data("a"));
    holding.await.unwrap();
}
