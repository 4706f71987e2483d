//! Images of which one copy is lost, or cannot be destroyed.

use std::path::PathBuf;

use crate::support::database::{Kind, on_each_database};
use crate::support::rows::DELETE_BEGAN;
use crate::support::world::World;

const PENDING: &str = "pending_delete deleted time";
const CLAIMED: &str = "deleted deleted time";

on_each_database! {
    an_image_that_lost_one_copy_comes_back_with_the_other_and_says_so,
    an_image_whose_first_copy_cannot_be_destroyed_is_released_whole,
    an_image_whose_second_copy_cannot_be_destroyed_stays_claimed_until_it_can,
}

/// An image with two copies, `images/a` and `second/a`.
async fn copied(kind: Kind) -> (World, PathBuf, PathBuf) {
    let world = World::with_datadirs(kind, &["images", "second"]).await;
    world.deleted_image("a").await;
    let first = world.datadir().join("a");
    let second = world.datadir().with_file_name("second").join("a");
    std::fs::write(&second, b"contents").unwrap();
    let uri = format!("file://{}", second.display());
    world.rows().location("a", &uri, "pending_delete", Some(DELETE_BEGAN)).await;
    (world, first, second)
}

/// The store refuses to destroy a link.
fn replace_by_a_link(file: &PathBuf) -> PathBuf {
    let away = file.with_file_name("away");
    std::fs::rename(file, &away).unwrap();
    std::os::unix::fs::symlink(&away, file).unwrap();
    away
}

async fn an_image_that_lost_one_copy_comes_back_with_the_other_and_says_so(kind: Kind) {
    let (world, first, second) = copied(kind).await;
    world.live_image("shows-that-the-store-is-mounted").await;
    std::fs::remove_file(&first).unwrap();
    let reverted = world.revert("a").await.unwrap();
    assert_eq!(reverted.restored.locations, 1);
    let warning = reverted.warnings.join("; ");
    assert!(warning.contains("is gone"), "{warning}");
    assert_eq!(world.locations("a").await, format!("{PENDING}, active kept no time"));
    assert!(second.exists());
}

async fn an_image_whose_first_copy_cannot_be_destroyed_is_released_whole(kind: Kind) {
    let (world, first, second) = copied(kind).await;
    let away = replace_by_a_link(&first);
    let report = world.scrub().await;
    assert_eq!((report.failed, report.claims_released), (1, 1), "{report:?}");
    assert_eq!(world.status("a").await, PENDING);
    assert!(away.exists() && second.exists());
    std::fs::rename(&away, &first).unwrap();
    assert_eq!(world.revert("a").await.unwrap().restored.locations, 2);
}

async fn an_image_whose_second_copy_cannot_be_destroyed_stays_claimed_until_it_can(kind: Kind) {
    let (world, first, second) = copied(kind).await;
    let away = replace_by_a_link(&second);
    let report = world.scrub().await;
    assert_eq!((report.failed, report.claims_released), (1, 0), "{report:?}");
    assert_eq!(world.status("a").await, CLAIMED);
    assert!(!first.exists() && away.exists());
    assert!(world.revert("a").await.is_err(), "half of it is gone");
    std::fs::rename(&away, &second).unwrap();
    assert_eq!(world.scrub().await.scrubbed, 1);
    assert!(!second.exists());
}
