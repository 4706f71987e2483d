//! Keystone's identity API v3: login, catalog, token validation.
//!
//! No message made here quotes a Keystone response, which may repeat the validated token.
//! Interpreting responses is the caller's job.

mod address;
mod catalog;
mod login;
mod login_body;
mod service_user;

use std::time::Duration;

use reqwest::header::{self, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

pub use self::address::{AddressError, KeystoneUrl};
pub use self::catalog::{Catalog, Interface};
pub use self::login::{LoginError, Session};
pub use self::service_user::ServiceUser;

use super::retry::retried;
use super::{Client, FreshClient, RequestBuilder, Response, body, root_cause, secret_header};

const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const X_SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// Declares that the caller enforces access rules. Without it Keystone answers 404 for application
/// credentials that have some.
const ACCESS_RULES: HeaderName = HeaderName::from_static("openstack-identity-access-rules");

/// The longest response that is read, in bytes; large catalogs have some tens of KiB.
const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// Time-out and retries of requests to Keystone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one request including its retries.
    pub deadline: Duration,
    /// How often a failed connection attempt is repeated. A request that was sent is never sent
    /// again.
    pub retries: u32,
}

/// One Keystone.
#[derive(Debug, Clone)]
pub struct KeystoneApi {
    http: FreshClient,
    url: KeystoneUrl,
    patience: Patience,
}

/// Which tokens a validation accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Age {
    /// Only tokens that are valid now.
    Unexpired,
    /// Also tokens that expired within Keystone's `[token] allow_expired_window`: for a call that a
    /// service forwards long after its caller made it.
    ExpiredToo,
}

/// Keystone's response, read completely.
pub struct KeystoneAnswer {
    /// The status.
    pub status: u16,
    /// Whether its content type is JSON, as in all of Keystone's own responses.
    pub is_json: bool,
    /// The token issued by a login.
    pub(super) subject_token: Option<SecretString>,
    /// May hold tokens: only parse it, never log it.
    pub body: Vec<u8>,
}

/// Why Keystone did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection, or a broken one.
    #[error("Keystone cannot be reached: {0}")]
    Unreachable(String),
    /// The time-out passed.
    #[error("Keystone did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The response is longer than any of Keystone's.
    #[error("Keystone's answer is longer than {0} bytes")]
    TooLong(usize),
    /// A token that is not a valid header value.
    #[error("the token has invalid characters")]
    NotAToken,
}

impl KeystoneApi {
    /// Connects to nothing yet.
    pub fn new(http: impl Into<FreshClient>, url: KeystoneUrl, patience: Patience) -> Self {
        Self { http: http.into(), url, patience }
    }

    /// Validates `subject` with `asker`'s token, without the catalog: `GET
    /// /v3/auth/tokens?nocatalog`.
    pub async fn validate(
        &self,
        asker: &SecretString,
        subject: &SecretString,
        age: Age,
    ) -> Result<KeystoneAnswer, CallError> {
        let url = self.url.join(match age {
            Age::Unexpired => "/auth/tokens?nocatalog",
            Age::ExpiredToo => "/auth/tokens?nocatalog&allow_expired=1",
        });
        let (asker, subject) = (token_header(asker)?, token_header(subject)?);
        let question = |http: &Client| {
            http.get(&url)
                .header(header::ACCEPT, "application/json")
                .header(X_AUTH_TOKEN, asker.clone())
                .header(X_SUBJECT_TOKEN, subject.clone())
                .header(ACCESS_RULES, "1")
        };
        self.ask(question).await
    }

    /// Whether the server identifies itself as Keystone v3: `GET /v3`.
    pub async fn version(&self) -> Result<bool, CallError> {
        let url = self.url.join("");
        let question = |http: &Client| http.get(&url).header(header::ACCEPT, "application/json");
        let answer = self.ask(question).await?;
        let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = document.pointer("/version/id").and_then(serde_json::Value::as_str);
        Ok(answer.status == 200 && id.is_some_and(|id| id.starts_with("v3")))
    }

    /// Sends `POST /v3/auth/tokens` with this body once.
    async fn log_in(&self, body: &[u8], catalog: bool) -> Result<KeystoneAnswer, CallError> {
        let path = if catalog { "/auth/tokens" } else { "/auth/tokens?nocatalog" };
        let url = self.url.join(path);
        let login = |http: &Client| {
            http.post(&url)
                .header(header::ACCEPT, "application/json")
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_vec())
        };
        self.ask(login).await
    }

    async fn ask(
        &self,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<KeystoneAnswer, CallError> {
        let deadline = self.patience.deadline;
        let exchange = async {
            let http = self.http.current().await;
            KeystoneAnswer::read(self.connect(|| request(&http)).await?).await
        };
        tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(CallError::TimedOut(deadline)))
    }

    /// Sends a request; repeats it only if no connection could be made.
    async fn connect(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, CallError> {
        // Uses a new connection each time: requests are rare, and uWSGI, which serves many
        // Keystones, closes idle connections silently. A request sent on one could not be repeated,
        // since it may have been carried out.
        let attempt = || request().header(header::CONNECTION, "close").send();
        let sent = retried(self.patience.retries, attempt, reqwest::Error::is_connect).await;
        sent.map_err(|error| {
            if error.is_timeout() && !error.is_connect() {
                CallError::TimedOut(self.patience.deadline)
            } else {
                CallError::Unreachable(root_cause(error))
            }
        })
    }
}

impl KeystoneAnswer {
    async fn read(response: Response) -> Result<Self, CallError> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let is_json = super::header(headers, header::CONTENT_TYPE)
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        let subject_token = super::header(headers, X_SUBJECT_TOKEN).map(SecretString::from);
        let body = body(response, LONGEST_BODY).await.map_err(|error| match error {
            super::BodyError::TooLong(limit) => CallError::TooLong(limit),
            super::BodyError::Cut(cause) => CallError::Unreachable(cause),
        })?;
        Ok(Self { status, is_json, subject_token, body })
    }
}

impl std::fmt::Debug for KeystoneAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeystoneAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

fn token_header(token: &SecretString) -> Result<HeaderValue, CallError> {
    secret_header(token.expose_secret()).ok_or(CallError::NotAToken)
}
