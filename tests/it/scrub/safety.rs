//! Nothing is destroyed by surprise: the binary with configurations as people write them.

use std::time::Duration;

use glance_revert::domain::time::{Clock, SystemClock};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::binary::{ConfigFile, Run};
use crate::support::crowd::{LONG_AGO, ids};
use crate::support::daemon::{Service, Setup, until};
use crate::support::database::Kind;
use crate::support::world::World;

/// This number of images has been due for years.
async fn with_due(count: usize) -> World {
    let world = World::new(Kind::Sqlite).await;
    world.crowd(&ids("due", count), LONG_AGO).await;
    world
}

/// Glance's configuration, as `scrub` and `check` read it; `text` continues `[DEFAULT]`.
fn configured(world: &World, text: &str) -> ConfigFile {
    ConfigFile::new(&format!(
        "[database]\nconnection = {}\n[glance_store]\nstores = file\n\
         filesystem_store_datadir = {}\n[DEFAULT]\ndelayed_delete = True\n{text}",
        world.db.url(),
        world.datadir().display()
    ))
}

/// The log lines of `serve` with this message.
fn said<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let is_so = |line: &&Value| line["message"].as_str().is_some_and(|m| m.contains(message));
    lines.iter().filter(is_so).collect()
}

/// Configurations that do not set `scrub_time`.
const NOT_SAID: [&str; 4] = ["", "scrub_time =\n", "scrub_tme = 604800\n", "scrub_time = 60\n"];

#[tokio::test]
async fn serve_without_a_scrub_time_runs_on_and_destroys_nothing() {
    for text in NOT_SAID {
        let world = with_due(20).await;
        let setup = Setup::with_scrub_time(&world, text, "min_scrub_time = 3600");
        let service = setup.serve().await;
        service.ready(StatusCode::OK).await;
        let reverted = service.revert("due-0000").await.unwrap();
        assert_eq!(reverted.status(), StatusCode::OK, "{text:?}: a revert is always possible");
        let lines = service.lines();
        assert_eq!(said(&lines, "so nothing is scrubbed").len(), 1, "{text:?}: once");
        assert!(said(&lines, "scrub pass").is_empty(), "{text:?}: no pass");
        assert_eq!(world.files(), 20, "{text:?}");
    }
}

#[tokio::test]
async fn scrub_and_check_refuse_a_scrub_time_that_nobody_said() {
    let world = with_due(20).await;
    for text in NOT_SAID {
        let config = configured(&world, text);
        let run = config.run(&["scrub"]);
        assert_eq!((run.exit, run.stdout.as_str()), (Some(64), ""), "{text:?}: {run:?}");
        assert!(run.stderr.contains("scrub_time"), "{run:?}");
        let check = config.run(&["check"]);
        let broken = |line: &str| line.contains("scrub_time") && line.contains("BROKEN");
        assert!(check.exit == Some(1) && check.stdout.lines().any(broken), "{text:?}: {check:?}");
        let list = config.run(&["list"]);
        assert!(list.exit == Some(0) && list.stdout.contains("never"), "{list:?}");
        assert_eq!(world.files(), 20, "{text:?}");
    }
}

#[tokio::test]
async fn upstreams_own_file_counts_and_the_greater_time_holds() {
    let world = World::new(Kind::Sqlite).await;
    let hours_ago = (SystemClock.now() - Duration::from_hours(3)).to_string();
    world.crowd(&ids("a", 1), &hours_ago).await;
    let config = configured(&world, "scrub_time = 3600\n");
    config.put("glance-scrubber.conf", "[DEFAULT]\nscrub_time = 86400\n");
    let run = config.run(&["scrub"]);
    assert!(run.exit == Some(0) && run.stdout.starts_with("0 images"), "{run:?}");
    assert!(run.stderr.contains("glance-scrubber.conf has scrub_time = 86400"), "{run:?}");
    assert_eq!(world.files(), 1);
}

/// The records of destroyed images among the log lines.
fn records(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.contains("destroyed")).collect()
}

#[tokio::test]
async fn each_destroyed_image_leaves_a_record() {
    let world = with_due(3).await;
    let config = configured(&world, "scrub_time = 3600\n");
    let run = config.run(&["scrub"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    let records = records(&run);
    assert_eq!(records.len(), 3, "{run:?}");
    for id in ids("due", 3) {
        let record = records.iter().find(|line| line.contains(&format!("target_id=\"{id}\"")));
        for field in [
            " INFO glance_revert::audit:",
            "operation=\"scrubImage\"",
            &format!("target_name=\"name of {id}\""),
            "target_project_id=\"p1\"",
            "bytes=21",
            "stores=\"file\"",
            "deleted_at=\"2020-02-02T11:00:00Z\"",
            "pass=\"20",
        ] {
            assert!(record.is_some_and(|record| record.contains(field)), "{field}: {run:?}");
        }
    }
}

#[tokio::test]
async fn the_command_line_plans_refuses_and_accepts() {
    let world = with_due(4).await;
    let text = "scrub_time = 3600\n[revert]\nmax_images_per_pass = 3\n";
    let config = configured(&world, text);
    let refused = config.run(&["scrub"]);
    assert_eq!(refused.exit, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("scrub --accept 4"), "{refused:?}");
    let plan = config.run(&["scrub", "--dry-run"]);
    assert_eq!(plan.exit, Some(0), "{plan:?}");
    assert!(plan.stdout.starts_with("4 images") && plan.stdout.contains("due-0003"), "{plan:?}");
    assert!(plan.stderr.contains("scrub --accept 4"), "{plan:?}");
    let plan = config.run(&["scrub", "--dry-run", "--within", "3d", "--json"]).json();
    assert_eq!((&plan["images"], &plan["limited"]), (&json!(4), &json!(true)), "{plan}");
    let check = config.run(&["check"]);
    assert!(check.stdout.contains("max_images_per_pass = 3"), "{check:?}");
    assert_eq!(config.run(&["scrub", "--accept", "3"]).exit, Some(1));
    assert_eq!(world.files(), 4);
    assert_eq!(config.run(&["scrub", "--accept", "4"]).exit, Some(0));
    assert_eq!(world.files(), 0);
}

async fn call(service: &Service, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let request = request.header("authorization", service.authorization());
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_exceeded_limit_is_explained_and_an_acceptance_continues() {
    let world = with_due(4).await;
    let limit = "max_images_per_pass = 3";
    let setup = Setup::with_scrub_time(&world, "scrub_time = 3600\n", limit);
    let service = setup.serve().await;
    let refused = service.said("scrub pass refused: too much is due").await;
    assert!(refused["go_on"].as_str().unwrap().contains("{\"images\": 4}"), "{refused}");
    until("readiness", async || {
        service.text("/readyz").await.contains("\"scrubber\":\"limited\"").then_some(())
    })
    .await;
    assert_eq!(world.files(), 4);
    until("the gauges", async || {
        let metrics = service.text("/metrics").await;
        let has = |line: &str| metrics.lines().any(|found| found == line);
        let known = [
            "glance_revert_pending_images 4",
            "glance_revert_due_images 4",
            "glance_revert_expiring_images{within=\"24h\"} 4",
            "glance_revert_scrub_time_seconds 3600",
            "glance_revert_scrubber_state{state=\"limited\"} 1",
            "glance_revert_scrubber_state{state=\"on\"} 0",
        ];
        known.into_iter().all(has).then_some(())
    })
    .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let at = |path: &str| format!("http://{}/v2/scrubber/{path}", service.api);
    let (status, plan) = call(&service, client.get(at("plan?within=86400"))).await;
    assert_eq!((status, &plan["images"]), (StatusCode::OK, &json!(4)), "{plan}");
    assert_eq!(plan["next"][0]["owner"], "p1", "{plan}");
    let accept = client.post(at("actions/accept")).json(&json!({"images": 4}));
    let (status, body) = call(&service, accept).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"images": 4})));
    until("the accepted pass", async || (world.files() == 0).then_some(())).await;
    // records are written when the whole batch is destroyed
    until("the records", async || {
        let lines = service.lines();
        let records = said(&lines, "destroyed");
        let images = records.iter().filter(|line| line["operation"] == "scrubImage");
        (images.count() == 4).then_some(())
    })
    .await;
    let lines = service.lines();
    let accepted = |line: &&Value| line["message"] == "audit" && line["operation"] == "acceptScrub";
    let audited = lines.iter().find(accepted).unwrap();
    assert_eq!((&audited["options"], &audited["outcome"]), (&json!("images=4"), &json!("success")));
}

#[tokio::test]
async fn the_first_pass_waits_and_says_what_it_would_destroy() {
    let world = with_due(4).await;
    let setup = Setup::with_scrub_time(&world, "scrub_time = 3600\n", "first_pass_delay = 3600");
    let service = setup.serve().await;
    let told = service.said("the first scrub pass starts soon; these images are due").await;
    assert_eq!((&told["images"], &told["seconds"]), (&json!(4), &json!(3600.0)), "{told}");
    assert_eq!(world.files(), 4);
}
