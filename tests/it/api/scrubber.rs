//! The scrubber over HTTP: its plan, acceptances, its status.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use glance_revert::config::ScrubTime;
use glance_revert::domain::control::{ControlRepo, PassResult};
use serde_json::{Value, json};

use crate::support::api::{Answer, TestApi, admin};
use crate::support::images::{ID, deleted, seed};

const PLAN: &str = "/v2/scrubber/plan";

async fn accept(api: &TestApi, body: &str) -> Answer {
    let request = admin(Method::POST, "/v2/scrubber/actions/accept");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_plan_lists_the_images_due_by_then_soonest_first() {
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
async fn an_acceptance_is_a_number_of_images() {
    let api = TestApi::new();
    let answer = accept(&api, r#"{"images": 5}"#).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"images": 5})));
    for body in ["", "{}", r#"{"images": 0}"#, r#"{"images": -1}"#, r#"{"image": 5}"#, "[5]"] {
        accept(&api, body).await.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn the_response_says_why_nothing_is_scrubbed() {
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
        (ScrubTime::Unknown, "scrub_time.unknown"),
        (ScrubTime::TooShort { set, least: set * 60 }, "scrub_time.too_short"),
    ] {
        let api = TestApi::with(|state| state.scrubber = Err(time));
        api.get(PLAN).await.assert_error(409, reason);
        accept(&api, r#"{"images": 5}"#).await.assert_error(409, reason);
    }
}

#[tokio::test]
async fn the_last_pass_and_the_scrub_time_in_force_are_shown() {
    let api = TestApi::new();
    let seen = api.get("/v2/scrubber").await.json();
    assert_eq!((seen.get("last_pass"), &seen["kept_scrub_time"]), (None, &Value::Null));
    api.control.keep_scrub_time(Duration::from_hours(24)).await.unwrap();
    api.control.pass_began().await.unwrap();
    let running = api.get("/v2/scrubber").await.json();
    assert_eq!(
        (&running["scrub_time"], &running["kept_scrub_time"]),
        (&json!(3600), &json!(86400))
    );
    let pass = &running["last_pass"];
    assert_eq!((&pass["finished_at"], &pass["outcome"]), (&Value::Null, &Value::Null), "{pass}");
    let result = PassResult {
        outcome: "finished".to_owned(),
        seen: 9,
        scrubbed: 7,
        failed: 2,
        ..PassResult::default()
    };
    api.control.pass_ended(&result).await.unwrap();
    assert_eq!(
        api.get("/v2/scrubber").await.json()["last_pass"],
        json!({
            "started_at": "2026-11-22T13:20:01Z",
            "finished_at": "2026-11-22T13:20:01Z",
            "host": "controller-1",
            "outcome": "finished",
            "images_seen": 9,
            "images_scrubbed": 7,
            "locations_deleted": 0,
            "data_gone": 0,
            "claims_released": 0,
            "images_held": 0,
            "images_failed": 2,
            "alerts": 0
        })
    );
}
