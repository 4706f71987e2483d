//! In the trash of a Ceph pool.

use serde_json::json;

use super::{Destroyer, destroy, refusal, retained, stays_gone};
use crate::support::ceph::{Ceph, Shared};
use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::glance::{GlanceOptions, Stores};

pub(super) async fn with_pool(kind: Kind, by: Destroyer) -> (Cloud, Shared) {
    let ceph = Ceph::shared().await;
    let cloud = over_pool(kind, by, &ceph, ceph.store_options()).await;
    (cloud, ceph)
}

async fn over_pool(kind: Kind, by: Destroyer, ceph: &Ceph, pool: String) -> Cloud {
    let modules = ceph.python_path();
    let options = GlanceOptions {
        stores: Stores::Multi,
        at_once: by == Destroyer::Glance,
        modules: Some(&modules),
        more: &[("cold", "rbd", pool)],
        ..GlanceOptions::default()
    };
    Cloud::start(kind, options).await
}

/// An image that moves to the trash when it is deleted, because somebody made another snapshot; and
/// its document in Glance.
pub(super) async fn snapped_image(cloud: &Cloud, ceph: &Ceph) -> (String, serde_json::Value) {
    let id = cloud.image("cold", SMALL).await;
    cloud.admin().add_tag(&id, "t").await;
    ceph.run(&["rbd", "snap", "create", &format!("images/{id}@mine")]).await;
    let before = cloud.document(&id).await;
    (id, before)
}

/// The image's id in the trash.
pub(super) async fn trashed(ceph: &Ceph, id: &str) -> Option<String> {
    let list = ceph.run(&["rbd", "trash", "ls", "--all", "images"]).await;
    let line = list.lines().find(|line| line.contains(id))?;
    line.split_whitespace().next().map(str::to_owned)
}

async fn the_trash_gives_back(by: Destroyer, kind: Kind) {
    let (cloud, ceph) = with_pool(kind, by).await;
    let (id, before) = snapped_image(&cloud, &ceph).await;
    destroy(&cloud, &id, by).await;
    assert!(trashed(&ceph, &id).await.is_some());
    for verify in ["exists", "none"] {
        let refused = cloud.service.revert_with(&id, &json!({"verify": verify})).await;
        assert_eq!(refusal(&refused).1, "image.already_scrubbed", "{refused:?}");
        assert!(refusal(&refused).2.contains("trash"), "{refused:?}");
        assert!(refusal(&refused).2.contains("checksum"), "{refused:?}");
        assert!(trashed(&ceph, &id).await.is_some(), "it is left there");
    }
    let listed = retained(&cloud, &id).await.unwrap();
    assert_eq!((&listed["chance"], &listed["kept_bytes"]), (&json!("checksum"), &before["size"]));
    assert!(listed["locations"][0]["retained"]["since"].is_string(), "{listed}");
    let reverted = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(cloud.document(&id).await, before);
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
    assert_eq!(trashed(&ceph, &id).await, None);
    let snaps = ceph.run(&["rbd", "snap", "ls", &format!("images/{id}")]).await;
    assert!(snaps.lines().any(|line| line.contains("snap") && line.contains("yes")), "{snaps}");
    ceph.run(&["rbd", "snap", "rm", &format!("images/{id}@mine")]).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn the_trash_of_ceph_gives_back_what_our_scrubber_destroyed() {
    the_trash_gives_back(Destroyer::Ours, Kind::Mariadb).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn the_trash_of_ceph_gives_back_what_glance_destroyed_at_once() {
    the_trash_gives_back(Destroyer::Glance, Kind::Postgres).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_trash_of_ceph_that_was_purged_gives_nothing_back() {
    let by = Destroyer::Ours;
    let (cloud, ceph) = with_pool(Kind::Sqlite, by).await;
    let (id, _) = snapped_image(&cloud, &ceph).await;
    destroy(&cloud, &id, by).await;
    let inner = trashed(&ceph, &id).await.unwrap();
    ceph.run(&["rbd", "snap", "purge", "--pool", "images", "--image-id", &inner]).await;
    ceph.run(&["rbd", "trash", "rm", &format!("images/{inner}")]).await;
    stays_gone(&cloud, &id, "is gone").await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn the_trash_of_ceph_loses_an_image_and_its_snapshots_for_good() {
    let by = Destroyer::Ours;
    let (cloud, ceph) = with_pool(Kind::Mariadb, by).await;
    let (id, _) = snapped_image(&cloud, &ceph).await;
    let (other, _) = snapped_image(&cloud, &ceph).await;
    for id in [&id, &other] {
        destroy(&cloud, id, by).await;
    }
    let purge = ["retained", "purge", &id, "--older-than", "0s", "--yes", "--json"];
    let run = cloud.run(&purge);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let purged = &run.json_lines()[0];
    assert_eq!(
        (&purged["purged"], &purged["removed"]["cold"]["pieces"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(trashed(&ceph, &id).await, None);
    assert!(trashed(&ceph, &other).await.is_some(), "the other one is there");
    stays_gone(&cloud, &id, "is gone").await;
    let again = cloud.run(&purge);
    assert_eq!(again.exit, Some(0), "there is nothing left: {again:?}");
}

/// Purges the image in vain, and checks that its snapshot is still there for a revert.
async fn is_not_purged(cloud: &Cloud, ceph: &Shared, id: &str) {
    let run = cloud.run(&["retained", "purge", id, "--older-than", "0s", "--yes", "--json"]);
    let refused = &run.json_lines()[0];
    assert_eq!(run.exit, Some(1), "{run:?}");
    assert_eq!(
        (&refused["reason"], &refused["removed"]),
        (&json!("image.data_left"), &json!({})),
        "{refused}"
    );
    let inner = trashed(ceph, id).await.unwrap();
    let snaps = ceph.run(&["rbd", "snap", "ls", "--pool", "images", "--image-id", &inner]).await;
    assert!(snaps.contains("mine"), "{snaps}");
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_trash_of_ceph_that_keeps_an_image_until_a_time_keeps_its_snapshots_too() {
    let by = Destroyer::Ours;
    let (cloud, ceph) = with_pool(Kind::Sqlite, by).await;
    let (id, _) = snapped_image(&cloud, &ceph).await;
    destroy(&cloud, &id, by).await;
    let inner = trashed(&ceph, &id).await.unwrap();
    let image = format!("images/{id}");
    ceph.run(&["rbd", "trash", "restore", &format!("images/{inner}")]).await;
    ceph.run(&["rbd", "trash", "mv", &image, "--expires-at", "2037-01-01"]).await;
    is_not_purged(&cloud, &ceph, &id).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_the_trash_of_ceph_that_a_clone_needs_keeps_its_snapshots() {
    let by = Destroyer::Ours;
    let (cloud, ceph) = with_pool(Kind::Sqlite, by).await;
    let (id, _) = snapped_image(&cloud, &ceph).await;
    let (snap, clone) = (format!("images/{id}@mine"), format!("images/clone-of-{id}"));
    ceph.run(&["rbd", "clone", "--rbd-default-clone-format", "2", &snap, &clone]).await;
    destroy(&cloud, &id, by).await;
    is_not_purged(&cloud, &ceph, &id).await;
}

/// Seconds in a time as the API shows it.
fn seconds(time: &serde_json::Value) -> i64 {
    chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap().timestamp()
}

/// In a pool of its own, because its options apply to all images in it.
#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn check_says_what_the_trash_of_ceph_keeps_and_for_how_long() {
    let by = Destroyer::Glance;
    let ceph = Ceph::shared().await;
    let (pool, client, options) = ceph.own_pool().await;
    let cloud = over_pool(Kind::Sqlite, by, &ceph, options).await;
    let says = |what: &str| {
        // lines are broken to fit
        let report = cloud.check().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(report.contains(what), "{what} in {report}");
    };
    let images = async || ceph.run(&["rbd", "trash", "ls", "--all", &pool]).await.lines().count();
    says(&format!(
        "second chance: the trash of pool {pool} keeps only images with clones (v2) or other \
         snapshots: rbd_move_to_trash_on_remove is off for {client}; it is empty"
    ));
    let gone = cloud.image("cold", SMALL).await;
    destroy(&cloud, &gone, by).await;
    assert_eq!(images().await, 0);

    // by the monitors, which tell Glance's user the same
    let (all, time) = ("rbd_move_to_trash_on_remove", "rbd_move_to_trash_on_remove_expire_seconds");
    ceph.run(&["ceph", "config", "set", &client, all, "true"]).await;
    says("keeps each removed image until it is purged, which may be at any time");
    ceph.run(&["rbd", "config", "pool", "set", &pool, time, "604800"]).await;
    says(&format!(
        "keeps each removed image for at least 7 days ({all}, for {client}); it is empty"
    ));
    let id = cloud.image("cold", SMALL).await;
    let before = cloud.document(&id).await;
    destroy(&cloud, &id, by).await;
    assert_eq!(images().await, 1);
    says("; images in it: 1, the first to be kept until 20");
    let listed = retained(&cloud, &id).await.unwrap();
    let kept = &listed["locations"][0]["retained"];
    assert_eq!(seconds(&kept["until"]) - seconds(&kept["since"]), 604_800, "{listed}");

    // the pool's own options come before those of the monitors
    ceph.run(&["rbd", "config", "pool", "set", &pool, all, "false"]).await;
    says(&format!("{all} is off for {client}; images in it: 1"));
    let reverted = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(cloud.document(&id).await, before);
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
    says("; it is empty");
}
