//! Every decision is recorded once, before its response.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use glance_revert::api::throttle::Throttle;
use serde_json::{Value, json};

use crate::support::api::{Answer, TestApi, admin, revert_uri};
use crate::support::fakes::RepoFault;
use crate::support::images::{ID, seed};
use crate::support::log::{all, audit_of};

const GLOBAL: &str = "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a";

/// The record of a request, without the fields that every line has.
fn record(answer: &Answer) -> Value {
    let mut records = audit_of(answer.request_id());
    assert_eq!(records.len(), 1, "{records:?}");
    let mut record = records.remove(0);
    let fields = record.as_object_mut().unwrap();
    for (name, value) in [
        ("target", "glance_revert::audit"),
        ("level", "INFO"),
        ("message", "audit"),
        ("event_type", "activity"),
        ("request_id", answer.request_id()),
    ] {
        assert_eq!(fields.remove(name).unwrap(), value, "{name}");
    }
    assert!(fields.remove("timestamp").unwrap().as_str().unwrap().ends_with('Z'));
    record
}

fn from(request: axum::http::request::Builder) -> axum::http::request::Builder {
    let peer: SocketAddr = "10.0.0.1:4711".parse().unwrap();
    request.extension(ConnectInfo(peer)).header("x-forwarded-for", "203.0.113.9")
}

#[tokio::test]
async fn a_revert_is_logged_completely() {
    let api = TestApi::with(|state| {
        state.trusted_proxies = Arc::new(["10.0.0.1/32".parse().unwrap()]);
    });
    api.repo.put(seed());
    let request = from(admin(Method::POST, &revert_uri(ID)))
        .header("x-openstack-request-id", GLOBAL)
        .header("content-type", "application/json");
    let body = r#"{"dry_run": true, "members": "skip", "protect": true}"#;
    let answer = api.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, 200);
    let expected = json!({
        "operation": "revertImage",
        "decision": "allowed",
        "outcome": "success",
        "status": 200,
        "initiator_id": "someone",
        "initiator_name": "Some One",
        "initiator_issuer": "jwt",
        "initiator_method": "jwt",
        "initiator_scope": "project:p1",
        "initiator_token_ids": "t1 t2",
        "peer": "10.0.0.1",
        "forwarded": "203.0.113.9",
        "global_request_id": GLOBAL,
        "target_id": ID,
        "dry_run": true,
        "options": "verify=exists properties=restore tags=restore members=skip protect=true",
    });
    assert_eq!(record(&answer), expected);
}

#[tokio::test]
async fn a_revert_that_fails_says_why() {
    let answer = TestApi::new().revert(ID).await;
    answer.assert_error(404, "image.not_found");
    let record = record(&answer);
    for (field, expected) in [
        ("decision", json!("allowed")),
        ("outcome", json!("failure")),
        ("reason", json!("image.not_found")),
        ("status", json!(404)),
        ("target_id", json!(ID)),
        ("dry_run", json!(false)),
    ] {
        assert_eq!(record[field], expected, "{field}");
    }
}

#[tokio::test]
async fn a_refusal_is_recorded_with_its_cause_and_without_the_token() {
    let api = TestApi::with(|state| {
        state.throttle = Arc::new(Throttle::new(NonZeroU32::MIN));
    });
    for (token, status, reason, cause, initiator) in [
        (None, 401, "auth.token_missing", json!(null), json!(null)),
        (Some("jwt-expired"), 401, "auth.token_invalid", json!("expired"), json!(null)),
        (Some("jwt-expired"), 429, "auth.too_many_failures", json!("expired"), json!(null)),
        (
            Some("jwt-reader"),
            403,
            "auth.not_admin",
            json!("someone of jwt is not an admin"),
            json!("someone"),
        ),
    ] {
        let mut request = Request::post(revert_uri(ID));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = api.send(request.body(Body::empty()).unwrap()).await;
        answer.assert_error(status, reason);
        let record = record(&answer);
        for (field, expected) in [
            ("operation", json!("revertImage")),
            ("decision", json!("denied")),
            ("outcome", json!("failure")),
            ("reason", json!(reason)),
            ("cause", cause),
            ("initiator_id", initiator),
            ("target_id", json!(ID)),
            ("peer", json!("0.0.0.0")),
        ] {
            assert_eq!(record[field], expected, "{field} of {reason}");
        }
        assert!(token.is_none_or(|token| !record.to_string().contains(token)), "{record}");
    }
}

#[tokio::test]
async fn an_id_that_no_image_can_have_is_not_repeated() {
    let answer = TestApi::new().revert("%0aforged").await;
    let record = record(&answer);
    assert_eq!(
        (&record["target_id"], &record["reason"]),
        (&json!(null), &json!("image.not_found"))
    );
    assert!(!record.to_string().contains("forged"));
}

#[tokio::test]
async fn reads_are_recorded_too_and_public_operations_are_not() {
    let api = TestApi::new();
    let list = api.get("/v2/pending-deletes").await;
    let record = record(&list);
    assert_eq!(
        (&record["operation"], &record["outcome"]),
        (&json!("listPendingDeletes"), &json!("success"))
    );
    for uri in ["/", "/openapi.json", "/nothing"] {
        assert_eq!(audit_of(api.get(uri).await.request_id()), [] as [Value; 0], "{uri}");
    }
}

#[tokio::test]
async fn a_client_that_disconnects_still_leaves_a_record() {
    let api = TestApi::new();
    *api.repo.fault.lock().unwrap() = Some(RepoFault::Hang);
    let global = "req-11111111-5f0b-4a43-9d2c-6f1f3c8d7b1a";
    let request = admin(Method::POST, &revert_uri(ID)).header("x-openstack-request-id", global);
    let send = api.send(request.body(Body::empty()).unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(50), send).await.is_err());
    let records: Vec<_> =
        all().into_iter().filter(|line| line["global_request_id"] == global).collect();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["outcome"], "unknown");
    assert_eq!(records[0]["target_id"], ID);
    assert_eq!(records[0]["status"], json!(null));
}
