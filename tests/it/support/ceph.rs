//! A Ceph that the tests share: started by the first one that needs it, gone with the test binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::process::Process;

const HARNESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/ceph.sh");
const START_TIMEOUT: Duration = Duration::from_mins(2);

static CLUSTER: OnceCell<Ceph> = OnceCell::const_new();
static USERS: RwLock<()> = RwLock::const_new(());

/// One monitor, one OSD; pools `images` and `volumes`; see `tests/harness/ceph.sh` for its users.
#[derive(Debug)]
pub(crate) struct Ceph {
    // Before the folder: fields are dropped in this order.
    _process: Process,
    folder: TempDir,
    rgw: OnceCell<Rgw>,
}

/// S3 in front of the cluster.
#[derive(Debug)]
pub(crate) struct Rgw {
    _process: Process,
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// The cluster, whole while this lives.
#[derive(Debug)]
pub(crate) struct Shared {
    ceph: &'static Ceph,
    _users: RwLockReadGuard<'static, ()>,
}

/// The cluster for one test alone, which may freeze it, and must thaw it.
#[derive(Debug)]
pub(crate) struct Alone {
    ceph: &'static Ceph,
    _users: RwLockWriteGuard<'static, ()>,
}

impl std::ops::Deref for Shared {
    type Target = Ceph;

    fn deref(&self) -> &Ceph {
        self.ceph
    }
}

impl std::ops::Deref for Alone {
    type Target = Ceph;

    fn deref(&self) -> &Ceph {
        self.ceph
    }
}

impl Ceph {
    /// Beside other tests.
    pub(crate) async fn shared() -> Shared {
        let users = USERS.read().await;
        Shared { ceph: CLUSTER.get_or_init(Self::start).await, _users: users }
    }

    /// When no other test uses it.
    pub(crate) async fn alone() -> Alone {
        let users = USERS.write().await;
        Alone { ceph: CLUSTER.get_or_init(Self::start).await, _users: users }
    }

    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let process = run_harness("cluster", folder.path());
        wait_for(&folder.path().join("ready"), &process, folder.path()).await;
        Self { _process: process, folder, rgw: OnceCell::new() }
    }

    /// `ceph.conf`, which names the keyrings too.
    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.path().join("ceph.conf")
    }

    /// The object gateway, started by the first test that asks for it.
    pub(crate) async fn rgw(&self) -> &Rgw {
        self.rgw.get_or_init(|| self.start_rgw()).await
    }

    async fn start_rgw(&self) -> Rgw {
        let folder = self.folder.path();
        let process = run_harness("rgw", folder);
        wait_for(&folder.join("rgw.env"), &process, folder).await;
        let text = fs::read_to_string(folder.join("rgw.env")).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap().to_owned()
        };
        Rgw {
            _process: process,
            endpoint: value("RGW_ENDPOINT"),
            access_key: value("RGW_ACCESS_KEY"),
            secret_key: value("RGW_SECRET_KEY"),
        }
    }

    /// Runs one of Ceph's commands as client.admin; what it prints.
    pub(crate) async fn run(&self, command: &[&str]) -> String {
        let mut child = Command::new(command[0]);
        child.args(&command[1..]).env("CEPH_CONF", self.conf()).env("HOME", self.folder.path());
        let output = child.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

fn run_harness(command: &'static str, folder: &Path) -> Process {
    let folder = folder.to_owned();
    Process::start("bash", move |child| {
        let log = fs::File::create(folder.join(format!("{command}.out"))).unwrap();
        child.args([HARNESS, command]).arg(&folder);
        child.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    })
    .unwrap()
}

async fn wait_for(file: &Path, process: &Process, folder: &Path) {
    let began = Instant::now();
    while !file.exists() {
        if process.exit_status().is_some() || began.elapsed() > START_TIMEOUT {
            let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
            let said = ["cluster.out", "rgw.out", "log"].map(read).concat();
            panic!("Ceph did not start:\n{said}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
