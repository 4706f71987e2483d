//! Keys fetched from a server, and how long they stay valid.
//!
//! One task fetches; requests only read its last result. A token with an unknown key may trigger an
//! early fetch, at most one every 30 seconds, and waits for it: so a new key works at once, and a
//! flood of tokens does not reach the issuer.

mod fetch;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use chrono::TimeDelta;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

pub(super) use fetch::{FetchProblem, Source};

use super::algorithm::Algorithm;
use super::https_peer::HttpsPeer;
use super::keys::KeySet;
use crate::domain::time::{Clock, Timestamp};
use crate::telemetry::metric;

/// Time between two successful fetches.
const REFRESH: Duration = Duration::from_mins(5);

/// Pause after the first failure; doubles with each further one, up to [`SLOWEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
const SLOWEST_RETRY: Duration = Duration::from_secs(30);

/// At most one fetch per this time is triggered by unknown keys.
const UNKNOWN_KEY: TimeDelta = TimeDelta::seconds(30);

/// How long keys stay valid while every fetch fails.
const BELIEVED: TimeDelta = TimeDelta::hours(24);

/// The keys of one issuer, as of the last successful fetch.
#[derive(Debug)]
pub(super) struct RemoteKeys {
    section: String,
    source: Source,
    allowed: Vec<Algorithm>,
    peer: HttpsPeer,
    clock: Arc<dyn Clock>,
    state: watch::Sender<State>,
    /// Held during a fetch.
    flight: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    fetched: Option<Fetched>,
    /// Why the last fetch failed, if it did.
    problem: Option<String>,
    /// Whether the fetching task runs.
    kept: bool,
    /// How many fetches began, and how many ended; they never overlap.
    begun: u64,
    ended: u64,
    /// The fetch that the last unknown key waits for.
    wanted: u64,
    /// When that key was seen.
    wanted_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

impl RemoteKeys {
    /// Fetches nothing yet.
    pub(super) fn new(
        section: &str,
        source: Source,
        allowed: &[Algorithm],
        peer: HttpsPeer,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            section: section.to_owned(),
            source,
            allowed: allowed.to_vec(),
            peer,
            clock,
            state: watch::Sender::default(),
            flight: Mutex::default(),
        }
    }

    /// The current keys, or why there are none.
    pub(super) fn current(&self, now: Timestamp) -> Result<Arc<KeySet>, String> {
        let state = self.state.borrow();
        let told = match (&state.fetched, &state.problem) {
            (None, None) => "its keys have not been fetched yet".to_owned(),
            (None, Some(problem)) => format!("its keys cannot be fetched: {problem}"),
            (Some(fetched), problem) if now - fetched.at >= BELIEVED => {
                let problem = problem.as_deref().unwrap_or("no answer yet");
                format!("its keys are older than a day, and cannot be fetched: {problem}")
            }
            (Some(fetched), _) if fetched.keys.is_empty() => {
                "its key set has no usable key".to_owned()
            }
            (Some(fetched), _) => return Ok(Arc::clone(&fetched.keys)),
        };
        Err(told)
    }

    /// The keys after a fetch that begins from now on, or that another unknown key just triggered;
    /// `None` if this key may not trigger one.
    pub(super) async fn after_unknown_key(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let mut state = self.state.subscribe();
        let mut awaited = None;
        self.state.send_if_modified(|state| {
            let mine = state.wanted_at.is_none_or(|at| (now - at).abs() >= UNKNOWN_KEY);
            if mine {
                state.wanted = state.begun + 1;
                state.wanted_at = Some(now);
            }
            awaited = (state.wanted > state.ended).then_some(state.wanted);
            mine
        });
        let awaited = awaited?;
        let there = state.wait_for(|state| state.ended >= awaited || !state.kept).await;
        // the sender lives as long as we do
        drop(there);
        self.current(now).ok()
    }

    /// Fetches now, then repeatedly until `stop`.
    pub(super) async fn keep(&self, stop: CancellationToken) {
        self.state.send_modify(|state| state.kept = true);
        let mut wanted = self.state.subscribe();
        let mut failures = 0;
        while let Some(result) = stop.run_until_cancelled(self.fetch()).await {
            failures = if result.is_ok() { 0 } else { failures + 1 };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(jittered(pause(failures))) => {}
                _ = wanted.wait_for(|state| state.wanted > state.begun) => {}
            }
        }
        self.state.send_modify(|state| state.kept = false);
    }

    /// Fetches once; returns the number of keys.
    pub(super) async fn fetch(&self) -> Result<usize, FetchProblem> {
        let _flight = self.flight.lock().await;
        self.state.send_modify(|state| state.begun += 1);
        let result = self.source.fetch(&self.peer, &self.allowed).await;
        let at = self.clock.now();
        self.count(result.is_ok(), at);
        let result = result.map(|keys| Fetched { keys: Arc::new(keys), at });
        self.tell(&result);
        let number = result.as_ref().map(|fetched| fetched.keys.len()).unwrap_or_default();
        let (fetched, problem) = match result {
            Ok(fetched) => (Some(fetched), None),
            Err(problem) => (None, Some(problem)),
        };
        self.state.send_modify(|state| {
            state.ended = state.begun;
            state.problem = problem.as_ref().map(ToString::to_string);
            if fetched.is_some() {
                state.fetched = fetched;
            }
        });
        problem.map_or(Ok(number), Err)
    }

    fn tell(&self, result: &Result<Fetched, FetchProblem>) {
        let section = &self.section;
        let state = self.state.borrow();
        match (result, &state.fetched) {
            (Ok(new), _) if new.keys.is_empty() => {
                tracing::warn!(section, "the issuer's key set has no usable key");
            }
            (Ok(new), Some(old)) if new.keys.same_names(&old.keys) => {
                tracing::debug!(section, "the issuer's keys are the same");
            }
            (Ok(new), _) => {
                tracing::info!(section, keys = new.keys.len(), "new keys of the issuer");
            }
            (Err(problem), Some(_)) => {
                tracing::warn!(section, %problem, "keys cannot be fetched; the old ones stay in use");
            }
            (Err(problem), None) => {
                tracing::warn!(section, %problem, "keys cannot be fetched, and there are none");
            }
        }
    }

    fn count(&self, good: bool, now: Timestamp) {
        let outcome = if good { "fetched" } else { "failed" };
        let issuer = || self.section.clone();
        metrics::counter!(metric::JWKS_FETCHES_TOTAL, "issuer" => issuer(), "outcome" => outcome)
            .increment(1);
        if good {
            metrics::gauge!(metric::JWKS_LAST_FETCH_TIMESTAMP_SECONDS, "issuer" => issuer())
                .set(metric::unix_seconds(now));
        }
    }
}

fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => REFRESH,
        Some(doublings) => FIRST_RETRY.saturating_mul(1 << doublings.min(10)).min(SLOWEST_RETRY),
    }
}

/// Varies a pause by up to a tenth, so that replicas do not fetch at the same time.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // without randomness they fetch together
    let random = if rand::fill(&mut random).is_ok() { random[0] } else { 128 };
    pause.mul_f64(0.9 + 0.2 * f64::from(random) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_issuer_is_retried_sooner_but_with_growing_pauses() {
        let pauses: Vec<_> = [0, 1, 2, 3, 5, 6, 60, u32::MAX].map(|n| pause(n).as_secs()).into();
        assert_eq!(pauses, [300, 1, 2, 4, 16, 30, 30, 30]);
    }

    #[test]
    fn pauses_vary_by_a_tenth() {
        for _ in 0..100 {
            let pause = jittered(REFRESH).as_secs_f64();
            assert!((270.0..=330.0).contains(&pause), "{pause}");
        }
    }
}
