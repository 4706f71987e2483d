//! Pause, resume, status, hold and release at a terminal.

use serde_json::json;

use crate::support::binary::ConfigFile;
use crate::support::database::Kind;
use crate::support::world::World;

fn configured(world: &World) -> ConfigFile {
    ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 60\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n\
         [revert]\nmin_scrub_time = 60\n",
        world.db.url(),
        world.datadir().display()
    ))
}

#[tokio::test]
async fn a_paused_scrubber_says_by_whom_and_a_pass_tries_later() {
    let world = World::with_tables(Kind::Sqlite).await;
    world.deleted_image("a").await;
    let config = configured(&world);
    let paused = config.run(&["pause", "--for", "2h", "--reason", "by mistake"]);
    assert_eq!(paused.exit, Some(0), "{paused:?}");
    assert!(paused.stdout.starts_with("paused until 20"), "{paused:?}");
    assert!(paused.stdout.ends_with(": by mistake\n"), "{paused:?}");
    assert!(paused.stderr.contains("operation=\"pauseScrubber\""), "{paused:?}");
    let scrub = config.run(&["scrub"]);
    assert_eq!(scrub.exit, Some(75), "{scrub:?}");
    assert!(scrub.stdout.contains("the scrubber is paused") && world.has_data("a"), "{scrub:?}");
    let status = config.run(&["status", "--json"]).json();
    assert_eq!(
        (&status["state"], &status["pause"]["reason"]),
        (&json!("paused"), &json!("by mistake"))
    );
    assert!(config.run(&["status"]).stdout.contains(": by mistake"));
    assert_eq!(config.run(&["resume"]).stdout, "resumed; passes can start again\n");
    assert_eq!(config.run(&["resume"]).stdout, "it was not paused\n");
    assert_eq!(config.run(&["resume", "--json"]).json(), json!({"was_paused": false}));
    assert_eq!(config.run(&["status", "--json"]).json()["state"], "on");
}

#[tokio::test]
async fn held_images_are_skipped_and_unholdable_ones_are_reported() {
    let world = World::with_tables(Kind::Sqlite).await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    world.live_image("alive").await;
    let config = configured(&world);
    let held = config.run(&["hold", "a", "alive", "nobody", "--reason", "asked"]);
    assert_eq!((held.exit, held.stdout.as_str()), (Some(1), "1 of 3 images held\n"), "{held:?}");
    for told in ["alive: image.already_active", "nobody: image.not_found"] {
        assert!(held.stderr.contains(told), "{held:?}");
    }
    let scrub = config.run(&["scrub"]);
    assert!(scrub.stdout.contains("1 held images were left alone"), "{scrub:?}");
    assert!(world.has_data("a") && !world.has_data("b"));
    let released = config.run(&["release", "--owner", "p1"]);
    assert_eq!((released.exit, released.stdout.as_str()), (Some(0), "1 of 1 images released\n"));
    let none = config.run(&["hold", "--owner", "nobody"]);
    assert_eq!(none.exit, Some(1), "{none:?}");
    assert!(none.stderr.contains("no pending image matches"), "{none:?}");
}

#[tokio::test]
async fn held_images_are_listed_with_end_author_and_reason() {
    let world = World::with_tables(Kind::Sqlite).await;
    for id in ["a", "b"] {
        world.deleted_image(id).await;
    }
    let config = configured(&world);
    assert!(!config.run(&["list"]).stdout.contains("HELD"), "nothing is");
    config.run(&["hold", "a", "--until", "2099-01-01", "--reason", "the owner is asked"]);
    let held = config.run(&["list", "--held", "--json"]).json_lines();
    assert_eq!((held.len(), &held[0]["id"]), (1, &json!("a")), "{held:?}");
    let term = &held[0]["hold"];
    assert_eq!(
        (&term["until"], &term["reason"]),
        (&json!("2099-01-01T00:00:00Z"), &json!("the owner is asked"))
    );
    let rest = config.run(&["list", "--unheld", "--json"]).json_lines();
    assert_eq!((rest.len(), rest[0].get("hold")), (1, None), "{rest:?}");
    let told = "until 2099-01-01T00:00:00Z by ";
    for shown in [&["list", "--held"][..], &["list", "--wide"], &["show", "a"]] {
        let shown = config.run(shown);
        assert!(shown.stdout.contains(told), "{shown:?}");
        assert!(shown.stdout.contains("the owner is asked"), "{shown:?}");
    }
    let (exit, seen) = config.run_on_terminal(80, "list --held");
    assert_eq!((exit, seen.contains("until 2099")), (Some(0), true), "{seen}");
    assert!(seen.lines().all(|line| line.chars().count() <= 80), "{seen}");
    assert_eq!(config.run(&["show", "b", "--json"]).json().get("hold"), None);
    assert_eq!(config.run(&["list", "--held", "--unheld"]).exit, Some(2));
    let summed = config.run(&["list", "--held", "--group", "project", "--json"]).json();
    assert_eq!(summed["groups"][0]["images"], 1, "{summed}");
}

/// Somebody lowered `scrub_time`, or a replica lacks a file.
#[tokio::test]
async fn a_lowered_scrub_time_is_reported_everywhere_and_needs_an_acceptance() {
    let world = World::with_tables(Kind::Sqlite).await;
    let configured = |scrub_time: u32| {
        ConfigFile::new(&format!(
            "[DEFAULT]\ndelayed_delete = True\nscrub_time = {scrub_time}\n[database]\n\
             connection = {}\n[glance_store]\nstores = file\nfilesystem_store_datadir = {}\n",
            world.db.url(),
            world.datadir().display()
        ))
    };
    let (century, hour) = (configured(3_153_600_000), configured(3600));
    assert!(hour.run(&["status"]).stdout.contains("last pass"), "none");
    assert_eq!(century.run(&["scrub"]).exit, Some(0));
    world.deleted_image("a").await;
    let row = |text: &str| {
        let check = hour.run(&["check"]).stdout;
        check.lines().any(|line| line.starts_with("scrub_time") && line.contains(text))
    };
    assert!(row("warning"), "{}", hour.run(&["check"]).stdout);
    let why = "1 of them only because scrub_time was lowered from 3153600000 to 3600";
    let refused = hour.run(&["scrub"]);
    assert_eq!(refused.exit, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(why) && world.has_data("a"), "{refused:?}");
    assert!(refused.stderr.contains("glance-revert scrub --accept 1"), "{refused:?}");
    assert!(hour.run(&["scrub", "--dry-run"]).stderr.contains(why));
    let status = hour.run(&["status", "--json"]).json();
    assert_eq!(
        (&status["scrub_time"], &status["kept_scrub_time"], &status["last_pass"]["outcome"]),
        (&json!(3600), &json!(3_153_600_000_u64), &json!("limited")),
        "{status}"
    );
    let accepted = hour.run(&["scrub", "--accept", "1"]);
    assert!(accepted.exit == Some(0) && !world.has_data("a"), "{accepted:?}");
    assert!(!row("warning"));
    let status = hour.run(&["status"]).stdout;
    assert!(status.contains(": finished, 1 images scrubbed, 0 failed"), "{status}");
}

#[tokio::test]
async fn ids_to_hold_and_to_release_come_from_standard_input_too() {
    let world = World::with_tables(Kind::Sqlite).await;
    for id in ["a", "b", "c"] {
        world.deleted_image(id).await;
    }
    let config = configured(&world);
    let held = config.feed(&["hold", "-"], "a\nb\tnobody\n");
    assert_eq!((held.exit, held.stdout.as_str()), (Some(1), "2 of 3 images held\n"), "{held:?}");
    world.revert("a").await.unwrap();
    // the revert has ended the other image's hold
    let released = config.feed(&["release", "b", "-"], "a\n");
    assert_eq!((released.exit, released.stdout.as_str()), (Some(0), "1 of 2 images released\n"));
    let nothing = config.feed(&["release", "-"], "\n");
    assert_eq!(nothing.exit, Some(1), "{nothing:?}");
    assert!(nothing.stderr.contains("standard input has no image id"), "{nothing:?}");
}

#[tokio::test]
async fn invalid_requests_are_refused_before_any_change() {
    let world = World::with_tables(Kind::Sqlite).await;
    let config = configured(&world);
    for wrong in [
        &["hold"][..],
        &["hold", "a", "--owner", "p1"],
        &["hold", "a", "--until", "2h"],
        &["pause", "--for", "2h", "--until", "2099-01-01"],
        &["pause", "--reason", ""],
    ] {
        assert_eq!(config.run(wrong).exit, Some(2), "{wrong:?}");
    }
    let past = config.run(&["pause", "--until", "2020-01-01"]);
    assert_eq!((past.exit, past.stdout.as_str()), (Some(1), ""), "{past:?}");
    assert!(past.stderr.contains("has passed"), "{past:?}");
}

#[tokio::test]
async fn without_tables_the_command_that_makes_them_is_named() {
    let world = World::new(Kind::Sqlite).await;
    world.deleted_image("a").await;
    let config = configured(&world);
    for command in
        [&["pause"][..], &["resume"], &["hold", "a"], &["release", "a"], &["list", "--held"]]
    {
        let refused = config.run(command);
        assert_eq!((refused.exit, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
        assert!(refused.stderr.contains("glance-revert db sync"), "{refused:?}");
    }
    let status = config.run(&["status"]);
    assert!(status.stdout.contains("missing, so pauses and holds are not possible"), "{status:?}");
}
