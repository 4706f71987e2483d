//! `POST /v2/pending-deletes/actions/revert`, on the whole service.

use std::time::Duration;

use axum::http::Method;
use glance_revert::domain::image::ImageStatus;
use glance_revert::domain::location::LocationStatus;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::api::{TestApi, admin};
use crate::support::cloud::{Cloud, SMALL};
use crate::support::crowd::{Fate, NOT_YET, ids};
use crate::support::daemon::{Service, Setup, until};
use crate::support::database::{Kind, on_each_database, tests_on};
use crate::support::glance::GlanceOptions;
use crate::support::images;
use crate::support::world::World;

on_each_database! {
    a_selection_is_taken_back_page_by_page_whatever_cannot_come_back,
    nothing_is_done_where_the_selection_has_changed,
    images_that_an_earlier_request_reverted_are_no_failures,
    a_disconnected_clients_results_are_in_the_log,
}

const PATH: &str = "/v2/pending-deletes/actions/revert";

async fn ask(service: &Service, body: &Value) -> (StatusCode, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{}{PATH}", service.api)).json(body);
    let answer = request.header("Authorization", service.authorization()).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn scene(kind: Kind, count: usize) -> (World, Service, Setup) {
    let world = World::new(kind).await;
    world.crowd(&ids("m", count), NOT_YET).await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let service = setup.serve().await;
    (world, service, setup)
}

/// The look at the scrubbed image keeps the only connection when the other image is written.
#[tokio::test(start_paused = true)]
async fn a_look_at_one_image_never_stops_what_the_others_need_to_come_back() {
    const DELETED: &str = "2026-11-22T13:10:00";
    let api = TestApi::new();
    api.repo.put(images::seed());
    let mut scrubbed = images::deleted("scrubbed", "b", DELETED);
    scrubbed.status = ImageStatus::Deleted;
    scrubbed.locations[0].status = LocationStatus::Deleted;
    api.repo.put(scrubbed);
    *api.repo.pause.lock().unwrap() = Duration::from_millis(50);
    let body = json!({"image_ids": [images::ID, "scrubbed"]}).to_string();
    let request = admin(Method::POST, PATH).header("Content-Type", "application/json");
    let answer = api.send(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(counts(&answer.json()), [1, 0, 1, 0], "{answer:?}");
}

fn counts(answer: &Value) -> [u64; 4] {
    ["reverted", "already_active", "failed", "unknown"]
        .map(|of| answer["counts"][of].as_u64().unwrap())
}

/// More images fail than fit into one request, and the bulk revert still ends.
async fn a_selection_is_taken_back_page_by_page_whatever_cannot_come_back(kind: Kind) {
    let (world, service, _setup) = scene(kind, 60).await;
    world.live_image("alive").await;
    for id in ids("m", 25) {
        std::fs::remove_file(world.datadir().join(id)).unwrap();
    }
    world.db.execute("UPDATE images SET owner = 'P1' WHERE id = 'm-0059'").await;
    let of_project = |more: Value| {
        let mut body = json!({"owner": "p1", "deleted_after": "2026-01-01T00:00:00Z", "limit": 20});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let (status, plan) = ask(&service, &of_project(json!({"dry_run": true}))).await;
    assert_eq!((status, &plan["dry_run"]), (StatusCode::OK, &json!(true)), "{plan}");
    assert_eq!((counts(&plan), &plan["remaining"]), ([0, 0, 20, 0], &json!(39)), "{plan}");
    assert!(world.fates("m").await.values().all(|fate| matches!(fate, Fate::Pending { .. })));

    let (mut marker, mut expected, mut seen) = (Value::Null, json!(59), Vec::new());
    let mut all = [0; 4];
    loop {
        let mut body = of_project(json!({"expected_count": expected}));
        if !marker.is_null() {
            body["marker"] = marker;
        }
        let (status, answer) = ask(&service, &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        for (sum, one) in all.iter_mut().zip(counts(&answer)) {
            *sum += one;
        }
        for result in answer["results"].as_array().unwrap() {
            seen.push(result["image_id"].as_str().unwrap().to_owned());
            let back = result["outcome"] == "reverted";
            assert_eq!(back, result["reason"].is_null(), "{result}");
            assert_eq!(back, result["restored"]["properties"] == 2, "{result}");
            assert!(back || result["reason"] == "image.data_missing", "{result}");
        }
        (marker, expected) = (answer["marker"].clone(), answer["remaining"].clone());
        assert_eq!(marker.is_null(), expected == 0, "{answer}");
        if marker.is_null() {
            break;
        }
    }
    assert_eq!((all, seen.len()), ([34, 0, 25, 0], 59));
    seen.sort();
    assert_eq!(seen, ids("m", 59), "each once, and none of a project that only looks alike");
    // repeat the request without a marker
    let (_, again) = ask(&service, &of_project(json!({"limit": 1000}))).await;
    assert_eq!((counts(&again), &again["remaining"]), ([0, 0, 25, 0], &json!(0)));
    assert_eq!(again["counts"]["reasons"], json!({"image.data_missing": 25}));
    let named = json!({"image_ids": ["m-0030", "m-0000", "unknown", "no id", "m-0030"]});
    let (_, named) = ask(&service, &named).await;
    let is_back = counts(&named)[1] + named["counts"]["already_reverted"].as_u64().unwrap();
    assert_eq!((is_back, &named["counts"]["failed"]), (1, &json!(3)), "{named}");
}

async fn images_that_an_earlier_request_reverted_are_no_failures(kind: Kind) {
    let world = World::with_tables(kind).await;
    world.crowd(&ids("m", 3), NOT_YET).await;
    world.live_image("alive").await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let service = setup.serve().await;
    let named = json!({"image_ids": ["m-0000", "m-0001", "m-0002", "alive"]});
    let (_, first) = ask(&service, &named).await;
    assert_eq!(counts(&first), [3, 1, 0, 0], "{first}");
    let (_, again) = ask(&service, &named).await;
    assert_eq!(counts(&again), [0, 1, 0, 0], "{again}");
    assert_eq!(again["counts"]["already_reverted"], 3, "{again}");
    assert_eq!(again["counts"]["reasons"], json!({"image.already_active": 1}));
    for (one, before) in
        again["results"].as_array().unwrap().iter().zip(first["results"].as_array().unwrap())
    {
        if one["image_id"] != "alive" {
            assert_eq!(
                (&one["outcome"], &one["reason"]),
                (&json!("already_reverted"), &Value::Null)
            );
            assert_eq!(one["restored"], before["restored"], "{one}");
        }
    }
    let output = setup.run(&["revert", "m-0000", "m-0001", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["reverted"], &line["already_reverted"]), (&json!(false), &json!(true)));
        assert_eq!(line["reason"], Value::Null);
    }
    let output = setup.run(&["revert", "m-0000"]).await;
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "m-0000: already active, by an earlier revert\n");
}

async fn nothing_is_done_where_the_selection_has_changed(kind: Kind) {
    let (world, service, _setup) = scene(kind, 10).await;
    for body in [
        json!({"owner": "p1", "expected_count": 9}),
        json!({"owner": "p1", "name": "name of m-000?", "expected_count": 11}),
        json!({"image_ids": ["m-0000"], "expected_count": 2}),
    ] {
        let (status, answer) = ask(&service, &body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer}");
        assert_eq!(answer["error"]["reason"], "selection.changed", "{answer}");
    }
    assert!(world.fates("m").await.values().all(|fate| *fate == Fate::WAITS));
    let (_, none) = ask(&service, &json!({"owner": "nobody", "expected_count": 0})).await;
    assert_eq!((&none["results"], &none["remaining"]), (&json!([]), &json!(0)));
    let (_, one) = ask(&service, &json!({"owner": "p1", "name": "*-0003", "protect": true})).await;
    assert_eq!(counts(&one), [1, 0, 0, 0], "{one}");
}

/// The client disconnects while its request is processed.
async fn a_disconnected_clients_results_are_in_the_log(kind: Kind) {
    let (world, service, _setup) = scene(kind, 400).await;
    let body = json!({"owner": "p1"}).to_string();
    let mut stream = TcpStream::connect(&service.api).await.unwrap();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: test\r\nAuthorization: {}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        service.authorization(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let active = async || {
        let fates = world.fates("m").await;
        fates.into_iter().filter(|(_, fate)| *fate == Fate::KEPT).map(|(id, _)| id).collect()
    };
    let some: Vec<String> =
        until("some", async || Some(active().await).filter(|some: &Vec<_>| !some.is_empty())).await;
    drop(stream);
    let recorded = |id: &String| {
        service.lines().iter().any(|line| {
            line["operation"] == "bulkRevert"
                && line["outcome"] == "success"
                && line["target_id"] == id.as_str()
        })
    };
    assert!(!some.is_empty());
    until("a record for each", async || {
        let done: Vec<String> = active().await;
        done.iter().all(recorded).then_some(())
    })
    .await;
    let fates = world.fates("m").await;
    assert!(
        fates.values().all(|fate| matches!(fate, Fate::Live { file: true } | Fate::Pending { .. }))
    );
}

#[tokio::test]
async fn a_request_without_a_clear_selection_is_refused() {
    let (world, service, _setup) = scene(Kind::Sqlite, 3).await;
    let many: Vec<_> = (0..1001).map(|number| format!("i{number}")).collect();
    for (body, word) in [
        (json!({}), "image_ids"),
        (json!({"name": "*"}), "image_ids"),
        (json!({"image_ids": []}), "image_ids"),
        (json!({"image_ids": many}), "1000"),
        (json!({"image_ids": ["a"], "owner": "p1"}), "not both"),
        (json!({"image_ids": ["no id"], "name": "x"}), "not both"),
        (json!({"owner": null}), "null"),
        (json!({"owner": "a\u{0}b"}), "NUL"),
        (json!({"owner": "p1", "name": ""}), "255"),
        (json!({"owner": "p1", "limit": 0}), "limit"),
        (json!({"owner": "p1", "limit": 1001}), "limit"),
        (json!({"owner": "p1", "marker": "m-0000"}), "marker"),
        (json!({"owner": "p1", "everything": true}), "everything"),
        (json!({"deleted_after": "yesterday"}), "deleted_after"),
        (
            json!({"deleted_after": "2026-11-22T12:00:00Z", "deleted_before": "2026-11-22T12:00:00Z"}),
            "deleted_before",
        ),
    ] {
        let (status, answer) = ask(&service, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(word), "{body}: {message}");
    }
    // no image has an owner that the column cannot hold
    let (status, answer) = ask(&service, &json!({"owner": "\u{1f40b}'; DROP TABLE images"})).await;
    assert_eq!((status, &answer["results"]), (StatusCode::OK, &json!([])), "{answer}");
    assert!(world.fates("m").await.values().all(|fate| *fate == Fate::WAITS));
}

tests_on!(
    glance_on_mariadb,
    Mariadb,
    [#[ignore = "needs the servers of make test"]],
    images_of_the_real_glance_come_back_together_as_they_were
);
tests_on!(
    glance_on_postgres,
    Postgres,
    [#[ignore = "needs the servers of make test"]],
    images_of_the_real_glance_come_back_together_as_they_were
);

async fn images_of_the_real_glance_come_back_together_as_they_were(kind: Kind) {
    let options = GlanceOptions { scrub_time: 3600, ..GlanceOptions::default() };
    let cloud = Cloud::start(kind, options).await;
    let owner = cloud.glance.member_of("p1");
    let mut before = Vec::new();
    for number in 0..12 {
        let image = json!({
            "name": format!("büro-{number}"), "disk_format": "raw", "container_format": "bare",
            "visibility": "shared", "os_distro": "debian", "note": "ünïcode ☃", "empty": ""
        });
        let id = owner.create_image(&image).await["id"].as_str().unwrap().to_owned();
        owner.upload(&id, SMALL).await;
        for tag in ["blue", "n0", "gone"] {
            owner.add_tag(&id, tag).await;
        }
        owner.remove_tag(&id, "gone").await;
        owner.add_member(&id, "friend").await;
        before.push((id.clone(), cloud.document(&id).await));
    }
    let pause =
        "UPDATE image_tags SET deleted_at = '2026-01-01 12:00:00.123456' WHERE deleted = TRUE";
    cloud.database.execute(pause).await;
    for (id, _) in &before {
        owner.delete(id).await;
    }
    let body = json!({"owner": "p1", "name": "büro-*", "verify": "checksum", "expected_count": 12});
    let request = cloud.service.request(reqwest::Method::POST, PATH).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(counts(&answer), [12, 0, 0, 0], "{answer}");
    let sorted = |mut document: Value| {
        document["tags"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        document
    };
    for (id, document) in before {
        assert_eq!(sorted(cloud.document(&id).await), sorted(document));
        assert_eq!(owner.download(&id).await, (200, SMALL.to_vec()));
        assert_eq!(owner.members(&id).await, ["friend"]);
    }
}
