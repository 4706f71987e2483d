//! The service's side of the helpers: starts, calls and kills them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::helper::IDLE;
use super::protocol::{CHUNK, Failure, Reply, Request, Settings};

/// Maximum number of helpers of a store, each with about 40 MiB.
const HELPERS: usize = 4;

/// Requests per helper before it is replaced, which frees what librbd leaks.
const REQUESTS: u32 = 1000;

/// How long after Ceph's own time-out a silent helper counts as hung.
const GRACE: Duration = Duration::from_secs(2);

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The helper cannot be started, or all are busy. Nothing was requested.
    NotAsked(String),
    /// The helper reports a failure; nothing was changed.
    Failed(Failure),
    /// The helper hung or died during the request.
    Lost(String),
}

/// The helpers of one store.
#[derive(Debug)]
pub(super) struct Helpers {
    program: PathBuf,
    settings: Settings,
    permits: Arc<Semaphore>,
    idle: Mutex<VecDeque<Helper>>,
}

/// One helper; killed when dropped.
#[derive(Debug)]
struct Helper {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: u32,
    since: Instant,
}

/// A helper reserved for one task.
#[derive(Debug)]
pub(super) struct Hired {
    helpers: Arc<Helpers>,
    helper: Option<Helper>,
    _permit: OwnedSemaphorePermit,
}

impl Helpers {
    /// `program` is this binary. Starts nothing yet.
    pub(super) fn new(program: PathBuf, settings: Settings) -> Self {
        let idle = Mutex::default();
        Self { program, settings, permits: Arc::new(Semaphore::new(HELPERS)), idle }
    }

    /// Sends one request to a helper.
    pub(super) async fn ask(self: &Arc<Self>, request: &Request) -> Result<Reply, Trouble> {
        let mut hired = self.hire().await?;
        hired.ask(request).await.map(|(reply, _)| reply)
    }

    /// An idle helper, or a new one.
    pub(super) async fn hire(self: &Arc<Self>) -> Result<Hired, Trouble> {
        let busy = || Trouble::NotAsked("all connections to Ceph are busy".to_owned());
        let permit =
            timeout(self.settings.timeout, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| busy())?.map_err(|_| busy())?;
        let waiting = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain_mut(Helper::can_be_asked);
            idle.pop_back()
        };
        let helper = match waiting {
            Some(helper) => helper,
            None => self.start().await?,
        };
        Ok(Hired { helpers: Arc::clone(self), helper: Some(helper), _permit: permit })
    }

    /// All data is passed over its input, nothing in its arguments or environment.
    async fn start(&self) -> Result<Helper, Trouble> {
        let program = self.program.display();
        let cannot =
            |error: std::io::Error| Trouble::NotAsked(format!("cannot run {program}: {error}"));
        let mut command = Command::new(&self.program);
        command.arg(super::HELPER).env_clear().current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(cannot)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(cannot(std::io::ErrorKind::BrokenPipe.into()));
        };
        let output = BufReader::with_capacity(64 * 1024, output);
        let since = Instant::now();
        let mut helper = Helper { child, input, output, requests: 0, since };
        helper.send(&self.settings).await.map_err(cannot)?;
        Ok(helper)
    }
}

impl Hired {
    /// Sends a request; a chunk is followed by its bytes. A helper that does not answer is killed;
    /// one that reports a failure is not used again, because its connection may be broken.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<(Reply, Vec<u8>), Trouble> {
        let lost = || Trouble::Lost("the helper process has ended".to_owned());
        let mut helper = self.helper.take().ok_or_else(lost)?;
        let limit = self.helpers.settings.timeout + GRACE;
        match helper.ask(request, limit).await.map_err(Trouble::Lost)? {
            (Reply::Failed(failure), _) => Err(Trouble::Failed(failure)),
            answer => {
                self.helper = Some(helper);
                Ok(answer)
            }
        }
    }
}

impl Drop for Hired {
    fn drop(&mut self) {
        if let Some(mut helper) = self.helper.take().filter(|helper| helper.requests < REQUESTS) {
            helper.since = Instant::now();
            let idle = self.helpers.idle.lock();
            idle.unwrap_or_else(PoisonError::into_inner).push_back(helper);
        }
    }
}

impl Helper {
    /// False if it is about to exit or was killed while idle.
    fn can_be_asked(&mut self) -> bool {
        self.since.elapsed() < IDLE / 2 && matches!(self.child.try_wait(), Ok(None))
    }

    async fn send(&mut self, message: &impl serde::Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        self.input.flush().await
    }

    /// Sends the request and reads the reply. The error says how the helper ended, as the end of a
    /// sentence.
    async fn ask(
        &mut self,
        request: &Request,
        limit: Duration,
    ) -> Result<(Reply, Vec<u8>), String> {
        let died = |error: std::io::Error| format!("the process that ran librbd ended: {error}");
        self.requests += 1;
        self.send(request).await.map_err(died)?;
        loop {
            let answer = timeout(limit, self.receive()).await;
            match answer.map_err(|_| format!("Ceph did not answer in {} s", limit.as_secs()))? {
                Ok((Reply::Working, _)) => {}
                Ok(answer) => return Ok(answer),
                Err(error) => return Err(died(error)),
            }
        }
    }

    async fn receive(&mut self) -> std::io::Result<(Reply, Vec<u8>)> {
        let mut line = String::new();
        if self.output.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let reply = serde_json::from_str(&line)?;
        let mut bytes = Vec::new();
        if let Reply::Chunk(length) = reply {
            if length > CHUNK {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            bytes.resize(length, 0);
            self.output.read_exact(&mut bytes).await?;
        }
        Ok((reply, bytes))
    }
}
