//! Complete passes over stores with bulk deletion: the requests, and the results.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::config::{StoreConfig, StoreKind};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::scrub::ScrubReport;
use glance_revert::domain::store::{Deletion, Store, StoreUri, Stores};
use glance_revert::store::{ConfiguredStores, StoreOptions};
use tokio_util::sync::CancellationToken;

use crate::support::clock;
use crate::support::database::Kind;
use crate::support::gateway::{Gateway, Play};
use crate::support::s3::{S3Bucket, Service};
use crate::support::swift::{self, Container, Swift};
use crate::support::world::World;

const DATA: &[u8] = b"contents";
/// Long enough for a loaded machine, short enough to wait for.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Direct access to a store, without the product.
pub(crate) enum Beside {
    S3(S3Bucket),
    Swift(Container),
}

impl Beside {
    pub(crate) async fn put(&self, name: &str) {
        match self {
            Self::S3(bucket) => bucket.put(name, DATA).await,
            Self::Swift(container) => container.put(name, DATA).await,
        }
    }

    pub(crate) async fn delete(&self, name: &str) {
        match self {
            Self::S3(bucket) => bucket.delete_object(name).await,
            Self::Swift(container) => container.delete(name).await,
        }
    }

    pub(crate) async fn names(&self) -> Vec<String> {
        match self {
            Self::S3(bucket) => bucket.keys().await,
            Self::Swift(container) => container.names().await,
        }
    }
}

/// Images that are due and a living one, in one store behind a gateway.
pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) beside: Beside,
    pub(crate) ids: Vec<String>,
    live: String,
    folder: String,
    world: World,
    stores: Arc<dyn Stores>,
}

impl Scene {
    pub(crate) async fn s3(images: usize) -> Self {
        let service = Service::moto().await;
        let bucket = service.bucket().await;
        let gateway = Gateway::before(&service.authority).await;
        let kind = StoreKind::S3(service.config(&gateway.address(), bucket.name()));
        let folder = format!("s3://{}/{}/", gateway.address(), bucket.name());
        Self::of(gateway, kind, Beside::S3(bucket), &folder, images).await
    }

    pub(crate) async fn swift(images: usize) -> Self {
        let server = Swift::shared().await;
        Self::in_container(server.container().await, images).await
    }

    pub(crate) async fn in_container(container: Container, images: usize) -> Self {
        let gateway = Gateway::before(&Swift::shared().await.authority).await;
        let kind = StoreKind::Swift(swift::config(&gateway.address(), &container.name));
        let (here, name) = (gateway.address(), &container.name);
        let folder = format!("swift+http://test%3Areader:k@{here}/auth/v1.0/{name}/");
        Self::of(gateway, kind, Beside::Swift(container), &folder, images).await
    }

    async fn of(
        gateway: Gateway,
        kind: StoreKind,
        beside: Beside,
        folder: &str,
        images: usize,
    ) -> Self {
        let config = StoreConfig { id: "objects".to_owned(), kind };
        let options = StoreOptions { store_timeout: LIMIT, ..StoreOptions::default() };
        let stores = ConfiguredStores::new(&[config], &options, &clock::machine(), None).unwrap();
        let world = World::new(Kind::Sqlite).await;
        let new = || uuid::Uuid::new_v4().to_string();
        let (ids, live) = ((0..images).map(|_| new()).collect::<Vec<_>>(), new());
        world.rows().deleted_images(&ids, folder, DATA.len()).await;
        world.rows().image(&live, "active", DATA.len(), None).await;
        world.rows().location(&live, &format!("{folder}{live}"), "active", None).await;
        for id in ids.iter().chain([&live]) {
            beside.put(id).await;
        }
        let folder = folder.to_owned();
        Self { gateway, beside, ids, live, folder, world, stores: Arc::new(stores) }
    }

    /// The store, and the location of each image.
    fn placed(&self) -> (Arc<dyn Store>, Vec<(ImageId, StoreUri)>) {
        let uris = self.ids.iter().map(|id| {
            let uri = StoreUri::parse(&format!("{}{id}", self.folder)).unwrap();
            (ImageId::parse(id).unwrap(), uri)
        });
        (self.stores.all().remove(0), uris.collect())
    }

    /// Runs a pass of a process without knowledge of earlier failures.
    pub(crate) async fn scrub(&self) -> ScrubReport {
        self.scrub_until(&CancellationToken::new()).await
    }

    pub(crate) async fn scrub_until(&self, stop: &CancellationToken) -> ScrubReport {
        let scrubber = self.world.scrubber_over(&self.world.open(), Arc::clone(&self.stores));
        let report = scrubber.run_once(stop).await.unwrap();
        self.assert_true().await;
        report
    }

    /// Checks that the rows match the objects; returns how many images are pending, claimed and
    /// destroyed.
    pub(crate) async fn assert_true(&self) -> (usize, usize, usize) {
        let there = self.beside.names().await;
        assert!(there.contains(&self.live), "the living image's data");
        let (mut waiting, mut claimed, mut destroyed) = (0, 0, 0);
        for id in &self.ids {
            let (image, location) = (self.world.status(id).await, self.world.locations(id).await);
            match (image.split(' ').next().unwrap(), location.split(' ').next().unwrap()) {
                ("pending_delete", "pending_delete") => {
                    assert!(there.contains(id), "{id} waits, and its data is gone");
                    waiting += 1;
                }
                ("deleted", "pending_delete") => claimed += 1,
                ("deleted", "deleted") => {
                    assert!(!there.contains(id), "{id} is deleted, and its data is there");
                    destroyed += 1;
                }
                other => panic!("{id}: {other:?}"),
            }
        }
        (waiting, claimed, destroyed)
    }

    /// Checks that a later pass without faults finishes the rest.
    pub(crate) async fn assert_is_finished(&self) {
        self.gateway.heal();
        let report = self.scrub().await;
        assert_eq!(report.failed, 0, "{report:?}");
        assert_eq!(self.assert_true().await, (0, 0, self.ids.len()));
    }
}

/// The number of requests of a pass in addition to one check per image, and the number of batches.
async fn asked_beside_the_looks(scene: &Scene) -> (usize, usize) {
    scene.gateway.asked();
    let report = scene.scrub().await;
    let images = scene.ids.len();
    assert_eq!((report.scrubbed, report.failed), (images as u64, 0), "{report:?}");
    let asked = scene.gateway.asked();
    let batches = asked.iter().filter(|one| one.starts_with("POST")).count();
    (asked.len() - images, batches)
}

/// Requests per image if all images are one batch.
async fn requests_of_a_batch(scene: &Scene) -> f64 {
    let (store, uris) = scene.placed();
    let wanted: Vec<_> = uris.iter().map(|(id, uri)| (id, uri)).collect();
    // a login, and requests that are sent once
    let (first, rest) = wanted.split_at(2);
    for some in [first, rest] {
        scene.gateway.asked();
        let results = store.delete_all(some, &CancellationToken::new()).await;
        assert!(results.iter().all(|one| *one == Some(Deletion::Deleted)), "{results:?}");
    }
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    count(scene.gateway.asked().len()) / count(rest.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn a_bucket_gets_little_more_than_one_request_per_image() {
    let each = requests_of_a_batch(&Scene::s3(66).await).await;
    assert!(each <= 1.1, "{each}");
    // the bucket's health; its versions, the deletion, and a check of the first object of each
    // batch
    let (asked, batches) = asked_beside_the_looks(&Scene::s3(48).await).await;
    assert_eq!(asked, 2 + 3 * batches, "{batches}");
    assert!((1..=3).contains(&batches), "{batches}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn a_container_gets_little_more_than_one_request_per_image() {
    let each = requests_of_a_batch(&Scene::swift(34).await).await;
    assert!(each <= 1.5, "{each}");
    // login, the container's health, `/info`; the container and the deletion of each batch
    let (asked, batches) = asked_beside_the_looks(&Scene::swift(32).await).await;
    assert_eq!(asked, 3 + 2 * batches, "{batches}");
    assert!((1..=2).contains(&batches), "{batches}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn objects_that_were_not_in_the_bucket_are_not_counted_as_deleted() {
    let scene = Scene::s3(12).await;
    for id in scene.ids.iter().step_by(3) {
        scene.beside.delete(id).await;
    }
    let report = scene.scrub().await;
    assert_eq!((report.scrubbed, report.data_gone), (12, 4), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn large_and_absent_objects_of_a_batch_go_as_they_do_alone() {
    let scene = Scene::swift(12).await;
    let Beside::Swift(container) = &scene.beside else { panic!() };
    container.put_dynamic(&scene.ids[1], 3).await;
    container.put_static(&scene.ids[5]).await;
    for gone in [2, 7] {
        container.delete(&scene.ids[gone]).await;
    }
    let report = scene.scrub().await;
    assert_eq!((report.scrubbed, report.data_gone), (12, 2), "{report:?}");
    assert_eq!(scene.beside.names().await.len(), 1, "no segment is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn names_that_are_not_ascii_go_together_too() {
    let name = format!("\u{fc} \u{2603}-{}", uuid::Uuid::new_v4().simple());
    let scene = Scene::in_container(Swift::shared().await.container_named(&name).await, 6).await;
    let (_, batches) = asked_beside_the_looks(&scene).await;
    assert_eq!(batches, 1, "they go together");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn a_stop_takes_effect_before_a_batch_is_deleted() {
    let scene = Scene::s3(12).await;
    let stop = CancellationToken::new();
    let ours = stop.clone();
    scene.gateway.play(move |asked, _| {
        // the checks of objects have begun; the bucket was checked before
        if asked.starts_with("HEAD") && asked.matches('/').count() == 2 {
            ours.cancel();
        }
        Play::Pass
    });
    let report = scene.scrub_until(&stop).await;
    assert!(report.interrupted, "{report:?}");
    assert_eq!(scene.assert_true().await, (12, 0, 0), "all are released");
    scene.assert_is_finished().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn each_object_of_a_versioned_bucket_is_reported_as_retained() {
    for status in ["Enabled", "Suspended"] {
        let scene = Scene::s3(6).await;
        let Beside::S3(bucket) = &scene.beside else { panic!() };
        bucket.set_versioning(status).await;
        let report = scene.scrub().await;
        assert_eq!(report.scrubbed, 6, "{report:?}");
        assert_eq!(report.data_retained, if status == "Enabled" { 6 } else { 0 }, "{report:?}");
        let asked = scene.gateway.asked();
        assert!(!asked.iter().any(|one| one.starts_with("POST")), "{asked:?}");
    }
}
