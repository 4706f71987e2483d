//! The list of pending images, and the details of one image.

use axum::http::StatusCode;
use glance_revert::domain::image::ImageStatus;
use glance_revert::domain::store::StoreError;
use glance_revert::telemetry::printable;
use serde_json::{Value, json};

use crate::support::api::TestApi;
use crate::support::images::{DATA, ID, deleted, location, seed, time};

/// Three images, `a` deleted first.
fn three() -> TestApi {
    let api = TestApi::new();
    api.repo.put(deleted("a", "one & two", "2026-11-22T13:00:00.25"));
    api.repo.put(deleted("b_1", "b", "2026-11-22T13:05:00"));
    api.repo.put(deleted("c", "b", "2026-11-22T13:05:00"));
    api
}

fn ids(page: &Value) -> Vec<&str> {
    let images = page["pending_deletes"].as_array().unwrap().iter();
    images.map(|image| image["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_line_of_the_list_says_how_long_is_left() {
    let api = TestApi::new();
    api.repo.put(seed());
    let page = api.get("/v2/pending-deletes").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        page.json(),
        json!({
            "pending_deletes": [{
                "id": ID,
                "name": "seed-0",
                "owner": "p1",
                "size": 64,
                "visibility": "shared",
                "disk_format": "raw",
                "container_format": "bare",
                "created_at": "2026-11-22T12:59:35Z",
                "deleted_at": "2026-11-22T13:10:00Z",
                "scrub_at": "2026-11-22T14:10:00Z",
                "seconds_left": 2998,
                "retention_rule": null,
                "revertible": true,
                "reason": null
            }],
            "first": "/v2/pending-deletes"
        })
    );
    api.clock.advance(std::time::Duration::from_hours(1));
    let late = api.get("/v2/pending-deletes").await.json();
    assert_eq!(late["pending_deletes"][0]["seconds_left"], 0);
}

/// Output of curl is read on a terminal.
#[tokio::test]
async fn an_answer_is_the_same_json_without_what_a_terminal_acts_upon() {
    let api = TestApi::new();
    let name = "a\u{1b}[2K\u{9b}2J\u{202e}b\u{2066}\u{2028}\u{7f}\u{85}";
    api.repo.put(deleted(ID, name, "2026-11-22T13:10:00"));
    for uri in ["/v2/pending-deletes".to_owned(), format!("/v2/pending-deletes/{ID}")] {
        let answer = api.get(&uri).await;
        let text = str::from_utf8(&answer.bytes).unwrap();
        assert_eq!(printable(text), text);
        let body = answer.json();
        let image = body.pointer("/pending_deletes/0").unwrap_or(&body);
        assert_eq!(image["name"], name);
    }
}

#[tokio::test]
async fn an_infinite_scrub_time_has_a_date_too() {
    let api =
        TestApi::with(|state| state.view.settings.scrub_time = Some(std::time::Duration::MAX));
    api.repo.put(seed());
    let page = api.get("/v2/pending-deletes").await.json();
    assert_eq!(page["pending_deletes"][0]["scrub_at"], "9999-12-31T00:00:00Z");
}

#[tokio::test]
async fn no_time_is_shown_while_nothing_is_scrubbed() {
    let api = TestApi::with(|state| state.view.settings.scrub_time = None);
    api.repo.put(seed());
    let page = api.get("/v2/pending-deletes").await.json();
    let preview = api.get(&format!("/v2/pending-deletes/{ID}")).await.json();
    for image in [&page["pending_deletes"][0], &preview] {
        assert_eq!((&image["scrub_at"], &image["seconds_left"]), (&Value::Null, &Value::Null));
        assert!(image.as_object().unwrap().contains_key("scrub_at"), "{image}");
    }
}

#[tokio::test]
async fn next_links_lead_through_all_pages_in_both_orders() {
    for (sort, expected) in [
        ("deleted_at:desc", ["c", "b_1", "a"]),
        ("deleted_at:asc", ["a", "b_1", "c"]),
        ("deleted_at", ["c", "b_1", "a"]),
    ] {
        let api = three();
        let mut uri = format!("/v2/pending-deletes?limit=1&sort={sort}");
        let first = uri.replace(':', "%3A");
        for (at, expected) in expected.into_iter().enumerate() {
            let page = api.get(&uri).await.json();
            assert_eq!(ids(&page), [expected], "{sort}");
            assert_eq!(page["first"], first);
            assert_eq!(page.get("next").is_some(), at < 2, "{sort}");
            uri = page["next"].as_str().unwrap_or_default().to_owned();
        }
    }
}

#[tokio::test]
async fn a_marker_of_ours_works_when_its_image_is_gone() {
    let api = three();
    let page = api.get("/v2/pending-deletes?limit=2").await.json();
    assert_eq!(ids(&page), ["c", "b_1"]);
    api.repo.images.lock().unwrap().remove("b_1");
    let next = api.get(page["next"].as_str().unwrap()).await.json();
    assert_eq!(ids(&next), ["a"]);
}

#[tokio::test]
async fn an_image_id_is_a_marker_whatever_became_of_the_image() {
    let api = three();
    assert_eq!(ids(&api.get("/v2/pending-deletes?marker=c").await.json()), ["b_1", "a"]);
    let last = api.get("/v2/pending-deletes?marker=a").await;
    assert_eq!(last.json(), json!({"pending_deletes": [], "first": "/v2/pending-deletes"}));
    let become_of = |id, status, deleted: bool| {
        let mut image = api.repo.read(id);
        image.status = status;
        image.deleted = deleted;
        image.deleted_at = image.deleted_at.filter(|_| deleted);
        api.repo.put(image);
    };
    become_of("b_1", ImageStatus::Deleted, true);
    assert_eq!(ids(&api.get("/v2/pending-deletes?marker=b_1").await.json()), ["a"], "scrubbed");
    become_of("c", ImageStatus::Active, false);
    let anew = api.get("/v2/pending-deletes?marker=c").await.json();
    assert_eq!(ids(&anew), ["a"], "reverted: the list begins anew, so that none is missed");
}

#[tokio::test]
async fn an_unknown_marker_is_refused_instead_of_ending_the_list() {
    let api = three();
    for marker in ["unknown", "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222"] {
        let answer = api.get(&format!("/v2/pending-deletes?marker={marker}")).await;
        answer.assert_error(400, "request.invalid");
        assert!(answer.message().contains("marker"), "{}", answer.message());
    }
}

/// Like a script that uses the last id as the marker and reverts the images of each page.
#[tokio::test]
async fn a_pager_that_reverts_as_it_goes_misses_no_image() {
    let api = three();
    let (mut seen, mut uri) = (Vec::new(), "/v2/pending-deletes?limit=1".to_owned());
    loop {
        let page = api.get(&uri).await.json();
        let Some(id) = ids(&page).last().map(|id| (*id).to_owned()) else { break };
        let mut reverted = api.repo.read(&id);
        (reverted.status, reverted.deleted, reverted.deleted_at) =
            (ImageStatus::Active, false, None);
        api.repo.put(reverted);
        uri = format!("/v2/pending-deletes?limit=1&marker={id}");
        seen.push(id);
    }
    assert_eq!(seen, ["c", "b_1", "a"]);
}

#[tokio::test]
async fn a_line_says_where_no_location_is_left_to_bring_back() {
    let api = three();
    let mut empty = api.repo.read("b_1");
    empty.locations.clear();
    api.repo.put(empty);
    let page = api.get("/v2/pending-deletes").await.json();
    let told: Vec<_> = page["pending_deletes"].as_array().unwrap().iter().collect();
    assert_eq!((&told[0]["revertible"], &told[0]["reason"]), (&json!(true), &Value::Null));
    assert_eq!(
        (&told[1]["revertible"], &told[1]["reason"]),
        (&json!(false), &json!("image.no_locations"))
    );
}

#[tokio::test]
async fn filters_choose_and_stay_in_the_links() {
    let api = three();
    let page = api.get("/v2/pending-deletes?name=one+%26+two&limit=1").await.json();
    assert_eq!(ids(&page), ["a"]);
    assert_eq!(page["first"], "/v2/pending-deletes?limit=1&name=one%20%26%20two");
    let page = api.get("/v2/pending-deletes?name=b&owner=p1&limit=1").await.json();
    assert_eq!(ids(&page), ["c"]);
    let next = page["next"].as_str().unwrap();
    assert_eq!(ids(&api.get(next).await.json()), ["b_1"]);
    assert_eq!(ids(&api.get("/v2/pending-deletes?owner=p2").await.json()), [""; 0]);
    for (filter, expected) in [
        ("deleted_after=2026-11-22T13:05:00Z", &["c", "b_1"][..]),
        ("deleted_after=2026-11-22T14:05:00.000000%2B0100", &["c", "b_1"]),
        ("deleted_after=2026-11-22+13:05:00+%2B00:00", &["c", "b_1"]),
        ("deleted_before=2026-11-22T13:05:00", &["a"]),
        ("deleted_before=2026-11-22T15:05:00%2B02:00", &["a"]),
        ("deleted_after=2026-11-22T13:00:00.5&deleted_before=2026-11-22T13:01:00", &[]),
    ] {
        let page = api.get(&format!("/v2/pending-deletes?{filter}")).await.json();
        assert_eq!(ids(&page), expected, "{filter}");
    }
}

#[tokio::test]
async fn parameters_that_are_not_understood_are_refused_by_name() {
    let api = three();
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("sort=name", "sort"),
        ("deleted_after=yesterday", "deleted_after"),
        ("deleted_before=2026", "deleted_before"),
        ("marker=", "marker"),
        ("name=%00", "name"),
        ("status=active", "status"),
    ] {
        let answer = api.get(&format!("/v2/pending-deletes?{query}")).await;
        answer.assert_error(400, "request.invalid");
        assert!(answer.message().contains(named), "{query}: {}", answer.message());
    }
    assert_eq!(*api.repo.calls.lock().unwrap(), 0);
}

#[tokio::test]
async fn the_preview_of_a_good_image_says_what_comes_back() {
    let api = TestApi::new();
    let mut image = seed();
    image.locations.push(location(2, "file:///short"));
    image.locations.push(location(3, "rbd://fsid/pool/image/snap"));
    api.store.put("file:///short", b"x");
    image.locations[2].deleted_at = Some(time("2026-11-22T13:00:00"));
    api.repo.put(image);
    let answer = api.get(&format!("/v2/pending-deletes/{ID}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let preview = answer.json();
    assert_eq!(preview["revertible"], true);
    for field in ["reason", "message"] {
        assert_eq!(preview.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(preview["status"], "pending_delete");
    assert_eq!(preview["scrub_at"], "2026-11-22T14:10:00Z");
    assert_eq!(preview["seconds_left"], 2998);
    assert_eq!(preview["properties"], json!(["os_distro", "hw_disk_bus", "note", "empty"]));
    assert_eq!(preview["tags"], json!(["n0", "blue"]));
    assert_eq!(preview["members"], json!(["p2"]));
    let removed_before = &preview["locations"][2]["problem"];
    assert!(removed_before.as_str().unwrap().contains("before the delete and stays out"));
    assert_eq!(
        preview["locations"],
        json!([
            {"id": 1, "store": "fast", "scheme": "file", "deleted_with_image": true,
             "comes_back": true, "data": "present", "problem": null},
            {"id": 2, "store": "fast", "scheme": "file", "deleted_with_image": true,
             "comes_back": false, "data": "wrong_size",
             "problem": "It has 1 bytes instead of 64."},
            {"id": 3, "store": "fast", "scheme": "rbd", "deleted_with_image": false,
             "comes_back": false, "data": "not_checked", "problem": removed_before}
        ])
    );
}

#[tokio::test]
async fn the_preview_and_the_revert_use_the_same_words() {
    for (status, objects, down) in [
        (ImageStatus::Deleted, true, false),
        (ImageStatus::Queued, true, false),
        (ImageStatus::PendingDelete, false, false),
        (ImageStatus::PendingDelete, true, true),
    ] {
        let api = TestApi::new();
        let mut image = seed();
        image.status = status;
        if status == ImageStatus::Deleted {
            image.locations[0].deleted_at = None; // the mark of a claim
        }
        api.repo.put(image);
        if !objects {
            api.store.objects.lock().unwrap().remove(DATA);
        }
        if down {
            let problem = StoreError::Unreachable("s3://a:b@host/c is silent".to_owned());
            *api.store.down.lock().unwrap() = Some(problem);
        }
        let preview = api.get(&format!("/v2/pending-deletes/{ID}")).await;
        assert_eq!(preview.status, StatusCode::OK);
        let refusal = api.revert(ID).await.json();
        let body = preview.json();
        assert_eq!(body["revertible"], false);
        for field in ["reason", "message"] {
            assert!(body[field].is_string(), "{field}");
            assert_eq!(body[field], refusal["error"][field], "{field}");
        }
        let due = status == ImageStatus::PendingDelete;
        assert_eq!(body["scrub_at"].is_string(), due);
        assert_eq!(body["seconds_left"].is_number(), due);
        assert!(!body.to_string().contains("a:b@"));
    }
}

#[tokio::test]
async fn the_preview_takes_no_query() {
    let api = TestApi::new();
    api.repo.put(seed());
    let answer = api.get(&format!("/v2/pending-deletes/{ID}?verify=none")).await;
    answer.assert_error(400, "request.invalid");
}
