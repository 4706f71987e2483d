//! Together with the real Glance: images whose data was destroyed, by our scrubber, by upstream's
//! or by Glance itself, come back from data that the stores retained, but only after its hash was
//! compared.

mod killed;
mod purge;
mod rbd;
mod s3;
mod swift;

use serde_json::json;

use crate::support::cloud::{Cloud, SMALL};
use crate::support::service::Answer;

/// As long as [`SMALL`].
const OTHER: &[u8] = b"other bit of an image";

/// What destroyed the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destroyer {
    Ours,
    Upstream,
    /// Glance itself (`delayed_delete = False`).
    Glance,
}

/// Deletes an image and lets its data be destroyed.
async fn destroy(cloud: &Cloud, id: &str, by: Destroyer) {
    match by {
        Destroyer::Glance => cloud.admin().delete(id).await,
        Destroyer::Ours => {
            cloud.delete(id).await;
            let report = cloud.service.scrub().await;
            assert_eq!((report.scrubbed, report.failed), (1, 0), "{report:?}");
        }
        Destroyer::Upstream => {
            cloud.delete(id).await;
            let finished = cloud.glance.run_scrubber().await;
            assert!(finished.output.contains("scrubbed successfully"), "{finished:?}");
        }
    }
    let status = format!("SELECT status FROM images WHERE id = '{id}'");
    assert_eq!(cloud.database.rows(&status).await, [[Some("deleted".to_owned())]]);
}

/// The status, reason and message of a refused revert.
fn refusal(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["error"];
    (answer.status, error["reason"].as_str().unwrap_or(""), error["message"].as_str().unwrap_or(""))
}

/// An image in the list of those that could come back.
async fn retained(cloud: &Cloud, id: &str) -> Option<serde_json::Value> {
    let page = cloud.service.get("/v2/retained-images").await.body;
    let images = page["retained_images"].as_array().unwrap_or_else(|| panic!("{page}"));
    images.iter().find(|image| image["id"] == id).cloned()
}

/// Checks that no revert brings the image back, and that trying recovers no data.
async fn stays_gone(cloud: &Cloud, id: &str, because: &str) {
    for verify in ["exists", "none", "checksum"] {
        let answer = cloud.service.revert_with(id, &json!({"verify": verify})).await;
        let (status, reason, message) = refusal(&answer);
        assert_eq!((status, reason), (409, "image.already_scrubbed"), "{answer:?}");
        if verify == "checksum" {
            assert!(message.contains(because), "{message}");
            assert!(!message.contains("verify"), "there is nothing to be tried: {message}");
        }
    }
    assert_eq!(cloud.admin().show(id).await.0, 404);
    if because == "is gone" {
        assert_eq!(retained(cloud, id).await, None);
    }
}

/// Checks that a revert without `checksum` is refused, and that one with it restores the image as
/// it was.
async fn comes_back_whole(cloud: &Cloud, id: &str, before: &serde_json::Value, restored: &str) {
    for verify in ["exists", "none"] {
        let answer = cloud.service.revert_with(id, &json!({"verify": verify})).await;
        let (status, reason, message) = refusal(&answer);
        assert_eq!((status, reason), (409, "image.already_scrubbed"), "{answer:?}");
        assert!(message.contains("kept it") && message.contains("checksum"), "{message}");
    }
    let preview = cloud.service.get(&format!("/v2/pending-deletes/{id}")).await.body;
    assert_eq!(preview["revertible"], false);
    let locations = preview["locations"].as_array().unwrap();
    let kept: Vec<_> = locations.iter().filter(|one| one["data"] == "retained").collect();
    assert_eq!(kept.len(), 1, "{preview}");
    assert_eq!(kept[0]["retained"]["size"], before["size"], "{preview}");

    let listed = retained(cloud, id).await.unwrap_or_else(|| panic!("{id} is not listed"));
    assert_eq!(listed["chance"], "checksum", "{listed}");
    assert_eq!(listed["kept_bytes"], before["size"], "{listed}");
    assert_eq!(listed["kept_until"], kept[0]["retained"]["until"], "{listed}");

    let checksum = json!({"verify": "checksum"});
    let tried = json!({"verify": "checksum", "dry_run": true});
    let tried = cloud.service.revert_with(id, &tried).await;
    assert!(tried.warnings.contains("will be recovered"), "{tried:?}");
    let again = cloud.service.revert(id).await;
    assert_eq!(again.status, 409, "the trial has brought nothing back: {again:?}");

    let reverted = cloud.service.revert_with(id, &checksum).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert!(reverted.restored.starts_with(restored), "{reverted:?}");
    assert!(reverted.warnings.contains("was recovered"), "{reverted:?}");
    assert_eq!(cloud.admin().download(id).await, (200, SMALL.to_vec()));
    assert_eq!(&cloud.document(id).await, before);
    assert_eq!(retained(cloud, id).await, None, "it lives");
    let again = cloud.service.revert_with(id, &checksum).await;
    let is_told = again.status == 200 || refusal(&again).1 == "image.already_active";
    assert!(is_told, "where our own tables are, the answer is given once more: {again:?}");
}
