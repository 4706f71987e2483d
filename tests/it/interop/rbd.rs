//! Together with the real Glance and a pool of a real Ceph, alone and next to a file store:
//! reverted images have the same bytes, scrubbed images leave no object, and lost parts are
//! recreated.

use serde_json::{Value, json};

use crate::support::ceph::{Beside, Ceph, Shared, encoded};
use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::glance::{GlanceOptions, Stores};

const OTHER: &[u8] = b"not a bit of an image";

/// Direct access to the pool `images`.
struct Pool {
    ceph: Shared,
    beside: Beside,
}

/// The names of an image in Ceph.
struct Names {
    image: String,
    /// Ceph's own id of it, which is in the names of its objects.
    inner: String,
}

/// A cloud whose Glance has the pool `images` as its store `cold`.
async fn with_pool(kind: Kind) -> (Cloud, Pool) {
    let ceph = Ceph::shared().await;
    let modules = ceph.python_path();
    let options = GlanceOptions {
        stores: Stores::Multi,
        scrub_time: 3600,
        modules: Some(&modules),
        more: &[("cold", "rbd", ceph.store_options())],
        ..GlanceOptions::default()
    };
    let cloud = Cloud::start(kind, options).await;
    (cloud, Pool { beside: ceph.beside(), ceph })
}

impl Pool {
    async fn names(&self, id: &str) -> Names {
        let place = format!("images/{id}");
        let info = self.ceph.run(&["rbd", "info", "--format", "json", &place]).await;
        let info: Value = serde_json::from_str(&info).unwrap();
        let prefix = info["block_name_prefix"].as_str().unwrap();
        let inner = prefix.strip_prefix("rbd_data.").unwrap().to_owned();
        Names { image: id.to_owned(), inner }
    }

    /// What the pool still has of an image: its name, its entry in the trash, its objects.
    async fn left(&self, names: &Names) -> Vec<String> {
        let mut left = Vec::new();
        for command in [
            ["rbd", "ls", "images"].as_slice(),
            &["rbd", "trash", "ls", "--all", "images"],
            &["rados", "--pool", "images", "ls"],
        ] {
            let list = self.ceph.run(command).await;
            let of_image = |line: &&str| line.contains(&names.image) || line.contains(&names.inner);
            left.extend(list.lines().filter(of_image).map(str::to_owned));
        }
        left
    }

    /// Its snapshots, with `!` for protected ones.
    fn snaps(&self, id: &str) -> Value {
        self.beside.call(&json!(["snaps", "images", id]))
    }

    fn change_snap(&self, id: &str, change: &str) {
        self.beside.call(&json!(["change_snap", "images", id, change, "snap"]));
    }

    /// Writes to an image directly, after its snapshot.
    fn write(&self, id: &str, data: &[u8]) {
        self.beside.call(&json!(["write", "images", id, encoded(data)]));
    }
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn images_in_ceph_s_pool_come_back_and_leave_nothing() {
    let (cloud, pool) = with_pool(Kind::Mariadb).await;
    // Large enough for more than one of Ceph's objects.
    let large: Vec<u8> = (0..=250).cycle().take((20 << 20) + 3).collect();
    let (mut ids, mut all_names) = (Vec::new(), Vec::new());
    for data in [SMALL, &large] {
        let id = cloud.image("cold", data).await;
        cloud.comes_back(&id, data, "locations=1").await;
        let names = pool.names(&id).await;
        assert!(pool.left(&names).await.len() > 2);
        all_names.push(names);
        ids.push(id);
    }
    let kept = cloud.image("cold", SMALL).await;
    for id in &ids {
        cloud.delete_for_good(id).await;
    }
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (2, 0), "{report:?}");
    for names in &all_names {
        assert_eq!(pool.left(names).await, Vec::<String>::new());
    }
    assert_eq!(cloud.admin().download(&kept).await, (200, SMALL.to_vec()));
    assert_eq!(cloud.service.revert(&ids[0]).await.status, 409);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_a_folder_and_in_ceph_comes_back_in_both_and_leaves_both() {
    let (cloud, pool) = with_pool(Kind::Postgres).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    let (file, names) = (cloud.glance.datadir("fast").join(&id), pool.names(&id).await);
    assert!(file.exists());
    cloud.comes_back(&id, SMALL, "locations=2").await;
    assert_eq!(cloud.document(&id).await["stores"], "fast,cold");
    assert!(pool.left(&names).await.len() > 2);

    cloud.delete_for_good(&id).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (1, 0), "{report:?}");
    assert!(!file.exists());
    assert_eq!(pool.left(&names).await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_whose_snapshot_in_ceph_was_lost_comes_back_repaired() {
    let (cloud, pool) = with_pool(Kind::Sqlite).await;
    let id = cloud.image("cold", SMALL).await;
    assert_eq!(pool.snaps(&id), json!(["snap!"]));
    cloud.admin().delete(&id).await;
    for change in ["unprotect", "remove"] {
        pool.change_snap(&id, change);
    }
    let reverted = cloud.service.revert(&id).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert!(
        reverted.warnings.starts_with("location 1 was repaired: the location's snapshot"),
        "{reverted:?}"
    );
    assert_eq!(pool.snaps(&id), json!(["snap!"]));
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_a_group_of_ceph_s_that_was_written_to_comes_back_as_it_was_uploaded() {
    let (cloud, pool) = with_pool(Kind::Sqlite).await;
    let id = cloud.image("cold", SMALL).await;
    pool.write(&id, OTHER);
    pool.beside.call(&json!(["group", "images", id]));
    cloud.delete_for_good(&id).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (0, 1), "{report:?}");
    assert_eq!(pool.snaps(&id), json!(["snap!"]));
    let reverted = cloud.service.revert(&id).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
    pool.beside.call(&json!(["ungroup", "images", id]));
}

/// Left by a crash between creating and protecting the snapshot, or created by hand.
#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_ceph_snapshot_of_other_data_brings_no_image_back() {
    let (cloud, pool) = with_pool(Kind::Sqlite).await;
    let id = cloud.image("cold", SMALL).await;
    cloud.admin().delete(&id).await;
    for change in ["unprotect", "remove"] {
        pool.change_snap(&id, change);
    }
    pool.write(&id, OTHER);
    for _ in 0..2 {
        let reverted = cloud.service.revert(&id).await;
        assert_eq!(reverted.status, 409, "{reverted:?}");
        assert_eq!(pool.snaps(&id), json!(["snap"]), "there, and not to be believed");
    }
    assert_eq!(cloud.admin().show(&id).await.0, 404);

    let forget = "UPDATE images SET checksum = NULL, os_hash_algo = NULL";
    let saved = "CREATE TABLE saved AS SELECT id, checksum, os_hash_algo FROM images";
    cloud.database.execute(saved).await;
    cloud.database.execute(forget).await;
    let reverted = cloud.service.revert(&id).await;
    assert_eq!(reverted.body["error"]["reason"], "image.not_verifiable", "{reverted:?}");
    let remember = "UPDATE images SET (checksum, os_hash_algo) = \
                    (SELECT checksum, os_hash_algo FROM saved WHERE saved.id = images.id)";
    cloud.database.execute(remember).await;

    pool.write(&id, SMALL);
    for change in ["remove", "create"] {
        pool.change_snap(&id, change);
    }
    assert_eq!(cloud.service.revert(&id).await.status, 200);
    assert_eq!(pool.snaps(&id), json!(["snap!"]));
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}
