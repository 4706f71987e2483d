//! With `debug` lines, a revert and a pass can be followed to each statement and each store call.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::crowd::{LONG_AGO, ids};
use crate::support::daemon::Setup;
use crate::support::database::Kind;
use crate::support::world::World;

/// The value of a field in the first span that has it.
fn of_spans<'a>(line: &'a Value, field: &str) -> Option<&'a Value> {
    line["spans"].as_array()?.iter().find_map(|span| span.get(field))
}

/// The values of this field in lines with this message.
fn told<'a>(lines: &[&'a Value], message: &str, field: &str) -> BTreeSet<&'a str> {
    let lines = lines.iter().filter(|line| line["message"] == message);
    lines.filter_map(|line| line[field].as_str()).collect()
}

#[tokio::test]
async fn a_revert_can_be_followed_from_its_request_to_each_statement_answer_and_decision() {
    let world = World::new(Kind::Sqlite).await;
    let images = ids("a", 1);
    world.crowd(&images, LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let mut service = setup.serve().await;
    let answer = service.revert(&images[0]).await.unwrap();
    let id = answer.headers()["x-openstack-request-id"].to_str().unwrap().to_owned();
    service.terminate().await;
    service.ended().await;

    let lines = service.lines();
    let own: Vec<&Value> =
        lines.iter().filter(|line| of_spans(line, "request_id") == Some(&id[..].into())).collect();
    let statements = told(&own, "statement", "statement");
    assert!(statements.len() >= 5, "{statements:?}");
    assert!(statements.contains("REVERT_IMAGE"), "{statements:?}");
    assert_eq!(told(&own, "the store answered", "question"), BTreeSet::from(["stat"]));
    let decided: Vec<_> = own.iter().filter(|line| line["message"] == "location judged").collect();
    assert_eq!((decided.len(), &decided[0]["finding"]), (1, &"Present".into()));
    assert!(own.iter().any(|line| line["message"] == "these locations come back"));
    let timed = own.iter().filter(|line| line["message"] == "statement");
    for line in timed {
        assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds < 60.0), "{line}");
        assert_eq!(of_spans(line, "image_id"), Some(&images[0][..].into()), "{line}");
    }
}

#[tokio::test]
async fn a_pass_can_be_followed_to_each_statement_and_each_answer_of_a_store() {
    let world = World::new(Kind::Sqlite).await;
    let images = ids("a", 2);
    world.crowd(&images, LONG_AGO).await;
    let setup = Setup::new(&world, &world.db.url(), "");
    let run = setup.run(&["scrub"]).await;
    assert_eq!(run.status.code(), Some(0));
    let text = String::from_utf8(run.stderr).unwrap();
    let lines: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let own: Vec<&Value> = lines.iter().filter(|line| of_spans(line, "pass").is_some()).collect();
    let passes: BTreeSet<_> =
        own.iter().filter_map(|line| of_spans(line, "pass")?.as_str()).collect();
    assert_eq!(passes.len(), 1, "{passes:?}");
    assert!(told(&own, "statement", "statement").len() >= 4, "{own:?}");
    assert!(told(&own, "the store answered", "question").contains("delete"), "{own:?}");
    let deleted = own.iter().filter(|line| line["question"] == "delete");
    let deleted: BTreeSet<_> = deleted.filter_map(|line| line["image_id"].as_str()).collect();
    assert_eq!(deleted, images.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn the_traceparent_of_a_caller_is_in_the_log() {
    let world = World::new(Kind::Sqlite).await;
    let setup = Setup::new(&world, &world.db.url(), "scrubber = false");
    let service = setup.serve().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let url = format!("http://{}/v2/pending-deletes", service.api);
    let request = reqwest::Client::builder().no_proxy().build().unwrap().get(url);
    let request = request.header("authorization", service.authorization());
    request.header("traceparent", parent).send().await.unwrap();
    assert_eq!(service.said("request").await["traceparent"], parent);
}
