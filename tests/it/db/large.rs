//! Large tables: lists and passes avoid walks over all rows, with the same results.

use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingMarker, PendingQuery, PendingSort};
use glance_revert::domain::revert::{RevertRequest, Verify};
use glance_revert::domain::time::Clock;

use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::statements::StatementProxy;
use crate::support::world::World;

on_each_database! {
    the_newest_are_the_same_with_and_without_the_index_on_changes,
    a_deletion_time_written_by_hand_hides_no_image,
    pages_end_where_times_lack_their_last_digits,
    pages_are_whole_where_all_that_changed_last_was_scrubbed,
    remnants_are_found_behind_thousands_of_images,
}
tests_on!(
    postgres_server,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    reverted_images_are_read_by_their_ids
);

/// Seven images, deleted a minute apart, `g` last.
async fn world(kind: Kind) -> World {
    let world = World::new(kind).await;
    for (minute, id) in (10..).zip(["a", "b", "c", "d", "e", "f", "g"]) {
        world.deleted_image(id).await;
        set_deleted(&world, id, &format!("2026-11-22 11:{minute}:00.000000")).await;
    }
    world
}

async fn set_deleted(world: &World, id: &str, at: &str) {
    let set = format!("deleted_at = '{at}', updated_at = '{at}'");
    world.db.execute(&format!("UPDATE images SET {set} WHERE id = '{id}'")).await;
    world.db.execute(&format!("UPDATE image_locations SET {set} WHERE image_id = '{id}'")).await;
}

/// All pages of the list, all on one connection. `asks`: queries the order of the rows first.
async fn listed(world: &World, sort: PendingSort, limit: u32, asks: bool) -> String {
    let database = world.open();
    if asks {
        database.scrub_repo.outlook([world.clock.now(); 3], world.clock.now()).await.unwrap();
    }
    let reverter = world.reverter(&database);
    let mut query = PendingQuery { sort, limit, ..PendingQuery::default() };
    let mut ids = Vec::new();
    loop {
        let page = reverter.list(&Admin::local_operator(), &query).await.unwrap();
        ids.extend(page.iter().map(|one| one.id.to_string()));
        match page.last().filter(|_| page.len() == limit as usize) {
            None => return ids.concat(),
            Some(last) => {
                let (deleted_at, id) = (last.deleted_at, last.id.clone());
                query.marker = Some(PendingMarker { deleted_at, id });
            }
        }
    }
}

async fn the_newest_are_the_same_with_and_without_the_index_on_changes(kind: Kind) {
    let world = world(kind).await;
    // a released claim, a DELETE that was sent again, an image that Glance ended, and images that
    // changed since then but are not pending
    let later = "updated_at = '2026-11-22 11:50:00.000000'";
    world.db.execute(&format!("UPDATE images SET {later} WHERE id = 'b'")).await;
    world.db.execute("UPDATE images SET status = 'deleted' WHERE id IN ('d', 'e')").await;
    world.db.execute("UPDATE image_locations SET status = 'deleted' WHERE image_id = 'e'").await;
    for id in ["x", "y", "z"] {
        world.live_image(id).await;
        world.db.execute(&format!("UPDATE images SET {later} WHERE id = '{id}'")).await;
    }
    for limit in [1, 2, 3, 10] {
        for asks in [false, true] {
            let newest = listed(&world, PendingSort::NewestFirst, limit, asks).await;
            assert_eq!(newest, "gfedcba", "{limit} {asks}");
            let oldest = listed(&world, PendingSort::OldestFirst, limit, asks).await;
            assert_eq!(oldest, "abcdefg", "{limit} {asks}");
        }
    }
}

/// Somebody postponed the scrub by editing `deleted_at`, without touching `updated_at`.
async fn a_deletion_time_written_by_hand_hides_no_image(kind: Kind) {
    let world = world(kind).await;
    for set in ["deleted_at = '2026-11-22 11:40:00.000000'", "updated_at = NULL"] {
        world.db.execute(&format!("UPDATE images SET {set} WHERE id = 'a'")).await;
        for limit in [1, 2, 10] {
            let newest = listed(&world, PendingSort::NewestFirst, limit, true).await;
            assert_eq!(newest, "agfedcb", "{set} {limit}");
        }
    }
}

/// SQLite compares times as text, and stores them as they are written.
async fn pages_end_where_times_lack_their_last_digits(kind: Kind) {
    let world = world(kind).await;
    for (minute, id) in (10..).zip(["a", "b", "c", "d", "e", "f", "g"]) {
        set_deleted(&world, id, &format!("2026-11-22 11:{minute}:00")).await;
    }
    for asks in [false, true] {
        let query = PendingQuery { limit: 3, ..PendingQuery::default() };
        let database = world.open();
        if asks {
            database.scrub_repo.outlook([world.clock.now(); 3], world.clock.now()).await.unwrap();
        }
        for sort in [PendingSort::NewestFirst, PendingSort::OldestFirst] {
            let query = PendingQuery { sort, ..query.clone() };
            let page = world.reverter(&database).list(&Admin::local_operator(), &query).await;
            assert_eq!(page.unwrap().len(), 3, "{sort:?} {asks}");
        }
    }
}

const TIMES: &str = "TRUE, '2026-10-01 08:00:00.000000', '2026-11-01 08:00:00.000000', \
     '2026-11-01 08:00:00.000000'";

/// More images than one stretch examines: scrubbed ones, one without any location, and one with
/// only a location that the delete never saw.
async fn remnants_are_found_behind_thousands_of_images(kind: Kind) {
    let world = World::new(kind).await;
    scrubbed(&world, 12_000, TIMES).await;
    for id in ["empty", "zkept"] {
        world.deleted_image(id).await;
    }
    let gone = "UPDATE image_locations SET status = 'deleted', deleted_at = NULL WHERE image_id =";
    world.db.execute(&format!("{gone} 'empty'")).await;
    let kept = "status = 'active', deleted = FALSE, deleted_at = NULL";
    world.db.execute(&format!("UPDATE image_locations SET {kept} WHERE image_id = 'zkept'")).await;
    let report = world.scrub().await;
    assert_eq!((report.scrubbed, report.failed), (2, 0), "{report:?}");
    assert!(world.status("empty").await.starts_with("deleted"));
    assert!(!world.has_data("zkept"));
}

async fn scrubbed(world: &World, count: u32, times: &str) {
    let row =
        |number| format!("('s{number:05}', 'deleted', 'shared', 0, 0, FALSE, FALSE, {times})");
    let numbers: Vec<_> = (0..count).collect();
    for some in numbers.chunks(1000) {
        let rows = some.iter().map(row).collect::<Vec<_>>().join(", ");
        let columns = "id, status, visibility, min_disk, min_ram, protected, os_hidden, deleted";
        let columns = format!("{columns}, created_at, updated_at, deleted_at");
        world.db.execute(&format!("INSERT INTO images ({columns}) VALUES {rows}")).await;
    }
}

/// More images than the first sample for the end of a page.
async fn pages_are_whole_where_all_that_changed_last_was_scrubbed(kind: Kind) {
    let world = world(kind).await;
    let times = "TRUE, '2026-10-01 08:00:00.000000', '2026-11-22 11:30:00.000000', \
         '2026-11-15 08:00:00.000000'";
    scrubbed(&world, 1_500, times).await;
    for (limit, asks) in [(2, false), (2, true), (10, true)] {
        let newest = listed(&world, PendingSort::NewestFirst, limit, asks).await;
        assert_eq!(newest, "gfedcba", "{limit} {asks}");
        let oldest = listed(&world, PendingSort::OldestFirst, limit, asks).await;
        assert_eq!(oldest, "abcdefg", "{limit} {asks}");
    }
}

/// If its statistics say that all images are deleted, PostgreSQL would use the index on `deleted`
/// and read all reverted images, for each of them.
async fn reverted_images_are_read_by_their_ids(kind: Kind) {
    let world = World::new(kind).await;
    let (series, times) = ("FROM generate_series(1, 5000) AS n", TIMES);
    for insert in [
        "INSERT INTO images (id, status, visibility, min_disk, min_ram, protected, os_hidden, \
         deleted, created_at, updated_at, deleted_at) \
         SELECT CONCAT('s', n), 'pending_delete', 'shared', 0, 0, FALSE, FALSE",
        "INSERT INTO image_locations (image_id, value, status, meta_data, deleted, created_at, \
         updated_at, deleted_at) SELECT CONCAT('s', n), 'file:///x', 'pending_delete', '{}'",
    ] {
        world.db.execute(&format!("{insert}, {times} {series}")).await;
    }
    world.deleted_image("a").await;
    world.db.execute("ANALYZE images").await;
    world.db.execute("ANALYZE image_locations").await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let reverter = world.reverter(&World::open_at(&proxy.url(&world.db.url())));
    let request = RevertRequest::whole(Verify::Exists);
    let id = ImageId::parse("a").unwrap();
    reverter.revert(&Admin::local_operator(), &id, &request).await.unwrap();
    let heard = proxy.heard();
    let looks = heard.iter().filter_map(|said| said.split_once("SELECT l.id FROM images i JOIN "));
    let looks: Vec<_> = looks.map(|(_, rest)| rest.split('\0').next().unwrap()).collect();
    assert_eq!(looks.len(), 1, "{heard:#?}");
    let look = format!("EXPLAIN SELECT l.id FROM images i JOIN {}", looks[0].replace("$1", "'a'"));
    let plan = format!("{:?}", world.db.rows(&look).await);
    assert!(plan.contains("images_pkey"), "{plan}");
    assert!(plan.contains("ix_image_locations_image_id"), "{plan}");
}
