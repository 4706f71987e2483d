//! The JWT verifier as an operator configures it, running, with the test's clock.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use glance_revert::auth::{AuthSetupError, JwtAuthenticator};
use glance_revert::config::{Config, Environment, JwtIssuerConfig, Sources};
use glance_revert::domain::principal::{AuthError, Authenticator, Call, Token};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::api::{Answer, TestApi};
use crate::support::clock::FixedClock;
use crate::support::tokens::merged;

/// The time of an unmoved clock: 2026-11-22T12:00:00Z.
pub(crate) const NOW: i64 = 1_795_348_800;
/// The audience that issuers use for this service.
pub(crate) const AUDIENCE: &str = "glance-revert";

/// A verifier, and the task that refreshes its keys; stops when dropped.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) jwt: Arc<JwtAuthenticator>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) keeping: JoinHandle<()>,
    pub(crate) stop: CancellationToken,
    _drop: DropGuard,
}

impl Verifier {
    /// Starts one from the text of `[revert_jwt:<name>]` sections.
    pub(crate) fn start(sections: &str) -> Self {
        Self::try_start(sections).unwrap()
    }

    pub(crate) fn try_start(sections: &str) -> Result<Self, AuthSetupError> {
        crate::support::log::install();
        let clock = Arc::new(FixedClock::default());
        let jwt = Arc::new(JwtAuthenticator::new(&issuers(sections), clock.clone())?);
        let stop = CancellationToken::new();
        let (kept, stopped) = (Arc::clone(&jwt), stop.clone());
        let keeping = tokio::spawn(async move { kept.keep(stopped).await });
        Ok(Self { jwt, clock, keeping, stop: stop.clone(), _drop: stop.drop_guard() })
    }

    /// `admin`, `caller`, the reason of a refusal, or `unavailable`.
    pub(crate) async fn answer(&self, token: &str) -> &'static str {
        match self.jwt.authenticate(&call_with(token)).await {
            Ok(principal) if principal.is_admin => "admin",
            Ok(_) => "caller",
            Err(AuthError::Invalid { reason }) => reason,
            Err(AuthError::Unavailable(_)) => "unavailable",
        }
    }

    /// The real router with this verifier.
    pub(crate) fn api(&self) -> TestApi {
        TestApi::with(|state| state.bearer = self.jwt.clone())
    }
}

/// Sends a guarded request with this value of `Authorization`.
pub(crate) async fn ask(api: &TestApi, authorization: &[u8]) -> Answer {
    let request = Request::get("/v2/pending-deletes").header("authorization", authorization);
    api.send(request.body(Body::empty()).unwrap()).await
}

fn issuers(sections: &str) -> Vec<JwtIssuerConfig> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("issuers.conf");
    std::fs::write(&file, sections).unwrap();
    let environment = Environment::from_iter([("OS_DATABASE__CONNECTION", "sqlite:////x.sqlite")]);
    let config_files = vec![file];
    let sources = Sources { config_files, config_dirs: Vec::new(), environment };
    Config::load(&sources).unwrap().issuers
}

/// Claims of an admin that are valid for a week, with the changes of `more`.
pub(crate) fn claims(issuer: &str, more: &Value) -> String {
    let good = json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "alice", "iat": NOW - 10, "exp": NOW + 604_800,
        "roles": ["glance-revert-admin"],
    });
    merged(&good, more).to_string()
}

/// A call with this token.
pub(crate) fn call_with(token: &str) -> Call<'static> {
    Call::new("GET", "/v2/pending-deletes", Token::new(token))
}
