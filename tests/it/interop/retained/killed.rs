//! A recovery that dies half way is finished by the next one, whoever deleted the data.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::rbd::{snapped_image, trashed, with_pool};
use super::swift::{SEGMENT, with_container};
use super::{Destroyer, destroy, refusal};
use crate::support::ceph::{Beside, Ceph};
use crate::support::cloud::{Cloud, SMALL};
use crate::support::daemon::until;
use crate::support::database::Kind;
use crate::support::gateway::{Gateway, Play};
use crate::support::mortal::Mortal;
use crate::support::swift::Project;

/// Attempts to kill between two calls to Ceph.
const ATTEMPTS: usize = 20;

async fn status(cloud: &Cloud, id: &str) -> Option<String> {
    let status = format!("SELECT status FROM images WHERE id = '{id}'");
    cloud.database.rows(&status).await[0][0].clone()
}

/// Checks that the image is still scrubbed, and that the next revert brings it back whole.
async fn is_finished_by_the_next(cloud: &Cloud, id: &str, before: &Value, data: &[u8]) {
    assert_eq!(status(cloud, id).await.as_deref(), Some("deleted"));
    assert_eq!(cloud.service.scrub().await.seen, 0, "no pass takes it");
    for verify in ["exists", "none"] {
        let refused = cloud.service.revert_with(id, &json!({"verify": verify})).await;
        assert_eq!(refusal(&refused).1, "image.already_scrubbed", "{refused:?}");
        assert!(refusal(&refused).2.contains("checksum"), "{refused:?}");
    }
    let reverted = cloud.service.revert_with(id, &json!({"verify": "checksum"})).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(&cloud.document(id).await, before);
    assert_eq!(cloud.admin().download(id).await, (200, data.to_vec()));
}

fn snaps(beside: &Beside, id: &str) -> Vec<String> {
    serde_json::from_value(beside.call(&json!(["snaps", "images", id]))).unwrap()
}

/// Calls `kill` as soon as the image has left the trash.
async fn kill_when_back(ceph: &Ceph, id: &str, kill: impl Fn() + Send + 'static) {
    let (beside, id) = (ceph.beside(), json!(id));
    beside.call(&json!(["names", "images"]));
    let watch = move || {
        while !beside.call(&json!(["names", "images"])).as_array().unwrap().contains(&id) {}
        kill();
    };
    tokio::task::spawn_blocking(watch).await.unwrap();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Service,
    Helper,
}

/// Kills at the moment when the image has left the trash, until one kill came before its snapshot.
async fn out_of_the_trash_without_its_snapshot(victim: Victim) {
    let (cloud, ceph) = with_pool(Kind::Mariadb, Destroyer::Ours).await;
    let beside = ceph.beside();
    for _ in 0..ATTEMPTS {
        let (id, before) = snapped_image(&cloud, &ceph).await;
        destroy(&cloud, &id, Destroyer::Ours).await;
        let mut service = Mortal::start(&cloud, &[]).await;
        let (kill, kill_helpers) = (service.killer(), service.killer_of_helpers());
        let kill = move || match victim {
            Victim::Service => kill(),
            Victim::Helper => kill_helpers(),
        };
        let asked = service.revert(&cloud, &id, &json!({"verify": "checksum"}));
        kill_when_back(&ceph, &id, kill).await;
        let answer = asked.await.unwrap();
        if victim == Victim::Service {
            service.ended().await;
        }
        let left = snaps(&beside, &id);
        let is_early = left == ["mine"];
        if is_early {
            let answer = answer.ok().map(|answer| answer.status().as_u16());
            assert_eq!(answer, (victim == Victim::Helper).then_some(503));
        }
        if status(&cloud, &id).await.as_deref() == Some("deleted") {
            is_finished_by_the_next(&cloud, &id, &before, SMALL).await;
            let all = snaps(&beside, &id);
            assert!(all.contains(&"snap!".to_owned()), "{all:?}");
        }
        ceph.run(&["rbd", "snap", "rm", &format!("images/{id}@mine")]).await;
        if is_early {
            return;
        }
    }
    panic!("all kills came too late");
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_service_killed_between_the_trash_of_ceph_and_the_snapshot_is_followed_by_the_next() {
    out_of_the_trash_without_its_snapshot(Victim::Service).await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_helper_killed_between_the_trash_of_ceph_and_the_snapshot_is_followed_by_the_next() {
    out_of_the_trash_without_its_snapshot(Victim::Helper).await;
}

/// Keeps the image's row from being written, and kills the service when it waits for that.
async fn killed_before_its_rows(cloud: &Cloud, id: &str, is_back: impl AsyncFn() -> bool) {
    let row = format!("SELECT id FROM images WHERE id = '{id}' FOR UPDATE");
    let locked = cloud.database.open_transaction(&row).await;
    let mut service = Mortal::start(cloud, &[]).await;
    let asked = service.revert(cloud, id, &json!({"verify": "checksum"}));
    until("data that is back", async || is_back().await.then_some(())).await;
    service.killer()();
    service.ended().await;
    assert!(asked.await.unwrap().is_err());
    locked.rollback().await;
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_service_killed_between_ceph_and_the_rows_is_followed_by_the_next() {
    let by = Destroyer::Glance;
    let (cloud, ceph) = with_pool(Kind::Postgres, by).await;
    let beside = ceph.beside();
    let (id, before) = snapped_image(&cloud, &ceph).await;
    destroy(&cloud, &id, by).await;
    let is_protected = async || {
        trashed(&ceph, &id).await.is_none() && snaps(&beside, &id).contains(&"snap!".to_owned())
    };
    killed_before_its_rows(&cloud, &id, is_protected).await;
    let purge = cloud.run(&["retained", "purge", &id, "--older-than", "0s", "--yes", "--json"]);
    assert_eq!(purge.json_lines()[0]["reason"], "image.data_in_place", "{purge:?}");
    is_finished_by_the_next(&cloud, &id, &before, SMALL).await;
    ceph.run(&["rbd", "snap", "rm", &format!("images/{id}@mine")]).await;
}

async fn with_versions(kind: Kind) -> (Cloud, Project) {
    let (cloud, project) = with_container(kind, Destroyer::Ours).await;
    project.container.post("X-Versions-Enabled", "true").await;
    (cloud, project)
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_service_killed_between_a_container_and_the_rows_is_followed_by_the_next() {
    let (cloud, project) = with_versions(Kind::Mariadb).await;
    let id = cloud.image("cold", SMALL).await;
    let before = cloud.document(&id).await;
    destroy(&cloud, &id, Destroyer::Ours).await;
    let is_back = async || project.container.names().await == [id.as_str()];
    killed_before_its_rows(&cloud, &id, is_back).await;
    is_finished_by_the_next(&cloud, &id, &before, SMALL).await;
}

/// Kills the service when it is about to restore this object, which then never reaches Swift.
async fn killed_at(cloud: &Cloud, project: &Project, id: &str, object: &str) {
    let url = project.container.account.url.strip_prefix("http://").unwrap();
    let (swift, account) = url.split_once('/').unwrap();
    let gateway = Gateway::before(swift).await;
    let endpoint = format!("http://{}/{account}", gateway.address());
    let variables = [("OS_COLD__SWIFT_STORE_ENDPOINT", endpoint.as_str())];
    let mut service = Mortal::start(cloud, &variables).await;
    let (kill, was_killed) = (service.killer(), AtomicBool::new(false));
    let put = format!("PUT /{account}/{}/{object}?version-id=", project.container.name);
    gateway.play(move |asked, _| {
        if asked.starts_with(&put) {
            kill();
            was_killed.store(true, Ordering::Relaxed);
        }
        // nothing of a dead service arrives
        if was_killed.load(Ordering::Relaxed) {
            Play::Answer(503, String::new())
        } else {
            Play::Pass
        }
    });
    let asked = service.revert(cloud, id, &json!({"verify": "checksum"}));
    service.ended().await;
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn a_service_killed_between_the_parts_of_a_large_object_is_followed_by_the_next() {
    let (cloud, project) = with_versions(Kind::Postgres).await;
    let data: Vec<u8> = (0..=250).cycle().take(2 * SEGMENT).collect();
    let id = cloud.image("cold", &data).await;
    let before = cloud.document(&id).await;
    let segments = [format!("{id}-00001"), format!("{id}-00002")];
    for (object, left) in [(&segments[1], &segments[..1]), (&id, &segments[..])] {
        destroy(&cloud, &id, Destroyer::Ours).await;
        assert_eq!(project.container.names().await, Vec::<String>::new());
        killed_at(&cloud, &project, &id, object).await;
        assert_eq!(project.container.names().await, left);
        is_finished_by_the_next(&cloud, &id, &before, &data).await;
    }
}
