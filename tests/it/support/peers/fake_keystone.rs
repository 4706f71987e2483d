//! A fake Keystone for behaviour that no real one shows on demand: slow, broken, or not a Keystone
//! at all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response};
use glance_revert::config::TlsConfig;
use glance_revert::server::listen::{Limits, serve, serve_tls};
use glance_revert::server::tls::Tls;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{canary, log};

/// How one kind of request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json(u16, Value),
    /// A login's 201 with this token.
    Token(&'static str, Value),
    /// A page of some other server.
    Html(u16),
    /// 200 with this body, declared as JSON.
    Text(String),
    /// Accepts the request but never answers.
    Silence,
}

#[derive(Debug)]
struct Inner {
    login: Mutex<Reply>,
    validation: Mutex<Reply>,
    /// The responses for single tokens.
    tokens: Mutex<HashMap<String, Known>>,
    logins: AtomicUsize,
    validations: AtomicUsize,
    /// Validations in progress, and the maximum so far.
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// Each validation waits for a permit before it is answered.
    gate: Semaphore,
    asked: Mutex<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Known {
    body: Value,
    expired: bool,
}

/// Listens on its own port; stops when dropped.
#[derive(Debug)]
pub(crate) struct FakeKeystone {
    inner: Arc<Inner>,
    pub(crate) url: String,
    _stop: DropGuard,
}

/// The response to a login: a token that is valid until 13:00 of the clock's day, and a catalog.
pub(crate) fn login_body() -> Value {
    json!({ "token": {
        "expires_at": "2026-11-22T13:00:00.000000Z",
        "project": { "id": "service-id", "name": "service" },
        "catalog": [{ "type": "object-store", "endpoints": [
            { "interface": "public", "region": "one", "url": "http://swift/v1/AUTH_service-id" },
        ]}],
    }})
}

/// Keystone's response for an admin's token, to be changed by tests.
pub(crate) fn admin_body() -> Value {
    json!({ "token": {
        "expires_at": "2026-11-22T13:00:00.000000Z",
        "issued_at": "2026-11-22T11:00:00.000000Z",
        "audit_ids": ["audit-1"],
        "methods": ["password"],
        "user": { "id": "u1", "name": "alice", "domain": { "id": "default", "name": "Default" } },
        "project": { "id": "p1", "name": "admin", "domain": { "id": "default" } },
        "roles": [{ "id": "r1", "name": "admin" }],
    }})
}

impl FakeKeystone {
    /// Accepts every login, and every token as an admin's.
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// The same, over TLS.
    pub(crate) async fn start_tls(config: &TlsConfig) -> Self {
        Self::serve(Some(Tls::load(config).unwrap())).await
    }

    async fn serve(tls: Option<Tls>) -> Self {
        log::install();
        let inner = Arc::new(Inner {
            login: Mutex::new(Reply::Token(canary::SERVICE_TOKEN, login_body())),
            validation: Mutex::new(Reply::Json(200, admin_body())),
            tokens: Mutex::default(),
            logins: AtomicUsize::new(0),
            validations: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let limits = Limits::new(1024, Duration::from_secs(1));
        let stopped = stop.clone();
        tokio::spawn(async move {
            match tls {
                Some(tls) => serve_tls(listener, Arc::new(tls), router, limits, stopped).await,
                None => serve(listener, router, limits, stopped).await,
            }
        });
        Self { inner, url, _stop: stop.drop_guard() }
    }

    pub(crate) fn answer_logins(&self, reply: Reply) {
        *self.inner.login.lock().unwrap() = reply;
    }

    pub(crate) fn answer_validations(&self, reply: Reply) {
        *self.inner.validation.lock().unwrap() = reply;
    }

    /// Answers validations of one token with this body.
    pub(crate) fn knows(&self, token: &str, body: Value) {
        let known = Known { body, expired: false };
        self.inner.tokens.lock().unwrap().insert(token.to_owned(), known);
    }

    /// The same for an expired token: only requests that allow expired tokens get the body.
    pub(crate) fn knows_expired(&self, token: &str, mut body: Value) {
        body["token"]["expires_at"] = json!("2026-11-22T11:00:00.000000Z");
        let known = Known { body, expired: true };
        self.inner.tokens.lock().unwrap().insert(token.to_owned(), known);
    }

    pub(crate) fn logins(&self) -> usize {
        self.inner.logins.load(Ordering::SeqCst)
    }

    pub(crate) fn validations(&self) -> usize {
        self.inner.validations.load(Ordering::SeqCst)
    }

    pub(crate) fn most_open(&self) -> usize {
        self.inner.most_open.load(Ordering::SeqCst)
    }

    /// Makes validations wait until they are let through.
    pub(crate) fn hold_validations(&self) {
        self.inner.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn let_validations_through(&self) {
        self.inner.gate.add_permits(1_000_000);
    }

    /// Method, path and headers of every request, and the body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// Waits until this many validations have arrived.
    pub(crate) async fn until_validations(&self, number: usize) {
        let arrived = async {
            while self.validations() < number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), arrived).await.unwrap();
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen = format!(
        "{} {} {:?} {}",
        parts.method,
        parts.uri,
        parts.headers,
        String::from_utf8_lossy(&body)
    );
    inner.asked.lock().unwrap().push(seen);
    if parts.method == Method::POST {
        inner.logins.fetch_add(1, Ordering::SeqCst);
        let reply = inner.login.lock().unwrap().clone();
        return reply.send().await;
    }
    inner.validations.fetch_add(1, Ordering::SeqCst);
    let open = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most_open.fetch_max(open, Ordering::SeqCst);
    inner.gate.acquire().await.unwrap().forget();
    inner.open.fetch_sub(1, Ordering::SeqCst);
    let reply = inner.validation(&parts);
    reply.send().await
}

impl Inner {
    fn validation(&self, parts: &Parts) -> Reply {
        let subject = parts.headers.get("x-subject-token").and_then(|token| token.to_str().ok());
        let tokens = self.tokens.lock().unwrap();
        let expired_too = parts.uri.query().is_some_and(|query| query.contains("allow_expired=1"));
        match subject.and_then(|token| tokens.get(token)) {
            Some(known) if known.expired && !expired_too => Reply::Json(404, json!({})),
            Some(known) => Reply::Json(200, known.body.clone()),
            None => self.validation.lock().unwrap().clone(),
        }
    }
}

impl Reply {
    async fn send(self) -> Response<Body> {
        let answer = Response::builder();
        let json = "application/json";
        match self {
            Self::Json(status, body) => {
                answer.status(status).header("Content-Type", json).body(body.to_string().into())
            }
            Self::Token(token, body) => answer
                .status(201)
                .header("Content-Type", json)
                .header("X-Subject-Token", token)
                .body(body.to_string().into()),
            Self::Html(status) => answer
                .status(status)
                .header("Content-Type", "text/html; charset=utf-8")
                .header("Location", "http://elsewhere.example/")
                .body("<html><title>nginx</title></html>".into()),
            Self::Text(text) => answer.header("Content-Type", json).body(text.into()),
            Self::Silence => std::future::pending().await,
        }
        .unwrap()
    }
}
