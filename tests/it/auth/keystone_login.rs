//! Logging in to a fake Keystone and reusing the session, for behaviour that a real one does not
//! show on demand.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use glance_revert::net::Outbound;
use glance_revert::net::keystone::{
    CallError, Interface, KeystoneApi, KeystoneUrl, LoginError, Patience, ServiceUser,
};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::support::canary;
use crate::support::clock::FixedClock;
use crate::support::fake_keystone::{FakeKeystone, Reply, login_body};
use crate::support::proxy::closed_port;

const PASSWORD: &str = canary::KEYSTONE_PASSWORD;

fn credentials(domain: Domain) -> Credentials {
    let user = Identifier::Name { name: "glance".to_owned(), domain: domain.clone() };
    let project = Identifier::Name { name: "service".to_owned(), domain };
    Credentials::Password { user, password: PASSWORD.into(), scope: Scope::Project(project) }
}

fn api(url: &str, deadline: Duration, retries: u32) -> KeystoneApi {
    let http = Outbound::within(Duration::from_secs(10)).client().unwrap();
    KeystoneApi::new(http, KeystoneUrl::parse(url).unwrap(), Patience { deadline, retries })
}

fn service_user(url: &str, clock: &Arc<FixedClock>) -> ServiceUser {
    let api = api(url, Duration::from_secs(10), 0);
    let domain = Domain::NameOrId("default".to_owned());
    ServiceUser::new(api, credentials(domain), true, Arc::clone(clock) as _)
}

async fn login(url: &str) -> LoginError {
    let domain = Domain::Name("Default".to_owned());
    let api = api(url, Duration::from_millis(500), 1);
    api.login(&credentials(domain), true).await.unwrap_err()
}

#[tokio::test]
async fn a_session_is_kept_until_shortly_before_it_ends() {
    let (keystone, clock) = (FakeKeystone::start().await, Arc::new(FixedClock::default()));
    let user = service_user(&keystone.url, &clock);
    let session = user.session().await.unwrap();
    assert_eq!(session.token.expose_secret(), canary::SERVICE_TOKEN);
    assert_eq!(session.project_id.as_deref(), Some("service-id"));
    let swift = session.catalog.endpoint("object-store", Interface::Public, Some("one"));
    assert_eq!(swift, Some("http://swift/v1/AUTH_service-id"));
    clock.advance(Duration::from_secs(58 * 60 + 59));
    user.session().await.unwrap();
    assert_eq!(keystone.logins(), 1);
    clock.advance(Duration::from_secs(1));
    user.session().await.unwrap();
    assert_eq!(keystone.logins(), 2, "a minute before 13:00");
}

#[tokio::test]
async fn concurrent_callers_share_one_login() {
    let (keystone, clock) = (FakeKeystone::start().await, Arc::new(FixedClock::default()));
    let user = service_user(&keystone.url, &clock);
    let sessions = futures::future::join_all((0..50).map(|_| user.session())).await;
    assert!(sessions.iter().all(Result::is_ok));
    assert_eq!(keystone.logins(), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_however_many_report_it() {
    let (keystone, clock) = (FakeKeystone::start().await, Arc::new(FixedClock::default()));
    let user = service_user(&keystone.url, &clock);
    let old = user.session().await.unwrap();
    user.forget(&old);
    let new = user.session().await.unwrap();
    user.forget(&old);
    assert!(Arc::ptr_eq(&new, &user.session().await.unwrap()), "the new one stays");
    assert_eq!(keystone.logins(), 2);
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_for_a_while() {
    let (keystone, clock) = (FakeKeystone::start().await, Arc::new(FixedClock::default()));
    keystone.answer_logins(Reply::Json(401, json!({ "error": { "message": PASSWORD } })));
    let user = service_user(&keystone.url, &clock);
    for _ in 0..5 {
        assert_eq!(user.session().await.unwrap_err(), LoginError::Refused(401));
    }
    assert_eq!(keystone.logins(), 2, "the domain once as a name, once as an id");
    let asked = keystone.asked();
    assert!(asked[0].contains(r#""domain":{"name":"default"}"#), "{}", asked[0]);
    assert!(asked[1].contains(r#""domain":{"id":"default"}"#), "{}", asked[1]);
    keystone.answer_logins(Reply::Token(canary::SERVICE_TOKEN, login_body()));
    clock.advance(Duration::from_secs(30));
    user.session().await.unwrap();
}

#[tokio::test]
async fn every_way_to_fail_has_its_own_word_and_none_repeats_an_answer() {
    let keystone = FakeKeystone::start().await;
    let secret = json!({ "error": { "message": "gAAAA-secret", "title": PASSWORD } });
    for (reply, expected) in [
        (Reply::Json(401, secret.clone()), LoginError::Refused(401)),
        (Reply::Json(403, secret.clone()), LoginError::Refused(403)),
        (Reply::Json(404, secret.clone()), LoginError::NotKeystone(404)),
        (Reply::Json(400, secret.clone()), LoginError::Unexpected(400)),
        (Reply::Json(500, secret.clone()), LoginError::Unavailable(500)),
        (Reply::Json(429, secret.clone()), LoginError::Unavailable(429)),
        (Reply::Html(404), LoginError::NotKeystone(404)),
        (Reply::Html(401), LoginError::NotKeystone(401)),
        (Reply::Html(301), LoginError::NotKeystone(301)),
        (Reply::Html(200), LoginError::NotKeystone(200)),
        (Reply::Html(502), LoginError::Unavailable(502)),
        (Reply::Text(login_body().to_string()), LoginError::BadAnswer("has no X-Subject-Token")),
        (Reply::Token("t", json!({ "token": {} })), LoginError::BadAnswer("has no expires_at")),
        (
            Reply::Token("t", json!({ "token": { "expires_at": "gAAAA-secret" } })),
            LoginError::BadAnswer("is not the expected JSON"),
        ),
        (Reply::Silence, LoginError::Call(CallError::TimedOut(Duration::from_millis(500)))),
    ] {
        keystone.answer_logins(reply);
        let error = login(&keystone.url).await;
        assert_eq!(error, expected);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("gAAAA") && !text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable_after_the_configured_retries() {
    let url = format!("http://127.0.0.1:{}", closed_port());
    let error = login(&url).await;
    let LoginError::Call(CallError::Unreachable(cause)) = &error else { panic!("{error:?}") };
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn a_sent_request_is_not_repeated() {
    let keystone = FakeKeystone::start().await;
    keystone.answer_logins(Reply::Silence);
    login(&keystone.url).await;
    assert_eq!(keystone.logins(), 1);
}

#[test]
fn nothing_secret_is_shown() {
    let url = "http://keystone.example:5000";
    let user = service_user(url, &Arc::new(FixedClock::default()));
    let text = format!("{user:?}");
    assert!(text.contains("keystone.example") && !text.contains(PASSWORD), "{text}");
}
