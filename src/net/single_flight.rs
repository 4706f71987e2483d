//! Deduplicates concurrent work: callers with the same key share one execution.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};

/// Number of keys above which entries without waiting callers are removed.
const SWEEP: usize = 64;

/// The work in progress, by key.
///
/// Results are not cached: a call after the end starts anew. Work continues as long as one caller
/// waits for it.
pub struct SingleFlight<K, T: Clone>(Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>>>);

impl<K: Eq + Hash + Clone, T: Clone> SingleFlight<K, T> {
    /// Joins the work in progress for `key`, or starts it.
    pub async fn join(&self, key: &K, work: impl FnOnce() -> BoxFuture<'static, T>) -> T {
        let shared = self.shared(key, work);
        let result = shared.clone().await;
        let mut flights = self.lock();
        let ours = flights.get(key).and_then(WeakShared::upgrade);
        if ours.is_some_and(|known| known.ptr_eq(&shared)) {
            flights.remove(key);
        }
        result
    }

    fn shared(
        &self,
        key: &K,
        work: impl FnOnce() -> BoxFuture<'static, T>,
    ) -> Shared<BoxFuture<'static, T>> {
        let mut flights = self.lock();
        if let Some(under_way) = flights.get(key).and_then(WeakShared::upgrade)
            && under_way.peek().is_none()
        {
            return under_way;
        }
        if flights.len() >= SWEEP {
            flights.retain(|_, flight| flight.upgrade().is_some());
        }
        let shared = work().shared();
        if let Some(weak) = shared.downgrade() {
            flights.insert(key.clone(), weak);
        }
        shared
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, WeakShared<BoxFuture<'static, T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T: Clone> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, T: Clone> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_the_work_and_later_ones_start_anew() {
        let flights = Arc::new(SingleFlight::<&str, usize>::default());
        let begun = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Notify::new());
        let join = || {
            let (flights, begun, go) = (flights.clone(), begun.clone(), go.clone());
            async move {
                let work = move || {
                    let number = begun.fetch_add(1, Ordering::SeqCst) + 1;
                    async move {
                        go.notified().await;
                        number
                    }
                    .boxed()
                };
                flights.join(&"a", work).await
            }
        };
        let mut both = Box::pin(futures::future::join(join(), join()));
        assert!(futures::poll!(&mut both).is_pending());
        go.notify_one();
        assert_eq!(both.await, (1, 1));
        go.notify_one();
        assert_eq!(join().await, 2);
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn work_continues_after_the_caller_that_started_it_has_gone() {
        let flights = SingleFlight::<u8, &str>::default();
        let go = Notify::new();
        let go = Arc::new(go);
        let work = |go: Arc<Notify>| {
            move || {
                async move {
                    go.notified().await;
                    "done"
                }
                .boxed()
            }
        };
        let mut first = Box::pin(flights.join(&1, work(go.clone())));
        let mut second = Box::pin(flights.join(&1, || panic!("it is under way")));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        go.notify_one();
        assert_eq!(second.await, "done");
    }

    #[test]
    fn entries_without_waiting_callers_are_removed() {
        let flights = SingleFlight::<usize, u8>::default();
        for key in 0..1000 {
            drop(flights.shared(&key, || std::future::pending().boxed()));
        }
        assert!(flights.lock().len() <= SWEEP);
    }
}
