//! A MariaDB of a test's own, for settings that would change the others' too.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};
use tempfile::TempDir;

use crate::support::canary;
use crate::support::process::Process;

const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Stopped when dropped.
#[derive(Debug)]
pub(crate) struct PrivateMariadb {
    // Before the folder: fields are dropped in this order.
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl PrivateMariadb {
    /// With these options beside what it needs.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let datadir = format!("--datadir={}", path("data"));
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", &datadir])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(folder.path().join("log")).unwrap();
        let own = [
            datadir,
            format!("--socket={}", path("sock")),
            format!("--pid-file={}", path("pid")),
            format!("--port={port}"),
        ];
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let process = Process::start("mariadbd", move |command| {
            command
                .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
                .args(["--skip-log-bin", "--skip-name-resolve", "--character-set-server=utf8mb4"])
                .args(own)
                .args(options)
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log);
        });
        Self { _process: process.unwrap(), folder, port }
    }

    /// The URL of the server, once it answers; its user may do everything.
    pub(crate) async fn url(&self) -> String {
        let root = MySqlConnectOptions::new().socket(self.folder.path().join("sock"));
        let root = root.username("root").pipes_as_concat(false).disable_statement_logging();
        let deadline = Instant::now() + START_TIMEOUT;
        let mut connection = loop {
            match root.connect().await {
                Ok(connection) => break connection,
                Err(error) if Instant::now() > deadline => panic!("MariaDB did not start: {error}"),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let password = canary::DATABASE_PASSWORD;
        let user = format!(
            "CREATE USER glance@'127.0.0.1' IDENTIFIED BY '{password}'; \
             GRANT ALL PRIVILEGES ON *.* TO glance@'127.0.0.1' WITH GRANT OPTION;"
        );
        raw_sql(AssertSqlSafe(user)).execute(&mut connection).await.unwrap();
        let password =
            percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        format!("mysql+pymysql://glance:{password}@127.0.0.1:{}", self.port)
    }
}
