//! The list on each database: rows that Glance never writes, and what can come back.

use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{
    PendingMarker, PendingQuery, PendingSort, PendingSummary, Position,
};

use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    a_row_that_cannot_be_read_is_listed_beside_the_others,
    a_row_without_a_place_in_the_order_hides_no_other,
    an_image_without_a_waiting_location_is_listed_as_one_that_cannot_come_back,
    an_image_has_a_position_as_long_as_it_has_a_time_of_deletion,
}

async fn world_with(kind: Kind, ids: &[&str]) -> World {
    let world = World::new(kind).await;
    for id in ids {
        world.deleted_image(id).await;
    }
    world
}

/// All that is listed, a page of one at a time.
async fn listed(world: &World) -> Vec<PendingSummary> {
    let database = world.open();
    let reverter = world.reverter(&database);
    let mut query =
        PendingQuery { sort: PendingSort::OldestFirst, limit: 2, ..PendingQuery::default() };
    let mut found = Vec::new();
    loop {
        let page = reverter.list(&Admin::local_operator(), &query).await.unwrap();
        let page: Vec<_> = page.into_iter().filter_map(Result::ok).collect();
        let Some(last) = page.last() else { return found };
        query.marker = Some(PendingMarker { deleted_at: last.deleted_at, id: last.id.clone() });
        found.extend(page);
    }
}

/// What each database can be made to hold that no Glance writes, and no program reads.
async fn spoil(world: &World, kind: Kind, id: &str) {
    let set = match kind {
        Kind::Sqlite => "size = 'large', created_at = '0000-00-00 00:00:00'",
        Kind::Mariadb => "created_at = '0000-00-00 00:00:00'",
        Kind::Postgres => "created_at = 'infinity'",
    };
    let relax = if kind == Kind::Mariadb { "SET sql_mode = ''; " } else { "" };
    world.db.execute(&format!("{relax}UPDATE images SET {set} WHERE id = '{id}'")).await;
}

async fn a_row_that_cannot_be_read_is_listed_beside_the_others(kind: Kind) {
    let world = world_with(kind, &["a", "b", "c"]).await;
    spoil(&world, kind, "b").await;
    let found = listed(&world).await;
    let ids: Vec<_> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let reasons: Vec<_> =
        found.iter().map(|one| one.unreadable.as_ref().map(|bad| bad.image.as_str())).collect();
    assert_eq!(reasons, [None, Some("b"), None], "{found:?}");
    assert_eq!(found[1].name.as_deref(), Some("name of b"), "what can be read is shown");
    assert!(found[1].obstacle().is_some() && found[0].obstacle().is_none());
}

async fn a_row_without_a_place_in_the_order_hides_no_other(kind: Kind) {
    let world = world_with(kind, &["a", "b", "c"]).await;
    // only SQLite's columns take a text for a time, or a number for an id
    if kind == Kind::Sqlite {
        let spoiled = "UPDATE images SET deleted_at = '2026-13-45' WHERE id = 'b'";
        world.db.execute(spoiled).await;
    }
    let found = listed(&world).await;
    assert!(found.iter().any(|one| one.id.as_str() == "c"), "{found:?}");
}

async fn an_image_without_a_waiting_location_is_listed_as_one_that_cannot_come_back(kind: Kind) {
    let world = world_with(kind, &["a", "b"]).await;
    world.db.execute("UPDATE image_locations SET status = 'deleted' WHERE image_id = 'b'").await;
    let obstacles: Vec<_> =
        listed(&world).await.iter().map(|one| one.obstacle().map(|e| e.to_string())).collect();
    assert_eq!(obstacles[0], None);
    assert!(obstacles[1].as_ref().unwrap().contains("no location"), "{obstacles:?}");
}

async fn an_image_has_a_position_as_long_as_it_has_a_time_of_deletion(kind: Kind) {
    let world = world_with(kind, &["a", "b", "c"]).await;
    world.revert("b").await.unwrap();
    spoil(&world, kind, "c").await;
    let database = world.open();
    let position = async |id| database.repo.position(&ImageId::parse(id).unwrap()).await.unwrap();
    assert!(matches!(position("a").await, Position::At(_)));
    assert!(matches!(position("c").await, Position::At(_)), "another column is unreadable");
    assert_eq!(position("b").await, Position::Nowhere);
    assert_eq!(position("d").await, Position::Unknown);
    assert_eq!(position("A").await, Position::Unknown, "case tells, on MariaDB too");
}
