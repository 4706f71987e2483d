//! Blocking calls with a time-out: a hard NFS mount can hang a thread for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::fault::Fault;

/// More hanging threads than this would starve the runtime's pool, which all stores share.
const THREADS: usize = 64;

/// Runs blocking calls of one store.
#[derive(Debug, Clone)]
pub(super) struct Workers {
    permits: Arc<Semaphore>,
    limit: Duration,
}

impl Workers {
    /// `limit` is how long one call may take, the wait for a thread included.
    pub(super) fn new(limit: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(THREADS)), limit }
    }

    /// Runs `work`. A hanging thread keeps its permit until the kernel returns.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, Fault> + Send + 'static,
    {
        let deadline = Instant::now() + self.limit;
        let limit = self.limit;
        let call = async {
            let permit =
                Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Fault::Lost)?;
            let job = move || {
                let _permit = permit;
                if Instant::now() >= deadline { Err(Fault::Late(limit)) } else { work() }
            };
            tokio::task::spawn_blocking(job).await.map_err(|_| Fault::Lost)?
        };
        timeout_at(deadline.into(), call).await.unwrap_or(Err(Fault::Late(limit)))
    }
}

/// A token that only one of two can take: the thread before it changes something, or the caller
/// when it gives up. If the caller took it, a thread that returns late from a hanging share changes
/// nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Takes it; false if it was taken already.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hanging_call_ends_at_the_deadline() {
        let workers = Workers::new(Duration::from_millis(20));
        let (let_go, hang) = std::sync::mpsc::channel::<()>();
        let answer = workers.run(move || hang.recv().map_err(|_| Fault::Lost)).await;
        assert_eq!(answer, Err(Fault::Late(Duration::from_millis(20))));
        assert_eq!(workers.permits.available_permits(), THREADS - 1);
        let_go.send(()).unwrap();
    }

    #[tokio::test]
    async fn work_does_not_start_after_its_deadline() {
        let workers = Workers::new(Duration::ZERO);
        let answer: Result<(), Fault> = workers.run(|| panic!("it was begun")).await;
        assert_eq!(answer, Err(Fault::Late(Duration::ZERO)));
    }

    #[tokio::test]
    async fn a_panic_is_no_answer() {
        let workers = Workers::new(Duration::from_secs(30));
        let answer: Result<(), Fault> = workers.run(|| panic!("on purpose")).await;
        assert_eq!(answer, Err(Fault::Lost));
    }
}
