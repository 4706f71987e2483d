//! A DELETE of the real Glance that stops between two of its transactions (`python/stall.py` holds
//! it).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::task::JoinHandle;

use super::Client;

const PATIENCE: Duration = Duration::from_mins(1);

/// A DELETE that waits until it may continue, which never happens if its Glance is killed.
#[derive(Debug)]
pub(crate) struct StalledDelete {
    go: PathBuf,
    answer: JoinHandle<Option<u16>>,
}

impl StalledDelete {
    pub(super) async fn begin(owner: Client, folder: &Path, id: &str, commits: u32) -> Self {
        let mark = folder.join(format!("stall-{id}-{commits}"));
        let request = owner
            .request(Method::DELETE, &format!("/v2/images/{id}"))
            .header("X-Stall-After", commits.to_string())
            .header("X-Stall-File", mark.display().to_string());
        let answer = tokio::spawn(async move {
            let answer = request.send().await.ok()?;
            Some(answer.status().as_u16())
        });
        let stopped = mark.with_extension("stopped");
        let began = Instant::now();
        while !stopped.exists() {
            assert!(!answer.is_finished(), "it has fewer transactions than {commits}");
            assert!(began.elapsed() < PATIENCE, "it never came to transaction {commits}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { go: mark.with_extension("go"), answer }
    }

    /// Lets it continue, and waits for its end.
    pub(crate) async fn go_on(self) {
        std::fs::write(&self.go, "").unwrap();
        assert_eq!(self.answer.await.unwrap(), Some(204));
    }
}
