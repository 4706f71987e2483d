//! Many slow clients against the real process.

use std::time::Duration;

use futures::future::join_all;
use reqwest::StatusCode;

use crate::support::daemon::{DEADLINE, Service, Setup};
use crate::support::database::Kind;
use crate::support::raw::Raw;
use crate::support::world::World;

const GOOD: &[u8] = b"GET /versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const HALF: &[u8] = b"GET /versions HTTP/1.1\r\nHost: x\r\nX-Ha";
const GREEDY: &[u8] = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
/// Longer than the ten seconds for a request's head, and than `request_timeout` for a body.
const LONGER: Duration = Duration::from_secs(40);

async fn serve(world: &World, revert: &str) -> (Setup, Service) {
    let revert = format!("scrubber = false\nlock_wait = 1\nrequest_timeout = 5\n{revert}");
    let setup = Setup::new(world, &world.db.url(), &revert);
    let service = setup.serve().await;
    (setup, service)
}

/// Clients of one kind, each of which has sent its first bytes.
async fn clients(service: &Service, count: usize, first: &[u8]) -> Vec<Raw> {
    let address = &service.api;
    let one = async |_| {
        let mut client = Raw::connect(address).await;
        client.send(first).await;
        client
    };
    join_all((0..count).map(one)).await
}

/// How the clients' connections ended; all must end the same way.
async fn all_end(clients: Vec<Raw>) -> Vec<String> {
    let mut ends = join_all(
        clients.into_iter().map(async |mut client| client.answers_within(LONGER).await.join(", ")),
    )
    .await;
    ends.sort_unstable();
    ends.dedup();
    ends
}

#[tokio::test]
async fn five_hundred_slow_clients_keep_nobody_from_the_answers() {
    let world = World::new(Kind::Sqlite).await;
    for id in ["a", "b", "c"] {
        world.deleted_image(id).await;
    }
    let (_setup, service) = serve(&world, "").await;
    let body = format!(
        "POST /v2/images/a/actions/revert HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Length: 20\r\n\r\n{{",
        service.authorization()
    );
    let silent = clients(&service, 125, b"").await;
    let half = clients(&service, 125, HALF).await;
    let dribbling = clients(&service, 125, body.as_bytes()).await;
    // Each client would receive megabytes, but reads nothing.
    let greedy = clients(&service, 125, &GREEDY.repeat(100)).await;
    for client in &greedy {
        client.wait_readable().await;
    }

    for id in ["b", "c"] {
        assert_eq!(service.revert(id).await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(service.probe("/readyz").await, StatusCode::OK);
    assert_eq!(world.status("b").await, "active kept no time");

    let (silent, half, dribbling) =
        tokio::join!(all_end(silent), all_end(half), all_end(dribbling));
    assert_eq!(silent, [""]);
    assert_eq!(half, [""]);
    assert_eq!(dribbling, ["408 request.timeout"]);
    assert_eq!(world.status("a").await, "pending_delete deleted time");
    drop(greedy);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for_for_ever() {
    let world = World::new(Kind::Sqlite).await;
    let (_setup, service) = serve(&world, "").await;
    let mut client = Raw::connect(&service.api).await;
    let dribble = async {
        client.send(HALF).await;
        while client.send(b"v").await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(DEADLINE, dribble).await.expect("the head may go on for ever");
}

#[tokio::test]
async fn at_the_limit_new_clients_wait_and_are_served_when_idle_ones_are_closed() {
    let world = World::new(Kind::Sqlite).await;
    let (_setup, service) = serve(&world, "max_connections = 20\n").await;
    let silent = clients(&service, 20, b"").await;
    let waiting = clients(&service, 20, GOOD).await;
    service
        .said(
            "all connections are in use and new clients must wait; see [revert] \
        max_connections",
        )
        .await;
    assert_eq!(
        service.probe("/readyz").await,
        StatusCode::OK,
        "probes have a listener of their own"
    );
    let (silent, waiting) = tokio::join!(all_end(silent), all_end(waiting));
    assert_eq!((silent, waiting), (vec![String::new()], vec!["200".to_owned()]));
}
