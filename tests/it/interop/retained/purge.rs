//! What real stores have kept is removed for good by `glance-revert retained purge`, and nothing else.

use serde_json::{Value, json};

use super::s3::{over_bucket, with_versions};
use super::swift::{SEGMENT, archive, with_container};
use super::{Destroyer, OTHER, destroy, refusal, retained, stays_gone};
use crate::support::binary::Run;
use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::s3::Service;

/// Purges one image, whenever it was scrubbed.
fn purge(cloud: &Cloud, id: &str) -> Run {
    cloud.run(&["retained", "purge", id, "--older-than", "0s", "--yes", "--json"])
}

/// What was told of the one image.
fn told(run: &Run) -> Value {
    let lines = run.json_lines();
    assert_eq!(lines.len(), 1, "{run:?}");
    lines[0].clone()
}

async fn only_what_is_kept_of_the_named_image_is_removed(s3: &Service) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_versions(s3, Kind::Sqlite, by).await;
    let (gone, other) = (cloud.image("cold", SMALL).await, cloud.image("cold", SMALL).await);
    let alive = cloud.image("cold", SMALL).await;
    // whose key begins with that of the image
    let longer = format!("{gone}-00001");
    bucket.put(&longer, OTHER).await;
    bucket.delete_object(&longer).await;
    for id in [&gone, &other] {
        destroy(&cloud, id, by).await;
    }
    // an older version, and one more mark
    bucket.put(&gone, OTHER).await;
    bucket.delete_object(&gone).await;

    let young = cloud.run(&["retained", "purge", &gone, "--yes"]);
    assert_eq!(young.exit, Some(1), "{young:?}");
    assert!(young.stderr.contains("image.too_young"), "{young:?}");
    let unasked = cloud.run(&["retained", "purge", &gone, "--older-than", "0s"]);
    assert_eq!(unasked.exit, Some(2), "nobody can be asked: {unasked:?}");
    let dry = cloud.run(&["retained", "purge", &gone, "--older-than", "0s", "--dry-run"]);
    assert_eq!(dry.exit, Some(0), "{dry:?}");
    let sizes = SMALL.len() + OTHER.len();
    assert!(dry.stdout.contains(&format!("cold: {sizes} B, 2 pieces")), "{dry:?}");
    assert_eq!(bucket.versions(&gone).await.0.len(), 2, "nothing was removed");
    let waits = told(&purge(&cloud, &alive));
    assert_eq!(waits["reason"], "image.already_active");

    let run = purge(&cloud, &gone);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let purged = told(&run);
    assert_eq!((&purged["purged"], &purged["reason"]), (&json!(true), &Value::Null));
    assert_eq!(purged["removed"], json!({"cold": {"pieces": 2, "bytes": sizes}}));
    assert_eq!(bucket.versions(&gone).await, (vec![], vec![]), "the marks went too");
    stays_gone(&cloud, &gone, "is gone").await;
    let audit = cloud.service.get("/v2/audit?operation=purgeRetained").await.body;
    assert_eq!(audit["audit"][0]["image_id"], json!(gone), "{audit}");
    assert_eq!(audit["audit"][0]["details"]["removed_bytes"]["cold"], sizes, "{audit}");

    let (kept, marks) = bucket.versions(&longer).await;
    assert_eq!((kept.len(), marks.len()), (1, 1), "of another key nothing was taken");
    let back = cloud.service.revert_with(&other, &json!({"verify": "checksum"})).await;
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(cloud.admin().download(&alive).await, (200, SMALL.to_vec()));
}

/// On MariaDB, which has whole seconds, the rows may look as if the data still waited.
async fn what_glance_destroyed_at_once_is_removed_too(s3: &Service) {
    let by = Destroyer::Glance;
    let (cloud, bucket) = with_versions(s3, Kind::Mariadb, by).await;
    for _ in 0..3 {
        let id = cloud.image("cold", SMALL).await;
        destroy(&cloud, &id, by).await;
        let run = purge(&cloud, &id);
        assert_eq!(run.exit, Some(0), "{run:?}");
        assert_eq!(bucket.versions(&id).await, (vec![], vec![]));
    }
}

/// The first entry was there before anything was removed.
async fn a_purge_is_recorded_before_and_after_and_is_no_other_scrubber(s3: &Service) {
    let by = Destroyer::Upstream;
    let (cloud, _) = with_versions(s3, Kind::Postgres, by).await;
    cloud.database.make_own_tables().await;
    cloud.database.grant_own_tables().await;
    let id = cloud.image("cold", SMALL).await;
    destroy(&cloud, &id, by).await;
    // lines are broken to fit
    let check = || cloud.check().split_whitespace().collect::<String>();
    assert!(check().contains(&id), "nothing of ours recorded it: {}", check());
    assert_eq!(purge(&cloud, &id).exit, Some(0));
    assert!(!check().contains(&id), "{}", check());
    let audit = cloud.service.get("/v2/audit?operation=purgeRetained").await.body;
    let details = |entry: usize| audit["audit"][entry]["details"].clone();
    let bytes = json!({"cold": SMALL.len()});
    assert_eq!((&details(0)["removed_bytes"], &details(0)["left_bytes"]), (&bytes, &json!({})));
    assert_eq!((&details(1)["kept_bytes"], &details(1)["removed_bytes"]), (&bytes, &Value::Null));
}

async fn what_has_come_to_its_place_is_not_touched(s3: &Service) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_versions(s3, Kind::Mariadb, by).await;
    let id = cloud.image("cold", SMALL).await;
    destroy(&cloud, &id, by).await;
    bucket.put(&id, OTHER).await;
    let refused = told(&purge(&cloud, &id));
    assert_eq!(refused["reason"], "image.data_in_place", "{refused}");
    assert_eq!(bucket.get(&id).await.as_deref(), Some(OTHER));
    assert_eq!(bucket.versions(&id).await.0.len(), 2);
}

async fn what_is_locked_stays_and_is_said_to_be_left(s3: &Service) {
    let by = Destroyer::Ours;
    let bucket = s3.locked_bucket().await;
    let cloud = over_bucket(s3, Kind::Postgres, by, None, &bucket).await;
    let id = cloud.image("cold", SMALL).await;
    bucket.lock(&id).await;
    destroy(&cloud, &id, by).await;
    let run = purge(&cloud, &id);
    assert_eq!(run.exit, Some(1), "{run:?}");
    let left = told(&run);
    assert_eq!((&left["purged"], &left["removed"]), (&json!(false), &json!({})), "{left}");
    assert_eq!(left["reason"], "image.data_left");
    assert_eq!(left["kept"]["cold"]["bytes"], SMALL.len(), "{left}");
    let message = left["message"].as_str().unwrap();
    assert!(message.contains("AccessDenied"), "{message}");
    assert!(message.contains("locked until 2099-01-01T00:00:00"), "{message}");
    let (kept, marks) = bucket.versions(&id).await;
    assert_eq!((kept.len(), marks.len()), (1, 1), "the mark still hides what is locked");
    assert_eq!(bucket.keys().await, Vec::<String>::new());
    let back = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(back.status, 200, "and it can still come back: {back:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
    assert_eq!(bucket.versions(&id).await, (kept, vec![]), "the locked version itself is back");
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn moto_loses_what_it_kept_of_an_image_that_glance_destroyed_at_once() {
    what_glance_destroyed_at_once_is_removed_too(&Service::moto().await).await;
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn what_moto_loses_is_recorded_before_and_after() {
    a_purge_is_recorded_before_and_after_and_is_no_other_scrubber(&Service::moto().await).await;
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn moto_loses_what_it_kept_of_the_named_image_alone() {
    only_what_is_kept_of_the_named_image_is_removed(&Service::moto().await).await;
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn an_object_that_has_come_to_its_place_is_not_purged() {
    what_has_come_to_its_place_is_not_touched(&Service::moto().await).await;
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn a_bucket_with_object_lock_keeps_what_it_has() {
    what_is_locked_stays_and_is_said_to_be_left(&Service::moto().await).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_bucket_of_ceph_with_object_lock_keeps_what_it_has_and_says_until_when() {
    what_is_locked_stays_and_is_said_to_be_left(&Service::rgw().await).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn the_gateway_of_ceph_loses_what_it_kept_of_the_named_image_alone() {
    only_what_is_kept_of_the_named_image_is_removed(&Service::rgw().await).await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_with_versions_loses_what_it_kept_of_a_large_object_and_of_nothing_else() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Postgres, by).await;
    project.container.post("X-Versions-Enabled", "true").await;
    let data: Vec<u8> = (0..=250).cycle().take(2 * SEGMENT).collect();
    let id = cloud.image("cold", &data).await;
    let other = cloud.image("cold", SMALL).await;
    for id in [&id, &other] {
        destroy(&cloud, id, by).await;
    }
    let run = purge(&cloud, &id);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(told(&run)["removed"]["cold"]["bytes"], data.len(), "{run:?}");
    assert_eq!(project.container.versions(&id).await, Vec::<Value>::new());
    stays_gone(&cloud, &id, "is gone").await;
    let back = cloud.service.revert_with(&other, &json!({"verify": "checksum"})).await;
    assert_eq!(back.status, 200, "{back:?}");
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_with_a_history_loses_what_it_kept() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Mariadb, by).await;
    archive(&project).await;
    project.container.post("X-History-Location", "archive").await;
    let (id, other) = (cloud.image("cold", SMALL).await, cloud.image("cold", SMALL).await);
    for id in [&id, &other] {
        destroy(&cloud, id, by).await;
    }
    let purged = told(&purge(&cloud, &id));
    assert_eq!(purged["removed"]["cold"]["pieces"], 1, "{purged}");
    let left = project.container.account.list("/archive").await;
    assert!(!left.is_empty() && left.iter().all(|name| name.contains(&other)), "{left:?}");
    stays_gone(&cloud, &id, "is gone").await;
    assert_eq!(retained(&cloud, &other).await.unwrap()["chance"], "checksum");
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn an_object_that_has_come_to_its_place_in_a_container_is_not_purged() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Sqlite, by).await;
    project.container.post("X-Versions-Enabled", "true").await;
    let id = cloud.image("cold", SMALL).await;
    destroy(&cloud, &id, by).await;
    project.container.put(&id, OTHER).await;
    let refused = told(&purge(&cloud, &id));
    assert_eq!(refused["reason"], "image.data_in_place", "{refused}");
    assert_eq!(project.container.get(&id).await.as_deref(), Some(OTHER));
    project.container.delete(&id).await;
    let purged = told(&purge(&cloud, &id));
    assert_eq!(purged["removed"]["cold"]["pieces"], 2, "{purged}");
    let gone = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(refusal(&gone).1, "image.already_scrubbed", "{gone:?}");
}
