//! The summary of pending images over HTTP, and the list's filters for visibility, store,
//! revertible and held.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::api::TestApi;
use crate::support::images::deleted;

const SUMMARY: &str = "/v2/pending-deletes/summary";

/// Two images of project p1 in one burst, and one an hour later.
fn three() -> TestApi {
    let api = TestApi::new();
    for (id, time) in [("a", "12:00:00"), ("b", "12:00:45"), ("c", "13:00:00")] {
        api.repo.put(deleted(id, id, &format!("2026-11-22T{time}")));
    }
    api
}

#[tokio::test]
async fn bursts_are_told_with_counts_times_and_what_is_left() {
    let api = three();
    let answer = api.get(&format!("{SUMMARY}?group_by=burst,store")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let group = |images: u64, first: &str, last: &str, scrub: &str, left: u64| {
        json!({
            "project": "p1",
            "store": "fast",
            "images": images,
            "bytes": 64 * images,
            "first_deleted_at": first,
            "last_deleted_at": last,
            "first_scrub_at": scrub,
            "seconds_left": left
        })
    };
    assert_eq!(
        answer.json(),
        json!({
            "images": 3,
            "bytes": 192,
            "first_deleted_at": "2026-11-22T12:00:00Z",
            "last_deleted_at": "2026-11-22T13:00:00Z",
            "first_scrub_at": "2026-11-22T13:00:00Z",
            "groups": [
                group(2, "2026-11-22T12:00:00Z", "2026-11-22T12:00:45Z", "2026-11-22T13:00:00Z", 0),
                group(1, "2026-11-22T13:00:00Z", "2026-11-22T13:00:00Z", "2026-11-22T14:00:00Z", 2398)
            ],
            "other_groups": 0,
            "other_images": 0
        })
    );
}

#[tokio::test]
async fn projects_are_the_groups_unless_others_are_asked_for() {
    let api = three();
    let summary = api.get(SUMMARY).await.json();
    assert_eq!(
        (&summary["groups"][0]["project"], &summary["groups"][0]["store"]),
        (&json!("p1"), &Value::Null)
    );
    let after = api.get(&format!("{SUMMARY}?deleted_after=2026-11-22T12:30:00Z")).await.json();
    assert_eq!(after["images"], 1, "{after}");
    let none = api.get(&format!("{SUMMARY}?owner=nobody")).await.json();
    assert_eq!(
        (&none["images"], &none["first_scrub_at"], &none["groups"]),
        (&json!(0), &Value::Null, &json!([]))
    );
    let unset = TestApi::with(|state| state.view.settings.scrub_time = None);
    unset.repo.put(deleted("a", "a", "2026-11-22T12:00:00"));
    let unset = unset.get(SUMMARY).await.json();
    assert_eq!((&unset["images"], &unset["groups"][0]["seconds_left"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn impossible_queries_are_refused() {
    let api = three();
    for query in [
        "group_by=",
        "group_by=owner",
        "group_by=project,",
        "limit=5",
        "visibility=secret",
        "deleted_after=noon",
        "owner=%00",
    ] {
        api.get(&format!("{SUMMARY}?{query}")).await.assert_error(400, "request.invalid");
    }
    for query in ["store=slow", "visibility=secret", "revertible=yes", "revertible="] {
        let answer = api.get(&format!("/v2/pending-deletes?{query}")).await;
        answer.assert_error(400, "request.invalid");
    }
    let answer = api.get("/v2/pending-deletes?store=slow").await;
    assert!(answer.message().contains("there are fast"), "{}", answer.message());
}

#[tokio::test]
async fn links_of_a_filtered_list_continue_where_a_page_ends() {
    let api = three();
    let mut alone = deleted("d", "d", "2026-11-22T13:01:00");
    alone.locations.clear();
    api.repo.put(alone);
    let mut link =
        "/v2/pending-deletes?limit=1&store=fast&revertible=true&visibility=shared".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = api.get(&link).await.json();
        for image in page["pending_deletes"].as_array().unwrap() {
            seen.push(image["id"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut link),
            None => break,
        }
    }
    assert_eq!(seen, ["c", "b", "a"], "d has no location");
    let lost = api.get("/v2/pending-deletes?revertible=false").await.json();
    assert_eq!(lost["pending_deletes"][0]["id"], "d");
    assert_eq!(lost["pending_deletes"][0]["reason"], "image.no_locations");
}
