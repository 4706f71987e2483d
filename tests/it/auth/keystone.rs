//! `X-Auth-Token`, with a fake Keystone for behaviour that a real one does not show on demand.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::auth::KeystoneAuthenticator;
use glance_revert::config::{ClientCertificates, ClientTrust, KeystoneConfig, TlsConfig};
use glance_revert::domain::principal::{AuthError, AuthMethod, Authenticator, Principal};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::Answer;
use crate::support::canary;
use crate::support::clock::FixedClock;
use crate::support::fake_keystone::{FakeKeystone, Reply, admin_body};
use crate::support::keystone_world::{
    PASSWORD, TOKEN, World, admin_with, call, config, password, scoped,
};
use crate::support::log;
use crate::support::pipe::pipe;
use crate::support::pki::{Authority, dns};
use crate::support::proxy::closed_port;
use crate::support::verifier::call_with;

#[tokio::test]
async fn an_admin_is_let_in_and_told_apart() {
    let world = World::new().await;
    let expected = Principal {
        is_admin: true,
        name: Some("alice".to_owned()),
        scope: Some("project:p1".to_owned()),
        token_ids: vec!["audit-1".to_owned()],
        ..Principal::new("keystone", "u1", AuthMethod::Keystone)
    };
    assert_eq!(world.ask(TOKEN).await, Ok(expected));
    assert_eq!(world.call().await.status, 200);
    let asked = world.keystone.asked();
    assert!(asked[1].starts_with("GET /v3/auth/tokens?nocatalog "), "{}", asked[1]);
    for header in [
        &format!(r#""x-auth-token": "{}""#, canary::SERVICE_TOKEN),
        &format!(r#""x-subject-token": "{TOKEN}""#),
        r#""openstack-identity-access-rules": "1""#,
        r#""connection": "close""#,
    ] {
        assert!(asked[1].contains(header), "{header} in {}", asked[1]);
    }
}

#[tokio::test]
async fn without_our_own_user_a_token_validates_itself() {
    let world = World::with(None, &[]).await;
    assert!(world.ask(TOKEN).await.is_ok());
    let asked = &world.keystone.asked()[0];
    assert!(asked.contains(&format!(r#""x-auth-token": "{TOKEN}""#)), "{asked}");
    assert_eq!(world.keystone.logins(), 0);
    world.keystone.answer_validations(Reply::Json(401, json!({})));
    assert_eq!(world.ask("other").await, Err(AuthError::Invalid { reason: "unknown" }));
    world.keystone.answer_validations(Reply::Html(401));
    assert!(matches!(world.ask("other").await, Err(AuthError::Unavailable(_))));
}

#[tokio::test]
async fn every_answer_is_judged_by_the_rules() {
    let world = World::new().await;
    let role =
        |role: Value| admin_with(|token| token["roles"] = json!([{ "name": "member" }, role]));
    let credential = |rules: Value| admin_with(|token| token["application_credential"] = rules);
    for (what, body, expected) in [
        ("admin", admin_body(), "admin"),
        ("case", role(json!({ "name": "Admin" })), "admin"),
        ("another role", role(json!({ "name": "admins" })), "caller"),
        ("of a domain", role(json!({ "name": "admin", "domain_id": "d1" })), "caller"),
        ("of no domain", role(json!({ "name": "ADMIN", "domain_id": null })), "admin"),
        ("system", scoped("system", json!({ "all": true })), "admin"),
        ("a part of the system", scoped("system", json!({ "all": false })), "caller"),
        ("domain", scoped("domain", json!({ "id": "d1" })), "caller"),
        ("two scopes", admin_with(|token| token["system"] = json!({ "all": true })), "caller"),
        ("unscoped", scoped("methods", json!([])), "caller"),
        ("no roles", admin_with(|token| token["roles"] = json!([])), "caller"),
        ("no end", admin_with(|token| token["expires_at"] = json!(null)), "no_expires_at"),
        (
            "at its end",
            admin_with(|token| token["expires_at"] = json!("2026-11-22T12:00:00.000000Z")),
            "expired",
        ),
        ("credential", credential(json!({ "id": "c", "restricted": true })), "admin"),
        ("rules", credential(json!({ "access_rules": [{ "path": "/v2" }] })), "access_rules"),
        ("no rule fits", credential(json!({ "access_rules": [] })), "access_rules"),
        ("forged", admin_with(|token| token["user"]["name"] = json!("a\nb")), "control_characters"),
        ("no user", admin_with(|token| token["user"]["id"] = json!("")), "control_characters"),
        ("trust", admin_with(|token| token["OS-TRUST:trust"] = json!({ "id": "t" })), "admin"),
        ("no token", json!({}), "Keystone's answer is not the expected JSON"),
    ] {
        assert_eq!(world.judged(body).await, expected, "{what}");
    }
}

#[tokio::test]
async fn allowed_projects_pin_the_project_and_keep_the_system_out_unless_listed() {
    let project = |id: &str| admin_with(|token| token["project"]["id"] = json!(id));
    let system = || scoped("system", json!({ "all": true }));
    let world = World::with(password(), &["p1", "p2"]).await;
    assert_eq!(world.judged(project("p2")).await, "admin");
    assert_eq!(world.judged(project("p3")).await, "caller");
    assert_eq!(world.judged(system()).await, "caller");
    let world = World::with(password(), &["p1", "system"]).await;
    assert_eq!(world.judged(system()).await, "admin");
    assert_eq!(world.judged(project("system")).await, "caller", "no project is called system");
}

#[tokio::test]
async fn an_answer_is_believed_for_a_minute() {
    let world = World::new().await;
    world.ask(TOKEN).await.unwrap();
    world.keystone.answer_validations(Reply::Json(404, json!({})));
    world.clock.advance(Duration::from_secs(59));
    assert!(!world.verifier.needs_remote_call(&call_with(TOKEN)));
    world.ask(TOKEN).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    assert!(world.verifier.needs_remote_call(&call_with(TOKEN)));
    assert_eq!(world.ask(TOKEN).await, Err(AuthError::Invalid { reason: "unknown" }));
}

#[tokio::test]
async fn errors_are_not_cached() {
    let world = World::new().await;
    for reply in [Reply::Json(404, json!({})), Reply::Json(500, json!({})), Reply::Html(404)] {
        world.keystone.answer_validations(reply);
        assert!(world.ask(TOKEN).await.is_err());
    }
    world.keystone.answer_validations(Reply::Json(200, admin_body()));
    assert!(world.ask(TOKEN).await.is_ok());
}

#[tokio::test]
async fn a_flood_of_one_token_is_one_request() {
    let world = World::new().await;
    world.keystone.hold_validations();
    let flood = futures::future::join_all((0..200).map(|_| world.ask(TOKEN)));
    let (answers, ()) = futures::future::join(flood, async {
        world.keystone.until_validations(1).await;
        world.keystone.let_validations_through();
    })
    .await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((world.keystone.logins(), world.keystone.validations()), (1, 1));
}

#[tokio::test]
async fn sixteen_questions_are_asked_at_a_time() {
    let world = World::new().await;
    world.keystone.hold_validations();
    let tokens: Vec<_> = (0..60).map(|number| format!("token-{number}")).collect();
    let all = futures::future::join_all(tokens.iter().map(|token| world.ask(token)));
    let (answers, ()) = futures::future::join(all, async {
        world.keystone.until_validations(16).await;
        world.keystone.let_validations_through();
    })
    .await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((world.keystone.most_open(), world.keystone.validations()), (16, 60));
}

#[tokio::test]
async fn a_refused_token_of_ours_causes_one_new_login() {
    let world = World::new().await;
    world.keystone.answer_validations(Reply::Json(401, json!({})));
    let answer = world.call().await;
    answer.assert_error(503, "auth.unavailable");
    assert!(answer.header("retry-after").is_some());
    assert_eq!((world.keystone.logins(), world.keystone.validations()), (2, 2));
    world.keystone.answer_validations(Reply::Json(200, admin_body()));
    assert_eq!(world.call().await.status, 200);
}

#[tokio::test]
async fn our_own_login_failures_never_refuse_the_caller() {
    let world = World::new().await;
    let secret = json!({ "error": { "message": format!("Could not find token: {TOKEN}") } });
    for reply in [
        Reply::Html(404),
        Reply::Html(302),
        Reply::Html(200),
        Reply::Json(403, secret.clone()),
        Reply::Json(418, secret.clone()),
        Reply::Json(429, secret.clone()),
        Reply::Json(500, secret.clone()),
        Reply::Html(503),
        Reply::Text("{".to_owned()),
    ] {
        world.keystone.answer_validations(reply.clone());
        let answer = world.call().await;
        answer.assert_error(503, "auth.unavailable");
        assert_says_nothing_secret(&answer);
    }
    world.keystone.answer_validations(Reply::Json(404, secret));
    let answer = world.call().await;
    answer.assert_error(401, "auth.token_invalid");
    assert_says_nothing_secret(&answer);
}

/// Neither the response nor the log quotes the body of Keystone's response.
fn assert_says_nothing_secret(answer: &Answer) {
    let lines = log::lines_of(answer.request_id());
    assert!(!lines.is_empty());
    let told = format!("{lines:?} {}", String::from_utf8_lossy(&answer.bytes));
    for secret in ["gAAAA", PASSWORD, canary::SERVICE_TOKEN] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn without_a_keystone_callers_get_503() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    let clock = Arc::new(FixedClock::default());
    let verifier = KeystoneAuthenticator::new(&config(&url, password()), &[], clock).unwrap();
    let answer = call(&verifier, TOKEN).await;
    answer.assert_error(503, "auth.unavailable");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_silent_keystone_times_out_after_ten_seconds() {
    let world = World::new().await;
    world.ask(TOKEN).await.unwrap();
    world.keystone.answer_validations(Reply::Silence);
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = world.ask("other").await.unwrap_err();
    assert!(matches!(error, AuthError::Unavailable(_)), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn impossible_tokens_cause_no_request() {
    let world = World::new().await;
    for (token, reason) in [
        ("a b".to_owned(), "characters"),
        ("a\u{e9}".to_owned(), "characters"),
        ("a\r\nX-Auth-Token: b".to_owned(), "characters"),
        ("a".repeat(8 * 1024 + 1), "too_long"),
    ] {
        assert_eq!(world.ask(&token).await, Err(AuthError::Invalid { reason }));
        assert!(!world.verifier.needs_remote_call(&call_with(&token)));
    }
    assert!(world.keystone.asked().is_empty());
}

/// TLS files, and a Keystone that requires a client certificate.
async fn over_tls(folder: &TempDir) -> (FakeKeystone, KeystoneConfig) {
    let authority = Authority::new("ours");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (server, client) = (authority.server(), authority.issue(vec![dns("glance.example")]));
    let ca_file = put("ca.pem", &authority.pem());
    let trust = ClientTrust { ca_file: ca_file.clone(), allowed: vec![] };
    let keystone = FakeKeystone::start_tls(&TlsConfig {
        cert_file: put("server.pem", &server.cert),
        key_file: put("server.key", &server.key),
        clients: ClientCertificates::Required(trust),
    })
    .await;
    let identity = Some((put("client.pem", &client.cert), put("client.key", &client.key)));
    let config = config(&keystone.url, password());
    (keystone, KeystoneConfig { cafile: Some(ca_file), identity, ..config })
}

#[tokio::test]
async fn keystone_is_trusted_by_its_certificate_and_is_shown_ours() {
    let folder = TempDir::new().unwrap();
    let (keystone, good) = over_tls(&folder).await;
    let ask = async |config: KeystoneConfig| {
        let clock = Arc::new(FixedClock::default());
        let verifier = KeystoneAuthenticator::new(&config, &[], clock).unwrap();
        verifier.authenticate(&call_with(TOKEN)).await.is_ok()
    };
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new("another").pem()).unwrap();
    let untrusted = KeystoneConfig { cafile: Some(other), ..good.clone() };
    assert!(ask(good.clone()).await);
    assert!(!ask(untrusted.clone()).await, "another authority");
    assert!(!ask(KeystoneConfig { cafile: None, ..good.clone() }).await, "the system's");
    assert!(ask(KeystoneConfig { insecure: true, ..untrusted }).await, "insecure");
    assert!(!ask(KeystoneConfig { identity: None, ..good }).await, "without our certificate");
    assert_eq!(keystone.logins(), 2);
}

#[tokio::test]
async fn a_new_authority_of_keystone_s_is_trusted_without_a_restart() {
    let folder = TempDir::new().unwrap();
    let (_keystone, config) = over_tls(&folder).await;
    let file = folder.path().join("ours.pem");
    let (ours, other) = (folder.path().join("ca.pem"), Authority::new("another").pem());
    std::fs::copy(&ours, &file).unwrap();
    let config =
        KeystoneConfig { cafile: Some(file.clone()), token_cache_time: Duration::ZERO, ..config };
    let clock = Arc::new(FixedClock::default());
    let verifier = KeystoneAuthenticator::new(&config, &[], clock).unwrap();
    let asks = async || verifier.authenticate(&call_with(TOKEN)).await.is_ok();
    assert!(asks().await);
    std::fs::write(&file, "no certificate").unwrap();
    assert!(asks().await, "the old one stays in use");
    std::fs::remove_file(&file).unwrap();
    pipe(&file);
    assert!(asks().await, "the old one stays in use");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, other).unwrap();
    assert!(!asks().await, "the old one is trusted no more");
    std::fs::copy(&ours, &file).unwrap();
    assert!(asks().await);
}

#[test]
fn a_file_that_is_no_certificate_is_told_at_the_start() {
    let folder = TempDir::new().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let told = |change: KeystoneConfig| {
        let clock = Arc::new(FixedClock::default());
        KeystoneAuthenticator::new(&change, &[], clock).unwrap_err().to_string()
    };
    let good = || config("https://keystone.example", password());
    let missing = Some("/nowhere/ca.pem".into());
    for (config, expected) in [
        (KeystoneConfig { cafile: Some(empty.clone()), ..good() }, "holds no PEM certificate"),
        (KeystoneConfig { cafile: missing, ..good() }, "/nowhere/ca.pem cannot be read"),
        (
            KeystoneConfig { identity: Some((empty.clone(), empty)), ..good() },
            "are not a PEM certificate and its key",
        ),
        (config("keystone:5000", password()), "auth_url: must be an http or https URL"),
    ] {
        let told = told(config);
        assert!(told.contains("[keystone_authtoken]") && told.contains(expected), "{told}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let clock = Arc::new(FixedClock::default());
    let config = config("https://keystone.example", password());
    let verifier = KeystoneAuthenticator::new(&config, &[], clock).unwrap();
    assert!(!format!("{verifier:?} {config:?}").contains(PASSWORD));
}
