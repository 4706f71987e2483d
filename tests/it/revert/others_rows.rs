//! Rows that the real Glance leaves when its DELETE is cut short, sent again, or stalls while the
//! image is reverted; and rows that other programs write.

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::cloud::{Cloud, SMALL as DATA};
use crate::support::database::{Kind, on_each_database};
use crate::support::glance::{GlanceOptions, Stores};

on_each_database! { with glance:
    a_delete_that_died_and_was_sent_again_leaves_an_image_that_comes_back,
    an_image_that_upstream_restored_and_that_was_deleted_again_comes_back,
    a_delete_that_goes_on_after_a_revert_leaves_an_image_that_comes_back_again,
    rows_that_a_delete_left_after_a_revert_are_scrubbed_when_due,
    all_copies_come_back_from_a_slow_delete_with_every_property,
    a_copy_stays_out_with_a_warning_if_the_delete_stalled_before_the_next_one,
    a_copy_removed_seconds_before_the_delete_stays_out_with_a_warning,
    a_deactivated_image_that_its_owner_deleted_comes_back_while_its_data_is_there,
    a_deactivated_image_that_its_owner_deleted_is_scrubbed_when_it_is_due,
    a_live_location_of_a_deleted_image_is_verified_and_scrubbed_like_the_others,
    an_image_whose_deletion_time_is_lost_is_listed_and_scrubbed,
}

/// Uses no grace period, so that no test has to wait for one.
async fn start(kind: Kind, stores: Stores) -> Cloud {
    let options = GlanceOptions { stores, scrub_time: 3600, ..GlanceOptions::default() };
    Cloud::start_with(kind, options, "delete_grace = 0\n").await
}

/// An active image with a copy in each store, properties, a tag and a member.
async fn image(cloud: &Cloud, stores: Stores) -> String {
    let owner = cloud.glance.member_of("p1");
    let image = json!({"name": "i", "disk_format": "raw", "container_format": "bare",
        "visibility": "shared", "os_distro": "debian", "note": "kept"});
    let id = owner.create_image(&image).await["id"].as_str().unwrap().to_owned();
    owner.upload(&id, DATA).await;
    owner.add_tag(&id, "blue").await;
    owner.add_member(&id, "friend").await;
    if stores == Stores::Multi {
        cloud.admin().copy_to(&id, "slow").await;
    }
    id
}

fn file(cloud: &Cloud, store: &str, id: &str) -> bool {
    cloud.glance.datadir(store).join(id).exists()
}

/// `status deleted` of the image, then of its locations.
async fn rows(cloud: &Cloud, id: &str) -> String {
    let of = async |table: &str, key: &str| {
        let sql = format!("SELECT status, deleted FROM {table} WHERE {key} = '{id}'");
        let rows = cloud.database.rows(&sql).await;
        let row = |row: &Vec<Option<String>>| {
            row.iter().map(|cell| cell.clone().unwrap()).collect::<Vec<_>>().join(" ")
        };
        rows.iter().map(row).collect::<Vec<_>>().join(", ")
    };
    format!("{} | {}", of("images", "id").await, of("image_locations", "image_id").await)
}

async fn listed(cloud: &Cloud) -> Vec<Value> {
    let body = cloud.service.get("/v2/pending-deletes").await.body;
    body["pending_deletes"].as_array().unwrap().iter().map(|image| image["id"].clone()).collect()
}

/// Makes every time of an image earlier by this many seconds.
async fn age(cloud: &Cloud, id: &str, seconds: i64) {
    for (table, key) in [
        ("images", "id"),
        ("image_locations", "image_id"),
        ("image_properties", "image_id"),
        ("image_tags", "image_id"),
        ("image_members", "image_id"),
    ] {
        cloud.database.earlier(table, &format!("{key} = '{id}'"), seconds).await;
    }
}

/// The image as Glance shows it. Locations are sorted, because databases may return them in another
/// order once rows were written.
async fn document(cloud: &Cloud, id: &str) -> Value {
    let mut document = cloud.document(id).await;
    document["locations"].as_array_mut().unwrap().sort_by_key(|one| one["url"].to_string());
    let mut stores: Vec<_> =
        document["stores"].as_str().unwrap_or_default().split(',').map(str::to_owned).collect();
    stores.sort();
    document["stores"] = json!(stores);
    document["direct_url"].take();
    document
}

/// Checks that the gauges count one image.
async fn is_counted(cloud: &Cloud) {
    let config = DatabaseConfig::parse(&cloud.database.url(), "").unwrap();
    let repo = Database::open(&config, 1).unwrap().scrub_repo;
    let now = repo.now().await.unwrap();
    let pending = repo.outlook([now; 3], now).await.unwrap().pending;
    assert_eq!((pending.images, pending.bytes), (1, DATA.len() as u64));
}

/// Checks that the image is listed and comes back, and that Glance shows it as `before`.
async fn comes_back(cloud: &Cloud, id: &str, before: &Value) -> String {
    assert_eq!(listed(cloud).await, [json!(id)]);
    let preview = cloud.service.get(&format!("/v2/pending-deletes/{id}")).await.body;
    assert_eq!(preview["revertible"], true, "{preview}");
    assert!(preview["scrub_at"].is_string(), "{preview}");
    let reverted = cloud.service.revert(id).await;
    assert_eq!(reverted.status, 200, "{reverted:?}");
    assert_eq!(document(cloud, id).await, *before);
    assert_eq!(cloud.admin().download(id).await, (200, DATA.to_vec()));
    assert_eq!(cloud.glance.member_of("p1").members(id).await, ["friend"]);
    reverted.warnings
}

/// Makes the image due, and checks that a pass destroys all of it.
async fn is_scrubbed(cloud: &Cloud, id: &str) {
    age(cloud, id, 7200).await;
    let plan = cloud.service.get("/v2/scrubber/plan").await.body;
    assert_eq!(plan["images"], 1, "{plan}");
    let report = cloud.service.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (1, 0), "{report:?}");
    assert!(report.alerts.is_empty(), "{report:?}");
    assert!(["images", "fast", "slow"].iter().all(|store| !file(cloud, store, id)));
    assert_eq!(listed(cloud).await, [json!(null); 0]);
    assert_eq!(cloud.service.revert(id).await.body["error"]["reason"], "image.already_scrubbed");
    let again = cloud.service.scrub().await;
    assert_eq!((again.seen, again.scrubbed), (0, 0), "{again:?}");
}

async fn a_delete_that_died_and_was_sent_again_leaves_an_image_that_comes_back(kind: Kind) {
    let mut cloud = start(kind, Stores::Single).await;
    let id = image(&cloud, Stores::Single).await;
    let before = document(&cloud, &id).await;
    drop(cloud.glance.delete_and_stop_after(&id, 2).await);
    cloud.glance.kill_and_start_again().await;
    cloud.glance.member_of("p1").delete(&id).await;
    assert_eq!(rows(&cloud, &id).await, "deleted 1 | pending_delete 1");

    is_counted(&cloud).await;
    assert_eq!(comes_back(&cloud, &id, &before).await, "");

    drop(cloud.glance.delete_and_stop_after(&id, 2).await);
    cloud.glance.kill_and_start_again().await;
    cloud.glance.member_of("p1").delete(&id).await;
    is_scrubbed(&cloud, &id).await;
}

async fn an_image_that_upstream_restored_and_that_was_deleted_again_comes_back(kind: Kind) {
    let cloud = start(kind, Stores::Single).await;
    let id = image(&cloud, Stores::Single).await;
    let owner = cloud.glance.member_of("p1");
    owner.delete(&id).await;
    assert!(cloud.glance.restore(&id).await.success);
    owner.delete(&id).await;
    assert_eq!(rows(&cloud, &id).await, "deleted 1 | pending_delete 1");

    assert_eq!(listed(&cloud).await, [json!(id)]);
    assert_eq!(cloud.service.revert(&id).await.status, 200);
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()));
    assert_eq!(document(&cloud, &id).await["os_distro"], "debian");
}

async fn a_delete_that_goes_on_after_a_revert_leaves_an_image_that_comes_back_again(kind: Kind) {
    let cloud = start(kind, Stores::Single).await;
    for (commits, left) in [
        (1, "pending_delete 1 | deleted 1"),
        (2, "pending_delete 1 | deleted 1"),
        (3, "active 1 | deleted 1"),
    ] {
        let id = image(&cloud, Stores::Single).await;
        let before = document(&cloud, &id).await;
        let delete = cloud.glance.delete_and_stop_after(&id, commits).await;
        let reverted = cloud.service.revert(&id).await;
        assert_eq!(reverted.status, 200, "after {commits}: {reverted:?}");
        assert_eq!(document(&cloud, &id).await, before, "after {commits}");
        delete.go_on().await;
        // the second stamp of a location has its own UPDATE
        let left = if commits == 1 { rows(&cloud, &id).await } else { left.to_owned() };
        assert_eq!(rows(&cloud, &id).await, left, "after {commits}");

        is_counted(&cloud).await;
        assert_eq!(comes_back(&cloud, &id, &before).await, "", "after {commits}");
    }
}

async fn rows_that_a_delete_left_after_a_revert_are_scrubbed_when_due(kind: Kind) {
    let cloud = start(kind, Stores::Single).await;
    for commits in [2, 3] {
        let id = image(&cloud, Stores::Single).await;
        let delete = cloud.glance.delete_and_stop_after(&id, commits).await;
        assert_eq!(cloud.service.revert(&id).await.status, 200);
        delete.go_on().await;
        let early = cloud.service.scrub().await;
        assert_eq!((early.seen, file(&cloud, "images", &id)), (0, true), "{early:?}");
        is_scrubbed(&cloud, &id).await;
    }
}

async fn all_copies_come_back_from_a_slow_delete_with_every_property(kind: Kind) {
    let cloud = start(kind, Stores::Multi).await;
    let id = image(&cloud, Stores::Multi).await;
    let before = document(&cloud, &id).await;
    // Both locations and the properties are stamped; the image's own time follows over a minute
    // later.
    let delete = cloud.glance.delete_and_stop_after(&id, 5).await;
    age(&cloud, &id, 65).await;
    delete.go_on().await;
    assert_eq!(comes_back(&cloud, &id, &before).await, "");

    // Both locations are stamped; properties and image follow over a minute later.
    let delete = cloud.glance.delete_and_stop_after(&id, 4).await;
    age(&cloud, &id, 65).await;
    delete.go_on().await;
    assert_eq!(comes_back(&cloud, &id, &before).await, "");
}

/// The real DELETE stamps each location twice before it goes on to the next one, then writes the
/// status, then the rest: of two locations, a stall after commit 2 or 3 tears their stamps apart.
async fn a_copy_stays_out_with_a_warning_if_the_delete_stalled_before_the_next_one(kind: Kind) {
    let cloud = start(kind, Stores::Multi).await;
    for commits in 1..=5 {
        let id = image(&cloud, Stores::Multi).await;
        let before = document(&cloud, &id).await;
        let delete = cloud.glance.delete_and_stop_after(&id, commits).await;
        age(&cloud, &id, 65).await;
        delete.go_on().await;
        if matches!(commits, 2 | 3) {
            comes_back_without_fast(&cloud, &id).await;
            // as the warning says: once it is scrubbed, the image can be copied there again
            age(&cloud, &id, 7200).await;
            assert_eq!(cloud.service.scrub().await.leftovers, 1);
            cloud.admin().copy_to(&id, "fast").await;
            assert_eq!(document(&cloud, &id).await, before, "after {commits}");
        } else {
            assert_eq!(comes_back(&cloud, &id, &before).await, "", "after {commits}");
        }
    }
}

/// Previews, bulk reverts and reverts say that the copy in `fast` stays out.
async fn comes_back_without_fast(cloud: &Cloud, id: &str) {
    let preview = cloud.service.get(&format!("/v2/pending-deletes/{id}")).await.body;
    let locations = preview["locations"].as_array().unwrap();
    let fast = locations.iter().find(|one| one["store"] == "fast").unwrap();
    assert_eq!((&fast["deleted_with_image"], &fast["comes_back"]), (&json!(false), &json!(false)));
    let many = json!({"image_ids": [id], "dry_run": true});
    let many = cloud.service.post("/v2/pending-deletes/actions/revert", &many).await.body;
    let reverted = cloud.service.revert(id).await;
    assert_eq!((reverted.status, &reverted.body["stores"]), (200, &json!("slow")), "{reverted:?}");
    for told in [
        fast["problem"].as_str().unwrap(),
        many["results"][0]["warnings"][0].as_str().unwrap(),
        &*reverted.warnings,
    ] {
        for part in ["in store fast", "s before the delete", "scrubbed when it is due"] {
            assert!(told.contains(part), "{told}");
        }
    }
    assert!(file(cloud, "fast", id), "it waits");
}

async fn a_copy_removed_seconds_before_the_delete_stays_out_with_a_warning(kind: Kind) {
    let cloud = start(kind, Stores::Multi).await;
    let id = image(&cloud, Stores::Multi).await;
    let request = cloud.admin().request(Method::DELETE, &format!("/v2/stores/fast/{id}"));
    assert_eq!(request.send().await.unwrap().status(), 204);
    let before = document(&cloud, &id).await;
    assert_eq!(before["stores"], json!(["slow"]));
    age(&cloud, &id, 3).await;
    cloud.glance.member_of("p1").delete(&id).await;
    comes_back_without_fast(&cloud, &id).await;
    assert_eq!(document(&cloud, &id).await, before);
}

async fn a_deactivated_image_that_its_owner_deleted_comes_back_while_its_data_is_there(kind: Kind) {
    let cloud = start(kind, Stores::Single).await;
    let id = image(&cloud, Stores::Single).await;
    let before = document(&cloud, &id).await;
    delete_deactivated(&cloud, &id).await;
    let warnings = comes_back(&cloud, &id, &before).await;
    assert!(warnings.contains("deactivate it again"), "{warnings}");

    image(&cloud, Stores::Single).await;
    delete_deactivated(&cloud, &id).await;
    std::fs::remove_file(cloud.glance.datadir("images").join(&id)).unwrap();
    for options in [json!({}), json!({"verify": "none"})] {
        let refused = cloud.service.revert_with(&id, &options).await;
        assert_eq!(refused.body["error"]["reason"], "image.already_scrubbed", "{refused:?}");
    }
}

async fn delete_deactivated(cloud: &Cloud, id: &str) {
    let path = format!("/v2/images/{id}/actions/deactivate");
    assert_eq!(cloud.admin().request(Method::POST, &path).send().await.unwrap().status(), 204);
    cloud.glance.member_of("p1").delete(id).await;
    assert_eq!(rows(cloud, id).await, "deleted 1 | deleted 1");
}

async fn a_deactivated_image_that_its_owner_deleted_is_scrubbed_when_it_is_due(kind: Kind) {
    let cloud = start(kind, Stores::Single).await;
    let id = image(&cloud, Stores::Single).await;
    delete_deactivated(&cloud, &id).await;
    assert_eq!(cloud.service.scrub().await.scrubbed, 0, "it is not due");
    assert!(file(&cloud, "images", &id));
    is_scrubbed(&cloud, &id).await;
}

/// Rows written by hand: no way in which Glance writes them is known.
async fn a_live_location_of_a_deleted_image_is_verified_and_scrubbed_like_the_others(kind: Kind) {
    let cloud = start(kind, Stores::Multi).await;
    cloud.image("slow", DATA).await;
    let id = image(&cloud, Stores::Multi).await;
    let before = document(&cloud, &id).await;
    cloud.glance.member_of("p1").delete(&id).await;
    let revive = format!(
        "UPDATE image_locations SET status = 'active', deleted = FALSE, deleted_at = NULL \
         WHERE image_id = '{id}' AND value LIKE '%slow%'"
    );
    cloud.database.execute(&revive).await;
    assert_eq!(comes_back(&cloud, &id, &before).await, "");

    cloud.glance.member_of("p1").delete(&id).await;
    cloud.database.execute(&revive).await;
    std::fs::remove_file(cloud.glance.datadir("slow").join(&id)).unwrap();
    let reverted = cloud.service.revert(&id).await;
    assert_eq!((reverted.status, reverted.body["stores"].clone()), (200, json!("fast")));
    assert!(reverted.warnings.contains("is gone"), "{reverted:?}");

    std::fs::write(cloud.glance.datadir("slow").join(&id), DATA).unwrap();
    cloud.glance.member_of("p1").delete(&id).await;
    is_scrubbed(&cloud, &id).await;
}

/// Written by hand, too.
async fn an_image_whose_deletion_time_is_lost_is_listed_and_scrubbed(kind: Kind) {
    let cloud = start(kind, Stores::Single).await;
    let id = image(&cloud, Stores::Single).await;
    cloud.glance.member_of("p1").delete(&id).await;
    cloud.database.execute(&format!("UPDATE images SET deleted_at = NULL WHERE id = '{id}'")).await;
    assert_eq!(listed(&cloud).await, [json!(id)]);
    is_scrubbed(&cloud, &id).await;
}
