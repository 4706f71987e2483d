//! What stores have kept of scrubbed images is removed for good, on each database, and nothing else is.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::db::Database;
use glance_revert::domain::audit::AuditQuery;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::purge::{PurgeError, PurgedImage, Purger};
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use glance_revert::domain::store::StoreId;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::scrub::orders::control;
use crate::support::database::{Kind, on_each_database};
use crate::support::keeping::KeepingStores;
use crate::support::odds::LocksOfNobody;
use crate::support::rows::{DELETED, REMOVED};
use crate::support::world::{HOUR, World};

on_each_database! {
    what_is_kept_of_a_scrubbed_image_is_removed_and_recorded,
    only_scrubbed_images_are_purged,
    data_that_another_image_names_is_never_removed,
    nothing_is_purged_while_the_scrubber_is_paused_or_a_pass_runs,
    a_held_or_a_young_image_keeps_what_is_left_of_it,
    what_a_store_refuses_to_remove_is_not_said_to_be_removed,
    an_image_with_a_place_that_cannot_be_asked_loses_nothing_and_the_place_is_named,
    no_revert_brings_an_image_back_while_it_is_purged_though_locks_exclude_nobody,
    an_image_whose_purge_died_is_ended_by_the_next_pass,
}

/// Scrubbed images whose store keeps their data.
struct Scene {
    world: World,
    database: Database,
    stores: KeepingStores,
}

impl Scene {
    async fn new(kind: Kind, ids: &[&str]) -> Self {
        let world = World::with_tables(kind).await;
        let database = world.open();
        let stores = KeepingStores::new(Arc::clone(&world.stores));
        let scene = Self { world, database, stores };
        scene.world.live_image("canary").await;
        scene.scrub(ids).await;
        scene
    }

    async fn scrub(&self, ids: &[&str]) {
        for id in ids {
            self.world.deleted_image(id).await;
        }
        let stores = Arc::new(self.stores.clone());
        let scrubber = self.world.scrubber_over(&self.database, stores);
        let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
        assert_eq!(report.data_retained, ids.len() as u64, "{report:?}");
        let kept: Vec<_> = report.retained_in.values().map(|one| one.bytes).collect();
        assert_eq!(kept, [8 * ids.len() as u64], "{report:?}");
    }

    fn purger(&self) -> Purger {
        Purger::new(
            Arc::clone(&self.database.scrub_repo),
            Arc::clone(&self.database.lock),
            Arc::new(self.stores.clone()),
            self.world.clock.clone(),
            Arc::clone(&self.database.control),
        )
    }

    /// What became of each; the error is that of all.
    async fn purge(
        &self,
        ids: &[&str],
        older_than: Duration,
    ) -> (Vec<Result<PurgedImage, PurgeError>>, Result<(), PurgeError>) {
        let ids: Vec<_> = ids.iter().map(|id| id_of(id)).collect();
        let mut told = Vec::new();
        let mut tell = |id: &ImageId, result| {
            assert!(ids.contains(id), "{id}");
            told.push(result);
        };
        let stop = CancellationToken::new();
        let operator = Admin::local_operator();
        let done = self.purger().purge(&operator, &ids, older_than, &stop, &mut tell).await;
        (told, done)
    }

    /// The refusal of one.
    async fn refusal(&self, id: &str) -> &'static str {
        let (told, done) = self.purge(&[id], Duration::ZERO).await;
        done.unwrap();
        let looked = self.purger().look(&Admin::local_operator(), &id_of(id), Duration::ZERO).await;
        let reason = told[0].as_ref().unwrap_err().reason();
        if reason != "image.data_shared" {
            assert_eq!(looked.unwrap_err().reason(), reason, "a look says so before");
        }
        reason
    }

    async fn recorded(&self) -> Vec<glance_revert::domain::audit::AuditRow> {
        let operation = Some("purgeRetained".to_owned());
        let query = AuditQuery { operation, limit: 10, ..AuditQuery::default() };
        self.database.tables.list_audit(&Admin::local_operator(), &query).await.unwrap()
    }

    /// This detail of an entry, for the store.
    async fn recorded_bytes(&self, detail: &str) -> u64 {
        let recorded = self.recorded().await;
        let entry = recorded.iter().find(|row| row.details.contains_key(detail));
        entry.unwrap().details[detail]["file"].as_u64().unwrap()
    }
}

fn id_of(text: &str) -> ImageId {
    ImageId::parse(text).unwrap()
}

async fn what_is_kept_of_a_scrubbed_image_is_removed_and_recorded(kind: Kind) {
    let scene = Scene::new(kind, &["a", "b"]).await;
    let operator = Admin::local_operator();
    let looked = scene.purger().look(&operator, &id_of("a"), Duration::ZERO).await.unwrap();
    let file = StoreId("file".to_owned());
    assert_eq!((looked.kept[&file].pieces, looked.kept[&file].bytes), (1, 8));
    assert_eq!(scene.stores.kept(), 2, "a look removes nothing");

    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    done.unwrap();
    let purged = told[0].as_ref().unwrap();
    assert!(purged.is_whole() && purged.is_recorded, "{purged:?}");
    assert_eq!(purged.removed[&file].bytes, 8);
    assert_eq!(scene.stores.kept(), 1, "the other one's is there");
    assert_eq!(scene.world.status("a").await, "deleted deleted time", "no row changes");
    let recorded = scene.recorded().await;
    assert_eq!(recorded.len(), 2, "before and after: {recorded:?}");
    assert!(recorded.iter().all(|row| row.image_id.as_deref() == Some("a")));
    assert!(recorded.iter().all(|row| row.name.as_deref() == Some("name of a")));
    assert_eq!(scene.recorded_bytes("kept_bytes").await, 8);
    assert_eq!(scene.recorded_bytes("removed_bytes").await, 8);

    let (again, done) = scene.purge(&["a"], Duration::ZERO).await;
    done.unwrap();
    assert!(again[0].as_ref().unwrap().removed.is_empty(), "there is nothing left");
    assert_eq!(scene.recorded().await.len(), 2, "of nothing nothing is recorded");
}

async fn only_scrubbed_images_are_purged(kind: Kind) {
    let scene = Scene::new(kind, &["back"]).await;
    let world = &scene.world;
    for id in ["pending", "claimed", "ended"] {
        world.deleted_image(id).await;
    }
    world.claim(&["claimed"]).await;
    let end = format!(
        "UPDATE images SET status = 'deleted' WHERE id = 'ended'; UPDATE image_locations SET \
         status = 'deleted', deleted_at = '{DELETED}' WHERE image_id = 'ended'"
    );
    world.db.execute(&end).await;
    for (id, reason) in [
        ("pending", "image.not_scrubbed"),
        ("ended", "image.data_in_place"),
        ("claimed", "image.scrub_in_progress"),
        ("canary", "image.already_active"),
        ("nobody", "image.not_found"),
    ] {
        assert_eq!(scene.refusal(id).await, reason, "{id}");
    }
    // somebody has put its data back
    std::fs::write(world.datadir().join("back"), b"contents").unwrap();
    assert_eq!(scene.refusal("back").await, "image.data_in_place");
    assert_eq!(scene.stores.kept(), 1);
}

async fn data_that_another_image_names_is_never_removed(kind: Kind) {
    let scene = Scene::new(kind, &["a", "b", "c"]).await;
    let (world, of) = (&scene.world, |id: &str| scene.world.uri(id));
    // of a living image, of one that waits, and of one that was scrubbed too
    world.rows().image("other", "active", 8, None).await;
    world.rows().location("other", &of("a"), "active", None).await;
    world.rows().image("waits", "pending_delete", 8, Some(DELETED)).await;
    world.rows().location("waits", &of("b"), "pending_delete", Some(DELETED)).await;
    world.rows().image("gone", "deleted", 8, Some(REMOVED)).await;
    world.rows().location("gone", &of("c"), "deleted", Some(DELETED)).await;
    for id in ["a", "b", "c"] {
        assert_eq!(scene.refusal(id).await, "image.data_shared", "{id}");
    }
    assert_eq!(scene.stores.kept(), 3);
    // both that name it are to be purged
    let (told, done) = scene.purge(&["c", "gone"], Duration::ZERO).await;
    done.unwrap();
    let whole =
        |one: &Result<PurgedImage, PurgeError>| one.as_ref().is_ok_and(PurgedImage::is_whole);
    assert!(whole(&told[0]), "{told:?}");
    let foreign = told[1].as_ref().unwrap_err();
    assert!(foreign.to_string().contains("not named after the image"), "{foreign}");
    assert_eq!(scene.stores.kept(), 2);
}

async fn nothing_is_purged_while_the_scrubber_is_paused_or_a_pass_runs(kind: Kind) {
    let scene = Scene::new(kind, &["a"]).await;
    let control = control(&scene.world, &scene.database);
    let operator = Admin::local_operator();
    control.pause(&operator, None, None).await.unwrap();
    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    assert_eq!((told.len(), done.unwrap_err().reason()), (0, "scrubber.paused"));
    control.resume(&operator).await.unwrap();

    let theirs = scene.world.open();
    let pass = theirs.lock.try_lock_pass().await.unwrap().unwrap();
    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    assert_eq!((told.len(), done.unwrap_err().reason()), (0, "scrubber.busy"));
    pass.release().await;

    let image = scene.database.lock.try_lock(&id_of("a")).await.unwrap().unwrap();
    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    done.unwrap();
    let reason = told[0].as_ref().unwrap_err().reason();
    assert_eq!(reason, "image.scrub_in_progress", "a revert has its lock");
    image.release().await;
    assert_eq!((scene.stores.kept(), scene.recorded().await.len()), (1, 0));

    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    done.unwrap();
    assert!(told[0].as_ref().unwrap().is_whole(), "no lock was left behind");
}

async fn a_held_or_a_young_image_keeps_what_is_left_of_it(kind: Kind) {
    let scene = Scene::new(kind, &["a", "b"]).await;
    let (told, done) = scene.purge(&["a"], HOUR).await;
    done.unwrap();
    assert_eq!(told[0].as_ref().unwrap_err().reason(), "image.too_young");
    scene.world.clock.advance(HOUR);
    let hold = "INSERT INTO revert_holds (image_id, held_until, held_at, held_by) \
                VALUES ('b', '2199-01-01 00:00:00', '2026-11-22 12:00:00', 'alice')";
    scene.world.db.execute(hold).await;
    assert_eq!(scene.refusal("b").await, "image.held");
    let (told, done) = scene.purge(&["a"], HOUR).await;
    done.unwrap();
    assert!(told[0].as_ref().unwrap().is_whole(), "{told:?}");
    assert_eq!(scene.stores.kept(), 1);
}

async fn what_a_store_refuses_to_remove_is_not_said_to_be_removed(kind: Kind) {
    let scene = Scene::new(kind, &["a"]).await;
    *scene.stores.is_locked.lock().unwrap() = true;
    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    done.unwrap();
    let purged = told[0].as_ref().unwrap();
    assert!(!purged.is_whole() && purged.removed.is_empty(), "{purged:?}");
    assert_eq!(purged.left[&StoreId("file".to_owned())].bytes, 8);
    assert!(purged.problems[0].contains("locked until 2027"), "{purged:?}");
    assert_eq!(scene.recorded_bytes("left_bytes").await, 8);
    assert_eq!(scene.stores.kept(), 1);
}

async fn an_image_with_a_place_that_cannot_be_asked_loses_nothing_and_the_place_is_named(
    kind: Kind,
) {
    let scene = Scene::new(kind, &["a"]).await;
    let (world, nothing) = (&scene.world, "nothing was removed, in no other store either");
    let refused = async || {
        let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
        done.unwrap();
        let error = told[0].as_ref().unwrap_err();
        assert_eq!(error.reason(), "store.unavailable", "{error}");
        assert!(error.to_string().contains(nothing), "{error}");
        error.to_string()
    };
    // a copy in a store that is no longer configured
    let scrubbed = "SELECT deleted_at FROM image_locations WHERE image_id = 'a'";
    let scrubbed = world.db.rows(scrubbed).await[0][0].clone();
    world.rows().location("a", "s3://host/bucket/a", "deleted", scrubbed.as_deref()).await;
    let copy = "SELECT id FROM image_locations WHERE image_id = 'a' AND value LIKE 's3:%'";
    let copy = world.db.rows(copy).await[0][0].clone().unwrap();
    let told = refused().await;
    assert!(told.contains(&format!("location {copy}: no configured store")), "{told}");
    world.db.execute(&format!("DELETE FROM image_locations WHERE id = {copy}")).await;

    let away = world.datadir().with_extension("away");
    std::fs::rename(world.datadir(), &away).unwrap();
    let told = refused().await;
    assert!(told.contains("at location ") && told.contains("in store file: "), "{told}");
    std::fs::rename(&away, world.datadir()).unwrap();
    assert_eq!((scene.stores.kept(), scene.recorded().await.len()), (1, 0));
    let (told, done) = scene.purge(&["a"], Duration::ZERO).await;
    done.unwrap();
    assert!(told[0].as_ref().unwrap().is_whole(), "{told:?}");
}

/// As on another node of a Galera, where the purge's locks are unknown.
async fn revert_elsewhere(scene: &Scene) -> Result<String, RevertError> {
    let database = Database { lock: Arc::new(LocksOfNobody), ..scene.world.open() };
    let request = RevertRequest::whole(Verify::Checksum);
    let reverter = scene.world.reverter(&database);
    let done = reverter.revert(&Admin::local_operator(), &id_of("a"), &request).await;
    done.map(|reverted| format!("{reverted:?}"))
}

async fn no_revert_brings_an_image_back_while_it_is_purged_though_locks_exclude_nobody(kind: Kind) {
    let scene = Scene::new(kind, &["a"]).await;
    let stop = Arc::new(Barrier::new(2));
    *scene.stores.stop.lock().unwrap() = Some(Arc::clone(&stop));
    let file = scene.world.datadir().join("a");
    let ((told, done), ()) = tokio::join!(scene.purge(&["a"], Duration::ZERO), async {
        stop.wait().await;
        std::fs::write(&file, b"contents").unwrap();
        let refused = revert_elsewhere(&scene).await.unwrap_err();
        assert_eq!(refused.reason(), "image.scrub_in_progress", "{refused}");
        std::fs::remove_file(&file).unwrap();
        stop.wait().await;
    });
    done.unwrap();
    assert!(told[0].as_ref().unwrap().is_whole(), "{told:?}");
    assert_eq!(scene.world.status("a").await, "deleted deleted time", "the rows are as before");
    assert_eq!(scene.world.locations("a").await, "deleted deleted time");
}

async fn an_image_whose_purge_died_is_ended_by_the_next_pass(kind: Kind) {
    let scene = Scene::new(kind, &["a"]).await;
    let stop = Arc::new(Barrier::new(2));
    *scene.stores.stop.lock().unwrap() = Some(Arc::clone(&stop));
    tokio::select! {
        _ = scene.purge(&["a"], Duration::ZERO) => panic!("it stands still"),
        _ = stop.wait() => {}
    }
    let claimed = scene.world.locations("a").await;
    assert!(claimed.starts_with("pending_delete"), "{claimed}");
    let database = Database { lock: Arc::new(LocksOfNobody), ..scene.world.open() };
    let scrubber = scene.world.scrubber_over(&database, Arc::new(scene.stores.clone()));
    let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((report.resumed, report.failed), (1, 0), "{report:?}");
    assert_eq!(scene.world.locations("a").await, "deleted deleted time");
    assert_eq!(scene.stores.kept(), 1, "what was not purged is kept");
}
