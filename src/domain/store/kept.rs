//! What a store keeps of data that was deleted.

use std::fmt;
use std::ops::AddAssign;

use crate::domain::time::{Timestamp, isotime};

/// Data that nobody can read any more and that its store has kept all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The store's own name of exactly this data: a version, an id in a trash.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// Since when nobody can read it, where the store says so.
    pub since: Option<Timestamp>,
    /// Until when it is kept at the least; `None` where nobody set an end, or it cannot be seen.
    pub until: Option<Timestamp>,
    /// As what it is kept, and what is known of the end of that.
    pub how: String,
}

impl fmt::Display for Retained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its store kept it: {}", self.how)?;
        self.since.map_or(Ok(()), |since| write!(f, "; since {}", isotime(since)))?;
        self.until.map_or(Ok(()), |until| write!(f, "; until {} at least", isotime(until)))
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remains {
    /// Versions, segments, images of a trash: whatever holds bytes.
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

/// All that a store has of an image's data, the newest version of it and older ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeps {
    /// Data in its place: nothing under this name is to be removed for good.
    Current,
    /// Nothing in its place, and this much kept.
    Remains(Remains),
    /// Nothing in its place, and something kept that only an operator can remove. What, and how.
    ByHand(String),
}

/// How a removal for good ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// What was removed: it was seen not to be there any more.
    pub removed: Remains,
    /// What is still kept.
    pub left: Remains,
    /// Why.
    pub why: Option<String>,
}
