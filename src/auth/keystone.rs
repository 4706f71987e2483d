//! The verifier of Keystone's tokens.
//!
//! Keystone is always asked: its tokens do not say which roles their holders have. What it says is
//! believed for `token_cache_time`, a minute at most; what went wrong is never kept.

mod cache;
mod setup;
mod worth;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use self::cache::{Cache, Fingerprint};
use crate::domain::principal::{AuthError, Authenticator, Principal, Token};
use crate::domain::time::Clock;
use crate::net::flight::Flights;
use crate::net::keystone::{Answer, KeystoneApi, ServiceUser};

pub use self::setup::KeystoneReport;

/// For one token, with all that it takes: a login, waiting for a turn, retries.
const DEADLINE: Duration = Duration::from_secs(10);
/// So many questions are asked at a time; a Keystone that is slow is not made slower.
const IN_FLIGHT: usize = 16;
/// The longest token that is asked about, in bytes. Keystone's have 180 to some 700.
const LONGEST_TOKEN: usize = 8 * 1024;

/// Asks Keystone who presents a token. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct KeystoneAuthenticator(Arc<Inner>);

struct Inner {
    api: KeystoneApi,
    /// Who asks; `None` asks about each token with itself.
    asker: Option<ServiceUser>,
    allowed_projects: Vec<String>,
    clock: Arc<dyn Clock>,
    cache: Cache,
    turns: Semaphore,
    questions: Flights<Fingerprint, Result<Principal, Outcome>>,
}

/// Why there is no principal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The token is not good; a word for the log.
    Refused(&'static str),
    /// Keystone, or our own user there, is in no state to tell.
    Unavailable(String),
}

impl Outcome {
    fn unavailable(cause: impl fmt::Display) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

impl From<Outcome> for AuthError {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Refused(reason) => Self::Invalid { reason },
            Outcome::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}

#[async_trait]
impl Authenticator for KeystoneAuthenticator {
    async fn authenticate(&self, token: &Token) -> Result<Principal, AuthError> {
        check_form(token.expose())?;
        let fingerprint = self.0.cache.fingerprint(token);
        if let Some(known) = self.0.cache.get(&fingerprint, self.0.clock.now()) {
            return Ok(known);
        }
        let question = || {
            let (inner, subject) = (Arc::clone(&self.0), SecretString::from(token.expose()));
            async move { inner.find_out(fingerprint, subject).await }.boxed()
        };
        Ok(self.0.questions.join(&fingerprint, question).await?)
    }

    fn asks_others(&self, token: &Token) -> bool {
        let fingerprint = self.0.cache.fingerprint(token);
        check_form(token.expose()).is_ok()
            && self.0.cache.get(&fingerprint, self.0.clock.now()).is_none()
    }
}

/// What cannot be a token is not asked about. Fernet, JWS and UUID tokens are all base64url, dots
/// and `=`; some other providers have more of base64.
fn check_form(token: &str) -> Result<(), Outcome> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=+/".contains(&byte);
    if token.len() > LONGEST_TOKEN {
        return Err(Outcome::Refused("too_long"));
    }
    if !token.bytes().all(known) {
        return Err(Outcome::Refused("characters"));
    }
    Ok(())
}

impl Inner {
    async fn find_out(
        &self,
        fingerprint: Fingerprint,
        subject: SecretString,
    ) -> Result<Principal, Outcome> {
        // The question before may have ended between the look and the join.
        if let Some(known) = self.cache.get(&fingerprint, self.clock.now()) {
            return Ok(known);
        }
        let asking = async {
            let _turn = self.turns.acquire().await.map_err(Outcome::unavailable)?;
            // The answer is as old as the question.
            let asked = self.clock.now();
            let body = self.ask(&subject).await?;
            Ok((worth::of(&body, &self.allowed_projects, asked)?, asked))
        };
        let (worth, asked) = tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| {
            let seconds = DEADLINE.as_secs();
            Err(Outcome::unavailable(format!("Keystone did not answer within {seconds} s")))
        })?;
        self.cache.put(fingerprint, worth.principal.clone(), asked, worth.expires_at);
        Ok(worth.principal)
    }

    /// The body of a 200.
    async fn ask(&self, subject: &SecretString) -> Result<Vec<u8>, Outcome> {
        let Some(user) = &self.asker else {
            let answer = self.api.validate(subject, subject).await;
            let answer = answer.map_err(Outcome::unavailable)?;
            // Asked with itself, a token that is not good is no token to ask with either.
            return match answer.status {
                401 if answer.is_json => Err(Outcome::Refused("unknown")),
                _ => read(answer),
            };
        };
        // Once more with a new token of ours, where the old one was refused.
        for _ in 0..2 {
            let session = user.session().await.map_err(Outcome::unavailable)?;
            let answer = self.api.validate(&session.token, subject).await;
            let answer = answer.map_err(Outcome::unavailable)?;
            if answer.status != 401 || !answer.is_json {
                return read(answer);
            }
            user.forget(&session);
        }
        Err(Outcome::unavailable("Keystone refuses our own user's token (401), a new one too"))
    }
}

fn read(answer: Answer) -> Result<Vec<u8>, Outcome> {
    match (answer.status, answer.is_json) {
        (200, true) => Ok(answer.body),
        (404, true) => Err(Outcome::Refused("unknown")),
        (400, true) => Err(Outcome::Refused("malformed")),
        (403, true) => Err(Outcome::unavailable(
            "Keystone does not let our user ask about tokens (403): give it the role service, or \
             admin, in its project",
        )),
        (status @ (429 | 500..), _) => {
            Err(Outcome::unavailable(format!("Keystone is there and cannot serve ({status})")))
        }
        (status, false) => Err(Outcome::unavailable(format!(
            "what answers at [keystone_authtoken] auth_url is not a Keystone v3 ({status}): check \
             its host, port and path"
        ))),
        (status, true) => Err(Outcome::unavailable(format!(
            "Keystone answered a question about a token with {status}"
        ))),
    }
}

impl fmt::Debug for KeystoneAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeystoneAuthenticator")
            .field("api", &self.0.api)
            .field("asker", &self.0.asker)
            .field("allowed_projects", &self.0.allowed_projects)
            .finish_non_exhaustive()
    }
}
