//! Faults of the database server itself, and of proxies in front of it.

use std::time::Duration;

use reqwest::StatusCode;

use super::scene::{Scene, a_moment, chance, descriptors_of};
use crate::support::chance::Chance;
use crate::support::daemon::{Service, until};
use crate::support::database::{Kind, TestDatabase};
use crate::support::env;
use crate::support::private_mariadb::PrivateMariadb;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::proxy::authority;
use crate::support::small_disk::SmallDisk;
use crate::support::world::World;

const A_ROUND: Duration = Duration::from_millis(700);

/// A service on the test's own server.
struct Stand {
    scene: Scene,
    service: Service,
    descriptors: usize,
    chance: Chance,
}

impl Stand {
    async fn at(kind: Kind, server: String) -> Self {
        Self::on(TestDatabase::create_at(kind, server).await, kind, None).await
    }

    /// The product connects through `url`.
    async fn on(database: TestDatabase, kind: Kind, url: Option<String>) -> Self {
        database.make_own_tables().await;
        database.grant_own_tables().await;
        let world = World::on(database);
        let url = url.unwrap_or_else(|| world.db.url());
        let scene = Scene::around(world, kind, &url, "").await;
        let service = scene.setup.serve().await;
        service.ready(StatusCode::OK).await;
        let descriptors = descriptors_of(service.child.id().unwrap());
        Self { scene, service, descriptors, chance: chance() }
    }

    /// Runs a round during which this fault begins after a moment and ends with the round.
    async fn round(&mut self, prefix: &str, breaks: impl AsyncFnOnce()) {
        self.scene.prepare(prefix).await;
        let faults = async {
            a_moment(&mut self.chance, A_ROUND).await;
            breaks().await;
        };
        let (answers, ()) = tokio::join!(self.scene.work(&self.service, prefix), faults);
        self.scene.note(prefix, answers);
    }

    /// Runs rounds with a full disk; returns how many of them it disturbed.
    async fn rounds_on_a_full_disk(&mut self, disk: &SmallDisk, prefixes: &[String]) -> usize {
        // the pass must find the due images only when the disk is full
        self.service.signal("STOP").await;
        for prefix in prefixes {
            self.scene.prepare(prefix).await;
        }
        disk.fill();
        self.service.signal("CONT").await;
        let mut disturbed = 0;
        for prefix in prefixes {
            let answers = self.scene.work(&self.service, prefix).await;
            self.scene.note(prefix, answers);
            disturbed += usize::from(!self.scene.was_undisturbed(prefix));
        }
        disk.make_room();
        disturbed
    }

    async fn checks(&mut self) {
        self.scene.settles().await;
        self.scene.rest_comes_back().await;
    }

    /// Runs rounds in which nothing may fail.
    async fn serves_the_same(mut self, level: &str) {
        for round in 0..env::rounds(1) {
            let prefix = format!("i{round}");
            self.round(&prefix, async || {}).await;
            assert!(self.scene.was_undisturbed(&prefix), "{level}");
            self.checks().await;
        }
        self.ends().await;
    }

    async fn ends(mut self) {
        self.service.ready(StatusCode::OK).await;
        self.scene.ends(self.service, self.descriptors).await;
    }
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn mariadb_that_starts_again_in_the_middle_of_everything_costs_nothing() {
    let mut server = PrivateMariadb::start(&[]);
    let mut stand = Stand::at(Kind::Mariadb, server.url().await).await;
    for round in 0..env::rounds(2) {
        let restarts = async || {
            server.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.start_again();
            server.execute("SELECT 1").await;
        };
        stand.round(&format!("r{round}"), restarts).await;
        stand.checks().await;
    }
    stand.ends().await;
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn postgres_that_starts_again_in_the_middle_of_everything_costs_nothing() {
    let mut server = PrivatePostgres::start().await;
    let mut stand = Stand::at(Kind::Postgres, server.url()).await;
    for round in 0..env::rounds(2) {
        let restarts = async || {
            server.kill().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            server.start_again();
            server.answers().await;
        };
        stand.round(&format!("r{round}"), restarts).await;
        stand.checks().await;
    }
    stand.ends().await;
}

/// The primary has become a replica; later it is the primary again.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn mariadb_that_becomes_read_only_is_away_until_it_is_not() {
    let server = PrivateMariadb::start(&[]);
    let mut stand = Stand::at(Kind::Mariadb, server.url().await).await;
    for round in 0..env::rounds(2) {
        let fails_over = async || {
            server.execute("SET GLOBAL read_only = ON").await;
            tokio::time::sleep(Duration::from_millis(1200)).await;
            server.execute("SET GLOBAL read_only = OFF").await;
        };
        stand.round(&format!("o{round}"), fails_over).await;
        stand.checks().await;
    }
    stand.ends().await;
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn postgres_that_becomes_read_only_is_away_until_it_is_not() {
    let server = PrivatePostgres::start().await;
    let mut stand = Stand::at(Kind::Postgres, server.url()).await;
    let read_only = |is: &str| {
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {is}");
        server.psql("postgres", &["-c", &set, "-c", "SELECT pg_reload_conf()"]);
    };
    for round in 0..env::rounds(2) {
        let fails_over = async || {
            read_only("on");
            tokio::time::sleep(Duration::from_millis(1200)).await;
            read_only("off");
        };
        stand.round(&format!("o{round}"), fails_over).await;
        stand.checks().await;
    }
    stand.ends().await;
}

/// Nothing can be written, but existing data can be read.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn full_disk_of_mariadb_destroys_nothing_without_its_entry_in_the_audit() {
    let options = ["--innodb-log-file-size=8M", "--innodb-data-file-path=ibdata1:12M:autoextend"];
    let server = PrivateMariadb::start_on_a_small_disk(&options).await;
    let mut stand = Stand::at(Kind::Mariadb, server.url().await).await;
    let mut disturbed = 0;
    for round in 0..env::rounds(1) {
        // each audit entry needs space that is not there
        let parts: Vec<_> = (0..8).map(|part| format!("d{round}p{part}")).collect();
        disturbed += stand.rounds_on_a_full_disk(server.disk(), &parts).await;
        stand.checks().await;
    }
    assert!(disturbed > 0, "there was place for all of it");
    stand.ends().await;
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn full_disk_of_postgres_destroys_nothing_without_its_entry_in_the_audit() {
    let mut server = PrivatePostgres::start_on_a_small_disk().await;
    let mut stand = Stand::at(Kind::Postgres, server.url()).await;
    let mut disturbed = 0;
    for round in 0..env::rounds(1) {
        let parts: Vec<_> = (0..3).map(|part| format!("d{round}p{part}")).collect();
        disturbed += stand.rounds_on_a_full_disk(server.disk(), &parts).await;
        until("the server", async || {
            // a server that could not write its redo log has ended itself
            if server.has_ended() {
                server.start_again();
            }
            server.serves().then_some(())
        })
        .await;
        stand.checks().await;
    }
    assert!(disturbed > 0, "there was place for all of it");
    stand.ends().await;
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn mariadb_at_other_isolation_levels_is_served_the_same() {
    for level in ["READ-COMMITTED", "SERIALIZABLE"] {
        let server = PrivateMariadb::start(&[&format!("--transaction-isolation={level}")]);
        let stand = Stand::at(Kind::Mariadb, server.url().await).await;
        stand.serves_the_same(level).await;
    }
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn postgres_at_other_isolation_levels_is_served_the_same() {
    for level in ["repeatable read", "serializable"] {
        let database = TestDatabase::create(Kind::Postgres).await;
        let name = database.owner_url().rsplit('/').next().unwrap().to_owned();
        let default = format!("SET default_transaction_isolation = '{level}'");
        database.execute(&format!("ALTER DATABASE {name} {default}")).await;
        let stand = Stand::on(database, Kind::Postgres, None).await;
        stand.serves_the_same(level).await;
    }
}

/// Session pooling per transaction, and per client. The server sessions belong to `PgBouncer` and
/// stay.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn sid_servers_pgbouncer_in_both_modes_is_served_the_same() {
    for bouncer in [env::pgbouncer(), env::pgbouncer_by_session()] {
        let database = TestDatabase::create(Kind::Postgres).await;
        let url = database.url();
        let url = url.replace(authority(&url), authority(&format!("{bouncer}/")));
        let mut stand = Stand::on(database, Kind::Postgres, Some(url)).await;
        for round in 0..env::rounds(2) {
            stand.round(&format!("b{round}"), async || {}).await;
            stand.checks().await;
        }
        stand.service.ready(StatusCode::OK).await;
        stand.service.terminate().await;
        assert_eq!(stand.service.ended().await.code(), Some(0));
    }
}
