//! Databases whose default isolation level differs from what Glance expects: the exclusion of
//! reverts, claims and purge must not depend on it.

use super::purge;
use super::race;
use crate::support::database::{Kind, TestDatabase};
use crate::support::private_mariadb::PrivateMariadb;
use crate::support::world::World;

/// Makes this the default level of every session on the test's database.
async fn postgres(level: &str) -> TestDatabase {
    let database = TestDatabase::create(Kind::Postgres).await;
    let name = database.owner_url().rsplit('/').next().unwrap().to_owned();
    let default = format!("SET default_transaction_isolation = '{level}'");
    database.execute(&format!("ALTER DATABASE {name} {default}")).await;
    database
}

macro_rules! on_each_level {
    ($($server:ident: $test:ident = $level:literal;)+) => {
        $(
            mod $test {
                #[tokio::test]
                #[ignore = "needs the servers of make test"]
                async fn reverts_against_passes_lose_no_bytes() {
                    super::$server::race($level).await;
                }

                #[tokio::test]
                #[ignore = "needs the servers of make test"]
                async fn a_purge_during_a_revert_takes_nothing_of_what_came_back() {
                    super::$server::purge($level).await;
                }
            }
        )+
    };
}

on_each_level! {
    on_mariadb: mariadb_read_committed = "READ-COMMITTED";
    on_mariadb: mariadb_serializable = "SERIALIZABLE";
    on_postgres: postgres_repeatable_read = "repeatable read";
    on_postgres: postgres_serializable = "serializable";
}

mod on_mariadb {
    use super::*;

    fn start(level: &str) -> PrivateMariadb {
        PrivateMariadb::start(&[&format!("--transaction-isolation={level}")])
    }

    pub(super) async fn race(level: &str) {
        let server = start(level);
        race::one_pass_a_round(&World::at(Kind::Mariadb, server.url().await).await).await;
    }

    pub(super) async fn purge(level: &str) {
        let server = start(level);
        let database = TestDatabase::create_at(Kind::Mariadb, server.url().await).await;
        purge::during_a_revert(database, Kind::Mariadb).await;
    }
}

mod on_postgres {
    use super::*;

    pub(super) async fn race(level: &str) {
        race::one_pass_a_round(&World::on(postgres(level).await)).await;
    }

    pub(super) async fn purge(level: &str) {
        purge::during_a_revert(postgres(level).await, Kind::Postgres).await;
    }
}
