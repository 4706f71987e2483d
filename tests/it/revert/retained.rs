//! Which scrubbed images could still come back, on each database.

use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::ScrubbedQuery;
use glance_revert::domain::revert::{Chance, RetainedPage};

use crate::support::database::{Kind, on_each_database};
use crate::support::images::time;
use crate::support::rows::{DELETED, REMOVED};
use crate::support::world::World;

on_each_database! {
    a_scrubbed_image_is_listed_once_its_data_is_in_its_place_again,
    what_waits_or_lives_is_not_among_the_scrubbed,
    every_scrubbed_image_is_examined_once_page_by_page,
    filters_choose_which_scrubbed_images_are_examined,
}

/// Of `contents`.
const MD5: &str = "98bf7d8c15784f0a3d63204441e1e2aa";

/// An image whose data a pass has destroyed.
async fn scrubbed(world: &World, ids: &[&str]) {
    world.live_image("canary").await;
    for id in ids {
        world.deleted_image(id).await;
    }
    world.db.execute(&format!("UPDATE images SET checksum = '{MD5}'")).await;
    assert_eq!(world.scrub().await.scrubbed, ids.len() as u64);
}

async fn page(world: &World, query: &ScrubbedQuery) -> RetainedPage {
    let reverter = world.reverter(&world.open());
    reverter.list_retained(&Admin::local_operator(), query).await.unwrap()
}

fn all() -> ScrubbedQuery {
    ScrubbedQuery { limit: 100, ..ScrubbedQuery::default() }
}

fn ids(page: &RetainedPage) -> Vec<&str> {
    page.images.iter().map(|one| one.image.id.as_str()).collect()
}

async fn a_scrubbed_image_is_listed_once_its_data_is_in_its_place_again(kind: Kind) {
    let world = World::new(kind).await;
    scrubbed(&world, &["a", "b"]).await;
    let gone = page(&world, &all()).await;
    assert_eq!((ids(&gone), gone.examined, &gone.next), (vec![], 2, &None));

    std::fs::write(world.datadir().join("a"), b"contents").unwrap();
    std::fs::write(world.datadir().join("b"), b"another size").unwrap();
    let found = page(&world, &all()).await;
    assert_eq!(ids(&found), ["a"], "data of another size is no chance");
    assert_eq!(found.images[0].chance, Chance::Checksum);

    world.db.execute("UPDATE images SET checksum = NULL WHERE id = 'a'").await;
    let unprovable = page(&world, &all()).await;
    assert_eq!(unprovable.images[0].chance, Chance::ByHand, "there is no hash to compare");
    assert_eq!(world.status("a").await, "deleted deleted time", "nothing was changed");
}

async fn what_waits_or_lives_is_not_among_the_scrubbed(kind: Kind) {
    let world = World::new(kind).await;
    scrubbed(&world, &["gone"]).await;
    for id in ["pending", "claimed", "ended"] {
        world.deleted_image(id).await;
    }
    // a location was removed and scrubbed long before the delete
    for id in ["pending", "claimed"] {
        world.rows().location(id, &world.uri(id), "deleted", Some(REMOVED)).await;
    }
    world.claim(&["claimed"]).await;
    world.rows().image("bare", "deleted", 8, Some(DELETED)).await;
    let end = format!(
        "UPDATE images SET status = 'deleted' WHERE id = 'ended'; UPDATE image_locations SET \
         status = 'deleted', deleted_at = '{DELETED}' WHERE image_id = 'ended'"
    );
    world.db.execute(&end).await;
    let found = page(&world, &all()).await;
    assert_eq!(ids(&found), ["ended"], "{found:?}");
    assert_eq!(found.images[0].chance, Chance::Revert, "its store was never asked to destroy it");
}

async fn every_scrubbed_image_is_examined_once_page_by_page(kind: Kind) {
    let world = World::new(kind).await;
    let some = ["a", "b", "c", "d", "e"];
    scrubbed(&world, &some).await;
    // two that changed at the same moment, and one that changed last
    for (id, at) in [("a", "12:00:00"), ("b", "12:00:00"), ("c", "12:00:02"), ("d", "11:00:00")] {
        let at =
            format!("UPDATE images SET updated_at = '2026-11-22 {at}.000000' WHERE id = '{id}'");
        world.db.execute(&at).await;
    }
    world
        .db
        .execute("UPDATE images SET updated_at = '2026-11-22 12:00:01.500000' WHERE id = 'e'")
        .await;
    for id in some {
        std::fs::write(world.datadir().join(id), b"contents").unwrap();
    }
    for limit in [1, 2, 3, 5] {
        let (mut query, mut seen, mut pages) = (ScrubbedQuery { limit, ..all() }, Vec::new(), 0);
        loop {
            let page = page(&world, &query).await;
            pages += 1;
            assert!(page.examined <= limit as usize, "{page:?}");
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            query.marker = page.next;
            if query.marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["c", "e", "b", "a", "d"], "{limit} at a time");
        assert_eq!(pages, 5_u32.div_ceil(limit), "no page is empty");
    }
}

async fn filters_choose_which_scrubbed_images_are_examined(kind: Kind) {
    let world = World::new(kind).await;
    scrubbed(&world, &["a", "b"]).await;
    world.db.execute("UPDATE images SET owner = 'p2' WHERE id = 'b'").await;
    let owner = |owner: &str| ScrubbedQuery { owner: Some(owner.to_owned()), ..all() };
    let name = |name: &str| ScrubbedQuery { name: Some(name.to_owned()), ..all() };
    let after = |at| ScrubbedQuery { deleted_after: Some(time(at)), ..all() };
    let before = |at| ScrubbedQuery { deleted_before: Some(time(at)), ..all() };
    for (query, expected) in [
        (all(), 2),
        (owner("p2"), 1),
        (owner("nobody \u{1f600}"), 0),
        (name("name of a"), 1),
        (name("name of"), 0),
        (after("2026-11-22T11:00:00"), 2),
        (after("2026-11-22T11:00:01"), 0),
        (before("2026-11-22T11:00:01"), 2),
        (before("2026-11-22T11:00:00"), 0),
    ] {
        assert_eq!(page(&world, &query).await.examined, expected, "{query:?}");
    }
}
