//! Our own tables next to the real Glance's: they do not disturb `glance-manage`.

use serde_json::json;

use crate::support::cloud::{Cloud, SMALL};
use crate::support::daemon::until;
use crate::support::database::{Kind, on_each_database};
use crate::support::glance::{GlanceOptions, Stores};

on_each_database! {
    with glance:
    glance_manage_does_its_work_beside_the_tables,
    only_data_that_another_scrubber_destroyed_is_reported,
    an_image_that_another_scrubber_takes_after_its_revert_is_reported,
}

async fn glance_manage_does_its_work_beside_the_tables(kind: Kind) {
    let stores = Stores::Multi;
    let options = GlanceOptions { stores, scrub_time: 3600, ..GlanceOptions::default() };
    let cloud = Cloud::start_with(kind, options, "auto_db_sync = false\n").await;
    let expected = version(&cloud).await;
    cloud.database.make_own_tables().await;
    cloud.database.grant_own_tables().await;
    cloud.database.execute("UPDATE revert_scrubber SET claims = 7").await;
    cloud
        .database
        .execute(
            "INSERT INTO revert_audit (id, created_at, operation, outcome, actor, source) VALUES \
             ('1', '2020-01-01 00:00:00', 'revertImage', 'success', 'somebody', 'api')",
        )
        .await;

    cloud.glance.manage(&["db", "sync"]).await;
    if kind != Kind::Postgres {
        // upstream offers this only for the other databases
        cloud.glance.manage(&["db", "check"]).await;
    }
    assert_eq!(version(&cloud).await, expected);
    let kept = cloud.image("fast", SMALL).await;
    let purged = cloud.image("fast", SMALL).await;
    for id in [&kept, &purged] {
        cloud.admin().delete(id).await;
    }
    assert_eq!(cloud.service.revert(&kept).await.status, 200);
    let sql = format!("UPDATE images SET status = 'deleted' WHERE id = '{purged}'");
    cloud.database.execute(&sql).await;
    cloud.database.earlier("images", &format!("id = '{purged}'"), 86_400 * 3).await;
    for table in ["image_locations", "image_properties", "image_tags", "image_members"] {
        let of_it = format!("image_id = '{purged}'");
        cloud.database.earlier(table, &of_it, 86_400 * 3).await;
    }
    cloud.glance.db_purge(1).await;
    let left = cloud.database.rows("SELECT id FROM images").await;
    assert_eq!(left, [[Some(kept.clone())]], "the purge did its work");
    assert_eq!(cloud.admin().download(&kept).await, (200, SMALL.to_vec()));

    let claims = cloud.database.rows("SELECT claims FROM revert_scrubber").await;
    assert_eq!(claims, [[Some("7".to_owned())]]);
    let old = "SELECT COUNT(*) FROM revert_audit WHERE id = '1'";
    assert_eq!(cloud.database.rows(old).await, [[Some("1".to_owned())]]);
}

async fn only_data_that_another_scrubber_destroyed_is_reported(kind: Kind) {
    let options = GlanceOptions { stores: Stores::Multi, ..GlanceOptions::default() };
    let cloud = Cloud::start_with(kind, options, "auto_db_sync = false\n").await;
    let row = || {
        let check = cloud.check();
        let row = check.lines().skip_while(|line| !line.starts_with("other scrubbers"));
        let rest = |line: &&str| line.starts_with("other scrubbers") || line.starts_with(' ');
        row.take_while(rest).collect::<Vec<_>>().join(" ")
    };
    let destroy = async || {
        let id = cloud.image("fast", SMALL).await;
        cloud.delete_for_good(&id).await;
        id
    };
    let early = destroy().await;
    let finished = cloud.glance.run_scrubber().await;
    assert!(finished.success, "{}", finished.output);
    assert!(row().contains("unknown without"), "{}", row());
    // the creation time of the tables has whole seconds
    cloud.database.earlier("images", &format!("id = '{early}'"), 2).await;
    cloud.database.earlier("image_locations", &format!("image_id = '{early}'"), 2).await;

    cloud.database.make_own_tables().await;
    cloud.database.grant_own_tables().await;
    destroy().await;
    assert_eq!(cloud.service.scrub().await.scrubbed, 1, "by us");
    let queued = json!({"name": "q", "disk_format": "raw", "container_format": "bare"});
    let queued = cloud.admin().create_image(&queued).await["id"].as_str().unwrap().to_owned();
    cloud.admin().delete(&queued).await;
    destroy().await;
    let back = cloud.image("fast", SMALL).await;
    cloud.admin().delete(&back).await;
    assert_eq!(cloud.service.revert(&back).await.status, 200);
    assert!(row().contains("no other scrubber has destroyed"), "{}", row());

    let finished = cloud.glance.run_scrubber().await;
    assert!(finished.success, "{}", finished.output);
    assert!(
        row().contains("1 images were destroyed within a day without an audit entry"),
        "{}",
        row()
    );
    assert!(row().contains("warning"), "{}", row());
}

/// glance-scrubber has listed two images. While it waits for a row of the first one, the other one
/// is reverted.
async fn an_image_that_another_scrubber_takes_after_its_revert_is_reported(kind: Kind) {
    if kind != Kind::Mariadb {
        return; // on the others our revert would wait for glance-scrubber, which waits for the row
    }
    let options = GlanceOptions { stores: Stores::Multi, ..GlanceOptions::default() };
    let cloud = Cloud::start(kind, options).await;
    cloud.database.make_own_tables().await;
    cloud.database.grant_own_tables().await;
    for _ in 0..2 {
        let id = cloud.image("fast", SMALL).await;
        cloud.delete_for_good(&id).await;
    }
    // the order in which glance-scrubber lists them
    let listed = "SELECT id FROM images ORDER BY created_at DESC, id DESC";
    let [first, reverted] = &cloud.database.rows(listed).await[..] else { panic!("two images") };
    let [first, reverted] = [first, reverted].map(|row| row[0].clone().unwrap());
    let row = format!("SELECT id FROM image_locations WHERE image_id = '{first}' FOR UPDATE");
    let lock = cloud.database.open_transaction(&row).await;
    let file = cloud.glance.datadir("fast").join(&first);
    let revert = async {
        until("the first file to go", async || (!file.exists()).then_some(())).await;
        let answer = cloud.service.revert(&reverted).await;
        lock.rollback().await;
        answer
    };
    let (finished, answer) = tokio::join!(cloud.glance.run_scrubber(), revert);
    assert!(finished.success, "{}", finished.output);
    assert_eq!(answer.status, 200, "{answer:?}");
    let check: String = cloud.check().split_whitespace().collect();
    assert!(check.contains(&reverted), "{check}");
    let again = cloud.service.revert(&reverted).await;
    assert_ne!(again.status, 200, "its data is gone: {again:?}");
}

/// The log lines after it begin with times.
async fn version(cloud: &Cloud) -> Option<String> {
    let printed = cloud.glance.manage(&["db", "version"]).await;
    printed.lines().next().map(str::to_owned)
}
