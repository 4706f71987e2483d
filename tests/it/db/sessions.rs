//! How a database's configuration, or a proxy, affects sessions: enforced settings, refused locks,
//! refused reads and writes.

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::LockTrial;
use glance_revert::domain::pending::Children;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, RepoError};
use glance_revert::domain::revert::{RevertError, RevertRequest, Verify};
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::private_mariadb::PrivateMariadb;
use crate::support::proxy::{closed_port, url_by};
use crate::support::statements::StatementProxy;
use crate::support::world::World;

on_each_database! {
    a_filter_with_characters_that_the_columns_lack_finds_nothing,
}

tests_on!(
    only_mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    without_named_locks_the_compare_and_set_protects_alone,
    a_commit_that_failed_says_that_the_outcome_is_not_known,
    a_login_that_is_not_known_is_named_with_the_remedy,
    a_user_without_connections_left_is_an_unavailable_database,
    settings_that_a_server_forces_on_its_clients_are_undone,
    a_table_without_transactions_is_named_and_takes_no_revert,
    a_column_of_another_collation_is_named_and_nothing_is_destroyed
);
tests_on!(
    servers_mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    an_unreachable_server_is_reported_within_two_seconds,
    missing_read_grants_are_named_and_nothing_is_destroyed
);
tests_on!(
    servers_postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    an_unreachable_server_is_reported_within_two_seconds,
    missing_read_grants_are_named_and_nothing_is_destroyed,
    a_database_that_may_only_be_read_is_named
);

fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig::parse(url, "").unwrap(), 4).unwrap()
}

async fn revert(world: &World, database: &Database, id: &str) -> Result<(), RevertError> {
    let (id, request) = (ImageId::parse(id).unwrap(), RevertRequest::whole(Verify::Exists));
    world.reverter(database).revert(&Admin::local_operator(), &id, &request).await.map(drop)
}

async fn a_filter_with_characters_that_the_columns_lack_finds_nothing(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let repo = world.open().repo;
    for text in ["\u{1f600}", "a\0"] {
        let text = Some(text.to_owned());
        for query in [
            PendingQuery { name: text.clone(), limit: 5, ..PendingQuery::default() },
            PendingQuery { owner: text.clone(), limit: 5, ..PendingQuery::default() },
        ] {
            assert!(repo.list_pending(&query, None).await.unwrap().is_empty(), "{query:?}");
        }
    }
}

/// The literal error of Percona's cluster in strict mode, for which no package is available.
async fn without_named_locks_the_compare_and_set_protects_alone(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let words = "Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING";
    proxy.refuse("GET_LOCK(", 1105, words);
    world.deleted_image("a").await;
    world.deleted_image("b").await;
    let database = open(&proxy.url(&world.db.url()));
    assert_eq!(database.lock.trial().await.unwrap(), LockTrial::Absent);
    revert(&world, &database, "a").await.unwrap();
    let pass = world.scrubber(&database).run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((pass.scrubbed, pass.failed, pass.skipped), (1, 0, false), "{pass:?}");
    assert!(world.has_data("a") && !world.has_data("b"));
}

/// 1180 occurred when a node failed to replicate a write-set.
async fn a_commit_that_failed_says_that_the_outcome_is_not_known(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    world.deleted_image("a").await;
    let database = open(&proxy.url(&world.db.url()));
    proxy.refuse("COMMIT", 1180, "Got error 5 during COMMIT");
    let error = revert(&world, &database, "a").await.unwrap_err();
    let RevertError::Repo(RepoError::Unavailable(text)) = &error else { panic!("{error}") };
    assert!(text.contains("the outcome of the change is unknown"), "{text}");
    proxy.let_go();
    revert(&world, &database, "a").await.unwrap();
}

async fn a_login_that_is_not_known_is_named_with_the_remedy(kind: Kind) {
    let world = World::new(kind).await;
    let user = world.db.user().unwrap().grantee();
    let password = "USING PASSWORD('x')";
    world.db.execute("INSTALL PLUGIN IF NOT EXISTS ed25519 SONAME 'auth_ed25519'").await;
    world.db.execute(&format!("ALTER USER {user} IDENTIFIED VIA ed25519 {password}")).await;
    let error = world.open().health.ping().await.unwrap_err();
    assert!(matches!(error, RepoError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("change it to caching_sha2_password or"), "{error}");
}

async fn a_user_without_connections_left_is_an_unavailable_database(kind: Kind) {
    let world = World::new(kind).await;
    let user = world.db.user().unwrap().grantee();
    world.db.execute(&format!("ALTER USER {user} WITH MAX_USER_CONNECTIONS 1")).await;
    let (database, id) = (world.open(), ImageId::parse("a").unwrap());
    // locks have a connection of their own
    let error = database.lock.try_lock(&id).await.unwrap_err();
    assert!(matches!(error, RepoError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("db_pool_size"), "{error}");
}

/// Uses its own server, because these settings affect all clients.
async fn settings_that_a_server_forces_on_its_clients_are_undone(kind: Kind) {
    let server = PrivateMariadb::start(&[
        "--sql-mode=ORACLE",
        "--init-connect=SET autocommit=0, completion_type=1, sql_select_limit=1, sql_safe_updates=1",
    ]);
    let world = World::at(kind, server.url().await).await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    let (database, id) = (world.open(), ImageId::parse("a").unwrap());
    let all = PendingQuery { limit: 5, ..PendingQuery::default() };
    assert_eq!(database.repo.list_pending(&all, None).await.unwrap().len(), 2);
    revert(&world, &database, "a").await.unwrap();
    world.db.execute("UPDATE images SET status = 'killed' WHERE id = 'a'").await;
    let seen = database.repo.get(&id, Children::ALL).await.unwrap().unwrap();
    assert_eq!(seen.status.as_str(), "killed", "what was read before is not what is there");
    let pass = world.scrubber(&database).run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((pass.scrubbed, pass.failed), (1, 0), "{pass:?}");

    world.deleted_image("c").await;
    world.db.execute("SET GLOBAL read_only = 1").await;
    let error = revert(&world, &database, "c").await.unwrap_err();
    assert!(matches!(error, RevertError::Repo(RepoError::Unavailable(_))), "{error}");
    assert!(error.to_string().contains("the database is read-only"), "{error}");
    world.db.execute("SET GLOBAL read_only = 0").await;
}

async fn a_table_without_transactions_is_named_and_takes_no_revert(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.db.execute("ALTER TABLE image_tags DROP FOREIGN KEY image_tags_ibfk_1; ALTER TABLE image_tags ENGINE = MyISAM").await;
    let database = world.open();
    let error = revert(&world, &database, "a").await.unwrap_err().to_string();
    assert!(error.contains("image_tags (MyISAM)"), "{error}");
    assert_eq!(world.status("a").await, "pending_delete deleted time");
    let rehearsed = database.health.rehearse().await.unwrap_err().to_string();
    assert!(rehearsed.contains("image_tags (MyISAM)"), "{rehearsed}");
}

async fn a_column_of_another_collation_is_named_and_nothing_is_destroyed(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world
        .db
        .execute(
            "ALTER TABLE image_locations MODIFY value text CHARACTER SET utf8mb3 \
             COLLATE utf8mb3_unicode_ci NOT NULL",
        )
        .await;
    let database = world.open();
    let rehearsed = database.health.rehearse().await.unwrap_err().to_string();
    assert!(rehearsed.contains("image_locations.value has the collation"), "{rehearsed}");
    destroys_nothing(&world, &database).await;
}

async fn destroys_nothing(world: &World, database: &Database) {
    let pass = world.scrubber(database).run_once(&CancellationToken::new()).await;
    assert!(matches!(pass, Err(RepoError::Refused(_))), "{pass:?}");
    assert!(world.has_data("a"));
    assert_eq!(world.status("a").await, "pending_delete deleted time");
}

/// All missing grants, although the database's message names at most the first.
async fn missing_read_grants_are_named_and_nothing_is_destroyed(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let user = world.db.user().unwrap().grantee();
    let revoke = format!("REVOKE SELECT (os_hash_algo, min_ram) ON images FROM {user}");
    world.db.execute(&revoke).await;
    let database = world.open();
    let rehearsed = database.health.rehearse().await.unwrap_err().to_string();
    for column in ["images.os_hash_algo cannot be read", "images.min_ram cannot be read"] {
        assert!(rehearsed.contains(column), "{rehearsed}");
    }
    assert!(!rehearsed.contains("images.name"), "{rehearsed}");
    destroys_nothing(&world, &database).await;
}

async fn a_database_that_may_only_be_read_is_named(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    let user = world.db.user().unwrap().grantee();
    world.db.execute(&format!("ALTER ROLE {user} SET default_transaction_read_only = on")).await;
    let database = world.open();
    let error = revert(&world, &database, "a").await.unwrap_err();
    let RevertError::Repo(RepoError::Unavailable(text)) = &error else { panic!("{error}") };
    assert!(text.contains("the database is read-only"), "{text}");
    let rehearsed = database.health.rehearse().await.unwrap_err().to_string();
    assert!(rehearsed.contains("the database is read-only"), "{rehearsed}");
}

async fn an_unreachable_server_is_reported_within_two_seconds(kind: Kind) {
    let world = World::new(kind).await;
    let database = open(&url_by(closed_port(), &world.db.url()));
    let began = Instant::now();
    let id = ImageId::parse("a").unwrap();
    let error = database.repo.get(&id, Children::ALL).await.unwrap_err();
    assert!(matches!(error, RepoError::Unavailable(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
