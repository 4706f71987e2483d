//! Errors of the database.

use super::image::ImageId;

/// Why the database could not serve.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RepoError {
    /// No connection, or a broken one; a write may or may not have happened.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A row has values that Glance never writes.
    #[error(transparent)]
    BadRow(#[from] BadRow),
    /// An image has more children than fit into memory. Users can create any number of them.
    #[error("the properties, tags, members and locations of image {0} take too much memory")]
    TooLarge(ImageId),
    /// The database refused a statement: a missing grant, or another schema.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// Our own tables are required but missing.
    #[error("the service's own tables are missing; create them with glance-revert db sync")]
    TablesMissing,
    /// A bug: a write without the guard of its image's lock.
    #[error("image {0} would be written without its lock")]
    NotLocked(ImageId),
}

impl RepoError {
    /// The stable reason; `docs/troubleshooting.md` has a heading for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "db.unavailable",
            Self::BadRow(_) => "image.unreadable",
            Self::TooLarge(_) => "image.too_large",
            Self::TablesMissing => "tables.missing",
            Self::Refused(_) | Self::NotLocked(_) => "internal",
        }
    }
}

/// One image whose rows cannot be read; others can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image {image}: {table}.{column} cannot be read: {problem}")]
pub struct BadRow {
    /// `images.id`.
    pub image: String,
    /// The table at fault.
    pub table: &'static str,
    /// The column at fault.
    pub column: &'static str,
    /// What is wrong with it.
    pub problem: String,
}
