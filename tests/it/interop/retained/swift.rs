//! In containers, for each of the three ways that keep versions.

use reqwest::Method;
use serde_json::json;

use super::{Destroyer, OTHER, comes_back_whole, destroy, refusal, retained, stays_gone};
use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::glance::{GlanceOptions, Stores};
use crate::support::swift::Project;

/// The size of Glance's segments in this test.
pub(super) const SEGMENT: usize = 1_024_000;

pub(super) async fn with_container(kind: Kind, by: Destroyer) -> (Cloud, Project) {
    let project = Project::create().await;
    let more = [("cold", "swift", project.options())];
    let options = GlanceOptions {
        stores: Stores::Multi,
        at_once: by == Destroyer::Glance,
        more: &more,
        ..GlanceOptions::default()
    };
    (Cloud::start(kind, options).await, project)
}

/// A second container, for the versions.
pub(super) async fn archive(project: &Project) {
    let account = &project.container.account;
    account.done(account.request(Method::PUT, "/archive")).await;
}

fn chance(cloud: &Cloud) -> String {
    let report = cloud.check();
    let line = report.lines().find(|line| line.contains("store cold")).unwrap_or_default();
    line.split_once("second chance: ").map_or("", |(_, rest)| rest).trim().to_owned()
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_with_versions_gives_back_what_glance_destroyed_at_once() {
    let by = Destroyer::Glance;
    let (cloud, project) = with_container(Kind::Postgres, by).await;
    assert_eq!(chance(&cloud), "none");
    project.container.post("X-Versions-Enabled", "true").await;
    assert!(chance(&cloud).starts_with("versioned (X-Versions-Enabled)"));
    let id = cloud.image("cold", SMALL).await;
    let before = cloud.document(&id).await;
    for _ in 0..2 {
        destroy(&cloud, &id, by).await;
        assert_eq!(project.container.names().await, Vec::<String>::new());
        comes_back_whole(&cloud, &id, &before, "locations=1,").await;
    }
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_with_a_history_gives_back_what_our_scrubber_destroyed() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Mariadb, by).await;
    archive(&project).await;
    project.container.post("X-History-Location", "archive").await;
    assert!(chance(&cloud).contains("X-History-Location"));
    let id = cloud.image("cold", SMALL).await;
    let before = cloud.document(&id).await;
    destroy(&cloud, &id, by).await;
    comes_back_whole(&cloud, &id, &before, "locations=1,").await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_that_keeps_what_is_overwritten_has_nothing_of_what_was_deleted() {
    let by = Destroyer::Upstream;
    let (cloud, project) = with_container(Kind::Sqlite, by).await;
    archive(&project).await;
    project.container.post("X-Versions-Location", "archive").await;
    assert!(chance(&cloud).starts_with("none: X-Versions-Location"));
    let id = cloud.image("cold", SMALL).await;
    destroy(&cloud, &id, by).await;
    stays_gone(&cloud, &id, "is gone").await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_s_other_data_is_neither_taken_nor_overwritten() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Sqlite, by).await;
    let container = &project.container;
    container.post("X-Versions-Enabled", "true").await;
    let id = cloud.image("cold", SMALL).await;
    destroy(&cloud, &id, by).await;
    container.put(&id, OTHER).await;
    let checksum = json!({"verify": "checksum"});
    let there = cloud.service.revert_with(&id, &checksum).await;
    assert_eq!(refusal(&there).1, "image.already_scrubbed", "{there:?}");
    assert_eq!(container.get(&id).await.as_deref(), Some(OTHER), "and is not touched");
    container.delete(&id).await;
    stays_gone(&cloud, &id, "different hash").await;
    assert_eq!(container.names().await, Vec::<String>::new());
}

/// Its manifest is one version, and each of its segments is another one.
async fn a_large_object_comes_back(by: Destroyer, kind: Kind) {
    let (cloud, project) = with_container(kind, by).await;
    project.container.post("X-Versions-Enabled", "true").await;
    let data: Vec<u8> = (0..=250).cycle().take(2 * SEGMENT).collect();
    let id = cloud.image("cold", &data).await;
    let before = cloud.document(&id).await;
    // a second time there are more versions of each
    for _ in 0..2 {
        destroy(&cloud, &id, by).await;
        assert_eq!(project.container.names().await, Vec::<String>::new());
        let listed = retained(&cloud, &id).await.unwrap();
        assert_eq!(
            (&listed["chance"], &listed["kept_bytes"]),
            (&json!("checksum"), &before["size"])
        );
        let reverted = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
        assert_eq!(reverted.status, 200, "{reverted:?}");
        assert_eq!(cloud.admin().download(&id).await, (200, data.clone()));
        assert_eq!(cloud.document(&id).await, before);
    }
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_with_versions_gives_back_a_large_object_with_all_its_segments() {
    a_large_object_comes_back(Destroyer::Ours, Kind::Mariadb).await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_container_with_versions_gives_back_a_large_object_that_glance_destroyed_at_once() {
    a_large_object_comes_back(Destroyer::Glance, Kind::Postgres).await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_large_object_of_which_a_segment_is_lost_does_not_come_back() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Sqlite, by).await;
    project.container.post("X-Versions-Enabled", "true").await;
    let data: Vec<u8> = (0..=250).cycle().take(2 * SEGMENT).collect();
    let id = cloud.image("cold", &data).await;
    destroy(&cloud, &id, by).await;
    let segment = format!("{id}-00002");
    for version in project.container.versions(&segment).await {
        let query = format!("?version-id={}", version["version_id"].as_str().unwrap());
        let account = &project.container.account;
        account.done(project.container.object(Method::DELETE, &segment, &query)).await;
    }
    let refused = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(refusal(&refused).1, "image.already_scrubbed", "{refused:?}");
    assert_eq!(project.container.names().await, Vec::<String>::new(), "nothing was brought back");
}

/// A copy of a manifest would be another object.
#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_history_s_large_objects_are_said_to_be_kept_and_are_left_to_the_operator() {
    let by = Destroyer::Ours;
    let (cloud, project) = with_container(Kind::Sqlite, by).await;
    archive(&project).await;
    project.container.post("X-History-Location", "archive").await;
    let data: Vec<u8> = (0..=250).cycle().take(2 * SEGMENT).collect();
    let id = cloud.image("cold", &data).await;
    destroy(&cloud, &id, by).await;
    let refused = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(refusal(&refused).1, "image.already_scrubbed", "{refused:?}");
    assert!(refusal(&refused).2.contains("keeps older versions"), "{refused:?}");
    assert_eq!(retained(&cloud, &id).await.unwrap()["chance"], "by_hand");
}
