//! A Ceph shared by all tests: started by the first one that needs it, stopped with the test
//! binary.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::support::env;
use crate::support::process::Process;

const HARNESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/ceph.sh");
const BESIDE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/peers/python/cephbeside.py");
const START_TIMEOUT: Duration = Duration::from_mins(2);

static CLUSTER: OnceCell<Ceph> = OnceCell::const_new();
static USERS: RwLock<()> = RwLock::const_new(());

/// One monitor and one OSD, with the pools `images` and `volumes`; `tests/harness/ceph.sh` has its
/// users.
#[derive(Debug)]
pub(crate) struct Ceph {
    // Before the folder: fields are dropped in this order.
    _process: Process,
    folder: TempDir,
    rgw: OnceCell<Rgw>,
}

/// The S3 gateway of the cluster.
#[derive(Debug)]
pub(crate) struct Rgw {
    _process: Process,
    /// `http://127.0.0.1:PORT`.
    pub(crate) endpoint: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// Access to the cluster, which stays healthy as long as this lives.
#[derive(Debug)]
pub(crate) struct Shared {
    ceph: &'static Ceph,
    _users: RwLockReadGuard<'static, ()>,
}

/// Exclusive access to the cluster. The test may freeze it, and must thaw it.
#[derive(Debug)]
pub(crate) struct Alone {
    ceph: &'static Ceph,
    _users: RwLockWriteGuard<'static, ()>,
}

/// Direct access to Ceph, without the product, over its own connection; see `cephbeside.py`.
/// Everything that it keeps open is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Beside {
    child: Child,
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Beside {
    /// Calls a function of `cephbeside.py`: its name, then its arguments.
    pub(crate) fn call(&self, call: &Value) -> Value {
        let mut pipes = self.pipes.lock().unwrap();
        let (input, output) = pipes.as_mut().unwrap();
        writeln!(input, "{call}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        answer.get("is").unwrap_or_else(|| panic!("{call}: {answer}")).clone()
    }

    /// The same for functions that return bytes; `null` means none.
    pub(crate) fn bytes(&self, call: &Value) -> Option<Vec<u8>> {
        Some(BASE64.decode(self.call(call).as_str()?).unwrap())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.pipes.lock().map(|mut pipes| pipes.take()));
        drop(self.child.wait());
    }
}

/// Encodes data for `cephbeside.py`.
pub(crate) fn encoded(data: &[u8]) -> String {
    BASE64.encode(data)
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
    /// Shared access, with other tests running concurrently.
    pub(crate) async fn shared() -> Shared {
        let users = USERS.read().await;
        Shared { ceph: CLUSTER.get_or_init(Self::start).await, _users: users }
    }

    /// Waits until no other test uses it.
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

    /// The path of `ceph.conf`, which also names the keyrings.
    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.path().join("ceph.conf")
    }

    /// Glance's options for a store in the pool `images`.
    pub(crate) fn store_options(&self) -> String {
        self.options_of("images", "glance")
    }

    fn options_of(&self, pool: &str, user: &str) -> String {
        format!(
            "rbd_store_pool = {pool}\nrbd_store_user = {user}\nrbd_store_ceph_conf = {}\n\
             rados_connect_timeout = 30\n",
            self.conf().display()
        )
    }

    /// A new pool, its user, who has Glance's rights in it, and Glance's options for a store in it.
    pub(crate) async fn own_pool(&self) -> (String, String, String) {
        let name = format!("own-{}", uuid::Uuid::new_v4().simple());
        self.run(&["ceph", "osd", "pool", "create", &name, "1"]).await;
        self.run(&["rbd", "pool", "init", &name]).await;
        let client = format!("client.{name}");
        let keyring = self.folder.path().join(format!("{client}.keyring"));
        let (rights, keyring) = (format!("profile rbd pool={name}"), keyring.to_str().unwrap());
        let user = ["ceph", "auth", "get-or-create", &client, "mon", "profile rbd", "osd", &rights];
        self.run(&[&user[..], &["-o", keyring]].concat()).await;
        let options = self.options_of(&name, &name);
        (name, client, options)
    }

    /// The object gateway, started by the first test that needs it.
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

    /// A direct connection as client.admin.
    pub(crate) fn beside(&self) -> Beside {
        let mut command = process::Command::new(env::python());
        command.arg(BESIDE).arg(self.conf()).arg("admin").env("PYTHONPATH", self.python_path());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Beside { child, pipes: Mutex::new(Some((input, output))) }
    }

    /// The folder with Ceph's Python modules.
    pub(crate) fn python_path(&self) -> PathBuf {
        self.folder.path().join("python")
    }

    /// The id of the cluster.
    pub(crate) fn fsid(&self) -> String {
        let text = fs::read_to_string(self.conf()).unwrap();
        text.lines().find_map(|line| line.strip_prefix("fsid = ")).unwrap().to_owned()
    }

    /// Freezes a daemon, `osd` or `mon`, or thaws it.
    pub(crate) fn signal(&self, daemon: &str, signal: &str) {
        let pid = fs::read_to_string(self.folder.path().join(format!("{daemon}.pid"))).unwrap();
        let kill = format!("kill -s {signal} {}", pid.trim());
        let sent = process::Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success(), "{kill}");
    }

    /// Runs one of Ceph's commands as client.admin; returns its output.
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
