//! A real Swift, and direct access to it without the product.

mod keystone;

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use glance_revert::config::{SwiftAccount, SwiftConfig, SwiftLogin};
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub(crate) use self::keystone::Project;
use crate::support::env;
use crate::support::process::Process;
use crate::support::{canary, log};

const PYTHON_FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/peers/python");
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The administrator of the account; the product is `test:reader`, who has only the rights that an
/// ACL grants.
const ADMIN: &str = "test:glance";
pub(crate) const PRODUCT: &str = "test:reader";
pub(crate) const KEY: &str = canary::SWIFT_KEY;

/// One Swift for all tests of this binary; it ends with the binary.
#[derive(Debug)]
pub(crate) struct Swift {
    /// `host:port`; plain HTTP.
    pub(crate) authority: String,
    process: Process,
    folder: TempDir,
}

static SWIFT: OnceCell<Swift> = OnceCell::const_new();

impl Swift {
    pub(crate) async fn shared() -> &'static Self {
        SWIFT.get_or_init(|| Self::start(&[])).await
    }

    /// A separate Swift; `keystone` are the arguments of its second proxy, beginning with a port.
    async fn start(keystone: &[String]) -> Self {
        log::install();
        let keystone = keystone.to_vec();
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (data, log) = (folder.path().join("swift"), folder.path().join("log"));
        let log_file = File::create(&log).unwrap();
        let process = Process::start(&env::swift().display().to_string(), move |command| {
            command
                .arg(format!("{PYTHON_FILES}/swift_server.py"))
                .arg(data)
                .arg(port.to_string())
                .args(keystone)
                .env("SWIFT_KEY", KEY)
                .env("PYTHONPATH", PYTHON_FILES)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .stdin(Stdio::null())
                .stdout(log_file.try_clone().unwrap())
                .stderr(log_file);
        });
        let (process, authority) = (process.unwrap(), format!("127.0.0.1:{port}"));
        let swift = Self { authority, process, folder };
        let began = Instant::now();
        while swift.try_log_in(ADMIN).await.is_none() {
            let told = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(swift.process.exit_status().is_none(), "Swift ended:\n{}", told());
            assert!(began.elapsed() < START_TIMEOUT, "Swift does not answer:\n{}", told());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        swift
    }

    async fn try_log_in(&self, user: &str) -> Option<String> {
        let url = format!("http://{}/auth/v1.0", self.authority);
        let request = http().get(url).header("X-Auth-User", user).header("X-Auth-Key", KEY);
        let answer = request.send().await.ok().filter(|answer| answer.status().is_success())?;
        Some(answer.headers()["x-auth-token"].to_str().unwrap().to_owned())
    }

    /// All rights in the account `AUTH_test`, or in the user's own account.
    pub(crate) async fn account(&self, user: &str) -> Account {
        let token = self.try_log_in(user).await.unwrap();
        let (own, _) = user.split_once(':').unwrap();
        Account { http: http(), token, url: format!("http://{}/v1/AUTH_{own}", self.authority) }
    }

    /// Removes the only object with this content from its disk, like a failed disk.
    pub(crate) fn lose(&self, data: &[u8]) {
        let mut folders = vec![self.folder.path().join("swift/devices/disk/objects")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "data")
                    && std::fs::read(&path).unwrap() == data
                {
                    return std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
                }
            }
        }
        panic!("no object has this content");
    }

    /// A new container in which the product may do everything.
    pub(crate) async fn container(&self) -> Container {
        self.container_named(&format!("c-{}", uuid::Uuid::new_v4().simple())).await
    }

    pub(crate) async fn container_named(&self, name: &str) -> Container {
        let (account, name) = (self.account(ADMIN).await, name.to_owned());
        let container = Container { account, name };
        container.make().await;
        container
    }
}

fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// A store that reaches one container through `authority`.
pub(crate) fn config(authority: &str, container: &str) -> SwiftConfig {
    let login = SwiftLogin::V1 { user: PRODUCT.to_owned(), key: KEY.into() };
    SwiftConfig {
        accounts: vec![SwiftAccount {
            reference: "ref1".to_owned(),
            auth_address: format!("http://{authority}/auth/v1.0"),
            login,
        }],
        default_account: "ref1".to_owned(),
        container: container.to_owned(),
        container_seed: 0,
        multi_tenant: false,
        endpoint: None,
        endpoint_type: "publicURL".to_owned(),
        service_type: "object-store".to_owned(),
        region: None,
        insecure: false,
        ca_file: None,
    }
}

/// An account, with all rights in it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    http: Client,
    pub(crate) token: String,
    pub(crate) url: String,
}

impl Account {
    /// `path` begins with a slash and is quoted.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        self.http.request(method, url).header("X-Auth-Token", &self.token)
    }

    /// Sends a request; any response other than success fails the test.
    pub(crate) async fn done(&self, request: RequestBuilder) -> Response {
        let answer = request.send().await.unwrap();
        let (status, url) = (answer.status(), answer.url().clone());
        if status.is_success() {
            return answer;
        }
        panic!("{url} answers {status}: {}", answer.text().await.unwrap())
    }

    /// The names of a container's objects, or of the containers; `path` as in a URL.
    pub(crate) async fn list(&self, path: &str) -> Vec<String> {
        let (mut names, mut marker) = (Vec::new(), String::new());
        loop {
            let query = format!("{path}?format=json&marker={}", quoted(&marker));
            let answer = self.done(self.request(Method::GET, &query)).await;
            let page: Vec<Value> = answer.json().await.unwrap();
            let page = page.iter().map(|listed| listed["name"].as_str().unwrap().to_owned());
            names.extend(page);
            match names.last() {
                Some(last) if *last != marker => marker.clone_from(last),
                Some(_) | None => return names,
            }
        }
    }
}

/// A container made by [`Swift::container`].
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) account: Account,
    pub(crate) name: String,
}

impl Container {
    pub(crate) async fn make(&self) {
        let request = self.account.request(Method::PUT, &format!("/{}", self.name));
        self.account.done(request).await;
        self.set_allowed(true).await;
    }

    pub(crate) fn object(&self, method: Method, name: &str, query: &str) -> RequestBuilder {
        self.account.request(method, &format!("/{}/{}{query}", self.name, quoted(name)))
    }

    pub(crate) async fn post(&self, header: &str, value: &str) {
        let request = self.account.request(Method::POST, &format!("/{}", self.name));
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        self.account.done(request.header(header, value)).await;
    }

    pub(crate) async fn set_allowed(&self, allowed: bool) {
        let who = if allowed { PRODUCT } else { "" };
        for header in ["X-Container-Read", "X-Container-Write"] {
            self.post(header, who).await;
        }
    }

    pub(crate) async fn put(&self, name: &str, data: &[u8]) {
        // An empty body has no Content-Length by default, but Swift requires one.
        let length = data.len().to_string();
        let request = self.object(Method::PUT, name, "").header("Content-Length", length);
        self.account.done(request.body(data.to_vec())).await;
    }

    /// Uploads a dynamic large object with this many segments, as Glance does; returns its data.
    pub(crate) async fn put_dynamic(&self, name: &str, segments: usize) -> Vec<u8> {
        let mut data = Vec::new();
        for number in 1..=segments {
            let segment = format!("segment {number} of {name};");
            self.put(&format!("{name}-{number:05}"), segment.as_bytes()).await;
            data.extend(segment.as_bytes());
        }
        self.put_manifest(name, &format!("{}/{name}-", self.name)).await;
        data
    }

    /// Uploads only the manifest.
    pub(crate) async fn put_manifest(&self, name: &str, manifest: &str) {
        let manifest = HeaderValue::from_bytes(manifest.as_bytes()).unwrap();
        let request = self.object(Method::PUT, name, "").header("X-Object-Manifest", manifest);
        self.account.done(request.header("Content-Length", "0")).await;
    }

    /// Uploads a static large object with three segments in the same container; returns its data.
    pub(crate) async fn put_static(&self, name: &str) -> Vec<u8> {
        let (mut data, mut lines) = (Vec::new(), Vec::new());
        for number in 1..=3 {
            let (segment, text) = (format!("{name}_{number}"), format!("part {number};"));
            self.put(&segment, text.as_bytes()).await;
            lines.push(json!({ "path": format!("/{}/{segment}", self.name) }));
            data.extend(text.as_bytes());
        }
        let request = self.object(Method::PUT, name, "?multipart-manifest=put");
        self.account.done(request.body(Value::from(lines).to_string())).await;
        data
    }

    pub(crate) async fn get(&self, name: &str) -> Option<Vec<u8>> {
        let answer = self.object(Method::GET, name, "").send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.bytes().await.unwrap().to_vec()),
            404 => None,
            // For a manifest whose segments are gone, or are just being deleted.
            409 | 500 => Some(Vec::new()),
            status => panic!("GET of {name} answers {status}"),
        }
    }

    /// Deletes one object, even if it is a part of another one.
    pub(crate) async fn delete(&self, name: &str) {
        self.account.done(self.object(Method::DELETE, name, "")).await;
    }

    /// What it has under names that begin so, marks and older versions included.
    pub(crate) async fn versions(&self, prefix: &str) -> Vec<Value> {
        let path = format!("/{}?format=json&versions&prefix={}", self.name, quoted(prefix));
        self.account.done(self.account.request(Method::GET, &path)).await.json().await.unwrap()
    }

    pub(crate) async fn names(&self) -> Vec<String> {
        self.account.list(&format!("/{}", self.name)).await
    }

    /// Deletes the container with everything in it.
    pub(crate) async fn destroy(&self) {
        for name in self.names().await {
            self.delete(&name).await;
        }
        let request = self.account.request(Method::DELETE, &format!("/{}", self.name));
        self.account.done(request).await;
    }
}

pub(crate) fn quoted(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
