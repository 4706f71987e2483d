//! A database that is down, goes down, hangs or comes back under a running service.

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::LockTrial;
use glance_revert::domain::pending::Children;
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{RevertError, RevertRequest, Reverter, Verify};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::support::crowd::{Fate, LONG_AGO, ids, tally};
use crate::support::daemon::{Setup, until};
use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::proxy::{Fault, Proxy, closed_port, url_by};
use crate::support::world::World;

on_each_database! {
    a_signal_during_a_pass_finishes_the_current_image_and_releases_the_rest,
    a_revert_in_flight_is_answered_after_the_signal,
}

macro_rules! on_each_server {
    ($($case:ident),+ $(,)?) => {
        tests_on!(mariadb_server, Mariadb, [#[ignore = "needs the servers of make test"]], $($case),+);
        tests_on!(postgres_server, Postgres, [#[ignore = "needs the servers of make test"]], $($case),+);
    };
}

on_each_server! {
    a_database_that_is_down_at_start_is_waited_for,
    a_refused_login_is_an_unavailable_database,
    a_connection_cut_at_any_point_of_a_revert_leaves_it_whole_or_undone,
    a_connection_cut_at_any_point_of_a_pass_leaves_nothing_stuck,
    a_hanging_database_times_out_and_nothing_is_half_done,
    connections_that_the_server_ended_cost_at_most_one_answer,
    a_lock_of_a_cancelled_caller_is_free_for_other_processes,
    a_caller_who_leaves_at_any_point_of_a_revert_leaves_no_transaction_open,
}

const MESSAGES: usize = 100;

async fn a_database_that_is_down_at_start_is_waited_for(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("a", 2);
    world.crowd(&images, LONG_AGO).await;
    let port = closed_port();
    let setup = Setup::new(&world, &url_by(port, &world.db.url()), "scrubber = false");
    let service = setup.serve().await;
    assert_eq!(service.probe("/livez").await, StatusCode::OK);
    assert_eq!(service.probe("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    let refused = service.revert(&images[0]).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let retry_after = refused.headers()["retry-after"].to_str().unwrap();
    assert!(retry_after.parse::<u32>().unwrap() > 0);
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["reason"], "db.unavailable");
    let line = service.said("the database is unavailable; retrying").await;
    assert!(line["error"].as_str().unwrap().contains("unavailable"), "{line}");
    let _proxy = Proxy::start_on(port, &world.db.url()).await;
    service.said("the database is available").await;
    service.ready(StatusCode::OK).await;
    assert_eq!(service.revert(&images[1]).await.unwrap().status(), StatusCode::OK);
    assert_eq!(world.fates("a").await[&images[0]], Fate::WAITS);
}

/// The password was changed; no statement is at fault.
async fn a_refused_login_is_an_unavailable_database(kind: Kind) {
    let world = World::new(kind).await;
    let (scheme, rest) = world.db.url().split_once("://").map(own).unwrap();
    let place = rest.split_once('@').map_or(&*rest, |(_, place)| place);
    let database = open(&format!("{scheme}://nobody-here:wrong@{place}"));
    let refused = database.health.ping().await.unwrap_err();
    assert!(matches!(refused, RepoError::Unavailable(_)), "{refused}");
    assert!(refused.to_string().contains("nobody-here"), "{refused}");
}

fn own((scheme, rest): (&str, &str)) -> (String, String) {
    (scheme.to_owned(), rest.to_owned())
}

async fn revert(reverter: &Reverter, id: &str) -> Result<(), RevertError> {
    let (id, request) = (ImageId::parse(id).unwrap(), RevertRequest::whole(Verify::Exists));
    reverter.revert(&Admin::local_operator(), &id, &request).await.map(drop)
}

fn open(url: &str) -> Database {
    Database::open(&DatabaseConfig::parse(url, "").unwrap(), 8).unwrap()
}

fn is_away(error: &RevertError) -> bool {
    matches!(error, RevertError::Repo(RepoError::Unavailable(_)))
}

async fn a_connection_cut_at_any_point_of_a_revert_leaves_it_whole_or_undone(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let reverter = world.reverter(&open(&proxy.url(&world.db.url())));
    let mut cuts = 0;
    for (prefix, fault) in
        [("u", Fault::Unsent as fn(usize) -> Fault), ("a", Fault::Unanswered as fn(usize) -> Fault)]
    {
        for message in 0..MESSAGES {
            let images = ids(&format!("{prefix}{message}"), 2);
            world.crowd(&images, LONG_AGO).await;
            proxy.fail(fault(message));
            let answer = revert(&reverter, &images[0]).await;
            let came = proxy.heal();
            let fates = world.fates(&format!("{prefix}{message}")).await;
            match (&answer, &fates[&images[0]]) {
                (Ok(()), Fate::Live { file: true }) => {}
                (Err(error), Fate::Live { file: true } | Fate::Pending { file: true })
                    if is_away(error) => {}
                (answer, fate) => panic!("message {message}: {answer:?}, and then {fate:?}"),
            }
            let next = revert(&reverter, &images[1]).await;
            assert!(next.is_ok(), "the next request after message {message}: {next:?}");
            until("the first image", async || match revert(&reverter, &images[0]).await {
                Ok(()) | Err(RevertError::NotPending(_, NotPending::AlreadyActive)) => Some(()),
                Err(_) => None,
            })
            .await;
            if !came {
                break;
            }
            cuts += 1;
        }
    }
    assert!((10..2 * MESSAGES).contains(&cuts), "{cuts}");
}

async fn a_connection_cut_at_any_point_of_a_pass_leaves_nothing_stuck(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let database = open(&proxy.url(&world.db.url()));
    let (scrubber, stop) = (world.scrubber(&database), CancellationToken::new());
    // the next pass accepts the absence of data that the interrupted pass destroyed
    world.live_image("alive").await;
    let mut cuts = 0;
    for message in (0..MESSAGES).step_by(2) {
        let images = ids(&format!("p{message}"), 20);
        world.crowd(&images, LONG_AGO).await;
        let fault = if message % 4 == 0 { Fault::Unsent } else { Fault::Unanswered };
        proxy.fail(fault(message));
        let broken = scrubber.run_once(&stop).await;
        cuts += usize::from(proxy.heal());
        assert!(matches!(broken, Ok(_) | Err(RepoError::Unavailable(_))), "{broken:?}");
        let report = until("a whole pass", async || match scrubber.run_once(&stop).await {
            Ok(report) if !report.skipped && report.contended == 0 => Some(report),
            _ => None,
        })
        .await;
        assert_eq!((report.failed, report.alerts.len()), (0, 0), "{report:?}");
        let fates = world.fates(&format!("p{message}")).await;
        assert!(fates.values().all(|fate| *fate == Fate::GONE), "{:?}", tally(&fates));
    }
    assert!(cuts > 10, "{cuts}");
}

/// The server hangs forever in the middle of the revert's transaction.
async fn a_hanging_database_times_out_and_nothing_is_half_done(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let reverter = world.reverter(&open(&proxy.url(&world.db.url())));
    let images = ids("h", 4);
    world.crowd(&images, LONG_AGO).await;
    revert(&reverter, &images[0]).await.unwrap();
    // Lock, read, BEGIN, image; the next statement is for a child.
    proxy.fail(Fault::Frozen(4));
    let answer = revert(&reverter, &images[1]).await;
    assert!(answer.as_ref().is_err_and(is_away), "{answer:?}");
    assert_eq!(world.fates("h").await[&images[1]], Fate::WAITS);
    assert!(proxy.heal(), "the server never hung");
    revert(&reverter, &images[2]).await.unwrap();
    until("the image that hung", async || revert(&reverter, &images[1]).await.ok()).await;
}

/// The server's ids of the connections to the test's database.
async fn sessions(world: &World, kind: Kind) -> Vec<String> {
    let sql = if kind == Kind::Postgres {
        "SELECT CAST(pid AS TEXT) FROM pg_stat_activity WHERE datname = current_database()"
    } else {
        "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db = DATABASE()"
    };
    world.db.rows(sql).await.into_iter().map(|mut row| row.remove(0).unwrap()).collect()
}

/// Simulates a restart of the server: ends every connection except those that the test itself
/// opened before.
async fn end_sessions(world: &World, kind: Kind, before: &[String]) {
    let mut ended = 0;
    for id in sessions(world, kind).await.iter().filter(|id| !before.contains(id)) {
        if kind == Kind::Postgres {
            world.db.execute(&format!("SELECT pg_terminate_backend({id})")).await;
        } else {
            world.db.execute(&format!("KILL CONNECTION {id}")).await;
        }
        ended += 1;
    }
    assert!(ended > 4, "{ended}");
}

async fn together(reverter: &Reverter, ids: &[String]) {
    let answers = futures::future::join_all(ids.iter().map(|id| revert(reverter, id))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

async fn connections_that_the_server_ended_cost_at_most_one_answer(kind: Kind) {
    let world = World::new(kind).await;
    let reverter = world.reverter(&world.open_many(8));
    let images = ids("k", 24);
    world.crowd(&images, LONG_AGO).await;
    let before = sessions(&world, kind).await;
    together(&reverter, &images[..8]).await;
    end_sessions(&world, kind, &before).await;
    let mut lost = 0;
    for id in &images[8..16] {
        let answer = revert(&reverter, id).await;
        assert!(answer.as_ref().err().is_none_or(is_away), "{answer:?}");
        lost += usize::from(answer.is_err());
    }
    assert!(lost <= 1, "{lost} answers were lost");
    together(&reverter, &images[16..]).await;
}

/// Nobody is left to release the lock of a request that is cancelled while it takes the lock.
async fn a_lock_of_a_cancelled_caller_is_free_for_other_processes(kind: Kind) {
    let world = World::new(kind).await;
    let (here, there) = (world.open(), world.open());
    let other = ImageId::parse("other").unwrap();
    here.lock.try_lock(&other).await.unwrap().unwrap().release().await;
    for number in 0..5 {
        let id = ImageId::parse(&format!("l-{number}")).unwrap();
        let mut asking = Box::pin(here.lock.try_lock(&id));
        // Poll until the statement is sent, but no further.
        for _ in 0..=number {
            if futures::future::poll_immediate(&mut asking).await.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(asking);
        let guard = until("the lock", async || there.lock.try_lock(&id).await.unwrap()).await;
        guard.release().await;
    }
}

/// On MariaDB, reads in a transaction that was left open see old rows.
async fn a_caller_who_leaves_at_any_point_of_a_revert_leaves_no_transaction_open(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = Proxy::start(&world.db.url()).await;
    // One connection for the lock and one for everything else, so that each one's use is known.
    let config = DatabaseConfig::parse(&proxy.url(&world.db.url()), "").unwrap();
    let database = Database::open(&config, 2).unwrap();
    // once, and in its own transaction
    assert_eq!(database.lock.trial().await.unwrap(), LockTrial::Works);
    let reverter = world.reverter(&database);
    let (mut cuts, mut wrong) = (0, Vec::new());
    for message in 0..MESSAGES {
        let images = ids(&format!("m{message}"), 1);
        world.crowd(&images, LONG_AGO).await;
        proxy.fail(Fault::Frozen(message));
        let was_answered = tokio::select! {
            answer = revert(&reverter, &images[0]) => answer.is_ok(),
            () = proxy.frozen() => false,
        };
        proxy.heal();
        let id = ImageId::parse(&images[0]).unwrap();
        for name in ["first", "second"] {
            world.db.execute(&format!("UPDATE images SET name = '{name}'")).await;
            let seen = database.repo.get(&id, Children::ALL).await.unwrap().unwrap().name;
            if seen.as_deref() != Some(name) {
                wrong.push(format!("after message {message} {seen:?} is read, not {name}"));
            }
        }
        if open_transactions(&world, kind).await != "0" {
            wrong.push(format!("after message {message} a transaction is open"));
        }
        if was_answered {
            break;
        }
        cuts += 1;
    }
    // The test's database could not be dropped with an open transaction.
    drop((reverter, database));
    assert_eq!(wrong, Vec::<String>::new());
    assert!((8..MESSAGES).contains(&cuts), "{cuts}");
}

/// The open transactions of idle sessions.
async fn open_transactions(world: &World, kind: Kind) -> String {
    let sql = match kind {
        Kind::Postgres => {
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND state LIKE 'idle in transaction%'"
        }
        Kind::Mariadb | Kind::Sqlite => {
            "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN \
             information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
             WHERE p.db = DATABASE() AND p.command = 'Sleep'"
        }
    };
    world.db.rows(sql).await[0][0].clone().unwrap()
}

async fn a_signal_during_a_pass_finishes_the_current_image_and_releases_the_rest(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("s", 600);
    world.crowd(&images, LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "");
    let mut service = setup.serve().await;
    until("the pass", async || (world.files() < 580).then_some(())).await;
    service.terminate().await;
    assert_eq!(service.ended().await.code(), Some(0));
    service.said("stopped").await;
    let fates = world.fates("s").await;
    let count = |fate: &Fate| fates.values().filter(|one| *one == fate).count();
    let (gone, waiting) = (count(&Fate::GONE), count(&Fate::WAITS));
    assert_eq!(gone + waiting, 600, "{:?}", tally(&fates));
    assert!(gone >= 20 && waiting > 0, "{:?}", tally(&fates));
}

async fn a_revert_in_flight_is_answered_after_the_signal(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("f", 1);
    world.crowd(&images, LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let mut service = setup.serve().await;
    let mut stream = TcpStream::connect(&service.api).await.unwrap();
    let head = format!(
        "POST /v2/images/{}/actions/revert HTTP/1.1\r\nHost: test\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        images[0],
        service.authorization()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut continues = [0; 25];
    stream.read_exact(&mut continues).await.unwrap();
    assert_eq!(&continues, b"HTTP/1.1 100 Continue\r\n\r\n");
    service.terminate().await;
    service.ready(StatusCode::SERVICE_UNAVAILABLE).await;
    stream.write_all(b"{}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(service.ended().await.code(), Some(0));
    assert_eq!(world.fates("f").await[&images[0]], Fate::KEPT);
}
