//! Our own tables beside Glance's, `revert_*`. They are optional: without them nothing can be held
//! or paused, and audit records go to the log only.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::audit::{AuditQuery, AuditRow};
use super::image::ImageId;
use super::principal::Admin;
use super::repo::RepoError;
use super::time::Timestamp;

/// How long an image destroyed without a record of ours is reported.
pub const UNRECORDED_FOR: TimeDelta = TimeDelta::hours(24);
/// At most this many are counted.
pub const MOST_UNRECORDED: u32 = 1000;

/// Whether our own tables can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablesState {
    /// Present, in the version needed.
    Present,
    /// Missing, or outdated.
    Missing,
    /// The database refuses them; its error.
    Unusable(String),
}

impl TablesState {
    /// Its stable name.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Missing => "missing",
            Self::Unusable(_) => "unusable",
        }
    }
}

impl fmt::Display for TablesState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("there"),
            Self::Missing => f.write_str(
                "missing: holds and pauses are not possible, and audit records are only in the \
                 log; create them with glance-revert db sync",
            ),
            Self::Unusable(why) => write!(
                f,
                "cannot be used: {why}; deploy/sql/own-tables-mariadb.sql and \
                 deploy/sql/own-tables-postgresql.sql grant what is needed"
            ),
        }
    }
}

/// Our own tables.
#[async_trait]
pub trait OwnTables: Debug + Send + Sync {
    /// Whether they can be used. Cached once they were seen.
    async fn state(&self) -> Result<TablesState, RepoError>;

    /// The same, after rehearsing every statement on them.
    async fn rehearse(&self) -> Result<TablesState, RepoError>;

    /// Images destroyed since then, and since the tables were created, without an entry of ours:
    /// another scrubber is running. Latest first, at most [`MOST_UNRECORDED`]; `None` without
    /// tables.
    async fn unrecorded_scrubs(&self, since: Timestamp) -> Result<Option<Vec<ImageId>>, RepoError>;

    /// The last entry about each of these images, if any.
    async fn last_of(&self, by: &Admin, images: &[ImageId]) -> Result<Vec<AuditRow>, RepoError>;

    /// A page of the audit, newest first.
    async fn list_audit(&self, by: &Admin, query: &AuditQuery) -> Result<Vec<AuditRow>, RepoError>;
}
