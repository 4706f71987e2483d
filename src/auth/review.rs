//! `mode = tokenreview`: a Kubernetes API server validates each token.
//!
//! The API server also knows what no key can tell: that the pod or `ServiceAccount` is gone. Good
//! answers are cached for ten seconds; everything else is asked anew.

mod answer;

use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::FutureExt;
use serde_json::json;
use tokio::sync::Semaphore;

use self::answer::{ReviewVerdict, judge};
use super::answer::{AnswerProblem, ask};
use super::https_peer::{DEADLINE, HttpsPeer, PeerProblem};
use super::refusal::Refusal;
use super::token_cache::{Fingerprint, TokenCache};
use crate::domain::time::{Clock, Timestamp};
use crate::net::Endpoint;
use crate::net::single_flight::SingleFlight;
use crate::telemetry::metric;

/// Path of the `TokenReview` API.
pub(super) const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// How long a good answer is cached.
const BELIEVED: TimeDelta = TimeDelta::seconds(10);

/// Reviews in flight at a time.
const AT_A_TIME: usize = 16;

/// Why the API server gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReviewProblem {
    /// Our own files cannot be used.
    #[error("{0}")]
    Peer(String),
    /// The server did not answer properly.
    #[error("the API server: {0}")]
    Server(#[from] AnswerProblem),
    /// The response is not a `TokenReview` with a status.
    #[error("the API server's answer is not a TokenReview; check api_server")]
    NotReview,
    /// The cryptographic library could not create a key for the cache.
    #[error("no random key could be made")]
    NoKey,
}

/// Asks one API server; clones share everything.
#[derive(Clone)]
pub(super) struct Reviewer(Arc<Inner>);

struct Inner {
    section: String,
    audiences: Vec<String>,
    endpoint: Endpoint,
    peer: HttpsPeer,
    clock: Arc<dyn Clock>,
    /// Cached good answers; tokens are stored only as keyed hashes.
    cache: TokenCache<String>,
    questions: SingleFlight<Fingerprint, Result<ReviewVerdict, ReviewProblem>>,
    places: Semaphore,
}

impl Reviewer {
    pub(super) fn new(
        section: &str,
        audiences: &[String],
        endpoint: Endpoint,
        peer: HttpsPeer,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ReviewProblem> {
        Ok(Self(Arc::new(Inner {
            section: section.to_owned(),
            audiences: audiences.to_vec(),
            endpoint,
            peer,
            clock,
            cache: TokenCache::new(BELIEVED).ok_or(ReviewProblem::NoKey)?,
            questions: SingleFlight::default(),
            places: Semaphore::new(AT_A_TIME),
        })))
    }

    /// Whether the cache has an answer for this token.
    pub(super) fn knows(&self, token: &str, now: Timestamp) -> bool {
        self.0.cache.get(&self.0.cache.fingerprint(token), now).is_some()
    }

    /// The user name of the token's holder, if the API server accepts it. `end` is its expiry.
    pub(super) async fn review(
        &self,
        token: &str,
        now: Timestamp,
        end: Timestamp,
    ) -> Result<Result<String, Refusal>, ReviewProblem> {
        let about = self.0.cache.fingerprint(token);
        if let Some(username) = self.0.cache.get(&about, now) {
            return Ok(Ok(username));
        }
        let (inner, token) = (Arc::clone(&self.0), token.to_owned());
        let work = move || async move { inner.ask(about, &token, end).await }.boxed();
        match self.0.questions.join(&about, work).await? {
            ReviewVerdict::Good(username) => Ok(Ok(username)),
            ReviewVerdict::Refused(refusal) => Ok(Err(refusal)),
        }
    }

    /// Reviews a made-up token: tests whether the API server lets us ask at all.
    pub(super) async fn trial(&self) -> Result<(), ReviewProblem> {
        self.0.question("glance-revert.check").await.map(|_| ())
    }
}

impl Inner {
    async fn ask(
        &self,
        about: Fingerprint,
        token: &str,
        end: Timestamp,
    ) -> Result<ReviewVerdict, ReviewProblem> {
        let asked = self.clock.now();
        let result = self.question(token).await;
        let outcome = match &result {
            Ok(ReviewVerdict::Good(_)) => "good",
            Ok(ReviewVerdict::Refused(_)) => "refused",
            Err(_) => "failed",
        };
        let issuer = self.section.clone();
        metrics::counter!(metric::TOKEN_REVIEWS_TOTAL, "issuer" => issuer, "outcome" => outcome)
            .increment(1);
        if let Ok(ReviewVerdict::Good(username)) = &result {
            self.cache.put(about, username.clone(), asked, end);
        }
        result
    }

    /// One review, including the wait for a slot, within [`DEADLINE`].
    async fn question(&self, token: &str) -> Result<ReviewVerdict, ReviewProblem> {
        let exchange = async {
            // the semaphore is never closed
            let _place = self.places.acquire().await.ok();
            let ready = self
                .peer
                .ready()
                .await
                .map_err(|e: PeerProblem| ReviewProblem::Peer(e.to_string()))?;
            let body = json!({
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": { "token": token, "audiences": self.audiences },
            });
            let question = ready
                .client
                .post(self.endpoint.url())
                .header("content-type", "application/json")
                .header("accept", "application/json")
                .body(body.to_string());
            let answer = ask(question, ready.token.as_ref()).await?;
            judge(&answer, &self.audiences)
        };
        let answer = tokio::time::timeout(DEADLINE, exchange).await;
        answer.map_err(|_| ReviewProblem::Server(AnswerProblem::Slow))?
    }
}

impl fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviewer").field("section", &self.0.section).finish_non_exhaustive()
    }
}
