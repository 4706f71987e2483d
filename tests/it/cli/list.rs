//! The list at a terminal: groups, orders and filters.

use serde_json::json;

use crate::support::binary::ConfigFile;
use crate::support::database::Kind;
use crate::support::world::World;

const GOOD: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
const LOST: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c02";
const PROJECT: &str = "c9a1f0d2e3b44c55a6778899aabbccdd";

/// Two images of one project; according to the rows, the second one cannot be reverted.
async fn world() -> (World, ConfigFile) {
    let world = World::new(Kind::Sqlite).await;
    for id in [GOOD, LOST] {
        world.deleted_image(id).await;
    }
    let gone = format!("UPDATE image_locations SET status = 'deleted' WHERE image_id = '{LOST}'");
    world.db.execute(&gone).await;
    world.db.execute(&format!("UPDATE images SET owner = '{PROJECT}', size = 1073741824")).await;
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3153600000\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n",
        world.db.url(),
        world.datadir().display()
    ));
    (world, config)
}

#[tokio::test]
async fn a_list_ends_with_how_many_images_there_are_and_how_large() {
    let (_world, config) = world().await;
    let run = config.run(&["list"]);
    assert_eq!(run.stdout.lines().last(), Some("2 images, 2.00 GiB"), "{run:?}");
    let one = config.run(&["list", "--limit", "1"]);
    assert_eq!(one.stdout.lines().last(), Some("1 image, 1.00 GiB"), "{one:?}");
}

#[tokio::test]
async fn bursts_fit_a_terminal_of_80_columns_and_whose_they_are_is_whole() {
    let (_world, config) = world().await;
    for group in ["burst", "project", "store", "burst,store"] {
        let (exit, seen) = config.run_on_terminal(80, &format!("list --group {group}"));
        let lines: Vec<_> = seen.lines().collect();
        assert_eq!((exit, lines.last()), (Some(0), Some(&"2 images, 2.00 GiB")), "{seen}");
        assert_eq!(seen.contains(PROJECT), group != "store", "{seen}");
        assert_eq!(lines[0].contains("PROJECT"), group != "store", "{seen}");
        assert_eq!(lines[0].contains("STORE"), group.contains("store"), "{seen}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{seen}");
    }
    let summary = config.run(&["list", "--group", "burst", "--json"]).json();
    assert_eq!(
        (&summary["images"], &summary["groups"][0]["project"]),
        (&json!(2), &json!(PROJECT))
    );
    let none = config.run(&["list", "--group", "project", "--owner", "nobody"]);
    assert_eq!((none.exit, none.stdout.as_str()), (Some(0), "no image is pending\n"));
}

#[tokio::test]
async fn filters_tell_what_can_come_back_from_what_cannot() {
    let (_world, config) = world().await;
    for (options, expected) in [
        (["--revertible", "--store", "file"], Some(GOOD)),
        (["--unrevertible", "--visibility", "shared"], Some(LOST)),
        (["--unrevertible", "--visibility", "public"], None),
    ] {
        let found = config.run(&[&["list", "--json"], &options[..]].concat()).json_lines();
        let first = found.first().and_then(|one| one["id"].as_str());
        assert_eq!(first, expected, "{options:?}: {found:?}");
    }
    let unknown = config.run(&["list", "--store", "slow"]);
    assert_eq!((unknown.exit, unknown.stdout.as_str()), (Some(1), ""), "{unknown:?}");
    assert!(unknown.stderr.contains("there is no store slow; there are file"), "{unknown:?}");
    for wrong in [
        ["list", "--group", "owner"],
        ["list", "--visibility", "secret"],
        ["list", "--sort", "name"],
    ] {
        assert_eq!(config.run(&wrong).exit, Some(2), "{wrong:?}");
    }
    assert_eq!(config.run(&["list", "--group", "burst", "--limit", "3"]).exit, Some(2));
}

#[tokio::test]
async fn scrubbed_images_that_could_come_back_are_listed_apart_and_fit_80_columns() {
    let (world, config) = world().await;
    let scrub = format!(
        "UPDATE images SET status = 'deleted', checksum = '98bf7d8c15784f0a3d63204441e1e2aa' \
         WHERE id = '{GOOD}'; UPDATE image_locations SET status = 'deleted', \
         deleted_at = '2026-11-22 11:30:00.000000' WHERE image_id = '{GOOD}'; \
         UPDATE images SET size = 8"
    );
    world.db.execute(&scrub).await;
    let listed = config.run(&["list", "--json"]).json_lines();
    assert!(listed.iter().all(|one| one["id"] != GOOD), "it does not wait: {listed:?}");

    let run = config.run(&["list", "--retained", "--since", "2026-11-22", "--json"]);
    let found = run.json_lines();
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!(GOOD)), "{run:?}");
    assert_eq!(found[0]["chance"], "checksum", "{run:?}");
    assert!(run.stderr.contains("asking the stores"), "{run:?}");

    let (exit, seen) = config.run_on_terminal(80, "list --retained");
    let lines: Vec<_> = seen.lines().collect();
    let last = "1 image of 1 looked at, 0 B kept";
    assert_eq!((exit, lines.last()), (Some(0), Some(&last)), "{seen}");
    assert!(seen.contains(GOOD) && seen.contains("checksum"), "{seen}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{seen}");

    let none = config.run(&["list", "--retained", "--until", "2026-11-22"]);
    assert_eq!(none.stdout, "none of 0 scrubbed images could come back\n", "{none:?}");
    for wrong in [["--store", "file"], ["--sort", "scrub_at"], ["--group", "burst"]] {
        let run = config.run(&[&["list", "--retained"], &wrong[..]].concat());
        assert_eq!(run.exit, Some(2), "{run:?}");
    }
}
