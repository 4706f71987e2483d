//! Two passes that each settle a part of one image, as after a lost lock: the pass that ends the
//! image's last location records the image.

use std::sync::Arc;

use futures::future::join;
use glance_revert::db::Database;
use glance_revert::domain::audit::{Actor, AuditEntry, AuditQuery};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::ImageGuard;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::scrub::{Claim, Ended, Settled, Work};
use glance_revert::domain::time::Clock;

use crate::support::database::{Kind, on_each_database};
use crate::support::odds::LocksOfNobody;
use crate::support::rows::DELETE_BEGAN;
use crate::support::world::World;

on_each_database! {
    the_pass_that_ends_an_images_last_location_records_it,
    if_two_passes_end_the_last_two_locations_one_records_the_image,
}

/// A pass that has claimed an image of two locations.
struct HalfPass {
    database: Database,
    guard: ImageGuard,
    work: Work,
}

impl HalfPass {
    async fn begin(world: &World, image: &str) -> Self {
        let database = Database { lock: Arc::new(LocksOfNobody), ..world.open() };
        let (id, now) = (ImageId::parse(image).unwrap(), world.clock.now());
        let guard = database.lock.try_lock(&id).await.unwrap().unwrap();
        let found = database.repo.get_many(&[id]).await.unwrap().remove(0).unwrap();
        let work = found.into_work(now).unwrap();
        let claim = Claim { guard: &guard, work: &work, stamp: work.stamp(now) };
        assert!(database.scrub_repo.claim(&[claim]).await.unwrap().is_some());
        Self { database, guard, work }
    }

    /// Ends one of the locations, and fails at the other one.
    async fn end(&self, world: &World, location: usize) -> Ended {
        let now = world.clock.now();
        let entry = AuditEntry::new(now, "scrubImage", Actor::scrubber()).about(self.work.image());
        let settled = Settled {
            guard: &self.guard,
            deleted: vec![self.work.targets()[location].id],
            release: None,
            audit: Some(entry),
            is_whole: false,
        };
        let at = self.work.settled_after(now);
        self.database.scrub_repo.settle(&[settled], at).await.unwrap()
    }
}

async fn two_copies(world: &World, image: &str) {
    world.deleted_image(image).await;
    world.rows().location(image, "file:///elsewhere", "pending_delete", Some(DELETE_BEGAN)).await;
}

async fn records(world: &World, image: &str) -> usize {
    let image = Some(ImageId::parse(image).unwrap());
    let query = AuditQuery { image, limit: 10, ..AuditQuery::default() };
    let rows = world.open().tables.list_audit(&Admin::local_operator(), &query).await.unwrap();
    assert!(rows.iter().all(|row| row.operation == "scrubImage" && row.owner.is_some()));
    rows.len()
}

async fn the_pass_that_ends_an_images_last_location_records_it(kind: Kind) {
    let world = World::with_tables(kind).await;
    two_copies(&world, "a").await;
    let (one, other) = (HalfPass::begin(&world, "a").await, HalfPass::begin(&world, "a").await);
    assert_eq!(one.end(&world, 0).await, Ended::default());
    assert_eq!(records(&world, "a").await, 0, "something waits still");
    let last = vec![ImageId::parse("a").unwrap()];
    assert_eq!(other.end(&world, 1).await, Ended { last, ..Ended::default() });
    assert_eq!(records(&world, "a").await, 1);
}

async fn if_two_passes_end_the_last_two_locations_one_records_the_image(kind: Kind) {
    let world = World::with_tables(kind).await;
    for round in 0..20 {
        let image = format!("i{round}");
        two_copies(&world, &image).await;
        let (one, other) =
            (HalfPass::begin(&world, &image).await, HalfPass::begin(&world, &image).await);
        let (one, other) = join(one.end(&world, 0), other.end(&world, 1)).await;
        assert_eq!(one.last.len() + other.last.len(), 1, "{one:?}, {other:?}");
        assert_eq!(records(&world, &image).await, 1, "round {round}");
    }
}
