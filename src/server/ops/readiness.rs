//! Whether requests should be sent here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::domain::repo::ImageRepo;

/// How long the database's last answer is good for: probes must not become its load.
const FRESH: Duration = Duration::from_secs(1);
/// A database that takes longer serves nobody.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// The database answers.
    pub(super) database: bool,
    /// The process is on its way out.
    pub(super) draining: bool,
}

impl Checks {
    pub(super) fn ready(self) -> bool {
        self.database && !self.draining
    }
}

#[derive(Debug)]
pub(super) struct Readiness {
    repo: Arc<dyn ImageRepo>,
    draining: CancellationToken,
    /// The database's last answer, and when it came. Held during a ping, so that probes that come
    /// meanwhile share it.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Readiness {
    pub(super) fn new(repo: Arc<dyn ImageRepo>, draining: CancellationToken) -> Self {
        Self { repo, draining, last: Mutex::new(None) }
    }

    pub(super) async fn checks(&self) -> Checks {
        let database = self.database().await;
        Checks { database, draining: self.draining.is_cancelled() }
    }

    async fn database(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = *last
            && at.elapsed() < FRESH
        {
            return answer;
        }
        let problem = match timeout(PING_TIMEOUT, self.repo.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", PING_TIMEOUT.as_secs())),
        };
        report_change(last.map(|(_, answer)| answer), problem.as_deref());
        *last = Some((Instant::now(), problem.is_none()));
        problem.is_none()
    }
}

/// Logs the change, not each probe.
fn report_change(before: Option<bool>, problem: Option<&str>) {
    match (before, problem) {
        (None | Some(true), Some(problem)) => {
            warn!(problem, "not ready: the database does not answer");
        }
        (Some(false), None) => info!("ready again: the database answers"),
        (Some(false), Some(_)) | (None | Some(true), None) => {}
    }
}
