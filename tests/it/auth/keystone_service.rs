//! `X-Service-Token` and access rules, by keystonemiddleware's rules.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request};
use glance_revert::api::throttle::Throttle;
use serde_json::{Value, json};

use crate::support::api::{Answer, TestApi};
use crate::support::canary;
use crate::support::fake_keystone::{Reply, admin_body};
use crate::support::keystone_world::{TOKEN, World, admin_with};
use crate::support::log;

const SERVICE: &str = canary::PASSING_TOKEN;
const LIST: (Method, &str) = (Method::GET, "/v2/pending-deletes");

/// Keystone's response about a service's own user.
fn service_with(roles: &Value) -> Value {
    let user = json!({ "id": "s1", "name": "nova", "domain": { "id": "default" } });
    admin_with(|token| {
        token["user"] = user;
        token["roles"] = roles.clone();
    })
}

fn service() -> Value {
    service_with(&json!([{ "name": "member" }, { "name": "service" }]))
}

/// An admin's application credential that is limited to these calls.
fn bound_to(rules: &Value) -> Value {
    admin_with(|token| token["application_credential"] = json!({ "access_rules": rules }))
}

impl World {
    fn api(&self) -> TestApi {
        let verifier = self.verifier.clone();
        TestApi::with(|state| {
            state.keystone = Some(Arc::new(verifier));
            state.throttle = Arc::new(Throttle::new(NonZeroU32::new(100).unwrap()));
        })
    }

    /// The status, and the logged reason.
    async fn told(&self, service_token: Option<&str>) -> String {
        self.told_of(LIST, service_token).await
    }

    async fn told_of(&self, (method, path): (Method, &str), service_token: Option<&str>) -> String {
        let mut headers = vec![("X-Auth-Token", TOKEN)];
        headers.extend(service_token.map(|token| ("X-Service-Token", token)));
        let answer = send(&self.api(), method, path, &headers).await;
        let record = record_of(&answer);
        let cause = record["cause"].as_str().unwrap_or_default().to_owned();
        format!("{} {cause}", answer.status.as_u16()).trim().to_owned()
    }
}

fn record_of(answer: &Answer) -> Value {
    let mut records = log::audit_of(answer.request_id());
    assert_eq!(records.len(), 1);
    records.remove(0)
}

async fn send(api: &TestApi, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
    api.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_service_passes_on_a_call_whose_token_expired() {
    let world = World::new().await;
    world.keystone.knows_expired(TOKEN, admin_body());
    world.keystone.knows(SERVICE, service());
    assert_eq!(world.told(None).await, "401 unknown");
    assert_eq!(world.told(Some(SERVICE)).await, "200");
    let asked = world.keystone.asked();
    let about_caller = asked.last().unwrap();
    assert!(about_caller.starts_with("GET /v3/auth/tokens?nocatalog&allow_expired=1 "));
    assert!(about_caller.contains(TOKEN) && !about_caller.contains(SERVICE));
    assert_eq!(world.told(None).await, "401 unknown", "what expired is not kept");
}

#[tokio::test]
async fn the_record_names_the_caller_and_the_service() {
    let world = World::new().await;
    world.keystone.knows(SERVICE, service());
    let headers = [("X-Auth-Token", TOKEN), ("X-Service-Token", SERVICE)];
    let answer = send(&world.api(), LIST.0, LIST.1, &headers).await;
    assert_eq!(answer.status, 200);
    let record = record_of(&answer);
    assert_eq!(
        (&record["initiator_id"], &record["initiator_service"]),
        (&json!("u1"), &json!("s1"))
    );
    let direct = send(&world.api(), LIST.0, LIST.1, &headers[..1]).await;
    assert_eq!(record_of(&direct)["initiator_service"], json!(null));
}

#[tokio::test]
async fn only_services_may_forward_calls() {
    let world = World::new().await;
    world.keystone.knows(TOKEN, admin_body());
    for roles in [
        json!([]),
        json!([{ "name": "admin" }]),
        json!([{ "name": "Service" }]),
        json!([{ "name": "service", "domain_id": "d1" }]),
    ] {
        let token = format!("{SERVICE}-{}", world.keystone.validations());
        world.keystone.knows(&token, service_with(&roles));
        assert_eq!(world.told(Some(&token)).await, "401 service_token_roles", "{roles}");
    }
    let restricted = json!({ "access_rules": [] });
    let mut body = service();
    body["token"]["application_credential"] = restricted;
    world.keystone.knows("restricted", body);
    assert_eq!(world.told(Some("restricted")).await, "401 service_token_roles");
    assert_eq!(world.told(None).await, "200", "the caller alone may");
}

#[tokio::test]
async fn a_service_token_that_is_not_good_spoils_the_call() {
    let world = World::new().await;
    world.keystone.knows(TOKEN, admin_body());
    world.keystone.knows_expired("expired", service());
    world.keystone.answer_validations(Reply::Json(404, json!({})));
    assert_eq!(world.told(Some("expired")).await, "401 service_token");
    assert_eq!(world.told(Some("unknown")).await, "401 service_token");
    let before = world.keystone.validations();
    assert_eq!(world.told(Some("no token")).await, "401 characters");
    assert_eq!(world.keystone.validations(), before);
    world.keystone.answer_validations(Reply::Json(500, json!({})));
    let told = world.told(Some("another")).await;
    assert_eq!(told, "503 Keystone reports that it is unavailable (500)");
}

#[tokio::test]
async fn a_service_lends_its_caller_no_role() {
    let world = World::new().await;
    let roles = json!([{ "name": "admin" }, { "name": "service" }]);
    world.keystone.knows(SERVICE, service_with(&roles));
    world.keystone.knows(TOKEN, admin_with(|token| token["roles"] = json!([{ "name": "member" }])));
    assert_eq!(world.told(Some(SERVICE)).await, "403 u1 of keystone is not an admin");
}

#[tokio::test]
async fn an_unrequired_service_token_without_roles_changes_nothing() {
    let world = World::configured(&[], |config| {
        config.service_token_roles_required = false;
        config.service_token_roles = vec!["glance-friend".to_owned()];
        config.service_type = Some("image".to_owned());
    })
    .await;
    world.keystone.knows("friend", service_with(&json!([{ "name": "glance-friend" }])));
    world.keystone.knows(SERVICE, service());
    world.keystone.knows(TOKEN, admin_body());
    assert_eq!(world.told(Some(SERVICE)).await, "200");
    world.keystone.knows_expired("late", admin_body());
    for (service_token, expected) in [(SERVICE, 401), ("friend", 200)] {
        let headers = [("X-Auth-Token", "late"), ("X-Service-Token", service_token)];
        let answer = send(&world.api(), LIST.0, LIST.1, &headers).await;
        assert_eq!(answer.status, expected, "{service_token}");
    }
    let world_of_rules = World::configured(&[], |config| {
        config.service_token_roles_required = false;
        config.service_type = Some("image".to_owned());
    })
    .await;
    world_of_rules.keystone.knows(TOKEN, bound_to(&json!([])));
    world_of_rules.keystone.knows("member", service_with(&json!([{ "name": "member" }])));
    assert_eq!(world_of_rules.told(Some("member")).await, "401 access_rules");
}

#[tokio::test]
async fn validations_that_allow_expired_tokens_are_not_shared_with_others() {
    let world = World::new().await;
    world.keystone.knows_expired(TOKEN, admin_body());
    world.keystone.knows(SERVICE, service());
    assert_eq!(world.told(Some(SERVICE)).await, "200");
    world.keystone.hold_validations();
    let both = futures::future::join(world.told(Some(SERVICE)), world.told(None));
    let (answers, ()) = futures::future::join(both, async {
        world.keystone.until_validations(4).await;
        world.keystone.let_validations_through();
    })
    .await;
    assert_eq!(answers, ("200".to_owned(), "401 unknown".to_owned()));
}

#[tokio::test]
async fn only_one_caller_token_and_one_service_token_are_accepted() {
    let world = World::new().await;
    let api = world.api();
    let ask = async |headers: &[(&str, &str)]| send(&api, LIST.0, LIST.1, headers).await;
    let twice = [("X-Auth-Token", TOKEN), ("X-Service-Token", "a"), ("X-Service-Token", "b")];
    ask(&twice).await.assert_error(400, "request.invalid");
    let bearer = [("Authorization", "Bearer jwt-admin"), ("X-Service-Token", SERVICE)];
    ask(&bearer).await.assert_error(400, "request.invalid");
    ask(&[("X-Service-Token", SERVICE)]).await.assert_error(401, "auth.token_missing");
    let empty = [("X-Auth-Token", TOKEN), ("X-Service-Token", " ")];
    assert!(world.keystone.asked().is_empty());
    assert_eq!(ask(&empty).await.status, 200);
    assert_eq!(world.keystone.validations(), 1);
}

#[tokio::test]
async fn a_limited_client_has_no_unknown_service_token_asked_about() {
    let world = World::new().await;
    world.keystone.knows(TOKEN, admin_body());
    world.keystone.knows(SERVICE, service());
    let verifier = world.verifier.clone();
    let api = TestApi::with(|state| {
        state.keystone = Some(Arc::new(verifier));
        state.throttle = Arc::new(Throttle::new(NonZeroU32::new(1).unwrap()));
    });
    let ask = async |token, service| {
        let headers = [("X-Auth-Token", token), ("X-Service-Token", service)];
        send(&api, LIST.0, LIST.1, &headers).await
    };
    assert_eq!(ask(TOKEN, SERVICE).await.status, 200);
    ask("a b", SERVICE).await.assert_error(401, "auth.token_invalid");
    let before = world.keystone.validations();
    ask(TOKEN, "other").await.assert_error(429, "auth.too_many_failures");
    assert_eq!(world.keystone.validations(), before);
    assert_eq!(ask(TOKEN, SERVICE).await.status, 200);
}

#[tokio::test]
async fn access_rules_are_kept_where_the_service_has_a_type() {
    let world =
        World::configured(&[], |config| config.service_type = Some("image".to_owned())).await;
    let show = json!({ "service": "image", "method": "GET", "path": "/v2/pending-deletes/{id}" });
    let revert = json!({
        "service": "image", "method": "POST", "path": "/v2/images/*/actions/revert",
    });
    world.keystone.knows(TOKEN, bound_to(&json!([show, revert])));
    world.keystone.knows(SERVICE, service());
    for (method, path, expected) in [
        (Method::GET, "/v2/pending-deletes", "401 access_rules"),
        (Method::GET, "/v2/pending-deletes/no-such-image", "404"),
        (Method::POST, "/v2/images/no-such-image/actions/revert", "404"),
        (Method::GET, "/v2/pending-deletes?limit=1", "401 access_rules"),
    ] {
        assert_eq!(world.told_of((method.clone(), path), None).await, expected, "{method} {path}");
    }
    assert_eq!(world.told(Some(SERVICE)).await, "200", "the rules are about direct calls");
    assert_eq!(world.keystone.validations(), 2, "kept answers keep their rules");
}

#[tokio::test]
async fn access_rules_of_another_service_or_none_allow_nothing() {
    let all = |service: &str| json!([{ "service": service, "method": "GET", "path": "/v2/**" }]);
    for (service_type, rules, expected) in [
        (Some("image"), all("image"), "200"),
        (Some("image"), all("compute"), "401 access_rules"),
        (Some("image"), json!([]), "401 access_rules"),
        (Some("image"), json!([{ "path": "/v2/**" }]), "401 access_rules"),
        (Some("image"), json!(null), "200"),
        (None, all("image"), "401 access_rules"),
    ] {
        let service_type = service_type.map(ToOwned::to_owned);
        let world = World::configured(&[], |config| config.service_type = service_type).await;
        world.keystone.knows(TOKEN, bound_to(&rules));
        assert_eq!(world.told(None).await, expected, "{rules}");
    }
}
