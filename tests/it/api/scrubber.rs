//! The scrubber's plan over HTTP, and leave to carry it out.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use glance_revert::config::ScrubTime;
use serde_json::json;

use crate::support::api::{Answer, TestApi, admin};
use crate::support::images::{ID, deleted, seed};

const PLAN: &str = "/v2/scrubber/plan";

async fn accept(api: &TestApi, body: &str) -> Answer {
    let request = admin(Method::POST, "/v2/scrubber/actions/accept");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_plan_tells_what_is_lost_by_then_soonest_first() {
    let api = TestApi::new();
    api.repo.put(seed());
    api.repo.put(deleted("first", "f", "2026-11-22T12:30:00"));
    assert_eq!(api.get(PLAN).await.json()["images"], 0);
    let plan = api.get(&format!("{PLAN}?within=86400")).await.json();
    assert_eq!((&plan["images"], &plan["limited"]), (&json!(2), &json!(false)), "{plan}");
    assert_eq!((&plan["next"][0]["id"], &plan["next"][1]["id"]), (&json!("first"), &json!(ID)));
    assert_eq!(plan["next"][1]["scrub_at"], "2026-11-22T14:10:00Z");
    assert_eq!(plan["groups"][0]["store"], "fast", "{plan}");
}

#[tokio::test]
async fn a_plan_over_the_limit_says_so() {
    let api = TestApi::new();
    for id in ["a", "b", "c"] {
        api.repo.put(deleted(id, id, "2026-11-22T12:30:00"));
    }
    let plan = api.get(&format!("{PLAN}?within=86400")).await.json();
    assert_eq!(plan["limited"], true, "{plan}");
    assert!(plan["message"].as_str().unwrap().contains("max_images_per_pass = 2"), "{plan}");
}

#[tokio::test]
async fn a_time_that_is_none_is_refused() {
    let api = TestApi::new();
    for within in ["soon", "-1", "31536001", "1.5", ""] {
        api.get(&format!("{PLAN}?within={within}")).await.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn what_is_accepted_is_a_number_of_images() {
    let api = TestApi::new();
    let answer = accept(&api, r#"{"images": 5}"#).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"images": 5})));
    for body in ["", "{}", r#"{"images": 0}"#, r#"{"images": -1}"#, r#"{"image": 5}"#, "[5]"] {
        accept(&api, body).await.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn where_nothing_is_scrubbed_the_answer_says_why() {
    let off = TestApi::with(|state| state.scrubs = false);
    assert_eq!(
        accept(&off, r#"{"images": 5}"#).await.status,
        StatusCode::OK,
        "kept for the others"
    );
    *off.control.is_missing.lock().unwrap() = true;
    accept(&off, r#"{"images": 5}"#).await.assert_error(409, "scrubber.off");
    assert_eq!(off.get(PLAN).await.status, StatusCode::OK);
    let set = std::time::Duration::from_mins(1);
    for (time, reason) in [
        (ScrubTime::Unset, "scrub_time.unset"),
        (ScrubTime::TooShort { set, least: set * 60 }, "scrub_time.too_short"),
    ] {
        let api = TestApi::with(|state| state.scrubber = Err(time));
        api.get(PLAN).await.assert_error(409, reason);
        accept(&api, r#"{"images": 5}"#).await.assert_error(409, reason);
    }
}
