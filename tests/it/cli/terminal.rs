//! The output on a real terminal, including texts that try to deceive the reader.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use glance_revert::domain::time::{Clock, SystemClock};
use glance_revert::telemetry::printable;
use serde_json::Value;

use crate::support::binary::ConfigFile;
use crate::support::crowd::{LONG_AGO, ids};
use crate::support::database::Kind;
use crate::support::world::World;

/// Sets a title and the clipboard, erases its line, forges another one, reverses text.
const HOSTILE: &str = "evil\u{1b}]0;X\u{7}\u{1b}]52;c;eA==\u{1b}\\\u{1b}[2K\r\nsecond row\u{9b}2J\u{85}\
     \u{202e}fdp.\u{2066}x\u{2069}\u{2028}\u{7f}";
const GOOD: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
const BAD: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c02";
const PROJECT: &str = "c9a1f0d2e3b44c55a6778899aabbccdd";

/// Two images; everything that a project member can write into the second one is hostile.
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

/// Every line has only printable characters.
fn assert_printable(text: &str) {
    for line in text.lines() {
        assert_eq!(printable(line), line);
    }
}

#[tokio::test]
async fn nothing_that_a_member_wrote_controls_an_admins_terminal() {
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
            assert_eq!(run.json_lines()[0]["name"], format!("{HOSTILE}2"), "the same for programs");
        }
    }
}

#[tokio::test]
async fn a_list_fits_a_terminal_of_80_columns_and_its_ids_can_be_copied() {
    let (_world, config) = world().await;
    for (columns, options) in [(80, ""), (100, ""), (120, ""), (200, ""), (80, "--wide")] {
        let (_, seen) = config.run_on_terminal(columns, &format!("list {options}"));
        assert_eq!(seen.lines().count(), 5, "a head, a line each and a sum: {seen}");
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
async fn an_audit_on_a_terminal_of_80_columns_says_when_what_and_who() {
    let (world, config) = world().await;
    world.db.make_own_tables().await;
    for command in ["pause", "resume"] {
        config.run(&[command]);
    }
    config.run(&["hold", GOOD, BAD]);
    for columns in [80, 99, 100, 160] {
        let (exit, seen) = config.run_on_terminal(columns, "audit");
        assert_eq!((exit, seen.lines().count()), (Some(0), 5), "{seen}");
        assert!(seen.lines().all(|line| line.chars().count() <= usize::from(columns)), "{seen}");
        let day = SystemClock.now().format("%m-%d").to_string();
        for line in seen.lines().skip(1) {
            let at = if columns < 100 { line.get(..5) } else { line.get(5..10) };
            assert_eq!(at, Some(&*day), "{seen}");
        }
        for word in [GOOD, BAD, "holdImage", "pauseScrub", "resumeScr", "ACTOR"] {
            assert!(seen.contains(word), "{columns}: {word}: {seen}");
        }
    }
}

#[tokio::test]
async fn a_revert_on_a_terminal_prints_a_line_per_image_and_no_audit_record() {
    let (world, config) = world().await;
    let (exit, seen) = config.run_on_terminal(80, &format!("revert {GOOD} unknown --jobs 1"));
    assert_eq!(exit, Some(1));
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines[0], format!("{GOOD}: active again"), "{seen}");
    assert!(lines[1].starts_with("glance-revert: unknown: image.not_found: "), "{seen}");
    let has_syslog = std::path::Path::new("/dev/log").exists();
    assert_eq!(lines[2], "2 images: 1 active again, 1 image.not_found", "{seen}");
    assert_eq!(lines.len(), if has_syslog { 3 } else { 4 }, "{seen}");
    assert!(has_syslog || lines[3].contains("no audit record was kept"), "{seen}");
    assert!(!seen.contains("initiator"), "{seen}");
    assert!(world.status(GOOD).await.starts_with("active"));
}

/// The size of an image; its file is sparse.
const SIZE: u64 = 1_073_741_824_000;

/// Long names of projects and stores, and enough images for a progress bar.
#[tokio::test]
async fn the_commands_of_the_night_fit_80_columns_and_colour_nothing() {
    let world = World::with_tables(Kind::Sqlite).await;
    world.crowd(&ids("m", 30), LONG_AGO).await;
    world.db.execute(&format!("UPDATE images SET owner = '{PROJECT}', size = {SIZE}")).await;
    for file in std::fs::read_dir(world.datadir()).unwrap() {
        let file = std::fs::OpenOptions::new().write(true).open(file.unwrap().path());
        file.unwrap().set_len(SIZE).unwrap();
    }
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3600\nenabled_backends = ceph-ssd-1:file\n\
         [database]\nconnection = {}\n[glance_store]\ndefault_backend = ceph-ssd-1\n\
         [ceph-ssd-1]\nfilesystem_store_datadir = {}\n",
        world.db.url(),
        world.datadir().display()
    ));
    for (command, exit) in [
        ("pause --for 24h", 0),
        ("status", 0),
        ("list --group burst", 0),
        ("list --group project,store", 0),
        ("list --sort scrub_at", 0),
        ("show m-0001", 0),
        ("hold m-0001", 0),
        ("scrub --dry-run --within 24h", 0),
        (&format!("revert --owner {PROJECT} --dry-run"), 0),
        ("release m-0001", 0),
        ("resume", 0),
        ("audit", 0),
    ] {
        let (code, seen) = config.run_on_terminal(80, command);
        assert_eq!(code, Some(exit), "{command}: {seen}");
        assert!(!seen.contains("\u{1b}[3") && !seen.contains("\u{1b}[1m"), "{command}: {seen:?}");
        let rows = seen.lines().filter(|line| !line.contains("image.data_missing: "));
        for row in rows {
            let shown = row.rsplit(['\r', '\u{1b}']).next().unwrap();
            assert!(shown.chars().count() <= 80, "{command}: {seen}");
        }
    }
}

/// The second image's store does not answer until the test allows it.
#[tokio::test]
async fn reverts_are_reported_one_by_one_and_ctrl_c_lets_the_current_one_finish() {
    let (world, config) = world().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let value = format!("UPDATE image_locations SET value = 'http://{address}/x'");
    world.db.execute(&format!("{value} WHERE image_id = '{BAD}'")).await;
    config.put("ours.conf", &format!("[revert]\nhttp_verify_hosts = {address}\n"));
    config.put("stores.conf", "[glance_store]\nstores = file,http\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
    for file in ["glance.conf", "stores.conf", "ours.conf"] {
        command.arg("--config-file").arg(config.file(file));
    }
    command
        .args(["revert", GOOD, BAD, "third", "fourth", "--json", "--jobs", "1", "--log", "info"]);
    command.env_clear();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let (asked, _) = silent.accept().unwrap();
    let first = next();
    assert_eq!((&first["id"], &first["reverted"]), (&GOOD.into(), &true.into()));

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("stopping: ") {
        assert!(said.read_line(&mut told).unwrap() > 0, "the signal is not heard: {told}");
    }
    drop((asked, silent));
    assert_eq!(next()["reason"], "store.unavailable", "the image in hand has its answer");
    said.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(told.contains("stopped: 2 of 4 images were not tried; the first is third"), "{told}");
    assert!(lines.next().is_none(), "nothing is told of the others");
}
