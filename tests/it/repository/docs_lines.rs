//! Runs the commands of the docs on the demo, as a reader would.

use super::lines::{Stage, blocks};
use crate::support::demo::{Demo, GOLDEN};

/// Runs the matching blocks in order; each line must succeed.
async fn run(page: &str, having: &str) {
    let demo = Demo::start().await;
    let stage = stage(&demo).say("IMAGE_ID", GOLDEN);
    for block in blocks(page, having) {
        assert!(!stage.run(&block).await.is_empty(), "{page} says nothing:\n{block}");
    }
}

/// A stage in the demo's folder.
pub(super) fn stage(demo: &Demo) -> Stage {
    let place = demo.folder();
    let config = ["glance-api.conf", "glance-revert.conf"].map(|file| place.join(file));
    Stage::new(&place, &config)
        .say("/tmp/glance-revert-demo-9393", place.to_str().unwrap())
        .say("http://127.0.0.1:9393", &demo.url)
        .say("http://127.0.0.1:9394", &demo.ops_url)
        .say("127.0.0.1:9394", demo.ops_url.trim_start_matches("http://"))
}

#[tokio::test]
async fn the_readmes_line_reverts_an_image_of_the_demo() {
    run("README.md", "/tmp/glance-revert-demo-9393").await;
}

#[tokio::test]
async fn the_lines_of_the_command_line_page_work() {
    run("docs/cli.md", "/tmp/glance-revert-demo-9393").await;
}

#[tokio::test]
async fn the_lines_of_the_api_page_work() {
    run("docs/api.md", "/tmp/glance-revert-demo-9393").await;
}

#[tokio::test]
async fn the_lines_of_the_metrics_page_work() {
    run("docs/metrics.md", "127.0.0.1:9394").await;
}
