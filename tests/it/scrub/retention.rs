//! Retention rules: when each image is due, and that every report agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::Children;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::PendingQuery;
use glance_revert::domain::retention::{Conditions, Facts, Glob, Retention, Rule, Rules};
use glance_revert::domain::revert::Reverter;
use glance_revert::domain::scrub::{PassLimits, ScrubReport, ScrubSettings, Scrubber};
use glance_revert::domain::summary::GroupBy;
use glance_revert::domain::time::{Clock, SystemClock, Timestamp};
use tokio_util::sync::CancellationToken;

use super::orders::control;
use crate::support::chance::Chance;
use crate::support::clock::FixedClock;
use crate::support::crowd::ids;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::{HOUR, World};

on_each_database! {
    every_report_agrees_on_when_an_image_is_due,
    no_due_image_is_ever_missed,
    images_due_only_by_a_new_rule_wait_until_somebody_accepts_them,
    a_rule_that_is_gone_lets_its_images_wait_until_somebody_accepts_less,
    data_that_an_ended_image_may_need_by_its_rule_stays,
}

mod of_glance {
    use super::*;

    on_each_database! { with glance: rules_see_the_tags_and_properties_that_glance_deleted_with_the_image }
}

const DAY: Duration = Duration::from_hours(24);

fn rule(name: &str, scrub_time: Duration, conditions: Conditions) -> Rule {
    Rule { name: name.to_owned(), conditions, scrub_time }
}

fn tag(tag: &str) -> Conditions {
    Conditions { tag: Some(tag.to_owned()), ..Conditions::default() }
}

fn named(pattern: &str) -> Conditions {
    Conditions { name: Some(Glob::parse(pattern).unwrap()), ..Conditions::default() }
}

/// A scrubber and a reverter with these retention times.
fn product(
    world: &World,
    database: &Database,
    clock: Arc<dyn Clock>,
    retention: &Retention,
) -> (Scrubber, Reverter) {
    let settings = ScrubSettings {
        scrub_time: retention.scrub_time,
        pool_size: 4,
        absent_limit: 100,
        limits: PassLimits::NONE,
        delayed_delete: true,
    };
    let (repo, lock) = (Arc::clone(&database.scrub_repo), Arc::clone(&database.lock));
    let scrubber = Scrubber::new(repo, lock, Arc::clone(&world.stores), clock, settings)
        .with_rules(retention.rules.clone())
        .with_control(Arc::clone(&database.control));
    (scrubber, world.reverter(database).with_retention(retention.clone()))
}

async fn pass(scrubber: &Scrubber) -> ScrubReport {
    scrubber.run_once(&CancellationToken::new()).await.unwrap()
}

async fn planned(scrubber: &Scrubber, within: Duration) -> BTreeMap<String, Timestamp> {
    let plan = scrubber.plan(&Admin::local_operator(), within).await.unwrap();
    plan.next.into_iter().map(|image| (image.id, image.scrub_at)).collect()
}

fn text(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

async fn crowd(world: &World, prefix: &str, count: usize, ago: Duration) {
    world.crowd(&ids(prefix, count), &text(SystemClock.now() - ago)).await;
}

/// Two hours for `ephemeral`, ninety days for images called `golden`, and a week for the rest.
fn usual() -> Retention {
    let rules = vec![
        rule("golden", DAY * 90, named("golden*")),
        rule("ci", HOUR * 2, tag("ephemeral")),
        rule("large", DAY, Conditions { min_size: Some(1 << 40), ..Conditions::default() }),
    ];
    Retention { scrub_time: DAY * 7, rules: rules.into() }
}

/// With a fixed clock: one second earlier nothing is due, then the image is.
async fn every_report_agrees_on_when_an_image_is_due(kind: Kind) {
    let world = World::new(kind).await;
    // all of these times are in the past for the database's own clock
    let deleted = world.clock.now() - DAY * 100;
    let clock = Arc::new(FixedClock::at(deleted));
    for id in ["golden-0000", "ci-0000", "large-0000", "rest-0000"] {
        world.crowd(&[id.to_owned()], &text(deleted)).await;
    }
    for sql in [
        "UPDATE images SET name = 'golden image' WHERE id = 'golden-0000'",
        "UPDATE image_tags SET value = 'ephemeral' WHERE image_id = 'ci-0000'",
        "UPDATE images SET size = 1099511627776 WHERE id = 'large-0000'",
    ] {
        world.db.execute(sql).await;
    }
    let (database, retention) = (world.open(), usual());
    let (scrubber, reverter) = product(&world, &database, clock.clone(), &retention);
    let admin = Admin::local_operator();
    let expected = [
        ("ci-0000", Some("ci"), HOUR * 2),
        ("large-0000", Some("large"), DAY),
        ("rest-0000", None, DAY * 7),
        ("golden-0000", Some("golden"), DAY * 90),
    ];
    let due: BTreeMap<_, _> =
        expected.iter().map(|(id, _, wait)| ((*id).to_owned(), deleted + *wait)).collect();
    assert_eq!(planned(&scrubber, DAY * 90).await, due);

    // list, preview, summary
    let query = PendingQuery { limit: 10, ..PendingQuery::default() };
    let listed = reverter.list(&admin, &query).await.unwrap();
    let all: Vec<_> = listed.iter().map(|one| one.id.clone()).collect();
    let rules = reverter.rules_of(&admin, &all).await.unwrap();
    for (id, name, wait) in expected {
        let image = ImageId::parse(id).unwrap();
        let shown = reverter.preview(&admin, &image).await.unwrap();
        for decides in [rules.get(&image), shown.rule.as_ref()] {
            assert_eq!(decides.map(|rule| &*rule.name), name, "{id}");
            assert_eq!(decides.map_or(DAY * 7, |rule| rule.scrub_time), wait, "{id}");
        }
        let query = PendingQuery {
            name: Some(shown.image.name.clone().unwrap()),
            ..PendingQuery::default()
        };
        let by = GroupBy { project: true, ..GroupBy::default() };
        for by in [by, GroupBy { store: true, ..by }, GroupBy { burst: true, ..by }] {
            let summary = reverter.summary(&admin, &query, by).await.unwrap();
            assert_eq!(summary.first_due, Some(deleted + wait), "{id}");
            assert_eq!(summary.groups[0].first_due, Some(deleted + wait), "{id} {by:?}");
        }
    }
    let whole = reverter.summary(&admin, &PendingQuery::default(), GroupBy::default()).await;
    assert_eq!(whole.unwrap().first_due, Some(deleted + HOUR * 2));

    // each image in turn, to the second, in the pass, the gauges and the forecast
    let second = Duration::from_secs(1);
    for (gone, (id, _, wait)) in expected.iter().enumerate() {
        let until = deleted + *wait - second - clock.now();
        clock.advance(until.to_std().unwrap());
        assert_eq!(clock.now(), deleted + *wait - second);
        assert_eq!(pass(&scrubber).await.scrubbed, 0, "{id}");
        let waits = [Duration::ZERO, second, DAY * 90];
        let outlook = scrubber.outlook(waits, deleted).await.unwrap();
        let images = outlook.due.map(|tally| tally.images);
        assert_eq!(images, [0, 1, 4 - gone as u64], "{id}");
        assert_eq!(scrubber.forecast().await.unwrap().0.images, 0, "{id}");
        assert_eq!(scrubber.count_due(second).await.unwrap().images, 1, "{id}");
        clock.advance(second);
        assert_eq!(scrubber.forecast().await.unwrap().0.images, 1, "{id}");
        let planned: Vec<_> = planned(&scrubber, Duration::ZERO).await.into_keys().collect();
        assert_eq!(planned, [*id]);
        assert_eq!(pass(&scrubber).await.scrubbed, 1, "{id}");
        assert!(!world.has_data(id), "{id}");
    }
}

/// Properties that an image may have, in SQL of this database.
const CHANGES: [&str; 12] = [
    "UPDATE images SET owner = 'p2' WHERE id = ?",
    "UPDATE images SET owner = NULL WHERE id = ?",
    "UPDATE images SET name = 'golden one' WHERE id = ?",
    "UPDATE images SET name = NULL WHERE id = ?",
    "UPDATE images SET visibility = 'public' WHERE id = ?",
    "UPDATE images SET size = 5000 WHERE id = ?",
    "UPDATE image_tags SET value = 'ephemeral' WHERE image_id = ?",
    "UPDATE image_tags SET value = 'Ephemeral' WHERE image_id = ?",
    "UPDATE image_properties SET value = 'x' WHERE image_id = ? AND name = 'a'",
    "UPDATE image_tags SET deleted = FALSE, deleted_at = NULL WHERE image_id = ?",
    // cut short, ended without a call to the store, and claimed by a pass that died
    "UPDATE images SET status = 'deleted' WHERE id = ?",
    "UPDATE image_locations SET deleted_at = NULL WHERE image_id = ? AND image_id IN \
     (SELECT id FROM images WHERE status = 'deleted')",
];

fn chosen(chance: &mut Chance) -> Retention {
    let text = |text: &str| Some(text.to_owned());
    let conditions = |which| match which {
        0 => tag("ephemeral"),
        1 => named("golden*"),
        2 => Conditions { owner: text("p2"), ..Conditions::default() },
        3 => Conditions { visibility: text("public"), ..Conditions::default() },
        4 => Conditions { min_size: Some(1000), ..Conditions::default() },
        5 => Conditions { max_size: Some(1000), ..tag("t") },
        _ => {
            Conditions { property: Some(("a".to_owned(), "x".to_owned())), ..Conditions::default() }
        }
    };
    let hours = |chance: &mut Chance| HOUR * u32::try_from(1 + chance.below(60)).unwrap();
    let count = 1 + chance.below(4);
    let rules: Vec<_> = (0..count)
        .map(|number| {
            let wait = hours(chance);
            rule(&format!("r{number}"), wait, conditions(chance.below(7)))
        })
        .collect();
    Retention { scrub_time: hours(chance), rules: rules.into() }
}

/// The images that are due at this time.
fn due_at(due: &BTreeMap<String, Timestamp>, now: Timestamp) -> BTreeMap<String, Timestamp> {
    due.iter().filter(|(_, at)| **at <= now).map(|(id, at)| (id.clone(), *at)).collect()
}

/// When each image is due by the rules alone, once the list and the preview agree with them.
async fn due_by(
    database: &Database,
    reverter: &Reverter,
    retention: &Retention,
    ids: &[String],
) -> BTreeMap<String, Timestamp> {
    let (by, mut due) = (Admin::local_operator(), BTreeMap::new());
    for id in ids {
        let id = ImageId::parse(id).unwrap();
        let image = database.repo.get(&id, Children::ALL).await.unwrap().unwrap();
        let facts = Facts::of(&image);
        let rule = retention.rules.first(&facts);
        let listed = reverter.rules_of(&by, std::slice::from_ref(&id)).await.unwrap().remove(&id);
        assert_eq!(listed.as_ref(), rule, "{retention:?} {facts:?}");
        let shown = reverter.preview(&by, &id).await.unwrap();
        assert_eq!(shown.rule.as_ref(), rule, "{retention:?} {facts:?}");
        let at = retention.due_at(&facts, image.waits_since().unwrap());
        assert!(image.clone().into_work(at - retention.wait(&facts)).is_some(), "{facts:?}");
        let earlier = at - retention.wait(&facts) - Duration::from_secs(1);
        assert!(image.into_work(earlier).is_none(), "{facts:?}");
        due.insert(id.to_string(), at);
    }
    due
}

/// Checks that plan and metrics find just these images at the clock's time. The scrubber must be
/// new: a process counts images that are not `pending_delete` only from time to time.
async fn agree(scrubber: &Scrubber, due: &BTreeMap<String, Timestamp>, now: Timestamp) {
    let waits = [Duration::ZERO, Duration::from_secs(1), HOUR * 9];
    let outlook = scrubber.outlook(waits, now).await.unwrap().due;
    for (wait, tally) in waits.into_iter().zip(outlook) {
        let expected = due_at(due, now + wait);
        assert_eq!(planned(scrubber, wait).await, expected, "{now} {wait:?}");
        assert_eq!(tally.images, expected.len() as u64, "{now} {wait:?}");
        let counted = scrubber.count_due(wait).await.unwrap().images;
        assert_eq!(counted, expected.len() as u64, "{now} {wait:?}");
    }
    let forecast = scrubber.forecast().await.unwrap().0.images;
    assert_eq!(forecast, due_at(due, now).len() as u64, "{now}");
}

/// Random images and rules: pass, plan, list, preview and metrics agree to the second with the
/// function that says when an image is due.
async fn no_due_image_is_ever_missed(kind: Kind) {
    let world = World::new(kind).await;
    let (mut chance, second) = (Chance(17), Duration::from_secs(1));
    let noon = world.clock.now();
    let all = ids("a", 60);
    for id in &all {
        let ago = HOUR * u32::try_from(chance.below(70)).unwrap() + HOUR / 2;
        world.crowd(std::slice::from_ref(id), &text(noon - ago)).await;
        for _ in 0..chance.below(4) {
            let sql = CHANGES[chance.below(CHANGES.len())];
            world.db.execute(&sql.replace('?', &format!("'{id}'"))).await;
        }
    }
    let pending = world.db.rows("SELECT id FROM images WHERE status = 'pending_delete'").await;
    assert!((30..60).contains(&pending.len()), "{pending:?}: not all of one kind");
    let database = world.open();
    let mut seen = 0;
    for _ in 0..20 {
        let retention = chosen(&mut chance);
        let (_, reverter) = product(&world, &database, world.clock.clone(), &retention);
        let due = due_by(&database, &reverter, &retention, &all).await;
        seen += due_at(&due, noon).len();
        let past: Vec<_> = due.values().copied().filter(|at| *at <= noon).collect();
        let one = past.get(chance.below(past.len().max(1))).copied().unwrap_or(noon);
        for now in [noon, one - second, one] {
            let clock = Arc::new(FixedClock::at(now));
            let (scrubber, _) = product(&world, &world.open(), clock, &retention);
            agree(&scrubber, &due, now).await;
        }
    }
    assert!((100..1100).contains(&seen), "{seen}: neither all nor nothing");

    let retention = chosen(&mut chance);
    let (_, reverter) = product(&world, &database, world.clock.clone(), &retention);
    let due = due_by(&database, &reverter, &retention, &all).await;
    let mut times: Vec<_> = due.values().copied().filter(|at| *at <= noon).collect();
    times.sort();
    let middle = times[times.len() / 2];
    let mut gone = 0;
    for now in [middle - second, middle, noon] {
        let clock = Arc::new(FixedClock::at(now));
        let report = pass(&product(&world, &database, clock, &retention).0).await;
        let expected: BTreeSet<_> = due_at(&due, now).into_keys().collect();
        assert_eq!(gone + report.scrubbed, expected.len() as u64, "{report:?}");
        gone += report.scrubbed;
        let lost: BTreeSet<_> = all.iter().filter(|id| !world.has_data(id)).cloned().collect();
        assert_eq!(lost, expected, "{now}");
    }
    assert!(gone > 0);
}

async fn images_due_only_by_a_new_rule_wait_until_somebody_accepts_them(kind: Kind) {
    let world = World::with_tables(kind).await;
    let (database, machine) = (world.open(), || Arc::new(SystemClock));
    let plain = Retention::plain(DAY * 7);
    let with_rules = usual();
    pass(&product(&world, &database, machine(), &plain).0).await;
    crowd(&world, "ci", 3, HOUR * 3).await;
    crowd(&world, "old", 1, DAY * 8).await;
    world.db.execute("UPDATE image_tags SET value = 'ephemeral' WHERE image_id LIKE 'ci-%'").await;

    let (scrubber, _) = product(&world, &database, machine(), &with_rules);
    assert!(scrubber.has_shorter_rules().await.unwrap());
    for _ in 0..2 {
        let report = pass(&scrubber).await;
        let told = report.limited.unwrap().to_string();
        let why = "4 images of 81 bytes together are due, 3 of them only because retention rules make \
                   them due earlier";
        assert!(told.contains(why), "{told}");
        assert_eq!((report.seen, world.files()), (0, 4), "{report:?}");
    }
    let seen = scrubber.plan(&Admin::local_operator(), Duration::ZERO).await.unwrap();
    assert_eq!((seen.total.images, seen.limited.is_some()), (4, true));

    let control = control(&world, &database);
    control.accept(&Admin::local_operator(), 4).await.unwrap();
    assert_eq!(pass(&scrubber).await.scrubbed, 4);
    assert!(!scrubber.has_shorter_rules().await.unwrap());
    crowd(&world, "more", 2, HOUR * 3).await;
    world
        .db
        .execute("UPDATE image_tags SET value = 'ephemeral' WHERE image_id LIKE 'more-%'")
        .await;
    let (again, _) = product(&world, &world.open(), machine(), &with_rules);
    assert_eq!(pass(&again).await.scrubbed, 2, "the rules are in force now, for each process");
}

async fn a_rule_that_is_gone_lets_its_images_wait_until_somebody_accepts_less(kind: Kind) {
    let world = World::with_tables(kind).await;
    let (database, machine) = (world.open(), || Arc::new(SystemClock));
    let golden = Retention {
        scrub_time: DAY * 7,
        rules: vec![rule("golden", DAY * 90, tag("golden"))].into(),
    };
    let (longer, _) = product(&world, &database, machine(), &golden);
    pass(&longer).await;
    crowd(&world, "golden", 2, DAY * 8).await;
    crowd(&world, "rest", 1, DAY * 8).await;
    world.db.execute("UPDATE image_tags SET value = 'golden' WHERE image_id LIKE 'golden-%'").await;

    let (plain, _) = product(&world, &database, machine(), &Retention::plain(DAY * 7));
    let report = pass(&plain).await;
    assert_eq!(report.limited.unwrap().lowered.unwrap().images, 2, "{report:?}");
    assert_eq!(pass(&longer).await.scrubbed, 1, "a process that has the rule goes on");
    assert!(world.has_data("golden-0000") && !world.has_data("rest-0000"));
    plain.accept(&Admin::local_operator(), 2);
    assert_eq!(pass(&plain).await.scrubbed, 2);
    let orders = database.control.orders().await.unwrap().unwrap();
    assert_eq!((orders.retention, orders.scrub_time), (None, Some(DAY * 7)));
    // a longer rule, or a new rule with a longer time, needs no acceptance
    for retention in [golden, Retention::plain(DAY * 8)] {
        pass(&product(&world, &database, machine(), &retention).0).await;
    }
    let orders = database.control.orders().await.unwrap().unwrap();
    assert_eq!(orders.scrub_time, Some(DAY * 8));
    assert!(orders.retention.unwrap().contains("golden"), "it was never given up");
}

/// Glance ended it without a call to the store, and by its rule it may still be reverted.
async fn data_that_an_ended_image_may_need_by_its_rule_stays(kind: Kind) {
    let world = World::new(kind).await;
    let database = world.open();
    let retention = Retention {
        scrub_time: HOUR * 2,
        rules: vec![rule("golden", DAY * 90, named("golden*"))].into(),
    };
    crowd(&world, "golden", 1, DAY).await;
    crowd(&world, "other", 1, DAY).await;
    let shared = format!("UPDATE image_locations SET value = '{}'", world.uri("other-0000"));
    for sql in [
        "UPDATE images SET name = 'golden', status = 'deleted' WHERE id = 'golden-0000'",
        "UPDATE image_locations SET status = 'deleted' WHERE image_id = 'golden-0000'",
        &shared,
    ] {
        world.db.execute(sql).await;
    }
    let (scrubber, _) = product(&world, &database, Arc::new(SystemClock), &retention);
    let report = pass(&scrubber).await;
    assert_eq!((report.scrubbed, report.data_shared), (1, 1), "{report:?}");
    assert!(world.has_data("other-0000"));
}

async fn rules_see_the_tags_and_properties_that_glance_deleted_with_the_image(kind: Kind) {
    let world = World::new(kind).await;
    world.deleted_by_glance(kind, &ids("a", 2), 1).await;
    let database = world.open();
    let property = |name: &str, value: &str| Conditions {
        property: Some((name.to_owned(), value.to_owned())),
        ..Conditions::default()
    };
    for (conditions, fits) in [
        (tag("blue"), true),
        (tag("gone"), false),
        (property("os_distro", "debian"), true),
        (property("os_distro", "Debian"), false),
        (property("empty", ""), true),
        (named("h\u{f6}*"), true),
        (Conditions { owner: Some("p1".to_owned()), ..Conditions::default() }, true),
        (Conditions { visibility: Some("shared".to_owned()), ..tag("blue") }, true),
        (Conditions { max_size: Some(1), ..tag("blue") }, false),
    ] {
        let rules = Rules::from(vec![rule("r", HOUR * 2, conditions.clone())]);
        let retention = Retention { scrub_time: DAY * 7, rules };
        let (scrubber, reverter) = product(&world, &database, Arc::new(SystemClock), &retention);
        let found = planned(&scrubber, Duration::ZERO).await.len();
        assert_eq!(found, if fits { 2 } else { 0 }, "{conditions:?}");
        let id = ImageId::parse("a-0000").unwrap();
        let shown = reverter.preview(&Admin::local_operator(), &id).await.unwrap();
        assert_eq!(shown.rule.is_some(), fits, "{conditions:?}");
        let counted = scrubber.count_by_rule(&Admin::local_operator()).await.unwrap();
        assert_eq!(counted[0].tally.images, if fits { 2 } else { 0 }, "{conditions:?}");
    }
}
