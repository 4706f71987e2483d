//! The list on each database: which images it contains, and rows that Glance never writes.

use std::collections::BTreeSet;

use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{
    PendingMarker, PendingQuery, PendingSort, PendingSummary, Position, RepoError,
};
use glance_revert::domain::summary::GroupBy;

use crate::scrub::orders::control;
use crate::support::chance::Chance;
use crate::support::crowd::{LONG_AGO, ids};
use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    a_row_that_cannot_be_read_is_listed_beside_the_others,
    a_row_without_a_place_in_the_order_hides_no_other,
    rows_without_a_place_in_the_order_end_no_list_however_many_they_are,
    an_image_without_a_waiting_location_is_listed_as_one_that_cannot_come_back,
    an_image_has_a_position_as_long_as_it_has_a_time_of_deletion,
    held_images_can_be_listed_separately_in_both_orders,
    without_our_own_tables_holds_are_unknown,
    no_image_is_skipped_or_shown_twice_while_others_leave,
}

async fn world_with(kind: Kind, ids: &[&str]) -> World {
    let world = World::new(kind).await;
    for id in ids {
        world.deleted_image(id).await;
    }
    world
}

/// The whole list, read in pages of two.
async fn listed(world: &World) -> Vec<PendingSummary> {
    let query = PendingQuery { sort: PendingSort::OldestFirst, ..PendingQuery::default() };
    listed_of(world, &query).await
}

async fn listed_of(world: &World, query: &PendingQuery) -> Vec<PendingSummary> {
    let database = world.open();
    let reverter = world.reverter(&database);
    let mut query = PendingQuery { limit: 2, ..query.clone() };
    let mut found = Vec::new();
    loop {
        let page = reverter.list(&Admin::local_operator(), &query).await.unwrap();
        let Some(last) = page.last() else { return found };
        query.marker = Some(PendingMarker::from(last));
        found.extend(page);
    }
}

/// Writes values that a database accepts but Glance never writes and no program can read.
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
    // only SQLite's columns accept text as a time, or a number as an id
    if kind == Kind::Sqlite {
        let spoiled = "UPDATE images SET deleted_at = '2026-13-45' WHERE id = 'b'";
        world.db.execute(spoiled).await;
    }
    let found = listed(&world).await;
    assert!(found.iter().any(|one| one.id.as_str() == "c"), "{found:?}");
}

/// More such rows than fit on a page, at the beginning of the order.
async fn rows_without_a_place_in_the_order_end_no_list_however_many_they_are(kind: Kind) {
    let world = world_with(kind, &["a", "b", "c", "d", "e", "f", "g"]).await;
    if kind == Kind::Sqlite {
        let spoiled = "UPDATE images SET deleted_at = '2026-13-45' WHERE id NOT IN ('c', 'f')";
        world.db.execute(spoiled).await;
    }
    let newest = listed_of(&world, &PendingQuery::default()).await;
    let ids: Vec<_> = newest.iter().map(|one| one.id.as_str()).collect();
    let expected = if kind == Kind::Sqlite { "f c" } else { "g f e d c b a" };
    assert_eq!(ids.join(" "), expected);
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

async fn held_images_can_be_listed_separately_in_both_orders(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 6), LONG_AGO).await;
    let control = control(&world, &world.open());
    for held in ["i-0000", "i-0003", "i-0004", "i-0005"] {
        let id = ImageId::parse(held).unwrap();
        control.hold(&Admin::local_operator(), &id, None, None).await.unwrap();
    }
    // a hold that has ended
    let ended = "UPDATE revert_holds SET held_until = '2020-01-01' WHERE image_id = 'i-0004'";
    world.db.execute(ended).await;
    let text = async |query: PendingQuery| {
        let found = listed_of(&world, &query).await;
        found.iter().map(|one| one.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    let of = |held, sort| PendingQuery { held: Some(held), sort, ..PendingQuery::default() };
    let (newest, oldest) = (PendingSort::NewestFirst, PendingSort::OldestFirst);
    assert_eq!(text(of(true, oldest)).await, "i-0000 i-0003 i-0005");
    assert_eq!(text(of(true, newest)).await, "i-0005 i-0003 i-0000");
    assert_eq!(text(of(false, oldest)).await, "i-0001 i-0002 i-0004");
    assert_eq!(text(of(false, newest)).await, "i-0004 i-0002 i-0001");
    let nobodys = PendingQuery { owner: Some("nobody".to_owned()), ..of(true, oldest) };
    assert_eq!(text(nobodys).await, "", "beside the other filters");

    let reverter = world.reverter(&world.open());
    for by_store in [false, true] {
        let by = GroupBy { store: by_store, ..GroupBy::default() };
        let summed = async |query: &PendingQuery| {
            reverter.summary(&Admin::local_operator(), query, by).await.unwrap().all
        };
        for held in [true, false] {
            let all = summed(&of(held, oldest)).await.unwrap();
            assert_eq!(all.tally.images, 3, "the summary goes by it too: {by:?}");
        }
    }
}

async fn without_our_own_tables_holds_are_unknown(kind: Kind) {
    let world = world_with(kind, &["a"]).await;
    let database = world.open();
    let reverter = world.reverter(&database);
    for held in [true, false] {
        let query = PendingQuery { held: Some(held), limit: 2, ..PendingQuery::default() };
        let refused = reverter.list(&Admin::local_operator(), &query).await.unwrap_err();
        assert!(matches!(refused, RepoError::TablesMissing), "{refused}");
        let by = GroupBy::default();
        let refused = reverter.summary(&Admin::local_operator(), &query, by).await.unwrap_err();
        assert!(matches!(refused, RepoError::TablesMissing), "{refused}");
    }
}

/// Images deleted at the same moment, or in the same second, are ordered by id. Between two pages
/// others are reverted, among them the one that the marker names.
async fn no_image_is_skipped_or_shown_twice_while_others_leave(kind: Kind) {
    let world = World::new(kind).await;
    let moments = [LONG_AGO, "2020-02-02 11:00:00.327001", "2020-02-02 11:00:01.000000"];
    for (moment, prefix) in moments.iter().zip(["b", "a", "c"]) {
        world.crowd(&ids(prefix, 12), moment).await;
    }
    let database = world.open();
    let (reverter, mut chance) = (world.reverter(&database), Chance(17));
    for sort in [PendingSort::OldestFirst, PendingSort::NewestFirst] {
        let all: Vec<_> =
            listed_of(&world, &PendingQuery { sort, ..PendingQuery::default() }).await;
        let mut query = PendingQuery { sort, ..PendingQuery::default() };
        let (mut shown, mut left) = (Vec::new(), BTreeSet::new());
        loop {
            query.limit = u32::try_from(1 + chance.below(5)).unwrap();
            let page = reverter.list(&Admin::local_operator(), &query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.marker = Some(PendingMarker { deleted_at: last.deleted_at, id: last.id.clone() });
            let mut leaving = vec![all[chance.below(all.len())].id.clone()];
            leaving.extend((chance.below(3) == 0).then(|| last.id.clone()));
            shown.extend(page.into_iter().map(|one| one.id));
            for id in leaving {
                if left.insert(id.clone()) {
                    world.revert(id.as_str()).await.unwrap();
                }
            }
        }
        let stayed = |id: &ImageId| !left.contains(id);
        let expected: Vec<_> = all.iter().map(|one| &one.id).filter(|id| stayed(id)).collect();
        let seen: Vec<_> = shown.iter().filter(|id| stayed(id)).collect();
        assert_eq!(seen, expected, "{sort:?}");
        let once: BTreeSet<_> = shown.iter().collect();
        assert_eq!(once.len(), shown.len(), "{sort:?}: {shown:?}");
    }
}
