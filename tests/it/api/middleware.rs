//! The traces of a request: one log line, two metrics, no secrets.

use axum::body::Body;
use axum::http::{Method, Request};
use glance_revert::telemetry::metric::{HTTP_REQUEST_DURATION_SECONDS, HTTP_REQUESTS_TOTAL};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::support::api::{TestApi, admin};
use crate::support::fakes::RepoFault;
use crate::support::images::ID;
use crate::support::log::lines_of;

#[tokio::test]
async fn a_request_is_one_line_with_caller_and_both_ids() {
    let api = TestApi::new();
    let global = "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a";
    let request = admin(Method::GET, &format!("/v2/pending-deletes/{ID}"))
        .header("x-openstack-request-id", global);
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    let lines = lines_of(answer.request_id());
    assert_eq!(lines.len(), 1, "{lines:?}");
    for (field, expected) in [
        ("level", "INFO"),
        ("method", "GET"),
        ("path", "/v2/pending-deletes/{image_id}"),
        ("caller", "someone of jwt"),
        ("reason", "image.not_found"),
        ("request_id", answer.request_id()),
        ("global_request_id", global),
    ] {
        assert_eq!(lines[0][field], expected, "{field}");
    }
    assert_eq!(lines[0]["status"], 404);
    assert!(lines[0]["seconds"].is_number());
}

#[tokio::test]
async fn why_a_token_was_refused_is_logged_and_the_token_is_not() {
    let request = Request::get("/v2/pending-deletes").header("authorization", "Bearer jwt-expired");
    let answer = TestApi::new().send(request.body(Body::empty()).unwrap()).await;
    let lines = lines_of(answer.request_id());
    assert_eq!((&lines[0]["cause"], lines.len()), (&"expired".into(), 1));
    assert!(!lines[0].to_string().contains("jwt-expired"));
}

#[tokio::test]
async fn the_cause_of_a_failure_is_logged_once_with_the_request_id() {
    let api = TestApi::new();
    for (fault, cause) in [
        (RepoFault::Refused, "no grant for glance@10.0.0.9"),
        (RepoFault::Panic, "a handler panicked: a secret of the fake"),
    ] {
        *api.repo.fault.lock().unwrap() = Some(fault);
        let answer = api.get("/v2/pending-deletes").await;
        let lines = lines_of(answer.request_id());
        let with_cause: Vec<_> =
            lines.iter().filter(|line| line.to_string().contains(cause)).collect();
        assert_eq!(with_cause.len(), 1, "{lines:?}");
        assert_eq!(with_cause[0]["level"], "ERROR");
    }
}

#[tokio::test]
async fn metrics_are_counted_by_operation_not_by_address() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let api = TestApi::new();
    for id in ["one", "two"] {
        api.get(&format!("/v2/pending-deletes/{id}")).await;
        api.get(&format!("/nothing/{id}")).await;
    }
    let text = recorder.handle().render();
    let id = "getPendingDelete";
    for line in [
        format!(r#"{HTTP_REQUESTS_TOTAL}{{method="GET",operation="{id}",status="404"}} 2"#),
        format!(r#"{HTTP_REQUESTS_TOTAL}{{method="GET",operation="unmatched",status="404"}} 2"#),
        format!(r#"{HTTP_REQUEST_DURATION_SECONDS}_count{{method="GET",operation="{id}"}} 2"#),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
}
