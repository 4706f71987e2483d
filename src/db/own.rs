//! The statements on our own tables.

/// The version of them that this program needs.
pub(super) const NEEDED: i64 = 1;

/// The version that was made last. A later one has all that an earlier one has.
pub(super) const VERSION: &str =
    "SELECT MAX(version) AS version FROM revert_migrations WHERE success = TRUE";

/// What is read of the one row that all claims, pauses and holds begin with.
pub(super) const SEE_SCRUBBER: &str = "SELECT claims FROM revert_scrubber WHERE id = 1";
