//! The client's certificate appears in the audit record, and nowhere else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use glance_revert::config::{ClientCertificates, ClientTrust, SubjectName, TlsConfig};
use glance_revert::server::listen::{Limits, serve_tls};
use glance_revert::server::tls::Tls;
use rcgen::SanType;
use reqwest::{Certificate, Client, Identity, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::api::TestApi;
use crate::support::log::{audit_of, lines_of};
use crate::support::pki::{Authority, Pair, dns, email, uri};

/// The real router behind a listener that accepts client certificates.
struct Service {
    url: String,
    ours: Authority,
    clients: Authority,
    _folder: TempDir,
    _stop: DropGuard,
}

impl Service {
    async fn start(mode: fn(ClientTrust) -> ClientCertificates, allowed: Vec<SubjectName>) -> Self {
        let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
        let folder = TempDir::new().unwrap();
        let put = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let pair = ours.server();
        let ca_file = put("clients.crt", &clients.pem());
        let tls = Tls::load(&TlsConfig {
            cert_file: put("tls.crt", &pair.cert),
            key_file: put("tls.key", &pair.key),
            clients: mode(ClientTrust { ca_file, allowed }),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/v2/pending-deletes", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let (router, limits) = (TestApi::new().router, Limits::new(100, Duration::from_secs(1)));
        tokio::spawn(serve_tls(listener, Arc::new(tls.unwrap()), router, limits, stop.clone()));
        Self { url, ours, clients, _folder: folder, _stop: stop.drop_guard() }
    }

    fn client(&self, shown: Option<&Pair>) -> Client {
        let root = Certificate::from_pem(self.ours.pem().as_bytes()).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([root]);
        let client = match shown {
            None => client,
            Some(Pair { cert, key }) => {
                client.identity(Identity::from_pem(format!("{cert}\n{key}").as_bytes()).unwrap())
            }
        };
        client.build().unwrap()
    }

    /// Sends a request with this token; returns the audit record, all other log lines, and the
    /// response.
    async fn ask(&self, client: &Client, token: &str, status: StatusCode) -> (Value, String) {
        let answer = client.get(&self.url).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), status);
        let id = answer.headers()["x-openstack-request-id"].to_str().unwrap().to_owned();
        let told = format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap());
        let mut records = audit_of(&id);
        assert_eq!(records.len(), 1, "{records:?}");
        let lines: Vec<_> = lines_of(&id).iter().map(Value::to_string).collect();
        assert!(!lines.is_empty());
        (records.remove(0), format!("{told} {}", lines.join("\n")))
    }
}

fn sha256(pair: &Pair) -> String {
    let der = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
    digest(&SHA256, &der)
        .as_ref()
        .iter()
        .flat_map(|byte| hex(byte / 16).chain(hex(byte % 16)))
        .collect()
}

fn hex(half: u8) -> impl Iterator<Item = char> {
    char::from_digit(half.into(), 16).into_iter()
}

/// Sends a request with a certificate that has these names; returns the names in the record.
async fn names(service: &Service, names: Vec<SanType>) -> Value {
    let pair = service.clients.issue(names);
    let client = service.client(Some(&pair));
    // The second request uses the same connection.
    for (token, status) in [
        ("jwt-admin", StatusCode::OK),
        ("no", StatusCode::UNAUTHORIZED),
        ("jwt-admin", StatusCode::OK),
    ] {
        let (record, rest) = service.ask(&client, token, status).await;
        assert_eq!(record["peer_certificate_sha256"], sha256(&pair));
        assert!(!rest.contains(&sha256(&pair)) && !rest.contains("peer_certificate"), "{rest}");
        let names = &record["peer_certificate_names"];
        assert!(names.as_str().is_none_or(|names| !rest.contains(names)), "{rest}");
        if token == "jwt-admin" {
            assert_eq!(record["decision"], "allowed");
        }
    }
    let (record, _) = service.ask(&client, "jwt-admin", StatusCode::OK).await;
    record["peer_certificate_names"].clone()
}

#[tokio::test]
async fn the_record_says_which_allowed_name_the_certificate_has() {
    let allowed = vec![
        SubjectName::Dns("undo.example.org".to_owned()),
        SubjectName::Uri("spiffe://cluster/ns/ops/sa/undo".to_owned()),
        SubjectName::Email("ops@example.org".to_owned()),
    ];
    let service = Service::start(ClientCertificates::Required, allowed).await;
    for (shown, told) in [
        (vec![dns("undo.example.org")], "dns:undo.example.org"),
        (vec![dns("UNDO.example.org"), dns("other.example")], "dns:undo.example.org"),
        (vec![uri("spiffe://cluster/ns/ops/sa/undo")], "uri:spiffe://cluster/ns/ops/sa/undo"),
        (
            vec![email("ops@example.org"), uri("spiffe://cluster/ns/ops/sa/undo")],
            "email:ops@example.org uri:spiffe://cluster/ns/ops/sa/undo",
        ),
    ] {
        assert_eq!(names(&service, shown).await, json!(told));
    }
}

#[tokio::test]
async fn without_a_list_the_record_has_the_names_bounded_and_without_control_characters() {
    let service = Service::start(ClientCertificates::Required, vec![]).await;
    assert_eq!(names(&service, vec![]).await, json!(null), "there is the fingerprint");
    assert_eq!(names(&service, vec![dns("a.example")]).await, json!("dns:a.example"));
    let forged = uri("urn:x\n{\"decision\": \"allowed\"}\u{1b}[2J dns:root");
    let told = names(&service, vec![forged]).await;
    assert_eq!(told, json!("uri:urn:x?{\"decision\":?\"allowed\"}?[2J?dns:root"));
    let long = (0..30).map(|number| uri(&format!("urn:{number}:{}", "a".repeat(1000)))).collect();
    let told = names(&service, long).await;
    let told = told.as_str().unwrap();
    assert!(told.len() < 1100 && told.ends_with("... ..."), "{told}");
}

#[tokio::test]
async fn without_a_client_certificate_the_record_has_none() {
    let service = Service::start(ClientCertificates::Optional, vec![]).await;
    let (record, _) = service.ask(&service.client(None), "jwt-admin", StatusCode::OK).await;
    let fields = record.as_object().unwrap();
    assert!(!fields.keys().any(|field| field.contains("certificate")), "{record}");
    assert_eq!(names(&service, vec![dns("a.example")]).await, json!("dns:a.example"));
}

/// A client refused in the handshake sends no request, so there is no record.
#[tokio::test]
async fn nobody_can_make_up_a_certificate() {
    let service = Service::start(ClientCertificates::Optional, vec![]).await;
    let forged = Authority::new("clients").issue(vec![dns("a.example")]);
    let client = service.client(Some(&forged));
    let asked = client.get(&service.url).bearer_auth("jwt-admin").send().await;
    assert!(asked.is_err());
    let said =
        crate::support::log::all().iter().any(|line| line.to_string().contains(&sha256(&forged)));
    assert!(!said);
}
