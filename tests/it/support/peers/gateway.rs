//! An HTTP gateway in front of a store: records requests, and answers instead of the store if told
//! to.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::stream;
use reqwest::Client;

/// What the gateway does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// Forwards the request and the response.
    Pass,
    /// Answers itself; the store gets no request.
    Answer(u16, String),
    /// Forwards the request, but loses the response.
    Lose,
    /// Forwards the request, but delays the response.
    Delay(Duration),
    /// Forwards the request, and replaces a text in the response.
    Edit(String, String),
}

type Script = Box<dyn Fn(&str, &str) -> Play + Send + Sync>;

struct Inner {
    server: String,
    http: Client,
    asked: Mutex<Vec<String>>,
    script: Mutex<Option<Script>>,
}

/// Listens on its own port as long as the test runs.
#[derive(Clone)]
pub(crate) struct Gateway {
    authority: String,
    inner: Arc<Inner>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Starts in front of a server at `host:port`.
    pub(crate) async fn before(server: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let http = Client::builder().no_proxy().build().unwrap();
        let inner = Inner {
            server: server.to_owned(),
            http,
            asked: Mutex::default(),
            script: Mutex::default(),
        };
        let inner = Arc::new(inner);
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { authority, inner }
    }

    /// `host:port` of the gateway itself.
    pub(crate) fn address(&self) -> String {
        self.authority.clone()
    }

    /// The requests since the last call: `METHOD /path?query`, without signatures.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.asked.lock().unwrap())
    }

    /// Uses this script from now on; it receives the request line and the body.
    pub(crate) fn play(&self, script: impl Fn(&str, &str) -> Play + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap() = Some(Box::new(script));
    }

    /// Forwards everything again.
    pub(crate) fn heal(&self) {
        *self.inner.script.lock().unwrap() = None;
    }
}

async fn pass_on(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = uri.query().unwrap_or_default().split('&');
    let query: Vec<_> = query.filter(|one| !one.starts_with("X-Amz-")).collect();
    let asked = format!("{method} {}?{}", uri.path(), query.join("&"));
    inner.asked.lock().unwrap().push(asked.clone());
    let text = String::from_utf8_lossy(&body).into_owned();
    let play = inner.script.lock().unwrap().as_ref().map_or(Play::Pass, |play| play(&asked, &text));
    if let Play::Answer(status, body) = play {
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    headers.remove("content-length");
    let url = format!("http://{}{uri}", inner.server);
    let mut request = inner.http.request(method.clone(), url).headers(headers);
    if method != Method::HEAD && method != Method::GET {
        request = request.header("content-length", body.len()).body(body);
    }
    let answer = request.send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let mut body = answer.bytes().await.unwrap().to_vec();
    match play {
        Play::Lose => {
            let cut = stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
            return Response::new(Body::from_stream(cut));
        }
        Play::Delay(time) => tokio::time::sleep(time).await,
        Play::Edit(from, to) => {
            headers.remove("content-length");
            body = String::from_utf8(body).unwrap().replace(&from, &to).into_bytes();
        }
        Play::Pass | Play::Answer(..) => {}
    }
    headers.remove("transfer-encoding");
    (status, headers, body).into_response()
}
