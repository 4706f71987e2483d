//! What can go wrong with the database.

use super::image::ImageId;

/// The database could not serve.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RepoError {
    /// No connection, or it broke; whether a write happened is not known.
    #[error("the database does not serve: {0}")]
    Unavailable(String),
    /// A row holds what Glance never writes.
    #[error(transparent)]
    BadRow(#[from] BadRow),
    /// An image has more children than can be held in memory. Users can make any number of them.
    #[error("the properties, tags, members and locations of image {0} take too much memory")]
    TooLarge(ImageId),
    /// The database refused a statement: a missing grant, another schema.
    #[error("the database refused a statement: {0}")]
    Refused(String),
    /// Our own tables are missing, and what was asked for needs them.
    #[error("the tables of glance-revert are missing; glance-revert db sync makes them")]
    TablesMissing,
    /// A write was attempted without the guard of its image: a bug.
    #[error("image {0} was to be written without its lock")]
    NotLocked(ImageId),
}

impl RepoError {
    /// The stable word for programs; `docs/troubleshooting.md` has a heading for each.
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
