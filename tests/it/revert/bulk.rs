//! Bulk reverts: each image follows the rules of a single revert, and failures are independent.

use std::collections::BTreeMap;
use std::time::Duration;

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::{Children, NotPending};
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{Many, RevertError, RevertRequest, Reverted, Reverter, Verify};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::support::crowd::{Fate, LONG_AGO, NOT_YET, ids, tally};
use crate::support::daemon::until;
use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::proxy::{Fault, Proxy};
use crate::support::rows::{DELETE_BEGAN, DELETED, REMOVED};
use crate::support::world::World;

on_each_database! {
    many_images_come_back_whole_and_the_same_request_again_says_so,
    a_repeated_bulk_request_reports_earlier_reverts_as_done,
    each_of_many_is_answered_by_what_is_there,
    many_are_told_of_in_the_order_of_the_request,
    a_dry_run_of_many_writes_nothing,
    a_bulk_revert_gives_the_same_results_as_single_reverts,
    absence_is_not_believed_of_many_where_living_images_are_absent_too,
    absence_is_believed_of_many_if_one_of_them_shows_the_store,
    images_that_take_much_memory_come_back_beside_the_others,
    a_stop_leaves_images_without_a_result_untouched,
    many_reverts_against_passes_never_leave_an_active_image_without_bytes,
    two_concurrent_reverts_both_report_the_images_as_active,
}

tests_on!(
    mariadb_server,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    a_locked_row_delays_only_its_own_image,
    a_connection_cut_at_any_point_of_many_reverts_leaves_every_answer_true,
    an_unavailable_database_is_reported_once_and_ends_the_command
);
tests_on!(
    postgres_server,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    a_locked_row_delays_only_its_own_image,
    a_connection_cut_at_any_point_of_many_reverts_leaves_every_answer_true,
    an_unavailable_database_is_reported_once_and_ends_the_command
);

type Answers = BTreeMap<String, Result<Reverted, RevertError>>;

/// The results in the order in which they were reported, and how the revert ended.
struct Run {
    order: Vec<String>,
    answers: Answers,
    end: Result<(), RepoError>,
}

impl Run {
    fn is_back(&self, id: &str) -> bool {
        self.answers.get(id).is_some_and(Result::is_ok)
    }

    fn refusal(&self, id: &str) -> &RevertError {
        self.answers[id].as_ref().unwrap_err()
    }
}

fn parsed(ids: &[String]) -> Vec<ImageId> {
    ids.iter().map(|id| ImageId::parse(id).unwrap()).collect()
}

async fn run_with(
    reverter: &Reverter,
    ids: &[String],
    request: RevertRequest,
    stop: &CancellationToken,
) -> Run {
    let ids = parsed(ids);
    let (mut order, mut answers) = (Vec::new(), Answers::new());
    let many = Many { ids: &ids, request, jobs: 8 };
    let mut tell = |at: usize, answer| {
        let id = ids[at].to_string();
        order.push(id.clone());
        assert!(answers.insert(id, answer).is_none(), "{} is told of twice", ids[at]);
    };
    let end = reverter.revert_many(&Admin::local_operator(), &many, stop, &mut tell).await;
    Run { order, answers, end }
}

async fn run(world: &World, ids: &[String]) -> Run {
    let stop = CancellationToken::new();
    let request = RevertRequest::whole(Verify::Exists);
    let run = run_with(&world.reverter(&world.open()), ids, request, &stop).await;
    assert!(run.end.is_ok(), "{:?}", run.end);
    assert_eq!(run.answers.len(), ids.len());
    run
}

async fn many_images_come_back_whole_and_the_same_request_again_says_so(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("m", 200);
    world.crowd(&images, LONG_AGO).await;
    let first = run(&world, &images).await;
    for id in &images {
        let reverted = first.answers[id].as_ref().unwrap();
        let counts = reverted.restored;
        let counts = (counts.locations, counts.properties, counts.tags, counts.members);
        assert_eq!((counts, reverted.warnings.len()), ((1, 2, 1, 1), 0), "{id}");
        assert_eq!(reverted.image.properties.len(), 2);
    }
    let fates = world.fates("m").await;
    assert!(fates.values().all(|fate| *fate == Fate::KEPT), "{:?}", tally(&fates));
    let again = run(&world, &images).await;
    for id in &images {
        let refused = again.refusal(id);
        assert!(matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive)));
    }
}

async fn a_repeated_bulk_request_reports_earlier_reverts_as_done(kind: Kind) {
    let world = World::with_tables(kind).await;
    let images = ids("m", 150);
    world.crowd(&images, LONG_AGO).await;
    world.live_image("alive").await;
    let first = run(&world, &images).await;
    // somebody renames one of them in Glance
    world
        .db
        .execute("UPDATE images SET updated_at = '2026-11-22 12:04:00' WHERE id = 'm-0007'")
        .await;
    let all = [&images[..], &["alive".to_owned()]].concat();
    let again = run(&world, &all).await;
    for id in &all {
        let is_known = id.as_str() != "m-0007" && id.as_str() != "alive";
        match &again.answers[id] {
            Ok(done) => {
                assert!(is_known && done.repeated, "{id}");
                let before = first.answers[id].as_ref().unwrap();
                assert_eq!(done.restored, before.restored, "{id}");
                assert_eq!(done.image.updated_at, before.image.updated_at, "{id}");
            }
            Err(error) => assert!(!is_known && error.is_back(), "{id}: {error}"),
        }
    }
    let (stop, request) = (CancellationToken::new(), RevertRequest::whole(Verify::Exists));
    let request = RevertRequest { dry_run: true, ..request };
    let dry = run_with(&world.reverter(&world.open()), &images, request, &stop).await;
    assert!(dry.answers.values().all(Result::is_err), "nothing would be done");
}

async fn scenery(kind: Kind) -> World {
    let world = World::with_datadirs(kind, &["images", "more"]).await;
    world.live_image_in("more", "alive-in-more").await;
    world
}

/// One image of each kind among a hundred good ones.
async fn scene(world: &World) -> Vec<String> {
    let mut all = ids("s", 100);
    world.crowd(&all, LONG_AGO).await;
    world.live_image("alive").await;
    for id in ["gone", "claimed", "half", "older", "tagged", "no-tags", "empty", "odd"] {
        world.deleted_image(id).await;
        all.insert(all.len() / 2, id.to_owned());
    }
    std::fs::remove_file(world.datadir().join("gone")).unwrap();
    world.claim(&["claimed"]).await;
    // a copy without data, one that was removed earlier, and one that upstream's --restore revived
    let nowhere = world.uri("half").replace("/images/", "/more/");
    world.rows().location("half", &nowhere, "pending_delete", Some(DELETE_BEGAN)).await;
    world.rows().location("older", &world.uri("older"), "pending_delete", Some(REMOVED)).await;
    let revive = "UPDATE images SET status = 'active', deleted = FALSE WHERE id = 'tagged'";
    world.db.execute(revive).await;
    world.rows().tag("tagged", "blue", None).await;
    world.rows().tag("tagged", "green", Some(DELETED)).await;
    for table in ["image_tags", "image_members", "image_properties"] {
        world.db.execute(&format!("DELETE FROM {table} WHERE image_id = 'no-tags'")).await;
    }
    world.db.execute("DELETE FROM image_locations WHERE image_id = 'empty'").await;
    world.db.execute("UPDATE images SET status = 'queued' WHERE id = 'odd'").await;
    all.extend(["alive".to_owned(), "unknown".to_owned()]);
    all
}

async fn each_of_many_is_answered_by_what_is_there(kind: Kind) {
    let world = scenery(kind).await;
    let all = scene(&world).await;
    let run = run(&world, &all).await;
    let bad = ["gone", "claimed", "empty", "odd", "alive", "unknown"];
    for id in &all {
        assert_eq!(run.is_back(id), !bad.contains(&id.as_str()), "{id}: {:?}", run.answers[id]);
    }
    assert!(matches!(run.refusal("gone"), RevertError::DataMissing { .. }));
    assert!(matches!(run.refusal("unknown"), RevertError::NotFound(_)));
    for (id, expected) in [
        ("claimed", NotPending::ScrubInProgress),
        ("empty", NotPending::NoLocations),
        ("alive", NotPending::AlreadyActive),
    ] {
        let RevertError::NotPending(_, reason) = run.refusal(id) else { panic!("{id}") };
        assert_eq!(*reason, expected, "{id}");
    }
    let live = "active kept no time";
    assert_eq!(world.locations("half").await, format!("{live}, pending_delete deleted time"));
    assert_eq!(world.locations("older").await, format!("{live}, pending_delete deleted time"));
    assert_eq!(world.live("image_tags", "value", "tagged").await, "blue, green");
    assert_eq!(world.live("image_members", "member", "half").await, "friend");
    assert_eq!(world.live("image_properties", "name", "half").await, "empty, os_distro");
    assert_eq!(world.status("no-tags").await, live);
    assert_eq!(world.status("gone").await, "pending_delete deleted time");
    assert!(run.answers["half"].as_ref().unwrap().warnings[0].contains("is gone"));
    let fates = world.fates("s").await;
    assert!(fates.values().all(|fate| *fate == Fate::KEPT), "{:?}", tally(&fates));
}

async fn many_are_told_of_in_the_order_of_the_request(kind: Kind) {
    let world = World::new(kind).await;
    let mut images = ids("o", 130);
    world.crowd(&images, LONG_AGO).await;
    images.reverse();
    let run = run(&world, &images).await;
    for (told, asked) in run.order.chunks(64).zip(images.chunks(64)) {
        assert_eq!(told.first(), asked.first(), "the first ones come back first");
    }
}

async fn a_dry_run_of_many_writes_nothing(kind: Kind) {
    let world = scenery(kind).await;
    let all = scene(&world).await;
    let before = dump(&world).await;
    let request = RevertRequest { dry_run: true, ..RevertRequest::whole(Verify::Exists) };
    let stop = CancellationToken::new();
    let run = run_with(&world.reverter(&world.open()), &all, request, &stop).await;
    assert_eq!(run.answers.values().filter(|answer| answer.is_ok()).count(), all.len() - 6);
    assert!(before == dump(&world).await);
}

/// Everything that a revert could change.
async fn dump(world: &World) -> Vec<Vec<Option<String>>> {
    let text = |column: &str| format!("COALESCE(CONCAT({column}, ''), '')");
    let mut all = Vec::new();
    for table in ["images", "image_locations", "image_properties", "image_tags", "image_members"] {
        let columns = ["id", "deleted_at", "updated_at"].map(text).join(", ");
        let deleted = "CASE WHEN deleted = TRUE THEN 'deleted' ELSE 'kept' END";
        let sql = format!("SELECT {columns}, {deleted} FROM {table} ORDER BY id");
        all.extend(world.db.rows(&sql).await);
    }
    all
}

/// Two copies of one scene, one reverted in bulk, one image by image: the same results, the same
/// rows.
async fn a_bulk_revert_gives_the_same_results_as_single_reverts(kind: Kind) {
    let (together, alone) = (scenery(kind).await, scenery(kind).await);
    let all = scene(&together).await;
    scene(&alone).await;
    let run = run(&together, &all).await;
    let reverter = alone.reverter(&alone.open());
    for id in &all {
        let (image, request) = (ImageId::parse(id).unwrap(), RevertRequest::whole(Verify::Exists));
        let answer = reverter.revert(&Admin::local_operator(), &image, &request).await;
        let told = |answer: &Result<Reverted, RevertError>| match answer {
            Ok(done) => format!("{:?} {:?}", done.restored, done.warnings),
            Err(error) => error.to_string(),
        };
        assert_eq!(told(&run.answers[id]), told(&answer), "{id}");
    }
    assert!(dump(&together).await == dump(&alone).await);
}

/// The store is an empty mount point.
async fn absence_is_not_believed_of_many_where_living_images_are_absent_too(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("u", 70);
    world.crowd(&images, LONG_AGO).await;
    world.live_image("alive").await;
    for file in std::fs::read_dir(world.datadir()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let run = run(&world, &images).await;
    for id in &images {
        let refused = run.refusal(id);
        assert!(matches!(refused, RevertError::StoreUnavailable { .. }), "{refused}");
    }
    let fates = world.fates("u").await;
    assert!(fates.values().all(|fate| *fate == Fate::Pending { file: false }));
}

/// No living image is known. Nothing is written, so that none becomes one.
async fn absence_is_believed_of_many_if_one_of_them_shows_the_store(kind: Kind) {
    let world = World::with_datadirs(kind, &["images", "more"]).await;
    let images = ["seen", "gone", "elsewhere"].map(str::to_owned);
    world.crowd(&images, LONG_AGO).await;
    std::fs::remove_file(world.datadir().join("gone")).unwrap();
    world
        .db
        .execute(
            "UPDATE image_locations SET value = REPLACE(value, '/images/', '/more/') \
             WHERE image_id = 'elsewhere'",
        )
        .await;
    let request = RevertRequest { dry_run: true, ..RevertRequest::whole(Verify::Exists) };
    let stop = CancellationToken::new();
    let run = run_with(&world.reverter(&world.open()), &images, request, &stop).await;
    assert!(run.is_back("seen"), "{:?}", run.answers);
    assert!(matches!(run.refusal("gone"), RevertError::DataMissing { .. }));
    let elsewhere = run.refusal("elsewhere");
    assert!(matches!(elsewhere, RevertError::StoreUnavailable { .. }), "{elsewhere}");
}

async fn images_that_take_much_memory_come_back_beside_the_others(kind: Kind) {
    let world = World::new(kind).await;
    let mut images = ids("b", 20);
    world.crowd(&images, LONG_AGO).await;
    let value = "x".repeat(60_000);
    // 6 MiB fit alone but not beside others; 18 MiB do not fit even alone
    for (id, properties) in [("big", 100), ("twin", 100), ("huge", 300)] {
        world.deleted_image(id).await;
        for number in 0..properties {
            let name = format!("p{number}");
            world.rows().property(id, &name, Some(&value), Some(DELETE_BEGAN)).await;
        }
        images.push(id.to_owned());
    }
    let run = run(&world, &images).await;
    assert!(matches!(run.refusal("huge"), RevertError::Repo(RepoError::TooLarge(_))));
    assert_eq!(run.answers["big"].as_ref().unwrap().restored.properties, 102);
    assert_eq!(run.answers.values().filter(|answer| answer.is_ok()).count(), 22);
    let children = Children { properties: false, ..Children::ALL };
    let request = RevertRequest { children, ..RevertRequest::whole(Verify::Exists) };
    let (stop, huge) = (CancellationToken::new(), ["huge".to_owned()]);
    let run = run_with(&world.reverter(&world.open()), &huge, request, &stop).await;
    assert!(run.is_back("huge"), "{:?}", run.answers);
}

async fn a_stop_leaves_images_without_a_result_untouched(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("t", 200);
    world.crowd(&images, LONG_AGO).await;
    let (ids, stop) = (parsed(&images), CancellationToken::new());
    let many = Many { ids: &ids, request: RevertRequest::whole(Verify::Exists), jobs: 8 };
    let mut told = Vec::new();
    let mut tell = |at: usize, answer: Result<Reverted, RevertError>| {
        assert!(answer.is_ok(), "{answer:?}");
        told.push(images[at].clone());
        stop.cancel();
    };
    let reverter = world.reverter(&world.open());
    reverter.revert_many(&Admin::local_operator(), &many, &stop, &mut tell).await.unwrap();
    assert!((1..=64).contains(&told.len()), "{}", told.len());
    for (id, fate) in world.fates("t").await {
        let expected = if told.contains(&id) { Fate::KEPT } else { Fate::WAITS };
        assert_eq!(fate, expected, "{id}");
    }
    let rest = run(&world, &images).await;
    let back = rest.answers.values().filter(|answer| answer.is_ok()).count();
    assert_eq!(back, 200 - told.len(), "no lock is left");
}

fn is_about_the_scrub(error: &RevertError) -> bool {
    matches!(
        error,
        RevertError::Busy(_)
            | RevertError::Scrubbed { .. }
            | RevertError::NotPending(_, NotPending::ScrubInProgress | NotPending::AlreadyScrubbed)
    )
}

/// Half of the images are due. The pass and the reverts run in opposite directions.
async fn many_reverts_against_passes_never_leave_an_active_image_without_bytes(kind: Kind) {
    const ROUNDS: usize = 10;
    let world = World::new(kind).await;
    let (here, there) = (world.open(), world.open());
    let (reverter, scrubber) = (world.reverter(&here), world.scrubber(&there));
    let (mut kept, mut lost) = (0, 0);
    for round in 0..ROUNDS * 4 {
        if round >= ROUNDS && kept > 0 && lost > 0 {
            break;
        }
        let (due, young) = (format!("d{round}"), format!("y{round}"));
        let mut images = ids(&due, 100);
        world.crowd(&images, LONG_AGO).await;
        let waiting = ids(&young, 100);
        world.crowd(&waiting, NOT_YET).await;
        images.reverse();
        let all: Vec<_> =
            images.iter().zip(&waiting).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
        let start = Barrier::new(2);
        let stop = CancellationToken::new();
        let reverts = async {
            start.wait().await;
            run_with(&reverter, &all, RevertRequest::whole(Verify::Exists), &stop).await
        };
        let pass = async {
            start.wait().await;
            scrubber.run_once(&stop).await.unwrap()
        };
        let (run, report) = tokio::join!(reverts, pass);
        assert!(run.end.is_ok() && run.answers.len() == 200, "{:?}", run.end);
        assert_eq!((report.failed, report.alerts.len()), (0, 0), "{report:?}");
        for (id, fate) in world.fates(&young).await {
            assert!(
                run.is_back(&id) && fate == Fate::KEPT,
                "{id}: {:?}, {fate:?}",
                run.answers[&id]
            );
        }
        for (id, fate) in world.fates(&due).await {
            match (&run.answers[&id], fate) {
                (Ok(_), Fate::Live { file: true }) => kept += 1,
                (Err(error), Fate::Scrubbed { file: false }) if is_about_the_scrub(error) => {
                    lost += 1;
                }
                (answer, fate) => panic!("{id}: {answer:?}, and then {fate:?}"),
            }
        }
    }
    eprintln!("kept {kept}, lost {lost}");
    assert!(kept > 0 && lost > 0, "no race: kept {kept}, lost {lost}");
}

async fn two_concurrent_reverts_both_report_the_images_as_active(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("w", 150);
    world.crowd(&images, LONG_AGO).await;
    let mut reversed = images.clone();
    reversed.reverse();
    let (one, two) = tokio::join!(run(&world, &images), run(&world, &reversed));
    let mut back = 0;
    for id in &images {
        for answer in [&one.answers[id], &two.answers[id]] {
            match answer {
                Ok(_) => back += 1,
                Err(RevertError::NotPending(_, NotPending::AlreadyActive)) => {}
                other => panic!("{id}: {other:?}"),
            }
        }
    }
    assert_eq!(back, images.len());
    let fates = world.fates("w").await;
    assert!(fates.values().all(|fate| *fate == Fate::KEPT), "{:?}", tally(&fates));
}

/// Somebody else's transaction, open for the whole time.
async fn a_locked_row_delays_only_its_own_image(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("l", 100);
    world.crowd(&images, LONG_AGO).await;
    let sql = "SELECT id FROM image_members WHERE image_id = 'l-0010' FOR UPDATE";
    let open = world.db.open_transaction(sql).await;
    let began = tokio::time::Instant::now();
    let blocked = run(&world, &images).await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    for id in &images {
        assert_eq!(blocked.is_back(id), id != "l-0010", "{id}: {:?}", blocked.answers[id]);
    }
    assert!(matches!(blocked.refusal("l-0010"), RevertError::Busy(_)));
    assert_eq!(world.fates("l").await["l-0010"], Fate::WAITS);
    open.rollback().await;
    assert!(run(&world, &images[10..11]).await.is_back("l-0010"));
}

fn is_away(error: &RevertError) -> bool {
    matches!(error, RevertError::Repo(RepoError::Unavailable(_)))
}

fn through(proxy: &Proxy, world: &World) -> Database {
    let config = DatabaseConfig::parse(&proxy.url(&world.db.url()), "").unwrap();
    Database::open(&config, 8).unwrap()
}

async fn a_connection_cut_at_any_point_of_many_reverts_leaves_every_answer_true(kind: Kind) {
    let world = World::new(kind).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let reverter = world.reverter(&through(&proxy, &world));
    let (request, stop) = (RevertRequest::whole(Verify::Exists), CancellationToken::new());
    let (mut cuts, mut resolved) = (0, 0);
    for (prefix, fault) in
        [("u", Fault::Unsent as fn(usize) -> Fault), ("a", Fault::Unanswered as fn(usize) -> Fault)]
    {
        for message in 0..60 {
            let name = format!("{prefix}{message}");
            let images = ids(&name, 20);
            world.crowd(&images, LONG_AGO).await;
            proxy.fail(fault(message));
            let cut = run_with(&reverter, &images, request, &stop).await;
            let came = proxy.heal();
            for (id, fate) in world.fates(&name).await {
                match (cut.answers.get(&id), fate) {
                    (Some(Ok(_)), Fate::Live { file: true }) => resolved += usize::from(came),
                    (None, Fate::Pending { file: true }) if cut.end.is_err() => {}
                    (Some(Err(error)), Fate::Live { .. } | Fate::Pending { .. })
                        if is_away(error) => {}
                    (answer, fate) => panic!("{message}: {id}: {answer:?}, and then {fate:?}"),
                }
            }
            until("all of them", async || {
                let again = run_with(&reverter, &images, request, &stop).await;
                let back = again.answers.values().filter(|answer| match answer {
                    Ok(_) | Err(RevertError::NotPending(_, NotPending::AlreadyActive)) => true,
                    Err(_) => false,
                });
                (back.count() == images.len()).then_some(())
            })
            .await;
            if !came {
                break;
            }
            cuts += 1;
        }
    }
    assert!((10..120).contains(&cuts) && resolved > 0, "{cuts} cuts, {resolved} answers");
}

async fn an_unavailable_database_is_reported_once_and_ends_the_command(kind: Kind) {
    let world = World::new(kind).await;
    let images = ids("z", 200);
    world.crowd(&images, LONG_AGO).await;
    let proxy = Proxy::start(&world.db.url()).await;
    let reverter = world.reverter(&through(&proxy, &world));
    let (ids, stop) = (parsed(&images), CancellationToken::new());
    let many = Many { ids: &ids, request: RevertRequest::whole(Verify::Exists), jobs: 8 };
    let mut answers = Answers::new();
    let mut tell = |at: usize, answer| {
        proxy.go_down();
        answers.insert(images[at].clone(), answer);
    };
    let began = tokio::time::Instant::now();
    let end = reverter.revert_many(&Admin::local_operator(), &many, &stop, &mut tell).await;
    assert!(matches!(end, Err(RepoError::Unavailable(_))), "{end:?}");
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!((1..=64).contains(&answers.len()), "{}", answers.len());
    for (id, fate) in world.fates("z").await {
        match answers.get(&id) {
            Some(Ok(_)) => assert_eq!(fate, Fate::KEPT, "{id}"),
            Some(Err(error)) => assert!(is_away(error), "{id}: {error}"),
            None => assert_eq!(fate, Fate::WAITS, "{id}"),
        }
    }
}
