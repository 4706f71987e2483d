//! `glance-revert demo`: a service with a few images, and nothing else to be installed.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::daemon::until;

/// Comes back with properties, tags and members.
pub(crate) const GOLDEN: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03";
/// Comes back.
pub(crate) const KERNEL: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01";
/// Has lost its data.
pub(crate) const LOST: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c04";
/// Was never deleted.
pub(crate) const ALIVE: &str = "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c06";

/// A demo that serves; killed when dropped.
#[derive(Debug)]
pub(crate) struct Demo {
    _child: Child,
    folder: TempDir,
    /// `http://address:port` of the API.
    pub(crate) url: String,
    /// The same of the second listener.
    pub(crate) ops_url: String,
}

impl Demo {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("log");
        let child = Command::new(env!("CARGO_BIN_EXE_glance-revert"))
            .arg("demo")
            .arg("--folder")
            .arg(folder.path().join("demo"))
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

    /// A file with the header that makes a caller an admin.
    pub(crate) fn header_file(&self) -> PathBuf {
        self.folder.path().join("demo/admin-header")
    }

    /// The header's value.
    pub(crate) fn authorization(&self) -> String {
        let header = fs::read_to_string(self.header_file()).unwrap();
        header.trim().trim_start_matches("Authorization: ").to_owned()
    }
}
