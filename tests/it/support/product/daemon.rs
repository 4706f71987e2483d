//! The real binary, on a test's database and data directory.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use glance_revert::auth::DemoIssuer;
use glance_revert::domain::time::{Clock, SystemClock};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::support::output;
use crate::support::world::{HOUR, World};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "glance-revert";
/// Longest wait for anything that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Polls until there is a result.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Configuration files for the binary, and a token that it accepts.
#[derive(Debug)]
pub(crate) struct Setup {
    folder: TempDir,
    token: String,
    environment: Vec<(&'static str, String)>,
    log: &'static str,
}

/// Everything that the product can log, because it is searched for secrets.
const ALL: &str = "trace";

impl Setup {
    fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder, token: String::new(), environment: Vec::new(), log: ALL }
    }

    /// Adds a variable to the binary's environment.
    pub(crate) fn with_variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// `revert` are lines for `[revert]`.
    pub(crate) fn new(world: &World, database: &str, revert: &str) -> Self {
        let mut setup = Self::empty();
        let issuer = DemoIssuer::generate(ISSUER, AUDIENCE).unwrap();
        let token = issuer.token("admin", &["glance-revert-admin"], SystemClock.now(), HOUR);
        token.unwrap().expose().clone_into(&mut setup.token);
        let jwks = setup.folder.path().join("jwks.json");
        fs::write(&jwks, issuer.jwks()).unwrap();
        let callers = format!(
            "[revert_jwt:test]\nissuer = {ISSUER}\naudiences = {AUDIENCE}\njwks_file = {}\n",
            jwks.display()
        );
        setup.configure(world, database, &format!("{revert}\n{callers}"));
        setup
    }

    /// `scrub_time` is a line for `[DEFAULT]`; `revert` are lines for `[revert]`.
    pub(crate) fn with_scrub_time(world: &World, scrub_time: &str, revert: &str) -> Self {
        let setup = Self::new(world, &world.db.url(), "");
        let path = setup.folder.path().join("test.conf");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("scrub_time = 60\n", scrub_time);
        let text = text.replace("min_scrub_time = 0\n", &format!("{revert}\n"));
        fs::write(path, text).unwrap();
        setup
    }

    /// Logs less, for tests with many rounds.
    pub(crate) fn quiet(self) -> Self {
        Self { log: "info", ..self }
    }

    /// `sections` configure who may call; the test makes its own tokens.
    pub(crate) fn with_callers(world: &World, sections: &str) -> Self {
        let setup = Self::empty();
        setup.configure(world, &world.db.url(), sections);
        setup
    }

    /// `rest` continues `[revert]`.
    fn configure(&self, world: &World, database: &str, rest: &str) {
        let text = format!(
            "[DEFAULT]\ndelayed_delete = True\nscrub_time = 60\nwakeup_time = 1\n\
             scrub_pool_size = 2\n[database]\nconnection = {database}\n\
             [glance_store]\nstores = file\nfilesystem_store_datadir = {}\n\
             [revert]\nbind = 127.0.0.1:0\nops_bind = 127.0.0.1:0\nlog_format = json\n\
             first_pass_delay = 0\nmin_scrub_time = 0\n{rest}",
            world.datadir().display(),
        );
        fs::write(self.folder.path().join("test.conf"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glance-revert"));
        let file = self.folder.path().join("test.conf");
        command.args(arguments).arg("--config-file").arg(file);
        command.args(["--log", self.log]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output();
        let output = tokio::time::timeout(DEADLINE, output).await.unwrap().unwrap();
        output::keep("run", &[&output.stdout, &output.stderr]);
        output
    }

    /// Starts a command that the test will kill.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(output::sink("spawn"))
            .stderr(output::sink("spawn"))
            .spawn()
            .unwrap()
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) async fn serve(&self) -> Service {
        let own = || self.folder.path().join(format!("log-{}", uuid::Uuid::new_v4()));
        self.serve_with_log(output::path("log").unwrap_or_else(own)).await
    }

    /// The same, with its log in a file of the test.
    pub(crate) async fn serve_with_log(&self, log: PathBuf) -> Service {
        let mut command = self.command(&["serve"]);
        command.stdout(output::sink("serve")).stderr(fs::File::create(&log).unwrap());
        let mut service = self.service(command.spawn().unwrap(), log);
        let line = service.said("serving").await;
        service.listens_at(&line);
        service
    }

    /// Starts `serve`; the reader of its log disappears as soon as it listens.
    pub(crate) async fn serve_without_log(&self) -> Service {
        let mut command = self.command(&["serve"]);
        command.stdout(output::sink("serve")).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut service = self.service(child, self.folder.path().join("none"));
        while let Some(line) = log.next_line().await.unwrap() {
            if let Some(line) = fields(std::iter::once(&*line)).find(|l| l["message"] == "serving")
            {
                service.listens_at(&line);
                return service;
            }
        }
        panic!("it ended before it listened")
    }

    fn service(&self, child: Child, log: PathBuf) -> Service {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = self.token.clone();
        Service { child, log, client, token, api: String::new(), ops: String::new() }
    }
}

/// The fields of each valid log line.
fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Value> {
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|line| if line["fields"].is_object() { line["fields"].clone() } else { line })
}

/// `glance-revert serve`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) child: Child,
    log: PathBuf,
    client: reqwest::Client,
    token: String,
    pub(crate) api: String,
    ops: String,
}

impl Service {
    fn listens_at(&mut self, line: &Value) {
        line["api"].as_str().unwrap().clone_into(&mut self.api);
        line["ops"].as_str().unwrap().clone_into(&mut self.ops);
    }

    /// Waits for a log line with this message.
    pub(crate) async fn said(&self, message: &str) -> Value {
        until(message, async || {
            let text = fs::read_to_string(&self.log).unwrap();
            // Parses only lines that may match, because there can be many.
            fields(text.lines().filter(|line| line.contains(message)))
                .find(|line| line["message"] == message)
        })
        .await
    }

    /// The whole log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The fields of each log line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        fields(text.lines()).collect()
    }

    /// Sends a revert.
    pub(crate) async fn revert(&self, id: &str) -> Result<reqwest::Response, reqwest::Error> {
        let url = format!("http://{}/v2/images/{id}/actions/revert", self.api);
        self.client.post(url).bearer_auth(&self.token).send().await
    }

    /// Sends another request as an admin.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let url = format!("http://{}{path}", self.api);
        self.client.post(url).bearer_auth(&self.token).json(body).send().await
    }

    /// The value of the header with the token.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// The status of a request to the ops listener.
    pub(crate) async fn probe(&self, path: &str) -> StatusCode {
        let url = format!("http://{}{path}", self.ops);
        self.client.get(url).send().await.unwrap().status()
    }

    /// The body of a response from the ops listener.
    pub(crate) async fn text(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.ops);
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.ops);
        let text = self.client.get(url).send().await.unwrap().text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }

    /// Waits until `/readyz` answers with this status.
    pub(crate) async fn ready(&self, status: StatusCode) {
        until("readiness", async || (self.probe("/readyz").await == status).then_some(())).await;
    }

    /// Sends SIGTERM.
    pub(crate) async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let kill = ["-c", "kill -s \"$0\" \"$1\"", name, &pid];
        assert!(Command::new("sh").args(kill).status().await.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        ended.unwrap().unwrap()
    }
}
