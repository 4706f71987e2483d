//! Together with the real Glance and a bucket, alone and next to a file store: reverted images have
//! the same bytes, scrubbed images leave nothing, and data lost in one store is still in the other.

use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::s3::{ALL, S3Bucket, Service};

/// A Glance whose store `cold` is a bucket of Ceph's gateway.
async fn with_ceph(kind: Kind) -> (Cloud, S3Bucket) {
    with_bucket(&Service::rgw().await, kind).await
}

async fn with_bucket(s3: &Service, kind: Kind) -> (Cloud, S3Bucket) {
    let bucket = s3.bucket().await;
    (Cloud::with_cold_store(kind, "s3", s3.options(bucket.name())).await, bucket)
}

async fn small_and_large_come_back_and_leave_nothing(cloud: Cloud, bucket: S3Bucket) {
    let large: Vec<u8> = (0..=250).cycle().take(11 << 20).collect();
    let mut ids = Vec::new();
    for data in [SMALL, &large] {
        let id = cloud.image("cold", data).await;
        assert_eq!(bucket.get(&id).await.as_deref(), Some(data));
        cloud.comes_back(&id, data, "locations=1").await;
        ids.push(id);
    }
    let kept = cloud.image("cold", SMALL).await;
    assert_eq!(bucket.count().await, 3);
    for id in &ids {
        cloud.delete_for_good(id).await;
    }
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (2, 0), "{report:?}");
    assert_eq!(bucket.keys().await, [kept.as_str()]);
    assert_eq!(bucket.count().await, 1, "no part is left");
    assert_eq!(cloud.admin().download(&kept).await, (200, SMALL.to_vec()));
    assert_eq!(cloud.service.revert(&ids[0]).await.status, 409);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn images_in_ceph_come_back_and_leave_nothing() {
    let (cloud, bucket) = with_ceph(Kind::Mariadb).await;
    small_and_large_come_back_and_leave_nothing(cloud, bucket).await;
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn images_in_moto_come_back_and_leave_nothing() {
    let (cloud, bucket) = with_bucket(&Service::moto().await, Kind::Sqlite).await;
    small_and_large_come_back_and_leave_nothing(cloud, bucket).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_and_a_file_comes_back_with_what_is_left_of_it() {
    let (cloud, bucket) = with_ceph(Kind::Postgres).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    let file = cloud.glance.datadir("fast").join(&id);
    assert!(file.exists() && bucket.count().await == 1);
    cloud.comes_back(&id, SMALL, "locations=2").await;

    cloud.image("fast", SMALL).await;
    cloud.admin().delete(&id).await;
    std::fs::remove_file(&file).unwrap();
    let reverted = cloud.service.revert(&id).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert!(reverted.restored.starts_with("locations=1,"), "{reverted:?}");
    assert!(reverted.warnings.contains("is gone"), "{reverted:?}");
    assert_eq!(reverted.body["stores"], "cold");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_of_which_one_store_cannot_be_asked_is_not_begun() {
    let (cloud, bucket) = with_ceph(Kind::Mariadb).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    cloud.delete_for_good(&id).await;
    bucket.deny(&ALL).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.deferred), (0, 1), "{report:?}");
    assert!(report.alerts[0].contains("store cold"), "{report:?}");
    assert!(cloud.glance.datadir("fast").join(&id).exists());
    assert_eq!(cloud.service.revert(&id).await.status, 503, "nothing is written in doubt");
    bucket.allow().await;
    let reverted = cloud.service.revert(&id).await;
    assert!(reverted.restored.starts_with("locations=2,"), "{reverted:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_that_is_destroyed_in_part_is_finished_when_the_other_store_lets_it() {
    let (cloud, bucket) = with_ceph(Kind::Mariadb).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    cloud.delete_for_good(&id).await;
    bucket.deny(&["s3:DeleteObject"]).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.failed, report.claims_released), (1, 0), "{report:?}");
    assert!(report.failures[0].reason.contains("AccessDenied"), "{report:?}");
    assert!(!cloud.glance.datadir("fast").join(&id).exists());
    let refused = cloud.service.revert(&id).await;
    assert_eq!(refused.body["error"]["reason"], "image.scrub_in_progress", "{refused:?}");
    bucket.allow().await;
    assert_eq!(bucket.get(&id).await.as_deref(), Some(SMALL));
    let report = cloud.service.scrub().await;
    assert_eq!((report.resumed, report.scrubbed), (1, 1), "{report:?}");
    assert_eq!(bucket.count().await, 0);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_whose_first_store_refuses_is_released_whole() {
    let (cloud, bucket) = with_ceph(Kind::Mariadb).await;
    let id = cloud.image("cold", SMALL).await;
    cloud.admin().copy_to(&id, "fast").await;
    cloud.delete_for_good(&id).await;
    bucket.deny(&["s3:DeleteObject"]).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.failed, report.claims_released), (1, 1), "{report:?}");
    assert!(cloud.glance.datadir("fast").join(&id).exists());
    let reverted = cloud.service.revert(&id).await;
    assert!(reverted.restored.starts_with("locations=2,"), "{reverted:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}
