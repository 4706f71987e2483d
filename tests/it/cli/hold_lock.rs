//! `scrub --hold-lock`, which stops every scrubber without any preparation.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::binary::ConfigFile;
use crate::support::database::{Kind, on_each_database};
use crate::support::world::World;

on_each_database! {
    no_pass_begins_while_the_lock_is_held,
    a_lost_lock_is_reported_and_taken_again,
}

/// A world with one image that is due.
async fn world(kind: Kind) -> (World, ConfigFile) {
    let world = World::new(kind).await;
    world.deleted_image("a").await;
    world.live_image("alive").await;
    let config = ConfigFile::new(&format!(
        "[DEFAULT]\ndelayed_delete = True\nscrub_time = 60\n[database]\nconnection = {}\n\
         [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n\
         [revert]\nmin_scrub_time = 60\n",
        world.db.url(),
        world.datadir().display()
    ));
    world.db.earlier("images", "id = 'a'", 3 * 366 * 86_400).await;
    (world, config)
}

/// The running command.
struct Holder {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Holder {
    fn start(config: &ConfigFile) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_glance-revert")]);
        command.args(["scrub", "--hold-lock", "--config-file"]).arg(config.file("glance.conf"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, told }
    }

    /// The next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line
    }

    /// Interrupts it like Ctrl-C; returns its exit code and errors.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(self.line(), "scrub passes can start again\n");
        let mut complaints = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (self.child.wait().unwrap().code(), complaints)
    }
}

async fn no_pass_begins_while_the_lock_is_held(kind: Kind) {
    let (world, config) = world(kind).await;
    let mut holder = Holder::start(&config);
    let line = holder.line();
    assert!(line.starts_with("no scrub pass can start until this command ends"), "{line}");
    let skipped = config.run(&["scrub"]);
    assert_eq!(skipped.exit, Some(75), "{skipped:?}");
    assert!(world.has_data("a"));
    let revert = config.run(&["revert", "a", "--dry-run"]);
    assert_eq!(revert.exit, Some(0), "reverts go on: {revert:?}");
    let (exit, complaints) = holder.interrupt();
    assert_eq!((exit, complaints.contains("lost")), (Some(0), false), "{complaints}");
    assert_eq!(config.run(&["scrub"]).exit, Some(0));
    assert!(!world.has_data("a"));
}

/// SQLite's lock is a file lock, which no server can take away.
async fn a_lost_lock_is_reported_and_taken_again(kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let (world, config) = world(kind).await;
    let mut holder = Holder::start(&config);
    holder.line();
    world.cut_connections(kind).await;
    let again = holder.line();
    assert!(again.starts_with("no scrub pass can start until this command ends"), "{again}");
    assert_eq!(config.run(&["scrub"]).exit, Some(75));
    let (exit, complaints) = holder.interrupt();
    assert_eq!(exit, Some(0));
    assert!(complaints.contains("the lock was lost with its database session"), "{complaints}");
}
