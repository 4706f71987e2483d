//! The RBD store with a real Ceph: images in use, lost parts, missing permissions.

use futures::TryStreamExt;
use glance_revert::config::RbdConfig;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::rbd::RbdStore;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::ceph::{Beside, Ceph, Shared, encoded};

const DATA: &[u8] = b"every bit of an image";
const OTHER: &[u8] = b"not a bit of an image";

/// The pool `images`, and a store for one of Ceph's users in it.
struct World {
    ceph: Shared,
    beside: Beside,
    store: RbdStore,
}

impl World {
    async fn new() -> Self {
        let ceph = Ceph::shared().await;
        let store = store(&config(&ceph, "glance"));
        Self { beside: ceph.beside(), ceph, store }
    }

    /// Creates an image as Glance uploads it.
    fn image(&self) -> Image {
        let id = ImageId::parse(&uuid::Uuid::new_v4().to_string()).unwrap();
        self.beside.call(&json!(["put", "images", id.as_str(), encoded(DATA)]));
        let uri = format!("rbd://{}/images/{}/snap", self.ceph.fsid(), id.as_str());
        Image { uri: StoreUri::parse(&uri).unwrap(), id }
    }

    /// Its snapshots, with `!` for protected ones.
    fn snaps(&self, image: &Image) -> Value {
        self.beside.call(&json!(["snaps", "images", image.id.as_str()]))
    }

    fn change_snap(&self, image: &Image, change: &str, snap: &str) {
        self.beside.call(&json!(["change_snap", "images", image.id.as_str(), change, snap]));
    }

    fn data(&self, pool: &str, name: &str) -> Option<Vec<u8>> {
        self.beside.bytes(&json!(["look", pool, name]))
    }

    fn is_in(&self, list: &str, image: &Image) -> bool {
        let names = self.beside.call(&json!([list, "images"]));
        names.as_array().unwrap().contains(&json!(image.id.as_str()))
    }

    fn clone_of(&self, image: &Image, form: u8) -> String {
        let clone = format!("clone-{}", image.id.as_str());
        self.beside.call(&json!(["clone", "images", image.id.as_str(), "volumes", clone, form]));
        clone
    }

    async fn stat(&self, image: &Image) -> Result<Presence, StoreError> {
        self.store.stat(&image.id, &image.uri).await
    }

    async fn delete(&self, image: &Image) -> Deletion {
        self.store.delete(&image.id, &image.uri).await
    }

    async fn repair(&self, image: &Image) {
        assert_eq!(self.store.pin(&image.id, &image.uri).await, Ok(()));
        assert!(repairable(&self.stat(image).await), "not before the proof");
        assert_eq!(self.store.repair(&image.id, &image.uri).await, Ok(()));
        assert_eq!(self.stat(image).await, Ok(PRESENT));
        assert_eq!(read(&self.store, image).await.as_deref(), Some(DATA));
        self.clone_of(image, 1);
    }
}

const PRESENT: Presence = Presence::Present { size: DATA.len() as u64 };

struct Image {
    id: ImageId,
    uri: StoreUri,
}

fn config(ceph: &Ceph, user: &str) -> RbdConfig {
    RbdConfig {
        pool: "images".to_owned(),
        user: Some(user.to_owned()),
        ceph_conf: Some(ceph.conf()),
        connect_timeout: Some(Duration::from_secs(10)),
    }
}

fn store(config: &RbdConfig) -> RbdStore {
    let rbd_helper = env!("CARGO_BIN_EXE_glance-revert").into();
    let options = StoreOptions { rbd_helper, ..StoreOptions::default() };
    RbdStore::new(StoreId("ceph".to_owned()), config, &options)
}

/// The helper's response to one request.
fn ask_helper(ceph: &Ceph, request: &Value) -> Value {
    let settings =
        json!({"conf": ceph.conf(), "user": "glance", "timeout": {"secs": 20, "nanos": 0}});
    let mut child = Command::new(env!("CARGO_BIN_EXE_glance-revert"))
        .arg("rbd-helper")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{settings}\n{request}").unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut answers = output.lines().map(|line| line.unwrap()).filter(|line| line != "\"Working\"");
    let answer = serde_json::from_str(&answers.next().unwrap()).unwrap();
    drop(input);
    child.wait().unwrap();
    answer
}

async fn read(store: &RbdStore, image: &Image) -> Option<Vec<u8>> {
    let stream = store.read(&image.id, &image.uri).await.unwrap()?;
    Some(stream.try_collect::<Vec<_>>().await.unwrap().concat())
}

fn repairable(presence: &Result<Presence, StoreError>) -> bool {
    let expected = DATA.len() as u64;
    matches!(presence, Ok(Presence::Repairable { size, .. }) if *size == expected)
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_with_a_clone_of_the_old_kind_is_held_and_untouched() {
    let world = World::new().await;
    let image = world.image();
    let clone = world.clone_of(&image, 1);
    let deletion = world.delete(&image).await;
    assert!(matches!(&deletion, Deletion::Held(why) if why.contains("clones")), "{deletion:?}");
    assert_eq!(world.snaps(&image), json!(["snap!"]));
    assert_eq!(world.stat(&image).await, Ok(PRESENT));
    world.beside.call(&json!(["remove", "volumes", clone]));
    assert_eq!(world.delete(&image).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_with_a_clone_of_the_new_kind_goes_to_the_trash_and_comes_back() {
    let world = World::new().await;
    let image = world.image();
    let clone = world.clone_of(&image, 2);
    let deletion = world.delete(&image).await;
    assert!(matches!(&deletion, Deletion::Retained(why) if why.contains("trash")), "{deletion:?}");
    assert!(world.is_in("trash", &image) && !world.is_in("names", &image));
    assert_eq!(world.data("volumes", &clone).as_deref(), Some(DATA));

    assert!(repairable(&world.stat(&image).await), "{:?}", world.stat(&image).await);
    assert_eq!(read(&world.store, &image).await.as_deref(), Some(DATA), "for its checksum");
    assert!(matches!(world.delete(&image).await, Deletion::Retained(_)));
    world.beside.call(&json!(["remove", "volumes", clone]));
    world.repair(&image).await;
    assert!(world.is_in("names", &image) && !world.is_in("trash", &image));
    assert_eq!(world.snaps(&image), json!(["snap!"]));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_that_is_open_for_writing_is_held_before_its_snapshot_is_touched() {
    let world = World::new().await;
    let image = world.image();
    let holder = world.ceph.beside();
    holder.call(&json!(["hold", "images", image.id.as_str(), false]));
    let deletion = world.delete(&image).await;
    assert!(matches!(&deletion, Deletion::Held(why) if why.contains("127.0.0.1")), "{deletion:?}");
    assert_eq!(world.snaps(&image), json!(["snap!"]));
    drop(holder);
    assert_eq!(world.delete(&image).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_that_is_open_for_reading_goes_as_in_glance() {
    let world = World::new().await;
    let image = world.image();
    let holder = world.ceph.beside();
    holder.call(&json!(["hold", "images", image.id.as_str(), true]));
    assert_eq!(world.delete(&image).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_with_a_snapshot_of_somebody_s_goes_to_the_trash() {
    let world = World::new().await;
    let image = world.image();
    world.change_snap(&image, "create", "before-upgrade");
    assert!(matches!(world.delete(&image).await, Deletion::Retained(_)));
    assert!(world.is_in("trash", &image));
    world.repair(&image).await;
    assert_eq!(world.snaps(&image), json!(["before-upgrade", "snap!"]));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_lost_snapshot_is_recreated() {
    let world = World::new().await;
    let image = world.image();
    world.change_snap(&image, "unprotect", "snap");
    assert!(repairable(&world.stat(&image).await), "{:?}", world.stat(&image).await);
    world.change_snap(&image, "remove", "snap");
    assert!(repairable(&world.stat(&image).await), "{:?}", world.stat(&image).await);
    assert_eq!(world.snaps(&image), json!([]), "looking changes nothing");
    world.repair(&image).await;
    assert_eq!(world.snaps(&image), json!(["snap!"]));

    let lost = world.image();
    world.change_snap(&lost, "unprotect", "snap");
    world.change_snap(&lost, "remove", "snap");
    assert_eq!(world.delete(&lost).await, Deletion::Deleted, "and it is no obstacle");
}

/// Sends only the request that follows the check, as if the image was opened in between.
#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_refused_removal_does_not_recreate_the_snapshot() {
    let world = World::new().await;
    let image = world.image();
    world.beside.call(&json!(["write", "images", image.id.as_str(), encoded(OTHER)]));
    let holder = world.ceph.beside();
    holder.call(&json!(["hold", "images", image.id.as_str(), false]));
    let said = ask_helper(
        &world.ceph,
        &json!({"Delete": {
            "fsid": null, "pool": "images", "image": image.id.as_str(), "snap": "snap"
        }}),
    );
    assert_eq!(said["Ended"]["SnapGone"]["errno"], 16, "{said}");
    assert_eq!(world.snaps(&image), json!([]));
    assert!(repairable(&world.stat(&image).await));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn data_written_after_the_verification_began_does_not_come_back() {
    let world = World::new().await;
    let image = world.image();
    for change in ["unprotect", "remove"] {
        world.change_snap(&image, change, "snap");
    }
    assert_eq!(world.store.pin(&image.id, &image.uri).await, Ok(()));
    world.beside.call(&json!(["write", "images", image.id.as_str(), encoded(OTHER)]));
    assert_eq!(read(&world.store, &image).await.as_deref(), Some(DATA));
    world.repair(&image).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_repair_does_not_create_a_snapshot_that_was_not_pinned() {
    let world = World::new().await;
    let image = world.image();
    for change in ["unprotect", "remove"] {
        world.change_snap(&image, change, "snap");
    }
    assert!(world.store.repair(&image.id, &image.uri).await.is_err());
    assert_eq!(world.snaps(&image), json!([]));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn two_images_of_one_name_in_the_trash_are_for_an_operator() {
    let world = World::new().await;
    let image = world.image();
    for _ in 0..2 {
        world.beside.call(&json!(["trash_move", "images", image.id.as_str()]));
        world.beside.call(&json!(["put", "images", image.id.as_str(), encoded(DATA)]));
    }
    assert_eq!(world.delete(&image).await, Deletion::Deleted, "the one that has the name");
    let seen = world.stat(&image).await.unwrap_err();
    assert!(matches!(&seen, StoreError::Unreachable(why) if why.contains("several")), "{seen}");
    assert!(matches!(world.delete(&image).await, Deletion::Refused(_)));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn the_oldest_form_of_locations_is_served() {
    let world = World::new().await;
    let image = world.image();
    let old = StoreUri::parse(&format!("rbd://{}", image.id.as_str())).unwrap();
    let old = Image { id: image.id.clone(), uri: old };
    assert_eq!(world.stat(&old).await, Ok(PRESENT));
    assert_eq!(read(&world.store, &old).await.as_deref(), Some(DATA));
    assert!(matches!(world.delete(&old).await, Deletion::Retained(_)), "it has a snapshot");
    assert_eq!(world.delete(&world.image()).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn users_with_few_rights_change_nothing() {
    let world = World::new().await;
    let image = world.image();
    let reader = store(&config(&world.ceph, "glance-ro"));
    assert_eq!(reader.health().await, Ok(()));
    assert_eq!(reader.stat(&image.id, &image.uri).await, Ok(PRESENT));
    let nobody = store(&config(&world.ceph, "nobody"));
    assert!(matches!(nobody.health().await, Err(StoreError::Refused(_))));
    assert!(matches!(nobody.stat(&image.id, &image.uri).await, Err(StoreError::Refused(_))));
    let [halfway, blind] = ["halfway", "blind"].map(|user| store(&config(&world.ceph, user)));
    for store in [reader, nobody, halfway, blind] {
        let deletion = store.delete(&image.id, &image.uri).await;
        assert!(
            matches!(&deletion, Deletion::Refused(why) if why.contains("profile rbd pool=images")),
            "{deletion:?}"
        );
    }
    assert_eq!(world.snaps(&image), json!(["snap!"]));
    assert_eq!(world.stat(&image).await, Ok(PRESENT));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn another_cluster_proves_nothing() {
    let world = World::new().await;
    let image = world.image();
    let good = || config(&world.ceph, "glance");
    let unknown = RbdConfig { user: Some("stranger".to_owned()), ..good() };
    let no_conf = RbdConfig { ceph_conf: Some("/nonexistent/ceph.conf".into()), ..good() };
    for (config, word) in [(unknown, "keyring"), (no_conf, "rbd_store_ceph_conf")] {
        let store = store(&config);
        for error in [
            store.health().await.unwrap_err(),
            store.stat(&image.id, &image.uri).await.unwrap_err(),
        ] {
            assert!(
                matches!(&error, StoreError::Unreachable(why) if why.contains(word)),
                "{word}: {error}"
            );
        }
        assert!(matches!(store.delete(&image.id, &image.uri).await, Deletion::Refused(_)));
    }

    let text = image.uri.as_str().replace("/images/", "/nowhere/");
    let nowhere = store(&RbdConfig { pool: "nowhere".to_owned(), ..good() });
    let uri = StoreUri::parse(&text).unwrap();
    let error = nowhere.stat(&image.id, &uri).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unreachable(why) if why.contains("rbd_store_pool")));
    assert!(matches!(nowhere.delete(&image.id, &uri).await, Deletion::Refused(_)));

    let other = image.uri.as_str().replace(&world.ceph.fsid(), &uuid::Uuid::nil().to_string());
    let other = Image { id: image.id.clone(), uri: StoreUri::parse(&other).unwrap() };
    let error = world.stat(&other).await.unwrap_err();
    assert!(matches!(&error, StoreError::BadLocation(why) if why.contains(&world.ceph.fsid())));
    assert!(matches!(world.delete(&other).await, Deletion::Refused(_)));
    assert_eq!(world.snaps(&image), json!(["snap!"]));
}
