//! Together with the real Glance and a container of a Swift that uses a real Keystone, alone and
//! next to a file store: reverted images have the same bytes, and scrubbed images leave no object
//! and no segment.

use crate::support::cloud::{Cloud, SMALL};
use crate::support::database::Kind;
use crate::support::swift::Project;

/// Glance makes a large object without segments of it.
const NOTHING: &[u8] = b"";
/// The size of Glance's segments in this test. glance_store 5.7 cannot upload a size that is no
/// multiple of it.
const SEGMENT: usize = 1_024_000;

/// A Glance whose store `cold` is a container. Its login is in the store's options, and so in every
/// location.
async fn with_login_in_locations(kind: Kind) -> (Cloud, Project) {
    let project = Project::create().await;
    (Cloud::with_cold_store(kind, "swift", project.options()).await, project)
}

/// The same with the login in the file that `swift_store_config_file` names.
async fn with_reference(kind: Kind) -> (Cloud, Project) {
    let project = Project::create().await;
    (Cloud::with_cold_store(kind, "swift", project.options_by_reference()).await, project)
}

/// The names of an image's objects in the container.
async fn objects(project: &Project, id: &str) -> Vec<String> {
    let names = project.container.names().await.into_iter();
    names.filter(|name| name.starts_with(id)).collect()
}

fn data(segments: usize) -> Vec<u8> {
    (0..=250).cycle().take(segments * SEGMENT).collect()
}

async fn images_of_each_size_come_back_and_leave_nothing(cloud: Cloud, project: Project) {
    // More segments than Swift lists on one page.
    let large = data(11);
    let mut ids = Vec::new();
    for (data, count) in [(SMALL, 1), (&large, 12), (NOTHING, 1)] {
        let id = cloud.image("cold", data).await;
        assert_eq!(objects(&project, &id).await.len(), count);
        cloud.comes_back(&id, data, "locations=1").await;
        ids.push(id);
    }
    let kept = cloud.image("cold", SMALL).await;
    for id in &ids {
        cloud.delete_for_good(id).await;
    }
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (3, 0), "{report:?}");
    assert_eq!(project.container.names().await, [kept.as_str()], "no segment is left");
    assert_eq!(cloud.admin().download(&kept).await, (200, SMALL.to_vec()));
    assert_eq!(cloud.service.revert(&ids[0]).await.status, 409);
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn images_in_swift_with_the_login_in_locations_come_back_and_leave_nothing() {
    let (cloud, project) = with_login_in_locations(Kind::Postgres).await;
    images_of_each_size_come_back_and_leave_nothing(cloud, project).await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn images_in_swift_by_reference_come_back_and_leave_nothing() {
    let (cloud, project) = with_reference(Kind::Mariadb).await;
    images_of_each_size_come_back_and_leave_nothing(cloud, project).await;
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn an_image_in_a_folder_and_in_swift_comes_back_in_both_and_leaves_both() {
    let (cloud, project) = with_reference(Kind::Postgres).await;
    let data = data(2);
    let id = cloud.image("fast", &data).await;
    cloud.admin().copy_to(&id, "cold").await;
    let file = cloud.glance.datadir("fast").join(&id);
    assert!(file.exists());
    assert_eq!(objects(&project, &id).await.len(), 3);
    cloud.comes_back(&id, &data, "locations=2").await;
    let (_, image) = cloud.admin().show(&id).await;
    assert_eq!(image["stores"], "fast,cold");

    cloud.delete_for_good(&id).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (1, 0), "{report:?}");
    assert!(!file.exists());
    assert_eq!(project.container.names().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn an_image_that_is_gone_from_its_folder_comes_back_from_swift() {
    let (cloud, _project) = with_login_in_locations(Kind::Mariadb).await;
    let data = data(2);
    cloud.image("fast", &data).await;
    let id = cloud.image("fast", &data).await;
    cloud.admin().copy_to(&id, "cold").await;
    cloud.admin().delete(&id).await;
    std::fs::remove_file(cloud.glance.datadir("fast").join(&id)).unwrap();
    let reverted = cloud.service.revert(&id).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert!(reverted.restored.starts_with("locations=1,"), "{reverted:?}");
    assert_eq!(reverted.body["stores"], "cold");
    assert_eq!(cloud.admin().download(&id).await, (200, data));
}
