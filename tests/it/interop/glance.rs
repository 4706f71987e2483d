//! Together with the real Glance, which creates, uploads, shares, tags and deletes images over its
//! API. For Glance, a reverted image must equal the image before its deletion, and a scrubbed image
//! must be gone as after `glance-scrubber`.

use serde_json::{Value, json};

use crate::support::cloud::{Cloud, SMALL as DATA};
use crate::support::daemon::until;
use crate::support::database::{Kind, TestDatabase, on_each_database};
use crate::support::glance::{GlanceOptions, Stores};

const KEY: &str = crate::support::canary::LONG_ENCRYPTION_KEY;

on_each_database! { with glance:
    a_reverted_image_is_the_one_from_before,
    a_reverted_image_with_an_encrypted_location_is_the_one_from_before,
    a_reverted_image_of_several_stores_is_the_one_from_before,
    a_reverted_image_of_several_encrypted_stores_is_the_one_from_before,
    an_image_that_upstream_restored_without_its_data_is_repaired,
    a_scrubbed_image_looks_as_after_glance_scrubber,
    an_image_of_several_encrypted_stores_is_scrubbed,
}

async fn a_reverted_image_is_the_one_from_before(kind: Kind) {
    everything_comes_back(kind, Stores::Single, None).await;
}

async fn a_reverted_image_with_an_encrypted_location_is_the_one_from_before(kind: Kind) {
    everything_comes_back(kind, Stores::Single, Some(KEY)).await;
}

async fn a_reverted_image_of_several_stores_is_the_one_from_before(kind: Kind) {
    everything_comes_back(kind, Stores::Multi, None).await;
}

async fn a_reverted_image_of_several_encrypted_stores_is_the_one_from_before(kind: Kind) {
    everything_comes_back(kind, Stores::Multi, Some(KEY)).await;
}

async fn start(kind: Kind, stores: Stores, key: Option<&'static str>, scrub_time: u32) -> Cloud {
    let options =
        GlanceOptions { stores, encryption_key: key, scrub_time, ..GlanceOptions::default() };
    Cloud::start(kind, options).await
}

/// An active image with properties, tags and members; one tag and one member were removed in
/// January.
async fn full_image(cloud: &Cloud, stores: Stores) -> String {
    let owner = cloud.glance.member_of("p1");
    let image = json!({
        "name": "höwdy", "disk_format": "raw", "container_format": "bare",
        "visibility": "shared", "min_ram": 7, "os_distro": "debian", "note": "ünïcode ☃",
        "empty": "", "kernel_id": "0a1b2c3d-0000-4000-8000-000000000001"
    });
    let id = owner.create_image(&image).await["id"].as_str().unwrap().to_owned();
    match stores {
        Stores::Single => owner.upload(&id, DATA).await,
        Stores::Multi => owner.upload_to(&id, "slow", DATA).await,
    }
    for tag in ["blue", "n0", "gone"] {
        owner.add_tag(&id, tag).await;
    }
    owner.remove_tag(&id, "gone").await;
    for member in ["friend", "revoked"] {
        owner.add_member(&id, member).await;
    }
    owner.remove_member(&id, "revoked").await;
    for table in ["image_tags", "image_members"] {
        let sql = format!(
            "UPDATE {table} SET deleted_at = '2026-01-01 12:00:00.123456' WHERE deleted = TRUE"
        );
        cloud.database.execute(&sql).await;
    }
    id
}

/// Ignores the order of tags, which Glance does not define, and the time of the change.
fn comparable(mut document: Value) -> Value {
    let mut tags: Vec<_> = document["tags"].as_array().unwrap().clone();
    tags.sort_by_key(ToString::to_string);
    document["tags"] = tags.into();
    document.as_object_mut().unwrap().remove("updated_at");
    document
}

async fn everything_comes_back(kind: Kind, stores: Stores, key: Option<&'static str>) {
    let cloud = start(kind, stores, key, 3600).await;
    let id = full_image(&cloud, stores).await;
    let owner = cloud.glance.member_of("p1");
    let before = owner.show(&id).await.1;
    owner.delete(&id).await;
    assert_eq!(owner.show(&id).await.0, 404);

    let listed = cloud.service.get("/v2/pending-deletes").await.body;
    assert_eq!(listed["pending_deletes"][0]["id"], json!(id));
    let preview = cloud.service.get(&format!("/v2/pending-deletes/{id}")).await.body;
    assert_eq!(
        (&preview["revertible"], &preview["locations"][0]["data"]),
        (&json!(true), &json!("present"))
    );

    let reverted = cloud.service.revert_with(&id, &json!({"verify": "checksum"})).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(reverted.restored, "locations=1, properties=4, tags=2, members=1");

    let (status, after) = owner.show(&id).await;
    assert_eq!(status, 200);
    assert_eq!(comparable(after.clone()), comparable(before));
    assert_eq!(reverted.body["updated_at"], after["updated_at"]);
    assert_eq!(comparable(reverted.body), comparable(after));
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()));
    assert_eq!(owner.members(&id).await, ["friend"]);
    assert_eq!(cloud.glance.member_of("friend").show(&id).await.0, 200);
    assert_eq!(cloud.glance.member_of("revoked").show(&id).await.0, 404);

    // With our own tables, which on SQLite are created by default, a lost response can be requested
    // again.
    let again = cloud.service.revert(&id).await;
    match kind {
        Kind::Sqlite => assert_eq!((again.status, &again.body["status"]), (200, &json!("active"))),
        Kind::Mariadb | Kind::Postgres => {
            assert_eq!(again.body["error"]["reason"], "image.already_active");
        }
    }
    cloud.service.scrub().await;
    cloud.glance.db_purge(0).await;
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()), "neither scrub nor purge takes it");
    assert_eq!(owner.show(&id).await.1["os_distro"], "debian");

    owner.delete(&id).await;
    assert_eq!(
        cloud.service.revert(&id).await.status,
        200,
        "it can be deleted and come back again"
    );
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()));
}

async fn an_image_that_upstream_restored_without_its_data_is_repaired(kind: Kind) {
    let cloud = start(kind, Stores::Single, None, 3600).await;
    let id = full_image(&cloud, Stores::Single).await;
    let owner = cloud.glance.member_of("p1");
    let before = owner.show(&id).await.1;
    owner.delete(&id).await;
    let restored = cloud.glance.restore(&id).await;
    assert!(restored.success, "{}", restored.output);
    assert_eq!(owner.download(&id).await, (204, Vec::new()), "active without its bits");

    let repaired = cloud.service.revert(&id).await;
    assert_eq!(repaired.status, 200, "{repaired:?}");
    assert_eq!(comparable(owner.show(&id).await.1), comparable(before));
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()));
    assert_eq!(owner.members(&id).await, ["friend"]);
    cloud.glance.db_purge(0).await;
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()));
}

async fn a_scrubbed_image_looks_as_after_glance_scrubber(kind: Kind) {
    let cloud = start(kind, Stores::Single, None, 0).await;
    let (ours, theirs) =
        (full_image(&cloud, Stores::Single).await, full_image(&cloud, Stores::Single).await);
    let owner = cloud.glance.member_of("p1");

    owner.delete(&theirs).await;
    all_are_due(&cloud.database, kind).await;
    let finished = cloud.glance.run_scrubber().await;
    assert!(finished.success, "{}", finished.output);
    owner.delete(&ours).await;
    all_are_due(&cloud.database, kind).await;
    let report = cloud.service.scrub().await;
    // MariaDB's times have whole seconds: images that upstream destroyed within one second may be
    // examined too.
    let asked = if kind == Kind::Mariadb { report.data_gone } else { 0 };
    assert!(asked <= 1, "{report:?}");
    assert_eq!((report.scrubbed, report.failed), (1 + asked, 0), "{report:?}");

    for id in [&ours, &theirs] {
        assert!(!cloud.glance.datadir("images").join(id).exists());
    }
    assert_eq!(rows_of(&cloud.database, &ours).await, rows_of(&cloud.database, &theirs).await);
    let refused = cloud.service.revert(&ours).await;
    assert_eq!(
        (refused.status, &refused.body["error"]["reason"]),
        (409, &json!("image.already_scrubbed"))
    );
    assert_eq!(cloud.service.revert(&theirs).await.status, 409);
}

/// MySQL rounds times to whole seconds, so an image deleted just now may become due a moment later.
async fn all_are_due(database: &TestDatabase, kind: Kind) {
    if kind != Kind::Mariadb {
        return;
    }
    let later = "SELECT (SELECT COUNT(*) FROM images WHERE deleted_at > UTC_TIMESTAMP()) + \
                 (SELECT COUNT(*) FROM image_locations WHERE deleted_at > UTC_TIMESTAMP())";
    until("the deleted images to be due", async || {
        (database.rows(later).await[0][0].as_deref() == Some("0")).then_some(())
    })
    .await;
}

/// Every row of an image, without its id, and with times only as present or absent.
async fn rows_of(database: &TestDatabase, id: &str) -> Vec<Vec<Vec<Option<String>>>> {
    let mut all = Vec::new();
    for (table, column, key) in [
        ("images", "status", "id"),
        ("image_locations", "status", "image_id"),
        ("image_properties", "name", "image_id"),
        ("image_tags", "value", "image_id"),
        ("image_members", "member", "image_id"),
    ] {
        let sql = format!(
            "SELECT {column}, deleted, CASE WHEN deleted_at IS NULL THEN 'none' ELSE 'some' END, \
             CASE WHEN updated_at IS NULL THEN 'none' ELSE 'some' END FROM {table} \
             WHERE {key} = '{id}' ORDER BY {column}"
        );
        all.push(database.rows(&sql).await);
    }
    all
}

async fn an_image_of_several_encrypted_stores_is_scrubbed(kind: Kind) {
    let cloud = start(kind, Stores::Multi, Some(KEY), 0).await;
    let (deleted, alive) =
        (full_image(&cloud, Stores::Multi).await, full_image(&cloud, Stores::Multi).await);
    let owner = cloud.glance.member_of("p1");
    owner.delete(&deleted).await;
    all_are_due(&cloud.database, kind).await;
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (1, 0), "{report:?}");
    let datadir = cloud.glance.datadir("slow");
    assert!(!datadir.join(&deleted).exists() && datadir.join(&alive).exists());
    assert_eq!(owner.download(&alive).await, (200, DATA.to_vec()));
}
