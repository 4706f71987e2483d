//! The report of a pass.

use std::collections::BTreeMap;

use serde::Serialize;

use super::limit::Limited;
use crate::domain::control::PassResult;
use crate::domain::image::ImageId;
use crate::domain::store::StoreId;

/// Failures listed individually; the rest is only counted.
const FAILURES_TOLD: usize = 100;

/// Counts of one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScrubReport {
    /// Another process was running a pass; this one did nothing.
    pub skipped: bool,
    /// The scrubber was paused: the pass did nothing, or nothing more.
    pub paused: bool,
    /// The pass was told to stop before its end.
    pub interrupted: bool,
    /// More was due than the pass may destroy: the amount. It then destroyed nothing, or nothing
    /// more.
    pub limited: Option<Limited>,
    /// Images examined.
    pub seen: u64,
    /// Images that were completely scrubbed.
    pub scrubbed: u64,
    /// Claims of a dead process that were resumed.
    pub resumed: u64,
    /// Locations set to `deleted`.
    pub locations_deleted: u64,
    /// Locations whose data was proved absent.
    pub data_gone: u64,
    /// Locations that somebody else destroyed or settled while this pass had claimed them: lost
    /// data, or another scrubber.
    pub taken_by_others: u64,
    /// Locations whose data another image still uses: the row is settled, the data stays.
    pub data_shared: u64,
    /// Locations whose data the store retains after the deletion: a versioned bucket, a trash.
    pub data_retained: u64,
    /// The same by store, with their bytes as Glance knows them.
    pub retained_in: BTreeMap<String, RetainedIn>,
    /// Removed locations of living images that were destroyed.
    pub leftovers: u64,
    /// Images whose claims were released, with their data intact.
    pub claims_released: u64,
    /// Images skipped because they are locked, or changed while the pass looked at them.
    pub contended: u64,
    /// Images skipped because they failed recently.
    pub backed_off: u64,
    /// Images skipped because they are held.
    pub held: u64,
    /// Images skipped because one of their stores is stopped for this pass.
    pub deferred: u64,
    /// Images that failed.
    pub failed: u64,
    /// The first failures.
    pub failures: Vec<ScrubFailure>,
    /// Stores stopped for this pass, each with the reason; a person should look at them.
    pub alerts: Vec<String>,
    /// Images waiting to be retried, from this pass and earlier ones.
    pub waiting_after_failure: u64,
}

/// What a store keeps of what a pass deleted in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RetainedIn {
    /// Locations.
    pub locations: u64,
    /// Bytes.
    pub bytes: u64,
}

/// One image that could not be scrubbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScrubFailure {
    /// `images.id`.
    pub image: String,
    /// The reason.
    pub reason: String,
}

impl ScrubReport {
    /// Counts what stores keep of an image of this size, a store for each location.
    pub(super) fn retains(&mut self, stores: &[StoreId], size: Option<i64>) {
        self.data_retained += stores.len() as u64;
        for store in stores {
            let kept = self.retained_in.entry(store.to_string()).or_default();
            kept.locations += 1;
            let size = size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
            kept.bytes = kept.bytes.saturating_add(size);
        }
    }

    /// The result that is published for other processes.
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

    /// How it ended, as a stable name.
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
