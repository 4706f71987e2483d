//! The http store: which hosts it contacts, and how it interprets responses.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use glance_revert::config::{ClientCertificates, HttpConfig, TlsConfig};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::server::tls::Tls;
use glance_revert::store::http::HttpStore;
use glance_revert::store::{StoreOptions, StoreSetupError};

use tempfile::TempDir;

use crate::support::canary;
use crate::support::pki::Authority;
use crate::support::server::{Says, Server as WebServer};

/// Answers every connection with one fixed text, and records the requests.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), answer.to_owned());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                seen.lock().unwrap().push(request_head(&mut connection));
                connection.write_all(answer.as_bytes()).ok();
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A store that may contact this server.
    fn store(&self) -> HttpStore {
        store(&[&self.address.to_string()])
    }

    fn uri(&self, userinfo: &str, rest: &str) -> StoreUri {
        uri(&format!("http://{userinfo}{}{rest}", self.address))
    }
}

fn request_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn head_of(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n")
}

fn options(hosts: &[&str], store_timeout: Duration) -> StoreOptions {
    let http_verify_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    StoreOptions { http_verify_hosts, store_timeout, ..StoreOptions::default() }
}

fn store(hosts: &[&str]) -> HttpStore {
    built(&HttpConfig::default(), &options(hosts, Duration::from_secs(30))).unwrap()
}

fn built(config: &HttpConfig, options: &StoreOptions) -> Result<HttpStore, StoreSetupError> {
    HttpStore::new(StoreId("web".to_owned()), config, options)
}

fn uri(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap()
}

fn image() -> ImageId {
    ImageId::parse("0a1b2c3d-0000-4000-8000-000000000001").unwrap()
}

#[tokio::test]
async fn a_delete_never_connects() {
    let server = Server::answering(&head_of("200 OK", "Content-Length: 7\r\n"));
    let uri = server.uri("", "/image.raw");
    for store in [store(&[]), server.store()] {
        assert_eq!(store.delete(&image(), &uri).await, Deletion::NotOurs);
    }
    assert_eq!(server.requests(), Vec::<String>::new());
    // The server does record requests: a request to a listed host shows up.
    server.store().stat(&image(), &uri).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_never_asked() {
    let server = Server::answering(&head_of("200 OK", "Content-Length: 7\r\n"));
    let another_port = format!("127.0.0.1:{}", server.address.port() ^ 1);
    // A host without a port means port 80 only, because nobody listed its other services.
    let alone = "127.0.0.1";
    for hosts in
        [&[][..], &["localhost"], &["127.0.0.10"], &["27.0.0.1"], &[&another_port], &[alone]]
    {
        for userinfo in ["", "127.0.0.10@", "localhost:80@"] {
            let uri = server.uri(userinfo, "/image.raw?from=localhost#27.0.0.1");
            let error = store(hosts).stat(&image(), &uri).await.unwrap_err();
            let StoreError::NotVerifiable(message) = error else { panic!("{error}") };
            assert!(message.contains("http_verify_hosts"), "{message}");
            assert!(store(hosts).read(&image(), &uri).await.is_err());
        }
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_size_is_the_content_length_of_a_head() {
    let server = Server::answering(&head_of("200 OK", "Content-Length: 5000000000\r\n"));
    let answer = server.store().stat(&image(), &server.uri("", "/a/image.raw?v=1")).await;
    assert_eq!(answer, Ok(Presence::Present { size: 5_000_000_000 }));
    let requests = server.requests();
    assert!(requests.iter().all(|head| head.starts_with("HEAD /a/image.raw?v=1 HTTP/1.1\r\n")));
}

#[tokio::test]
async fn user_and_password_travel_as_basic_auth_and_stay_out_of_errors() {
    let server = Server::answering(&head_of("403 Forbidden", "Content-Length: 0\r\n"));
    let password = canary::HTTP_PASSWORD.replace('=', "%3D");
    let uri = server.uri(&format!("glance:{password}@"), "/image.raw");
    let error = server.store().stat(&image(), &uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    assert!(error.to_string().contains("403"), "{error}");
    let head = server.requests().concat();
    let basic = STANDARD.encode(format!("glance:{}", canary::HTTP_PASSWORD)).to_lowercase();
    assert!(head.to_lowercase().contains(&format!("authorization: basic {basic}")), "{head}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unheard = StoreUri::parse(&format!("http://glance:{password}@{closed}/x")).unwrap();
    let silent = store(&[&closed.to_string()]).stat(&image(), &unheard).await.unwrap_err();
    assert!(matches!(silent, StoreError::Unreachable(_)), "{silent}");
    for shown in [error.to_string(), silent.to_string(), format!("{error:?} {silent:?}")] {
        assert!(!shown.contains(&password) && !shown.contains(canary::HTTP_PASSWORD), "{shown}");
    }
}

#[tokio::test]
async fn not_found_and_gone_are_the_server_s_word_for_absence() {
    for status in ["404 Not Found", "410 Gone"] {
        let server = Server::answering(&head_of(status, "Content-Length: 3\r\n"));
        let uri = server.uri("", "/x");
        assert_eq!(server.store().stat(&image(), &uri).await, Ok(Presence::Absent), "{status}");
        assert!(server.store().read(&image(), &uri).await.unwrap().is_none(), "{status}");
    }
}

#[tokio::test]
async fn every_other_answer_says_nothing_of_the_data() {
    for (status, headers) in [
        ("200 OK", ""),
        ("200 OK", "Content-Length: many\r\n"),
        ("204 No Content", ""),
        ("206 Partial Content", "Content-Length: 7\r\n"),
        ("405 Method Not Allowed", "Content-Length: 7\r\n"),
        ("429 Too Many Requests", "Content-Length: 7\r\n"),
        ("500 Internal Server Error", "Content-Length: 7\r\n"),
        ("503 Service Unavailable", "Content-Length: 7\r\n"),
    ] {
        let server = Server::answering(&head_of(status, headers));
        let answer = server.store().stat(&image(), &server.uri("", "/x")).await;
        assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let inner = Server::answering(&head_of("200 OK", "Content-Length: 7\r\n"));
    let location = format!("Location: http://{}/secret\r\nContent-Length: 0\r\n", inner.address);
    let outer = Server::answering(&head_of("302 Found", &location));
    let uri = outer.uri("", "/x");
    let error = outer.store().stat(&image(), &uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
    assert!(outer.store().read(&image(), &uri).await.is_err());
    assert_eq!((outer.requests().len(), inner.requests().len()), (2, 0));
}

#[tokio::test]
async fn a_body_is_read_to_its_end() {
    let answer = head_of("200 OK", "Content-Length: 10\r\n") + "0123456789";
    let server = Server::answering(&answer);
    let stream = server.store().read(&image(), &server.uri("", "/x")).await;
    let chunks: Vec<Vec<u8>> = stream.unwrap().unwrap().try_collect().await.unwrap();
    assert_eq!(chunks.concat(), b"0123456789");
    assert!(server.requests()[0].starts_with("GET /x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_an_error() {
    let answer = head_of("200 OK", "Content-Length: 10\r\n") + "01234";
    let server = Server::answering(&answer);
    let stream = server.store().read(&image(), &server.uri("", "/x")).await;
    let end = stream.unwrap().unwrap().try_collect::<Vec<_>>().await;
    assert!(matches!(end, Err(StoreError::Unreachable(_))), "{end:?}");
}

#[tokio::test]
async fn a_silent_server_times_out() {
    // The kernel completes connections, but nobody accepts them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = options(&[&address.to_string()], Duration::from_millis(50));
    let store = built(&HttpConfig::default(), &options).unwrap();
    let uri = uri(&format!("http://{address}/x"));
    let error = store.stat(&image(), &uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn other_schemes_are_neither_claimed_nor_answered() {
    let store = store(&["127.0.0.1"]);
    let file = uri("file:///etc/passwd");
    assert_eq!(store.claims(&file), None);
    assert!(matches!(store.delete(&image(), &file).await, Deletion::Uncertain(_)));
    assert!(matches!(store.stat(&image(), &file).await, Err(StoreError::BadLocation(_))));
    assert!(store.claims(&uri("HTTPS://host/x")).is_some());
}

#[test]
fn an_entry_of_http_verify_hosts_that_is_no_host_is_refused() {
    for entry in [
        "http://host",
        "host/path",
        "user@host",
        "",
        "*",
        "a b",
        "host:",
        ":80",
        "host:http",
        "host:0",
        "host:65536",
        "::1",
        "[::1]:",
    ] {
        let options = options(&["good.example", entry], Duration::from_secs(1));
        let error = built(&HttpConfig::default(), &options).unwrap_err();
        assert_eq!(error, StoreSetupError::VerifyHost(entry.to_owned()));
    }
    let good = ["host", "host.example:8080", "192.0.2.1", "[::1]", "[::1]:8443"];
    assert!(built(&HttpConfig::default(), &options(&good, Duration::from_secs(1))).is_ok());
}

/// A web server whose certificate is from an otherwise unknown authority, and that certificate.
async fn over_tls(folder: &TempDir) -> (WebServer, PathBuf) {
    let authority = Authority::new("ours");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let pair = authority.server();
    let (cert_file, key_file) = (file("cert", &pair.cert), file("key", &pair.key));
    let tls =
        Tls::load(&TlsConfig { cert_file, key_file, clients: ClientCertificates::Off }).unwrap();
    let server = WebServer::start_tls(Arc::new(tls)).await;
    server.say("/image.raw", Says::Text(200, "text/plain", "contents".to_owned()));
    (server, file("ca", &authority.pem()))
}

#[tokio::test]
async fn a_server_is_trusted_by_glance_s_own_file_of_certificates() {
    let folder = TempDir::new().unwrap();
    let (server, ca_file) = over_tls(&folder).await;
    let location = uri(&server.url("/image.raw"));
    let authority = server.url("").replace("https://", "");
    let ask = async |ca_file: Option<&Path>, insecure| {
        let config = HttpConfig { ca_file: ca_file.map(Path::to_owned), insecure };
        let store = built(&config, &options(&[&authority], Duration::from_secs(30))).unwrap();
        store.stat(&image(), &location).await
    };
    let present = Ok(Presence::Present { size: 8 });
    assert_eq!(ask(Some(&ca_file), false).await, present);
    assert_eq!(ask(None, true).await, present);
    let unknown = ask(None, false).await;
    assert!(matches!(unknown, Err(StoreError::Unreachable(_))), "{unknown:?}");
    let other = folder.path().join("other");
    fs::write(&other, Authority::new("other").pem()).unwrap();
    let unknown = ask(Some(&other), true).await;
    assert!(matches!(unknown, Err(StoreError::Unreachable(_))), "the file decides: {unknown:?}");
}
