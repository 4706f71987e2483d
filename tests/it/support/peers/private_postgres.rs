//! A PostgreSQL of one test, for settings and faults that would affect other tests too.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::canary;
use crate::support::daemon::until;
use crate::support::env;
use crate::support::process::Process;
use crate::support::small_disk::SmallDisk;

/// Stopped when dropped.
#[derive(Debug)]
pub(crate) struct PrivatePostgres {
    // Before what it stands on: fields are dropped in this order.
    process: Option<Process>,
    disk: Option<SmallDisk>,
    folder: TempDir,
    port: u16,
}

impl PrivatePostgres {
    pub(crate) async fn start() -> Self {
        Self::start_on(None).await
    }

    /// Starts it with all of its data on a disk that can be filled.
    pub(crate) async fn start_on_a_small_disk() -> Self {
        Self::start_on(Some(SmallDisk::new(400).await)).await
    }

    async fn start_on(disk: Option<SmallDisk>) -> Self {
        let folder = TempDir::new().unwrap();
        let open = |mode| fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.path(), open(0o711)).unwrap();
        for name in ["own", "sockets"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::set_permissions(folder.path().join(name), open(0o777)).unwrap();
        }
        let password = folder.path().join("password");
        fs::write(&password, canary::DATABASE_PASSWORD).unwrap();
        fs::set_permissions(&password, open(0o644)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { process: None, disk, folder, port };
        let words = server.words("initdb");
        let made = Command::new(&words[0])
            .args(&words[1..])
            .args(["--username=glance", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata"])
            .arg(server.datadir())
            .arg(format!("--pwfile={}", password.display()))
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.start_again();
        server.answers().await;
        server.psql("postgres", &["-c", "CREATE DATABASE glance_template"]);
        let schema = env::schema().unwrap().join("postgres.sql");
        server.psql("glance_template", &["-f", schema.to_str().unwrap()]);
        server
    }

    /// The command of a program; the server refuses to run as root.
    fn words(&self, program: &str) -> Vec<String> {
        let mut words = self.disk.as_ref().map_or_else(Vec::new, SmallDisk::enter);
        words.extend(["setpriv", "--pdeathsig", "KILL"].map(str::to_owned));
        if rustix::process::geteuid().is_root() {
            let user = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"];
            words.extend(user.map(str::to_owned));
        }
        words.push(programs().join(program).display().to_string());
        words
    }

    fn datadir(&self) -> PathBuf {
        let own = || self.folder.path().join("own");
        self.disk.as_ref().map_or_else(own, SmallDisk::path).join("data")
    }

    /// Ends it abruptly, like a crash, and waits for all of its processes.
    pub(crate) async fn kill(&mut self) {
        let Some(process) = self.process.take() else { return };
        let pid = rustix::process::Pid::from_raw(process.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::QUIT).unwrap();
        until("PostgreSQL's end", async || process.exit_status()).await;
    }

    /// Restarts it on the same data and port.
    pub(crate) fn start_again(&mut self) {
        let mut words = self.words("postgres");
        let program = words.remove(0);
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let (log, datadir) = (log.unwrap(), self.datadir());
        let own = [
            format!("unix_socket_directories={}", self.folder.path().join("sockets").display()),
            format!("port={}", self.port),
        ];
        let process = Process::start(&program, move |command| {
            command.args(words).arg("-D").arg(datadir);
            for setting in ["listen_addresses=127.0.0.1", "dynamic_shared_memory_type=mmap"] {
                command.args(["-c", setting]);
            }
            // small WAL segments, so that they fit on a small disk
            for setting in ["timezone=UTC", "max_wal_size=64MB", "min_wal_size=32MB", "fsync=off"] {
                command.args(["-c", setting]);
            }
            for setting in own {
                command.args(["-c", &setting]);
            }
            command.current_dir("/").stdin(Stdio::null());
            command.stdout(log.try_clone().unwrap()).stderr(log);
        });
        self.process = Some(process.unwrap());
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.process.as_ref().is_none_or(|process| process.exit_status().is_some())
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().unwrap()
    }

    /// Whether it accepts queries.
    pub(crate) fn serves(&self) -> bool {
        self.try_psql("postgres", &["-c", "SELECT 1"])
    }

    /// Waits until it accepts queries.
    pub(crate) async fn answers(&self) {
        until("PostgreSQL", async || self.serves().then_some(())).await;
    }

    /// Runs psql as the superuser.
    pub(crate) fn psql(&self, database: &str, arguments: &[&str]) {
        assert!(self.try_psql(database, arguments), "{arguments:?}");
    }

    fn try_psql(&self, database: &str, arguments: &[&str]) -> bool {
        let asked = Command::new(programs().join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "glance", "-d", database, "-h"])
            .arg(self.folder.path().join("sockets"))
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .output();
        asked.unwrap().status.success()
    }

    /// The URL of the server, with a user that has all rights.
    pub(crate) fn url(&self) -> String {
        let password = percent_encoding::utf8_percent_encode(
            canary::DATABASE_PASSWORD,
            percent_encoding::NON_ALPHANUMERIC,
        );
        format!("postgresql+psycopg2://glance:{password}@127.0.0.1:{}", self.port)
    }
}

/// Debian has a folder for each version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    let newest = folders.filter(|folder| folder.join("initdb").exists()).max();
    newest.unwrap_or_else(|| Path::new("/usr/bin").to_owned())
}
