//! The demo as a reader of the README runs it: on a terminal, with leftovers of earlier runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chrono::DateTime;
use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support;
use crate::support::binary::glance_revert;
use crate::support::daemon::{DEADLINE, until};
use crate::support::demo::INCIDENT;

/// A demo that chooses its own temporary folder.
struct Demo {
    child: Child,
    api: String,
}

async fn demo(temporary: &Path, log: &str) -> Demo {
    let log = temporary.join(log);
    let child = Command::new(env!("CARGO_BIN_EXE_glance-revert"))
        .arg("demo")
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let api = until("the demo", async || {
        let text = fs::read_to_string(&log).unwrap();
        let (_, rest) = text.split_once(" api=")?;
        rest.split_once(' ').map(|(address, _)| address.to_owned())
    });
    let api = api.await;
    Demo { child, api }
}

impl Demo {
    /// The folder that the README names for this port.
    fn folder(&self, temporary: &Path) -> PathBuf {
        let port = self.api.rsplit(':').next().unwrap();
        temporary.join(format!("glance-revert-demo-{port}"))
    }

    async fn status(&self, temporary: &Path) -> StatusCode {
        let header = fs::read_to_string(self.folder(temporary).join("admin-header")).unwrap();
        let token = header.trim().trim_start_matches("Authorization: ");
        let request = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = request.get(format!("http://{}/v2/pending-deletes", self.api));
        request.header("Authorization", token).send().await.unwrap().status()
    }
}

#[tokio::test]
async fn the_token_of_a_port_is_valid_despite_leftovers() {
    let temporary = TempDir::new().unwrap();
    let mut first = demo(temporary.path(), "first").await;
    let second = demo(temporary.path(), "second").await;
    assert_ne!(first.api, second.api);
    for demo in [&first, &second] {
        assert_eq!(demo.status(temporary.path()).await, StatusCode::OK);
    }
    // a killed demo leaves its folder
    first.child.kill().await.unwrap();
    assert!(first.folder(temporary.path()).exists());
    let third = demo(temporary.path(), "third").await;
    for demo in [&second, &third] {
        assert_eq!(demo.status(temporary.path()).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_demo_ends_with_its_terminal_and_removes_its_files() {
    let temporary = TempDir::new().unwrap();
    let mut demo = demo(temporary.path(), "log").await;
    let folder = demo.folder(temporary.path());
    assert!(folder.exists());
    let pid = demo.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().await.unwrap().success());
    let ended = tokio::time::timeout(DEADLINE, demo.child.wait()).await.unwrap().unwrap();
    assert!(ended.success() && !folder.exists());
}

#[tokio::test]
async fn the_incident_is_one_burst_that_is_scrubbed_in_half_an_hour() {
    let demo = support::demo::Demo::incident(300).await;
    let summary = demo.get("/v2/pending-deletes/summary?group_by=burst").await;
    let group = &summary["groups"][0];
    assert_eq!((&group["project"], &group["images"]), (&INCIDENT.into(), &300.into()));
    let time = |field: &str| DateTime::parse_from_rfc3339(group[field].as_str().unwrap()).unwrap();
    let lasted = (time("last_deleted_at") - time("first_deleted_at")).num_seconds();
    assert!((200..=240).contains(&lasted), "{lasted} s");
    let left = group["seconds_left"].as_i64().unwrap();
    assert!((1_500..=1_800).contains(&left), "{left} s");
    let others: Vec<_> = summary["groups"].as_array().unwrap()[1..]
        .iter()
        .map(|group| (group["project"].as_str().unwrap(), group["images"].as_u64().unwrap()))
        .collect();
    assert!(others.contains(&(INCIDENT, 2)) && others.iter().any(|one| one.0 == "demo"));
}

#[tokio::test]
async fn a_small_incident_is_one_burst_too() {
    let demo = support::demo::Demo::incident(3).await;
    let summary = demo.get("/v2/pending-deletes/summary?group_by=burst").await;
    let groups = summary["groups"].as_array().unwrap().iter();
    let mut of_it = groups.filter(|group| group["project"] == INCIDENT);
    assert_eq!(of_it.next().unwrap()["images"], 3);
    assert_eq!(of_it.next().unwrap()["images"], 2);
    for wrong in ["0", "-1", "many", "100001"] {
        assert_eq!(glance_revert(&["demo", "--incident", wrong]).exit, Some(2), "{wrong}");
    }
}
