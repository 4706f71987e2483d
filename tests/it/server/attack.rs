//! Malformed requests to the real process: each gets the intended response in time, and none is
//! interpreted as a second request.

use crate::support::daemon::{Service, Setup};
use crate::support::database::Kind;
use crate::support::raw::Raw;
use crate::support::world::World;

/// A good last request; its response shows that the connection is still in sync.
const LAST: &str = "GET /versions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
/// A request that must never be processed; if it were smuggled in, the response would be 405.
const SMUGGLED: &str = "BREW /versions HTTP/1.1\r\nHost: x\r\n\r\n";

/// One attack: the bytes to send, and all responses until the server closes.
struct Case {
    name: &'static str,
    sent: Vec<u8>,
    answers: &'static [&'static str],
}

fn case(name: &'static str, sent: impl AsRef<[u8]>, answers: &'static [&'static str]) -> Case {
    Case { name, sent: sent.as_ref().to_vec(), answers }
}

/// A `GET /versions` with these additional header lines, followed by a good request.
fn with(name: &'static str, lines: &str, answers: &'static [&'static str]) -> Case {
    case(name, format!("GET /versions HTTP/1.1\r\nHost: x\r\n{lines}\r\n{LAST}"), answers)
}

/// This request line with a good Host, followed by a good request.
fn line(name: &'static str, line: &[u8], answers: &'static [&'static str]) -> Case {
    case(name, [line, b"\r\nHost: x\r\n\r\n", LAST.as_bytes()].concat(), answers)
}

/// A service without images, on SQLite.
async fn serve(revert: &str) -> (World, Setup, Service) {
    let world = World::new(Kind::Sqlite).await;
    let setup = Setup::new(&world, &world.db.url(), &format!("scrubber = false\n{revert}"));
    let service = setup.serve().await;
    (world, setup, service)
}

/// Runs all cases concurrently, each on its own connection.
async fn attack(service: &Service, cases: Vec<Case>) {
    let outcomes = cases.into_iter().map(async |case| {
        let mut client = Raw::connect(&service.api).await;
        client.send(&case.sent).await;
        let answers = client.answers().await;
        (answers != case.answers).then(|| format!("{}: {answers:?}", case.name))
    });
    let wrong: Vec<_> = futures::future::join_all(outcomes).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut client = Raw::connect(&service.api).await;
    client.send(LAST.as_bytes()).await;
    assert_eq!(client.answers().await, ["200"], "the service goes on");
}

#[tokio::test]
async fn heads_that_are_no_http_get_400_and_end_the_connection() {
    let (_world, _setup, service) = serve("").await;
    attack(
        &service,
        vec![
            with("an empty name", ": v\r\n", &["400 request.invalid"]),
            with("no colon", "nothing\r\n", &["400 request.invalid"]),
            with("a space before the colon", "X-A : v\r\n", &["400 request.invalid"]),
            with("a folded line", "X-A: a\r\n b\r\n", &["400 request.invalid"]),
            with("NUL in a value", "X-A: a\0b\r\n", &["400 request.invalid"]),
            with("a control byte in a value", "X-A: a\x01b\r\n", &["400 request.invalid"]),
            with("DEL in a value", "X-A: a\x7fb\r\n", &["400 request.invalid"]),
            with("CR alone in a value", "X-A: a\rb\r\n", &["400 request.invalid"]),
            with("NUL in a name", "X\0A: v\r\n", &["400 request.invalid"]),
            case(
                "a folded first line",
                "GET /versions HTTP/1.1\r\n Host: x\r\n\r\n",
                &["400 request.invalid"],
            ),
            line("NUL in the path", b"GET /\0 HTTP/1.1", &["400 request.invalid"]),
            line("a control byte in the path", b"GET /\x01 HTTP/1.1", &["400 request.invalid"]),
            line(
                "bytes that are no text in the path",
                b"GET /\xff\xfe HTTP/1.1",
                &["400 request.invalid"],
            ),
            line("a space in the path", b"GET /a b HTTP/1.1", &["400 request.invalid"]),
            line("no path", b"GET HTTP/1.1", &["400 request.invalid"]),
            line("HTTP/1.2", b"GET /versions HTTP/1.2", &["400 request.invalid"]),
            line("HTTP/3.0", b"GET /versions HTTP/3.0", &["400 request.invalid"]),
            line("HTTP/0.9", b"GET /versions", &["400 request.invalid"]),
            line("a method of bytes", b"G\xffT /versions HTTP/1.1", &["400 request.invalid"]),
            case(
                "TLS",
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and more",
                &["400 request.invalid"],
            ),
            case("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn heads_that_can_be_read_are_answered_by_their_content() {
    let (_world, _setup, service) = serve("").await;
    let headers = |count: usize| "X-A: v\r\n".repeat(count);
    let of = |kib: usize| format!("X-A: {}\r\n", "v".repeat(kib << 10));
    let path = |kib: usize| format!("GET /{} HTTP/1.1", "p".repeat(kib << 10));
    attack(
        &service,
        vec![
            with("65 headers", &headers(64), &["200", "200"]),
            with("100 headers", &headers(99), &["200", "200"]),
            with("101 headers", &headers(100), &["431 request.headers_too_large"]),
            with("20 KiB in a header", &of(20), &["200", "200"]),
            with("70 KiB in a header", &of(70), &["431 request.headers_too_large"]),
            with("four headers of 20 KiB", &of(20).repeat(4), &["431 request.headers_too_large"]),
            line("a path of 9 KiB", path(9).as_bytes(), &["414 request.uri_too_long", "200"]),
            line("a path of 70 KiB", path(70).as_bytes(), &["431 request.headers_too_large"]),
            case("empty lines first", format!("\r\n\r\n{LAST}"), &["200"]),
            case("lines that end with LF alone", LAST.replace('\r', ""), &["200"]),
            with("a second Host", "Host: y\r\n", &["400 request.invalid", "200"]),
            with("a second Host, the same", "Host: x\r\n", &["400 request.invalid", "200"]),
            case(
                "no Host",
                format!("GET / HTTP/1.1\r\n\r\n{LAST}"),
                &["400 request.invalid", "200"],
            ),
            case("no Host, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", &["400 request.invalid"]),
            case(
                "an empty Host",
                format!("GET / HTTP/1.1\r\nHost:\r\n\r\n{LAST}"),
                &["400 request.invalid", "200"],
            ),
            case(
                "a Host with a user",
                format!("GET / HTTP/1.1\r\nHost: u@x\r\n\r\n{LAST}"),
                &["400 request.invalid", "200"],
            ),
            line("a whole URL", b"GET http://x/versions HTTP/1.1", &["200", "200"]),
            line(
                "a whole URL of a guarded path",
                b"GET http://y/v2/pending-deletes HTTP/1.1",
                &["401 auth.token_missing", "200"],
            ),
            line("CONNECT", b"CONNECT x:443 HTTP/1.1", &["404 uri.not_found", "200"]),
            line("OPTIONS *", b"OPTIONS * HTTP/1.1", &["404 uri.not_found", "200"]),
            line("TRACE", b"TRACE /versions HTTP/1.1", &["405 request.method_not_allowed", "200"]),
            line(
                "a made up method",
                b"BREW /versions HTTP/1.1",
                &["405 request.method_not_allowed", "200"],
            ),
            line(
                "a method in small letters",
                b"get /versions HTTP/1.1",
                &["405 request.method_not_allowed", "200"],
            ),
            with(
                "an upgrade to HTTP/2",
                "Connection: Upgrade\r\nUpgrade: h2c\r\n",
                &["200", "200"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn no_path_leads_out_of_its_route() {
    let (_world, _setup, service) = serve("").await;
    let authorization = service.authorization();
    let get = |path: &'static str, answer: &'static [&'static str]| {
        let head = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization";
        case(path, format!("GET {path} {head}: {authorization}\r\n\r\n"), answer)
    };
    let no_image = &["404 image.not_found"];
    let nothing = &["404 uri.not_found"];
    attack(
        &service,
        vec![
            get("/v2/pending-deletes/%00", no_image),
            get("/v2/pending-deletes/a%00b", no_image),
            get("/v2/pending-deletes/..%2f..%2fetc%2fpasswd", no_image),
            get("/v2/pending-deletes/%2e%2e", no_image),
            get("/v2/pending-deletes/%ff%fe", no_image),
            get("/v2/pending-deletes/%", no_image),
            get("/v2/pending-deletes/%zz", no_image),
            get("/v2/pending-deletes/a%0d%0aX-Evil:%20b", no_image),
            get("/v2/pending-deletes/'%20OR%201=1--", no_image),
            get("/v2/pending-deletes/a;b", no_image),
            get("/v2/pending-deletes/../../etc/passwd", nothing),
            get("/v2/./pending-deletes", nothing),
            get("/v2//pending-deletes", nothing),
            get("//versions", nothing),
            get("/docs/../../etc/passwd", nothing),
            get("/docs/..%2f..%2fetc%2fpasswd", nothing),
            get("/docs/%00", nothing),
            get("/versions%00", nothing),
            get("/versions/", nothing),
        ],
    )
    .await;
}

#[tokio::test]
async fn bodies_of_doubtful_length_never_become_a_second_request() {
    let (_world, _setup, service) = serve("").await;
    let head = format!(
        "POST /v2/images/a/actions/revert HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Type: application/json\r\n",
        service.authorization()
    );
    let post = |name, lines: &str, body: &str, answers| {
        case(name, format!("{head}{lines}\r\n{body}"), answers)
    };
    let chunked = |name, body: &str, answers| {
        post(name, "Transfer-Encoding: chunked\r\n", &format!("{body}{SMUGGLED}"), answers)
    };
    let length = |name, length: &str, answers| {
        post(name, &format!("Content-Length: {length}\r\n"), &format!("{{}}{SMUGGLED}"), answers)
    };
    let hidden = format!("0\r\n\r\n{SMUGGLED}");
    let whole = format!("Content-Length: {}\r\n", hidden.len());
    let both = format!("{whole}Transfer-Encoding: chunked\r\n");
    let swapped = format!("Transfer-Encoding: chunked\r\n{whole}");
    let (not_found, unread) = (&["404 image.not_found"], &["400 request.invalid"]);
    attack(
        &service,
        vec![
            post(
                "a good body, in step",
                "Content-Length: 2\r\n",
                &format!("{{}}{LAST}"),
                &["404 image.not_found", "200"],
            ),
            post(
                "good chunks, in step",
                "Transfer-Encoding: chunked\r\n",
                &format!("1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\nX-Trailer: v\r\n\r\n{LAST}"),
                &["404 image.not_found", "200"],
            ),
            post("length and chunks", &both, &hidden, not_found),
            post("chunks and length", &swapped, &hidden, not_found),
            post(
                "two lengths",
                "Content-Length: 2\r\nContent-Length: 3\r\n",
                "{}",
                &["400 request.invalid"],
            ),
            post("two lengths in one", "Content-Length: 2, 2\r\n", "{}", &["400 request.invalid"]),
            length("a negative length", "-2", &["400 request.invalid"]),
            length("a signed length", "+2", &["400 request.invalid"]),
            length("a length in hex", "0x2", &["400 request.invalid"]),
            length("a length beyond numbers", "99999999999999999999", &["400 request.invalid"]),
            length("an empty length", "", &["400 request.invalid"]),
            post(
                "chunked, twice",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
                "",
                &["400 request.invalid"],
            ),
            post(
                "chunked, not last",
                "Transfer-Encoding: chunked, gzip\r\n",
                &hidden,
                &["400 request.invalid"],
            ),
            post(
                "chunked, misspelt",
                "Transfer-Encoding: xchunked\r\n",
                &hidden,
                &["400 request.invalid"],
            ),
            post(
                "chunked, behind a tab",
                "Transfer-Encoding:\x0bchunked\r\n",
                &hidden,
                &["400 request.invalid"],
            ),
            post(
                "chunked, before a space",
                "Transfer-Encoding : chunked\r\n",
                &hidden,
                &["400 request.invalid"],
            ),
            chunked("a chunk of no size", "zz\r\n{}\r\n0\r\n\r\n", unread),
            chunked("a chunk of negative size", "-2\r\n{}\r\n0\r\n\r\n", unread),
            chunked("a chunk beyond numbers", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n", unread),
            chunked("a chunk longer than said", "1\r\n{}\r\n0\r\n\r\n", unread),
            chunked("a chunk whose line ends with LF", "2\n{}\r\n0\r\n\r\n", unread),
            case(
                "chunks in HTTP/1.0",
                format!("{}Transfer-Encoding: chunked\r\n\r\n{hidden}", head.replace("1.1", "1.0")),
                &["400 request.invalid"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn too_large_bodies_are_refused_before_they_arrive() {
    let (_world, _setup, service) = serve("").await;
    let head = "POST /v2/images/a/actions/revert HTTP/1.1\r\nHost: x\r\n";
    let gigabyte = "Content-Length: 1073741824\r\n";
    let authorization = format!("Authorization: {}\r\n", service.authorization());
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(3));
    let expect = "Expect: 100-continue\r\n";
    attack(
        &service,
        vec![
            case(
                "a gigabyte, said",
                format!("{head}{authorization}{gigabyte}\r\n"),
                &["413 request.too_large"],
            ),
            case(
                "a gigabyte, asked for",
                format!("{head}{authorization}{gigabyte}{expect}\r\n"),
                &["413 request.too_large"],
            ),
            case(
                "a gigabyte of a stranger",
                format!("{head}{gigabyte}\r\n"),
                &["401 auth.token_missing"],
            ),
            case(
                "a stranger who waits to be asked",
                format!("{head}{gigabyte}{expect}\r\n"),
                &["401 auth.token_missing"],
            ),
            case(
                "a gigabyte for an open page",
                format!("GET / HTTP/1.1\r\nHost: x\r\n{gigabyte}\r\n"),
                &["200"],
            ),
            case(
                "endless chunks",
                format!("{head}{authorization}{chunks}"),
                &["413 request.too_large"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_up_to_the_first_that_cannot_be_read() {
    let (_world, _setup, service) = serve("").await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let (guarded, nothing, open) = (get("/v2/pending-deletes"), get("/nothing"), get("/versions"));
    attack(
        &service,
        vec![
            case("four", format!("{open}{guarded}{nothing}{LAST}"), &[
                "200",
                "401 auth.token_missing",
                "404 uri.not_found",
                "200",
            ]),
            case("forty", format!("{}{LAST}", open.repeat(39)), &["200"; 40]),
            case("one that cannot be read", format!("{open}no http\r\n\r\n{open}"), &["200", "400 request.invalid"]),
            case("one after the last", format!("{LAST}{SMUGGLED}"), &["200"]),
            case("with a body that is not wanted", format!(
                "GET /versions HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{SMUGGLED}{LAST}",
                SMUGGLED.len()
            ), &["200", "200"]),
        ],
    )
    .await;
}

/// Interactive: the body is sent only after the server asks for it.
#[tokio::test]
async fn a_body_is_requested_only_if_needed_and_has_a_time_limit() {
    let (_world, _setup, service) = serve("lock_wait = 1\nrequest_timeout = 2\n").await;
    let head = format!(
        "POST /v2/images/a/actions/revert HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        service.authorization()
    );
    let mut good = Raw::connect(&service.api).await;
    good.send(head.as_bytes()).await;
    good.expect("HTTP/1.1 100 Continue\r\n\r\n").await;
    good.send(format!("{{}}{LAST}").as_bytes()).await;
    assert_eq!(good.answers().await, ["404 image.not_found", "200"]);

    let mut never_sent = Raw::connect(&service.api).await;
    never_sent.send(head.as_bytes()).await;
    assert_eq!(never_sent.answers().await, ["100", "408 request.timeout"]);

    let mut half = Raw::connect(&service.api).await;
    half.send(head.replace("Expect: 100-continue\r\n", "").as_bytes()).await;
    half.send(b"{").await;
    assert_eq!(half.answers().await, ["408 request.timeout"]);

    let mut gone = Raw::connect(&service.api).await;
    gone.send(head.replace("Expect: 100-continue\r\n", "").as_bytes()).await;
    gone.send(b"{").await;
    gone.finish().await;
    assert_eq!(gone.answers().await, ["400 request.invalid"]);
}
