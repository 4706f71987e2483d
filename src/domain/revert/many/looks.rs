//! Looks at several images that go on while something else is awaited: a look may keep what the
//! other needs, such as the last connection of the pool.

use std::collections::VecDeque;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

/// Looks that run, and results that nobody has taken yet.
pub(super) struct Looks<F: Future> {
    running: FuturesUnordered<F>,
    ended: VecDeque<F::Output>,
}

impl<F: Future> Looks<F> {
    pub(super) fn new() -> Self {
        Self { running: FuturesUnordered::new(), ended: VecDeque::new() }
    }

    pub(super) fn push(&mut self, look: F) {
        self.running.push(look);
    }

    /// How many were begun and not taken.
    pub(super) fn len(&self) -> usize {
        self.running.len() + self.ended.len()
    }

    /// The next result; `None` if no look is left. May be cancelled.
    pub(super) async fn next(&mut self) -> Option<F::Output> {
        match self.ended.pop_front() {
            None => self.running.next().await,
            ended => ended,
        }
    }

    /// Waits for this while the looks go on.
    pub(super) async fn beside<T>(&mut self, mut other: impl Future<Output = T> + Unpin) -> T {
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                Some(ended) = self.running.next() => self.ended.push_back(ended),
            }
        }
    }
}
