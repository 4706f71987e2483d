//! Nothing that a project writes into its own images may prevent others' reverts or a scrub pass.

use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::{Children, NotPending};
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};

use crate::support::database::{Kind, on_each_database};
use crate::support::rows::{CREATED, DELETE_BEGAN, DELETED, REMOVED};
use crate::support::world::World;

on_each_database! {
    an_image_of_too_many_properties_comes_back_without_them,
    tags_that_were_removed_long_ago_are_not_read,
    a_copy_that_can_never_be_verified_stays_out_where_another_is_there,
    an_image_that_can_never_be_verified_says_so,
    metadata_that_only_python_reads_stops_neither_revert_nor_scrub,
}

/// Inserts rows into a child table: `each` returns the values before the times.
async fn rows(world: &World, table: &str, columns: &str, at: &str, each: Vec<String>) {
    for some in each.chunks(500) {
        let values: Vec<_> =
            some.iter().map(|row| format!("('a', {row}, '{CREATED}', '{at}', TRUE)")).collect();
        let columns = format!("image_id, {columns}, created_at, deleted_at, deleted");
        world
            .db
            .execute(&format!("INSERT INTO {table} ({columns}) VALUES {}", values.join(", ")))
            .await;
    }
}

async fn an_image_of_too_many_properties_comes_back_without_them(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let value = "x".repeat(60_000);
    let each = (0..300).map(|number| format!("'p{number}', '{value}'")).collect::<Vec<_>>();
    for some in each.chunks(50) {
        rows(&world, "image_properties", "name, value", DELETE_BEGAN, some.to_vec()).await;
    }
    let refused = world.revert("a").await.unwrap_err();
    assert!(matches!(refused, RevertError::Repo(RepoError::TooLarge(_))), "{refused}");

    let children = Children { properties: false, ..Children::ALL };
    let request = RevertRequest { children, ..RevertRequest::whole(Verify::Exists) };
    let reverted = world.revert_with("a", &request).await.unwrap();
    assert_eq!((reverted.restored.tags, reverted.restored.members), (1, 1));
}

async fn tags_that_were_removed_long_ago_are_not_read(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let each = (0..60_000).map(|number| format!("'tag {number}'")).collect();
    rows(&world, "image_tags", "value", REMOVED, each).await;
    let read = world.open().repo.get(&ImageId::parse("a").unwrap(), Children::ALL).await.unwrap();
    assert_eq!(read.unwrap().tags.len(), 1);
    let reverted = world.revert("a").await.unwrap();
    assert_eq!(reverted.restored.tags, 1);
}

async fn a_copy_that_can_never_be_verified_stays_out_where_another_is_there(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.rows().location("a", "vsphere://x/y", "pending_delete", Some(DELETE_BEGAN)).await;
    let reverted = world.revert("a").await.unwrap();
    assert_eq!(reverted.restored.locations, 1);
    assert!(reverted.warnings[0].contains("no driver for vsphere://"), "{:?}", reverted.warnings);
}

async fn an_image_that_can_never_be_verified_says_so(kind: Kind) {
    let world = World::new(kind).await;
    world.rows().image("a", "pending_delete", 8, Some(DELETED)).await;
    world.rows().location("a", "vsphere://x/y", "pending_delete", Some(DELETE_BEGAN)).await;
    let refused = world.revert("a").await.unwrap_err();
    assert!(matches!(refused, RevertError::NotVerifiable { .. }), "{refused}");

    // an image without a hash
    world.deleted_image("b").await;
    let refused =
        world.revert_with("b", &RevertRequest::whole(Verify::Checksum)).await.unwrap_err();
    assert!(matches!(refused, RevertError::NotVerifiable { .. }), "{refused}");
    assert!(!matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive)));
    world.revert("b").await.unwrap();
}

async fn metadata_that_only_python_reads_stops_neither_revert_nor_scrub(kind: Kind) {
    let world = World::new(kind).await;
    let deep = format!("{{\"x\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    let all =
        ["{\"x\": NaN}", "{\"x\": 1e400}", "{\"x\": \"\\\\ud800\"}", "[1]", "nonsense", &deep];
    for (number, text) in all.iter().enumerate() {
        let id = format!("a{number}");
        world.deleted_image(&id).await;
        let sql =
            format!("UPDATE image_locations SET meta_data = '{text}' WHERE image_id = '{id}'");
        world.db.execute(&sql).await;
    }
    world.revert("a0").await.unwrap();
    world.revert("a5").await.unwrap();
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (4, 0), "{report:?}");
}
