//! The listener over TLS: good and bad handshakes, client certificates, new files under traffic.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use glance_revert::app::App;
use glance_revert::auth::DemoIssuer;
use glance_revert::config::{
    ClientCertificates, ClientTrust, Config, Environment, Sources, SubjectName, TlsConfig,
};
use glance_revert::domain::time::{Clock, SystemClock};
use glance_revert::server::listen::{Drained, Limits, serve_tls};
use glance_revert::server::signals::Shutdown;
use glance_revert::server::tls::Tls;
use glance_revert::telemetry;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::support::binary::ConfigFile;
use crate::support::daemon::until;
use crate::support::pipe::pipe;
use crate::support::pki::{Authority, Pair, dns, email, uri};

const DEADLINE: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(300);
const CLOSE: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const KEEP: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

/// Limits that never apply.
fn patient() -> Limits {
    Limits {
        max_connections: 100,
        head_timeout: NEVER,
        write_timeout: NEVER,
        max_head_bytes: 16 * 1024,
        drain_timeout: NEVER,
    }
}

struct Server {
    authority: Authority,
    folder: TempDir,
    tls: Arc<Tls>,
    address: SocketAddr,
    stop: CancellationToken,
    /// Lets a request to `/slow` complete.
    gate: Arc<Semaphore>,
    task: JoinHandle<Drained>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::with(limits, |_| ClientCertificates::Off).await
    }

    async fn with(limits: Limits, clients: impl FnOnce(&TempDir) -> ClientCertificates) -> Self {
        let (authority, folder) = (Authority::new("ours"), TempDir::new().unwrap());
        put(&folder, &authority.server());
        let config = TlsConfig {
            cert_file: folder.path().join("tls.crt"),
            key_file: folder.path().join("tls.key"),
            clients: clients(&folder),
        };
        let tls = Arc::new(Tls::load(&config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, gate) = (CancellationToken::new(), Arc::new(Semaphore::new(0)));
        let wait = Arc::clone(&gate);
        let router = Router::new().route("/hello", get(async || "hello")).route(
            "/slow",
            get(async move || {
                let _ = wait.acquire().await;
                "done"
            }),
        );
        let task =
            tokio::spawn(serve_tls(listener, Arc::clone(&tls), router, limits, stop.clone()));
        Self { authority, folder, tls, address, stop, gate, task }
    }

    /// A client that trusts our certificate.
    fn client(&self) -> Client {
        Client::trusting(&self.authority)
    }

    async fn ended(self) -> Drained {
        timeout(DEADLINE, self.task).await.expect("serve goes on").unwrap()
    }
}

fn put(folder: &TempDir, pair: &Pair) {
    std::fs::write(folder.path().join("tls.crt"), &pair.cert).unwrap();
    std::fs::write(folder.path().join("tls.key"), &pair.key).unwrap();
}

/// The options of a client's handshake.
struct Client {
    roots: RootCertStore,
    identity: Option<Pair>,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: &'static [&'static str],
}

impl Client {
    fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        Self { roots, identity: None, versions: vec![&TLS13, &TLS12], alpn: &["h2", "http/1.1"] }
    }

    fn showing(self, pair: Pair) -> Self {
        Self { identity: Some(pair), ..self }
    }

    async fn connect(&self, server: &Server) -> Result<TlsStream<TcpStream>, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Pair { cert, key }) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(server.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        timeout(DEADLINE, handshake).await.expect("the handshake does not end")
    }

    /// Sends one request on a new connection.
    async fn ask(&self, server: &Server) -> Result<String, Error> {
        let mut stream = self.connect(server).await?;
        stream.write_all(CLOSE).await?;
        read_to_close(&mut stream).await
    }
}

async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, Error> {
    let mut seen = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut seen)).await.expect("still open")?;
    Ok(seen)
}

async fn ask_and_keep(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(KEEP).await.unwrap();
    let mut seen = Vec::new();
    let reading = async {
        while !seen.ends_with(b"hello") {
            seen.push(stream.read_u8().await.expect("closed before the answer"));
        }
    };
    timeout(DEADLINE, reading).await.expect("no answer");
}

#[tokio::test]
async fn a_client_that_trusts_us_is_answered_in_both_versions_of_tls() {
    let server = Server::start(patient()).await;
    for (only, version) in [(&TLS13, ProtocolVersion::TLSv1_3), (&TLS12, ProtocolVersion::TLSv1_2)]
    {
        let client = Client { versions: vec![only], ..server.client() };
        let stream = client.connect(&server).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = client.ask(&server).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_goes_away() {
    let server = Server::start(patient()).await;
    let stranger = Client::trusting(&Authority::new("another"));
    let error = stranger.ask(&server).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    server.client().ask(&server).await.unwrap();
}

#[tokio::test]
async fn a_client_that_only_speaks_http_2_is_refused() {
    let server = Server::start(patient()).await;
    let client = Client { alpn: &["h2"], ..server.client() };
    let error = client.ask(&server).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[tokio::test]
async fn plain_http_is_told_to_use_https() {
    let server = Server::start(patient()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(CLOSE).await.unwrap();
    let answer = read_to_close(&mut stream).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("use https:// instead of http://"), "{answer}");
    assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_closed() {
    let server = Server::start(Limits { head_timeout: SOON, ..patient() }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(read_to_close(&mut silent).await.unwrap(), "");
    let mut begun = TcpStream::connect(server.address).await.unwrap();
    begun.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
    let ended = read_to_close(&mut begun).await;
    assert!(ended.as_ref().is_ok_and(String::is_empty) || is_reset(&ended), "{ended:?}");
}

fn is_reset(ended: &Result<String, Error>) -> bool {
    ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn handshakes_that_never_end_keep_nobody_out() {
    let server = Server::start(Limits { max_connections: 4, ..patient() }).await;
    let mut settled = server.client().connect(&server).await.unwrap();
    let mut half_open = Vec::new();
    for _ in 0..50 {
        half_open.push(TcpStream::connect(server.address).await.unwrap());
    }
    ask_and_keep(&mut settled).await;
    server.client().ask(&server).await.unwrap();
    // The oldest handshakes were cancelled to make room.
    assert_eq!(read_to_close(&mut half_open[0]).await.unwrap(), "");
    ask_and_keep(&mut settled).await;
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_waits_for_no_handshake() {
    let server = Server::start(patient()).await;
    let _half_open = TcpStream::connect(server.address).await.unwrap();
    let mut idle = server.client().connect(&server).await.unwrap();
    ask_and_keep(&mut idle).await;
    let mut busy = server.client().connect(&server).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    busy.flush().await.unwrap();
    // Accepted and answered after the slow request was sent.
    server.client().ask(&server).await.unwrap();

    server.stop.cancel();
    assert_eq!(read_to_close(&mut idle).await.unwrap(), "");
    assert!(!server.task.is_finished());
    server.gate.add_permits(1);
    let answer = read_to_close(&mut busy).await.unwrap();
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("done"), "{answer}");
    assert_eq!(server.ended().await, Drained { cut: 0 });
}

#[tokio::test]
async fn new_files_are_taken_under_traffic() {
    let server = Server::start(patient()).await;
    let mut old = server.client().connect(&server).await.unwrap();
    let next = Authority::new("next");
    put(&server.folder, &next.server());
    server.client().ask(&server).await.unwrap();

    server.tls.look();
    let client = Client::trusting(&next);
    client.ask(&server).await.unwrap();
    server.client().ask(&server).await.unwrap_err();
    ask_and_keep(&mut old).await;
}

#[tokio::test]
async fn new_files_that_cannot_be_used_leave_the_old_ones_in_use() {
    let server = Server::start(patient()).await;
    let next = Authority::new("next");
    let (one, other) = (next.server(), next.server());
    let mixed = |cert: &str, key: &str| Pair { cert: cert.to_owned(), key: key.to_owned() };
    for bad in [
        mixed(&one.cert, &other.key),
        mixed(&one.cert, ""),
        mixed("", &one.key),
        mixed("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &one.key),
        mixed(&one.key, &one.cert),
    ] {
        put(&server.folder, &bad);
        server.tls.look();
        server.client().ask(&server).await.unwrap();
    }
    for file in ["tls.key", "tls.crt"] {
        let path = server.folder.path().join(file);
        std::fs::remove_file(&path).unwrap();
        server.tls.look();
        server.client().ask(&server).await.unwrap();
        pipe(&path);
        server.tls.look();
        server.client().ask(&server).await.unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    put(&server.folder, &one);
    server.tls.look();
    Client::trusting(&next).ask(&server).await.unwrap();
}

#[test]
fn files_that_cannot_be_used_at_the_start_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let (one, other) = (authority.server(), authority.server());
    let config = TlsConfig {
        cert_file: folder.path().join("tls.crt"),
        key_file: folder.path().join("tls.key"),
        clients: ClientCertificates::Off,
    };
    let refused = || Tls::load(&config).unwrap_err().to_string();
    assert!(refused().contains("tls_cert_file"), "{}", refused());
    put(&folder, &Pair { cert: one.cert, key: other.key });
    assert!(refused().contains("the first certificate must be that of the key"), "{}", refused());
    std::fs::write(&config.key_file, "no key").unwrap();
    assert!(refused().contains("has no private key in PEM"), "{}", refused());
}

/// Checks that the client is refused, in the handshake or (TLS 1.3) at the first read.
async fn assert_refused(client: Client, server: &Server, why: &str) {
    for only in [&TLS13, &TLS12] {
        let identity = client.identity.as_ref().map(clone);
        let client = Client { versions: vec![only], identity, ..server.client() };
        let told = client.ask(server).await.unwrap_err().to_string();
        assert!(told.contains("received fatal alert"), "{why}: {told}");
    }
}

fn clone(pair: &Pair) -> Pair {
    Pair { cert: pair.cert.clone(), key: pair.key.clone() }
}

fn trust(folder: &TempDir, clients: &Authority, allowed: &[SubjectName]) -> ClientTrust {
    let ca_file = folder.path().join("clients.crt");
    std::fs::write(&ca_file, clients.pem()).unwrap();
    ClientTrust { ca_file, allowed: allowed.to_vec() }
}

#[tokio::test]
async fn a_required_certificate_must_be_shown_and_be_good() {
    let clients = Authority::new("clients");
    let required = |folder: &TempDir| ClientCertificates::Required(trust(folder, &clients, &[]));
    let server = Server::with(patient(), required).await;
    assert_refused(server.client(), &server, "none").await;
    let forged = Authority::new("clients").issue(vec![dns("a")]);
    assert_refused(server.client().showing(forged), &server, "another authority").await;
    let good = server.client().showing(clients.issue(vec![dns("a")]));
    good.ask(&server).await.unwrap();
}

#[tokio::test]
async fn an_optional_certificate_must_be_good_if_it_is_shown() {
    let clients = Authority::new("clients");
    let optional = |folder: &TempDir| ClientCertificates::Optional(trust(folder, &clients, &[]));
    let server = Server::with(patient(), optional).await;
    server.client().ask(&server).await.unwrap();
    server.client().showing(clients.issue(vec![dns("a")])).ask(&server).await.unwrap();
    let forged = Authority::new("clients").issue(vec![dns("a")]);
    assert_refused(server.client().showing(forged), &server, "another authority").await;
}

#[tokio::test]
async fn client_certificates_are_requested_only_if_configured() {
    let server = Server::start(patient()).await;
    let any = Authority::new("any").issue(vec![dns("a")]);
    server.client().showing(any).ask(&server).await.unwrap();
}

#[tokio::test]
async fn only_names_of_the_list_are_let_in() {
    let clients = Authority::new("clients");
    let allowed = [
        SubjectName::Dns("undo.example.org".to_owned()),
        SubjectName::Uri("spiffe://cluster/ns/ops/sa/undo".to_owned()),
        SubjectName::Email("ops@example.org".to_owned()),
    ];
    let required =
        |folder: &TempDir| ClientCertificates::Required(trust(folder, &clients, &allowed));
    let server = Server::with(patient(), required).await;
    for good in [
        vec![dns("undo.example.org")],
        vec![dns("UNDO.example.org")],
        vec![uri("spiffe://cluster/ns/ops/sa/undo")],
        vec![email("ops@example.org")],
        vec![dns("other.example.org"), email("ops@example.org")],
    ] {
        server.client().showing(clients.issue(good)).ask(&server).await.unwrap();
    }
    for bad in [
        vec![],
        vec![dns("other.example.org")],
        vec![dns("*.example.org")],
        vec![uri("spiffe://cluster/ns/ops/sa/undo2")],
        vec![email("undo.example.org")],
        vec![uri("ops@example.org")],
    ] {
        let why = format!("{bad:?}");
        assert_refused(server.client().showing(clients.issue(bad)), &server, &why).await;
    }
}

#[tokio::test]
async fn a_new_client_ca_applies_after_the_next_check() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let required = |folder: &TempDir| ClientCertificates::Required(trust(folder, &before, &[]));
    let server = Server::with(patient(), required).await;
    std::fs::write(server.folder.path().join("clients.crt"), after.pem()).unwrap();
    server.tls.look();
    server.client().showing(after.issue(vec![dns("a")])).ask(&server).await.unwrap();
    assert_refused(server.client().showing(before.issue(vec![dns("a")])), &server, "old").await;
}

/// A configuration with TLS for the API, and the certificate's files.
fn config_with_tls(pair: &Pair) -> ConfigFile {
    let config = ConfigFile::new(
        "[database]\nconnection = sqlite:///FOLDER/empty.db\n\
         [revert]\nscrubber = false\nbind = 127.0.0.1:0\nops_bind = 127.0.0.1:0\n\
         tls_cert_file = FOLDER/tls.crt\ntls_key_file = FOLDER/tls.key\n\
         [revert_jwt:test]\nissuer = https://i\naudiences = a\njwks_file = FOLDER/jwks.json\n",
    );
    config.put("empty.db", "");
    config.put("tls.crt", &pair.cert);
    config.put("tls.key", &pair.key);
    config.put("jwks.json", &DemoIssuer::generate("https://i", "a").unwrap().jwks());
    config
}

#[test]
fn a_mismatched_pair_prevents_the_start_and_is_named() {
    let authority = Authority::new("ours");
    let mixed = Pair { cert: authority.server().cert, key: authority.server().key };
    let config = config_with_tls(&mixed);
    let run = config.run(&["serve"]);
    assert_eq!(run.exit, Some(64), "{run:?}");
    assert!(run.stderr.contains("[revert] tls_cert_file, tls_key_file: "), "{run:?}");
    assert!(!run.stderr.contains("PRIVATE"), "{run:?}");
    assert!(checked(&config).contains("BROKEN"), "{}", checked(&config));
}

/// The line of `check` about TLS.
fn checked(config: &ConfigFile) -> String {
    let check = config.run(&["check"]);
    let line = check.stdout.lines().find(|line| line.trim_start().starts_with("TLS"));
    line.unwrap_or_else(|| panic!("{check:?}")).to_owned()
}

#[test]
fn check_says_until_when_the_certificate_is_good() {
    let authority = Authority::new("ours");
    let line = checked(&config_with_tls(&authority.server()));
    assert!(line.contains(" ok ") && line.contains("valid until 4096-12-31T00:00:00Z"), "{line}");
    let expired = authority.issue_until(2020, vec![dns("localhost")]);
    let line = checked(&config_with_tls(&expired));
    assert!(line.contains(" warning ") && line.contains("2020-12-31T00:00:00Z"), "{line}");
}

#[tokio::test]
async fn the_service_serves_tls_and_finds_new_files_by_itself() {
    let (first, next) = (Authority::new("first"), Authority::new("next"));
    let config = config_with_tls(&first.server());
    let sources = Sources {
        config_files: vec![config.file("glance.conf")],
        config_dirs: vec![],
        environment: Environment::default(),
    };
    let app = App::new(Config::load(&sources).unwrap()).unwrap();
    let state = app.api_state().unwrap();
    let metrics = telemetry::init_metrics(SystemClock.now()).unwrap();
    let server = glance_revert::server::Server::bind(app, state, metrics).await.unwrap();
    let url = format!("https://localhost:{}/", server.api_address().unwrap().port());
    let ops = format!("http://{}/livez", server.ops_address().unwrap());
    let shutdown = Shutdown::default();
    let running = tokio::spawn(server.run(shutdown.clone()));

    let get = async |authority: &Authority| {
        let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
        client.build().unwrap().get(&url).send().await
    };
    let answer = get(&first).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    let live = plain.get(ops).send().await.unwrap();
    assert_eq!(live.status(), 200, "probes need no TLS");
    assert_eq!(live.headers().get("strict-transport-security"), None);

    let pair = next.server();
    config.put("tls.crt", &pair.cert);
    config.put("tls.key", &pair.key);
    until("the new certificate", async || get(&next).await.ok()).await;
    shutdown.soft.cancel();
    assert_eq!(
        timeout(DEADLINE, running).await.expect("still running").unwrap(),
        Drained { cut: 0 }
    );
}
