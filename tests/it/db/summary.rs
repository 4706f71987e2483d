//! Pending images summarized by project, burst and store; and list filters that rows cannot answer.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::config::{FileConfig, StoreConfig, StoreKind};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, PendingSort};
use glance_revert::domain::store::StoreId;
use glance_revert::domain::summary::{GroupBy, Summary};
use glance_revert::store::{ConfiguredStores, StoreOptions};

use crate::support::clock;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    deletions_of_one_project_with_no_gap_over_a_minute_are_a_burst,
    a_project_is_summed_up_with_all_that_its_list_has,
    an_image_with_copies_in_two_stores_is_in_both_groups_and_counted_once,
    a_list_of_one_store_has_what_the_store_has_page_by_page,
    a_list_of_what_cannot_come_back_has_nothing_else,
    a_row_that_cannot_be_read_stops_no_summary,
}

const PROJECT: GroupBy = GroupBy { project: true, burst: false, store: false };
const BURST: GroupBy = GroupBy { project: false, burst: true, store: false };
const STORE: GroupBy = GroupBy { project: false, burst: false, store: true };

/// An image of 8 bytes without a file, deleted at this time on 2026-11-22.
async fn deleted(world: &World, id: &str, owner: &str, time: &str) {
    let at = format!("2026-11-22 {time}.000000");
    world.rows().image(id, "pending_delete", 8, Some(&at)).await;
    world.rows().location(id, &world.uri(id), "pending_delete", Some(&at)).await;
    world.db.execute(&format!("UPDATE images SET owner = '{owner}' WHERE id = '{id}'")).await;
}

async fn summed(world: &World, query: &PendingQuery, by: GroupBy) -> Summary {
    let reverter = world.reverter(&world.open());
    reverter.summary(&Admin::local_operator(), query, by).await.unwrap()
}

/// Each group as `project store images first-last`.
fn told(summary: &Summary) -> Vec<String> {
    let group = |group: &glance_revert::domain::summary::Group| {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let (span, time) = (group.span, "%H:%M:%S");
        format!(
            "{} {} {} {}-{}",
            text(&group.project),
            text(&group.store),
            span.tally.images,
            span.first.format(time),
            span.last.format(time)
        )
    };
    summary.groups.iter().map(group).collect()
}

async fn listed(world: &World, query: PendingQuery) -> Vec<String> {
    let reverter = world.reverter(&world.open());
    let found = reverter.list(&Admin::local_operator(), &query).await.unwrap();
    found.into_iter().map(|one| one.id.to_string()).collect()
}

async fn deletions_of_one_project_with_no_gap_over_a_minute_are_a_burst(kind: Kind) {
    let world = World::new(kind).await;
    for (id, owner, time) in [
        ("a", "p1", "11:00:00"),
        ("b", "p1", "11:00:30"),
        ("c", "p2", "11:00:40"),
        ("d", "p1", "11:01:30"),
        ("e", "p1", "11:02:31"),
    ] {
        deleted(&world, id, owner, time).await;
    }
    let summary = summed(&world, &PendingQuery::default(), BURST).await;
    assert_eq!(
        told(&summary),
        ["p1 - 3 11:00:00-11:01:30", "p2 - 1 11:00:40-11:00:40", "p1 - 1 11:02:31-11:02:31"],
        "60 seconds apart are one burst, 61 are two"
    );
    assert_eq!(summary.groups[0].span.tally.bytes, 24);
    let all = summary.all.unwrap();
    assert_eq!((all.tally.images, all.tally.bytes), (5, 40));
    assert_eq!((summary.other_groups, summary.others.images), (0, 0));
}

async fn a_project_is_summed_up_with_all_that_its_list_has(kind: Kind) {
    let world = World::new(kind).await;
    for (id, owner) in [("a", "p1"), ("b", "p1"), ("c", "p2"), ("d", "p1")] {
        deleted(&world, id, owner, "11:00:00").await;
    }
    world.db.execute("UPDATE images SET visibility = 'community' WHERE id = 'd'").await;
    world.live_image("alive").await;
    // Glance leaves such a row after a second DELETE
    world.db.execute("UPDATE images SET status = 'deleted' WHERE id = 'b'").await;
    let all = PendingQuery { limit: 10, ..PendingQuery::default() };
    let whole = summed(&world, &all, PROJECT).await;
    assert_eq!(told(&whole), ["p1 - 3 11:00:00-11:00:00", "p2 - 1 11:00:00-11:00:00"]);
    assert_eq!(listed(&world, all.clone()).await.len(), 4);

    let community = PendingQuery { visibility: Some("community".to_owned()), ..all.clone() };
    assert_eq!(told(&summed(&world, &community, PROJECT).await), ["p1 - 1 11:00:00-11:00:00"]);
    assert_eq!(listed(&world, community).await, ["d"]);

    let nobody = PendingQuery { owner: Some("nobody".to_owned()), ..all };
    assert_eq!(summed(&world, &nobody, PROJECT).await.all, None);
}

/// Stores `one` and `two`, a folder each; `both` has a copy in each of them.
async fn two_stores(kind: Kind) -> World {
    let mut world = World::with_datadirs(kind, &["images", "more"]).await;
    let store = |id: &str, folder: &str| StoreConfig {
        id: id.to_owned(),
        kind: StoreKind::File(FileConfig {
            datadirs: vec![world.datadir().with_file_name(folder)],
            timeout: None,
        }),
    };
    let stores = [store("one", "images"), store("two", "more")];
    let options =
        StoreOptions { store_timeout: Duration::from_secs(10), ..StoreOptions::default() };
    world.stores =
        Arc::new(ConfiguredStores::new(&stores, &options, &clock::machine(), None).unwrap());
    for (id, time) in [("a", "11:00:01"), ("both", "11:00:02"), ("c", "11:00:03")] {
        deleted(&world, id, "p1", time).await;
    }
    let at = Some("2026-11-22 11:00:02.000000");
    let more =
        |id: &str| format!("file://{}", world.datadir().with_file_name("more").join(id).display());
    world.rows().location("both", &more("both"), "pending_delete", at).await;
    // a second row in the same store, and a location outside of every store
    world.rows().location("both", &world.uri("both-2"), "pending_delete", at).await;
    world.rows().image("d", "pending_delete", 8, at).await;
    world.rows().location("d", "file:///elsewhere/d", "pending_delete", at).await;
    world.rows().image("nowhere", "pending_delete", 8, at).await;
    world
}

async fn an_image_with_copies_in_two_stores_is_in_both_groups_and_counted_once(kind: Kind) {
    let world = two_stores(kind).await;
    let summary = summed(&world, &PendingQuery::default(), STORE).await;
    let groups = told(&summary);
    let part = |text: &str| groups.iter().any(|group| group.starts_with(text));
    assert!(part("- one 3 ") && part("- two 1 ") && part("- - 2 "), "{groups:?}");
    assert_eq!(summary.all.unwrap().tally.images, 5, "{groups:?}");
    let by = GroupBy { burst: true, ..STORE };
    assert!(told(&summed(&world, &PendingQuery::default(), by).await)[0].starts_with("p1 one 3 "));
}

async fn a_list_of_one_store_has_what_the_store_has_page_by_page(kind: Kind) {
    let world = two_stores(kind).await;
    let query = |store: &str, limit| PendingQuery {
        store: Some(StoreId(store.to_owned())),
        sort: PendingSort::OldestFirst,
        limit,
        ..PendingQuery::default()
    };
    assert_eq!(listed(&world, query("one", 10)).await, ["a", "both", "c"]);
    assert_eq!(listed(&world, query("one", 2)).await, ["a", "both"]);
    assert_eq!(listed(&world, query("two", 10)).await, ["both"]);
    assert!(listed(&world, query("three", 10)).await.is_empty());
}

async fn a_list_of_what_cannot_come_back_has_nothing_else(kind: Kind) {
    let world = two_stores(kind).await;
    let query = |wanted| PendingQuery {
        revertible: Some(wanted),
        sort: PendingSort::OldestFirst,
        limit: 10,
        ..PendingQuery::default()
    };
    assert_eq!(listed(&world, query(false)).await, ["nowhere"]);
    assert_eq!(listed(&world, query(true)).await, ["a", "both", "d", "c"]);
}

async fn a_row_that_cannot_be_read_stops_no_summary(kind: Kind) {
    let world = World::new(kind).await;
    for id in ["a", "b"] {
        deleted(&world, id, "p1", "11:00:00").await;
    }
    let set = match kind {
        Kind::Sqlite => "size = 'large', owner = x'ff'",
        Kind::Mariadb => "size = -5",
        Kind::Postgres => "deleted_at = 'infinity'",
    };
    world.db.execute(&format!("UPDATE images SET {set} WHERE id = 'b'")).await;
    for by in [PROJECT, BURST, STORE] {
        let summary = summed(&world, &PendingQuery::default(), by).await;
        assert!(summary.all.unwrap().tally.images >= 1, "{summary:?}");
    }
}
