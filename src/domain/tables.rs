//! Our own tables beside Glance's, `revert_*`. They may be missing: then nothing can be held or paused,
//! and the audit is the log's alone.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::audit::{AuditQuery, AuditRow};
use super::image::ImageId;
use super::principal::Admin;
use super::repo::RepoError;
use super::time::Timestamp;

/// For so long after it an image that was destroyed without a record of ours is told of.
pub const UNRECORDED_FOR: TimeDelta = TimeDelta::hours(24);
/// So many of them are counted.
pub const MOST_UNRECORDED: u32 = 1000;

/// Whether our own tables can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablesState {
    /// They are there, as this version needs them.
    Present,
    /// They are not, or only in an earlier version.
    Missing,
    /// The database refuses them; its words.
    Unusable(String),
}

impl TablesState {
    /// A stable word, for programs.
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
                "missing: nothing can be held or paused, and the audit is the log's alone; \
                 glance-revert db sync makes them",
            ),
            Self::Unusable(why) => write!(
                f,
                "cannot be used: {why}; deploy/sql/own-tables-mariadb.sql and \
                 deploy/sql/own-tables-postgresql.sql grant all that is needed"
            ),
        }
    }
}

/// Our own tables.
#[async_trait]
pub trait OwnTables: Debug + Send + Sync {
    /// Whether they can be used. Once they were seen, this asks nobody.
    async fn state(&self) -> Result<TablesState, RepoError>;

    /// The same, after every statement on them was run on nothing.
    async fn rehearse(&self) -> Result<TablesState, RepoError>;

    /// Images that were destroyed since then, and since the tables were made, without an entry of
    /// ours: another scrubber is at work. The latest first, at most [`MOST_UNRECORDED`]; `None`
    /// without tables.
    async fn unrecorded_scrubs(&self, since: Timestamp) -> Result<Option<Vec<ImageId>>, RepoError>;

    /// The last entry about each of these images, of those that have any.
    async fn last_of(&self, by: &Admin, images: &[ImageId]) -> Result<Vec<AuditRow>, RepoError>;

    /// A page of the audit, newest first.
    async fn list_audit(&self, by: &Admin, query: &AuditQuery) -> Result<Vec<AuditRow>, RepoError>;
}
