//! MySQL, whose logins and settings differ from MariaDB's, and `PgBouncer`, which shares sessions
//! between transactions.

use futures::future::join_all;
use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::LockTrial;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{PendingQuery, RepoError};
use glance_revert::domain::revert::{RevertRequest, Verify};
use tokio_util::sync::CancellationToken;

use crate::support::binary::ConfigFile;
use crate::support::canary;
use crate::support::database::Kind;
use crate::support::env;
use crate::support::proxy::authority;
use crate::support::world::World;

fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig::parse(url, "").unwrap(), 8).unwrap()
}

async fn reverts_and_scrubs(world: &World, database: &Database) {
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    database.health.rehearse().await.unwrap();
    let (id, request) = (ImageId::parse("a").unwrap(), RevertRequest::whole(Verify::Exists));
    world.reverter(database).revert(&Admin::local_operator(), &id, &request).await.unwrap();
    let pass = world.scrubber(database).run_once(&CancellationToken::new()).await.unwrap();
    assert_eq!((pass.scrubbed, pass.failed), (1, 0), "{pass:?}");
    assert!(world.has_data("a") && !world.has_data("b"));
}

/// The user is new, so MySQL's cache does not have it, and there is no TLS; later the cache is
/// cleared, as by a restart.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn mysql_is_logged_in_to_without_tls_though_it_has_forgotten_the_user() {
    let world = World::at(Kind::Mariadb, env::mysql()).await;
    reverts_and_scrubs(&world, &world.open()).await;
    let password = canary::DATABASE_PASSWORD;
    let forgets =
        format!("ALTER USER {} IDENTIFIED BY '{password}'", world.db.user().unwrap().grantee());
    world.db.execute(&forgets).await;
    world.open().health.ping().await.unwrap();
    world.db.execute(&forgets).await;
    let by_socket = world.db.url().replace(authority(&world.db.url()), "");
    let by_socket = open(&format!("{by_socket}?unix_socket={}", env::mysql_socket()));
    by_socket.health.ping().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn mysql_refuses_a_wrong_password_in_its_own_words() {
    let world = World::at(Kind::Mariadb, env::mysql()).await;
    let url = world.db.url();
    let (_, rest) = url.split_once('@').unwrap();
    let user = &world.db.user().unwrap().name;
    let socket = rest.replace(authority(&url), "");
    for wrong in [
        format!("mysql+pymysql://{user}:wrong@{rest}"),
        format!("mysql+pymysql://{user}:wrong@{socket}?unix_socket={}", env::mysql_socket()),
    ] {
        let error = open(&wrong).health.ping().await.unwrap_err();
        assert!(matches!(error, RepoError::Unavailable(_)), "{error}");
        assert!(error.to_string().contains("Access denied for user"), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn mysql_finds_nothing_for_characters_that_its_columns_lack() {
    let world = World::at(Kind::Mariadb, env::mysql()).await;
    let name = Some("\u{1f600}".to_owned());
    let query = PendingQuery { name, limit: 5, ..PendingQuery::default() };
    assert!(world.open().repo.list_pending(&query, None).await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn pgbouncer_in_transaction_mode_leaves_no_revert_waiting_for_a_lock_that_nobody_holds() {
    let world = World::new(Kind::Postgres).await;
    let url = through_pgbouncer(&world);
    let database = open(&url);
    let ids: Vec<_> = (0..40).map(|n| format!("i{n}")).collect();
    for id in &ids {
        world.deleted_image(id).await;
    }
    let (reverter, request) = (world.reverter(&database), RevertRequest::whole(Verify::Exists));
    let reverts = ids.iter().map(async |id| {
        let id = ImageId::parse(id).unwrap();
        reverter.revert(&Admin::local_operator(), &id, &request).await.map(drop)
    });
    for reverted in join_all(reverts).await {
        reverted.unwrap();
    }
    assert_eq!(open(&url).lock.trial().await.unwrap(), LockTrial::Wanders);

    let check = ConfigFile::new(&format!("[database]\nconnection = {url}\n")).run(&["check"]);
    let locks = check.stdout.lines().find(|line| line.contains("locks")).unwrap();
    assert!(locks.contains("BROKEN") && locks.contains("session changes"), "{check:?}");
}

/// Without locks two passes may run at once, and each takes what the other has claimed for a claim
/// of a process that died.
#[tokio::test]
#[ignore = "needs the servers of make test"]
async fn pgbouncer_in_transaction_mode_lets_two_passes_run_that_do_not_take_each_other_for_strangers()
 {
    let world = World::with_tables(Kind::Postgres).await;
    let databases = [(); 2].map(|()| open(&through_pgbouncer(&world)));
    for database in &databases {
        assert_eq!(database.lock.trial().await.unwrap(), LockTrial::Wanders);
    }
    reverts_and_scrubs(&world, &databases[0]).await;
    for round in 0..env::rounds(5) {
        let ids: Vec<_> = (0..40).map(|n| format!("p{round}-{n}")).collect();
        for id in &ids {
            world.deleted_image(id).await;
        }
        let passes = databases.iter().map(async |database| {
            world.scrubber(database).run_once(&CancellationToken::new()).await.unwrap()
        });
        for pass in join_all(passes).await {
            assert_eq!((pass.alerts, pass.failed), (Vec::<String>::new(), 0));
        }
        assert!(ids.iter().all(|id| !world.has_data(id)));
    }
}

fn through_pgbouncer(world: &World) -> String {
    let url = world.db.url();
    url.replace(authority(&url), authority(&format!("{}/", env::pgbouncer())))
}
