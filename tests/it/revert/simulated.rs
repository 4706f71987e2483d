//! Cases that the simulation (`tests/simulation/`) found, on real databases.

use glance_revert::domain::pending::NotPending;
use glance_revert::domain::revert::RevertError;

use crate::support::database::{Kind, on_each_database};
use crate::support::rows::{DELETED, REMOVED};
use crate::support::world::World;

/// Over a minute before [`DELETED`].
const STAMPED: &str = "2026-11-22 10:58:55.000000";
const LIVE: &str = "active kept no time";

on_each_database! {
    a_location_added_during_a_slow_delete_excludes_no_other,
    a_claimed_removed_copy_does_not_block_the_images_revert,
}

/// A copy of an image, in the second of two folders.
async fn copy(world: &World, status: &str, deleted_at: Option<&str>) {
    let folder = world.datadir().with_file_name("copies");
    std::fs::write(folder.join("a"), b"contents").unwrap();
    let uri = format!("file://{}", folder.join("a").display());
    world.rows().location("a", &uri, status, deleted_at).await;
}

/// The DELETE stamped the location that it had seen, and ended the other one with the image.
async fn a_location_added_during_a_slow_delete_excludes_no_other(kind: Kind) {
    let world = World::with_datadirs(kind, &["images", "copies"]).await;
    std::fs::write(world.datadir().join("a"), b"contents").unwrap();
    world.rows().image("a", "pending_delete", 8, Some(DELETED)).await;
    world.rows().location("a", &world.uri("a"), "pending_delete", Some(STAMPED)).await;
    copy(&world, "deleted", Some(DELETED)).await;
    world.rows().location("a", &world.uri("b"), "pending_delete", Some(REMOVED)).await;

    assert_eq!(world.revert("a").await.unwrap().restored.locations, 2);
    let locations = world.locations("a").await;
    assert_eq!(locations, format!("{LIVE}, {LIVE}, pending_delete deleted time"));
}

/// An image that was deactivated and then deleted by its owner is `deleted`, with all of its data.
async fn a_claimed_removed_copy_does_not_block_the_images_revert(kind: Kind) {
    let world = World::with_datadirs(kind, &["images", "copies"]).await;
    std::fs::write(world.datadir().join("a"), b"contents").unwrap();
    world.rows().image("a", "deleted", 8, Some(DELETED)).await;
    world.rows().location("a", &world.uri("a"), "deleted", Some(DELETED)).await;
    copy(&world, "pending_delete", None).await;

    assert_eq!(world.revert("a").await.unwrap().restored.locations, 1);
    assert_eq!(world.status("a").await, LIVE);
    assert_eq!(world.locations("a").await, format!("{LIVE}, pending_delete deleted no time"));
}

/// A trigger changes rows between the revert and its second look.
#[tokio::test]
async fn a_copy_that_is_removed_right_after_the_revert_is_not_called_destroyed() {
    let world = World::with_datadirs(Kind::Sqlite, &["images", "copies"]).await;
    world.deleted_image("a").await;
    copy(&world, "pending_delete", Some(DELETED)).await;
    let remove = "CREATE TRIGGER remove AFTER UPDATE ON image_members WHEN NEW.deleted = 0 BEGIN \
                  UPDATE image_locations SET status = 'pending_delete', deleted = 1, \
                  deleted_at = '2026-11-22 12:00:01.000000' WHERE value LIKE '%copies%'; END";
    world.db.execute(remove).await;

    let refused = world.revert("a").await.unwrap_err();
    let is_back = matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive));
    assert!(is_back, "{refused}");
    assert_eq!(world.status("a").await, LIVE);
}
