//! Bulk reverts on the command line: what `glance-revert revert` shows, asks, reports and counts.

use serde_json::json;

use crate::support::binary::{ConfigFile, Run};
use crate::support::crowd::{Fate, NOT_YET, ids};
use crate::support::database::Kind;
use crate::support::world::World;

async fn scene(count: usize) -> (World, ConfigFile) {
    let world = World::new(Kind::Sqlite).await;
    world.crowd(&ids("m", count), NOT_YET).await;
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 604800\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n",
        world.db.url(),
        world.datadir().display()
    ));
    (world, config)
}

async fn is_untouched(world: &World) -> bool {
    world.fates("m").await.values().all(|fate| *fate == Fate::WAITS)
}

async fn back(world: &World) -> usize {
    world.fates("m").await.values().filter(|fate| **fate == Fate::KEPT).count()
}

#[tokio::test]
async fn a_project_comes_back_only_after_a_confirmation() {
    let (world, config) = scene(70).await;
    let refused = config.run(&["revert", "--owner", "p1"]);
    assert_eq!((refused.exit, refused.stdout.lines().count()), (Some(2), 13), "{refused:?}");
    assert!(refused.stdout.starts_with("70 images, "), "{refused:?}");
    assert!(refused.stdout.ends_with("and 60 more\n"), "{refused:?}");
    assert!(refused.stderr.contains("70 images match; use --yes"), "{refused:?}");
    // on the terminal, too, nobody answers
    let (exit, seen) = config.run_on_terminal(80, "revert --owner p1");
    assert_eq!(exit, Some(1), "{seen}");
    assert!(seen.contains("Revert 70 images? [y/N] "), "{seen}");
    assert!(is_untouched(&world).await);

    let dry = config.run(&["revert", "--owner", "p1", "--dry-run"]);
    assert!(dry.stdout.ends_with("\n70 images: 70 would be active again\n"), "{dry:?}");
    assert!(dry.exit == Some(0) && is_untouched(&world).await);
    let some = ["revert", "--owner", "p1", "--since", "2020-01-01", "--name", "*-000?", "--yes"];
    let run = config.run(&some);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(run.stdout.ends_with("\n10 images: 10 active again\n"), "{run:?}");
    let again = config.run(&some);
    assert_eq!((again.exit, again.stdout.as_str()), (Some(0), "no image matches\n"), "{again:?}");
    let until = config.run(&["revert", "--until", "now", "--yes"]);
    assert_eq!(until.stdout, "no image matches\n", "all were deleted later: {until:?}");
    let rest = config.run(&["revert", "--owner", "p1", "--yes", "--json", "--protect"]);
    assert_eq!((rest.exit, rest.json_lines().len()), (Some(0), 60));
    let first = &rest.json_lines()[0];
    let restored = json!({"locations": 1, "properties": 2, "tags": 1, "members": 1});
    assert_eq!((&first["reverted"], &first["restored"]), (&json!(true), &restored));
    assert_eq!(back(&world).await, 70);
}

#[tokio::test]
async fn answering_yes_on_the_terminal_reverts_the_images() {
    let (world, config) = scene(30).await;
    let (exit, seen) = config.answer_on_terminal(100, "revert --owner p1", "y\n");
    assert_eq!(exit, Some(0), "{seen}");
    assert!(seen.contains("30 images: 30 active again"), "{seen}");
    assert!(!seen.contains("m-0029: active again"), "counted, not listed: {seen}");
    assert_eq!(back(&world).await, 30);
}

#[tokio::test]
async fn ids_come_from_standard_input_too_and_the_last_line_counts_by_reason() {
    let (world, config) = scene(40).await;
    for id in ["m-0001", "m-0002"] {
        std::fs::remove_file(world.datadir().join(id)).unwrap();
    }
    assert_eq!(config.run(&["revert", "m-0000"]).exit, Some(0));
    let report = config.file("report.jsonl");
    let text =
        format!("{}\nunknown m-0003\t\n no-id-{}\n", ids("m", 40).join("\n"), "x".repeat(40));
    let path = report.to_str().unwrap();
    let Run { exit, stdout: told, .. } = config.feed(&["revert", "-", "--report", path], &text);
    assert_eq!(exit, Some(1), "{told}");
    let last =
        "42 images: 37 active again, 1 already active, 2 image.data_missing, 2 image.not_found";
    assert_eq!(told.lines().last(), Some(last), "{told}");
    assert_eq!(back(&world).await, 38);
    let lines = std::fs::read_to_string(&report).unwrap();
    assert_eq!(lines.lines().count(), 42);
    let missing = lines.lines().find(|line| line.contains("m-0001")).unwrap();
    let missing: serde_json::Value = serde_json::from_str(missing).unwrap();
    assert_eq!(missing["reason"], "image.data_missing");
    // an existing report is never overwritten
    let refused = config.run(&["revert", "m-0004", "--report", path]);
    assert_eq!(refused.exit, Some(1));
    assert!(refused.stderr.contains("--report"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&report).unwrap(), lines);
}

#[tokio::test]
async fn incomplete_or_contradictory_options_are_refused() {
    let (world, config) = scene(1).await;
    for wrong in [
        &["revert"][..],
        &["revert", "--name", "*"],
        &["revert", "m-0000", "--owner", "p1"],
        &["revert", "m-0000", "--since", "2h"],
        &["revert", "--since", "yesterday"],
        &["revert", "--owner", "p1", "--name", ""],
        &["revert", "--owner", "p1", "--jobs", "0"],
        &["revert", "--since", "1h", "--until", "2h", "--yes"],
    ] {
        let run = config.run(wrong);
        assert_eq!((run.exit, run.stdout.as_str()), (Some(2), ""), "{wrong:?}: {run:?}");
    }
    assert!(is_untouched(&world).await);
}

#[test]
fn a_selection_ends_with_69_if_the_database_is_unavailable() {
    let port = crate::support::proxy::closed_port();
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\nscrub_time = 604800\n[database]\nconnection = mysql://u:p@127.0.0.1:{port}/g\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = FOLDER\n"
    ));
    let run = config.run(&["revert", "--owner", "p1", "--since", "2h", "--yes"]);
    assert_eq!((run.exit, run.stdout.as_str()), (Some(69), ""), "{run:?}");
    assert!(run.stderr.contains("the database is unavailable"), "{run:?}");
}
