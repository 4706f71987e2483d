//! `retained purge` at a terminal and for programs, where stores keep nothing.

use serde_json::json;

use crate::support::binary::ConfigFile;
use crate::support::database::Kind;
use crate::support::world::World;

const GONE: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
const WAITS: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c02";

/// One image that was scrubbed, and one that waits.
async fn world() -> (World, ConfigFile) {
    let world = World::new(Kind::Sqlite).await;
    world.live_image("canary").await;
    world.deleted_image(GONE).await;
    assert_eq!(world.scrub().await.scrubbed, 1);
    world.deleted_image(WAITS).await;
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3153600000\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n",
        world.db.url(),
        world.datadir().display()
    ));
    (world, config)
}

#[tokio::test]
async fn of_what_no_store_keeps_nothing_is_removed_and_nobody_is_asked() {
    let (world, config) = world().await;
    // it was scrubbed a year before this machine's clock
    let long_ago = "UPDATE images SET updated_at = '2020-01-01 00:00:00.000000', deleted_at = '2020-01-01 00:00:00.000000' \
                    WHERE status = 'deleted'; UPDATE image_locations SET \
                    deleted_at = '2020-01-02 00:00:00.000000' WHERE status = 'deleted'";
    world.db.execute(long_ago).await;
    let run = config.run(&["retained", "purge", GONE]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert_eq!(run.stdout, "nothing is kept of 1 of the images\n");
    let line = config.feed(&["retained", "purge", "-", "--json"], GONE).json();
    assert_eq!(
        (&line["id"], &line["purged"], &line["kept"]),
        (&json!(GONE), &json!(true), &json!({}))
    );
}

#[tokio::test]
async fn each_refusal_is_told_by_its_reason() {
    let (world, config) = world().await;
    let run =
        config.run(&["retained", "purge", WAITS, "canary", "nobody", "n\u{f6}body", "--json"]);
    assert_eq!(run.exit, Some(1), "{run:?}");
    let told: Vec<_> = run.json_lines();
    let reasons: Vec<_> = told.iter().map(|line| line["reason"].as_str().unwrap()).collect();
    let expected =
        ["image.not_found", "image.not_scrubbed", "image.already_active", "image.not_found"];
    assert_eq!(reasons, expected);
    assert!(told.iter().all(|line| line["purged"] == false), "{run:?}");
    assert!(world.has_data(WAITS));
    let shown = config.run(&["retained", "purge", WAITS]);
    assert!(shown.stderr.contains("image.not_scrubbed"), "{shown:?}");
    assert_eq!(config.run(&["retained", "purge"]).exit, Some(2));
    assert_eq!(config.run(&["retained", "purge", GONE, "--older-than", "soon"]).exit, Some(2));
}
