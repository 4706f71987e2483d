//! The command lines of the docs, run on the demo as a reader would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::daemon::DEADLINE;
use crate::support::demo::{Demo, GOLDEN};
use crate::support::source::folder;

/// The page's blocks of shell that have this text.
fn blocks(page: &str, having: &str) -> Vec<String> {
    let text = fs::read_to_string(folder(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let found: Vec<_> = blocks.filter(|block| block.contains(having)).map(str::to_owned).collect();
    assert!(!found.is_empty(), "{page} has no block with {having:?}");
    found
}

fn executable(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs the blocks one after the other; each line must succeed.
async fn run(page: &str, having: &str) {
    let demo = Demo::start().await;
    let place = demo.header_file().parent().unwrap().to_owned();
    let path = TempDir::new().unwrap();
    // Where Glance's files are found without being named, the demo's are not.
    executable(
        &path.path().join("glance-revert"),
        &format!(
            "#!/bin/sh\ncase $* in *--config-file*|*--address*) exec {0} \"$@\" ;; esac\n\
             exec {0} \"$@\" --config-file {1}/glance-api.conf --config-file {1}/glance-revert.conf\n",
            env!("CARGO_BIN_EXE_glance-revert"),
            place.display()
        ),
    );
    // Left to itself curl is content with any status.
    executable(
        &path.path().join("curl"),
        "#!/bin/sh\nPATH=/usr/bin:/bin exec curl --fail-with-body \"$@\"\n",
    );
    for block in blocks(page, having) {
        let script = block
            .replace("/tmp/glance-revert-demo-9393", place.to_str().unwrap())
            .replace("http://127.0.0.1:9393", &demo.url)
            .replace("http://127.0.0.1:9394", &demo.ops_url)
            .replace("127.0.0.1:9394", demo.ops_url.trim_start_matches("http://"))
            .replace("IMAGE_ID", GOLDEN)
            .replace("5f1e...", "demo");
        let shell = Command::new("/bin/sh")
            .args(["-e", "-u", "-c", &script])
            .env("PATH", format!("{}:/usr/bin:/bin", path.path().display()))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let done = tokio::time::timeout(DEADLINE, shell).await.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (output, errors) = (text(&done.stdout), text(&done.stderr));
        assert!(done.status.success(), "{page}:\n{script}\n{output}\n{errors}");
        assert!(!output.is_empty(), "{page} says nothing:\n{script}");
    }
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

#[tokio::test]
async fn the_night_is_got_over_with_the_lines_of_the_operations_page() {
    run("docs/operations.md", "glance-revert show IMAGE_ID").await;
    run("docs/operations.md", "glance-revert revert --protect IMAGE_ID").await;
    run("docs/operations.md", "glance-revert revert --owner").await;
}
