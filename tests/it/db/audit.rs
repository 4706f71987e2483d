//! The audit: each change writes one entry with its author; and the uses of the audit.

use std::time::Duration;

use glance_revert::db::Database;
use glance_revert::domain::audit::{AuditQuery, AuditRow};
use glance_revert::domain::control::{HoldOutcome, Term};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::{Admin, AuthMethod, Principal};
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{Many, RevertError, RevertRequest, Reverted, Verify};
use glance_revert::domain::time::{Clock, FAR_FUTURE};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::scrub::orders;
use crate::support::binary::ConfigFile;
use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::statements::StatementProxy;
use crate::support::world::World;

on_each_database! {
    a_revert_leaves_an_entry_of_who_and_what,
    each_image_that_a_pass_destroyed_has_one_entry,
    requests_that_change_nothing_leave_no_audit_entry,
    an_order_leaves_an_entry_for_each_change_and_none_where_nothing_changed,
    a_revert_ends_the_hold_of_its_image_and_says_so,
    the_hold_of_an_image_whose_rows_were_purged_can_be_ended,
    without_the_tables_reverts_work_and_the_audit_says_what_to_do,
    a_missing_table_prevents_no_revert,
    a_missing_table_prevents_no_pause_and_no_hold,
    long_user_text_is_cut_to_its_column_and_prevents_no_revert,
    entries_are_listed_newest_first_by_every_filter_a_page_at_a_time,
    a_lost_answer_is_repeated_while_nobody_has_changed_the_image,
    the_command_line_lists_and_trims,
}
tests_on!(
    mariadb_server,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    an_entry_is_there_when_the_change_is_and_not_before,
    refused_audit_entries_prevent_no_revert,
    a_revert_with_an_audit_entry_sends_two_more_statements
);
tests_on!(
    postgres_server,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    an_entry_is_there_when_the_change_is_and_not_before,
    refused_audit_entries_prevent_no_revert
);

fn id(id: &str) -> ImageId {
    ImageId::parse(id).unwrap()
}

fn alice() -> Admin {
    let alice = Principal::new("keystone", "u1", AuthMethod::Keystone);
    let alice = Principal {
        is_admin: true,
        name: Some("alice".to_owned()),
        scope: Some("system:all".to_owned()),
        ..alice
    };
    Admin::try_from(alice).unwrap().in_request("req-1")
}

fn whole() -> RevertRequest {
    RevertRequest::whole(Verify::Exists)
}

async fn entries(database: &Database, query: AuditQuery) -> Vec<AuditRow> {
    let query = AuditQuery { limit: 1000, ..query };
    database.tables.list_audit(&Admin::local_operator(), &query).await.unwrap()
}

async fn all(world: &World) -> Vec<AuditRow> {
    entries(&world.open(), AuditQuery::default()).await
}

async fn a_revert_leaves_an_entry_of_who_and_what(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    let reverter = world.reverter(&world.open());
    let request = RevertRequest { protect: true, ..whole() };
    let answer = reverter.revert(&alice(), &id("a"), &request).await.unwrap();
    let [entry] = all(&world).await.try_into().unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!((entry.at, entry.id.len()), (world.clock.now(), 36));
    assert_eq!((entry.operation.as_str(), entry.outcome.as_str()), ("revertImage", "success"));
    assert_eq!(entry.image_id, some("a"));
    assert_eq!((entry.owner, entry.name), (some("p1"), some("name of a")));
    assert_eq!((entry.actor.as_str(), entry.actor_name), ("u1", some("alice")));
    assert_eq!((entry.actor_issuer, entry.actor_method), (some("keystone"), some("keystone")));
    assert_eq!((entry.actor_scope, entry.source.as_str()), (some("system:all"), "api"));
    assert_eq!(entry.request_id, some("req-1"));
    assert!(entry.host.is_some_and(|host| !host.is_empty()));
    let restored = answer.restored;
    let expected = json!({
        "options": request.to_string(),
        "restored": {"locations": restored.locations, "properties": restored.properties,
                     "tags": restored.tags, "members": restored.members},
        "updated_at": "2026-11-22T12:00:00Z",
        "warnings": []
    });
    assert_eq!(serde_json::Value::Object(entry.details), expected);
}

async fn each_image_that_a_pass_destroyed_has_one_entry(kind: Kind) {
    let world = World::with_tables(kind).await;
    let ids: Vec<_> = (0..75).map(|n| format!("image-{n:02}")).collect();
    for id in &ids {
        world.deleted_image(id).await;
    }
    world.rows().image("empty", "pending_delete", 8, Some("2026-11-22 11:00:00.000000")).await;
    assert_eq!(world.scrub().await.scrubbed, 76);
    let rows = all(&world).await;
    let mut found: Vec<_> = rows.iter().map(|row| row.image_id.clone().unwrap()).collect();
    found.sort();
    assert_eq!(found[..], [&["empty".to_owned()][..], &ids].concat());
    for row in &rows {
        assert_eq!((row.operation.as_str(), row.actor.as_str()), ("scrubImage", "scrubber"));
        assert_eq!((row.source.as_str(), &row.details["bytes"]), ("scrubber", &json!(8)));
    }
    let first = rows.iter().find(|row| row.image_id.as_deref() == Some("image-00")).unwrap();
    assert_eq!(first.details["stores"], json!(["file"]));
    assert_eq!(first.details["deleted_at"], "2026-11-22T11:00:00Z");
    world.scrub().await;
    assert_eq!(all(&world).await.len(), 76, "once");
}

async fn requests_that_change_nothing_leave_no_audit_entry(kind: Kind) {
    let world = World::with_tables(kind).await;
    for id in ["dry", "lost"] {
        world.deleted_image(id).await;
    }
    world.live_image("alive").await;
    std::fs::remove_file(world.datadir().join("lost")).unwrap();
    let dry = RevertRequest { dry_run: true, ..whole() };
    world.revert_with("dry", &dry).await.unwrap();
    world.revert("lost").await.unwrap_err();
    world.revert("nothing").await.unwrap_err();
    world.revert("alive").await.unwrap_err();
    assert_eq!(all(&world).await, []);
}

async fn an_order_leaves_an_entry_for_each_change_and_none_where_nothing_changed(kind: Kind) {
    let world = World::with_tables(kind).await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    world.live_image("alive").await;
    let database = world.open();
    let control = orders::control(&world, &database);
    let why = || Some("a job went mad".to_owned());
    control.pause(&alice(), None, why()).await.unwrap();
    database.control.accept(7, &alice()).await.unwrap();
    assert!(control.resume(&alice()).await.unwrap());
    assert!(!control.resume(&alice()).await.unwrap());
    let term = Term { until: FAR_FUTURE, reason: why() };
    let held = database.control.hold(&[id("a"), id("alive"), id("b")], &term, &alice()).await;
    assert_eq!(held.unwrap().iter().filter(|one| **one == HoldOutcome::Held).count(), 2);
    assert!(control.release(&alice(), &id("b")).await.unwrap());
    assert!(!control.release(&alice(), &id("b")).await.unwrap());

    let mut told: Vec<_> = all(&world).await;
    told.reverse();
    let is = |row: &AuditRow| (row.operation.clone(), row.image_id.clone().unwrap_or_default());
    let mut in_short: Vec<_> = told.iter().map(is).collect();
    in_short[3..5].sort_unstable();
    let expected = [
        ("pauseScrubber", ""),
        ("acceptScrub", ""),
        ("resumeScrubber", ""),
        ("holdImage", "a"),
        ("holdImage", "b"),
        ("releaseImage", "b"),
    ];
    let expected = expected.map(|(operation, image)| (operation.to_owned(), image.to_owned()));
    assert_eq!(in_short, expected);
    assert_eq!(told[0].details["reason"], "a job went mad");
    assert_eq!((&told[1].details["images"], &told[3].details["until"]), (&json!(7), &json!(null)));
    for row in &told[3..] {
        let name = format!("name of {}", row.image_id.as_deref().unwrap());
        let whose = (row.owner.as_deref(), row.name.as_deref());
        assert_eq!(whose, (Some("p1"), Some(&*name)), "{row:?}");
    }
    for row in &told {
        let who = (row.actor.as_str(), row.actor_name.as_deref(), row.request_id.as_deref());
        assert_eq!(who, ("u1", Some("alice"), Some("req-1")), "{row:?}");
    }
}

async fn a_revert_ends_the_hold_of_its_image_and_says_so(kind: Kind) {
    let world = World::with_tables(kind).await;
    let names: Vec<_> = ["alone", "held", "left", "m1", "m2"].map(id).into();
    for id in &names {
        world.deleted_image(id.as_str()).await;
    }
    let database = world.open();
    let term = Term { until: FAR_FUTURE, reason: None };
    let held = [id("held"), id("left"), id("m1")];
    database.control.hold(&held, &term, &Admin::local_operator()).await.unwrap();

    let reverter = world.reverter(&database);
    for image in ["alone", "held"] {
        reverter.revert(&alice(), &id(image), &whole()).await.unwrap();
    }
    let many = [id("m1"), id("m2")];
    let many = Many { ids: &many, request: whole(), jobs: 2 };
    let mut done = 0;
    let mut tell = |_: usize, result: Result<Reverted, RevertError>| done += result.iter().count();
    reverter.revert_many(&alice(), &many, &CancellationToken::new(), &mut tell).await.unwrap();
    assert_eq!(done, 2);

    let holds = database.control.holds_of(&names).await.unwrap();
    let holds: Vec<_> = holds.into_iter().map(|hold| hold.image).collect();
    assert_eq!(holds, [id("left")]);
    let operation = Some("releaseImage".to_owned());
    let mut released = entries(&database, AuditQuery { operation, ..AuditQuery::default() }).await;
    released.sort_by_key(|row| row.image_id.clone());
    for (row, image) in released.iter().zip(["held", "m1"]) {
        let name = format!("name of {image}");
        let of = (row.image_id.as_deref(), row.name.as_deref(), row.actor_name.as_deref());
        assert_eq!(of, (Some(image), Some(&*name), Some("alice")), "{row:?}");
        assert_eq!(row.details["because"], "revertImage");
    }
    assert_eq!(released.len(), 2, "of what was held alone: {released:?}");
    let again = reverter.revert(&alice(), &id("held"), &whole()).await.unwrap();
    assert!(again.repeated, "the answer is given again");
}

async fn the_hold_of_an_image_whose_rows_were_purged_can_be_ended(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    let database = world.open();
    let term = Term { until: FAR_FUTURE, reason: None };
    database.control.hold(&[id("a")], &term, &alice()).await.unwrap();
    for table in ["image_locations", "image_properties", "image_tags", "image_members"] {
        world.db.execute(&format!("DELETE FROM {table} WHERE image_id = 'a'")).await;
    }
    world.db.execute("DELETE FROM images WHERE id = 'a'").await;

    let control = orders::control(&world, &database);
    assert!(control.release(&alice(), &id("a")).await.unwrap());
    let last = all(&world).await.remove(0);
    assert_eq!((last.operation.as_str(), last.image_id.as_deref()), ("releaseImage", Some("a")));
    assert_eq!((last.owner, last.name), (None, None));
    assert!(!control.release(&alice(), &id("a")).await.unwrap());
}

async fn a_missing_table_prevents_no_pause_and_no_hold(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    let database = world.open();
    let control = orders::control(&world, &database);
    assert!(!control.resume(&alice()).await.unwrap());
    world.db.execute("ALTER TABLE revert_audit RENAME TO elsewhere").await;
    control.pause(&alice(), None, None).await.unwrap();
    assert!(database.control.is_paused().await.unwrap());
    control.hold(&alice(), &id("a"), None, None).await.unwrap();
    assert_eq!(database.control.holds_of(&[id("a")]).await.unwrap().len(), 1);
}

async fn without_the_tables_reverts_work_and_the_audit_says_what_to_do(kind: Kind) {
    let world = World::new(kind).await;
    let database = world.open();
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    world.reverter(&database).revert(&alice(), &id("a"), &whole()).await.unwrap();
    let listed = database.tables.list_audit(&alice(), &AuditQuery::default()).await;
    assert!(matches!(listed, Err(RepoError::TablesMissing)), "{listed:?}");
    let again = world.reverter(&database).revert(&alice(), &id("a"), &whole()).await;
    assert!(matches!(again, Err(RevertError::NotPending(_, NotPending::AlreadyActive))));
    // a process that started before finds them
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    world.reverter(&database).revert(&alice(), &id("b"), &whole()).await.unwrap();
    assert_eq!(entries(&database, AuditQuery::default()).await.len(), 1);
}

async fn a_missing_table_prevents_no_revert(kind: Kind) {
    let world = World::with_tables(kind).await;
    let database = world.open();
    for id in ["a", "b", "c"] {
        world.deleted_image(id).await;
    }
    world.reverter(&database).revert(&alice(), &id("a"), &whole()).await.unwrap();
    world.db.execute("ALTER TABLE revert_audit RENAME TO elsewhere").await;
    world.reverter(&database).revert(&alice(), &id("b"), &whole()).await.unwrap();
    assert_eq!(world.status("b").await, "active kept no time");
    let pass =
        world.scrubber(&database).run_once(&tokio_util::sync::CancellationToken::new()).await;
    assert_eq!(pass.unwrap().scrubbed, 1);
    assert_eq!(world.db.rows("SELECT image_id FROM elsewhere").await.len(), 1);
}

async fn long_user_text_is_cut_to_its_column_and_prevents_no_revert(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    // utf8mb3 cannot store longer characters
    let name = "\u{20ac}".repeat(255);
    world.db.execute(&format!("UPDATE images SET name = '{name}' WHERE id = 'a'")).await;
    let who = Principal::new("issuer", &"\u{1f600}\0".repeat(300), AuthMethod::Jwt);
    let who = Admin::try_from(Principal { is_admin: true, ..who }).unwrap();
    world.reverter(&world.open()).revert(&who, &id("a"), &whole()).await.unwrap();
    let [entry] = all(&world).await.try_into().unwrap();
    assert_eq!(entry.name, Some(name));
    assert_eq!(entry.actor, "\u{1f600}".repeat(255));
}

async fn entries_are_listed_newest_first_by_every_filter_a_page_at_a_time(kind: Kind) {
    let world = World::with_tables(kind).await;
    let database = world.open();
    let reverter = world.reverter(&database);
    let bob = Principal::new("keystone", "bob", AuthMethod::Keystone);
    let bob = Admin::try_from(Principal { is_admin: true, ..bob }).unwrap();
    let start = world.clock.now();
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.deleted_image(name).await;
        let by = if name < "d" { alice() } else { bob.clone() };
        if name != "f" {
            reverter.revert(&by, &id(name), &whole()).await.unwrap();
        }
        world.clock.advance(Duration::from_millis(1500));
    }
    world.scrub().await;
    let images = async |query: AuditQuery| {
        let rows = entries(&database, query).await.into_iter();
        rows.map(|row| row.image_id.unwrap()).collect::<Vec<_>>().concat()
    };
    let all = AuditQuery::default;
    assert_eq!(images(all()).await, "fedcba");
    assert_eq!(images(AuditQuery { image: Some(id("c")), ..all() }).await, "c");
    let actor = |actor: &str| Some(actor.to_owned());
    assert_eq!(images(AuditQuery { actor: actor("u1"), ..all() }).await, "cba");
    assert_eq!(images(AuditQuery { actor: actor("U1"), ..all() }).await, "");
    let operation = actor("scrubImage");
    assert_eq!(images(AuditQuery { operation: operation.clone(), ..all() }).await, "f");
    assert_eq!(images(AuditQuery { operation, actor: actor("bob"), ..all() }).await, "");
    let at = |millis: i64| Some(start + chrono::TimeDelta::milliseconds(millis));
    assert_eq!(images(AuditQuery { after: at(3000), before: at(6000), ..all() }).await, "dc");
    assert_eq!(images(AuditQuery { after: at(3001), before: at(6001), ..all() }).await, "ed");
    let mut query = AuditQuery { limit: 2, actor: actor("u1"), before: at(6000), ..all() };
    let mut pages = String::new();
    loop {
        let page = database.tables.list_audit(&alice(), &query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.marker = Some(last.id.clone());
        let images = page.iter().map(|row| row.image_id.clone().unwrap());
        pages.push_str(&images.collect::<Vec<_>>().concat());
        pages.push(' ');
    }
    assert_eq!(pages, "cb a ");
}

async fn a_lost_answer_is_repeated_while_nobody_has_changed_the_image(kind: Kind) {
    let world = World::with_tables(kind).await;
    let reverter = world.reverter(&world.open());
    world.deleted_image("a").await;
    let first = reverter.revert(&alice(), &id("a"), &whole()).await.unwrap();
    world.clock.advance(Duration::from_mins(5));
    let again = reverter.revert(&alice(), &id("a"), &whole()).await.unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.restored, &again.warnings), (first.restored, &first.warnings));
    assert_eq!(again.image.updated_at, first.image.updated_at);
    assert_eq!(again.image.status, first.image.status);
    let live = |of: &glance_revert::domain::revert::Reverted| {
        let mut tags: Vec<_> =
            of.image.tags.iter().filter(|tag| !tag.deleted).map(|tag| tag.value.clone()).collect();
        tags.sort();
        tags
    };
    assert_eq!(live(&again), live(&first));
    assert_eq!(all(&world).await.len(), 1, "nothing was done");
    let dry = RevertRequest { dry_run: true, ..whole() };
    let refused = reverter.revert(&alice(), &id("a"), &dry).await.unwrap_err();
    assert!(matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive)));
    // somebody renames the image in Glance
    world.db.execute("UPDATE images SET updated_at = '2026-11-22 12:04:00' WHERE id = 'a'").await;
    let refused = reverter.revert(&alice(), &id("a"), &whole()).await.unwrap_err();
    assert!(matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive)));
    // an image that was always active
    world.live_image("alive").await;
    let refused = reverter.revert(&alice(), &id("alive"), &whole()).await.unwrap_err();
    assert!(matches!(refused, RevertError::NotPending(_, NotPending::AlreadyActive)));
}

fn config(world: &World, url: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 60\n[database]\nconnection = {url}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n",
        world.datadir().display()
    ))
}

async fn the_command_line_lists_and_trims(kind: Kind) {
    let world = World::new(kind).await;
    let (ours, owners) = (config(&world, &world.db.url()), config(&world, &world.db.owner_url()));
    let missing = ours.run(&["audit"]);
    assert_eq!((missing.exit, missing.stdout.as_str()), (Some(1), ""), "{missing:?}");
    assert!(missing.stderr.contains("glance-revert db sync"), "{missing:?}");
    let missing = owners.run(&["db", "trim-audit", "--older-than", "1d"]);
    assert!(missing.stderr.contains("glance-revert db sync"), "{missing:?}");
    world.db.make_own_tables().await;
    world.db.grant_own_tables().await;
    let nothing = ours.run(&["audit"]);
    assert_eq!(nothing.stdout, "no entry matches\n");
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    // both in one transaction
    let answer = ours.run(&["revert", "a", "b"]);
    assert_eq!(answer.exit, Some(0), "{answer:?}");
    let lines = ours.run(&["audit", "--json"]).json_lines();
    let mut images: Vec<_> = lines.iter().map(|line| line["image_id"].as_str().unwrap()).collect();
    images.sort_unstable();
    assert_eq!(images, ["a", "b"]);
    assert_eq!((&lines[0]["source"], &lines[0]["actor"]), (&json!("cli"), &json!("operator")));
    assert_ne!(lines[0]["actor_name"], json!(null));
    let one = ours.run(&["audit", "--image", "a", "--operation", "revertImage", "--since", "1h"]);
    assert_eq!(one.stdout.lines().count(), 2, "{one:?}");
    assert!(one.stdout.contains(" a ") && !one.stdout.contains(" b "), "{one:?}");
    assert_eq!(ours.run(&["audit", "--json", "--limit", "1"]).json_lines().len(), 1);
    let impossible = ours.run(&["audit", "--image", "a b"]);
    assert_eq!(impossible.exit, Some(1), "{impossible:?}");

    // old entries are deleted, and the deletion is recorded
    let old = "INSERT INTO revert_audit (id, created_at, operation, outcome, actor, source) VALUES \
               ('00000000-0001-7000-8000-000000000000', '1970-01-01 00:00:00', 'x', 'success', 'y', 'api')";
    world.db.execute(old).await;
    let trimmed = owners.run(&["db", "trim-audit", "--older-than", "400d"]);
    assert!(trimmed.stdout.starts_with("1 entries from before 20"), "{trimmed:?}");
    let lines = ours.run(&["audit", "--json"]).json_lines();
    assert_eq!((lines.len(), &lines[0]["operation"]), (3, &json!("trimAudit")), "{lines:?}");
    assert_eq!(lines[0]["details"]["entries"], 1);
    if kind != Kind::Sqlite {
        let refused = ours.run(&["db", "trim-audit", "--older-than", "400d"]);
        assert_eq!(refused.exit, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("OS_DATABASE__CONNECTION"), "{refused:?}");
    }
}

/// Stops before the COMMIT.
async fn an_entry_is_there_when_the_change_is_and_not_before(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.deleted_image("a").await;
    let proxy = StatementProxy::start(&world.db.url()).await;
    let database = World::open_at(&proxy.url(&world.db.url()));
    let reverter = world.reverter(&database);
    // opens its connections before anything blocks
    reverter.preview(&alice(), &id("a")).await.unwrap();
    proxy.stop_at(if kind == Kind::Postgres { "COMMIT\0" } else { "COMMIT" });
    let (admin, image, request) = (alice(), id("a"), whole());
    let answer = reverter.revert(&admin, &image, &request);
    let looked = async {
        proxy.stopped().await;
        let entries = all(&world).await.len();
        let status = world.status("a").await;
        proxy.let_go();
        (entries, status)
    };
    let (answer, (entries, status)) = tokio::join!(answer, looked);
    answer.unwrap();
    assert_eq!((entries, status.as_str()), (0, "pending_delete deleted time"));
    assert_eq!(all(&world).await.len(), 1);
    assert_eq!(world.status("a").await, "active kept no time");
}

async fn refused_audit_entries_prevent_no_revert(kind: Kind) {
    let world = World::with_tables(kind).await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    let user = world.db.user().unwrap().grantee();
    world.db.execute(&format!("REVOKE INSERT ON revert_audit FROM {user}")).await;
    world.revert("a").await.unwrap();
    assert_eq!(world.scrub().await.scrubbed, 1);
    assert_eq!(world.status("a").await, "active kept no time");
    assert_eq!(all(&world).await, []);
    world.db.execute(&format!("REVOKE SELECT ON revert_migrations FROM {user}")).await;
    world.deleted_image("c").await;
    world.revert("c").await.unwrap();
}

/// Without the tables it sends the query whether they exist.
async fn a_revert_with_an_audit_entry_sends_two_more_statements(kind: Kind) {
    let (without, with) = (World::new(kind).await, World::with_tables(kind).await);
    let mut messages = Vec::new();
    for world in [&without, &with] {
        let proxy = StatementProxy::start(&world.db.url()).await;
        let database = World::open_at(&proxy.url(&world.db.url()));
        let reverter = world.reverter(&database);
        for name in ["a", "b", "c"] {
            world.deleted_image(name).await;
            proxy.heard();
            reverter.revert(&alice(), &id(name), &whole()).await.unwrap();
            messages.push(proxy.heard());
        }
    }
    let heard = |revert: usize, text: &str| {
        messages[revert].iter().filter(|message| message.contains(text)).count()
    };
    // the text is sent only when a statement is prepared; later only its execution
    assert_eq!(
        (heard(0, "INSERT INTO revert_audit"), heard(0, "table_name = 'revert_migrations'")),
        (0, 1)
    );
    assert_eq!(
        (heard(3, "INSERT INTO revert_audit"), heard(3, "table_name = 'revert_migrations'")),
        (1, 1)
    );
    assert_eq!((heard(0, "FROM revert_holds"), heard(3, "FROM revert_holds")), (0, 1));
    assert_eq!((heard(2, "revertImage"), heard(2, "revert_audit")), (0, 0));
    assert_eq!((heard(5, "revertImage"), heard(5, "revert_migrations")), (1, 0));
}
