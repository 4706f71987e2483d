//! Pause, resume, hold and release over HTTP.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::api::{Answer, TestApi, admin};
use crate::support::images::{ID, deleted, seed};

const PAUSE: &str = "/v2/scrubber/actions/pause";
const RESUME: &str = "/v2/scrubber/actions/resume";
const HOLDS: &str = "/v2/pending-deletes/actions/hold";
const RELEASES: &str = "/v2/pending-deletes/actions/release";

fn hold_of(id: &str) -> String {
    format!("/v2/pending-deletes/{id}/hold")
}

async fn send(api: &TestApi, method: Method, uri: &str, body: &str) -> Answer {
    let request = admin(method, uri).header(header::CONTENT_TYPE, "application/json");
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn post(api: &TestApi, uri: &str, body: &str) -> Answer {
    send(api, Method::POST, uri, body).await
}

#[tokio::test]
async fn a_pause_is_shown_with_its_end_to_every_process() {
    let api = TestApi::new();
    let body = r#"{"until": "2026-11-23T08:00:00+01:00", "reason": "by mistake"}"#;
    let paused = post(&api, PAUSE, body).await;
    assert_eq!(paused.status, StatusCode::OK, "{paused:?}");
    let pause = json!({
        "until": "2026-11-23T07:00:00Z",
        "since": "2026-11-22T13:20:01Z",
        "by": "someone",
        "reason": "by mistake"
    });
    assert_eq!(paused.json(), json!({"pause": pause, "claims_in_hand": 0}));
    let seen = api.get("/v2/scrubber").await.json();
    assert_eq!((&seen["state"], &seen["pause"]), (&json!("paused"), &pause), "{seen}");
    assert_eq!(post(&api, RESUME, "").await.json(), json!({"was_paused": true}));
    assert_eq!(post(&api, RESUME, "{}").await.json(), json!({"was_paused": false}));
    let seen = api.get("/v2/scrubber").await.json();
    assert_eq!((&seen["state"], &seen["pause"]), (&json!("on"), &Value::Null), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_answers_after_ten_seconds_with_the_remaining_claims() {
    let api = TestApi::new();
    *api.control.in_hand.lock().unwrap() = 3;
    let began = tokio::time::Instant::now();
    let paused = post(&api, PAUSE, "").await.json();
    assert_eq!(paused["claims_in_hand"], 3, "{paused}");
    assert!((8..=10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_image_is_held_and_released() {
    let api = TestApi::new();
    api.repo.put(seed());
    let held = send(&api, Method::PUT, &hold_of(ID), r#"{"reason": "asked"}"#).await;
    assert_eq!(held.status, StatusCode::OK, "{held:?}");
    assert_eq!(
        (&held.json()["hold"]["until"], &held.json()["image_id"]),
        (&Value::Null, &json!(ID))
    );
    assert_eq!(api.get("/v2/scrubber").await.json()["held_images"], 1);
    let unknown = send(&api, Method::PUT, &hold_of("unknown"), "").await;
    unknown.assert_error(404, "image.not_found");
    api.revert(ID).await;
    let late = send(&api, Method::PUT, &hold_of(ID), "").await;
    late.assert_error(409, "image.scrub_in_progress");
    for was_held in [true, false] {
        let released = send(&api, Method::DELETE, &hold_of(ID), "").await;
        assert_eq!(released.json(), json!({"image_id": ID, "was_held": was_held}));
    }
}

#[tokio::test]
async fn a_held_image_is_shown_with_until_when_by_whom_and_why() {
    let api = TestApi::new();
    api.repo.put(seed());
    api.repo.put(deleted("b", "b", "2026-11-22T13:00:00"));
    let (list, show) = ("/v2/pending-deletes", format!("/v2/pending-deletes/{ID}"));
    assert_eq!(api.get(&show).await.json().get("hold"), None);
    let body = r#"{"until": "2026-11-23T08:00:00Z", "reason": "asked"}"#;
    let held = send(&api, Method::PUT, &hold_of(ID), body).await.json();
    let page = api.get(list).await.json();
    let holds = ["/0/hold", "/1/hold"].map(|at| page["pending_deletes"].pointer(at));
    assert_eq!(holds, [Some(&held["hold"]), None], "{page}");
    assert_eq!(api.get(&show).await.json()["hold"], held["hold"]);
    for wrong in ["", "yes", "True", "1"] {
        let answer = api.get(&format!("{list}?held={wrong}")).await;
        answer.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn a_selection_is_held_and_each_image_that_cannot_be_is_named() {
    let api = TestApi::new();
    for id in ["a", "b"] {
        api.repo.put(deleted(id, id, "2026-11-22T13:00:00"));
    }
    let both = post(&api, HOLDS, r#"{"owner": "p1", "reason": "asked"}"#).await.json();
    assert_eq!(both, json!({"images": 2, "done": 2, "failures": []}));
    let named = post(&api, HOLDS, r#"{"image_ids": ["a", "x", "no id"]}"#).await.json();
    assert_eq!((&named["images"], &named["done"]), (&json!(3), &json!(1)), "{named}");
    assert_eq!(named["failures"][0]["reason"], "image.not_found");
    post(&api, HOLDS, r#"{"owner": "nobody"}"#).await.assert_error(409, "selection.empty");
    let released = post(&api, RELEASES, r#"{"owner": "p1"}"#).await.json();
    assert_eq!((&released["images"], &released["done"]), (&json!(2), &json!(2)));
    for everything in ["", "{}", r#"{"name": "*"}"#, r#"{"image_ids": ["a"], "owner": "p1"}"#] {
        post(&api, HOLDS, everything).await.assert_error(400, "request.invalid");
        post(&api, RELEASES, everything).await.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn an_end_in_the_past_or_none_that_can_be_read_is_refused() {
    let api = TestApi::new();
    api.repo.put(seed());
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(1001));
    for body in [
        r#"{"until": "2026-11-22T13:00:00Z"}"#,
        r#"{"until": "tomorrow"}"#,
        r#"{"for": "24h"}"#,
        r#"{"reason": "\u0000"}"#,
        r#"{"until": null}"#,
        r#"{"reason": null}"#,
        r#"{"reason": 1}"#,
        "[]",
        &long,
    ] {
        post(&api, PAUSE, body).await.assert_error(400, "request.invalid");
        send(&api, Method::PUT, &hold_of(ID), body).await.assert_error(400, "request.invalid");
    }
}

#[tokio::test]
async fn without_tables_the_response_names_the_command_that_creates_them() {
    let api = TestApi::new();
    api.repo.put(seed());
    *api.control.is_missing.lock().unwrap() = true;
    for answer in [
        post(&api, PAUSE, "").await,
        post(&api, RESUME, "").await,
        send(&api, Method::PUT, &hold_of(ID), "").await,
        send(&api, Method::DELETE, &hold_of(ID), "").await,
        api.get("/v2/pending-deletes?held=true").await,
        api.get("/v2/pending-deletes?held=false").await,
    ] {
        answer.assert_error(409, "tables.missing");
        assert!(answer.message().contains("glance-revert db sync"), "{answer:?}");
    }
    let seen = api.get("/v2/scrubber").await.json();
    assert_eq!((&seen["has_tables"], &seen["held_images"]), (&json!(false), &Value::Null));
}
