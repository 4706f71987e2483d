//! The rows after a bulk deletion that failed.

use std::time::Duration;

use crate::stores::many_at_once::{Beside, LIMIT, Scene};
use crate::support::gateway::Play;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// Longer than the store's time-out.
const TOO_LONG: Duration = LIMIT.saturating_add(Duration::from_secs(2));

/// The keys in the body of a `DeleteObjects` request.
fn keys(body: &str) -> Vec<&str> {
    body.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

fn answer(results: impl Iterator<Item = String>) -> Play {
    let results = results.collect::<String>();
    Play::Answer(200, format!("<DeleteResult xmlns=\"{NAMESPACE}\">{results}</DeleteResult>"))
}

fn error(key: &str, code: &str) -> String {
    format!("<Error><Key>{key}</Key><Code>{code}</Code><Message>no</Message></Error>")
}

fn deleted(key: &str) -> String {
    format!("<Deleted><Key>{key}</Key></Deleted>")
}

fn is_bulk(asked: &str) -> bool {
    asked.starts_with("POST")
}

/// A bucket with twelve images that are due, in which `DeleteObjects` behaves like this.
async fn bucket_that(play: impl Fn(&str) -> Play + Send + Sync + 'static) -> Scene {
    let scene = Scene::s3(12).await;
    scene.gateway.play(move |asked, body| if is_bulk(asked) { play(body) } else { Play::Pass });
    scene
}

/// Checks that a pass leaves this number of images pending, claimed and destroyed, and that the
/// next pass finishes all.
async fn assert_leaves(scene: &Scene, left: (usize, usize, usize)) {
    let report = scene.scrub().await;
    assert_eq!(scene.assert_true().await, left, "{report:?}");
    scene.assert_is_finished().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn each_key_has_its_own_outcome() {
    let scene = bucket_that(|body| {
        let codes = ["AccessDenied", "InternalError", "SlowDown"];
        answer(keys(body).iter().zip(codes.iter().cycle()).map(|(key, code)| error(key, code)))
    })
    .await;
    assert_leaves(&scene, (4, 8, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn a_key_that_the_answer_does_not_name_or_names_twice_is_in_doubt() {
    let scene = bucket_that(|_| answer(std::iter::empty())).await;
    assert_leaves(&scene, (0, 12, 0)).await;
    let scene = bucket_that(|body| {
        answer(keys(body).into_iter().map(|key| deleted(key) + &error(key, "InternalError")))
    })
    .await;
    assert_leaves(&scene, (0, 12, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn an_answer_that_is_lost_late_busy_or_no_list_is_doubt_for_every_key() {
    let lost = bucket_that(|_| Play::Lose).await;
    assert_leaves(&lost, (0, 12, 0)).await;
    let late = bucket_that(|_| Play::Delay(TOO_LONG)).await;
    assert_leaves(&late, (0, 12, 0)).await;
    let busy = bucket_that(|_| Play::Answer(503, String::new())).await;
    assert_leaves(&busy, (0, 12, 0)).await;
    let unreadable =
        bucket_that(|_| Play::Edit("DeleteResult".to_owned(), "html".to_owned())).await;
    assert_leaves(&unreadable, (0, 12, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn a_service_that_still_serves_a_deleted_object_is_not_trusted() {
    let scene = bucket_that(|body| answer(keys(body).into_iter().map(deleted))).await;
    assert_leaves(&scene, (0, 12, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn objects_go_one_by_one_where_the_service_has_no_such_request() {
    for status in [400, 403, 404, 405, 501] {
        let scene = bucket_that(move |_| Play::Answer(status, String::new())).await;
        scene.scrub().await;
        assert_eq!(scene.assert_true().await, (0, 0, 12), "{status}");
        let asked = scene.gateway.asked();
        assert_eq!(asked.iter().filter(|one| is_bulk(one)).count(), 1, "{status}: {asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn objects_go_one_by_one_where_it_cannot_be_seen_whether_the_bucket_has_versions() {
    let scene = Scene::s3(12).await;
    scene.gateway.play(|asked, _| {
        if asked.contains("versioning") { Play::Answer(403, String::new()) } else { Play::Pass }
    });
    scene.scrub().await;
    assert_eq!(scene.assert_true().await, (0, 0, 12));
    assert!(!scene.gateway.asked().iter().any(|one| is_bulk(one)));
}

/// A container with twelve images that are due, in which the bulk delete behaves like this.
async fn container_that(play: impl Fn(&str) -> Play + Send + Sync + 'static) -> Scene {
    let scene = Scene::swift(12).await;
    scene.gateway.play(move |asked, body| if is_bulk(asked) { play(body) } else { Play::Pass });
    scene
}

fn report(deleted: usize, errors: &[(&str, &str)]) -> Play {
    let report = serde_json::json!({
        "Number Deleted": deleted, "Number Not Found": 0, "Response Body": "",
        "Response Status": "400 Bad Request", "Errors": errors,
    });
    Play::Answer(200, format!("  \r\n\r\n{report}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn each_object_in_swift_has_its_own_outcome() {
    let scene = container_that(|body| {
        let statuses = ["403 Forbidden", "503 Service Unavailable", "401 Unauthorized"];
        let errors: Vec<_> = body.lines().zip(statuses.into_iter().cycle()).collect();
        report(0, &errors)
    })
    .await;
    assert_leaves(&scene, (8, 4, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn an_incomplete_report_is_trusted_only_for_its_errors() {
    let scene =
        container_that(|body| report(3, &[(body.lines().next().unwrap(), "403 Forbidden")])).await;
    assert_leaves(&scene, (1, 11, 0)).await;
    let scene = container_that(|_| report(11, &[("/another/object", "403 Forbidden")])).await;
    assert_leaves(&scene, (0, 12, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn an_answer_of_swift_that_is_lost_late_or_busy_is_doubt_for_every_object() {
    let lost = container_that(|_| Play::Lose).await;
    assert_leaves(&lost, (0, 12, 0)).await;
    let late = container_that(|_| Play::Delay(TOO_LONG)).await;
    assert_leaves(&late, (0, 12, 0)).await;
    for (status, body) in [(503, ""), (204, ""), (200, "Number Deleted: 12")] {
        let scene = container_that(move |_| Play::Answer(status, body.to_owned())).await;
        assert_leaves(&scene, (0, 12, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn objects_go_one_by_one_where_swift_has_no_bulk_delete() {
    for status in [403, 405, 501] {
        let scene = container_that(move |_| Play::Answer(status, String::new())).await;
        scene.scrub().await;
        assert_eq!(scene.assert_true().await, (0, 0, 12), "{status}");
        let asked = scene.gateway.asked();
        assert_eq!(asked.iter().filter(|one| is_bulk(one)).count(), 1, "{status}: {asked:?}");
    }
    for (status, info) in [(200, "{\"swift\": {}}"), (404, ""), (403, "")] {
        let scene = Scene::swift(12).await;
        scene.gateway.play(move |asked, _| match asked {
            "GET /info?" => Play::Answer(status, info.to_owned()),
            _ => Play::Pass,
        });
        scene.scrub().await;
        assert_eq!(scene.assert_true().await, (0, 0, 12), "{status} {info}");
        let asked = scene.gateway.asked();
        assert!(!asked.iter().any(|one| is_bulk(one)), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn no_more_objects_are_deleted_at_once_than_swift_allows() {
    let scene = Scene::swift(12).await;
    scene.gateway.play(|asked, body| match asked {
        "GET /info?" => {
            let info = r#"{"bulk_delete": {"max_deletes_per_request": 5}}"#;
            Play::Answer(200, info.to_owned())
        }
        _ if body.lines().count() > 5 => Play::Answer(413, String::new()),
        _ => Play::Pass,
    });
    scene.scrub().await;
    assert_eq!(scene.assert_true().await, (0, 0, 12));
    let asked = scene.gateway.asked();
    assert_eq!(asked.iter().filter(|one| is_bulk(one)).count(), 3, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn a_container_that_keeps_versions_is_reported() {
    let scene = Scene::swift(6).await;
    let Beside::Swift(container) = &scene.beside else { panic!() };
    container.post("X-Versions-Enabled", "true").await;
    for id in &scene.ids {
        container.put(id, b"contents").await;
    }
    let report = scene.scrub().await;
    assert_eq!((report.scrubbed, report.data_retained), (6, 6), "{report:?}");
    assert!(!scene.gateway.asked().iter().any(|one| is_bulk(one)));
}
