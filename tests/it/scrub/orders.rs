//! Orders to all scrubbers on a database: pause, hold, accept.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use glance_revert::db::Database;
use glance_revert::domain::control::{Control, ControlError, HoldOutcome};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::scrub::{PassLimits, ScrubReport, ScrubSettings, Scrubber};
use glance_revert::domain::selection::{Filter, NamePattern, Selection};
use glance_revert::domain::time::{Clock, FAR_FUTURE, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::support::crowd::{Fate, LONG_AGO, ids};
use crate::support::daemon::until;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    a_paused_scrubber_claims_nothing_on_any_process_until_it_is_resumed,
    a_running_pass_stops_at_a_pause_and_releases_untouched_claims,
    a_held_image_is_left_alone_and_comes_back_like_any_other,
    images_that_cannot_be_held_any_more_are_reported,
    neither_a_pause_nor_a_hold_is_made_shorter_by_another_one,
    an_end_that_has_passed_is_refused,
    a_selection_is_held_and_released_as_a_whole,
    held_images_do_not_count_towards_the_limit_and_the_plan_names_the_holder,
    an_acceptance_permits_one_pass_of_any_process,
    without_tables_there_are_no_orders_and_running_processes_see_new_tables,
}

fn admin() -> Admin {
    Admin::local_operator()
}

fn id(text: &str) -> ImageId {
    ImageId::parse(text).unwrap()
}

/// Orders from another process.
pub(crate) fn control(world: &World, database: &Database) -> Control {
    let reverter = Arc::new(world.reverter(database));
    Control::new(Arc::clone(&database.control), Arc::clone(&database.lock), reverter)
}

/// A scrubber in another process.
pub(crate) fn scrubber(world: &World, database: &Database, limits: PassLimits) -> Scrubber {
    let settings = ScrubSettings {
        scrub_time: Duration::from_mins(1),
        pool_size: 4,
        absent_limit: 20,
        limits,
        delayed_delete: true,
    };
    let (repo, lock) = (Arc::clone(&database.scrub_repo), Arc::clone(&database.lock));
    Scrubber::new(repo, lock, Arc::clone(&world.stores), Arc::new(SystemClock), settings)
        .with_control(Arc::clone(&database.control))
}

async fn pass(scrubber: &Scrubber) -> ScrubReport {
    scrubber.run_once(&CancellationToken::new()).await.unwrap()
}

async fn a_paused_scrubber_claims_nothing_on_any_process_until_it_is_resumed(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 5), LONG_AGO).await;
    let (ours, theirs) = (world.open(), world.open());
    let (control, scrubber) = (control(&world, &ours), scrubber(&world, &theirs, PassLimits::NONE));
    let reason = Some("deleted by mistake".to_owned());
    let paused = control.pause(&admin(), None, reason.clone()).await.unwrap();
    assert_eq!((paused.in_hand, &paused.pause.term.reason), (0, &reason));
    let length = paused.pause.term.until - SystemClock.now();
    assert!((23..=24).contains(&length.num_hours()), "a day, if nobody says other: {length}");

    let report = pass(&scrubber).await;
    assert_eq!((report.paused, report.seen, world.files()), (true, 0, 5), "{report:?}");
    let fresh = self::scrubber(&world, &world.open(), PassLimits::NONE);
    assert!(pass(&fresh).await.paused, "one that is started later");
    let orders = control.orders(&admin()).await.unwrap().unwrap();
    assert_eq!(orders.pause.unwrap().by, admin().principal().subject);

    assert!(control.resume(&admin()).await.unwrap());
    assert!(!control.resume(&admin()).await.unwrap(), "it was not paused any more");
    assert_eq!((pass(&scrubber).await.scrubbed, world.files()), (5, 0));
}

async fn a_running_pass_stops_at_a_pause_and_releases_untouched_claims(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 3000), LONG_AGO).await;
    let (ours, theirs) = (world.open(), world.open());
    let control = control(&world, &ours);
    let scrubber = scrubber(&world, &theirs, PassLimits::NONE);
    let pause = async {
        until("the first file gone", async || (world.files() < 3000).then_some(())).await;
        let paused = control.pause(&admin(), None, None).await.unwrap();
        (paused.in_hand, world.files())
    };
    let (report, (in_hand, files)) = tokio::join!(pass(&scrubber), pause);
    assert_eq!((in_hand, world.files()), (0, files), "nothing goes after the answer");
    assert!(report.paused && files > 0 && files < 3000, "{files} files, {report:?}");
    let fates = world.fates("i").await;
    assert!(fates.values().all(|fate| [Fate::WAITS, Fate::GONE].contains(fate)), "{fates:?}");
}

async fn a_held_image_is_left_alone_and_comes_back_like_any_other(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 3), LONG_AGO).await;
    let (ours, theirs) = (world.open(), world.open());
    let control = control(&world, &ours);
    let held = control.hold(&admin(), &id("i-0001"), None, Some("asked".to_owned())).await.unwrap();
    assert_eq!((held.image, held.hold.term.until), (id("i-0001"), FAR_FUTURE));
    let report = pass(&scrubber(&world, &theirs, PassLimits::NONE)).await;
    assert_eq!((report.scrubbed, report.held, report.failed), (2, 1, 0), "{report:?}");
    assert_eq!(world.fates("i").await["i-0001"], Fate::WAITS);
    assert_eq!(control.holds(&admin(), None, 10).await.unwrap().len(), 1);
    world.revert("i-0001").await.unwrap();
    assert_eq!(world.fates("i").await["i-0001"], Fate::KEPT);
    assert!(control.holds(&admin(), None, 10).await.unwrap().is_empty(), "the revert ended it");
    assert!(!control.release(&admin(), &id("i-0001")).await.unwrap());
}

async fn images_that_cannot_be_held_any_more_are_reported(kind: Kind) {
    let world = World::with_tables(kind).await;
    for image in ["claimed", "scrubbed"] {
        world.deleted_image(image).await;
    }
    world.live_image("alive").await;
    world.claim(&["scrubbed"]).await;
    assert_eq!(world.scrub().await.scrubbed, 2);
    world.deleted_image("late").await;
    world.claim(&["late"]).await;
    let control = control(&world, &world.open());
    let mut told = Vec::new();
    for image in ["late", "scrubbed", "alive", "nobody", "LATE"] {
        let refused = control.hold(&admin(), &id(image), None, None).await.unwrap_err();
        told.push(match refused {
            ControlError::NotPending(_, why) => Some(why),
            ControlError::NotFound(_) => None,
            other @ (ControlError::Past { .. }
            | ControlError::NothingSelected
            | ControlError::Repo(_)) => panic!("{image}: {other}"),
        });
    }
    let (late, gone) = (NotPending::ScrubInProgress, NotPending::AlreadyScrubbed);
    let expected = [Some(late.clone()), Some(gone), Some(NotPending::AlreadyActive), None, None];
    assert_eq!(told, expected);
    let both = Selection::new(vec![id("late"), id("nobody")], Filter::default()).unwrap();
    let tended = control.hold_all(&admin(), &both, None, None).await.unwrap();
    assert_eq!((tended.images, tended.done), (2, 0));
    assert_eq!(
        tended.failures,
        [(id("late"), HoldOutcome::Refused(late)), (id("nobody"), HoldOutcome::NotFound)]
    );
    assert_eq!(control.orders(&admin()).await.unwrap().unwrap().held, 0, "nothing was written");
}

async fn neither_a_pause_nor_a_hold_is_made_shorter_by_another_one(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    let (ours, theirs) = (world.open(), world.open());
    let (one, other) = (control(&world, &ours), control(&world, &theirs));
    let at = |hours| {
        let now = SystemClock.now();
        Some((now + TimeDelta::hours(hours)).and_utc().date_naive().and_hms_opt(0, 0, 0).unwrap())
    };
    let (near, far) = (at(48), at(480));
    let why = |text: &str| Some(text.to_owned());
    for (until, reason, expected) in
        [(near, "near", "near"), (far, "far", "far"), (near, "too near", "far")]
    {
        let paused = one.pause(&admin(), until, why(reason)).await.unwrap();
        assert_eq!(paused.pause.term.reason.as_deref(), Some(expected));
        let held = other.hold(&admin(), &id("a"), until, why(reason)).await.unwrap();
        assert_eq!(held.hold.term.reason.as_deref(), Some(expected));
    }
    assert_eq!(
        one.orders(&admin()).await.unwrap().unwrap().pause.unwrap().term.until,
        far.unwrap()
    );
}

async fn an_end_that_has_passed_is_refused(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    let control = control(&world, &world.open());
    let past = Some(SystemClock.now() - TimeDelta::minutes(5));
    let refused = control.pause(&admin(), past, None).await.unwrap_err();
    assert!(refused.to_string().contains("has passed"), "{refused}");
    let refused = control.hold(&admin(), &id("a"), past, None).await.unwrap_err();
    assert!(matches!(refused, ControlError::Past { .. }), "{refused}");
    let orders = control.orders(&admin()).await.unwrap().unwrap();
    assert_eq!((orders.pause, orders.held), (None, 0));
}

async fn a_selection_is_held_and_released_as_a_whole(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 600), LONG_AGO).await;
    world.crowd(&ids("j", 5), LONG_AGO).await;
    world.db.execute("UPDATE images SET owner = 'P1' WHERE id LIKE 'j%'").await;
    let control = control(&world, &world.open());
    let of = |owner: &str, name: Option<&str>| {
        let name = name.map(|name| NamePattern::parse(name).unwrap());
        let filter = Filter { owner: Some(owner.to_owned()), name, ..Filter::default() };
        Selection::new(Vec::new(), filter).unwrap()
    };
    let tended = control.hold_all(&admin(), &of("p1", None), None, None).await.unwrap();
    assert_eq!((tended.images, tended.done), (600, 600), "more than one transaction takes");
    let again = control.hold_all(&admin(), &of("p1", None), None, None).await.unwrap();
    assert_eq!((again.images, again.done), (600, 600), "safe to repeat");
    let ten = of("p1", Some("name of i-000?"));
    let released = control.release_all(&admin(), &ten).await.unwrap();
    assert_eq!((released.images, released.done), (10, 10));
    assert_eq!(control.orders(&admin()).await.unwrap().unwrap().held, 590);
    let nothing = control.hold_all(&admin(), &of("nobody", None), None, None).await.unwrap_err();
    assert!(matches!(nothing, ControlError::NothingSelected), "{nothing}");
    let report = pass(&scrubber(&world, &world.open(), PassLimits::NONE)).await;
    assert_eq!((report.scrubbed, report.held, world.files()), (15, 590, 590), "{report:?}");
}

async fn held_images_do_not_count_towards_the_limit_and_the_plan_names_the_holder(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 20), LONG_AGO).await;
    let database = world.open();
    let control = control(&world, &database);
    let some = ids("i", 15).iter().map(|text| id(text)).collect();
    let some = Selection::new(some, Filter::default()).unwrap();
    control.hold_all(&admin(), &some, None, Some("asked".to_owned())).await.unwrap();
    let limits = PassLimits { images: 10, bytes: None };
    let scrubber = scrubber(&world, &database, limits);
    let plan = scrubber.plan(&admin(), Duration::ZERO).await.unwrap();
    assert_eq!((plan.total.images, plan.stopped[0].obstacle.word()), (5, "held"));
    assert_eq!(plan.stopped[0].tally.images, 15);
    assert!(plan.stopped[0].examples[0].1.contains(": asked"), "{:?}", plan.stopped);
    let report = pass(&scrubber).await;
    assert_eq!((report.scrubbed, report.held, report.limited), (5, 15, None), "{report:?}");
}

async fn an_acceptance_permits_one_pass_of_any_process(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("i", 30), LONG_AGO).await;
    let (ours, theirs) = (world.open(), world.open());
    let scrubber = scrubber(&world, &theirs, PassLimits { images: 10, bytes: None });
    assert!(pass(&scrubber).await.limited.is_some());
    let control = control(&world, &ours);
    control.accept(&admin(), 30).await.unwrap();
    assert_eq!(control.orders(&admin()).await.unwrap().unwrap().accepted.unwrap().images, 30);
    let report = pass(&scrubber).await;
    assert_eq!((report.scrubbed, report.limited), (30, None), "{report:?}");
    assert_eq!(control.orders(&admin()).await.unwrap().unwrap().accepted, None, "one pass");
    world.crowd(&ids("j", 30), LONG_AGO).await;
    assert!(pass(&scrubber).await.limited.is_some());
}

async fn without_tables_there_are_no_orders_and_running_processes_see_new_tables(kind: Kind) {
    let world = World::new(kind).await;
    world.crowd(&ids("i", 2), LONG_AGO).await;
    let (ours, theirs) = (world.open(), world.open());
    let control = control(&world, &ours);
    let old = scrubber(&world, &theirs, PassLimits::NONE);
    let missing =
        |error: &ControlError| matches!(error, ControlError::Repo(RepoError::TablesMissing));
    assert!(missing(&control.pause(&admin(), None, None).await.unwrap_err()));
    assert!(missing(&control.hold(&admin(), &id("i-0000"), None, None).await.unwrap_err()));
    assert!(matches!(control.resume(&admin()).await, Err(RepoError::TablesMissing)));
    assert_eq!(control.orders(&admin()).await.unwrap(), None);
    assert_eq!(pass(&old).await.scrubbed, 2, "a pass works as ever");

    world.crowd(&ids("j", 2), LONG_AGO).await;
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    control.hold(&admin(), &id("j-0000"), None, None).await.unwrap();
    let report = pass(&old).await;
    assert_eq!((report.scrubbed, report.held), (1, 1), "{report:?}");
    control.pause(&admin(), None, None).await.unwrap();
    assert!(pass(&old).await.paused);
}
