//! A small HTTP server with scripted responses that records its requests: it stands for another
//! product's service.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use glance_revert::server::listen::{Limits, serve_tls};
use glance_revert::server::tls::Tls;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The response for a path.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// 200 and a JSON document.
    Json(Value),
    /// Any status, type and text.
    Text(u16, &'static str, String),
    /// 302 to another place.
    Redirect(String),
    /// Never answers.
    Silence,
    /// 200, and a body that never ends and contains nothing.
    Dribble,
}

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    says: HashMap<String, Says>,
    asked: Vec<Asked>,
    /// Whether responses are held back.
    held: watch::Sender<bool>,
    /// Requests in progress, and the maximum so far.
    open: usize,
    most_open: usize,
}

/// Listens on loopback, and stops when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    script: Arc<Mutex<Script>>,
    _stop: DropGuard,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_on(0).await
    }

    /// Starts on a port that was announced before.
    pub(crate) async fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let stop = CancellationToken::new();
        let app = router(Arc::clone(&script));
        let stopped = stop.clone();
        tokio::spawn(async move {
            stopped.run_until_cancelled(async { axum::serve(listener, app).await }).await
        });
        Self { address, scheme: "http", script, _stop: stop.drop_guard() }
    }

    /// Starts with TLS.
    pub(crate) async fn start_tls(tls: Arc<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let stop = CancellationToken::new();
        let limits = Limits::new(1024, Duration::from_secs(1));
        tokio::spawn(serve_tls(listener, tls, router(Arc::clone(&script)), limits, stop.clone()));
        Self { address, scheme: "https", script, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Sets the response for a path; other paths are 404.
    pub(crate) fn say(&self, path: &str, says: Says) {
        self.script.lock().unwrap().says.insert(path.to_owned(), says);
    }

    /// Sets whether responses are held back.
    pub(crate) fn hold(&self, held: bool) {
        self.script.lock().unwrap().held.send_replace(held);
    }

    /// The maximum number of concurrent requests.
    pub(crate) fn most_open(&self) -> usize {
        self.script.lock().unwrap().most_open
    }

    /// The requests for this path, oldest first.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let script = self.script.lock().unwrap();
        script.asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

/// A request that was not answered yet.
struct Open(Arc<Mutex<Script>>);

impl Open {
    fn new(script: &Arc<Mutex<Script>>) -> Self {
        let mut known = script.lock().unwrap();
        known.open += 1;
        known.most_open = known.most_open.max(known.open);
        Self(Arc::clone(script))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().open -= 1;
    }
}

pub(crate) fn router(script: Arc<Mutex<Script>>) -> Router {
    Router::new().fallback(answer).with_state(script)
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let authorization =
        head.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    let _open = Open::new(&script);
    let (says, mut gate) = {
        let mut script = script.lock().unwrap();
        script.asked.push(Asked { path: path.clone(), authorization, body });
        (script.says.get(&path).cloned(), script.held.subscribe())
    };
    gate.wait_for(|held| !held).await.unwrap();
    match says {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Says::Json(json)) => {
            ([(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
        }
        Some(Says::Text(status, kind, text)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Some(Says::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Says::Silence) => std::future::pending().await,
        Some(Says::Dribble) => {
            Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())
                .into_response()
        }
    }
}
