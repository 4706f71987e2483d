//! Whether this process is ready for requests.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::domain::repo::{DatabaseHealth, RepoError};
use crate::domain::tables::{OwnTables, TablesState};

/// How long a ping's result is cached, so that probes put no load on the database.
const FRESH: Duration = Duration::from_secs(1);
/// Time-out of a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of rehearsing a revert's statements is cached.
const REHEARSED: Duration = Duration::from_secs(30);

/// The results of the readiness checks.
#[derive(Debug, Clone)]
pub(super) struct Checks {
    /// The database answers and would permit a revert.
    pub(super) database: bool,
    /// The process is shutting down.
    pub(super) draining: bool,
    /// The state of our own tables at the last check; reverts work without them.
    pub(super) tables: Option<TablesState>,
}

impl Checks {
    pub(super) fn ready(&self) -> bool {
        self.database && !self.draining
    }
}

#[derive(Debug)]
pub(super) struct Readiness {
    health: Arc<dyn DatabaseHealth>,
    tables: Arc<dyn OwnTables>,
    draining: CancellationToken,
    /// The last ping's result and its time. Locked during a ping, so that concurrent probes share
    /// it.
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    answer: Option<(Instant, bool)>,
    rehearsed: Option<Instant>,
    /// Continues after its probe has gone: on a slow database all of its statements together may
    /// take longer than a probe waits.
    rehearsal: Option<JoinHandle<Result<TablesState, RepoError>>>,
    tables: Option<TablesState>,
}

impl Readiness {
    pub(super) fn new(
        health: Arc<dyn DatabaseHealth>,
        tables: Arc<dyn OwnTables>,
        draining: CancellationToken,
    ) -> Self {
        Self { health, tables, draining, last: Mutex::default() }
    }

    pub(super) async fn checks(&self) -> Checks {
        let mut last = self.last.lock().await;
        let database = self.database(&mut last).await;
        let draining = self.draining.is_cancelled();
        Checks { database, draining, tables: last.tables.clone() }
    }

    async fn database(&self, last: &mut Last) -> bool {
        if let Some((at, answer)) = last.answer
            && at.elapsed() < FRESH
        {
            return answer;
        }
        let is_rehearsed = last.rehearsed.is_some_and(|at| at.elapsed() < REHEARSED);
        let asked = async {
            if is_rehearsed {
                self.health.ping().await?;
                return self.tables.state().await;
            }
            self.rehearse(&mut last.rehearsal).await
        };
        let problem = match timeout(PING_TIMEOUT, asked).await {
            Ok(Ok(tables)) => {
                last.note_tables(tables);
                None
            }
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

    /// Starts a rehearsal, or waits for the one that an earlier probe started.
    async fn rehearse(
        &self,
        rehearsal: &mut Option<JoinHandle<Result<TablesState, RepoError>>>,
    ) -> Result<TablesState, RepoError> {
        let running = rehearsal.get_or_insert_with(|| {
            let (health, tables) = (Arc::clone(&self.health), Arc::clone(&self.tables));
            tokio::spawn(async move {
                health.rehearse().await?;
                tables.rehearse().await
            })
        });
        let done = running.await;
        *rehearsal = None;
        done.unwrap_or_else(|error| Err(RepoError::Unavailable(error.to_string())))
    }
}

impl Last {
    fn note_tables(&mut self, found: TablesState) {
        if self.tables.as_ref() == Some(&found) {
            return;
        }
        match &found {
            TablesState::Unusable(problem) => {
                warn!(problem, "the service's own tables cannot be used");
            }
            TablesState::Missing | TablesState::Present => {
                info!("the service's own tables are {found}");
            }
        }
        self.tables = Some(found);
    }
}

/// Logs changes only, not each probe.
fn report_change(before: Option<bool>, problem: Option<&str>) {
    match (before, problem) {
        (None | Some(true), Some(problem)) => {
            warn!(problem, "not ready: the database is unavailable");
        }
        (Some(false), None) => info!("ready again: the database is available"),
        (Some(false), Some(_)) | (None | Some(true), None) => {}
    }
}
