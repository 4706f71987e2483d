//! A fake Keystone, a verifier that uses it, and the whole API in front of it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use glance_revert::auth::KeystoneAuthenticator;
use glance_revert::config::KeystoneConfig;
use glance_revert::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use glance_revert::domain::principal::{AuthError, Authenticator, Principal};
use serde_json::Value;

use crate::support::api::{Answer, TestApi};
use crate::support::canary;
use crate::support::clock::FixedClock;
use crate::support::fake_keystone::{FakeKeystone, Reply, admin_body};
use crate::support::verifier::call_with;

pub(crate) const PASSWORD: &str = canary::KEYSTONE_PASSWORD;
pub(crate) const TOKEN: &str = canary::CALLER_TOKEN;

pub(crate) fn config(url: &str, login: impl Into<Option<Credentials>>) -> KeystoneConfig {
    KeystoneConfig {
        auth_url: url.to_owned(),
        login: login.into(),
        cafile: None,
        identity: None,
        insecure: false,
        token_cache_time: Duration::from_mins(1),
        connect_timeout: Duration::from_secs(10),
        retries: 0,
        service_token_roles: vec!["service".to_owned()],
        service_token_roles_required: true,
        service_type: None,
        www_authenticate_uri: None,
        unused: vec![],
    }
}

pub(crate) fn password() -> Credentials {
    let named = |name: &str| {
        let domain = Domain::Id("default".to_owned());
        Identifier::Name { name: name.to_owned(), domain }
    };
    Credentials::Password {
        user: named("glance"),
        password: PASSWORD.into(),
        scope: Scope::Project(named("service")),
    }
}

pub(crate) struct World {
    pub(crate) keystone: FakeKeystone,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) verifier: KeystoneAuthenticator,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(password(), &[]).await
    }

    pub(crate) async fn with(login: impl Into<Option<Credentials>>, allowed: &[&str]) -> Self {
        Self::configured(allowed, |config| config.login = login.into()).await
    }

    pub(crate) async fn configured(
        allowed: &[&str],
        change: impl FnOnce(&mut KeystoneConfig),
    ) -> Self {
        let keystone = FakeKeystone::start().await;
        let clock = Arc::new(FixedClock::default());
        let allowed: Vec<String> = allowed.iter().map(|&id| id.to_owned()).collect();
        let mut config = config(&keystone.url, password());
        change(&mut config);
        let verifier = KeystoneAuthenticator::new(&config, &allowed, clock.clone()).unwrap();
        Self { keystone, clock, verifier }
    }

    pub(crate) async fn ask(&self, token: &str) -> Result<Principal, AuthError> {
        self.verifier.authenticate(&call_with(token)).await
    }

    /// How this response is interpreted, in one word.
    pub(crate) async fn judged(&self, body: Value) -> String {
        self.keystone.answer_validations(Reply::Json(200, body));
        // A new token each time, because good answers are cached.
        let token = format!("token-{}", self.keystone.validations());
        match self.ask(&token).await {
            Ok(principal) if principal.is_admin => "admin".to_owned(),
            Ok(_) => "caller".to_owned(),
            Err(AuthError::Invalid { reason }) => reason.to_owned(),
            Err(AuthError::Unavailable(cause)) => cause,
        }
    }

    /// Makes a call through the whole API.
    pub(crate) async fn call(&self) -> Answer {
        call(&self.verifier, TOKEN).await
    }
}

pub(crate) async fn call(verifier: &KeystoneAuthenticator, token: &str) -> Answer {
    let api = TestApi::with(|state| state.keystone = Some(Arc::new(verifier.clone())));
    let request = Request::get("/v2/pending-deletes").header("X-Auth-Token", token);
    api.send(request.body(Body::empty()).unwrap()).await
}

/// Keystone's response about an admin, with changes.
pub(crate) fn admin_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = admin_body();
    change(&mut body["token"]);
    body
}

/// The admin's body with another scope.
pub(crate) fn scoped(scope: &str, value: Value) -> Value {
    admin_with(|token| {
        token.as_object_mut().unwrap().remove("project");
        token[scope] = value;
    })
}
