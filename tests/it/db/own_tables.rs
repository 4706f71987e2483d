//! Our own tables: created once, by whoever has the right, and found by processes that started
//! earlier.

use std::process::Command;
use std::sync::Arc;

use futures::future::join_all;
use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::tables::TablesState;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::binary::{ConfigFile, Run};
use crate::support::daemon::{Setup, until};
use crate::support::database::{Kind, TestDatabase, on_each_database, tests_on};
use crate::support::world::World;

on_each_database! {
    db_sync_makes_the_tables_once,
    db_sync_needs_no_more_than_the_address_of_the_database,
    the_printed_statements_make_the_same_tables,
    many_who_make_the_tables_at_once_all_succeed,
    an_unfinished_migration_is_finished_by_the_next_one,
    tables_of_a_later_version_are_not_changed,
    a_running_process_notices_when_the_tables_appear_or_disappear,
    images_are_reverted_and_scrubbed_with_and_without_our_tables,
}
tests_on!(
    mariadb_users,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    a_user_who_may_not_create_tables_gets_advice,
    tables_without_grants_prevent_no_revert,
    nothing_is_destroyed_that_could_not_be_recorded
);
tests_on!(
    postgres_users,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    a_user_who_may_not_create_tables_gets_advice,
    tables_without_grants_prevent_no_revert,
    nothing_is_destroyed_that_could_not_be_recorded
);

const TABLES: [&str; 4] = ["revert_migrations", "revert_scrubber", "revert_holds", "revert_audit"];

fn config(url: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3600\n[database]\nconnection = {url}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = FOLDER\n"
    ))
}

fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig::parse(url, "").unwrap(), 2).unwrap()
}

#[track_caller]
fn assert_run(run: &Run, exit: i32, stdout: &str) {
    assert_eq!((run.exit, run.stdout.as_str()), (Some(exit), stdout), "{run:?}");
}

async fn counts(database: &TestDatabase) -> Vec<String> {
    let mut counts = Vec::new();
    for table in TABLES {
        let rows = database.rows(&format!("SELECT COUNT(*) FROM {table}")).await;
        counts.push(rows[0][0].clone().unwrap());
    }
    counts
}

async fn db_sync_makes_the_tables_once(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    let config = config(&database.owner_url());
    assert_run(&config.run(&["db", "version"]), 1, "database: 0, needed: 1\n");
    assert_run(&config.run(&["db", "sync"]), 0, "updated to version 1, from 0\n");
    assert_run(&config.run(&["db", "version"]), 0, "database: 1, needed: 1\n");
    let again = "version 1 already exists; nothing was changed\n";
    assert_run(&config.run(&["db", "sync"]), 0, again);
    assert_eq!(counts(&database).await, ["1", "1", "0", "0"]);
}

/// Before the first installation a job has no other files.
async fn db_sync_needs_no_more_than_the_address_of_the_database(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
    command.env_clear().env("OS_DATABASE__CONNECTION", database.owner_url()).args(["db", "sync"]);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(counts(&database).await, ["1", "1", "0", "0"]);
}

async fn the_printed_statements_make_the_same_tables(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    let config = config(&database.owner_url());
    let printed = config.run(&["db", "sync", "--sql"]);
    assert_run(&config.run(&["db", "version"]), 1, "database: 0, needed: 1\n");
    database.execute(&printed.stdout).await;
    assert_run(&config.run(&["db", "version"]), 0, "database: 1, needed: 1\n");
    let again = "version 1 already exists; nothing was changed\n";
    assert_run(&config.run(&["db", "sync"]), 0, again);
    assert_eq!(counts(&database).await, ["1", "1", "0", "0"]);
}

/// A released text never changes: databases store its checksum.
#[test]
fn the_statements_are_those_that_were_released() {
    for url in ["mysql+pymysql://u:p@127.0.0.1/g", "postgresql://u:p@127.0.0.1/g"] {
        let name = url.split(['+', ':']).next().unwrap();
        let printed = config(url).run(&["db", "sync", "--sql"]);
        assert_eq!((printed.exit, printed.stderr.as_str()), (Some(0), ""));
        insta::assert_snapshot!(format!("db_sync_{name}"), printed.stdout);
    }
}

async fn many_who_make_the_tables_at_once_all_succeed(kind: Kind) {
    for _ in 0..5 {
        let database = TestDatabase::create(kind).await;
        let all: Vec<_> = (0..6).map(|_| open(&database.owner_url())).collect();
        for synced in join_all(all.iter().map(|one| one.schema.sync())).await {
            assert!(synced.unwrap()[1].is_enough());
        }
        assert_eq!(counts(&database).await, ["1", "1", "0", "0"]);
    }
}

/// MariaDB commits each table by itself; the others are atomic.
async fn an_unfinished_migration_is_finished_by_the_next_one(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    database.make_own_tables().await;
    if kind == Kind::Mariadb {
        database.execute("UPDATE revert_migrations SET success = FALSE").await;
        database.execute("DROP TABLE revert_audit").await;
    } else {
        database.execute("DELETE FROM revert_migrations").await;
    }
    let opened = open(&database.owner_url());
    assert_eq!(opened.tables.state().await.unwrap(), TablesState::Missing);
    assert!(opened.schema.sync().await.unwrap()[1].is_enough());
    assert_eq!(opened.tables.state().await.unwrap(), TablesState::Present);
    assert_eq!(counts(&database).await, ["1", "1", "0", "0"]);
}

async fn tables_of_a_later_version_are_not_changed(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    database.make_own_tables().await;
    database.execute("ALTER TABLE revert_holds ADD COLUMN invented INTEGER").await;
    database
        .execute(
            "INSERT INTO revert_migrations (version, description, success, checksum, \
             execution_time) SELECT 99, 'later', success, checksum, 0 FROM revert_migrations",
        )
        .await;
    let config = config(&database.owner_url());
    assert_run(&config.run(&["db", "version"]), 0, "database: 99, needed: 1\n");
    let again = "version 99 already exists; nothing was changed\n";
    assert_run(&config.run(&["db", "sync"]), 0, again);
    let opened = open(&database.owner_url());
    assert_eq!(opened.tables.rehearse().await.unwrap(), TablesState::Present);
}

async fn a_running_process_notices_when_the_tables_appear_or_disappear(kind: Kind) {
    let world = World::new(kind).await;
    let before = world.open();
    assert_eq!(before.tables.state().await.unwrap(), TablesState::Missing);
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    assert_eq!(before.tables.state().await.unwrap(), TablesState::Present);
    for table in TABLES {
        world.db.execute(&format!("DROP TABLE {table}")).await;
    }
    assert_eq!(before.tables.rehearse().await.unwrap(), TablesState::Missing);
    assert_eq!(before.tables.state().await.unwrap(), TablesState::Missing);
}

async fn images_are_reverted_and_scrubbed_with_and_without_our_tables(kind: Kind) {
    let without = World::new(kind).await;
    let with = World::with_tables(kind).await;
    for world in [without, with] {
        for id in ["a", "b"] {
            world.deleted_image(id).await;
        }
        world.revert("a").await.unwrap();
        assert_eq!(world.scrub().await.scrubbed, 1);
        assert_eq!(world.status("a").await, "active kept no time");
        assert!(world.has_data("a") && !world.has_data("b"));
    }
}

async fn a_user_who_may_not_create_tables_gets_advice(kind: Kind) {
    let database = TestDatabase::create(kind).await;
    let config = config(&database.url());
    let refused = config.run(&["db", "sync"]);
    assert_run(&refused, 1, "");
    for told in ["denied", "OS_DATABASE__CONNECTION", "db sync --sql"] {
        assert!(refused.stderr.contains(told), "{told} in {refused:?}");
    }
}

/// The tables were created without grants for the service's own user.
async fn tables_without_grants_prevent_no_revert(kind: Kind) {
    let world = World::new(kind).await;
    world.db.make_own_tables().await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    world.revert("a").await.unwrap();
    let line = |run: &Run| {
        let line = run.stdout.lines().find(|line| line.starts_with("own tables"));
        line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let config = config(&world.db.url());
    let check = line(&config.run(&["check"]));
    // MariaDB hides a table from users who may not read it
    let expected = match kind {
        Kind::Mariadb => "own tables warning missing",
        Kind::Postgres | Kind::Sqlite => "own tables BROKEN cannot be used: ",
    };
    assert!(check.starts_with(expected), "{check}");
    world.db.grant_own_tables().await;
    assert_eq!(line(&config.run(&["check"])), "own tables ok there");
}

async fn nothing_is_destroyed_that_could_not_be_recorded(kind: Kind) {
    let world = World::new(kind).await;
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    world.deleted_image("a").await;
    let user = world.db.user().unwrap().grantee();
    world.db.execute(&format!("REVOKE INSERT ON revert_audit FROM {user}")).await;
    let database = world.open();
    let scrubber = world.scrubber(&database).with_control(Arc::clone(&database.control));
    let pass = scrubber.run_once(&CancellationToken::new()).await;
    assert!(matches!(pass, Err(RepoError::Refused(_))), "{pass:?}");
    assert!(world.has_data("a"));
    world.revert("a").await.unwrap();
}

#[tokio::test]
async fn serve_makes_the_tables_of_sqlite_by_itself_and_is_ready_without_those_of_others() {
    for (option, word) in [("", "present"), ("auto_db_sync = false", "missing")] {
        let world = World::new(Kind::Sqlite).await;
        let setup = Setup::new(&world, &world.db.url(), &format!("scrubber = false\n{option}"));
        let service = setup.serve().await;
        until("the tables", async || {
            let ready: Value = serde_json::from_str(&service.text("/readyz").await).unwrap();
            (ready["ready"] == true && ready["tables"] == word).then_some(())
        })
        .await;
    }
}
