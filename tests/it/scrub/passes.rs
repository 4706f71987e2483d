//! What a pass destroys and what it leaves, and how it treats bad stores and bad rows.

use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::{ImageGuard, ImageLock, PassGuard};
use glance_revert::domain::repo::{RepoError, Write};
use glance_revert::domain::scrub::{Claim, Progress};
use glance_revert::domain::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::support::database::{Kind, on_each_database};
use crate::support::rows::{DELETED, REMOVED};
use crate::support::world::{HOUR, World};

const SCRUBBED: &str = "deleted deleted time";
const PENDING: &str = "pending_delete deleted time";
const LIVE: &str = "active kept no time";

on_each_database! {
    a_due_image_is_scrubbed_and_a_younger_one_is_not,
    images_of_every_visibility_are_scrubbed,
    a_claim_of_a_dead_process_is_resumed,
    a_claim_of_several_images_takes_all_but_the_one_that_changed_meanwhile,
    an_image_without_locations_ends_as_deleted,
    a_removed_location_of_a_living_image_is_scrubbed_when_it_is_due,
    a_removed_location_is_left_while_it_may_be_the_only_one,
    data_that_a_living_image_names_stays,
    data_of_an_image_that_can_still_be_reverted_stays,
    data_of_an_image_that_can_be_repaired_stays,
    data_that_was_removed_and_added_again_stays,
    absence_is_detected_despite_an_unreadable_row,
    a_location_that_is_no_text_stops_no_pass,
    a_claim_of_something_that_is_no_regular_file_is_released,
    a_share_that_disappears_during_a_pass_is_checked_again,
    absence_in_one_directory_is_not_proved_by_another,
    an_image_with_a_location_outside_the_store_is_left_whole,
    an_image_without_a_driver_is_left_whole,
    an_http_location_is_settled_without_a_request,
    a_row_that_cannot_be_read_is_reported_and_the_pass_goes_on,
    an_image_whose_lock_is_taken_is_left_for_the_next_pass,
    only_one_pass_runs_at_a_time,
    an_unavailable_store_is_skipped,
    absence_is_not_believed_while_a_living_image_is_absent_too,
    consecutive_absent_objects_stop_the_store,
    data_that_killed_passes_destroyed_does_not_trip_the_breaker,
    a_stopped_pass_releases_untouched_claims,
    an_image_that_failed_is_not_tried_again_at_once,
    a_backlog_larger_than_a_page_is_scrubbed_completely,
    a_half_finished_delete_is_left_alone,
}

async fn a_due_image_is_scrubbed_and_a_younger_one_is_not(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("due").await;
    world.deleted_image("young").await;
    world
        .db
        .execute("UPDATE images SET deleted_at = '2026-11-22 11:59:30.000000' WHERE id = 'young'")
        .await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.locations_deleted, report.failed), (1, 1, 0), "{report:?}");
    assert_eq!(
        (world.status("due").await, world.locations("due").await),
        (SCRUBBED.into(), SCRUBBED.into())
    );
    assert_eq!(world.status("young").await, PENDING);
    assert!(!world.has_data("due") && world.has_data("young"));
}

async fn images_of_every_visibility_are_scrubbed(kind: Kind) {
    let world = World::new(kind).await;
    for visibility in ["public", "private", "shared", "community"] {
        world.deleted_image(visibility).await;
        world
            .db
            .execute(&format!(
                "UPDATE images SET visibility = '{visibility}' WHERE id = '{visibility}'"
            ))
            .await;
    }
    assert_eq!(world.scrub().await.scrubbed, 4);
}

async fn a_claim_of_a_dead_process_is_resumed(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("whole").await;
    world.deleted_image("half").await;
    std::fs::remove_file(world.datadir().join("half")).unwrap();
    world.claim(&["whole", "half"]).await;
    let report = world.scrub().await;
    assert_eq!((report.resumed, report.scrubbed, report.data_gone), (2, 2, 1), "{report:?}");
    assert_eq!(world.locations("half").await, SCRUBBED);
    assert_eq!(world.locations("whole").await, SCRUBBED);
    assert!(!world.has_data("whole"));
}

async fn a_claim_of_several_images_takes_all_but_the_one_that_changed_meanwhile(kind: Kind) {
    let world = World::new(kind).await;
    let ids = ["a", "b", "c"].map(|id| ImageId::parse(id).unwrap());
    for id in &ids {
        world.deleted_image(id.as_str()).await;
    }
    let database = world.open();
    let guards = database.lock.try_lock_all(&ids).await.unwrap();
    let now = world.clock.now();
    let images = database.repo.get_many(&ids).await.unwrap();
    let mut works: Vec<_> =
        images.into_iter().map(|image| image.unwrap().into_work(now).unwrap()).collect();
    works.sort_by_key(|work| work.image().id.as_str().to_owned());
    world
        .db
        .execute("UPDATE images SET updated_at = '2026-11-22 11:30:00.000000' WHERE id = 'b'")
        .await;
    let claims: Vec<_> = guards
        .iter()
        .zip(&works)
        .map(|(guard, work)| Claim { guard, work, stamp: work.stamp(now) })
        .collect();
    let writes = database.scrub_repo.claim(&claims).await.unwrap();
    assert_eq!(writes.unwrap(), [Write::Done, Write::Stale, Write::Done]);
    let mut statuses = Vec::new();
    for id in &ids {
        statuses.push(world.status(id.as_str()).await);
    }
    assert_eq!(statuses, ["deleted deleted time", PENDING, "deleted deleted time"]);
}

async fn an_image_without_locations_ends_as_deleted(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().image("a", "pending_delete", 8, Some(DELETED)).await;
    assert_eq!(world.scrub().await.scrubbed, 1);
    assert_eq!(world.status("a").await, SCRUBBED);
}

async fn a_removed_location_of_a_living_image_is_scrubbed_when_it_is_due(kind: Kind) {
    let world = World::new(kind).await;
    std::fs::create_dir(world.datadir().join("second")).unwrap();
    std::fs::write(world.datadir().join("second/a"), b"contents").unwrap();
    world.live_image("a").await;
    world.rows().location("a", &world.uri("second/a"), "pending_delete", Some(REMOVED)).await;
    let report = world.scrub().await;
    assert_eq!((report.leftovers, report.scrubbed), (1, 0), "{report:?}");
    assert_eq!(world.status("a").await, LIVE);
    assert_eq!(world.locations("a").await, format!("{LIVE}, {SCRUBBED}"));
    assert!(world.has_data("a") && !world.has_data("second/a"));
}

async fn a_removed_location_is_left_while_it_may_be_the_only_one(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.db.execute("UPDATE images SET status = 'active', deleted = FALSE").await;
    assert_eq!(world.scrub().await.seen, 0);
    assert!(world.has_data("a"));
    world.revert("a").await.unwrap();
}

async fn data_that_a_living_image_names_stays(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.live_image("b").await;
    world.rows().location("b", &world.uri("a"), "active", None).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.data_shared), (1, 1), "{report:?}");
    assert_eq!(world.locations("a").await, SCRUBBED);
    assert!(world.has_data("a"));
}

async fn data_of_an_image_that_can_still_be_reverted_stays(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let young = "2026-11-22 11:59:30.000000";
    world.rows().image("b", "pending_delete", 8, Some(young)).await;
    world.rows().location("b", &world.uri("a"), "pending_delete", Some(young)).await;
    assert_eq!(world.scrub().await.data_shared, 1);
    assert!(world.has_data("a"));
}

/// A BROKEN image, and a DELETE that died between its transactions.
async fn data_of_an_image_that_can_be_repaired_stays(kind: Kind) {
    for (status, deleted_at) in [("active", Some(DELETED)), ("pending_delete", None)] {
        let world = World::new(kind).await;
        world.deleted_image("a").await;
        world.rows().image("b", status, 8, deleted_at).await;
        world.db.execute("UPDATE images SET deleted = FALSE WHERE id = 'b'").await;
        world.rows().location("b", &world.uri("a"), "pending_delete", Some(DELETED)).await;
        let report = world.scrub().await;
        assert_eq!(report.data_shared, 1, "{status}: {report:?}");
        assert!(world.has_data("a"), "{status}");
    }
}

/// The location is added after the pass has counted the rows that name the data.
async fn data_that_was_removed_and_added_again_stays(kind: Kind) {
    let world = Arc::new(World::new(kind).await);
    world.live_image("a").await;
    world.rows().location("a", "http://127.0.0.1:9/a", "active", None).await;
    let remove = format!(
        "UPDATE image_locations SET status = 'pending_delete', deleted = TRUE, \
         deleted_at = '{REMOVED}' WHERE value LIKE 'file:%'"
    );
    world.db.execute(&remove).await;
    let add = format!(
        "INSERT INTO image_locations (image_id, value, meta_data, status, created_at, deleted) \
         VALUES ('a', '{}', '{{}}', 'active', '{REMOVED}', FALSE)",
        world.uri("a")
    );
    let database = world.open();
    let lock = Arc::clone(&database.lock);
    let lock = Arc::new(Meanwhile { lock, world: Arc::clone(&world), sql: add });
    let scrubber = world.scrubber(&Database { lock, ..database });
    let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((report.leftovers, report.data_shared), (1, 1), "{report:?}");
    assert!(world.has_data("a"));
}

/// Locks that change something just before an image is locked.
#[derive(Debug)]
struct Meanwhile {
    lock: Arc<dyn ImageLock>,
    world: Arc<World>,
    sql: String,
}

#[async_trait]
impl ImageLock for Meanwhile {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        self.world.db.execute(&self.sql).await;
        self.lock.try_lock(id).await
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        self.lock.try_lock_pass().await
    }
}

/// The canary check encounters another image's bad row.
async fn absence_is_detected_despite_an_unreadable_row(kind: Kind) {
    let world = World::new(kind).await;
    world.live_image("bad").await;
    world.db.execute("UPDATE image_locations SET meta_data = '{nonsense'").await;
    world.live_image("alive").await;
    world.rows().deleted_image("a", &world.uri("a"), 8).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.data_gone), (1, 1), "{report:?}");
}

/// Only SQLite can store such a value.
async fn a_location_that_is_no_text_stops_no_pass(kind: Kind) {
    if kind != Kind::Sqlite {
        return;
    }
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.deleted_image("b").await;
    world.live_image("c").await;
    let garble =
        "UPDATE image_locations SET value = CAST(X'66FF' AS TEXT) WHERE image_id IN ('a', 'c')";
    world.db.execute(garble).await;
    world.live_image("d").await;
    std::fs::remove_file(world.datadir().join("b")).unwrap();
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed, report.data_gone), (1, 1, 1), "{report:?}");
}

/// An operator has replaced a file by a link: nothing is destroyed, so the claim is released.
async fn a_claim_of_something_that_is_no_regular_file_is_released(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let elsewhere = world.datadir().with_extension("elsewhere");
    std::fs::rename(world.datadir().join("a"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, world.datadir().join("a")).unwrap();
    let report = world.scrub().await;
    assert_eq!((report.failed, report.claims_released), (1, 1), "{report:?}");
    assert_eq!(world.status("a").await, PENDING);
    assert!(elsewhere.exists());
}

async fn a_share_that_disappears_during_a_pass_is_checked_again(kind: Kind) {
    let world = World::new(kind).await;
    for number in 0..56 {
        world.deleted_image(&format!("a{number:02}")).await;
    }
    let (from, to) = (world.datadir(), world.datadir().with_extension("away"));
    let unmount: Progress = Arc::new(move |_| drop(std::fs::rename(&from, &to)));
    let scrubber = world.scrubber(&world.open()).with_progress(unmount);
    let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
    // The second batch is the last one: 32 images, or 16 if the first one was slow.
    assert!([16, 32].contains(&report.claims_released), "{report:?}");
    assert_eq!((report.scrubbed, report.deferred), (16, 40 - report.claims_released), "{report:?}");
    assert_eq!((report.failed, report.alerts.len()), (report.claims_released, 1), "{report:?}");
    let claimed = world.db.rows("SELECT id FROM images WHERE status = 'deleted'").await;
    assert_eq!(claimed.len(), 16);
}

/// One store with two shares, of which one is not mounted.
async fn absence_in_one_directory_is_not_proved_by_another(kind: Kind) {
    let world = World::with_datadirs(kind, &["images", "more"]).await;
    world.live_image("alive").await;
    world.rows().image("far", "active", 8, None).await;
    let elsewhere = |id: &str| world.uri(id).replace("/images/", "/more/");
    world.rows().location("far", &elsewhere("far"), "active", None).await;
    world.rows().deleted_image("a", &world.uri("a"), 8).await;
    world.rows().deleted_image("b", &elsewhere("b"), 8).await;
    let report = world.scrub().await;
    assert_eq!(
        (report.scrubbed, report.claims_released, report.alerts.len()),
        (1, 1, 2),
        "{report:?}"
    );
    assert_eq!(
        (world.status("a").await, world.status("b").await),
        (SCRUBBED.into(), PENDING.into())
    );
}

async fn an_image_with_a_location_outside_the_store_is_left_whole(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    std::fs::write(world.datadir().join("victim"), b"contents").unwrap();
    world.rows().location("a", &world.uri("victim"), "pending_delete", Some(DELETED)).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (0, 1), "{report:?}");
    assert_eq!(world.status("a").await, PENDING);
    assert!(world.has_data("a") && world.has_data("victim"));
}

async fn an_image_without_a_driver_is_left_whole(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world
        .rows()
        .location("a", "vsphere://host/folder/x/a?dsName=d", "pending_delete", Some(DELETED))
        .await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (0, 1));
    assert!(report.failures[0].reason.contains("no driver"), "{report:?}");
    assert_eq!(world.status("a").await, PENDING);
    assert!(world.has_data("a"));
}

async fn an_http_location_is_settled_without_a_request(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().image("a", "pending_delete", 8, Some(DELETED)).await;
    world.rows().location("a", "http://127.0.0.1:9/image", "pending_delete", Some(DELETED)).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.locations_deleted, report.data_gone), (1, 1, 0));
    assert_eq!(world.locations("a").await, SCRUBBED);
}

async fn a_row_that_cannot_be_read_is_reported_and_the_pass_goes_on(kind: Kind) {
    let world = World::new(kind).await;
    for id in ["bad-status", "bad-json", "good", "no-metadata"] {
        world.deleted_image(id).await;
    }
    let set = |value, id| format!("UPDATE image_locations SET {value} WHERE image_id = '{id}'");
    world.db.execute(&set("status = 'odd'", "bad-status")).await;
    world.db.execute(&set("meta_data = '{nonsense'", "bad-json")).await;
    world.db.execute(&set("meta_data = NULL", "no-metadata")).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (3, 1), "{report:?}");
    assert_eq!(report.failures[0].image, "bad-status");
    assert!(report.failures[0].reason.contains("status"), "{report:?}");
    assert!(world.has_data("bad-status"));
}

async fn an_image_whose_lock_is_taken_is_left_for_the_next_pass(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let database = world.open();
    let guard = database.lock.try_lock(&ImageId::parse("a").unwrap()).await.unwrap().unwrap();
    let scrubber = world.scrubber(&database);
    let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((report.contended, report.scrubbed), (1, 0), "{report:?}");
    guard.release().await;
    let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!(report.scrubbed, 1, "{report:?}");
}

async fn only_one_pass_runs_at_a_time(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let pass = world.open().lock.try_lock_pass().await.unwrap().unwrap();
    assert!(world.scrub().await.skipped);
    assert!(world.has_data("a"));
    pass.release().await;
    assert_eq!(world.scrub().await.scrubbed, 1);
}

async fn an_unavailable_store_is_skipped(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    std::fs::rename(world.datadir(), world.datadir().with_extension("away")).unwrap();
    let report = world.scrub().await;
    assert_eq!((report.deferred, report.scrubbed, report.alerts.len()), (1, 0, 1), "{report:?}");
    assert_eq!(world.status("a").await, PENDING);
}

/// An empty folder in place of the mounted share.
async fn absence_is_not_believed_while_a_living_image_is_absent_too(kind: Kind) {
    let world = World::new(kind).await;
    world.live_image("alive").await;
    world.deleted_image("a").await;
    std::fs::rename(world.datadir(), world.datadir().with_extension("away")).unwrap();
    std::fs::create_dir(world.datadir()).unwrap();
    let report = world.scrub().await;
    assert_eq!(
        (report.scrubbed, report.claims_released, report.alerts.len()),
        (0, 1, 1),
        "{report:?}"
    );
    assert_eq!(
        (world.status("a").await, world.locations("a").await),
        (PENDING.into(), PENDING.into())
    );
    std::fs::remove_dir(world.datadir()).unwrap();
    std::fs::rename(world.datadir().with_extension("away"), world.datadir()).unwrap();
    world.revert("a").await.unwrap();
}

async fn consecutive_absent_objects_stop_the_store(kind: Kind) {
    let world = World::new(kind).await;
    world.live_image("alive").await;
    for number in 0..40 {
        let id = format!("a{number:02}");
        world.rows().deleted_image(&id, &world.uri(&id), 8).await;
    }
    let (database, stop) = (world.open(), CancellationToken::new());
    let scrubber = world.scrubber(&database);
    let report = scrubber.run_once(&stop).await.unwrap();
    assert_eq!((report.data_gone, report.scrubbed, report.alerts.len()), (20, 20, 2), "{report:?}");
    assert!(report.alerts[0].contains("20 consecutive objects were absent"), "{report:?}");
    let waiting = "SELECT id FROM images WHERE status = 'pending_delete'";
    assert_eq!(world.db.rows(waiting).await.len(), 20);
    // the breaker outlives its pass
    world.clock.advance(HOUR);
    let second = scrubber.run_once(&stop).await.unwrap();
    assert_eq!((second.data_gone, second.alerts.len()), (0, 1), "{second:?}");
    assert_eq!(world.db.rows(waiting).await.len(), 20);
    // until somebody has looked, and starts it anew
    assert_eq!(world.scrub().await.data_gone, 20);
}

async fn data_that_killed_passes_destroyed_does_not_trip_the_breaker(kind: Kind) {
    let world = World::new(kind).await;
    let ids: Vec<_> = (0..40).map(|number| format!("a{number:02}")).collect();
    for id in &ids {
        world.rows().deleted_image(id, &world.uri(id), 8).await;
    }
    world.claim(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.live_image("alive").await;
    let report = world.scrub().await;
    assert_eq!((report.resumed, report.data_gone, report.alerts.len()), (40, 40, 0), "{report:?}");
}

async fn a_stopped_pass_releases_untouched_claims(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let stop = CancellationToken::new();
    stop.cancel();
    let report = world.scrubber(&world.open()).run_once(&stop).await.unwrap();
    assert!(report.interrupted);
    assert_eq!(world.status("a").await, PENDING);
    assert!(world.has_data("a"));
}

async fn an_image_that_failed_is_not_tried_again_at_once(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.rows().location("a", "cinder://nothing", "pending_delete", Some(DELETED)).await;
    let database = world.open();
    let scrubber = world.scrubber(&database);
    let stop = CancellationToken::new();
    assert_eq!(scrubber.run_once(&stop).await.unwrap().failed, 1);
    let second = scrubber.run_once(&stop).await.unwrap();
    assert_eq!((second.failed, second.backed_off), (0, 1), "{second:?}");
    world.clock.advance(HOUR);
    assert_eq!(scrubber.run_once(&stop).await.unwrap().failed, 1);
}

async fn a_backlog_larger_than_a_page_is_scrubbed_completely(kind: Kind) {
    let world = World::new(kind).await;
    for number in 0..600 {
        let id = format!("image-{number}");
        std::fs::write(world.datadir().join(&id), b"contents").unwrap();
        world.rows().image(&id, "pending_delete", 8, Some(DELETED)).await;
        world.rows().location(&id, &world.uri(&id), "pending_delete", Some(DELETED)).await;
    }
    let report = world.scrub().await;
    assert_eq!((report.seen, report.scrubbed, report.failed), (600, 600, 0), "{report:?}");
    assert_eq!(std::fs::read_dir(world.datadir()).unwrap().count(), 0);
    assert_eq!(world.scrub().await.seen, 0);
}

async fn a_half_finished_delete_is_left_alone(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.db.execute("UPDATE images SET deleted = FALSE, deleted_at = NULL").await;
    assert_eq!(world.scrub().await.seen, 0);
    assert!(world.has_data("a"));
}
