//! In buckets of Ceph's gateway and of moto.

use serde_json::json;

use super::{Destroyer, OTHER, comes_back_whole, destroy, refusal, retained, stays_gone};
use crate::support::cloud::{Cloud, SMALL};
use crate::support::daemon::until;
use crate::support::database::Kind;
use crate::support::glance::{GlanceOptions, Stores};
use crate::support::s3::{S3Bucket, Service};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A Glance whose store `cold` is a versioned bucket.
pub(super) async fn with_versions(s3: &Service, kind: Kind, by: Destroyer) -> (Cloud, S3Bucket) {
    let (cloud, bucket) = with_bucket(s3, kind, by, None).await;
    bucket.keep_versions().await;
    (cloud, bucket)
}

async fn with_bucket(
    s3: &Service,
    kind: Kind,
    by: Destroyer,
    encryption_key: Option<&'static str>,
) -> (Cloud, S3Bucket) {
    let bucket = s3.bucket().await;
    (over_bucket(s3, kind, by, encryption_key, &bucket).await, bucket)
}

pub(super) async fn over_bucket(
    s3: &Service,
    kind: Kind,
    by: Destroyer,
    encryption_key: Option<&'static str>,
    bucket: &S3Bucket,
) -> Cloud {
    let more = [("cold", "s3", s3.options(bucket.name()))];
    let options = GlanceOptions {
        stores: Stores::Multi,
        at_once: by == Destroyer::Glance,
        encryption_key,
        more: &more,
        ..GlanceOptions::default()
    };
    Cloud::start(kind, options).await
}

/// An image in the bucket with properties, tags and members.
async fn rich_image(cloud: &Cloud) -> (String, serde_json::Value) {
    let id = cloud.image("cold", SMALL).await;
    cloud.admin().add_tag(&id, "t").await;
    cloud.admin().add_member(&id, "p2").await;
    let added = json!([{"op": "add", "path": "/os_distro", "value": "debian"}]);
    cloud.admin().patch(&id, &added).await;
    let before = cloud.document(&id).await;
    (id, before)
}

async fn an_image_that_was_destroyed_comes_back(s3: &Service, kind: Kind, by: Destroyer) {
    let (cloud, bucket) = with_versions(s3, kind, by).await;
    let (id, before) = rich_image(&cloud).await;
    let other = cloud.image("cold", SMALL).await;
    // the second time there is another marker
    for _ in 0..2 {
        destroy(&cloud, &id, by).await;
        assert_eq!(bucket.keys().await, [other.as_str()]);
        comes_back_whole(&cloud, &id, &before, "locations=1, properties=1, tags=1, members=1")
            .await;
        assert_eq!(cloud.admin().members(&id).await, ["p2"]);
        assert_eq!(bucket.versions(&id).await.0.len(), 1, "nothing was written");
    }
    let report = cloud.service.scrub().await;
    assert_eq!(report.scrubbed, 0, "{report:?}");
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

/// An image that was uploaded while versions were in one state, and destroyed in another.
async fn an_image_comes_back_after_a_switch(s3: &Service, first: Option<&str>, then: &str) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_bucket(s3, Kind::Sqlite, by, None).await;
    if let Some(first) = first {
        bucket.set_versioning(first).await;
    }
    let (id, before) = rich_image(&cloud).await;
    let uploaded = bucket.versions(&id).await.0;
    bucket.set_versioning(then).await;
    destroy(&cloud, &id, by).await;
    comes_back_whole(&cloud, &id, &before, "locations=1, properties=1, tags=1, members=1").await;
    assert_eq!(bucket.versions(&id).await, (uploaded, Vec::new()), "nothing was written");
}

async fn what_is_in_an_archive_comes_back_once_it_was_restored(s3: &Service) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_versions(s3, Kind::Sqlite, by).await;
    let (id, before) = rich_image(&cloud).await;
    destroy(&cloud, &id, by).await;
    // as a rule of the bucket moves it
    bucket.end_versions(&id).await;
    bucket.put_archived(&id, SMALL).await;
    bucket.delete_object(&id).await;
    let listed = retained(&cloud, &id).await.unwrap_or_else(|| panic!("{id} is not listed"));
    assert_eq!(listed["chance"], "by_hand", "{listed}");
    stays_gone(&cloud, &id, "archive").await;

    // as RestoreObject and CopyObject do
    bucket.put(&id, SMALL).await;
    let reverted = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(cloud.document(&id).await, before);
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

async fn one_of_two_copies_comes_back(s3: &Service) {
    let by = Destroyer::Glance;
    let (cloud, bucket) = with_bucket(s3, Kind::Sqlite, by, Some(KEY)).await;
    bucket.keep_versions().await;
    bucket.end_versions_after(30).await;
    let id = cloud.image("fast", SMALL).await;
    cloud.admin().copy_to(&id, "cold").await;
    let mut before = cloud.document(&id).await;
    before["stores"] = json!("cold");
    before["locations"].as_array_mut().unwrap().remove(0);
    before["direct_url"] = before["locations"][0]["url"].clone();
    destroy(&cloud, &id, by).await;
    let preview = cloud.service.get(&format!("/v2/pending-deletes/{id}")).await.body;
    assert!(preview["locations"][0]["retained"]["until"].is_string(), "{preview}");
    comes_back_whole(&cloud, &id, &before, "locations=1,").await;
}

async fn what_is_not_the_images_stays_where_it_is(s3: &Service) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_versions(s3, Kind::Mariadb, by).await;
    let (id, _) = rich_image(&cloud).await;
    destroy(&cloud, &id, by).await;
    let forget =
        format!("UPDATE images SET os_hash_value = NULL, checksum = NULL WHERE id = '{id}'");
    let saved = "CREATE TABLE saved AS SELECT id, checksum, os_hash_value FROM images";
    cloud.database.execute(saved).await;
    cloud.database.execute(&forget).await;
    let checksum = json!({"verify": "checksum"});
    let unproved = cloud.service.revert_with(&id, &checksum).await;
    assert!(refusal(&unproved).2.contains("no hash of this image"), "{unproved:?}");
    let remember = "UPDATE images i JOIN saved s ON s.id = i.id SET i.checksum = s.checksum, \
                    i.os_hash_value = s.os_hash_value";
    cloud.database.execute(remember).await;

    // a newer object of somebody else with the same size
    bucket.put(&id, OTHER).await;
    let there = cloud.service.revert_with(&id, &checksum).await;
    assert_eq!(refusal(&there).1, "image.already_scrubbed", "{there:?}");
    assert_eq!(bucket.get(&id).await.as_deref(), Some(OTHER), "and is not touched");
    bucket.delete_object(&id).await;
    stays_gone(&cloud, &id, "different hash").await;
    assert_eq!(bucket.keys().await, Vec::<String>::new());

    bucket.end_versions(&id).await;
    stays_gone(&cloud, &id, "is gone").await;
}

async fn what_a_dead_revert_brought_back_is_taken_up(s3: &Service) {
    let by = Destroyer::Upstream;
    let (cloud, bucket) = with_versions(s3, Kind::Postgres, by).await;
    let (id, before) = rich_image(&cloud).await;
    destroy(&cloud, &id, by).await;
    bucket.remove_marks(&id).await;
    let refused = cloud.service.revert(&id).await;
    assert!(refusal(&refused).2.contains("there is data of the same size"), "{refused:?}");
    let reverted = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(cloud.document(&id).await, before);
    assert_eq!(cloud.admin().download(&id).await, (200, SMALL.to_vec()));
}

async fn many_come_back_together_and_each_is_told_what_it_lacks(s3: &Service) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_versions(s3, Kind::Mariadb, by).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(cloud.image("cold", SMALL).await);
    }
    let lost = cloud.image("cold", SMALL).await;
    for id in ids.iter().chain([&lost]) {
        destroy(&cloud, id, by).await;
    }
    // as a rule of the bucket removes it
    bucket.end_versions(&lost).await;
    assert_eq!(retained(&cloud, &lost).await, None);
    let all: Vec<_> = ids.iter().chain([&lost]).collect();
    let revert = async |verify: &str| {
        let body = json!({"image_ids": all, "verify": verify});
        cloud.service.post("/v2/pending-deletes/actions/revert", &body).await.body
    };
    let refused = revert("exists").await;
    assert_eq!(refused["counts"]["reasons"], json!({"image.already_scrubbed": 4}), "{refused}");
    let kept = |result: &serde_json::Value| result["message"].as_str().unwrap().contains("kept it");
    for result in refused["results"].as_array().unwrap() {
        assert_eq!(kept(result), result["image_id"] != json!(lost), "{result}");
    }
    let done = revert("checksum").await;
    assert_eq!((&done["counts"]["reverted"], &done["counts"]["failed"]), (&json!(3), &json!(1)));
    for id in &ids {
        assert_eq!(cloud.admin().download(id).await, (200, SMALL.to_vec()));
    }
}

/// By Ceph's own lifecycle.
async fn what_a_rule_has_removed_is_gone(s3: &Service) {
    let by = Destroyer::Ours;
    let (cloud, bucket) = with_versions(s3, Kind::Mariadb, by).await;
    let (id, _) = rich_image(&cloud).await;
    let alive = cloud.image("cold", SMALL).await;
    bucket.end_versions_after(1).await;
    destroy(&cloud, &id, by).await;
    let listed = retained(&cloud, &id).await.unwrap();
    assert!(listed["kept_until"].is_string(), "{listed}");
    until("a rule that has removed the version", async || {
        s3.apply_rules(&bucket).await;
        bucket.versions(&id).await.0.is_empty().then_some(())
    })
    .await;
    stays_gone(&cloud, &id, "is gone").await;
    let run = cloud.run(&["list", "--retained", "--json"]);
    assert!(run.exit == Some(0) && !run.stdout.contains(&id), "{run:?}");
    assert_eq!(cloud.admin().download(&alive).await, (200, SMALL.to_vec()));
}

async fn check_says_whether_there_is_a_second_chance(s3: &Service) {
    let (cloud, bucket) = with_bucket(s3, Kind::Sqlite, Destroyer::Ours, None).await;
    let chance = || {
        let report = cloud.check();
        let line = report.lines().find(|line| line.contains("store cold")).unwrap_or_default();
        line.split_once("second chance: ").map(|(_, rest)| rest.trim().to_owned())
    };
    assert_eq!(chance().as_deref(), Some("none"));
    bucket.keep_versions().await;
    let kept = "versioned: what is deleted is kept until somebody removes it";
    assert_eq!(chance().as_deref(), Some(kept));
    bucket.end_versions_after(7).await;
    assert_eq!(chance().as_deref(), Some("versioned: what is deleted is kept for 7 days"));
    bucket.set_versioning("Suspended").await;
    assert!(chance().unwrap().starts_with("versions are suspended"));
}

macro_rules! on {
    ($service:ident, $needs:literal: $($name:ident => $case:ident($($argument:expr),*);)+) => {
        mod $service {
            use super::*;
            $(
                #[tokio::test]
                #[ignore = $needs]
                async fn $name() {
                    $case(&Service::$service().await $(, $argument)*).await;
                }
            )+
        }
    };
}

on! { rgw, "needs Ceph; make test":
    what_our_scrubber_destroyed_comes_back
        => an_image_that_was_destroyed_comes_back(Kind::Mariadb, Destroyer::Ours);
    what_upstreams_scrubber_destroyed_comes_back
        => an_image_that_was_destroyed_comes_back(Kind::Postgres, Destroyer::Upstream);
    what_glance_destroyed_at_once_comes_back
        => an_image_that_was_destroyed_comes_back(Kind::Mariadb, Destroyer::Glance);
    what_was_uploaded_before_versions_were_suspended_comes_back
        => an_image_comes_back_after_a_switch(Some("Enabled"), "Suspended");
    what_was_uploaded_before_versions_were_enabled_comes_back
        => an_image_comes_back_after_a_switch(None, "Enabled");
    one_of_two_copies_comes_back_by_its_encrypted_location => one_of_two_copies_comes_back();
    what_is_not_the_images_is_left_alone => what_is_not_the_images_stays_where_it_is();
    what_a_dead_revert_left_is_taken_up => what_a_dead_revert_brought_back_is_taken_up();
    what_a_lifecycle_rule_has_removed_is_gone => what_a_rule_has_removed_is_gone();
    a_second_chance_is_told_by_check => check_says_whether_there_is_a_second_chance();
}

on! { moto, "needs moto; make test":
    what_was_uploaded_before_versions_were_enabled_comes_back
        => an_image_comes_back_after_a_switch(None, "Enabled");
    what_is_in_an_archive_comes_back => what_is_in_an_archive_comes_back_once_it_was_restored();
    what_our_scrubber_destroyed_comes_back
        => an_image_that_was_destroyed_comes_back(Kind::Postgres, Destroyer::Ours);
    what_upstreams_scrubber_destroyed_comes_back
        => an_image_that_was_destroyed_comes_back(Kind::Sqlite, Destroyer::Upstream);
    what_glance_destroyed_at_once_comes_back
        => an_image_that_was_destroyed_comes_back(Kind::Postgres, Destroyer::Glance);
    one_of_two_copies_comes_back_by_its_encrypted_location => one_of_two_copies_comes_back();
    what_is_not_the_images_is_left_alone => what_is_not_the_images_stays_where_it_is();
    many_come_back_together => many_come_back_together_and_each_is_told_what_it_lacks();
}
