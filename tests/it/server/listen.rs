//! The listener with clients that are slow, silent or greedy, or that delay a shutdown.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures::stream;
use glance_revert::server::listen::{Drained, Limits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Long for a busy machine, but far below the limits that a test sets to "never".
const DEADLINE: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(300);
const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<Drained>,
}

impl Server {
    async fn start(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = router.route("/hello", get(async || "hello"));
        let task = tokio::spawn(serve(listener, router, limits, stop.clone()));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A client that was answered and keeps its connection open.
    async fn connect_and_ask(&self) -> TcpStream {
        let mut client = self.connect().await;
        ask(&mut client).await;
        client
    }

    async fn ended(self) -> Drained {
        timeout(DEADLINE, self.task).await.expect("serve goes on").unwrap()
    }
}

/// Limits that never apply; each test sets the one that it is about.
fn patient() -> Limits {
    Limits {
        max_connections: 100,
        head_timeout: NEVER,
        write_timeout: NEVER,
        max_head_bytes: 16 * 1024,
        drain_timeout: NEVER,
    }
}

async fn ask(client: &mut TcpStream) {
    client.write_all(GET).await.unwrap();
    read_until(client, "hello").await;
}

async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !seen.ends_with(end.as_bytes()) {
            let byte = client.read_u8().await.expect("closed before the answer");
            seen.push(byte);
        }
    };
    timeout(DEADLINE, reading).await.expect("no answer");
    String::from_utf8(seen).unwrap()
}

/// Everything that arrives until the server closes the connection properly.
async fn read_to_close(client: &mut TcpStream) -> String {
    let mut seen = String::new();
    timeout(DEADLINE, client.read_to_string(&mut seen)).await.expect("still open").unwrap();
    seen
}

/// Checks that an error which hyper would answer without a body has our body and headers.
fn assert_our_error(answer: &str, status: u16, reason: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    for header in
        ["connection: close", "x-frame-options: DENY", "cache-control: no-store", "date: "]
    {
        assert!(head.contains(&format!("\r\n{header}")), "{header} in {head}");
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["reason"]),
        (&status.into(), &reason.into())
    );
    let id = body["error"]["request_id"].as_str().unwrap();
    assert!(head.contains(&format!("\r\nx-openstack-request-id: {id}")), "{head}");
}

#[tokio::test]
async fn hypers_own_errors_follow_the_previous_response() {
    let server = Server::start(Router::new(), patient()).await;
    let mut client = server.connect().await;
    client
        .write_all(&[GET, b"GET /hello HTTP/1.1\r\nHost: x\r\nNo Header\r\n\r\n"].concat())
        .await
        .unwrap();
    let answers = read_to_close(&mut client).await;
    let (first, second) = answers.split_once("hello").unwrap();
    assert!(first.starts_with("HTTP/1.1 200 "), "{answers}");
    assert_our_error(second, 400, "request.invalid");
}

#[tokio::test]
async fn a_silent_client_is_closed_when_the_head_takes_too_long() {
    let server = Server::start(Router::new(), Limits { head_timeout: SOON, ..patient() }).await;
    assert_eq!(read_to_close(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn half_a_head_is_closed_when_the_rest_takes_too_long() {
    let server = Server::start(Router::new(), Limits { head_timeout: SOON, ..patient() }).await;
    let mut client = server.connect().await;
    client.write_all(b"GET /hello HTTP/1.1\r\nHost:").await.unwrap();
    assert_eq!(read_to_close(&mut client).await, "");
}

#[tokio::test]
async fn a_connection_kept_alive_is_closed_when_no_other_request_comes() {
    let server = Server::start(Router::new(), Limits { head_timeout: SOON, ..patient() }).await;
    let mut client = server.connect_and_ask().await;
    assert_eq!(read_to_close(&mut client).await, "");
}

#[tokio::test]
async fn a_head_of_200_headers_is_431_and_closed() {
    let server = Server::start(Router::new(), patient()).await;
    let mut client = server.connect().await;
    let head = format!("GET /hello HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: v\r\n".repeat(200));
    client.write_all(head.as_bytes()).await.unwrap();
    assert_our_error(&read_to_close(&mut client).await, 431, "request.headers_too_large");
}

#[tokio::test]
async fn a_head_of_40_kib_is_431_and_closed() {
    let server = Server::start(Router::new(), patient()).await;
    let mut client = server.connect().await;
    let head = format!("GET /hello HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "v".repeat(40 * 1024));
    client.write_all(head.as_bytes()).await.unwrap();
    assert_our_error(&read_to_close(&mut client).await, 431, "request.headers_too_large");
}

#[tokio::test]
async fn input_that_is_not_http_is_400_and_closed() {
    let server = Server::start(Router::new(), patient()).await;
    let mut client = server.connect().await;
    client.write_all(b"\x16\x03\x01 hello over there\r\n\r\n").await.unwrap();
    assert_our_error(&read_to_close(&mut client).await, 400, "request.invalid");
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_is_still_sending() {
    let refuse = async || (StatusCode::PAYLOAD_TOO_LARGE, "too much");
    let server = Server::start(Router::new().route("/up", post(refuse)), patient()).await;
    let mut client = server.connect().await;
    let body = vec![b'x'; 8 << 20];
    let head = format!("POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&body).await.unwrap();
    let answer = read_to_close(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too much"), "{answer}");
}

/// `printf .. | nc` does this, and every client that calls shutdown(2) after its request.
#[tokio::test]
async fn a_client_that_has_closed_its_sending_half_gets_its_answer() {
    let gate = Gate::new();
    let server = Server::start(gate.router(), patient()).await;
    let mut client = gate.enter(&server).await;
    client.shutdown().await.unwrap();
    // time for the server to see the end of the stream while the handler runs
    assert!(timeout(SOON, client.readable()).await.is_err(), "closed before the answer");
    gate.open.add_permits(1);
    let answer = read_to_close(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("done"), "{answer}");
}

#[tokio::test]
async fn handlers_know_the_address_of_the_client() {
    let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let server = Server::start(Router::new().route("/who", get(who)), patient()).await;
    let mut client = server.connect().await;
    client.write_all(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = read_to_close(&mut client).await;
    assert!(answer.ends_with(&client.local_addr().unwrap().to_string()), "{answer}");
}

/// An endless response, which reports when it is dropped.
fn endless(dropped: &CancellationToken) -> Body {
    let guard = dropped.clone().drop_guard();
    Body::from_stream(stream::unfold(guard, async |guard| {
        Some((Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])), guard))
    }))
}

#[tokio::test]
async fn a_client_that_stops_reading_is_disconnected_and_blocks_nobody() {
    let dropped = CancellationToken::new();
    let body = dropped.clone();
    let router = Router::new().route("/endless", get(async move || endless(&body)));
    let server = Server::start(router, Limits { write_timeout: SOON, ..patient() }).await;
    let mut client = server.connect().await;
    client.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;

    server.connect_and_ask().await;
    timeout(DEADLINE, dropped.cancelled()).await.expect("the answer is still being sent");
}

#[tokio::test]
async fn fifty_silent_clients_do_not_keep_another_from_its_answer() {
    let server = Server::start(Router::new(), patient()).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(server.connect().await);
    }
    server.connect_and_ask().await;
}

#[tokio::test]
async fn a_client_above_the_limit_waits_until_another_leaves() {
    let server = Server::start(Router::new(), Limits { max_connections: 2, ..patient() }).await;
    let first = server.connect_and_ask().await;
    let _second = server.connect_and_ask().await;
    let mut third = server.connect().await;
    third.write_all(GET).await.unwrap();
    assert!(timeout(SOON, third.readable()).await.is_err(), "three at a time");

    drop(first);
    read_until(&mut third, "hello").await;
}

#[tokio::test]
async fn silent_clients_at_the_limit_make_room_when_their_time_is_over() {
    let limits = Limits { max_connections: 2, head_timeout: SOON, ..patient() };
    let server = Server::start(Router::new(), limits).await;
    let _silent = [server.connect().await, server.connect().await];
    server.connect_and_ask().await;
}

/// A handler that reports when it begins, and continues when it is told to.
#[derive(Clone)]
struct Gate {
    begun: Arc<Notify>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { begun: Arc::new(Notify::new()), open: Arc::new(Semaphore::new(0)) }
    }

    fn router(&self) -> Router {
        let Self { begun, open } = self.clone();
        let wait = async move || {
            begun.notify_one();
            let _ = open.acquire().await;
            "done"
        };
        Router::new().route("/slow", get(wait))
    }

    /// A client whose request is being handled.
    async fn enter(&self, server: &Server) -> TcpStream {
        let mut client = server.connect().await;
        client.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        timeout(DEADLINE, self.begun.notified()).await.expect("the handler did not begin");
        client
    }
}

#[tokio::test]
async fn a_drain_answers_the_request_in_flight_and_closes_its_connection() {
    let gate = Gate::new();
    let server = Server::start(gate.router(), patient()).await;
    let mut client = gate.enter(&server).await;
    server.stop.cancel();
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(DEADLINE, refused).await.expect("clients are still accepted");
    assert!(!server.task.is_finished());

    gate.open.add_permits(1);
    let answer = read_to_close(&mut client).await;
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("done"), "{answer}");
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_closes_idle_and_silent_connections_at_once() {
    let server = Server::start(Router::new(), patient()).await;
    let mut silent = server.connect().await;
    // Accepted after the silent one, so the listener has both.
    let mut idle = server.connect_and_ask().await;
    server.stop.cancel();
    assert_eq!(read_to_close(&mut idle).await, "");
    assert_eq!(read_to_close(&mut silent).await, "");
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_cuts_what_takes_too_long_and_says_how_many() {
    let gate = Gate::new();
    let server = Server::start(gate.router(), Limits { drain_timeout: SOON, ..patient() }).await;
    let mut one = gate.enter(&server).await;
    let _other = gate.enter(&server).await;
    let _idle = server.connect_and_ask().await;
    server.stop.cancel();
    assert_eq!(server.ended().await, Drained { cut: 2 });
    assert_eq!(read_to_close(&mut one).await, "");
}
