//! The S3 store with versioned buckets: retained data is reported as retained, other data as gone,
//! and what cannot be checked as unknown.

use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{
    Deletion, Presence, Retained, Store, StoreError, StoreId, StoreUri,
};
use glance_revert::store::StoreOptions;
use glance_revert::store::s3::S3Store;

use super::s3::{image, scripted};
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

    async fn retained(&self) -> Option<Retained> {
        self.store.retained(&self.id, &self.uri).await.unwrap()
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

async fn data_is_retained_since_the_first_marker_above_it(service: &Service) {
    let place = place(service).await;
    place.bucket.keep_versions().await;
    place.bucket.delete_object(place.id.as_str()).await;
    place.put().await;
    place.bucket.delete_object(place.id.as_str()).await;
    let since = place.retained().await.unwrap().since;
    assert!(since.is_some());
    for _ in 0..MANY {
        place.bucket.delete_object(place.id.as_str()).await;
    }
    assert_eq!(place.retained().await.unwrap().since, since);
}

async fn only_the_version_that_was_read_is_uncovered(service: &Service) {
    let place = place(service).await;
    let key = place.id.as_str();
    place.bucket.keep_versions().await;
    place.bucket.put(key, b"an older object").await;
    place.put().await;
    for _ in 0..2 {
        place.bucket.delete_object(key).await;
    }
    // Ceph does not add a second one
    let marks = place.bucket.versions(key).await.1;
    let read = place.retained().await.unwrap();
    // as a rule of the bucket, or somebody, may do after the data was read
    place.bucket.remove_version(key, &read.version).await;
    let refused = place.store.recover(&place.id, &place.uri, &read).await;
    assert!(
        matches!(&refused, Err(StoreError::Unreachable(why)) if why.contains("another version")),
        "{refused:?}"
    );
    assert_eq!(place.bucket.versions(key).await.1, marks, "no marker is removed");
    let older = place.retained().await.unwrap();
    place.store.recover(&place.id, &place.uri, &older).await.unwrap();
    assert_eq!(place.bucket.get(key).await.as_deref(), Some(&b"an older object"[..]));
}

async fn archived_data_is_left_to_an_operator(service: &Service) {
    let place = place(service).await;
    place.bucket.keep_versions().await;
    place.bucket.put_archived(place.id.as_str(), b"contents").await;
    place.bucket.delete_object(place.id.as_str()).await;
    let seen = place.stat().await;
    assert!(
        matches!(&seen, Ok(Presence::Hidden(how)) if how.contains("RestoreObject")),
        "{seen:?}"
    );
    assert_eq!(place.retained().await, None, "a revert cannot read it");
}

const NEWEST_MARKERS: &str = r#"
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <IsTruncated>true</IsTruncated>
  <NextKeyMarker>0a1b2c3d-0000-4000-8000-000000000001</NextKeyMarker>
  <NextVersionIdMarker>m2</NextVersionIdMarker>
  <DeleteMarker>
    <Key>0a1b2c3d-0000-4000-8000-000000000001</Key><VersionId>m3</VersionId>
    <IsLatest>true</IsLatest><LastModified>2026-03-09T10:00:00.000Z</LastModified>
  </DeleteMarker>
  <DeleteMarker>
    <Key>0a1b2c3d-0000-4000-8000-000000000001</Key><VersionId>m2</VersionId>
    <IsLatest>false</IsLatest><LastModified>2026-03-05T10:00:00.000Z</LastModified>
  </DeleteMarker>
</ListVersionsResult>"#;
const FIRST_MARKER: &str = r#"
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <IsTruncated>false</IsTruncated>
  <DeleteMarker>
    <Key>0a1b2c3d-0000-4000-8000-000000000001</Key><VersionId>m1</VersionId>
    <IsLatest>false</IsLatest><LastModified>2026-03-01T10:00:00.000Z</LastModified>
  </DeleteMarker>
  <Version>
    <Key>0a1b2c3d-0000-4000-8000-000000000001</Key><VersionId>v1</VersionId>
    <IsLatest>false</IsLatest><LastModified>2026-02-01T10:00:00.000Z</LastModified><Size>8</Size>
  </Version>
  <DeleteMarker>
    <Key>0a1b2c3d-0000-4000-8000-000000000001</Key><VersionId>m0</VersionId>
    <IsLatest>false</IsLatest><LastModified>2026-01-15T10:00:00.000Z</LastModified>
  </DeleteMarker>
</ListVersionsResult>"#;
const ENDS_AFTER_30_DAYS: &str = r#"
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Rule>
    <Status>Enabled</Status><Filter><Prefix></Prefix></Filter>
    <NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration>
  </Rule>
</LifecycleConfiguration>"#;

#[tokio::test]
async fn the_days_of_a_rule_count_from_the_first_marker_also_on_a_later_page() {
    let answers =
        [(200, "", NEWEST_MARKERS), (200, "", FIRST_MARKER), (200, "", ENDS_AFTER_30_DAYS)];
    let (store, uri, _) = scripted(&answers).await;
    let kept = store.retained(&image(), &uri).await.unwrap().unwrap();
    let day = |text: &str| Some(format!("{text}T10:00:00").parse().unwrap());
    assert_eq!((kept.since, kept.until), (day("2026-03-01"), day("2026-03-31")));
}

/// An archive that the listing does not show, such as the tiers of `INTELLIGENT_TIERING`.
#[tokio::test]
async fn a_version_that_turns_out_to_be_archived_is_said_to_be() {
    let body = "<Error><Code>InvalidObjectState</Code></Error>";
    let (store, uri, _) = scripted(&[(403, "", body)]).await;
    let (version, how) = ("v1".to_owned(), String::new());
    let kept = Retained { version, size: 8, since: None, until: None, how };
    let refused = store.read_retained(&image(), &uri, &kept).await.err();
    assert!(
        matches!(&refused, Some(StoreError::NotVerifiable(why)) if why.contains("archive")),
        "a retry would not help: {refused:?}"
    );
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
    data_is_retained_since_the_first_marker_above_it,
    only_the_version_that_was_read_is_uncovered,
    more_markers_than_fit_on_a_page_are_skipped,
    versions_that_may_not_be_seen_are_not_known
);
on!(
    moto,
    "needs moto; make test",
    a_mark_with_nothing_behind_it_hides_nothing,
    data_is_retained_since_the_first_marker_above_it,
    only_the_version_that_was_read_is_uncovered,
    archived_data_is_left_to_an_operator,
    more_markers_than_fit_on_a_page_are_skipped
);
