//! The real Keystone, served by uWSGI on a copy of the prepared one.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use glance_revert::config::KeystoneConfig;
use glance_revert::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::process::Process;
use crate::support::{env, keystone_world};

/// The password of the user that `keystone-manage bootstrap` creates.
pub(crate) const ADMIN_PASSWORD: &str = "keystone-admin";
/// The password of every user created here.
pub(crate) const USER_PASSWORD: &str = crate::support::canary::KEYSTONE_PASSWORD;
/// Attempts, because two Keystones may have picked the same port.
const STARTS: usize = 3;
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// The kind of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Fernet,
    Jws,
}

/// A running Keystone; stopped when dropped, or with the test binary.
#[derive(Debug)]
pub(crate) struct Keystone {
    // Before the folder: fields are dropped in this order.
    _process: Process,
    _folder: TempDir,
    /// Without a version.
    pub(crate) url: String,
    http: reqwest::Client,
    names: AtomicUsize,
    admin: OnceCell<String>,
}

/// A user of the default domain.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Keystone {
    /// The Keystone that all tests of this provider share. They create their own users and
    /// projects.
    pub(crate) async fn shared(provider: Provider) -> &'static Self {
        static FERNET: OnceCell<Keystone> = OnceCell::const_new();
        static JWS: OnceCell<Keystone> = OnceCell::const_new();
        let cell = match provider {
            Provider::Fernet => &FERNET,
            Provider::Jws => &JWS,
        };
        cell.get_or_init(|| Self::start(provider, Duration::from_hours(1))).await
    }

    /// A separate Keystone, whose tokens live this long.
    pub(crate) async fn start(provider: Provider, expiration: Duration) -> Self {
        let folder = TempDir::new().unwrap();
        copy(&env::keystone_prepared(), folder.path());
        configure(folder.path(), provider, expiration);
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let mut log = String::new();
        for _ in 0..STARTS {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let process = spawn(folder.path(), port);
            let url = format!("http://127.0.0.1:{port}");
            if ready(&http, &url, &process).await {
                let (names, admin) = (AtomicUsize::new(0), OnceCell::new());
                return Self { _process: process, _folder: folder, url, http, names, admin };
            }
            log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            if !log.contains("Address already in use") {
                break;
            }
        }
        panic!("Keystone did not start:\n{log}")
    }

    /// A name that no other test uses.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes any call; returns status and body (`null` without a body). `path` begins after `/v3`.
    pub(crate) async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}/v3{path}", self.url);
        let mut request = self.http.request(method, url).header("X-Auth-Token", token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// A call as the cloud's admin, which must succeed.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let token = self.admin.get_or_init(|| self.admin_token()).await;
        let (status, answer) = self.call(token, method, path, body).await;
        assert!(status < 300, "{path} answered {status}: {answer}");
        answer
    }

    /// `POST /v3/auth/tokens`: the token, or the status of the refusal.
    pub(crate) async fn log_in(&self, auth: &Value) -> Result<String, u16> {
        let request = self.http.post(format!("{}/v3/auth/tokens", self.url));
        let response = request.json(&json!({ "auth": auth })).send().await.unwrap();
        let token = response.headers().get("x-subject-token");
        let token = token.map(|token| token.to_str().unwrap().to_owned());
        token.ok_or(response.status().as_u16())
    }

    /// A token of the user for a scope: `{"project": {"id": ..}}` or the word `unscoped`.
    pub(crate) async fn token(&self, user: &User, scope: Value) -> String {
        let user = json!({ "id": user.id, "password": USER_PASSWORD });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        self.log_in(&json!({ "identity": identity, "scope": scope })).await.unwrap()
    }

    /// A new token of the cloud's admin, in the project `admin`.
    pub(crate) async fn admin_token(&self) -> String {
        let domain = json!({ "id": "default" });
        let project = json!({ "project": { "name": "admin", "domain": domain } });
        self.bootstrap_token(project).await
    }

    /// A new token of the cloud's admin, in a scope.
    pub(crate) async fn bootstrap_token(&self, scope: Value) -> String {
        let domain = json!({ "id": "default" });
        let user = json!({ "name": "admin", "domain": domain, "password": ADMIN_PASSWORD });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        self.log_in(&json!({ "identity": identity, "scope": scope })).await.unwrap()
    }

    /// Creates one of `projects`, `users`, `roles`, ..; returns its id.
    pub(crate) async fn create(&self, collection: &str, body: Value) -> String {
        let kind = collection.strip_suffix('s').unwrap();
        let body = json!({ (kind): body });
        let answer = self.admin(Method::POST, &format!("/{collection}"), Some(&body)).await;
        answer[kind]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn project(&self) -> String {
        self.create("projects", json!({ "name": self.name("project"), "domain_id": "default" }))
            .await
    }

    pub(crate) async fn user(&self) -> User {
        let name = self.name("user");
        let body = json!({ "name": name, "domain_id": "default", "password": USER_PASSWORD });
        User { id: self.create("users", body).await, name }
    }

    /// The id of a predefined role.
    pub(crate) async fn role(&self, name: &str) -> String {
        let answer = self.admin(Method::GET, &format!("/roles?name={name}"), None).await;
        answer["roles"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Gives a user a role; `place` is `projects/<id>`, `domains/<id>` or `system`.
    pub(crate) async fn assign(&self, user: &User, role_id: &str, place: &str) {
        let path = format!("/{place}/users/{}/roles/{role_id}", user.id);
        self.admin(Method::PUT, &path, None).await;
    }

    /// A new user with a role in a new project: the user, and the project's id.
    pub(crate) async fn user_with(&self, role: &str) -> (User, String) {
        let (user, project) = (self.user().await, self.project().await);
        let role = self.role(role).await;
        self.assign(&user, &role, &format!("projects/{project}")).await;
        (user, project)
    }

    /// Adds a service to the catalog, with a public endpoint.
    pub(crate) async fn publish(&self, service_type: &str, url: &str) {
        let name = self.name("service");
        let service = self.create("services", json!({ "type": service_type, "name": name })).await;
        let endpoint = json!({ "service_id": service, "interface": "public", "url": url });
        self.create("endpoints", endpoint).await;
    }

    /// The section `[keystone_authtoken]`, with the login of a user created here.
    pub(crate) fn authtoken(&self, user: &User, project: &str) -> String {
        format!(
            "[keystone_authtoken]\nauth_url = {}\nauth_type = password\nusername = {}\n\
             password = {USER_PASSWORD}\nproject_id = {project}\nuser_domain_id = default\n",
            self.url, user.name
        )
    }

    /// The parsed section, with another login.
    pub(crate) fn config(&self, login: impl Into<Option<Credentials>>) -> KeystoneConfig {
        KeystoneConfig { retries: 3, ..keystone_world::config(&self.url, login) }
    }
}

/// The login of a user created here.
pub(crate) fn password_of(user: &User, project: &str) -> Credentials {
    // The domain is given by its id, as some deployers do.
    let domain = Domain::NameOrId("default".to_owned());
    Credentials::Password {
        user: Identifier::Name { name: user.name.clone(), domain },
        password: USER_PASSWORD.into(),
        scope: Scope::Project(Identifier::Id(project.to_owned())),
    }
}

fn configure(folder: &Path, provider: Provider, expiration: Duration) {
    let provider = match provider {
        Provider::Fernet => "fernet",
        Provider::Jws => "jws",
    };
    let path = folder.join("keystone.conf");
    let prepared = fs::read_to_string(&path).unwrap();
    let seconds = expiration.as_secs();
    let text = format!("{prepared}[token]\nprovider = {provider}\nexpiration = {seconds}\n");
    fs::write(path, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn spawn(folder: &Path, port: u16) -> Process {
    let folder = folder.to_owned();
    let bin = env::keystone_python().parent().unwrap().to_owned();
    let program = bin.join("uwsgi").display().to_string();
    Process::start(&program, move |command| {
        let log = File::create(folder.join("log")).unwrap();
        command
            .args(["--http-socket", &format!("127.0.0.1:{port}"), "--need-app"])
            .args(["--module", "keystone.wsgi.api:application", "--enable-threads", "--lazy-apps"])
            // One request at a time: threads share Keystone's cache in memory, and lose roles of
            // each other's tokens while one of them clears it.
            .args(["--threads", "1", "--buffer-size", "65535", "--die-on-term"])
            // uWSGI closes after each response, and a client that does not know this may lose its
            // next request.
            .args(["--add-header", "Connection: close"])
            .arg("--home")
            .arg(bin.parent().unwrap())
            .env("OS_KEYSTONE_CONFIG_DIR", &folder)
            .env("OS_KEYSTONE_CONFIG_FILES", folder.join("keystone.conf"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
    })
    .unwrap()
}

/// Waits until Keystone answers; false if it ended first.
async fn ready(http: &reqwest::Client, url: &str, process: &Process) -> bool {
    let began = Instant::now();
    while began.elapsed() < START_TIMEOUT {
        if process.exit_status().is_some() {
            return false;
        }
        let answer = http.get(format!("{url}/v3")).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}
