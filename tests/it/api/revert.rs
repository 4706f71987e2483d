//! Reverts over HTTP: the document, the headers, the options.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use glance_revert::domain::image::{ImageStatus, Property};
use glance_revert::domain::revert::Verify;
use serde_json::{Value, json};

use crate::support::api::{TestApi, admin, revert_uri};
use crate::support::images::{DATA, ID, location, seed};

/// The document of this image from the real Glance, before the delete.
fn glances_document() -> Value {
    serde_json::from_str(include_str!("../../fixtures/image_document.json")).unwrap()
}

fn sent_in(content_type: Option<&str>, body: &'static str) -> axum::http::Request<Body> {
    let mut request = admin(Method::POST, &revert_uri(ID));
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn the_answer_is_glances_own_document_but_for_updated_at() {
    let api = TestApi::with(|state| {
        state.view.settings.show_multiple_locations = true;
        state.view.settings.show_image_direct_url = true;
    });
    api.repo.put(seed());
    let answer = api.revert(ID).await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut expected = glances_document();
    expected["updated_at"] = json!("2026-11-22T13:20:01Z");
    assert_eq!(answer.json(), expected);
    assert_eq!(
        answer.header("openstack-image-revert-restored"),
        Some("locations=1, properties=4, tags=2, members=1")
    );
    assert_eq!(answer.header("openstack-image-revert-warnings"), None);
    assert_eq!(answer.header("openstack-image-revert-dry-run"), None);
    assert_eq!(api.repo.read(ID).status, ImageStatus::Active);
}

#[tokio::test]
async fn optional_fields_of_glance_are_optional_here_too() {
    let api = TestApi::with(|state| state.view.settings.multi_store = false);
    api.repo.put(seed());
    let document = api.revert(ID).await.json();
    for field in ["locations", "direct_url", "stores"] {
        assert_eq!(document.get(field), None, "{field}");
    }
    let all = glances_document();
    let shown = all.as_object().unwrap().keys();
    let shown: Vec<_> =
        shown.filter(|k| !["locations", "direct_url", "stores"].contains(&k.as_str())).collect();
    assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), shown);
}

#[tokio::test]
async fn nulls_stay_null_and_no_property_hides_a_field() {
    let api = TestApi::new();
    let mut image = seed();
    image.name = None;
    image.owner = None;
    image.virtual_size = None;
    let template = image.properties[0].clone();
    let property = |name: &str, value: Option<&str>| Property {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        ..template.clone()
    };
    image.properties.push(property("nothing", None));
    image.properties.push(property("status", Some("mine")));
    image.properties.push(property("self", Some("mine")));
    api.repo.put(image);
    let document = api.revert(ID).await.json();
    for field in ["name", "owner", "virtual_size"] {
        assert_eq!(document.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(document["nothing"], "");
    assert_eq!(document["status"], "active");
    assert_eq!(document["self"], format!("/v2/images/{ID}"));
}

#[tokio::test]
async fn credentials_of_locations_are_not_shown() {
    let api = TestApi::with(|state| {
        state.view.settings.show_multiple_locations = true;
        state.view.settings.show_image_direct_url = true;
        state.view.settings.default_verify = Verify::None;
    });
    let mut image = seed();
    image.locations = vec![location(1, "swift+https://acct:u:se/cret@swift.example/v1/c/o")];
    api.repo.put(image);
    let document = api.revert(ID).await.json();
    assert_eq!(document["direct_url"], "swift+https://swift.example/v1/c/o");
    assert_eq!(document["locations"][0]["url"], document["direct_url"]);
}

#[tokio::test]
async fn a_dry_run_says_all_and_writes_nothing() {
    let api = TestApi::new();
    api.repo.put(seed());
    let answer = api.revert_with(ID, r#"{"dry_run": true, "members": "skip"}"#).await;
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &json!("active")));
    assert_eq!(answer.header("openstack-image-revert-dry-run"), Some("true"));
    assert_eq!(
        answer.header("openstack-image-revert-restored"),
        Some("locations=1, properties=4, tags=2, members=0")
    );
    assert_eq!(api.repo.read(ID), seed());
}

#[tokio::test]
async fn skipped_children_stay_deleted_and_protect_protects() {
    let api = TestApi::new();
    api.repo.put(seed());
    let body = r#"{"properties": "skip", "tags": "skip", "protect": true, "verify": "none"}"#;
    let answer = api.revert_with(ID, body).await;
    let document = answer.json();
    assert_eq!(document["tags"], json!([]));
    assert_eq!(document.get("os_distro"), None);
    assert_eq!(document["protected"], true);
    assert_eq!(
        answer.header("openstack-image-revert-warnings"),
        Some("the data of location 1 was not checked")
    );
}

#[tokio::test]
async fn warnings_are_one_header_joined() {
    let api = TestApi::new();
    let mut image = seed();
    image.locations = vec![location(1, DATA), location(2, "file:///a"), location(3, "file:///b")];
    api.repo.put(image);
    assert_eq!(
        api.revert(ID).await.header("openstack-image-revert-warnings"),
        Some("the data of location 2 is gone; the data of location 3 is gone")
    );
}

#[tokio::test]
async fn an_empty_body_is_fine_whatever_its_type() {
    for content_type in
        [None, Some("application/octet-stream"), Some("application/json"), Some("text/plain")]
    {
        let api = TestApi::new();
        api.repo.put(seed());
        let answer = api.send(sent_in(content_type, "")).await;
        assert_eq!(answer.status, StatusCode::OK, "{content_type:?}");
    }
}

#[tokio::test]
async fn null_is_no_body() {
    let api = TestApi::new();
    api.repo.put(seed());
    let answer = api.send(sent_in(Some("application/json"), " null\n")).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_must_be_declared_as_json_or_not_at_all() {
    let body = r#"{"dry_run": true}"#;
    for content_type in
        [None, Some("application/json; charset=utf-8"), Some("application/vnd.x+json")]
    {
        let api = TestApi::new();
        api.repo.put(seed());
        let answer = api.send(sent_in(content_type, body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{content_type:?}");
    }
    for content_type in ["application/x-www-form-urlencoded", "text/plain", "", "json"] {
        let answer = TestApi::new().send(sent_in(Some(content_type), body)).await;
        answer.assert_error(415, "request.unsupported_media_type");
    }
}

#[tokio::test]
async fn an_invalid_body_changes_nothing() {
    let api = TestApi::new();
    api.repo.put(seed());
    for (body, named) in [
        (r#"{"dryrun": true}"#, "dryrun"),
        (r#"{"dry_run": true, "dry_run": false}"#, "duplicate field `dry_run`"),
        (r#"{"dry_run": "yes"}"#, "expected a boolean"),
        (r#"{"dry_run": null}"#, "expected a boolean"),
        (r#"{"verify": null}"#, "null"),
        (r#"{"verify": "maybe"}"#, "exists, checksum or none"),
        (r#"{"verify": {"exists": null}}"#, "expected a string"),
        (r#"{"tags": "drop"}"#, "restore or skip"),
        ("[true]", "JSON object"),
        ("   ", "JSON object"),
        ("{} {}", "trailing"),
        (r#"{"dry_run": true"#, "EOF"),
    ] {
        let answer = api.revert_with(ID, body).await;
        answer.assert_error(400, "request.invalid");
        assert!(answer.message().contains(named), "{body}: {}", answer.message());
    }
    let deep = format!(r#"{{"x": {}"#, "[".repeat(20_000));
    api.revert_with(ID, deep).await.assert_error(400, "request.invalid");
    assert_eq!(api.repo.read(ID), seed());
    assert_eq!(*api.repo.calls.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_largest_body_is_64_kib() {
    let api = TestApi::new();
    api.repo.put(seed());
    let padded = |size: usize| format!("{}{{}}", " ".repeat(size - 2));
    let too_large = api.revert_with(ID, padded(64 * 1024 + 1)).await;
    too_large.assert_error(413, "request.too_large");
    assert_eq!(api.revert_with(ID, padded(64 * 1024)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn options_in_the_query_are_refused_not_overlooked() {
    let api = TestApi::new();
    api.repo.put(seed());
    let uri = format!("{}?dry_run=true", revert_uri(ID));
    let answer = api.send(admin(Method::POST, &uri).body(Body::empty()).unwrap()).await;
    answer.assert_error(400, "request.invalid");
    assert_eq!(api.repo.read(ID), seed());
}
