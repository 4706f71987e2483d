//! The list of scrubbed images that could come back, over HTTP.

use axum::http::StatusCode;
use glance_revert::domain::image::ImageStatus;
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::store::StoreError;
use serde_json::{Value, json};

use crate::support::api::TestApi;
use crate::support::images::{DATA, deleted, time};

const URI: &str = "/v2/retained-images";

/// Three scrubbed images, `a` deleted and changed first; all name the same data.
fn three() -> TestApi {
    let api = TestApi::new();
    for (id, at) in [("a", "13:00:00"), ("b", "13:05:00"), ("c", "13:05:00")] {
        let mut image = deleted(id, "n & m", &format!("2026-11-22T{at}"));
        image.status = ImageStatus::Deleted;
        image.updated_at = image.deleted_at;
        for location in &mut image.locations {
            location.status = LocationStatus::Deleted;
            location.deleted_at = Some(time("2026-11-22T13:10:00"));
        }
        api.repo.put(image);
    }
    api
}

fn ids(page: &Value) -> Vec<&str> {
    let images = page["retained_images"].as_array().unwrap().iter();
    images.map(|image| image["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_could_come_back_is_listed_with_what_is_left_of_it() {
    let api = three();
    let page = api.get(&format!("{URI}?limit=1")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        page.json(),
        json!({
            "retained_images": [{
                "id": "c",
                "name": "n & m",
                "owner": "p1",
                "size": 64,
                "deleted_at": "2026-11-22T13:05:00Z",
                "chance": "checksum",
                "kept_bytes": 0,
                "kept_until": null,
                "locations": [{
                    "id": 1,
                    "store": "fast",
                    "scheme": "file",
                    "deleted_with_image": true,
                    "comes_back": true,
                    "data": "unproved",
                    "problem": "there is data of the same size"
                }]
            }],
            "examined": 1,
            "unreadable": 0,
            "first": "/v2/retained-images?limit=1",
            "next": "/v2/retained-images?limit=1&marker=2026-11-22T13%3A05%3A00.000000_c"
        })
    );
}

#[tokio::test]
async fn links_lead_through_all_of_a_selection_and_keep_it() {
    let api = three();
    let (mut uri, mut seen) = (format!("{URI}?limit=2&name=n%20%26%20m"), Vec::new());
    loop {
        let page = api.get(&uri).await.json();
        assert_eq!(page["first"], "/v2/retained-images?limit=2&name=n%20%26%20m");
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => uri = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["c", "b", "a"]);
    let early = api.get(&format!("{URI}?deleted_before=2026-11-22T13:05:00Z")).await.json();
    assert_eq!(ids(&early), ["a"]);
}

#[tokio::test]
async fn what_is_gone_is_counted_and_what_cannot_be_told_is_said() {
    let api = three();
    let down = StoreError::Unreachable("it does not answer".to_owned());
    *api.store.down.lock().unwrap() = Some(down);
    let page = api.get(&format!("{URI}?owner=p1&limit=1")).await.json();
    assert_eq!(page["retained_images"][0]["chance"], "unknown", "{page}");
    let location = &page["retained_images"][0]["locations"][0];
    assert_eq!(location["comes_back"], false, "{page}");
    assert!(location["problem"].as_str().unwrap().contains("it does not answer"), "{page}");

    *api.store.down.lock().unwrap() = None;
    api.store.objects.lock().unwrap().remove(DATA);
    let page = api.get(URI).await.json();
    assert_eq!((ids(&page), &page["examined"]), (vec![], &json!(3)));
}

#[tokio::test]
async fn a_parameter_that_cannot_be_used_is_refused() {
    let api = three();
    for wrong in [
        "limit=0",
        "limit=201",
        "limit=x",
        "marker=a",
        "marker=2026-11-22T13:05:00_c",
        "owner=%00",
        "deleted_after=yesterday",
        "sort=deleted_at",
    ] {
        api.get(&format!("{URI}?{wrong}")).await.assert_error(400, "request.invalid");
    }
    api.get_anonymously(URI).await.assert_error(401, "auth.token_missing");
}
