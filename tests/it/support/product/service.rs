//! The whole service in this process: configuration files in, HTTP out.

use std::path::{Path, PathBuf};

use glance_revert::app::App;
use glance_revert::auth::DemoIssuer;
use glance_revert::config::{Config, Environment, Sources};
use glance_revert::domain::scrub::ScrubReport;
use glance_revert::domain::time::{Clock, SystemClock};
use glance_revert::server::Server;
use glance_revert::server::signals::Shutdown;
use glance_revert::store::StoreOptions;
use glance_revert::telemetry;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::output;

/// A service on free ports of loopback, without a scrubber; stops when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    base: String,
    token: String,
    http: reqwest::Client,
    shutdown: Shutdown,
    sources: Sources,
    folder: TempDir,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `OpenStack-Image-Revert-Restored`.
    pub(crate) restored: String,
    /// `OpenStack-Image-Revert-Warnings`.
    pub(crate) warnings: String,
    pub(crate) body: Value,
}

impl Service {
    /// Starts next to a Glance: with Glance's own configuration file, and a drop-in file as an
    /// operator would add it, with a separate database user and additional lines in `[revert]`.
    pub(crate) async fn start(glance: PathBuf, database: &str, more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let issuer = DemoIssuer::generate("https://issuer.test", "glance-revert").unwrap();
        std::fs::write(folder.path().join("jwks.json"), issuer.jwks()).unwrap();
        let drop_in = drop_in(folder.path(), database, more);
        let roles = ["glance-revert-admin"];
        let token = issuer.token("tests", &roles, SystemClock.now(), Duration::from_hours(1));
        let sources = Sources {
            config_files: vec![glance, drop_in],
            config_dirs: Vec::new(),
            environment: Environment::default(),
        };
        let app = app(&sources);
        let state = app.api_state().unwrap();
        let metrics = telemetry::init_metrics(SystemClock.now()).unwrap();
        let server = Server::bind(app, state, metrics).await.unwrap();
        let base = format!("http://{}", server.api_address().unwrap());
        let shutdown = Shutdown::default();
        tokio::spawn(server.run(shutdown.clone()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = token.unwrap().expose().to_owned();
        Self { base, token, http, shutdown, sources, folder }
    }

    /// The folder of its own files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its base URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Any other request, as an admin.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_at(&self.base, method, path)
    }

    /// The same to another process that has its configuration.
    pub(crate) fn request_at(&self, base: &str, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{base}{path}")).bearer_auth(&self.token)
    }

    /// Its configuration files.
    pub(crate) fn config_files(&self) -> &[PathBuf] {
        &self.sources.config_files
    }

    pub(crate) async fn revert(&self, id: &str) -> Answer {
        self.send(self.request(Method::POST, &format!("/v2/images/{id}/actions/revert"))).await
    }

    pub(crate) async fn revert_with(&self, id: &str, options: &Value) -> Answer {
        let path = format!("/v2/images/{id}/actions/revert");
        self.send(self.request(Method::POST, &path).json(options)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let header = |name: &str| {
            let value = headers.get(format!("openstack-image-revert-{name}"));
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        let (restored, warnings) = (header("restored"), header("warnings"));
        let body = response.bytes().await.unwrap();
        output::answer(&headers, &body);
        Answer { status, restored, warnings, body: serde_json::from_slice(&body).unwrap() }
    }

    /// Runs one pass, with its own connections and locks.
    pub(crate) async fn scrub(&self) -> ScrubReport {
        app(&self.sources).scrubber().unwrap().run_once(&CancellationToken::new()).await.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.hard.cancel();
    }
}

fn app(sources: &Sources) -> App {
    let config = Config::load(sources).unwrap();
    // This process is not a helper, and cannot become one.
    let rbd_helper = env!("CARGO_BIN_EXE_glance-revert").into();
    let options = StoreOptions { rbd_helper, ..StoreOptions::from(&config.revert) };
    App::with_store_options(config, &options).unwrap()
}

fn drop_in(folder: &Path, database: &str, more: &str) -> PathBuf {
    let path = folder.join("glance-revert.conf");
    let text = format!(
        "[database]\nconnection = {database}\n\
         [revert]\nbind = 127.0.0.1:0\nops_bind = 127.0.0.1:0\nscrubber = false\n\
         min_scrub_time = 0\n{more}\
         [revert_jwt:tests]\nissuer = https://issuer.test\naudiences = glance-revert\n\
         jwks_file = {}/jwks.json\n",
        folder.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}
