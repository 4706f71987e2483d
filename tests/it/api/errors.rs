//! Every status has the same body, says what to do, and shows no secrets.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use glance_revert::domain::image::{Image, ImageStatus};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::store::StoreError;

use crate::support::api::{Answer, TestApi, admin, revert_uri};
use crate::support::fakes::RepoFault;
use crate::support::images::{ID, deleted, location, seed, time};

async fn revert_of(change: impl FnOnce(&mut Image)) -> Answer {
    let api = TestApi::new();
    let mut image = seed();
    change(&mut image);
    api.repo.put(image.clone());
    let answer = api.revert(ID).await;
    assert_eq!(api.repo.read(ID), image, "a refused revert writes nothing");
    answer
}

fn settle(image: &mut Image, status: LocationStatus, deleted: bool) {
    for location in &mut image.locations {
        location.status = status;
        location.deleted = deleted;
        location.deleted_at = deleted.then(|| time("2030-01-01T00:00:00"));
    }
}

#[tokio::test]
async fn an_unknown_or_impossible_image_is_not_found() {
    let api = TestApi::new();
    let too_long = "a".repeat(37);
    for id in ["no-such-image", "%ff", "%00", "a%20b", "..%2f..", &too_long] {
        api.revert(id).await.assert_error(404, "image.not_found");
        api.get(&format!("/v2/pending-deletes/{id}")).await.assert_error(404, "image.not_found");
    }
}

#[tokio::test]
async fn each_conflict_has_its_reason() {
    let active = revert_of(|image| {
        image.status = ImageStatus::Active;
        image.deleted = false;
        settle(image, LocationStatus::Active, false);
    });
    active.await.assert_error(409, "image.already_active");
    let scrubbed = revert_of(|image| {
        image.status = ImageStatus::Deleted;
        settle(image, LocationStatus::Deleted, true);
    });
    scrubbed.await.assert_error(409, "image.already_scrubbed");
    let empty = revert_of(|image| settle(image, LocationStatus::Deleted, true)).await;
    empty.assert_error(409, "image.no_locations");
    let queued = revert_of(|image| image.status = ImageStatus::Queued).await;
    queued.assert_error(409, "image.not_pending_delete");
    assert!(queued.message().contains("queued"));
    for answer in [&empty, &queued] {
        assert_eq!(answer.header("retry-after"), None);
    }
}

#[tokio::test]
async fn temporary_conflicts_say_when_to_try_again() {
    let claimed = revert_of(|image| {
        image.status = ImageStatus::Deleted;
        for location in &mut image.locations {
            location.deleted_at = None;
        }
    });
    let claimed = claimed.await;
    claimed.assert_error(409, "image.scrub_in_progress");
    assert_eq!(claimed.header("retry-after"), Some("30"));
    let deleting = revert_of(|image| {
        image.deleted = false;
        image.deleted_at = None;
        image.updated_at = Some(time("2026-11-22T13:20:00"));
    });
    let deleting = deleting.await;
    deleting.assert_error(409, "image.delete_in_progress");
    assert_eq!(deleting.header("retry-after"), Some("59"), "58.5 seconds, rounded up");
}

#[tokio::test]
async fn a_revert_is_not_200_if_its_data_disappears_right_afterwards() {
    let api = TestApi::new();
    api.repo.put(seed());
    *api.repo.lost_after_revert.lock().unwrap() = true;
    let answer = api.revert(ID).await;
    answer.assert_error(409, "image.destroyed_meanwhile");
    assert!(answer.message().contains("glance-scrubber"), "{}", answer.message());
}

#[tokio::test]
async fn a_taken_lock_is_work_in_progress() {
    let api = TestApi::new();
    api.repo.put(seed());
    api.lock.held.lock().unwrap().insert(ID.to_owned());
    let answer = api.revert(ID).await;
    answer.assert_error(409, "image.scrub_in_progress");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn missing_data_is_a_conflict_that_names_the_locations() {
    let api = TestApi::new();
    let mut alive = deleted("alive", "alive", "2026-11-22T13:10:00");
    settle(&mut alive, LocationStatus::Active, false);
    (alive.status, alive.deleted, alive.deleted_at) = (ImageStatus::Active, false, None);
    let mut image = seed();
    image.locations = vec![location(7, "file:///gone")];
    api.repo.put(alive);
    api.repo.put(image);
    let answer = api.revert(ID).await;
    answer.assert_error(409, "image.data_missing");
    assert!(answer.message().contains("the data of location 7 is gone"));
}

#[tokio::test]
async fn an_unavailable_store_does_not_mean_missing_data() {
    let api = TestApi::new();
    api.repo.put(seed());
    let problem = "swift+https://acct:key@swift.example/c did not answer".to_owned();
    *api.store.down.lock().unwrap() = Some(StoreError::Unreachable(problem));
    let answer = api.revert(ID).await;
    answer.assert_error(503, "store.unavailable");
    assert_eq!(answer.header("retry-after"), Some("30"));
    let message = answer.message();
    assert!(message.contains("store fast") && message.contains("swift+https://swift.example"));
    assert!(!message.contains("key@") && !message.contains("acct"), "{message}");
}

#[tokio::test]
async fn faults_of_the_database_keep_their_cause_to_the_log() {
    for (fault, status, reason) in [
        (RepoFault::Unavailable, 503, "db.unavailable"),
        (RepoFault::Refused, 500, "internal"),
        (RepoFault::Panic, 500, "internal"),
    ] {
        let api = TestApi::new();
        *api.repo.fault.lock().unwrap() = Some(fault);
        for uri in ["/v2/pending-deletes".to_owned(), format!("/v2/pending-deletes/{ID}")] {
            let answer = api.get(&uri).await;
            answer.assert_error(status, reason);
            let expected = (status == 503).then_some("5");
            assert_eq!(answer.header("retry-after"), expected, "{fault:?}");
            let text = String::from_utf8(answer.bytes).unwrap();
            for secret in ["10.0.0.9", "grant", "secret", "status"] {
                assert!(!text.contains(secret), "{fault:?}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn an_image_whose_row_cannot_be_read_is_refused_by_its_column() {
    let api = TestApi::new();
    *api.repo.fault.lock().unwrap() = Some(RepoFault::BadRow);
    for answer in [api.get(&format!("/v2/pending-deletes/{ID}")).await, api.revert(ID).await] {
        answer.assert_error(409, "image.unreadable");
        assert!(answer.message().contains("images.status"), "{}", answer.message());
    }
}

#[tokio::test]
async fn errors_of_axum_have_the_same_body() {
    let api = TestApi::new();
    api.get("/nothing").await.assert_error(404, "uri.not_found");
    api.get("/v2/pending-deletes/").await.assert_error(404, "uri.not_found");
    let put = admin(Method::PUT, "/v2/pending-deletes").body(Body::empty()).unwrap();
    let put = api.send(put).await;
    put.assert_error(405, "request.method_not_allowed");
    assert_eq!(put.header("allow"), Some("GET,HEAD"));
    let get = api.get(&revert_uri(ID)).await;
    get.assert_error(405, "request.method_not_allowed");
    assert_eq!(get.header("allow"), Some("POST"));
}

#[tokio::test]
async fn oversized_requests_are_refused_before_anything_is_read() {
    let api = TestApi::new();
    let long = format!("/v2/pending-deletes?name={}", "a".repeat(8 * 1024));
    api.get(&long).await.assert_error(414, "request.uri_too_long");
    let request = Request::get("/v2/pending-deletes").header("x-auth-token", "a".repeat(33_000));
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    answer.assert_error(431, "request.headers_too_large");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_given_up() {
    let api = TestApi::new();
    *api.repo.fault.lock().unwrap() = Some(RepoFault::Hang);
    let answer = api.revert(ID).await;
    answer.assert_error(408, "request.timeout");
    assert!(answer.message().contains("before you try again"));
}

#[tokio::test(start_paused = true)]
async fn reading_all_data_has_no_request_deadline() {
    let api = TestApi::new();
    api.repo.put(seed());
    *api.store.pause.lock().unwrap() = Duration::from_mins(10);
    let exists = api.revert(ID).await;
    exists.assert_error(408, "request.timeout");
    let checksum = api.revert_with(ID, r#"{"verify": "checksum"}"#).await;
    assert_eq!(checksum.status, StatusCode::CONFLICT, "the fake's data has another hash");
    checksum.assert_error(409, "image.data_missing");
}
