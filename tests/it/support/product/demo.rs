//! `glance-revert demo`: a service with a few images that needs no other installation.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::daemon::until;

/// Comes back with properties, tags and members.
pub(crate) const GOLDEN: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03";
/// Comes back.
pub(crate) const KERNEL: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
/// Has lost its data.
pub(crate) const LOST: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c04";
/// The project of the incident.
pub(crate) const INCIDENT: &str = "6c2d9f0e8b7a4d5c9e1f3a2b4c6d8e0f";
/// Was never deleted.
pub(crate) const ALIVE: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c06";

/// A running demo; killed when dropped.
#[derive(Debug)]
pub(crate) struct Demo {
    _child: Child,
    folder: TempDir,
    /// `http://address:port` of the API.
    pub(crate) url: String,
    /// The same for the ops listener.
    pub(crate) ops_url: String,
}

impl Demo {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with an incident of this many images.
    pub(crate) async fn incident(images: u32) -> Self {
        Self::start_with(&["--incident", &images.to_string()]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_glance-revert"))
            .arg("demo")
            .arg("--folder")
            .arg(folder.path().join("demo"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let address = async |listener: &str| {
            let address = until("the demo", async || {
                let text = fs::read_to_string(&log).unwrap();
                let (_, rest) = text.split_once(&format!(" {listener}="))?;
                rest.split_once(' ').map(|(address, _)| address.to_owned())
            });
            format!("http://{}", address.await)
        };
        let (url, ops_url) = (address("api").await, address("ops").await);
        Self { _child: child, folder, url, ops_url }
    }

    /// The demo's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    /// A file with the header that authenticates an admin.
    pub(crate) fn header_file(&self) -> PathBuf {
        self.folder().join("admin-header")
    }

    /// The JSON response to an admin's GET.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(format!("{}{path}", self.url));
        let answer = request.header("Authorization", self.authorization()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// The header's value.
    pub(crate) fn authorization(&self) -> String {
        let header = fs::read_to_string(self.header_file()).unwrap();
        header.trim().trim_start_matches("Authorization: ").to_owned()
    }
}
