//! Galera nodes on loopback, from the server's own packages.
//!
//! There is no state transfer, which would need more programs and minutes: all nodes start from the
//! same files and the same history.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, raw_sql};
use tempfile::TempDir;

use crate::support::canary;
use crate::support::daemon::until;
use crate::support::process::Process;
use crate::support::proxy::url_by;

const LIBRARY: &str = "/usr/lib/galera/libgalera_smm.so";

/// The names of the nodes; the first one starts the cluster.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// Stopped when dropped.
#[derive(Debug)]
pub(crate) struct Galera {
    nodes: Vec<Node>,
    folder: TempDir,
}

#[derive(Debug)]
struct Node {
    process: Option<Process>,
    name: &'static str,
    port: u16,
}

impl Galera {
    /// Two synchronized nodes. The first one continues alone if it loses the other.
    pub(crate) async fn start() -> Self {
        Self::start_nodes(2).await
    }

    /// Starts this many nodes. The first one continues as long as another node is left, or was left
    /// last. A node that was left behind cannot return, because that needs a state transfer.
    pub(crate) async fn start_nodes(count: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let data = |name: &str| folder.path().join(name).join("data");
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", &format!("--datadir={}", data("one").display())])
            // at its start a node deletes files here that it takes for its own
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let names = &NAMES[..count];
        for name in &names[1..] {
            fs::create_dir(folder.path().join(name)).unwrap();
            let copied = Command::new("cp").arg("-a").arg(data("one")).arg(data(name)).status();
            assert!(copied.unwrap().success());
        }
        for (seen, name) in names.iter().enumerate() {
            let history = format!(
                "# GALERA saved state\nversion: 2.1\nuuid: {HISTORY}\nseqno: {seen}\n\
                 safe_to_bootstrap: 1\n"
            );
            fs::write(data(name).join("grastate.dat"), history).unwrap();
        }
        let first = free_port();
        let mut nodes = vec![start(folder.path(), "one", first, "gcomm://", "pc.weight=2")];
        in_step(folder.path(), "one", 1).await;
        let peer = format!("gcomm://127.0.0.1:{first}");
        for name in &names[1..] {
            nodes.push(start(folder.path(), name, free_port(), &peer, "pc.weight=1"));
            in_step(folder.path(), name, nodes.len()).await;
        }
        Self { nodes, folder }
    }

    /// Kills a node, so that it sends no good-bye to the others.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].process = None;
    }

    /// Sends a node a signal.
    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        let pid = self.nodes[node].process.as_ref().unwrap().id().cast_signed();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The URL of the first node, with a user that has all rights.
    pub(crate) async fn url(&self) -> String {
        let password = canary::DATABASE_PASSWORD;
        self.execute(
            0,
            &format!(
                "CREATE USER glance@'127.0.0.1' IDENTIFIED BY '{password}'; \
                 GRANT ALL PRIVILEGES ON *.* TO glance@'127.0.0.1' WITH GRANT OPTION"
            ),
        )
        .await;
        let password =
            percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        format!("mysql+pymysql://glance:{password}@127.0.0.1:{}", self.nodes[0].port)
    }

    /// The same URL with the address of another node.
    pub(crate) fn by(&self, node: usize, url: &str) -> String {
        url_by(self.nodes[node].port, url)
    }

    /// Runs a statement as root, even if the node has lost its peers.
    pub(crate) async fn execute(&self, node: usize, sql: &str) {
        let mut root = self.root(node).await;
        raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut root).await.unwrap();
    }

    /// A session as root on a node.
    pub(crate) async fn root(&self, node: usize) -> MySqlConnection {
        root(self.folder.path(), self.nodes[node].name).await.unwrap()
    }

    /// Isolates the second node, and waits until it notices.
    pub(crate) async fn cut_off(&self) {
        self.execute(1, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'").await;
        let folder = self.folder.path();
        let two = async || status(folder, "two", "wsrep_cluster_status").await;
        until("the second node", async || (two().await? == "non-Primary").then_some(())).await;
        let one = async |variable| status(folder, "one", variable).await;
        until("the first node", async || {
            let is_alone = one("wsrep_cluster_size").await? == "1";
            let serves = one("wsrep_cluster_status").await? == "Primary"
                && one("wsrep_ready").await? == "ON";
            (is_alone && serves).then_some(())
        })
        .await;
    }
}

/// An arbitrary id.
const HISTORY: &str = "6f9d9a5e-2f6a-11ef-8f1e-4b1f3c0d2a10";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(folder: &Path, name: &'static str, group: u16, peers: &str, weight: &str) -> Node {
    let port = free_port();
    let own = folder.join(name);
    let path = |file: &str| own.join(file).display().to_string();
    let log = File::create(own.join("log")).unwrap();
    let provider = format!(
        "{weight};base_host=127.0.0.1;base_port={group};gmcast.listen_addr=tcp://127.0.0.1:{group};\
         ist.recv_addr=127.0.0.1:{};gcache.size=16M;evs.keepalive_period=PT0.3S;\
         evs.inactive_check_period=PT0.3S;evs.suspect_timeout=PT5S;evs.inactive_timeout=PT10S",
        free_port()
    );
    let temporary = own.clone();
    let own = [
        format!("--datadir={}", path("data")),
        format!("--socket={}", path("sock")),
        format!("--pid-file={}", path("pid")),
        format!("--port={port}"),
        format!("--wsrep-provider={LIBRARY}"),
        format!("--wsrep-provider-options={provider}"),
        format!("--wsrep-cluster-address={peers}"),
        format!("--wsrep-node-name={name}"),
        format!("--wsrep-node-address=127.0.0.1:{group}"),
    ];
    let process = Process::start("mariadbd", move |command| {
        command
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .args(["--skip-name-resolve", "--character-set-server=utf8mb4"])
            .args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON"])
            .args(["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0"])
            .args([
                "--innodb-doublewrite=0",
                "--wsrep-cluster-name=tests",
                "--wsrep-sst-method=skip",
            ])
            .args(own)
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
    });
    Node { process: Some(process.unwrap()), name, port }
}

async fn in_step(folder: &Path, name: &str, nodes: usize) {
    let nodes = nodes.to_string();
    until(name, async || {
        let ready = status(folder, name, "wsrep_ready").await? == "ON";
        let size = status(folder, name, "wsrep_cluster_size").await?;
        (ready && size == nodes).then_some(())
    })
    .await;
}

async fn root(folder: &Path, name: &str) -> Option<MySqlConnection> {
    let root = MySqlConnectOptions::new().socket(folder.join(name).join("sock"));
    let root = root.username("root").pipes_as_concat(false).no_engine_substitution(false);
    root.timezone(None).set_names(false).disable_statement_logging().connect().await.ok()
}

async fn status(folder: &Path, name: &str, variable: &str) -> Option<String> {
    let mut root = root(folder, name).await?;
    let sql = format!("SHOW GLOBAL STATUS LIKE '{variable}'");
    let row = raw_sql(AssertSqlSafe(sql)).fetch_one(&mut root).await.ok()?;
    row.try_get(1).ok()
}
