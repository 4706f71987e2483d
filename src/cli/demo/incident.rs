//! The demo's incident: a job deleted a project's images, and they will be scrubbed soon.

use std::path::Path;
use std::time::Duration;

use crate::cli::CliError;
use crate::cli::output::text;

/// The project.
pub(super) const PROJECT: &str = "6c2d9f0e8b7a4d5c9e1f3a2b4c6d8e0f";

/// How long ago the job began; the demo's `scrub_time` is an hour.
const BEGAN: Duration = Duration::from_mins(30);
/// How long it took.
const LASTED: Duration = Duration::from_mins(4);
/// Maximum gap: deletions a minute apart would not be a burst.
const LONGEST_GAP: Duration = Duration::from_secs(30);
/// When the project deleted other images on purpose.
const ON_PURPOSE: [Duration; 2] = [Duration::from_mins(51), Duration::from_mins(50)];

/// A deleted image.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) id: String,
    pub(super) name: String,
    /// How long ago.
    pub(super) deleted: Duration,
}

/// The images of the incident and those deleted on purpose; empty for zero.
pub(super) fn images(count: u32) -> Vec<Lost> {
    if count == 0 {
        return Vec::new();
    }
    let gap = (LASTED / count).min(LONGEST_GAP);
    let by_the_job = (0..count).map(|number| Lost {
        id: id("4a", number),
        name: format!("web-{number:03}"),
        deleted: BEGAN.saturating_sub(gap * number),
    });
    let on_purpose = ON_PURPOSE.iter().zip(0..).map(|(deleted, number)| Lost {
        id: id("4b", number),
        name: format!("web-old-{number}"),
        deleted: *deleted,
    });
    by_the_job.chain(on_purpose).collect()
}

fn id(kind: &str, number: u32) -> String {
    format!("7c3e5a10-9b2d-4f68-8a{kind}-{number:012x}")
}

/// Prints what has happened and how to begin.
pub(super) fn introduce(folder: &Path, images: u32) -> Result<(), CliError> {
    let binary = std::env::current_exe().map_err(CliError::system("this program's file"))?;
    text(&format!(
        "\nAn incident: {images} images of project {PROJECT}\nwere deleted within four minutes. \
         The first of them will be scrubbed in half an hour. Two more\nwere deleted before, on \
         purpose. docs/operations.md has all steps; the first ones:\n"
    ))?;
    text(&format!("  cd {}", folder.display()))?;
    text("  CONF=\"--config-file glance-api.conf --config-file glance-revert.conf\"")?;
    for command in [
        "pause --reason 'images were deleted by mistake'",
        "list --group burst",
        &format!("revert --owner {PROJECT} --since 45m --dry-run"),
        &format!("revert --owner {PROJECT} --since 45m"),
        "audit --since 1h",
        "resume",
    ] {
        text(&format!("  {} {command} $CONF", binary.display()))?;
    }
    Ok(())
}
