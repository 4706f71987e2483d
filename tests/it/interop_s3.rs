//! Beside the real Glance with a bucket, alone and beside a folder: what comes back has the same
//! bytes, what is scrubbed leaves nothing, and what is lost in one store is there in the other.

use serde_json::json;

use crate::support::database::{Kind, TestDatabase};
use crate::support::glance::{Client, Glance, GlanceOptions, Stores};
use crate::support::s3::{ALL, S3Bucket, Service as S3};
use crate::support::service::Service;

const SMALL: &[u8] = b"every bit of an image";

/// A Glance whose store `cold` is a bucket, and the service beside it.
struct Cloud {
    database: TestDatabase,
    glance: Glance,
    service: Service,
    bucket: S3Bucket,
    _s3: S3,
}

impl Cloud {
    async fn start(s3: S3, kind: Kind) -> Self {
        let database = TestDatabase::create(kind).await;
        let bucket = s3.bucket().await;
        let cold = [("cold", "s3", s3.options(bucket.name()))];
        let options =
            GlanceOptions { stores: Stores::Multi, scrub_time: 3600, ..GlanceOptions::default() };
        let glance = Glance::start_with(&database, options, &cold).await;
        let service = Service::start(glance.config_file(), &database.url()).await;
        Self { database, glance, service, bucket, _s3: s3 }
    }

    fn admin(&self) -> Client {
        self.glance.admin()
    }

    async fn image(&self, store: &str, data: &[u8]) -> String {
        let image = json!({"name": "i", "disk_format": "raw", "container_format": "bare"});
        let id = self.admin().create_image(&image).await["id"].as_str().unwrap().to_owned();
        self.admin().upload_to(&id, store, data).await;
        id
    }

    /// Deletes an image, and lets its time come.
    async fn delete_for_good(&self, id: &str) {
        self.admin().delete(id).await;
        let sql = format!("UPDATE images SET deleted_at = '2020-01-01 00:00:00' WHERE id = '{id}'");
        self.database.execute(&sql).await;
    }

    async fn comes_back(&self, id: &str, data: &[u8], restored: &str) {
        self.admin().delete(id).await;
        let reverted = self.service.revert_with(id, &json!({"verify": "checksum"})).await;
        assert_eq!(reverted.status, 200, "{reverted:?}");
        assert!(reverted.restored.starts_with(restored), "{reverted:?}");
        assert_eq!(self.admin().download(id).await, (200, data.to_vec()));
    }
}

async fn small_and_large_come_back_and_leave_nothing(cloud: Cloud) {
    let large: Vec<u8> = (0..=250).cycle().take(11 << 20).collect();
    let mut ids = Vec::new();
    for data in [SMALL, &large] {
        let id = cloud.image("cold", data).await;
        assert_eq!(cloud.bucket.get(&id).await.as_deref(), Some(data));
        cloud.comes_back(&id, data, "locations=1").await;
        ids.push(id);
    }
    let kept = cloud.image("cold", SMALL).await;
    assert_eq!(cloud.bucket.count().await, 3);
    for id in &ids {
        cloud.delete_for_good(id).await;
    }
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (2, 0), "{report:?}");
    assert_eq!(cloud.bucket.keys().await, [kept.as_str()]);
    assert_eq!(cloud.bucket.count().await, 1, "no part is left");
    assert_eq!(cloud.admin().download(&kept).await, (200, SMALL.to_vec()));
    assert_eq!(cloud.service.revert(&ids[0]).await.status, 409);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn images_in_ceph_come_back_and_leave_nothing() {
    small_and_large_come_back_and_leave_nothing(Cloud::start(S3::rgw().await, Kind::Mariadb).await)
        .await;
}

#[tokio::test]
#[ignore = "needs moto; make test"]
async fn images_in_moto_come_back_and_leave_nothing() {
    small_and_large_come_back_and_leave_nothing(Cloud::start(S3::moto().await, Kind::Sqlite).await)
        .await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_and_a_file_comes_back_with_what_is_left_of_it() {
    let cloud = Cloud::start(S3::rgw().await, Kind::Postgres).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    let file = cloud.glance.datadir("fast").join(&id);
    assert!(file.exists() && cloud.bucket.count().await == 1);
    cloud.comes_back(&id, SMALL, "locations=2").await;

    cloud.admin().delete(&id).await;
    std::fs::remove_file(&file).unwrap();
    let reverted = cloud.service.revert(&id).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert!(reverted.restored.starts_with("locations=1,"), "{reverted:?}");
    assert!(reverted.warnings.contains("has no data any more"), "{reverted:?}");
    assert_eq!(reverted.body["stores"], "cold");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_of_which_one_store_cannot_be_asked_is_not_begun() {
    let cloud = Cloud::start(S3::rgw().await, Kind::Mariadb).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    cloud.delete_for_good(&id).await;
    cloud.bucket.deny(&ALL).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.deferred), (0, 1), "{report:?}");
    assert!(report.alarms[0].contains("store cold"), "{report:?}");
    assert!(cloud.glance.datadir("fast").join(&id).exists());
    assert_eq!(cloud.service.revert(&id).await.status, 503, "nothing is written in doubt");
    cloud.bucket.allow().await;
    let reverted = cloud.service.revert(&id).await;
    assert!(reverted.restored.starts_with("locations=2,"), "{reverted:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_that_is_destroyed_in_part_is_finished_when_the_other_store_lets_it() {
    let cloud = Cloud::start(S3::rgw().await, Kind::Mariadb).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    cloud.delete_for_good(&id).await;
    cloud.bucket.deny(&["s3:DeleteObject"]).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.failed, report.given_back), (1, 0), "{report:?}");
    assert!(report.failures[0].reason.contains("AccessDenied"), "{report:?}");
    assert!(!cloud.glance.datadir("fast").join(&id).exists());
    let refused = cloud.service.revert(&id).await;
    assert_eq!(refused.body["error"]["reason"], "image.scrub_in_progress", "{refused:?}");
    cloud.bucket.allow().await;
    assert_eq!(cloud.bucket.get(&id).await.as_deref(), Some(SMALL));
    let report = cloud.service.scrub().await;
    assert_eq!((report.resumed, report.scrubbed), (1, 1), "{report:?}");
    assert_eq!(cloud.bucket.count().await, 0);
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn an_image_in_ceph_whose_first_store_refuses_is_given_back_whole() {
    let cloud = Cloud::start(S3::rgw().await, Kind::Mariadb).await;
    let id = cloud.image("cold", SMALL).await;
    cloud.admin().copy_to(&id, "fast").await;
    cloud.delete_for_good(&id).await;
    cloud.bucket.deny(&["s3:DeleteObject"]).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.failed, report.given_back), (1, 1), "{report:?}");
    assert!(cloud.glance.datadir("fast").join(&id).exists());
    let reverted = cloud.service.revert(&id).await;
    assert!(reverted.restored.starts_with("locations=2,"), "{reverted:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}
