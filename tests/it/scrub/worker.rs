//! The loop around passes: it survives a bug.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use glance_revert::domain::scrub::{PassLimits, ScrubSettings, Scrubber};
use glance_revert::worker::alerts::Alerts;
use glance_revert::worker::status::{Standing, Status};
use glance_revert::worker::{self, Pauses};
use tokio_util::sync::CancellationToken;

use crate::support::clock::ShiftedClock;
use crate::support::database::Kind;
use crate::support::odds::MeanwhileStores;
use crate::support::world::World;

/// Long ago by every clock.
const DELETED: &str = "2020-01-01 00:00:00.000000";

/// An image that has been due for years.
async fn with_a_due_image(kind: Kind) -> World {
    let world = World::new(kind).await;
    std::fs::write(world.datadir().join("a"), b"contents").unwrap();
    world.rows().image("a", "pending_delete", 8, Some(DELETED)).await;
    world.rows().location("a", &world.uri("a"), "pending_delete", Some(DELETED)).await;
    world
}

/// A scrubber with the machine's clock, put forward.
fn scrubber(world: &World, ahead: Duration) -> (Scrubber, Arc<ShiftedClock>) {
    let clock = Arc::new(ShiftedClock::default());
    clock.advance(ahead);
    let settings = ScrubSettings {
        scrub_time: Duration::from_mins(1),
        pool_size: 4,
        absent_limit: 20,
        limits: PassLimits::NONE,
        delayed_delete: true,
    };
    let (database, stores) = (world.open(), Arc::clone(&world.stores));
    (Scrubber::new(database.scrub_repo, database.lock, stores, clock.clone(), settings), clock)
}

#[tokio::test]
async fn the_pass_after_a_panic_goes_on() {
    let mut world = with_a_due_image(Kind::Sqlite).await;
    let panicked = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&panicked);
    let act = move || {
        let once = Arc::clone(&once);
        async move { assert!(once.swap(true, Ordering::SeqCst), "the first time is a bug") }.boxed()
    };
    world.stores =
        Arc::new(MeanwhileStores { inner: Arc::clone(&world.stores), act: Arc::new(act) });
    let (scrubber, clock) = scrubber(&world, Duration::ZERO);
    let stop = CancellationToken::new();
    let waits = Pauses { first: Duration::ZERO, wakeup_time: Duration::ZERO };
    let status = Arc::new(Status::new(Standing::On));
    let passes =
        worker::run(Arc::new(scrubber), clock, waits, status, Alerts::default(), stop.clone());
    let watch = async {
        while world.has_data("a") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let both = futures::future::join(passes, watch);
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    assert!(panicked.load(Ordering::SeqCst));
}
