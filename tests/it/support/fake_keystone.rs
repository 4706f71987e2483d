//! What no real Keystone does when it is asked to: to be slow, broken, or something else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How one kind of request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json(u16, Value),
    /// A login's 201 with this token.
    Token(&'static str, Value),
    /// A page of some other server.
    Html(u16),
    /// 200 with this for a body, said to be JSON.
    Text(String),
    /// The request is taken, and no answer comes.
    Silence,
}

#[derive(Debug)]
struct Inner {
    login: Mutex<Reply>,
    logins: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

/// Listens on a port of its own; stops when dropped.
#[derive(Debug)]
pub(crate) struct FakeKeystone {
    inner: Arc<Inner>,
    pub(crate) url: String,
    _stop: DropGuard,
}

/// A login's answer: a token that is good until 13:00 of the clock's day, and a catalog.
pub(crate) fn login_body() -> Value {
    json!({ "token": {
        "expires_at": "2026-11-22T13:00:00.000000Z",
        "project": { "id": "service-id", "name": "service" },
        "catalog": [{ "type": "object-store", "endpoints": [
            { "interface": "public", "region": "one", "url": "http://swift/v1/AUTH_service-id" },
        ]}],
    }})
}

impl FakeKeystone {
    /// Logs everybody in.
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner {
            login: Mutex::new(Reply::Token("service-token", login_body())),
            logins: AtomicUsize::new(0),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let serve =
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move { serve.await });
        Self { inner, url, _stop: stop.drop_guard() }
    }

    pub(crate) fn answer_logins(&self, reply: Reply) {
        *self.inner.login.lock().unwrap() = reply;
    }

    pub(crate) fn logins(&self) -> usize {
        self.inner.logins.load(Ordering::SeqCst)
    }

    /// Method, path and headers of every request, and the body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
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
    inner.logins.fetch_add(1, Ordering::SeqCst);
    let reply = inner.login.lock().unwrap().clone();
    reply.send().await
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
