//! The real process when it cannot write its log: the disk is full, or the reader is gone.

use reqwest::StatusCode;

use crate::support::crowd::{Fate, LONG_AGO, ids};
use crate::support::daemon::Setup;
use crate::support::database::Kind;
use crate::support::world::World;

#[tokio::test]
async fn a_service_whose_log_cannot_be_written_goes_on_and_counts_what_is_lost() {
    let world = World::new(Kind::Sqlite).await;
    let images = ids("a", 1);
    world.crowd(&images, LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let mut service = setup.serve_without_log().await;
    let reverted = service.revert(&images[0]).await.unwrap();
    assert_eq!(reverted.status(), StatusCode::OK);
    assert_eq!(world.fates("a").await[&images[0]], Fate::KEPT);
    assert!(service.metric("glance_revert_log_failures_total").await >= 1.0);
    service.terminate().await;
    assert_eq!(service.ended().await.code(), Some(0));
}
