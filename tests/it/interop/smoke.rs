//! The harness itself: the real Glance starts on each database, and writes the rows on which the
//! product's rules are based.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::database::{Kind, TestDatabase, on_each_database};
use crate::support::glance::{Glance, GlanceOptions, Stores};

const KEY: &str = crate::support::canary::ENCRYPTION_KEY;
const DATA: &[u8] = b"the bits of an image";

on_each_database! { with glance:
    single_store,
    single_store_with_encrypted_locations,
    several_stores,
    several_stores_with_encrypted_locations,
    what_upstreams_tools_do,
}

async fn single_store(kind: Kind) {
    delete_writes_the_rows_we_rely_on(kind, Stores::Single, None).await;
}

async fn single_store_with_encrypted_locations(kind: Kind) {
    delete_writes_the_rows_we_rely_on(kind, Stores::Single, Some(KEY)).await;
}

async fn several_stores(kind: Kind) {
    delete_writes_the_rows_we_rely_on(kind, Stores::Multi, None).await;
}

async fn several_stores_with_encrypted_locations(kind: Kind) {
    delete_writes_the_rows_we_rely_on(kind, Stores::Multi, Some(KEY)).await;
}

async fn delete_writes_the_rows_we_rely_on(kind: Kind, stores: Stores, key: Option<&'static str>) {
    let database = TestDatabase::create(kind).await;
    let options =
        GlanceOptions { stores, encryption_key: key, scrub_time: 3600, ..GlanceOptions::default() };
    let glance = Glance::start(&database, options).await;
    let store = if stores == Stores::Multi { "slow" } else { "images" };
    let id = shared_image(&glance, stores).await;
    let file = glance.datadir(store).join(&id);
    assert_eq!(std::fs::read(&file).unwrap(), DATA);

    let owner = glance.member_of("p1");
    owner.delete(&id).await;

    assert_eq!(owner.show(&id).await.0, 404);
    assert_eq!(glance.admin().show(&id).await.0, 404);
    assert!(file.exists(), "delayed_delete keeps the data");
    assert_eq!(rows(&database, "images", "status").await, ["pending_delete 1 deleted"]);
    assert_eq!(rows(&database, "image_locations", "status").await, ["pending_delete 1 deleted"]);
    let properties = rows(&database, "image_properties", "name").await;
    assert_eq!(properties, ["note 1 deleted", "os_distro 1 deleted"]);
    assert_eq!(rows(&database, "image_tags", "value").await, ["blue 1 deleted", "gone 1 deleted"]);
    let with_the_image =
        "SELECT value FROM image_tags WHERE deleted_at = (SELECT deleted_at FROM images)";
    let removed_apart = matches!(kind, Kind::Sqlite | Kind::Postgres);
    if removed_apart {
        assert_eq!(database.rows(with_the_image).await, [[Some("blue".to_owned())]]);
    }
    let members = rows(&database, "image_members", "member").await;
    assert_eq!(members, ["friend 1 deleted", "revoked 1 deleted"]);
    let value = database.rows("SELECT value FROM image_locations").await.remove(0).remove(0);
    let plain = value.unwrap().starts_with("file:///");
    assert_eq!(plain, key.is_none(), "the location is encrypted where there is a key");
}

/// An active image with properties, tags and members, of which some were removed again.
async fn shared_image(glance: &Glance, stores: Stores) -> String {
    let owner = glance.member_of("p1");
    let image = owner
        .create_image(&json!({
            "name": "smoke", "disk_format": "raw", "container_format": "bare",
            "visibility": "shared", "os_distro": "debian", "note": "höwdy"
        }))
        .await;
    let id = image["id"].as_str().unwrap().to_owned();
    if stores == Stores::Multi {
        owner.upload_to(&id, "slow", DATA).await;
    } else {
        owner.upload(&id, DATA).await;
    }
    owner.add_tag(&id, "blue").await;
    owner.add_tag(&id, "gone").await;
    owner.remove_tag(&id, "gone").await;
    owner.add_member(&id, "friend").await;
    owner.add_member(&id, "revoked").await;
    owner.remove_member(&id, "revoked").await;
    let renamed =
        owner.patch(&id, &json!([{"op": "replace", "path": "/name", "value": "new"}])).await;
    assert_eq!(renamed["name"], "new");

    let (status, shown) = owner.show(&id).await;
    assert_eq!(
        (status, &shown["status"], &shown["tags"]),
        (200, &json!("active"), &json!(["blue"]))
    );
    assert_eq!(shown["stores"], if stores == Stores::Multi { json!("slow") } else { Value::Null });
    assert_eq!(owner.download(&id).await, (200, DATA.to_vec()));
    assert_eq!(owner.members(&id).await, ["friend"]);
    assert_eq!(owner.list("status=active").await, std::slice::from_ref(&id));
    assert_eq!(glance.member_of("p2").show(&id).await.0, 404);
    id
}

async fn what_upstreams_tools_do(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    let glance = Glance::start(&database, GlanceOptions::default()).await;
    let admin = glance.admin();
    let config = std::fs::read_to_string(glance.config_file()).unwrap();
    assert!(config.contains(&database.owner_url()));

    let [restored, scrubbed] = [shared_image(&glance, Stores::Single).await, {
        let image =
            admin.create_image(&json!({"disk_format": "raw", "container_format": "bare"})).await;
        let id = image["id"].as_str().unwrap().to_owned();
        admin.upload(&id, DATA).await;
        id
    }];
    admin.delete(&restored).await;
    let finished = glance.restore(&restored).await;
    assert!(finished.success, "{}", finished.output);
    assert_eq!(admin.show(&restored).await.1["status"], "active");
    assert_eq!(admin.download(&restored).await, (204, Vec::new()), "active without its bits");

    admin.delete(&scrubbed).await;
    let finished = glance.run_scrubber().await;
    assert!(finished.success, "{}", finished.output);
    assert!(!glance.datadir("images").join(&scrubbed).exists());
    let status = format!("SELECT status FROM images WHERE id = '{scrubbed}'");
    assert_eq!(database.rows(&status).await, [[Some("deleted".to_owned())]]);

    database.execute("UPDATE images SET deleted_at = '2020-01-01 00:00:00'").await;
    for table in ["image_locations", "image_properties", "image_tags", "image_members"] {
        let sql =
            format!("UPDATE {table} SET deleted_at = '2020-01-01 00:00:00' WHERE deleted = TRUE");
        database.execute(&sql).await;
    }
    glance.db_purge(30).await;
    assert_eq!(database.rows("SELECT id FROM images").await, Vec::<Vec<Option<String>>>::new());
    let gone = admin.request(Method::GET, &format!("/v2/images/{restored}")).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 404, "the purge took the active image too");
}

/// `<column> <deleted> <deleted or kept>` for every row, ordered by the column.
async fn rows(database: &TestDatabase, table: &str, column: &str) -> Vec<String> {
    let sql = format!(
        "SELECT {column}, deleted, CASE WHEN deleted_at IS NULL THEN 'kept' ELSE 'deleted' END \
         FROM {table} ORDER BY {column}"
    );
    let rows = database.rows(&sql).await.into_iter();
    rows.map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
}
