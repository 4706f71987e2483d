//! The real Glance on a test's database and in its own folder, served by uWSGI.

mod client;
mod config;
mod stalled;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::Method;
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) use self::client::Client;
pub(crate) use self::stalled::StalledDelete;
use crate::support::database::TestDatabase;
use crate::support::env;
use crate::support::process::Process;

const PYTHON_FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/peers/python");
const ADMIN: &str = "admin:admin-project:admin,member,reader";
/// Attempts, because two Glances may have picked the same port.
const STARTS: usize = 3;
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// Glance's store configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stores {
    /// `[glance_store] stores`, data in `images`.
    #[default]
    Single,
    /// `enabled_backends`: `fast` (the default) and `slow`, and `web` for `http` locations.
    Multi,
}

/// Settings that differ between tests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GlanceOptions<'a> {
    pub(crate) stores: Stores,
    /// `metadata_encryption_key`: 16, 24 or 32 bytes.
    pub(crate) encryption_key: Option<&'static str>,
    /// `scrub_time` in seconds.
    pub(crate) scrub_time: u32,
    /// Whether it destroys data immediately (`delayed_delete = False`).
    pub(crate) at_once: bool,
    /// A folder with additional modules for its Python.
    pub(crate) modules: Option<&'a Path>,
    /// Stores in addition to those of [`Stores::Multi`]: the name, type and options of each.
    pub(crate) more: &'a [(&'a str, &'a str, String)],
}

/// The result of one of Glance's commands.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    /// Standard output and standard error.
    pub(crate) output: String,
}

/// A running Glance; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Glance {
    // Before the folder: fields are dropped in this order.
    process: Process,
    folder: TempDir,
    base: String,
}

impl Glance {
    pub(crate) async fn start(database: &TestDatabase, options: GlanceOptions<'_>) -> Self {
        let folder = TempDir::new().unwrap();
        let mut log = String::new();
        for _ in 0..STARTS {
            let port = free_port();
            config::write(folder.path(), &database.owner_url(), port, &options);
            let process = spawn(folder.path(), port, options.modules);
            let base = format!("http://127.0.0.1:{port}");
            if ready(&base, &process).await {
                return Self { process, folder, base };
            }
            log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            if !log.contains("Address already in use") {
                break;
            }
        }
        panic!("Glance did not start:\n{log}")
    }

    /// Kills it, whatever it is doing, and restarts it on the same rows and files.
    pub(crate) async fn kill_and_start_again(&mut self) {
        let port = free_port();
        let folder = self.folder.path().to_owned();
        self.process =
            tokio::task::spawn_blocking(move || spawn(&folder, port, None)).await.unwrap();
        self.base = format!("http://127.0.0.1:{port}");
        assert!(ready(&self.base, &self.process).await, "Glance did not start again");
    }

    /// A DELETE that stops after this many of its transactions were committed.
    pub(crate) async fn delete_and_stop_after(&self, id: &str, commits: u32) -> StalledDelete {
        StalledDelete::begin(self.member_of("p1"), self.folder.path(), id, commits).await
    }

    /// `http://address:port`.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn admin(&self) -> Client {
        Client::new(&self.base, ADMIN)
    }

    /// A regular user of `project`.
    pub(crate) fn member_of(&self, project: &str) -> Client {
        Client::new(&self.base, &format!("user-of-{project}:{project}:member,reader"))
    }

    /// The path of `glance-api.conf`, with database and stores, for our service.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("glance-api.conf")
    }

    /// The data directory of a store: `images`, or `fast` and `slow`.
    pub(crate) fn datadir(&self, store: &str) -> PathBuf {
        self.folder.path().join(store)
    }

    /// One pass of the real `glance-scrubber`.
    pub(crate) async fn run_scrubber(&self) -> Finished {
        self.run("scrubber", &[]).await
    }

    /// Runs upstream's `glance-scrubber --restore`.
    pub(crate) async fn restore(&self, id: &str) -> Finished {
        self.run("scrubber", &["--restore", id]).await
    }

    /// Runs `glance-manage` with these arguments, which must succeed.
    pub(crate) async fn manage(&self, arguments: &[&str]) -> String {
        let finished = self.run("manage", arguments).await;
        assert!(finished.success, "{arguments:?}: {}", finished.output);
        finished.output
    }

    /// Runs `glance-manage db purge` for everything that is old enough, then `db
    /// purge_images_table`.
    pub(crate) async fn db_purge(&self, age_in_days: u32) {
        let age = age_in_days.to_string();
        for command in ["purge", "purge_images_table"] {
            let arguments = ["db", command, "--age_in_days", &age, "--max_rows", "1000000"];
            self.manage(&arguments).await;
        }
    }

    async fn run(&self, command: &str, arguments: &[&str]) -> Finished {
        let finished = Command::new(env::python())
            .arg(Path::new(PYTHON_FILES).join("upstream.py"))
            .arg(command)
            .arg("--config-file")
            .arg(self.config_file())
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let output = [finished.stdout, finished.stderr].concat();
        Finished {
            success: finished.status.success(),
            output: String::from_utf8_lossy(&output).into_owned(),
        }
    }
}

fn spawn(folder: &Path, port: u16, modules: Option<&Path>) -> Process {
    let folder = folder.to_owned();
    let paths = [Some(Path::new(PYTHON_FILES)), modules];
    let paths = std::env::join_paths(paths.into_iter().flatten()).unwrap();
    let python = env::python();
    let bin = python.parent().unwrap().to_owned();
    let program = bin.join("uwsgi").display().to_string();
    Process::start(&program, move |command| {
        let log = File::create(folder.join("log")).unwrap();
        command
            .args(["--http-socket", &format!("127.0.0.1:{port}"), "--need-app"])
            .args(["--module", "glance_wsgi:application", "--enable-threads", "--lazy-apps"])
            .args(["--threads", "4", "--buffer-size", "65535", "--die-on-term"])
            .arg("--home")
            .arg(bin.parent().unwrap())
            .env("OS_GLANCE_CONFIG_DIR", &folder)
            .env("PYTHONPATH", &paths)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
    })
    .unwrap()
}

/// Waits until Glance answers; false if it ended first.
async fn ready(base: &str, process: &Process) -> bool {
    let client = Client::new(base, ADMIN);
    let began = Instant::now();
    while began.elapsed() < START_TIMEOUT {
        if process.exit_status().is_some() {
            return false;
        }
        let answer = client.request(Method::GET, "/v2/images?limit=1").send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
