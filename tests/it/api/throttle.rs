//! Clients whose tokens are refused too often.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use glance_revert::api::state::ApiState;
use glance_revert::api::throttle::Throttle;
use tokio::time::advance;

use crate::support::api::{Answer, TestApi};

const HERE: &str = "192.0.2.1";
const BAD: (&str, &str) = ("authorization", "Bearer jwt-expired");
const GOOD: (&str, &str) = ("authorization", "Bearer jwt-admin");
const BAD_KEYSTONE: (&str, &str) = ("x-auth-token", "keystone-expired");
const GOOD_KEYSTONE: (&str, &str) = ("x-auth-token", "keystone-admin");

fn three_a_minute(state: &mut ApiState) {
    state.throttle = Arc::new(Throttle::new(NonZeroU32::new(3).unwrap()));
}

async fn list(api: &TestApi, peer: &str, headers: &[(&str, &str)]) -> Answer {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
    let request = Request::get("/v2/pending-deletes").extension(ConnectInfo(peer));
    let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
    api.send(request.body(Body::empty()).unwrap()).await
}

/// An API at which `HERE` has used up its attempts.
async fn used_up() -> TestApi {
    let api = TestApi::with(three_a_minute);
    for _ in 0..3 {
        list(&api, HERE, &[BAD]).await.assert_error(401, "auth.token_invalid");
    }
    api
}

#[tokio::test(start_paused = true)]
async fn one_failure_too_many_is_429_until_time_has_passed() {
    let api = used_up().await;
    let answer = list(&api, HERE, &[BAD]).await;
    answer.assert_error(429, "auth.too_many_failures");
    assert_eq!(answer.header("retry-after"), Some("20"));
    assert_eq!(answer.header("www-authenticate"), None);
    list(&api, "192.0.2.2", &[BAD]).await.assert_error(401, "auth.token_invalid");

    advance(Duration::from_secs(20)).await;
    list(&api, HERE, &[BAD]).await.assert_error(401, "auth.token_invalid");
    list(&api, HERE, &[BAD]).await.assert_error(429, "auth.too_many_failures");
}

#[tokio::test(start_paused = true)]
async fn only_refused_tokens_count() {
    let api = TestApi::with(three_a_minute);
    for _ in 0..10 {
        list(&api, HERE, &[]).await.assert_error(401, "auth.token_missing");
        list(&api, HERE, &[BAD, BAD]).await.assert_error(400, "request.invalid");
        list(&api, HERE, &[("x-auth-token", "keystone-down")])
            .await
            .assert_error(503, "auth.unavailable");
        list(&api, HERE, &[("authorization", "Bearer jwt-reader")])
            .await
            .assert_error(403, "auth.not_admin");
        assert_eq!(list(&api, HERE, &[GOOD]).await.status, 200);
    }
    list(&api, HERE, &[BAD]).await.assert_error(401, "auth.token_invalid");
}

#[tokio::test(start_paused = true)]
async fn an_operator_behind_the_same_address_is_not_locked_out() {
    let api = TestApi::with(three_a_minute);
    assert_eq!(list(&api, HERE, &[GOOD_KEYSTONE]).await.status, 200);
    for _ in 0..10 {
        list(&api, HERE, &[BAD]).await;
    }
    assert_eq!(list(&api, HERE, &[GOOD_KEYSTONE]).await.status, 200, "it was good a moment ago");
    assert_eq!(list(&api, HERE, &[GOOD]).await.status, 200, "it is verified without help");
}

#[tokio::test(start_paused = true)]
async fn a_limited_client_makes_nobody_else_work() {
    let api = used_up().await;
    // The token is good, but not verified.
    list(&api, HERE, &[GOOD_KEYSTONE]).await.assert_error(429, "auth.too_many_failures");
    list(&api, HERE, &[BAD_KEYSTONE]).await.assert_error(429, "auth.too_many_failures");
    list(&api, HERE, &[("x-auth-token", "keystone-down")])
        .await
        .assert_error(429, "auth.too_many_failures");

    advance(Duration::from_secs(20)).await;
    assert_eq!(list(&api, HERE, &[GOOD_KEYSTONE]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn clients_behind_a_trusted_proxy_are_counted_each() {
    let proxied = |state: &mut ApiState| {
        three_a_minute(state);
        state.trusted_proxies = Arc::new(["10.0.0.0/24".parse().unwrap()]);
    };
    let api = TestApi::with(proxied);
    let one = ("x-forwarded-for", "203.0.113.1");
    for _ in 0..3 {
        list(&api, "10.0.0.1", &[BAD, one]).await.assert_error(401, "auth.token_invalid");
    }
    list(&api, "10.0.0.2", &[BAD, one]).await.assert_error(429, "auth.too_many_failures");
    let spoofed = ("x-forwarded-for", "203.0.113.77, 203.0.113.1");
    list(&api, "10.0.0.1", &[BAD, spoofed]).await.assert_error(429, "auth.too_many_failures");
    let other = ("x-forwarded-for", "203.0.113.2");
    list(&api, "10.0.0.1", &[BAD, other]).await.assert_error(401, "auth.token_invalid");
}

#[tokio::test(start_paused = true)]
async fn nobody_else_can_say_that_it_is_another() {
    let api = used_up().await;
    for name in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let elsewhere = [BAD, (name, "for=203.0.113.9")];
        list(&api, HERE, &elsewhere).await.assert_error(429, "auth.too_many_failures");
    }
}
