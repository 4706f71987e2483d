//! Retention rules as an operator sees them: commands, API and metrics agree.

use std::collections::BTreeMap;
use std::time::Duration;

use glance_revert::domain::time::{Clock, SystemClock, isotime};
use serde_json::{Value, json};

use crate::support::daemon::{Service, Setup, until};
use crate::support::database::Kind;
use crate::support::world::World;

const RULES: &str = "min_scrub_time = 3600\nfirst_pass_delay = 3600\n\
    [revert_retention:golden]\norder = 10\nname = golden*\nscrub_time = 7776000\n\
    [revert_retention:ci]\norder = 20\ntag = ephemeral\nscrub_time = 7200\n";

/// For each image, when it is due, and the rule that decides it.
type Said = BTreeMap<String, (Value, Value)>;

fn said<'a>(images: impl IntoIterator<Item = &'a Value>) -> Said {
    let one = |image: &Value| {
        let id = image["id"].as_str().unwrap().to_owned();
        (id, (image["scrub_at"].clone(), image["retention_rule"].clone()))
    };
    images.into_iter().map(one).collect()
}

async fn json_of(setup: &Setup, arguments: &[&str]) -> Vec<Value> {
    let output = setup.run(arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn get(service: &Service, path: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{}{path}", service.api));
    let answer = request.header("authorization", service.authorization()).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn commands_calls_and_metrics_say_the_same_of_when_an_image_is_due() {
    let world = World::with_tables(Kind::Sqlite).await;
    let ago = Duration::from_mins(90);
    let deleted = chrono::SubsecRound::trunc_subsecs(SystemClock.now() - ago, 0);
    let ids = ["ci", "golden", "rest"];
    for id in ids {
        world.crowd(&[id.to_owned()], &deleted.format("%Y-%m-%d %H:%M:%S%.6f").to_string()).await;
    }
    world.db.execute("UPDATE images SET name = 'golden one' WHERE id = 'golden'").await;
    world.db.execute("UPDATE image_tags SET value = 'ephemeral' WHERE image_id = 'ci'").await;
    let at = |hours: u64| json!(isotime(deleted + Duration::from_hours(hours)));
    let expected: Said = [
        ("ci".to_owned(), (at(2), json!("ci"))),
        ("golden".to_owned(), (at(90 * 24), json!("golden"))),
        ("rest".to_owned(), (at(7 * 24), Value::Null)),
    ]
    .into();
    let setup = Setup::with_scrub_time(&world, "scrub_time = 604800\n", RULES);
    let service = setup.serve().await;

    assert_eq!(said(&json_of(&setup, &["list", "--json"]).await), expected);
    let page = get(&service, "/v2/pending-deletes").await;
    assert_eq!(said(page["pending_deletes"].as_array().unwrap()), expected);
    let plan = get(&service, "/v2/scrubber/plan?within=8640000").await;
    assert_eq!(said(plan["next"].as_array().unwrap()), expected);
    assert_eq!(plan["groups"][0]["first_scrub_at"], at(2));
    for id in ids {
        let shown = get(&service, &format!("/v2/pending-deletes/{id}")).await;
        assert_eq!(said([&shown])[id], expected[id]);
        let text = String::from_utf8(setup.run(&["show", id, "--json"]).await.stdout).unwrap();
        assert_eq!(said([&serde_json::from_str(&text).unwrap()])[id], expected[id]);
    }
    let summary = get(&service, "/v2/pending-deletes/summary?group_by=burst,store").await;
    assert_eq!(
        (&summary["first_scrub_at"], &summary["groups"][0]["first_scrub_at"]),
        (&at(2), &at(2)),
        "{summary}"
    );
    let text = |output: std::process::Output| String::from_utf8(output.stdout).unwrap();
    let planned = text(setup.run(&["scrub", "--dry-run", "--within", "100d"]).await);
    for (when, _) in expected.values() {
        assert!(planned.contains(when.as_str().unwrap()), "{planned}");
    }
    let shown = text(setup.run(&["show", "ci"]).await);
    assert!(shown.contains(", rule ci)"), "{shown}");
    let check = text(setup.run(&["check"]).await);
    for told in ["they wait 7200 s", "they wait 7776000 s"] {
        let row = check.lines().find(|line| line.contains(told)).unwrap_or_default();
        assert!(row.starts_with("rule ") && row.contains("1 images"), "{check}");
    }
    for metric in [
        "glance_revert_due_images 0",
        "glance_revert_expiring_images{within=\"1h\"} 1",
        "glance_revert_expiring_images{within=\"24h\"} 1",
        "glance_revert_pending_images 3",
    ] {
        until(metric, async || {
            let all = service.text("/metrics").await;
            all.lines().any(|line| line == metric).then_some(())
        })
        .await;
    }
}

/// An invalid rule name is reported, and nothing starts.
#[tokio::test]
async fn an_invalid_rule_stops_every_pass() {
    let world = World::new(Kind::Sqlite).await;
    world.deleted_image("a").await;
    for (rule, told) in [
        ("order = 1\nscrub_time = 7200\n", "says nothing about which images"),
        ("order = 1\nscrub_time = 7200\nvisibility = all\n", "is none of public"),
        ("order = 1\nscrub_time = 7200\nowners = p1\n", "the nearest known one is owner"),
    ] {
        let rules = format!("min_scrub_time = 0\n[revert_retention:r]\n{rule}");
        let setup = Setup::with_scrub_time(&world, "scrub_time = 60\n", &rules);
        let output = setup.run(&["scrub"]).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains("[revert_retention:r]") && text.contains(told), "{text}");
    }
    assert!(world.has_data("a"));
}
