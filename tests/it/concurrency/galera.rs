//! Nodes of a real Galera cluster: races that no node's locks exclude, and a node that lags, is
//! isolated, freezes or ends.

use std::time::Duration;

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::audit::AuditQuery;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, RepoError};
use glance_revert::domain::revert::{Many, RevertError, RevertRequest, Verify};
use glance_revert::domain::scrub::PassLimits;
use rustix::process::Signal;
use sqlx::raw_sql;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::processes::Processes;
use super::race;
use crate::scrub::orders::{control, scrubber};
use crate::support::crowd::{Fate, LONG_AGO, NOT_YET, ids, tally};
use crate::support::daemon::until;
use crate::support::database::Kind;
use crate::support::env;
use crate::support::galera::Galera;
use crate::support::statements::StatementProxy;
use crate::support::world::World;

/// `GLANCE_REVERT_TEST_ROUNDS` sets another number, up to this one.
const ROUNDS: usize = 8;
const MOST_ROUNDS: usize = 200;

/// The product on both nodes. The test itself observes the first node, which sees what the other
/// one has committed.
struct Cluster {
    here: Database,
    there: Database,
    world: World,
    // Dropped after the database on it: fields are dropped in this order.
    galera: Galera,
}

impl Cluster {
    async fn start() -> Self {
        let galera = Galera::start().await;
        let url = galera.url().await;
        galera.execute(0, "SET GLOBAL wsrep_sync_wait = 1").await;
        let world = World::at(Kind::Mariadb, url).await;
        // by then the user and the database of the first node exist on the second one
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

/// A pause, a hold, a bulk revert and the audit, each on another node than the one before; then one
/// node freezes for longer than the others wait for it, and another one ends.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn galera_orders_and_bulk_reverts_hold_on_all_nodes_whichever_is_lost() {
    let mut galera = Galera::start_nodes(3).await;
    let url = galera.url().await;
    galera.execute(0, "SET GLOBAL wsrep_sync_wait = 1").await;
    let world = World::at(Kind::Mariadb, url).await;
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    galera.execute(1, "SET SESSION wsrep_sync_wait = 1; SELECT 1").await;
    galera.execute(2, "SET SESSION wsrep_sync_wait = 1; SELECT 1").await;
    let nodes = [0, 1, 2].map(|node| open(&galera.by(node, &world.db.url())));
    orders_hold(&world, &nodes).await;

    // a frozen node: its clients lose the database, and it does no harm when it resumes
    galera.signal(2, Signal::STOP);
    let images = ids("z", 20);
    world.crowd(&images, LONG_AGO).await;
    all_come_back(&world, &nodes[1], &images).await;
    galera.signal(2, Signal::CONT);
    let zombie = revert(&world, &nodes[2], &images[0]).await;
    assert!(zombie.as_ref().is_err_and(is_away), "answered by what it had before: {zombie:?}");
    assert_eq!(tally(&world.fates("z").await)[&format!("{:?}", Fate::KEPT)], 20);

    galera.kill(1);
    world.crowd(&ids("k", 5), LONG_AGO).await;
    let lost = revert(&world, &nodes[1], "k-0000").await;
    assert!(lost.as_ref().is_err_and(is_away), "{lost:?}");
    all_come_back(&world, &nodes[0], &ids("k", 5)).await;
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let entries = nodes[0].tables.list_audit(&Admin::local_operator(), &query).await.unwrap();
    let of = |operation: &str| entries.iter().filter(|row| row.operation == operation).count();
    assert_eq!(of("scrubImage") + of("revertImage"), 2 + 20 + 20 + 5, "{entries:?}");
    assert_eq!((of("pauseScrubber"), of("holdImage")), (1, 1), "{entries:?}");
}

async fn orders_hold(world: &World, nodes: &[Database; 3]) {
    let (admin, images) = (Admin::local_operator(), ids("i", 2));
    world.crowd(&images, LONG_AGO).await;
    let controls = nodes.each_ref().map(|node| control(world, node));
    let held = ImageId::parse(&images[0]).unwrap();
    controls[0].pause(&admin, None, None).await.unwrap();
    let stop = CancellationToken::new();
    let paused = scrubber(world, &nodes[1], PassLimits::NONE).run_once(&stop).await.unwrap();
    assert!(paused.paused && world.files() == 2, "{paused:?}");
    controls[2].hold(&admin, &held, None, None).await.unwrap();
    controls[1].resume(&admin).await.unwrap();
    let report = scrubber(world, &nodes[0], PassLimits::NONE).run_once(&stop).await.unwrap();
    assert_eq!(report.scrubbed, 1, "{report:?}");
    assert!(world.has_data(&images[0]), "its hold was answered by another node");
    controls[0].release(&admin, &held).await.unwrap();

    // a bulk revert on one node, concurrent with a pass on another one
    let raced = ids("b", 20);
    world.crowd(&raced, NOT_YET).await;
    let beside = scrubber(world, &nodes[1], PassLimits::NONE);
    let mut both = images[..1].to_vec();
    both.extend(raced);
    let (back, report) = tokio::join!(bulk(world, &nodes[2], &both), beside.run_once(&stop));
    report.unwrap();
    assert!(back >= 20, "{back}");
}

/// Requests may fail until the other nodes notice that a node is gone.
async fn all_come_back(world: &World, database: &Database, images: &[String]) {
    until("all of them to come back", async || {
        (bulk(world, database, images).await == images.len()).then_some(())
    })
    .await;
}

/// Runs a bulk revert; returns how many images came back.
async fn bulk(world: &World, database: &Database, images: &[String]) -> usize {
    let ids: Vec<_> = images.iter().map(|id| ImageId::parse(id).unwrap()).collect();
    let many = Many { ids: &ids, request: RevertRequest::whole(Verify::Exists), jobs: 8 };
    let (mut back, stop) = (0, CancellationToken::new());
    let mut tell = |_, answer: Result<_, RevertError>| {
        back += usize::from(answer.as_ref().err().is_none_or(RevertError::is_back));
    };
    let reverter = world.reverter(database);
    drop(reverter.revert_many(&Admin::local_operator(), &many, &stop, &mut tell).await);
    back
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn galera_reverts_on_one_node_against_passes_on_the_other_lose_no_bytes() {
    let cluster = Cluster::start().await;
    race::race(&cluster.world, &cluster.here, &cluster.there).await;
}

/// `serve` uses one node, each `scrub` the other.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn galera_orders_to_a_process_on_one_node_are_kept_by_passes_of_processes_on_the_other() {
    let cluster = Cluster::start().await;
    let Cluster { galera, world, .. } = &cluster;
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    let url = world.db.url();
    let processes = Processes::start(world, &url, &galera.by(1, &url)).await;
    let rounds = env::rounds(ROUNDS).min(MOST_ROUNDS);
    processes.race_holds(rounds).await;
    processes.race_pauses(rounds).await;
}

/// A node that has not yet applied the other's commit must wait for it instead of answering "not
/// found".
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
    let told = committed.unwrap_err().to_string();
    assert!(told.contains("the outcome of the change is unknown; read the image"), "{told}");
    let refused = revert(world, there, "b").await;
    assert!(refused.as_ref().is_err_and(is_away), "{refused:?}");
    for id in ["a", "b"] {
        assert_eq!(world.status(id).await, "pending_delete deleted time");
        revert(world, here, id).await.unwrap();
        assert!(world.has_data(id));
    }
}
