//! Two operators at once, and changes between an order and its result.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::join;
use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::control::ControlError;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::selection::{Filter, Selection};
use glance_revert::domain::time::{Clock, SystemClock, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::scrub::orders::control;
use crate::support::crowd::{LONG_AGO, ids};
use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::odds::MeanwhileStores;
use crate::support::proxy::{Fault, Proxy};
use crate::support::world::World;

on_each_database! {
    concurrent_pause_and_resume_both_report_what_is_in_force,
    concurrent_hold_and_release_both_report_what_they_did,
}
tests_on!(
    mariadb_cut,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    a_connection_cut_at_any_point_of_a_hold_of_many_holds_all_of_them_or_none
);
tests_on!(
    postgres_cut,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    a_connection_cut_at_any_point_of_a_hold_of_many_holds_all_of_them_or_none
);

const ROUNDS: i64 = 15;

fn admin() -> Admin {
    Admin::local_operator()
}

/// In whole seconds, which every database can store.
fn in_days(days: i64) -> Timestamp {
    let day = (SystemClock.now() + TimeDelta::days(days)).and_utc().date_naive();
    day.and_hms_opt(0, 0, 0).unwrap()
}

fn all_of_project() -> Selection {
    let filter = Filter { owner: Some("p1".to_owned()), ..Filter::default() };
    Selection::new(Vec::new(), filter).unwrap()
}

async fn concurrent_pause_and_resume_both_report_what_is_in_force(kind: Kind) {
    let world = World::with_tables(kind).await;
    let (ours, theirs) = (world.open(), world.open());
    let (one, other) = (control(&world, &ours), control(&world, &theirs));
    for round in 0..ROUNDS {
        let (near, far) = (in_days(2 + round), in_days(200 + round));
        let (by_one, by_admin) = (admin(), admin());
        let pauses =
            join(one.pause(&by_one, Some(near), None), other.pause(&by_admin, Some(far), None));
        let (first, second) = pauses.await;
        let (first, second) = (first.unwrap().pause.term.until, second.unwrap().pause.term.until);
        assert!([near, far].contains(&first), "{first}");
        assert_eq!(second, far, "the longer one is never lost");
        let orders = one.orders(&admin()).await.unwrap().unwrap();
        assert_eq!(orders.pause.unwrap().term.until, far);
        let (first, second) = join(one.resume(&by_one), other.resume(&by_admin)).await;
        assert!(first.unwrap() != second.unwrap(), "one of them ended it");
        assert_eq!(one.orders(&admin()).await.unwrap().unwrap().pause, None);
    }
}

async fn concurrent_hold_and_release_both_report_what_they_did(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 20), LONG_AGO).await;
    let (ours, theirs) = (world.open(), world.open());
    let (one, other) = (control(&world, &ours), control(&world, &theirs));
    let (all, admin) = (all_of_project(), admin());
    for round in 0..ROUNDS {
        let (near, far) = (in_days(2 + round), in_days(200 + round));
        let first = one.hold_all(&admin, &all, Some(near), None);
        let (first, second) = join(first, other.hold_all(&admin, &all, Some(far), None)).await;
        assert_eq!((first.unwrap().done, second.unwrap().done), (20, 20));
        let holds = one.holds(&admin, None, 100).await.unwrap();
        assert!(holds.iter().all(|hold| hold.hold.term.until == far), "{holds:?}");
        assert_eq!(holds.len(), 20);
        let released = join(one.release_all(&admin, &all), other.release_all(&admin, &all)).await;
        let (first, second) = (released.0.unwrap(), released.1.unwrap());
        assert_eq!(first.done + second.done, 20, "each hold was ended by one of them");
        assert_eq!(one.orders(&admin).await.unwrap().unwrap().held, 0);
    }
}

async fn a_connection_cut_at_any_point_of_a_hold_of_many_holds_all_of_them_or_none(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 20), LONG_AGO).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let config = DatabaseConfig::parse(&proxy.url(&world.db.url()), "").unwrap();
    let cut = Database::open(&config, 4).unwrap();
    let (cut, whole) = (control(&world, &cut), control(&world, &world.open()));
    let (all, admin) = (all_of_project(), admin());
    let (mut failed, mut ends) = (0, 0);
    for fault in [Fault::Unsent as fn(usize) -> Fault, Fault::Unanswered as fn(usize) -> Fault] {
        for message in 0..60 {
            proxy.fail(fault(message));
            let answer = cut.hold_all(&admin, &all, None, None).await;
            let came = proxy.heal();
            let held = whole.orders(&admin).await.unwrap().unwrap().held;
            match answer {
                Ok(tended) => assert_eq!((tended.done, held), (20, 20), "{message}"),
                Err(ControlError::Repo(RepoError::Unavailable(_))) => {
                    assert!([0, 20].contains(&held), "{message}: {held}");
                    failed += 1;
                }
                Err(other) => panic!("{message}: {other}"),
            }
            whole.hold_all(&admin, &all, None, None).await.unwrap();
            let released = whole.release_all(&admin, &all).await.unwrap();
            assert_eq!(released.done, 20, "safe to repeat");
            if !came {
                ends += 1;
                break;
            }
        }
    }
    assert!(failed > 4 && ends == 2, "{failed} failed, {ends} ended");
}

#[tokio::test]
async fn a_pause_during_a_hanging_deletion_reports_the_remaining_claims() {
    let world = World::with_tables(Kind::Sqlite).await;
    world.deleted_image("a").await;
    let (reached, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, waits) = (Arc::clone(&reached), Arc::clone(&goes_on));
    let act = move || {
        told.notify_one();
        let waits = Arc::clone(&waits);
        async move { waits.notified().await }.boxed()
    };
    let inner = Arc::clone(&world.stores);
    let hanging = Arc::new(MeanwhileStores { inner, act: Arc::new(act) });
    let (ours, theirs) = (world.open(), world.open());
    let scrubber = world.scrubber_over(&theirs, hanging).with_control(Arc::clone(&theirs.control));
    let pass = tokio::spawn(async move { scrubber.run_once(&CancellationToken::new()).await });
    reached.notified().await;
    let began = Instant::now();
    let paused = control(&world, &ours).pause(&admin(), None, None).await.unwrap();
    assert_eq!(paused.in_hand, 1);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(world.has_data("a"), "it hangs still");
    goes_on.notify_one();
    let report = pass.await.unwrap().unwrap();
    assert_eq!((report.scrubbed, report.paused, world.has_data("a")), (1, true, false));
}
