//! The last pass of any process, as all others see it.

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// The last pass that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPass {
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None` while it runs, and where its process died.
    pub ended: Option<Timestamp>,
    /// The machine that ran it.
    pub host: String,
    /// What came of it; `None` as long as it has no end.
    pub result: Option<PassResult>,
}

/// What came of a pass. Other versions may count other things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PassResult {
    /// `finished`, `limited`, `paused`, `interrupted` or `failed`.
    pub outcome: String,
    /// Images looked at.
    pub seen: u64,
    /// Images whose last waiting location is gone.
    pub scrubbed: u64,
    /// Locations set to `deleted`.
    pub locations_deleted: u64,
    /// Locations whose data was absent already.
    pub data_gone: u64,
    /// Images whose claim was released, their data untouched.
    pub claims_released: u64,
    /// Images that are held, and were left alone.
    pub held: u64,
    /// Images that failed.
    pub failed: u64,
    /// Alerts: each one wants a person to look.
    pub alerts: u64,
}
