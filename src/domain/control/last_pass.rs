//! The last pass of any process, visible to all.

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// The last pass that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPass {
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None` while it runs, and if its process died.
    pub ended: Option<Timestamp>,
    /// The host that ran it.
    pub host: String,
    /// Its result; `None` until it ends.
    pub result: Option<PassResult>,
}

/// The result of a pass. Other versions may count differently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassResult {
    /// `finished`, `limited`, `paused`, `interrupted` or `failed`.
    pub outcome: String,
    /// Images examined.
    pub seen: u64,
    /// Images that were completely scrubbed.
    pub scrubbed: u64,
    /// Locations set to `deleted`.
    pub locations_deleted: u64,
    /// Locations whose data was already absent.
    pub data_gone: u64,
    /// Images whose claims were released with their data intact.
    pub claims_released: u64,
    /// Images skipped because they are held.
    pub held: u64,
    /// Images that failed.
    pub failed: u64,
    /// Alerts; each needs a person's attention.
    pub alerts: u64,
}
