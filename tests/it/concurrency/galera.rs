//! Two nodes of a real Galera: what no lock of either excludes, a node that lags, one that is cut off.

use std::time::Duration;

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, RepoError};
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use sqlx::raw_sql;
use tokio::time::timeout;

use super::race;
use crate::support::database::Kind;
use crate::support::galera::Galera;
use crate::support::statements::StatementProxy;
use crate::support::world::World;

/// The product on both nodes; the test's own eyes are on the first one, and see what the other one
/// has committed.
struct Cluster {
    here: Database,
    there: Database,
    world: World,
    // After the database in it: fields are dropped in this order.
    galera: Galera,
}

impl Cluster {
    async fn start() -> Self {
        let galera = Galera::start().await;
        let url = galera.url().await;
        galera.execute(0, "SET GLOBAL wsrep_sync_wait = 1").await;
        let world = World::at(Kind::Mariadb, url).await;
        // the second node has the user and the database of the first one by then
        galera.execute(1, "SET SESSION wsrep_sync_wait = 1; SELECT 1").await;
        let (here, there) = (world.open(), open(&galera.by(1, &world.db.url())));
        Self { here, there, world, galera }
    }
}

fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig::parse(url, "").unwrap(), 4).unwrap()
}

async fn revert(world: &World, database: &Database, id: &str) -> Result<(), RevertError> {
    let (id, request) = (ImageId::parse(id).unwrap(), RevertRequest::whole(Verify::Exists));
    world.reverter(database).revert(&Admin::local_operator(), &id, &request).await.map(drop)
}

fn is_away(error: &RevertError) -> bool {
    matches!(error, RevertError::Repo(RepoError::Unavailable(_)))
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn galera_reverts_on_one_node_against_passes_on_the_other_lose_no_bytes() {
    let cluster = Cluster::start().await;
    race::race(&cluster.world, &cluster.here, &cluster.there).await;
}

/// A node that has not applied what the other one has committed waits for it, in place of saying that
/// it is not there.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn galera_a_node_that_lags_takes_back_what_was_deleted_on_the_other() {
    let cluster = Cluster::start().await;
    let Cluster { galera, world, there, .. } = &cluster;
    there.health.rehearse().await.unwrap();
    let mut lag = galera.root(1).await;
    raw_sql("SET GLOBAL wsrep_desync = ON; FLUSH TABLES WITH READ LOCK")
        .execute(&mut lag)
        .await
        .unwrap();
    world.deleted_image("a").await;
    let page = PendingQuery { limit: 5, ..PendingQuery::default() };
    let mut reads = Box::pin(async {
        tokio::join!(revert(world, there, "a"), there.repo.list_pending(&page, None))
    });
    let early = timeout(Duration::from_secs(1), &mut reads).await;
    assert!(early.is_err(), "answered by what the node had not seen: {early:?}");
    raw_sql("UNLOCK TABLES; SET GLOBAL wsrep_desync = OFF").execute(&mut lag).await.unwrap();
    let (reverted, listed) = reads.await;
    reverted.unwrap();
    assert_eq!(listed.unwrap().len(), 1);
    assert_eq!(world.status("a").await, "active kept no time");
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn galera_a_node_that_is_cut_off_says_503_and_the_other_goes_on() {
    let cluster = Cluster::start().await;
    let Cluster { galera, world, here, there } = &cluster;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    let proxy = StatementProxy::start(&galera.by(1, &world.db.url())).await;
    let database = open(&proxy.url(&world.db.url()));
    database.health.rehearse().await.unwrap();
    proxy.stop_at("COMMIT");
    let cut = async {
        proxy.stopped().await;
        galera.cut_off().await;
        proxy.let_go();
    };
    let (committed, ()) = tokio::join!(revert(world, &database, "a"), cut);
    assert!(committed.as_ref().is_err_and(is_away), "{committed:?}");
    let refused = revert(world, there, "b").await;
    assert!(refused.as_ref().is_err_and(is_away), "{refused:?}");
    for id in ["a", "b"] {
        assert_eq!(world.status(id).await, "pending_delete deleted time");
        revert(world, here, id).await.unwrap();
        assert!(world.has_data(id));
    }
}
