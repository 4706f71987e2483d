//! The S3 store with versioned buckets: retained data is reported as retained, other data as gone,
//! and what cannot be checked as unknown.

use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::s3::S3Store;

use crate::support::s3::{S3Bucket, Service};

/// More than fits on a page of a listing.
const MANY: usize = 60;

/// A bucket, a store for it, and the location of one image.
struct Place {
    bucket: S3Bucket,
    store: S3Store,
    id: ImageId,
    uri: StoreUri,
}

async fn place(service: &Service) -> Place {
    let bucket = service.bucket().await;
    let config = service.config(&service.authority, bucket.name());
    let options = StoreOptions::default();
    let store = S3Store::new(StoreId("bucket".to_owned()), &config, &options).unwrap();
    let id = uuid::Uuid::new_v4().to_string();
    let uri = format!("s3://{}/{}/{id}", service.authority, bucket.name());
    Place { bucket, store, id: ImageId::parse(&id).unwrap(), uri: StoreUri::parse(&uri).unwrap() }
}

impl Place {
    async fn put(&self) {
        self.bucket.put(self.id.as_str(), b"contents").await;
    }

    async fn stat(&self) -> Result<Presence, StoreError> {
        self.store.stat(&self.id, &self.uri).await
    }

    async fn delete(&self) -> Deletion {
        self.store.delete(&self.id, &self.uri).await
    }
}

async fn a_mark_with_nothing_behind_it_hides_nothing(service: &Service) {
    let place = place(service).await;
    place.bucket.set_versioning("Suspended").await;
    place.put().await;
    assert_eq!(place.delete().await, Deletion::Deleted, "there is no version to keep");
    assert_eq!(place.stat().await, Ok(Presence::Absent));
    assert_eq!(place.delete().await, Deletion::Gone);
}

async fn objects_written_while_versioning_was_on_are_retained(service: &Service) {
    let place = place(service).await;
    place.bucket.set_versioning("Enabled").await;
    place.put().await;
    place.bucket.set_versioning("Suspended").await;
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Retained(_)), "{deletion:?}");
    assert!(matches!(place.stat().await, Ok(Presence::Hidden(_))));
}

async fn more_markers_than_fit_on_a_page_are_skipped(service: &Service) {
    for is_kept in [false, true] {
        let place = place(service).await;
        place.bucket.set_versioning("Enabled").await;
        if is_kept {
            place.put().await;
        }
        // A kept object whose key begins with the same letters.
        place.bucket.put(&format!("{}0", place.id), b"another").await;
        for _ in 0..MANY {
            place.bucket.delete_object(place.id.as_str()).await;
        }
        let seen = place.stat().await;
        let is_hidden = matches!(seen, Ok(Presence::Hidden(_)));
        assert!(is_hidden == is_kept && (is_kept || seen == Ok(Presence::Absent)), "{seen:?}");
    }
}

async fn versions_that_may_not_be_seen_are_not_known(service: &Service) {
    let place = place(service).await;
    place.bucket.deny(&["s3:ListBucketVersions"]).await;
    assert_eq!(place.stat().await, Ok(Presence::Absent), "the bucket never had versions");
    place.bucket.set_versioning("Enabled").await;
    let unknown = place.stat().await.unwrap_err();
    assert!(
        matches!(&unknown, StoreError::Refused(why) if why.contains("s3:ListBucketVersions")),
        "{unknown}"
    );
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");

    place.put().await;
    let deletion = place.delete().await;
    assert!(
        matches!(&deletion, Deletion::Retained(how) if how.contains("cannot be seen")),
        "{deletion:?}"
    );
    let seen = place.stat().await;
    assert!(matches!(seen, Err(StoreError::Refused(_))), "this service marks no HEAD: {seen:?}");
    place.bucket.deny(&["s3:ListBucketVersions", "s3:GetBucketVersioning"]).await;
    let never = Place { id: ImageId::parse("never").unwrap(), ..place };
    let uri = never.uri.as_str().rsplit_once('/').unwrap().0.to_owned() + "/never";
    let seen = never.store.stat(&never.id, &StoreUri::parse(&uri).unwrap()).await;
    assert!(matches!(seen, Err(StoreError::Refused(_))), "{seen:?}");
}

macro_rules! on {
    ($service:ident, $ignored:literal, $($case:ident),+) => {
        mod $service {
            $(
                #[tokio::test]
                #[ignore = $ignored]
                async fn $case() {
                    super::$case(&super::Service::$service().await).await;
                }
            )+
        }
    };
}

on!(
    rgw,
    "needs Ceph; make test",
    a_mark_with_nothing_behind_it_hides_nothing,
    objects_written_while_versioning_was_on_are_retained,
    more_markers_than_fit_on_a_page_are_skipped,
    versions_that_may_not_be_seen_are_not_known
);
on!(
    moto,
    "needs moto; make test",
    a_mark_with_nothing_behind_it_hides_nothing,
    more_markers_than_fit_on_a_page_are_skipped
);
