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
/// How long a rehearsal of all that a revert says is good for.
const REHEARSED: Duration = Duration::from_secs(30);

/// What was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// The database answers, and would let a revert do its work.
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
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    answer: Option<(Instant, bool)>,
    rehearsed: Option<Instant>,
}

impl Readiness {
    pub(super) fn new(repo: Arc<dyn ImageRepo>, draining: CancellationToken) -> Self {
        Self { repo, draining, last: Mutex::default() }
    }

    pub(super) async fn checks(&self) -> Checks {
        let database = self.database().await;
        Checks { database, draining: self.draining.is_cancelled() }
    }

    async fn database(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = last.answer
            && at.elapsed() < FRESH
        {
            return answer;
        }
        let is_rehearsed = last.rehearsed.is_some_and(|at| at.elapsed() < REHEARSED);
        let asked = async {
            if is_rehearsed { self.repo.ping().await } else { self.repo.rehearse().await }
        };
        let problem = match timeout(PING_TIMEOUT, asked).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", PING_TIMEOUT.as_secs())),
        };
        report_change(last.answer.map(|(_, answer)| answer), problem.as_deref());
        last.answer = Some((Instant::now(), problem.is_none()));
        if problem.is_some() {
            last.rehearsed = None;
        } else if !is_rehearsed {
            last.rehearsed = Some(Instant::now());
        }
        problem.is_none()
    }
}

/// Logs the change, not each probe.
fn report_change(before: Option<bool>, problem: Option<&str>) {
    match (before, problem) {
        (None | Some(true), Some(problem)) => {
            warn!(problem, "not ready: the database does not serve");
        }
        (Some(false), None) => info!("ready again: the database serves"),
        (Some(false), Some(_)) | (None | Some(true), None) => {}
    }
}
