//! Deleted data that a store retains.

use std::fmt;
use std::ops::AddAssign;

use crate::domain::time::{Timestamp, isotime};

/// Deleted data that its store retains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The store's identifier of exactly this data: a version, an id in a trash.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// When it was deleted, if the store says so.
    pub since: Option<Timestamp>,
    /// The earliest time at which the store may drop it; `None` if there is no such time, or it
    /// cannot be queried.
    pub until: Option<Timestamp>,
    /// How it is retained and what is known about the end of that, as text.
    pub how: String,
}

impl fmt::Display for Retained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its store kept it: {}", self.how)?;
        self.since.map_or(Ok(()), |since| write!(f, "; since {}", isotime(since)))?;
        self.until.map_or(Ok(()), |until| write!(f, "; until {} at least", isotime(until)))
    }
}

/// The amount of retained data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remains {
    /// Versions, segments, or images in a trash.
    pub pieces: u64,
    /// Bytes.
    pub bytes: u64,
}

impl AddAssign for Remains {
    fn add_assign(&mut self, other: Self) {
        self.pieces += other.pieces;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What a store has of an image's data in all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeps {
    /// There is current data: nothing under this name may be removed permanently.
    Current,
    /// There is no current data, and this much is retained.
    Remains(Remains),
    /// There is no current data, and only an operator can remove what is retained. Says what and
    /// how.
    ByHand(String),
}

/// The result of a permanent removal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// What was removed, and verified as removed.
    pub removed: Remains,
    /// What is still retained.
    pub left: Remains,
    /// Why it is still retained.
    pub why: Option<String>,
}
