//! Statements, transactions and connections that a database's own limits end. Each is reported as
//! an unavailable database, with a message that names the limit, and leaves the image unchanged.

use std::sync::Arc;

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use glance_revert::domain::time::Clock;

use crate::support::crowd::{LONG_AGO, ids};
use crate::support::daemon::until;
use crate::support::database::{Kind, tests_on};
use crate::support::odds::LocksOfNobody;
use crate::support::private_mariadb::PrivateMariadb;
use crate::support::statements::StatementProxy;
use crate::support::world::World;

tests_on!(sqlite, Sqlite, [], a_missing_column_that_is_only_read_is_named_by_a_rehearsal);
tests_on!(
    mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    a_statement_that_is_ended_for_its_time_is_named_with_the_limit,
    users_who_share_too_few_connections_are_told_so,
    the_queries_of_a_pass_are_rehearsed_too,
    a_missing_column_that_is_only_read_is_named_by_a_rehearsal,
    a_rehearsal_walks_over_no_table
);
tests_on!(
    postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    a_statement_that_is_ended_for_its_time_is_named_with_the_limit,
    a_transaction_that_is_ended_for_its_time_is_named_with_the_limit,
    a_missing_column_that_is_only_read_is_named_by_a_rehearsal
);

fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig::parse(url, "").unwrap(), 4).unwrap()
}

async fn revert(world: &World, database: &Database) -> Result<(), RevertError> {
    let (id, request) = (ImageId::parse("a").unwrap(), RevertRequest::whole(Verify::Exists));
    world.reverter(database).revert(&Admin::local_operator(), &id, &request).await.map(drop)
}

fn away(answer: Result<(), RevertError>) -> String {
    match answer {
        Err(RevertError::Repo(RepoError::Unavailable(text))) => text,
        other => panic!("{other:?}"),
    }
}

/// One revert stops before its COMMIT; another one, under the limit, waits for its rows.
async fn a_statement_that_is_ended_for_its_time_is_named_with_the_limit(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let first = open(&proxy.url(&world.db.url()));
    first.health.rehearse().await.unwrap();
    let user = world.db.user().unwrap().grantee();
    let (limit, commit, words) = match kind {
        Kind::Postgres => {
            let limit = format!("ALTER ROLE {user} SET statement_timeout = '300ms'");
            (limit, "COMMIT\0", "statement_timeout")
        }
        Kind::Mariadb | Kind::Sqlite => {
            let limit = format!("ALTER USER {user} WITH MAX_STATEMENT_TIME 0.3");
            (limit, "COMMIT", "max_statement_time")
        }
    };
    world.db.execute(&limit).await;
    let second = Database { lock: Arc::new(LocksOfNobody), ..world.open() };
    proxy.stop_at(commit);
    let ended = async {
        proxy.stopped().await;
        let ended = revert(&world, &second).await;
        proxy.let_go();
        ended
    };
    let (won, ended) = tokio::join!(revert(&world, &first), ended);
    won.unwrap();
    let text = away(ended);
    assert!(text.contains(words), "{text}");
    assert_eq!(world.status("a").await, "active kept no time");
}

/// The service was frozen in the middle of a revert.
async fn a_transaction_that_is_ended_for_its_time_is_named_with_the_limit(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let user = world.db.user().unwrap().grantee();
    let limit = "SET idle_in_transaction_session_timeout = '200ms'";
    world.db.execute(&format!("ALTER ROLE {user} {limit}")).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let database = open(&proxy.url(&world.db.url()));
    proxy.stop_at("UPDATE images SET");
    let ends = async {
        proxy.stopped().await;
        let idle = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                    AND state = 'idle in transaction'";
        let ended = async || world.db.rows(idle).await.is_empty().then_some(());
        until("the end of the transaction", ended).await;
        proxy.let_go();
    };
    let (ended, ()) = tokio::join!(revert(&world, &database), ends);
    let text = away(ended);
    assert!(text.contains("idle_in_transaction_session_timeout"), "{text}");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
    revert(&world, &database).await.unwrap();
}

async fn users_who_share_too_few_connections_are_told_so(kind: Kind) {
    let server = PrivateMariadb::start(&["--max-user-connections=50"]);
    let world = World::at(kind, server.url().await).await;
    world.db.execute("SET GLOBAL max_user_connections = 1").await;
    let (database, id) = (world.open(), ImageId::parse("a").unwrap());
    // locks have a connection of their own
    let error = database.lock.try_lock(&id).await.unwrap_err();
    assert!(matches!(error, RepoError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("db_pool_size"), "{error}");
    assert!(error.to_string().contains("max_user_connections"), "{error}");
}

/// Otherwise a database that refuses one of these would be noticed only during a pass.
async fn the_queries_of_a_pass_are_rehearsed_too(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let database = open(&proxy.url(&world.db.url()));
    database.health.rehearse().await.unwrap();
    for statement in [
        "SELECT COUNT(*) AS images",
        "AS half_deleted",
        "FROM image_locations l WHERE l.image_id IN",
    ] {
        proxy.refuse(statement, 1142, "SELECT command denied");
        // a statement that was already prepared is not sent again
        let refused = open(&proxy.url(&world.db.url())).health.rehearse().await;
        assert!(matches!(refused, Err(RepoError::Refused(_))), "{statement}: {refused:?}");
        proxy.let_go();
    }
}

/// As in the database of a Glance that is too old.
async fn a_missing_column_that_is_only_read_is_named_by_a_rehearsal(kind: Kind) {
    let world = World::new(kind).await;
    world.open().health.rehearse().await.unwrap();
    world.db.execute("ALTER TABLE images DROP COLUMN os_hash_algo").await;
    let refused = world.open().health.rehearse().await;
    let told = matches!(&refused, Err(RepoError::Refused(why)) if why.contains("os_hash_algo"));
    assert!(told, "{refused:?}");
}

/// `/readyz` does it every half minute, on databases of any size.
async fn a_rehearsal_walks_over_no_table(kind: Kind) {
    const IMAGES: usize = 2000;
    let server = PrivateMariadb::start(&[]);
    let world = World::at(kind, server.url().await).await;
    let images = ids("w", IMAGES);
    for some in images.chunks(500) {
        world.crowd(some, LONG_AGO).await;
    }
    world.db.execute("ANALYZE TABLE images, image_locations").await;
    let repo = world.open().scrub_repo;
    repo.rehearse().await.unwrap();
    let before = rows_read(&world).await;
    repo.rehearse().await.unwrap();
    let read = rows_read(&world).await - before;
    assert!(read < IMAGES / 4, "{read} rows");
    repo.outlook([world.clock.now(); 3], world.clock.now()).await.unwrap();
    let walk = rows_read(&world).await - before - read;
    assert!(walk >= IMAGES, "{walk} rows");
}

/// Rows read by all clients of the server, which belongs to the test.
async fn rows_read(world: &World) -> usize {
    let sql = "SHOW GLOBAL STATUS WHERE variable_name IN ('Handler_read_next', \
               'Handler_read_rnd_next')";
    let rows = world.db.rows(sql).await;
    rows.iter().map(|row| row[1].as_deref().unwrap().parse::<usize>().unwrap()).sum()
}
