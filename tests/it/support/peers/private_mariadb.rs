//! A MariaDB of one test, for settings and faults that would affect other tests too.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
use tempfile::TempDir;

use crate::support::canary;
use crate::support::process::Process;
use crate::support::small_disk::SmallDisk;

const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Stopped when dropped.
#[derive(Debug)]
pub(crate) struct PrivateMariadb {
    // Before what it stands on: fields are dropped in this order.
    process: Option<Process>,
    disk: Option<SmallDisk>,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl PrivateMariadb {
    /// Starts it with these options in addition to the necessary ones.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_on(None, options)
    }

    /// Starts it with all of its data on a disk that can be filled.
    pub(crate) async fn start_on_a_small_disk(options: &[&str]) -> Self {
        Self::start_on(Some(SmallDisk::new(400).await), options)
    }

    fn start_on(disk: Option<SmallDisk>, options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { process: None, disk, folder, port, options };
        let mut words = server.words();
        words.push("mariadb-install-db".to_owned());
        let made = Command::new(&words[0])
            .args(&words[1..])
            .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", &server.datadir()])
            // at its start the server deletes files here that it takes for its own
            .env("TMPDIR", server.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.start_again();
        server
    }

    /// The prefix for a program that needs access to the data.
    fn words(&self) -> Vec<String> {
        self.disk.as_ref().map_or_else(Vec::new, SmallDisk::enter)
    }

    fn datadir(&self) -> String {
        let own = || self.folder.path().to_owned();
        let folder = self.disk.as_ref().map_or_else(own, SmallDisk::path);
        format!("--datadir={}", folder.join("data").display())
    }

    /// Kills it, as a power failure would.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Restarts it on the same data and port.
    pub(crate) fn start_again(&mut self) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let log = File::options().create(true).append(true).open(path("log")).unwrap();
        let own = [
            self.datadir(),
            format!("--socket={}", path("sock")),
            format!("--pid-file={}", path("pid")),
            format!("--port={}", self.port),
        ];
        let (options, folder) = (self.options.clone(), self.folder.path().to_owned());
        let mut words = self.words();
        words.push("mariadbd".to_owned());
        let program = words.remove(0);
        let process = Process::start(&program, move |command| {
            command
                .args(words)
                .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
                .args(["--skip-log-bin", "--skip-name-resolve", "--character-set-server=utf8mb4"])
                .args(own)
                .args(options)
                .env("TMPDIR", folder)
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log);
        });
        self.process = Some(process.unwrap());
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().unwrap()
    }

    /// Runs a statement as root, even in read-only mode.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = raw_sql(AssertSqlSafe(sql.to_owned()));
        sql.execute(&mut self.root().await).await.unwrap();
    }

    /// A session as root, once it answers.
    async fn root(&self) -> MySqlConnection {
        let root = MySqlConnectOptions::new().socket(self.folder.path().join("sock"));
        let root = root.username("root").pipes_as_concat(false).disable_statement_logging();
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match root.connect().await {
                Ok(connection) => return connection,
                Err(error) if Instant::now() > deadline => panic!("MariaDB did not start: {error}"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// The URL of the server, once it answers, with a user that has all rights.
    pub(crate) async fn url(&self) -> String {
        let password = canary::DATABASE_PASSWORD;
        let user = format!(
            "CREATE USER glance@'127.0.0.1' IDENTIFIED BY '{password}'; \
             GRANT ALL PRIVILEGES ON *.* TO glance@'127.0.0.1' WITH GRANT OPTION;"
        );
        self.execute(&user).await;
        let password =
            percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        format!("mysql+pymysql://glance:{password}@127.0.0.1:{}", self.port)
    }
}
