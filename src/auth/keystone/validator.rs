//! Validates tokens with Keystone and caches the result for a while.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::token_info::{self, TokenInfo, TokenRules, refused, unavailable};
use crate::auth::token_cache::{Fingerprint, TokenCache};
use crate::domain::principal::{AuthError, Token};
use crate::domain::time::Clock;
use crate::net::keystone::{Age, KeystoneAnswer, KeystoneApi, ServiceUser};
use crate::net::single_flight::SingleFlight;

/// For one call as a whole: login, waiting for a slot, retries.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// Validations in flight at a time, so as not to overload a slow Keystone.
const IN_FLIGHT: usize = 16;
/// The longest token that is validated, in bytes. Keystone's have 180 to some 700.
const LONGEST_TOKEN: usize = 8 * 1024;

/// A Keystone, our login there, and the cache.
pub(super) struct Validator {
    pub(super) api: KeystoneApi,
    /// Our login; `None` validates each token with itself.
    pub(super) asker: Option<ServiceUser>,
    pub(super) rules: TokenRules,
    clock: Arc<dyn Clock>,
    cache: TokenCache<TokenInfo>,
    turns: Semaphore,
    questions: SingleFlight<Question, Result<TokenInfo, AuthError>>,
}

/// The key under which concurrent callers share one validation. Includes the age: a caller that may
/// not use an expired token must not get the answer for one that may.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    about: Fingerprint,
    age: Age,
}

impl Validator {
    pub(super) fn new(
        api: KeystoneApi,
        asker: Option<ServiceUser>,
        rules: TokenRules,
        cache: TokenCache<TokenInfo>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (turns, questions) = (Semaphore::new(IN_FLIGHT), SingleFlight::default());
        Self { api, asker, rules, clock, cache, turns, questions }
    }

    /// The cached answer about the token.
    pub(super) fn known(&self, token: &Token) -> Option<TokenInfo> {
        self.cache.get(&self.cache.fingerprint(token.expose()), self.clock.now())
    }

    /// What Keystone says about the token; from the cache if possible.
    pub(super) async fn validate(
        self: &Arc<Self>,
        token: &Token,
        age: Age,
    ) -> Result<TokenInfo, AuthError> {
        check_form(token)?;
        if let Some(known) = self.known(token) {
            return Ok(known);
        }
        let question = Question { about: self.cache.fingerprint(token.expose()), age };
        let ask = || {
            let (validator, subject) = (Arc::clone(self), SecretString::from(token.expose()));
            async move { validator.find_out(question, subject).await }.boxed()
        };
        self.questions.join(&question, ask).await
    }

    async fn find_out(
        &self,
        question: Question,
        subject: SecretString,
    ) -> Result<TokenInfo, AuthError> {
        // The previous flight may have ended between the check and the join.
        if let Some(known) = self.cache.get(&question.about, self.clock.now()) {
            return Ok(known);
        }
        let asking = async {
            let _turn = self.turns.acquire().await.map_err(unavailable)?;
            // The answer is as old as the request.
            let asked = self.clock.now();
            let body = self.ask(&subject, question.age).await?;
            Ok((token_info::read(&body, &self.rules, asked, question.age)?, asked))
        };
        let (info, asked) = in_time(asking).await?;
        self.cache.put(question.about, info.clone(), asked, info.expires_at);
        Ok(info)
    }

    /// The body of a 200.
    pub(super) async fn ask(&self, subject: &SecretString, age: Age) -> Result<Vec<u8>, AuthError> {
        let Some(user) = &self.asker else {
            let answer = self.api.validate(subject, subject, age).await;
            let answer = answer.map_err(unavailable)?;
            // A token that validates itself gets 401 if it is not good.
            return match answer.status {
                401 if answer.is_json => Err(refused("unknown")),
                _ => read(answer),
            };
        };
        // Once more with a new token of ours if the old one was refused.
        for _ in 0..2 {
            let session = user.session().await.map_err(unavailable)?;
            let answer = self.api.validate(&session.token, subject, age).await;
            let answer = answer.map_err(unavailable)?;
            if answer.status != 401 || !answer.is_json {
                return read(answer);
            }
            user.forget(&session);
        }
        Err(unavailable("Keystone refuses the token of this service's user (401), also a new one"))
    }
}

/// Gives up after [`DEADLINE`].
pub(super) async fn in_time<T>(
    asking: impl Future<Output = Result<T, AuthError>>,
) -> Result<T, AuthError> {
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| {
        let seconds = DEADLINE.as_secs();
        Err(unavailable(format!("Keystone did not answer within {seconds} s")))
    })
}

/// Refuses what cannot be a token without asking Keystone. Fernet, JWS and UUID tokens are all
/// base64url, dots and `=`; some other providers use more of base64.
pub(super) fn check_form(token: &Token) -> Result<(), AuthError> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=+/".contains(&byte);
    if token.expose().len() > LONGEST_TOKEN {
        return Err(refused("too_long"));
    }
    if !token.expose().bytes().all(known) {
        return Err(refused("characters"));
    }
    Ok(())
}

fn read(answer: KeystoneAnswer) -> Result<Vec<u8>, AuthError> {
    match (answer.status, answer.is_json) {
        (200, true) => Ok(answer.body),
        (404, true) => Err(refused("unknown")),
        (400, true) => Err(refused("malformed")),
        (403, true) => Err(unavailable(
            "Keystone does not allow this service's user to validate tokens (403): give it the \
             role service, or admin, in its project",
        )),
        (status @ (429 | 500..), _) => {
            Err(unavailable(format!("Keystone reports that it is unavailable ({status})")))
        }
        (status, false) => Err(unavailable(format!(
            "the server at [keystone_authtoken] auth_url is not a Keystone v3 ({status}): check \
             its host, port and path"
        ))),
        (status, true) => {
            Err(unavailable(format!("Keystone answered the validation of a token with {status}")))
        }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("api", &self.api)
            .field("asker", &self.asker)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
