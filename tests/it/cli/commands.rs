//! The subcommands on a Glance database: what they do, what they print, and their exit codes.

use std::time::Duration;

use glance_revert::auth::DemoIssuer;
use glance_revert::domain::time::{Clock, SystemClock, Timestamp};
use serde_json::json;

use crate::support::binary::ConfigFile;
use crate::support::database::Kind;
use crate::support::rows::{DELETE_BEGAN, DELETED};
use crate::support::world::World;

const DAY: u64 = 86_400;
const ISSUER: &str = "https://issuer.example.org";

/// A complete configuration of Glance and ours, which passes `check`.
fn configured(world: &World, scrub_time: u64) -> ConfigFile {
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = {scrub_time}\n\
         [database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n\
         [revert]\nmin_scrub_time = 60\n[revert_jwt:test]\nissuer = {ISSUER}\naudiences = glance-revert\n\
         jwks_file = FOLDER/keys.json\n",
        world.db.url(),
        world.datadir().display()
    ));
    config.put("keys.json", &DemoIssuer::generate(ISSUER, "glance-revert").unwrap().jwks());
    config
}

/// An image that was deleted an hour ago by the clock that the binary uses.
async fn deleted_an_hour_ago(world: &World, id: &str) {
    world.deleted_image(id).await;
    let hour_ago = SystemClock.now() - Duration::from_hours(1);
    let text = |at: Timestamp| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let times =
        [(DELETED, text(hour_ago)), (DELETE_BEGAN, text(hour_ago - Duration::from_secs(1)))];
    for table in ["images", "image_locations", "image_properties", "image_tags", "image_members"] {
        for (fixture, real) in &times {
            let set =
                format!("UPDATE {table} SET deleted_at = '{real}' WHERE deleted_at = '{fixture}'");
            world.db.execute(&set).await;
        }
    }
}

async fn world_with(ids: &[&str]) -> World {
    let world = World::new(Kind::Sqlite).await;
    for id in ids {
        deleted_an_hour_ago(&world, id).await;
    }
    world
}

#[tokio::test]
async fn list_tells_people_what_waits_and_how_long() {
    let world = world_with(&["a", "b"]).await;
    let config = configured(&world, DAY);
    let run = config.run(&["list"]);
    assert_eq!((run.exit, run.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "a head, a line each and a sum: {run:?}");
    assert!(lines[0].contains("ID") && lines[0].contains("LEFT"), "{run:?}");
    assert!(run.stdout.contains("name of a") && run.stdout.contains("22h"), "{run:?}");
    assert_eq!(config.run(&["list", "--owner", "nobody"]).stdout, "no image is pending\n");
}

#[tokio::test]
async fn list_tells_programs_the_same() {
    let world = world_with(&["a", "b"]).await;
    let config = configured(&world, DAY);
    let all = config.run(&["list", "--json"]).json_lines();
    let ids: Vec<_> = all.iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, ["b", "a"], "the newest mistake first");
    let left = all[0]["seconds_left"].as_u64().unwrap();
    assert!((DAY - 3700..=DAY - 3600).contains(&left), "{all:?}");
    let one = config.run(&["list", "--json", "--limit", "1", "--sort", "scrub_at"]).json_lines();
    assert_eq!((one.len(), &one[0]["id"]), (1, &json!("a")));
    let none = config.run(&["list", "--json", "--owner", "nobody"]);
    assert_eq!((none.exit, none.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn show_says_what_would_come_back_and_ends_well_if_it_would() {
    let world = world_with(&["a"]).await;
    let config = configured(&world, DAY);
    let run = config.run(&["show", "a"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.stdout.contains("os_distro") && run.stdout.contains("present"), "{run:?}");
    let preview = config.run(&["show", "a", "--json"]).json();
    assert_eq!((&preview["revertible"], &preview["tags"]), (&json!(true), &json!(["blue"])));
}

#[tokio::test]
async fn show_says_why_an_image_cannot_come_back_and_ends_with_1() {
    let world = world_with(&["a"]).await;
    world.live_image("alive").await;
    std::fs::remove_file(world.datadir().join("a")).unwrap();
    let config = configured(&world, DAY);
    let run = config.run(&["show", "a", "--json"]);
    assert_eq!((run.exit, &run.json()["reason"]), (Some(1), &json!("image.data_missing")));
    for unknown in ["unknown", "much-longer-than-the-36-characters-of-an-id"] {
        let run = config.run(&["show", unknown]);
        assert_eq!((run.exit, run.stdout.as_str()), (Some(1), ""), "{unknown}");
        assert!(run.stderr.contains("image"), "{run:?}");
    }
}

#[tokio::test]
async fn revert_takes_images_back_and_reports_each() {
    let world = world_with(&["a", "b"]).await;
    let config = configured(&world, DAY);
    let dry = config.run(&["revert", "a", "--dry-run"]);
    assert_eq!(dry.exit, Some(0), "{dry:?}");
    assert!(world.status("a").await.starts_with("pending_delete"));
    let run = config.run(&["revert", "a", "b", "--skip-tags", "--jobs", "1"]);
    let told = "active again (locations=1, properties=2, tags=0, members=1)";
    let counted = "2 images: 2 active again";
    assert_eq!(run.stdout, format!("a: {told}\nb: {told}\n{counted}\n"));
    assert_eq!(run.exit, Some(0));
    assert_eq!(world.status("a").await, "active kept no time");
    let audited: Vec<_> = run.stderr.lines().collect();
    assert_eq!(audited.len(), 2, "one record for each image and nothing else: {audited:?}");
    for (record, id) in audited.iter().zip(["a", "b"]) {
        assert!(record.contains(" INFO glance_revert::audit: audit "), "{record}");
        for field in [
            "operation=\"revertImage\"",
            "outcome=\"success\"",
            "initiator_method=\"command_line\"",
            "initiator_name=\"",
            &format!("target_id=\"{id}\""),
            "tags=skip",
        ] {
            assert!(record.contains(field), "{field} in {record}");
        }
    }
}

#[tokio::test]
async fn revert_goes_on_after_an_image_that_cannot_come_back_and_ends_with_1() {
    let world = world_with(&["a"]).await;
    let config = configured(&world, DAY);
    let run = config.run(&["revert", "unknown", "a", "--json", "--protect"]);
    let answers = run.json_lines();
    assert_eq!(run.exit, Some(1));
    assert!(run.stderr.contains("reason=\"image.not_found\""), "audited: {run:?}");
    assert_eq!(answers[0]["reason"], "image.not_found");
    assert_eq!((&answers[1]["id"], &answers[1]["reverted"]), (&json!("a"), &json!(true)));
    let protected = world.db.rows("SELECT id FROM images WHERE protected = TRUE").await;
    assert_eq!(protected.len(), 1);
}

#[tokio::test]
async fn an_image_that_is_already_active_is_no_failure() {
    let world = world_with(&["a", "b"]).await;
    let config = configured(&world, DAY);
    assert_eq!(config.run(&["revert", "a"]).exit, Some(0));
    let again = config.run(&["revert", "a", "b"]);
    assert_eq!(again.exit, Some(0), "{again:?}");
    for told in ["a: already active\n", "b: active again "] {
        assert!(again.stdout.contains(told), "{again:?}");
    }
    let told = config.run(&["revert", "a", "--json"]);
    let expected = (&json!(false), &json!("image.already_active"));
    let answers = told.json_lines();
    assert_eq!((&answers[0]["reverted"], &answers[0]["reason"]), expected);
    assert_eq!(told.exit, Some(0));
}

#[tokio::test]
async fn list_says_what_cannot_come_back_and_takes_times_as_people_write_them() {
    let world = world_with(&["a", "b"]).await;
    let gone = "UPDATE image_locations SET status = 'deleted' WHERE image_id = 'b'";
    world.db.execute(gone).await;
    let config = configured(&world, DAY);
    let all = config.run(&["list"]).stdout;
    let line = |id: &str| all.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(line("a ").ends_with(" yes"), "{all}");
    assert!(line("b ").ends_with(" no      image.no_locations"), "{all}");
    for (arguments, expected) in [
        (["--deleted-after", "2h"], 2),
        (["--deleted-after", "30m"], 0),
        (["--deleted-before", "30m"], 2),
        (["--deleted-before", "now"], 2),
        (["--deleted-after", "2020-01-01"], 2),
        (["--deleted-before", "2020-01-01T00:00:00+05:30"], 0),
    ] {
        let found = config.run(&[&["list", "--json"][..], &arguments].concat()).json_lines();
        assert_eq!(found.len(), expected, "{arguments:?}");
    }
    for refused in [["--limit", "0"], ["--deleted-after", "yesterday"]] {
        assert_eq!(config.run(&[&["list"][..], &refused].concat()).exit, Some(2), "{refused:?}");
    }
}

#[tokio::test]
async fn nothing_at_the_command_line_speaks_http() {
    let world = world_with(&["a", "b", "c"]).await;
    std::fs::remove_file(world.datadir().join("a")).unwrap();
    world.db.execute("UPDATE image_locations SET value = 'cinder://v' WHERE image_id = 'b'").await;
    world.db.execute("UPDATE images SET size = 'large' WHERE id = 'c'").await;
    let config = configured(&world, DAY);
    for id in ["a", "b", "c", "unknown", "no id at all"] {
        for arguments in [&["revert", id][..], &["show", id], &["revert", id, "--json"]] {
            let run = config.run(arguments);
            let told = format!("{}{}", run.stdout, run.stderr);
            assert_eq!(run.exit, Some(1), "{told}");
            for word in ["GET ", "/v2/", "request id", "{\"verify", "{\\\"verify"] {
                assert!(!told.contains(word), "{word} in {told}");
            }
        }
    }
}

#[tokio::test]
async fn scrub_destroys_what_is_due_and_nothing_else() {
    let world = world_with(&["a"]).await;
    world.live_image("alive").await;
    let early = configured(&world, DAY).run(&["scrub"]);
    assert_eq!(early.exit, Some(0), "{early:?}");
    assert!(early.stdout.starts_with("0 images scrubbed") && world.has_data("a"), "{early:?}");
    let run = configured(&world, 60).run(&["scrub", "--json"]);
    assert_eq!((run.exit, &run.json()["scrubbed"]), (Some(0), &json!(1)), "{run:?}");
    assert_eq!(world.status("a").await, "deleted deleted time");
    assert!(!world.has_data("a") && world.has_data("alive"));
}

#[tokio::test]
async fn scrub_ends_with_1_and_names_the_image_that_failed() {
    let world = world_with(&["a"]).await;
    world.db.execute("UPDATE image_locations SET value = 'cinder://volume'").await;
    let run = configured(&world, 60).run(&["scrub"]);
    assert_eq!(run.exit, Some(1));
    assert!(run.stderr.contains("image a: ") && run.stderr.contains("cinder"), "{run:?}");
}

#[tokio::test]
async fn scrub_leaves_its_turn_to_a_pass_that_runs() {
    let world = world_with(&["a"]).await;
    let config = configured(&world, 60);
    let pass = world.open().lock.try_lock_pass().await.unwrap().unwrap();
    let run = config.run(&["scrub", "--json"]);
    assert_eq!((run.exit, &run.json()["skipped"]), (Some(75), &json!(true)));
    assert!(world.has_data("a"));
    pass.release().await;
    assert_eq!(config.run(&["scrub"]).exit, Some(0));
}

#[tokio::test]
async fn check_says_that_all_works() {
    let world = world_with(&[]).await;
    let run = configured(&world, DAY).run(&["check"]);
    assert_eq!((run.exit, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    for what in ["delayed_delete", "database", "grants", "locks", "store file", "tokens"] {
        assert!(run.stdout.contains(what), "{what} in {run:?}");
    }
    assert!(!run.stdout.contains("BROKEN"), "{run:?}");
}

#[tokio::test]
async fn check_says_where_the_missing_grants_are() {
    let world = world_with(&[]).await;
    world.db.execute("ALTER TABLE image_members DROP COLUMN updated_at").await;
    let run = configured(&world, DAY).run(&["check"]);
    assert_eq!(run.exit, Some(1));
    let grants = run.stdout.lines().find(|line| line.starts_with("grants")).unwrap();
    assert!(grants.contains("BROKEN") && grants.contains("deploy/sql/mariadb.sql"), "{run:?}");
}

#[tokio::test]
async fn check_says_what_does_not_work_and_ends_with_1() {
    let world = world_with(&[]).await;
    std::fs::remove_dir(world.datadir()).unwrap();
    let config = configured(&world, DAY);
    std::fs::remove_file(config.file("keys.json")).unwrap();
    let run = config.run(&["check"]);
    assert_eq!(run.exit, Some(1));
    let broken = |what: &str| {
        run.stdout
            .lines()
            .any(|line| line.trim_start().starts_with(what) && line.contains("BROKEN"))
    };
    assert!(broken("store file") && broken("tokens") && !broken("database"), "{run:?}");
}
