//! Runs the steps of docs/operations.md as written: at a terminal, over the API, in a container,
//! and with the real Glance.

use std::fs;
use std::time::Duration;

use glance_revert::domain::time::{Clock, SystemClock, isotime};
use serde_json::{Value, json};

use super::docs_lines::stage;
use super::lines::{Stage, blocks_of};
use crate::support::cloud::Cloud;
use crate::support::database::{Kind, on_each_database};
use crate::support::demo::{Demo, INCIDENT};
use crate::support::glance::GlanceOptions;
use crate::support::source::folder;

/// The time on the page at which the deletions began.
const SINCE: &str = "2026-11-22T10:00:00Z";
/// Glance's address on the page.
const GLANCE: &str = "http://127.0.0.1:9292";
/// The number of images in the page's drill.
const IMAGES: u32 = 300;

/// The page, split at its headings; the first part is the text before them.
fn parts() -> Vec<String> {
    let page = fs::read_to_string(folder("docs/operations.md")).unwrap();
    page.split("\n## ").map(str::to_owned).collect()
}

/// The blocks of the page's numbered steps.
fn steps() -> Vec<String> {
    let is_step = |part: &&String| part.starts_with(|c: char| c.is_ascii_digit());
    let blocks: Vec<_> = parts().iter().filter(is_step).flat_map(|part| blocks_of(part)).collect();
    assert!(blocks.len() >= 7, "{blocks:?}");
    blocks
}

fn below(heading: &str) -> Vec<String> {
    let parts = parts();
    let part = parts.iter().find(|part| part.starts_with(heading));
    blocks_of(part.unwrap_or_else(|| panic!("the page has no {heading:?}")))
}

/// 45 minutes ago: between the images that were deleted on purpose and the incident.
fn since() -> String {
    isotime(SystemClock.now() - Duration::from_mins(45))
}

/// A demo with the incident, and a stage for commands.
async fn incident() -> (Demo, Stage) {
    let demo = Demo::incident(IMAGES).await;
    let stage = stage(&demo)
        .say("IMAGE_ID", "7c3e5a10-9b2d-4f68-8a4a-000000000007")
        .say("PROJECT_ID", INCIDENT)
        .say(SINCE, &since());
    (demo, stage)
}

/// Checks the end of the incident: which images came back, which are still pending, and that the
/// scrubber runs.
async fn assert_is_over(demo: &Demo) {
    let left = demo.get(&format!("/v2/pending-deletes?owner={INCIDENT}")).await;
    let left = left["pending_deletes"].as_array().unwrap();
    assert_eq!(left.len(), 2, "what was deleted on purpose: {left:?}");
    let mut reverted = 0;
    let mut next = Some("/v2/audit?operation=revertImage&limit=1000".to_owned());
    while let Some(path) = next {
        let page = demo.get(&path).await;
        reverted += page["audit"].as_array().unwrap().len();
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(reverted, IMAGES as usize);
    for operation in ["pauseScrubber", "resumeScrubber"] {
        let page = demo.get(&format!("/v2/audit?operation={operation}")).await;
        assert_eq!(page["audit"].as_array().unwrap().len(), 1, "{operation}: {page}");
    }
    assert_eq!(demo.get("/v2/scrubber").await["state"], "on");
}

#[tokio::test]
async fn the_night_is_handled_at_a_terminal() {
    let (demo, stage) = incident().await;
    for block in steps().iter().filter(|block| !block.contains(GLANCE)) {
        assert!(!stage.run(block).await.is_empty(), "it says nothing:\n{block}");
    }
    assert_is_over(&demo).await;
    let held = &demo.get("/v2/scrubber").await["held_images"];
    assert_eq!(held, 0, "nothing is held any more");
}

#[tokio::test]
async fn the_night_is_handled_with_curl() {
    let (demo, stage) = incident().await;
    for block in below("Over the API") {
        stage.run(&block).await;
    }
    assert_is_over(&demo).await;
}

#[tokio::test]
async fn the_night_is_handled_in_a_container() {
    let (demo, stage) = incident().await;
    for block in below("With kubectl") {
        stage.run(&block).await;
    }
    assert_is_over(&demo).await;
}

#[tokio::test]
async fn the_drill_starts_as_the_page_says() {
    let blocks = below("A drill");
    assert!(blocks[0].contains(&format!("demo --incident {IMAGES}")), "{}", blocks[0]);
    let (_demo, stage) = incident().await;
    let status = stage.run(&format!("{}\nglance-revert status", blocks[1])).await;
    assert!(status.contains("images held"), "{status}");
}

on_each_database! { with glance:
    the_night_is_handled_with_the_real_glance,
}

async fn the_night_is_handled_with_the_real_glance(kind: Kind) {
    let options = GlanceOptions { scrub_time: 3600, ..GlanceOptions::default() };
    let cloud = Cloud::start(kind, options).await;
    cloud.database.make_own_tables().await;
    cloud.database.grant_own_tables().await;
    let owner = cloud.glance.member_of("web");
    let mut ids = Vec::new();
    for number in 0..5 {
        let image = json!({"name": "web", "disk_format": "raw", "container_format": "bare"});
        let id = owner.create_image(&image).await["id"].as_str().unwrap().to_owned();
        owner.upload(&id, format!("the bits of {number}").as_bytes()).await;
        ids.push(id);
    }
    for id in &ids {
        owner.delete(id).await;
    }

    let place = cloud.service.folder();
    cloud.glance.admin().write_header(&place.join("glance-header"));
    let stage = Stage::new(place, cloud.service.config_files())
        .say("admin-header", "glance-header")
        .say(GLANCE, cloud.glance.base())
        .say("IMAGE_ID", &ids[2])
        .say("PROJECT_ID", "web")
        .say(SINCE, &since());
    let mut said = String::new();
    for block in steps() {
        said += &stage.run(&block).await;
    }
    let is_hash = |line: &&str| line.len() == 131 && line.ends_with("  -");
    let whole = said.lines().filter(is_hash).count();
    assert_eq!(whole, 4, "each image that came back with the others was downloaded: {said}");
    assert!(!said.contains("is damaged"), "{said}");
    for id in &ids {
        let (status, image): (u16, Value) = owner.show(id).await;
        assert_eq!((status, &image["status"]), (200, &json!("active")), "{id}");
    }
    assert_eq!(owner.show(&ids[2]).await.1["protected"], true);
}
