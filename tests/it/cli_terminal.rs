//! What a person sees: the binary on a real terminal, and texts that were written to deceive one.

use glance_revert::telemetry::printable;

use crate::support::binary::ConfigFile;
use crate::support::database::Kind;
use crate::support::world::World;

/// Sets a title and the clipboard, erases its line, forges another, turns text around.
const HOSTILE: &str = "evil\u{1b}]0;X\u{7}\u{1b}]52;c;eA==\u{1b}\\\u{1b}[2K\r\nsecond row\u{9b}2J\u{85}\
     \u{202e}fdp.\u{2066}x\u{2069}\u{2028}\u{7f}";
const GOOD: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
const BAD: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c02";
const PROJECT: &str = "c9a1f0d2e3b44c55a6778899aabbccdd";

/// Two images; whatever a project member can write into the second one is hostile.
async fn world() -> (World, ConfigFile) {
    let world = World::new(Kind::Sqlite).await;
    for id in [GOOD, BAD] {
        world.deleted_image(id).await;
    }
    for (table, column) in [
        ("images", "name"),
        ("image_properties", "name"),
        ("image_tags", "value"),
        ("image_members", "member"),
    ] {
        let id = if table == "images" { "id" } else { "image_id" };
        let set =
            format!("UPDATE {table} SET {column} = '{HOSTILE}' || rowid WHERE {id} = '{BAD}'");
        world.db.execute(&set).await;
    }
    let key = format!(
        "UPDATE image_properties SET name = 'cinder_encryption_key_id', value = '{HOSTILE}' \
         WHERE image_id = '{BAD}' AND rowid = (SELECT MIN(rowid) FROM image_properties WHERE \
         image_id = '{BAD}')"
    );
    world.db.execute(&key).await;
    world.db.execute(&format!("UPDATE images SET owner = '{PROJECT}'")).await;
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3153600000\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n",
        world.db.url(),
        world.datadir().display()
    ));
    (world, config)
}

/// No line has anything but what is printed.
fn assert_printable(text: &str) {
    for line in text.lines() {
        assert_eq!(printable(line), line);
    }
}

#[tokio::test]
async fn nothing_that_a_member_wrote_acts_upon_the_terminal_of_an_admin() {
    let (_world, config) = world().await;
    for command in [
        "list".to_owned(),
        "list --wide".to_owned(),
        "list --json".to_owned(),
        format!("show {BAD}"),
        format!("show {BAD} --json"),
        format!("revert {BAD} --dry-run"),
        format!("revert {BAD} --dry-run --json"),
        format!("revert {BAD} --dry-run --log trace"),
    ] {
        let (exit, seen) = config.run_on_terminal(80, &command);
        assert_eq!(exit, Some(0), "{command}: {seen}");
        assert_printable(&seen);
        let run = config.run(&command.split(' ').collect::<Vec<_>>());
        assert_printable(&run.stdout);
        assert_printable(&run.stderr);
        if command.ends_with("--json") && command.starts_with("list") {
            assert_eq!(run.json()[0]["name"], format!("{HOSTILE}2"), "the same for programs");
        }
    }
}

#[tokio::test]
async fn a_list_fits_a_terminal_of_80_columns_and_its_ids_can_be_copied() {
    let (_world, config) = world().await;
    for (columns, options) in [(80, ""), (100, ""), (120, ""), (200, ""), (80, "--wide")] {
        let (_, seen) = config.run_on_terminal(columns, &format!("list {options}"));
        assert_eq!(seen.lines().count(), 3, "a head and a line each: {seen}");
        for id in [GOOD, BAD] {
            assert_eq!(seen.lines().filter(|line| line.starts_with(id)).count(), 1, "{seen}");
        }
        let widest = seen.lines().map(|line| line.chars().count()).max().unwrap();
        let whole = options == "--wide";
        assert!(whole || widest <= usize::from(columns), "{columns}: {seen}");
        assert_eq!(seen.contains(PROJECT), whole || columns == 200, "{seen}");
    }
}

#[tokio::test]
async fn a_revert_on_a_terminal_is_a_line_an_image_and_no_audit_record() {
    let (world, config) = world().await;
    let (exit, seen) = config.run_on_terminal(80, &format!("revert {GOOD} unknown"));
    assert_eq!(exit, Some(1));
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines[0], format!("{GOOD}: active again"), "{seen}");
    assert!(lines[1].starts_with("glance-revert: unknown: image.not_found: "), "{seen}");
    let has_syslog = std::path::Path::new("/dev/log").exists();
    assert_eq!(lines.len(), if has_syslog { 2 } else { 3 }, "{seen}");
    assert!(has_syslog || lines[2].contains("no audit record was kept"), "{seen}");
    assert!(!seen.contains("initiator"), "{seen}");
    assert!(world.status(GOOD).await.starts_with("active"));
}
