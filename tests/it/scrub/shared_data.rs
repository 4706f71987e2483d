//! Two images that name the same data: if one is scrubbed, the other keeps the data that it may
//! need, and in the end nothing is left.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use glance_revert::config::{FileConfig, StoreConfig, StoreKind};
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::{ImageGuard, ImageLock, PassGuard};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{RevertRequest, Verify};
use glance_revert::domain::store::Stores;
use glance_revert::store::{ConfiguredStores, StoreOptions};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::support::clock;
use crate::support::database::{Kind, on_each_database};
use crate::support::odds::MeanwhileStores;
use crate::support::rows::{DELETED, REMOVED};
use crate::support::world::World;

/// With a key, locations may be encrypted, so they cannot be compared as stored.
const KEYS: [Option<&str>; 2] = [None, Some("thisisa16bytekey")];

on_each_database! {
    a_revert_in_the_middle_of_a_pass_keeps_the_data_that_both_images_name,
    data_that_due_images_share_goes_with_the_last_of_them,
    data_that_images_of_one_batch_share_goes_once,
    an_image_whose_data_went_with_another_of_its_batch_is_not_released,
    data_that_was_added_again_in_another_spelling_stays,
    data_that_a_living_image_names_in_another_spelling_stays,
    an_image_that_was_ended_lately_keeps_the_data_that_it_shares,
    an_image_that_was_ended_long_ago_keeps_nobodys_data,
    an_image_that_was_scrubbed_lately_keeps_nobodys_data,
}

/// The images `a` and `b` were deleted an hour ago and name the file `shared`.
async fn sharing(kind: Kind, key: Option<&str>) -> World {
    let mut world = World::new(kind).await;
    world.stores = stores(vec![world.datadir()], key);
    std::fs::write(world.datadir().join("shared"), b"contents").unwrap();
    for id in ["a", "b"] {
        world.rows().deleted_image(id, &world.uri("shared"), 8).await;
    }
    world
}

fn stores(datadirs: Vec<PathBuf>, key: Option<&str>) -> Arc<dyn Stores> {
    let kind = StoreKind::File(FileConfig { datadirs, timeout: None });
    let options = StoreOptions { any_file_name: true, ..StoreOptions::default() };
    let config = StoreConfig { id: "file".to_owned(), kind };
    Arc::new(
        ConfiguredStores::new(&[config], &options, &clock::machine(), key.map(SecretString::from))
            .unwrap(),
    )
}

/// Locks of which somebody else holds that of `b`.
#[derive(Debug)]
struct AllButB(Arc<dyn ImageLock>);

#[async_trait]
impl ImageLock for AllButB {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        if id.as_str() == "b" { Ok(None) } else { self.0.try_lock(id).await }
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        self.0.try_lock_pass().await
    }
}

async fn a_revert_in_the_middle_of_a_pass_keeps_the_data_that_both_images_name(kind: Kind) {
    for key in KEYS {
        let mut world = sharing(kind, key).await;
        let reverter = Arc::new(world.reverter(&world.open()));
        let act = move || {
            let reverter = Arc::clone(&reverter);
            async move {
                let (b, request) =
                    (ImageId::parse("b").unwrap(), RevertRequest::whole(Verify::Exists));
                reverter.revert(&Admin::local_operator(), &b, &request).await.unwrap();
            }
            .boxed()
        };
        world.stores =
            Arc::new(MeanwhileStores { inner: Arc::clone(&world.stores), act: Arc::new(act) });
        let database = world.open();
        let lock = Arc::new(AllButB(Arc::clone(&database.lock)));
        let scrubber = world.scrubber(&Database { lock, ..database });
        let report = scrubber.run_once(&CancellationToken::new()).await.unwrap();
        assert_eq!((report.scrubbed, report.contended), (1, 1), "{report:?}");

        let is_active = world.status("b").await == "active kept no time";
        assert!(world.has_data("shared") || !is_active, "b is active without its data");
        assert_eq!(report.data_shared, 1, "{report:?}");
        world.revert("b").await.unwrap();
        assert!(world.has_data("shared"));
    }
}

async fn data_that_due_images_share_goes_with_the_last_of_them(kind: Kind) {
    for key in KEYS {
        let world = sharing(kind, key).await;
        let database = world.open();
        let lock = Arc::new(AllButB(Arc::clone(&database.lock)));
        let scrubber = world.scrubber(&Database { lock, ..database });
        scrubber.run_once(&CancellationToken::new()).await.unwrap();
        assert!(world.has_data("shared"));
        assert_eq!(world.locations("a").await, "deleted deleted time");
        let report = world.scrub().await;
        assert_eq!((report.scrubbed, report.data_shared), (1, 0), "{report:?}");
        assert!(!world.has_data("shared"), "it is not left behind either");
    }
}

async fn data_that_images_of_one_batch_share_goes_once(kind: Kind) {
    for key in KEYS {
        let world = sharing(kind, key).await;
        let report = world.scrub().await;
        assert_eq!((report.scrubbed, report.failed), (2, 0), "{report:?}");
        assert!(!world.has_data("shared"));
    }
}

/// The pass is stopped after the first of two images that name the same data.
async fn an_image_whose_data_went_with_another_of_its_batch_is_not_released(kind: Kind) {
    for key in KEYS {
        let mut world = sharing(kind, key).await;
        let stop = CancellationToken::new();
        let told = stop.clone();
        let act = move || {
            told.cancel();
            async {}.boxed()
        };
        world.stores =
            Arc::new(MeanwhileStores { inner: Arc::clone(&world.stores), act: Arc::new(act) });
        let report = world.scrubber(&world.open()).run_once(&stop).await.unwrap();
        let waiting = world.db.rows("SELECT id FROM images WHERE status = 'pending_delete'").await;
        assert!(waiting.is_empty() || world.has_data("shared"), "{waiting:?}: {report:?}");
        world.scrub().await;
        assert!(!world.has_data("shared"));
    }
}

/// Glance removed the keys from the S3 locations of living images, but not from pending ones.
async fn data_that_was_added_again_in_another_spelling_stays(kind: Kind) {
    for key in KEYS {
        let mut world = World::new(kind).await;
        world.stores = stores(vec![world.datadir()], key);
        world.live_image("a").await;
        let other = world.uri("a").replace("file://", "filesystem://");
        world.rows().location("a", &other, "pending_delete", Some(REMOVED)).await;
        world.scrub().await;
        assert!(world.has_data("a"), "key {key:?}");
    }
}

async fn data_that_a_living_image_names_in_another_spelling_stays(kind: Kind) {
    for key in KEYS {
        let world = sharing(kind, key).await;
        world.rows().image("c", "active", 8, None).await;
        let other = world.uri("shared").replace("file://", "filesystem://");
        world.rows().location("c", &other, "active", None).await;
        let report = world.scrub().await;
        assert_eq!((report.scrubbed, report.data_shared), (2, 2), "{report:?}");
        assert!(world.has_data("shared"), "key {key:?}");
    }
}

/// `a` is due. `b` names its file, and was ended by Glance without a call to the store.
async fn shared_with_ended(kind: Kind, ended: &str) -> World {
    let mut world = World::new(kind).await;
    world.stores = stores(vec![world.datadir()], None);
    world.deleted_image("a").await;
    world.rows().image("b", "deleted", 8, Some(ended)).await;
    world.rows().location("b", &world.uri("a"), "deleted", Some(ended)).await;
    world
}

async fn an_image_that_was_ended_lately_keeps_the_data_that_it_shares(kind: Kind) {
    let world = shared_with_ended(kind, "2026-11-22 11:59:55.000000").await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.data_shared), (1, 1), "{report:?}");
    assert!(world.has_data("a"));
}

/// Both are due, and the first one takes the data with it.
async fn an_image_that_was_ended_long_ago_keeps_nobodys_data(kind: Kind) {
    let world = shared_with_ended(kind, DELETED).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed, report.data_shared), (2, 0, 0), "{report:?}");
    assert!(!world.has_data("a"), "nobody needs it");
}

/// Its row was ended later than the image was deleted, so a scrubber has already handled it.
async fn an_image_that_was_scrubbed_lately_keeps_nobodys_data(kind: Kind) {
    let world = shared_with_ended(kind, DELETED).await;
    let lately = "deleted_at = '2026-11-22 11:59:55.000000'";
    world.db.execute(&format!("UPDATE image_locations SET {lately} WHERE image_id = 'b'")).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed, report.data_shared), (1, 0, 0), "{report:?}");
    assert!(!world.has_data("a"), "nobody needs it");
}
