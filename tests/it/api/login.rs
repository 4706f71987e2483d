//! `POST /v2/login`, through the real client to a fake Keystone.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use glance_revert::api::throttle::Throttle;
use serde_json::{Value, json};

use crate::support::api::{Answer, TestApi};
use crate::support::canary::KEYSTONE_PASSWORD;
use crate::support::fake_keystone::{Reply, login_body};
use crate::support::keystone_world::World;
use crate::support::log;

const TOKEN: &str = "gAAAAA-of-alice";

fn alice() -> Value {
    json!({
        "user": "alice", "password": KEYSTONE_PASSWORD, "user_domain": "Default",
        "project": "ops", "project_domain": "Default",
    })
}

async fn post(api: &TestApi, body: &Value) -> Answer {
    let request = Request::post("/v2/login").header("content-type", "application/json");
    api.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// An API that allows signing in, with this number of failures a minute.
async fn world(failures: u32) -> (World, TestApi) {
    let world = World::new().await;
    world.keystone.answer_logins(Reply::Token(TOKEN, login_body()));
    let sign_in = Arc::new(world.verifier.sign_in());
    let api = TestApi::with(|state| {
        state.sign_in = Some(sign_in);
        state.throttle = Arc::new(Throttle::new(NonZeroU32::new(failures).unwrap()));
    });
    (world, api)
}

#[tokio::test]
async fn a_name_and_a_password_become_a_token_and_the_page_asks_for_them() {
    let (_world, api) = world(20).await;
    let answer = post(&api, &alice()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({"token": TOKEN, "expires_at": "2026-11-22T13:00:00Z"}));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let page = String::from_utf8(api.get_anonymously("/ui/").await.bytes).unwrap();
    assert!(page.contains("data-login=\"keystone\""));
}

#[tokio::test]
async fn the_page_is_served_only_if_configured() {
    let api = TestApi::new();
    post(&api, &alice()).await.assert_error(404, "uri.not_found");
    let page = String::from_utf8(api.get_anonymously("/ui/").await.bytes).unwrap();
    assert!(page.contains("data-login=\"none\""));
}

#[tokio::test]
async fn a_client_refused_too_often_waits_and_causes_no_keystone_requests() {
    let (world, api) = world(2).await;
    world.keystone.answer_logins(Reply::Json(401, json!({"error": {"message": "no"}})));
    for _ in 0..2 {
        post(&api, &alice()).await.assert_error(401, "auth.login_refused");
    }
    let asked = world.keystone.logins();
    let answer = post(&api, &alice()).await;
    answer.assert_error(429, "auth.too_many_failures");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(world.keystone.logins(), asked);
}

#[tokio::test]
async fn a_keystone_that_cannot_serve_is_nobody_s_fault() {
    let (world, api) = world(1).await;
    for reply in [Reply::Json(503, json!({})), Reply::Html(502), Reply::Json(201, json!({}))] {
        world.keystone.answer_logins(reply);
        post(&api, &alice()).await.assert_error(503, "auth.unavailable");
    }
    world.keystone.answer_logins(Reply::Token(TOKEN, login_body()));
    assert_eq!(post(&api, &alice()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_invalid_body_is_refused_without_being_quoted() {
    let (world, api) = world(20).await;
    for (field, value) in [
        ("password", json!(12_345_678)),
        ("password", json!("")),
        ("password", json!([KEYSTONE_PASSWORD])),
        ("user", Value::Null),
        ("project", json!("x".repeat(5000))),
        ("token", json!("more")),
    ] {
        let mut body = alice();
        body[field] = value;
        let answer = post(&api, &body).await;
        answer.assert_error(400, "request.invalid");
        let message = answer.message();
        assert!(message.contains(field), "{message}");
        assert!(!message.contains("12345678") && !message.contains(KEYSTONE_PASSWORD), "{message}");
    }
    for field in ["user", "password", "user_domain", "project", "project_domain"] {
        let mut body = alice();
        body.as_object_mut().unwrap().remove(field);
        post(&api, &body).await.assert_error(400, "request.invalid");
    }
    assert_eq!(world.keystone.logins(), 0);
}

#[tokio::test]
async fn neither_password_nor_token_is_logged() {
    let (world, api) = world(20).await;
    let good = post(&api, &alice()).await;
    world.keystone.answer_logins(Reply::Json(401, json!({})));
    let bad = post(&api, &alice()).await;
    for answer in [good, bad] {
        let lines = log::lines_of(answer.request_id());
        assert!(!lines.is_empty());
        for line in lines {
            let line = line.to_string();
            assert!(!line.contains(KEYSTONE_PASSWORD) && !line.contains(TOKEN), "{line}");
        }
    }
}
