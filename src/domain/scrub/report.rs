//! The report of a pass.

use serde::Serialize;

use super::limit::Limited;
use crate::domain::control::PassResult;
use crate::domain::image::ImageId;

/// Failures listed individually; the rest is only counted.
const FAILURES_TOLD: usize = 100;

/// Counts of one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScrubReport {
    /// Another process runs a pass; this one did nothing.
    pub skipped: bool,
    /// The scrubber is paused: nothing was done, or nothing more.
    pub paused: bool,
    /// The pass was told to stop before its end.
    pub interrupted: bool,
    /// More was due than a pass may destroy: what, of which nothing more was destroyed.
    pub limited: Option<Limited>,
    /// Images that the pass looked at.
    pub seen: u64,
    /// Images that were completely scrubbed.
    pub scrubbed: u64,
    /// Claims of a dead process that were taken up again.
    pub resumed: u64,
    /// Locations set to `deleted`.
    pub locations_deleted: u64,
    /// Locations whose data was proved absent.
    pub data_gone: u64,
    /// Locations that somebody else destroyed or settled while this pass had them: lost data, or
    /// another scrubber at work.
    pub taken_by_others: u64,
    /// Locations whose data another image still uses: the row is done with, the data stays.
    pub data_shared: u64,
    /// Locations whose data the store still keeps after its removal: a versioned bucket, a trash.
    pub data_retained: u64,
    /// Removed locations of living images that were destroyed.
    pub leftovers: u64,
    /// Images whose claim was released, their data untouched.
    pub claims_released: u64,
    /// Images in other hands: locked, or changed between two looks.
    pub contended: u64,
    /// Images that failed lately and are left alone for now.
    pub backed_off: u64,
    /// Images that are held, and left alone.
    pub held: u64,
    /// Images left alone because a store of theirs is stopped for this pass.
    pub deferred: u64,
    /// Images that failed.
    pub failed: u64,
    /// The first failures, one by one.
    pub failures: Vec<ScrubFailure>,
    /// Stores stopped for this pass, each with the reason: somebody should look.
    pub alerts: Vec<String>,
    /// Images that wait after failures, this pass's and earlier ones'.
    pub waiting_after_failure: u64,
}

/// One image that could not be scrubbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScrubFailure {
    /// `images.id`.
    pub image: String,
    /// What was in the way.
    pub reason: String,
}

impl ScrubReport {
    /// What others are told of it.
    pub fn result(&self) -> PassResult {
        PassResult {
            outcome: self.outcome().to_owned(),
            seen: self.seen,
            scrubbed: self.scrubbed,
            locations_deleted: self.locations_deleted,
            data_gone: self.data_gone,
            claims_released: self.claims_released,
            held: self.held,
            failed: self.failed,
            alerts: self.alerts.len() as u64,
        }
    }

    /// How it ended, in a word.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self { limited: Some(_), .. } => "limited",
            Self { paused: true, .. } => "paused",
            Self { interrupted: true, .. } => "interrupted",
            Self { .. } => "finished",
        }
    }

    pub(super) fn fail(&mut self, image: &ImageId, reason: String) {
        self.fail_unreadable(image.as_str(), reason);
    }

    pub(super) fn fail_unreadable(&mut self, image: &str, reason: String) {
        tracing::warn!(image_id = image, reason, "image not scrubbed");
        self.failed += 1;
        if self.failures.len() < FAILURES_TOLD {
            self.failures.push(ScrubFailure { image: image.to_owned(), reason });
        }
    }
}
