//! Advisory locks, between processes and within one.

use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::ImageGuard;

use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    a_lock_excludes_within_the_process_until_it_is_released,
    a_lock_excludes_other_processes_until_it_is_released,
    a_dropped_guard_releases_its_lock,
    several_images_are_locked_and_released_at_once_except_those_locked_by_others,
    the_pass_lock_excludes_other_processes_until_it_is_released,
    locks_work_again_after_the_server_cut_the_connection,
}

async fn try_lock(database: &Database, id: &str) -> Option<ImageGuard> {
    database.lock.try_lock(&ImageId::parse(id).unwrap()).await.unwrap()
}

async fn a_lock_excludes_within_the_process_until_it_is_released(kind: Kind) {
    let world = World::new(kind).await;
    let database = world.open();
    let held = try_lock(&database, "a").await.unwrap();
    assert!(try_lock(&database, "a").await.is_none());
    assert!(try_lock(&database, "b").await.is_some());
    held.release().await;
    assert!(try_lock(&database, "a").await.is_some());
}

/// SQLite has no such locks; there only the compare-and-set protects.
async fn a_lock_excludes_other_processes_until_it_is_released(kind: Kind) {
    let world = World::new(kind).await;
    let (one, other) = (world.open(), world.open());
    let held = try_lock(&one, "a").await.unwrap();
    assert_eq!(try_lock(&other, "a").await.is_some(), kind == Kind::Sqlite);
    held.release().await;
    assert!(try_lock(&other, "a").await.is_some());
}

async fn a_dropped_guard_releases_its_lock(kind: Kind) {
    let world = World::new(kind).await;
    let database = world.open();
    drop(try_lock(&database, "a").await.unwrap());
    is_free_soon(&database, "a").await;
}

/// More locks than fit into one statement.
async fn several_images_are_locked_and_released_at_once_except_those_locked_by_others(kind: Kind) {
    let world = World::new(kind).await;
    let (one, other) = (world.open(), world.open());
    let ids: Vec<_> = (0..37).map(|n| ImageId::parse(&format!("i{n}")).unwrap()).collect();
    let ours = try_lock(&one, "i3").await.unwrap();
    let theirs = try_lock(&other, "i20").await.unwrap();
    let guards = one.lock.try_lock_all(&ids).await.unwrap();
    let got: Vec<_> = guards.iter().map(|guard| guard.id().as_str().to_owned()).collect();
    let free =
        |id: &&ImageId| id.as_str() != "i3" && (id.as_str() != "i20" || kind == Kind::Sqlite);
    assert_eq!(got, ids.iter().filter(free).map(|id| id.as_str().to_owned()).collect::<Vec<_>>());
    assert_eq!(try_lock(&other, "i36").await.is_some(), kind == Kind::Sqlite);
    one.lock.release_all(guards).await;
    ours.release().await;
    theirs.release().await;
    assert_eq!(other.lock.try_lock_all(&ids).await.unwrap().len(), ids.len());
}

async fn is_free_soon(database: &Database, id: &str) {
    let freed = async {
        while try_lock(database, id).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), freed).await.unwrap();
}

async fn the_pass_lock_excludes_other_processes_until_it_is_released(kind: Kind) {
    let world = World::new(kind).await;
    let (one, other) = (world.open(), world.open());
    let pass = one.lock.try_lock_pass().await.unwrap().unwrap();
    assert!(one.lock.try_lock_pass().await.unwrap().is_none());
    assert!(other.lock.try_lock_pass().await.unwrap().is_none());
    pass.release().await;
    assert!(other.lock.try_lock_pass().await.unwrap().is_some());
}

async fn locks_work_again_after_the_server_cut_the_connection(kind: Kind) {
    let world = World::new(kind).await;
    let (one, other) = (world.open(), world.open());
    let held = try_lock(&one, "a").await.unwrap();
    world.cut_connections(kind).await;
    assert!(try_lock(&one, "b").await.is_some(), "the next lock connects anew");
    is_free_soon(&other, "a").await;
    held.release().await;
}
