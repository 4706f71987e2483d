//! The in-memory tables of the simulation behave like SQL: the same rows and calls give the same
//! results and the same rows afterwards.

#![expect(clippy::wildcard_enum_match_arm, reason = "as in the simulation")]

#[expect(dead_code, unused_imports, reason = "the simulation uses the rest")]
#[path = "../../simulation/memory/mod.rs"]
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use glance_revert::domain::audit::{Actor, AuditEntry, REVERT_IMAGE};
use glance_revert::domain::control::{ControlRepo, Term};
use glance_revert::domain::image::{Image, ImageId, ImageStatus};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::lock::{HeldLock, ImageGuard};
use glance_revert::domain::pending::Children;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::{
    HeldLocation, PendingQuery, PendingSort, RepoError, ScrubRepo, ScrubbedQuery, Stretch,
};
use glance_revert::domain::retention::Labels;
use glance_revert::domain::scrub::{Claim, Settled};
use glance_revert::domain::time::{Clock, SystemClock, Timestamp};

use self::memory::{
    Cause, Change, ChildKind, ChildRow, Database, ImageRow, Line, LocationRow, MemoryControl,
    MemoryRepo, Tables, Without,
};
use crate::support::chance::Chance;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! { tables_in_memory_do_what_sql_does }

/// Number of scenes, with three images each.
const SCENES: u64 = 30;

/// A connection that never fails.
#[derive(Debug)]
struct Straight;

#[async_trait]
impl Line for Straight {
    async fn ask(&self, _: &'static str) -> Result<(), RepoError> {
        Ok(())
    }

    async fn answer(&self, _: &'static str) -> Result<(), RepoError> {
        Ok(())
    }
}

#[derive(Debug)]
struct NotHeld;

#[async_trait]
impl HeldLock for NotHeld {
    async fn release(self: Box<Self>) {}
}

fn guard(id: &ImageId) -> ImageGuard {
    ImageGuard::new(id.clone(), Box::new(NotHeld))
}

/// One of the two sides that must be equal.
struct Side<'a> {
    repo: &'a dyn ScrubRepo,
    control: &'a dyn ControlRepo,
}

async fn tables_in_memory_do_what_sql_does(kind: Kind) {
    let world = World::with_tables(kind).await;
    // a day ago, because holds and pauses use the databases' own clocks
    let noon = chrono::SubsecRound::trunc_subsecs(SystemClock.now() - TimeDelta::days(1), 0);
    // a fraction that no row has
    let noon = noon + TimeDelta::microseconds(7);
    for seed in 0..SCENES {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let whole_seconds = kind == Kind::Mariadb;
        let tables = Arc::new(Database::new(1, whole_seconds, Without::default()));
        let rows = scene(&mut chance, noon, whole_seconds);
        store(&world, &tables, &rows).await;
        let clock = Arc::new(SystemClock);
        let repo = Arc::new(MemoryRepo::new(Arc::clone(&tables), Arc::new(Straight), clock));
        let control = MemoryControl(Arc::clone(&repo));
        let ours = Side { repo: &*repo, control: &control };
        for step in 0..4 {
            // it remembers the order and the number of rows, and these are other rows
            let database = world.open();
            let sql = Side { repo: &*database.scrub_repo, control: &*database.control };
            let what = format!("{kind:?}, scene {seed}, step {step}");
            let before = noon - TimeDelta::minutes(i64::try_from(chance.below(40)).unwrap());
            let seen = questions(&sql, before).await;
            let ours_seen = questions(&ours, before).await;
            for (ours, sql) in ours_seen.lines().zip(seen.lines()) {
                assert_eq!(ours, sql, "{what}");
            }
            assert_eq!(ours_seen, seen, "{what}");
            let act = chance.below(5);
            let done = act_on(&sql, act, before, noon).await;
            assert_eq!(
                act_on(&ours, act, before, noon).await,
                done,
                "{what}, act {act}\n{rows:#?}"
            );
            assert_eq!(tables.latest(dump), sql_dump(&world).await, "{what}, act {act}: {done}");
        }
        world
            .db
            .execute(
                "DELETE FROM image_members; DELETE FROM image_tags; DELETE FROM image_properties; \
             DELETE FROM image_locations; DELETE FROM images; DELETE FROM revert_holds; \
             UPDATE revert_scrubber SET paused_until = NULL, paused_at = NULL, paused_by = NULL, \
             pause_reason = NULL, retention = NULL",
            )
            .await;
    }
}

fn ids() -> Vec<ImageId> {
    ["image-1", "image-2", "image-3"].iter().map(|id| ImageId::parse(id).unwrap()).collect()
}

/// Random rows of the hour before noon; many have the same time.
fn scene(chance: &mut Chance, noon: Timestamp, whole_seconds: bool) -> Vec<Change> {
    let mut rows = Vec::new();
    let mut number = 0;
    let time = |chance: &mut Chance| {
        let at = noon - TimeDelta::minutes(i64::try_from(chance.below(6)).unwrap() * 10);
        let at = at + TimeDelta::milliseconds(i64::try_from(chance.below(2)).unwrap() * 250);
        chrono::SubsecRound::trunc_subsecs(at, if whole_seconds { 0 } else { 3 })
    };
    for id in ids() {
        let statuses = [
            ImageStatus::PendingDelete,
            ImageStatus::PendingDelete,
            ImageStatus::Deleted,
            ImageStatus::Active,
        ];
        let status = statuses[chance.below(4)];
        let deleted = chance.below(4) > 0;
        let moment = time(chance);
        let deleted_at = deleted.then_some(moment);
        rows.push(Change::Image(
            id.to_string(),
            Some(ImageRow {
                id: id.to_string(),
                owner: Some("p1".to_owned()),
                size: Some(8),
                checksum: None,
                status,
                protected: false,
                created_at: noon - TimeDelta::days(2),
                updated_at: Some(moment),
                deleted_at,
                deleted,
            }),
        ));
        for _ in 0..chance.below(4) {
            number += 1;
            let mut row = LocationRow::live(number, id.as_str(), &format!("mem://fast/{number}"));
            let at = if chance.below(2) == 0 { moment } else { time(chance) };
            (row.status, row.deleted, row.deleted_at) = match chance.below(5) {
                0 => (LocationStatus::Active, false, None),
                1 | 2 => (LocationStatus::PendingDelete, true, Some(at)),
                3 => (LocationStatus::PendingDelete, true, None),
                _ => (LocationStatus::Deleted, true, Some(at)),
            };
            row.updated_at = Some(noon);
            rows.push(Change::Location(number, Some(row)));
        }
        let words = [
            (ChildKind::Property, "os_type"),
            (ChildKind::Property, "os_glance_x"),
            (ChildKind::Tag, "golden"),
            (ChildKind::Tag, "old"),
            (ChildKind::Member, "p2"),
            (ChildKind::Member, "p3"),
        ];
        for (kind, word) in words {
            number += 1;
            let at = if chance.below(2) == 0 { moment } else { time(chance) };
            let deleted = chance.below(3) > 0;
            rows.push(Change::Child(
                number,
                Some(ChildRow {
                    id: number,
                    kind,
                    image: id.to_string(),
                    word: word.to_owned(),
                    updated_at: Some(noon),
                    deleted_at: deleted.then_some(at),
                    deleted,
                    cause: Cause::Nobody,
                }),
            ));
        }
    }
    rows
}

fn text(at: Option<Timestamp>) -> String {
    at.map_or("NULL".to_owned(), |at| format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f")))
}

/// Writes the same rows to both sides.
async fn store(world: &World, tables: &Database, rows: &[Change]) {
    let mut sql = String::new();
    for row in rows {
        match row {
            Change::Image(id, Some(row)) => {
                let ImageRow { status, deleted, .. } = row;
                let (created, updated) = (text(Some(row.created_at)), text(row.updated_at));
                let gone = text(row.deleted_at);
                write!(
                    sql,
                    "INSERT INTO images (id, name, disk_format, container_format, size, status, \
                     visibility, min_disk, min_ram, owner, protected, os_hidden, created_at, \
                     updated_at, deleted_at, deleted) VALUES ('{id}', 'name of {id}', 'raw', 'bare', \
                     8, '{status}', 'shared', 0, 0, 'p1', FALSE, FALSE, {created}, {updated}, {gone}, \
                     {deleted});"
                )
                .unwrap();
            }
            Change::Location(number, Some(row)) => {
                let LocationRow { image, value, status, deleted, .. } = row;
                let (updated, gone) = (text(row.updated_at), text(row.deleted_at));
                write!(
                    sql,
                    "INSERT INTO image_locations (id, image_id, value, meta_data, status, created_at, \
                     updated_at, deleted_at, deleted) VALUES ({number}, '{image}', '{value}', '{{}}', \
                     '{}', {updated}, {updated}, {gone}, {deleted});",
                    status.as_str()
                )
                .unwrap();
            }
            Change::Child(number, Some(row)) => {
                let ChildRow { image, word, deleted, .. } = row;
                let (updated, gone) = (text(row.updated_at), text(row.deleted_at));
                let (table, columns, values) = match row.kind {
                    ChildKind::Property => {
                        ("properties", "name, value", format!("'{word}', 'value'"))
                    }
                    ChildKind::Tag => ("tags", "value", format!("'{word}'")),
                    ChildKind::Member => (
                        "members",
                        "member, can_share, status",
                        format!("'{word}', FALSE, 'accepted'"),
                    ),
                };
                write!(
                    sql,
                    "INSERT INTO image_{table} (id, image_id, {columns}, created_at, updated_at, \
                     deleted_at, deleted) VALUES ({number}, '{image}', {values}, {updated}, {updated}, \
                     {gone}, {deleted});"
                )
                .unwrap();
            }
            _ => {}
        }
    }
    world.db.execute(&sql).await;
    let put = tables.transaction(("scene", 0, 0), |transaction| {
        for row in rows {
            transaction.set(row.clone());
        }
        Some(())
    });
    assert_eq!(put, Ok(Some(())));
}

/// The comparable parts of an image, with children in order.
fn image(mut image: Image) -> String {
    image.locations.sort_by_key(|location| location.id);
    image.properties.sort_by_key(|one| one.name.clone());
    image.tags.sort_by_key(|one| one.value.clone());
    image.members.sort_by_key(|one| one.member.clone());
    let locations: Vec<_> = image
        .locations
        .iter()
        .map(|one| (one.id, one.status, one.deleted, one.deleted_at))
        .collect();
    format!(
        "{} {:?} {} {:?} {:?} {:?} {locations:?} {:?} {:?} {:?}",
        image.id,
        image.status,
        image.deleted,
        image.deleted_at,
        image.updated_at,
        image.state(),
        image.properties,
        image.tags,
        image.members
    )
}

/// The results of every query.
async fn questions(side: &Side<'_>, before: Timestamp) -> String {
    let mut all = String::new();
    let repo = side.repo;
    for id in ids() {
        for wanted in [Children::ALL, Children::NONE] {
            let found = repo.get(&id, wanted).await.unwrap();
            writeln!(all, "{:?}", found.map(image)).unwrap();
        }
        let mut live = repo.live_locations_of(&id).await.unwrap();
        live.sort_unstable();
        let position = repo.position(&id).await.unwrap();
        writeln!(all, "{live:?} {position:?}").unwrap();
    }
    let wanted = Labels {
        tags: ["golden", "old"].map(str::to_owned).into(),
        properties: ["os_type", "os_glance_x"].map(str::to_owned).into(),
    };
    let tags = Labels { tags: wanted.tags.clone(), ..Labels::default() };
    let properties = Labels { properties: wanted.properties.clone(), ..Labels::default() };
    for wanted in [wanted, tags, properties, Labels::default()] {
        let facts = repo.facts_of(&ids(), &wanted).await.unwrap();
        let facts = facts.into_iter().map(|(id, facts)| {
            let properties: BTreeMap<_, _> = facts.properties.clone().into_iter().collect();
            // properties have no value in memory
            let properties: Vec<_> = properties.into_keys().collect();
            let tags: BTreeSet<_> = facts.tags.clone().into_iter().collect();
            (id, (facts.owner, facts.name, facts.visibility, facts.size, tags, properties))
        });
        writeln!(all, "{:?}", facts.collect::<BTreeMap<_, _>>()).unwrap();
    }
    let many = repo.get_many(&ids()).await.unwrap();
    let mut many: Vec<_> = many.into_iter().map(|found| image(found.unwrap())).collect();
    many.sort();
    writeln!(all, "{many:?}").unwrap();
    for sort in [PendingSort::NewestFirst, PendingSort::OldestFirst] {
        for since in [None, Some(before)] {
            let query = PendingQuery { sort, limit: 10, ..PendingQuery::default() };
            let page = repo.list_pending(&query, since).await.unwrap();
            let page: Vec<_> = page.into_iter().map(Result::unwrap).collect();
            let page = page.iter().map(|one| (&one.id, one.deleted_at, one.has_location));
            writeln!(all, "{:?}", page.collect::<Vec<_>>()).unwrap();
        }
    }
    for deleted_after in [None, Some(before)] {
        let mut query = ScrubbedQuery { deleted_after, limit: 1, ..ScrubbedQuery::default() };
        loop {
            let page = repo.list_scrubbed(&query).await.unwrap();
            writeln!(all, "{page:?}").unwrap();
            query.marker = page.next;
            if query.marker.is_none() {
                break;
            }
        }
    }
    writeln!(all, "{:?}", repo.list_due(before, 0, 10).await.unwrap()).unwrap();
    writeln!(all, "{:?}", repo.count_due(before).await.unwrap()).unwrap();
    writeln!(all, "{:?}", repo.outlook([before; 3], before).await.unwrap()).unwrap();
    for unscrubbed in [false, true] {
        let stretch = Stretch { images: 2, found: 10 };
        let found = repo.remnants(before, None, unscrubbed, stretch).await.unwrap();
        writeln!(all, "{found:?}").unwrap();
    }
    let mut rows = Vec::new();
    let mut take = |held: &HeldLocation| rows.push(held.location.id);
    repo.needed_locations(before, 0, 100, &mut take).await.unwrap();
    repo.live_locations(0, 100, &mut take).await.unwrap();
    writeln!(all, "{rows:?} {}", side.control.claimed().await.unwrap()).unwrap();
    all
}

/// Makes one call that writes; returns its result.
async fn act_on(side: &Side<'_>, act: usize, before: Timestamp, noon: Timestamp) -> String {
    let (repo, admin) = (side.repo, Admin::local_operator());
    let now = chrono::SubsecRound::trunc_subsecs(noon, 0);
    match act {
        0 => {
            let mut answers = Vec::new();
            for id in ids() {
                let found = repo.get(&id, Children::ALL).await.unwrap().unwrap();
                let Ok(pending) = found.clone().into_pending_delete(now, std::time::Duration::ZERO)
                else {
                    continue;
                };
                let together: Vec<_> = pending.locations_together().iter().map(|l| l.id).collect();
                if together.is_empty() {
                    continue;
                }
                let plan = pending.plan(together, Children::ALL, false);
                let audit = AuditEntry::new(now, REVERT_IMAGE, Actor::from(&admin)).about(&found);
                answers.push(repo.revert(&guard(&id), &plan, now, &audit).await.unwrap());
                // the rows that were read no longer exist
                answers.push(repo.revert(&guard(&id), &plan, now, &audit).await.unwrap());
            }
            format!("{answers:?}")
        }
        1 | 2 => {
            let mut found = repo.get_many(&ids()).await.unwrap();
            found.sort_by_key(|one| one.as_ref().unwrap().id.clone());
            let works: Vec<_> =
                found.into_iter().filter_map(|one| one.unwrap().into_work(before)).collect();
            let guards: Vec<_> = works.iter().map(|work| guard(&work.image().id)).collect();
            let stamps = works.iter().map(|work| work.stamp(now));
            let claims: Vec<_> = works
                .iter()
                .zip(&guards)
                .zip(stamps)
                .map(|((work, guard), stamp)| Claim { guard, work, stamp })
                .collect();
            if claims.is_empty() {
                return String::new();
            }
            let writes = repo.claim(&claims).await.unwrap();
            let settled: Vec<_> = claims
                .iter()
                .map(|claim| {
                    let targets = claim.work.targets().iter().map(|target| target.id);
                    let deleted = if act == 1 { targets.collect() } else { Vec::new() };
                    let release = (act == 2).then(|| claim.work.release(claim.stamp));
                    let (guard, is_whole) = (claim.guard, act == 1);
                    Settled { guard, deleted, release, audit: None, is_whole }
                })
                .collect();
            let at = works.iter().map(|work| work.settled_after(now)).max().unwrap_or(now);
            format!("{writes:?} {:?}", repo.settle(&settled, at).await.unwrap())
        }
        3 => {
            let until =
                chrono::SubsecRound::trunc_subsecs(SystemClock.now(), 0) + TimeDelta::hours(1);
            let term = Term { until, reason: None };
            let held = side.control.hold(&ids()[..1], &term, &admin).await.unwrap();
            let holds = side.control.holds_of(&ids()).await.unwrap();
            let holds: Vec<_> = holds.into_iter().map(|hold| hold.image).collect();
            let retention = async || side.control.orders().await.unwrap().unwrap().retention;
            let (known, mut seen) = (retention().await, Vec::new());
            for (from, to) in [
                (Some("unknown"), Some("lost")),
                (known.as_deref(), Some("kept")),
                (None, Some("lost")),
                (Some("kept"), known.as_deref().map_or(Some("again"), |_| None)),
            ] {
                side.control.keep_retention(from, to).await.unwrap();
                seen.push(retention().await);
            }
            format!("{held:?} {holds:?} {} {seen:?}", side.control.is_paused().await.unwrap())
        }
        _ => format!("{:?}", side.control.release(&ids(), &admin).await.unwrap()),
    }
}

/// All rows of Glance's tables, one per line.
fn dump(tables: &Tables) -> Vec<String> {
    let mut lines: Vec<_> = tables
        .images
        .values()
        .map(|row| {
            let (updated, gone) = (text(row.updated_at), text(row.deleted_at));
            format!("{} {} {} {updated} {gone}", row.id, row.status, u8::from(row.deleted))
        })
        .collect();
    lines.extend(tables.locations.values().map(|row| {
        let (status, gone) = (row.status.as_str(), text(row.deleted_at));
        format!("location {} {status} {} {gone}", row.id, u8::from(row.deleted))
    }));
    lines.extend(
        tables.children.values().map(|row| {
            format!("child {} {} {}", row.id, u8::from(row.deleted), text(row.deleted_at))
        }),
    );
    lines.sort();
    lines
}

async fn sql_dump(world: &World) -> Vec<String> {
    let time = |cell: &Option<String>| {
        let at: Option<Timestamp> =
            cell.as_ref().map(|cell| cell.replace(' ', "T").parse().unwrap());
        text(at)
    };
    let cell = |cell: &Option<String>| cell.clone().unwrap();
    let mut lines = Vec::new();
    let images = "SELECT id, status, deleted, updated_at, deleted_at FROM images";
    for row in world.db.rows(images).await {
        let (updated, gone) = (time(&row[3]), time(&row[4]));
        lines.push(format!(
            "{} {} {} {updated} {gone}",
            cell(&row[0]),
            cell(&row[1]),
            cell(&row[2])
        ));
    }
    let locations = "SELECT id, status, deleted, deleted_at FROM image_locations";
    for row in world.db.rows(locations).await {
        let gone = time(&row[3]);
        lines.push(format!(
            "location {} {} {} {gone}",
            cell(&row[0]),
            cell(&row[1]),
            cell(&row[2])
        ));
    }
    for table in ["image_properties", "image_tags", "image_members"] {
        let children = format!("SELECT id, deleted, deleted_at FROM {table}");
        for row in world.db.rows(&children).await {
            lines.push(format!("child {} {} {}", cell(&row[0]), cell(&row[1]), time(&row[2])));
        }
    }
    lines.sort();
    lines
}
