//! The statements on our own tables.

/// The version of them that this program needs.
pub(super) const NEEDED: i64 = 1;

/// The last migration. A later version includes all of an earlier one.
pub(super) const VERSION: &str =
    "SELECT MAX(version) AS version FROM revert_migrations WHERE success = TRUE";

/// The columns of the one row that all claims, pauses and holds read first.
pub(super) const SEE_SCRUBBER: &str = "SELECT claims FROM revert_scrubber WHERE id = 1";

/// Scrubbed images without an audit entry. An image that Glance itself ended has locations with the
/// image's own time, or none. The creation time of the tables has whole seconds: on SQLite an image
/// that was ended earlier in the same second is included too.
pub(super) const UNRECORDED_SCRUBS: &str = "SELECT i.id FROM images i WHERE i.updated_at >= ? \
     AND i.updated_at > (SELECT MIN(m.installed_on) FROM revert_migrations m) \
     AND i.status = 'deleted' AND CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1 \
     AND EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
     AND l.status = 'deleted' AND l.deleted_at > i.deleted_at) \
     AND NOT EXISTS (SELECT 1 FROM image_locations w WHERE w.image_id = i.id \
     AND w.status = 'pending_delete') \
     AND NOT EXISTS (SELECT 1 FROM revert_audit a WHERE a.image_id = i.id \
     AND a.operation IN ('scrubImage', 'purgeRetained') AND a.created_at >= i.deleted_at) \
     ORDER BY i.updated_at DESC LIMIT ?";

/// Images that changed since, that a revert has made active, and that have no location any more:
/// glance-scrubber had listed them before, and leaves the image's row as it is. The index on changes
/// finds them.
pub(super) const TAKEN_AFTER_REVERT: &str = "SELECT i.id FROM images i WHERE i.updated_at >= ? \
     AND i.status = 'active' AND CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 0 \
     AND NOT EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
     AND l.status = 'active') \
     AND (SELECT MAX(a.id) FROM revert_audit a WHERE a.image_id = i.id \
     AND a.operation = 'revertImage') IS NOT NULL ORDER BY i.updated_at DESC LIMIT ?";

macro_rules! audit_columns {
    () => {
        "id, created_at, operation, outcome, image_id, owner, name, actor, actor_name, \
         actor_issuer, actor_method, actor_scope, source, host, request_id, details"
    };
}

/// The placeholders of one row.
macro_rules! audit_row {
    () => {
        "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    };
}

macro_rules! audit_rows8 {
    () => {
        concat!(
            audit_row!(),
            ",",
            audit_row!(),
            ",",
            audit_row!(),
            ",",
            audit_row!(),
            ",",
            audit_row!(),
            ",",
            audit_row!(),
            ",",
            audit_row!(),
            ",",
            audit_row!()
        )
    };
}

macro_rules! insert_audit {
    () => {
        concat!("INSERT INTO revert_audit (", audit_columns!(), ") VALUES ")
    };
}

pub(super) const INSERT_AUDIT: &str = concat!(insert_audit!(), audit_row!());
/// Eight entries at a time.
pub(super) const INSERT_AUDIT_8: &str = concat!(insert_audit!(), audit_rows8!());
/// A batch of entries.
pub(super) const INSERT_AUDIT_64: &str = concat!(
    insert_audit!(),
    audit_rows8!(),
    ",",
    audit_rows8!(),
    ",",
    audit_rows8!(),
    ",",
    audit_rows8!(),
    ",",
    audit_rows8!(),
    ",",
    audit_rows8!(),
    ",",
    audit_rows8!(),
    ",",
    audit_rows8!()
);

/// One text per combination of filters, because a text with optional filters would scan the table.
macro_rules! list_audit {
    ($($filter:literal),*) => {
        concat!(
            "SELECT ", audit_columns!(), " FROM revert_audit WHERE id < ? AND id >= ?",
            $(" AND ", $filter, " = ?",)*
            " ORDER BY id DESC LIMIT ?"
        )
    };
}

pub(super) const LIST_AUDIT: &str = list_audit!();
pub(super) const LIST_AUDIT_I: &str = list_audit!("image_id");
pub(super) const LIST_AUDIT_A: &str = list_audit!("actor");
pub(super) const LIST_AUDIT_O: &str = list_audit!("operation");
pub(super) const LIST_AUDIT_IA: &str = list_audit!("image_id", "actor");
pub(super) const LIST_AUDIT_IO: &str = list_audit!("image_id", "operation");
pub(super) const LIST_AUDIT_AO: &str = list_audit!("actor", "operation");
pub(super) const LIST_AUDIT_IAO: &str = list_audit!("image_id", "actor", "operation");

/// The text with these filters.
pub(super) fn list_audit(image: bool, actor: bool, operation: bool) -> &'static str {
    match (image, actor, operation) {
        (false, false, false) => LIST_AUDIT,
        (true, false, false) => LIST_AUDIT_I,
        (false, true, false) => LIST_AUDIT_A,
        (false, false, true) => LIST_AUDIT_O,
        (true, true, false) => LIST_AUDIT_IA,
        (true, false, true) => LIST_AUDIT_IO,
        (false, true, true) => LIST_AUDIT_AO,
        (true, true, true) => LIST_AUDIT_IAO,
    }
}

/// The last entry of each of these images, except holds, with the database's time.
pub(super) const LAST_AUDIT_OF: &str = concat!(
    "SELECT ",
    audit_columns!(),
    " FROM revert_audit WHERE id IN (SELECT MAX(id) FROM revert_audit \
     WHERE image_id IN (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) \
     AND operation NOT IN ('holdImage', 'releaseImage') GROUP BY image_id)"
);

/// Deletes the oldest entries, a few at a time, so that others do not wait for long.
pub(super) const TRIM_AUDIT: &str = "DELETE FROM revert_audit WHERE id IN (SELECT id FROM \
     (SELECT id FROM revert_audit WHERE id < ? ORDER BY id LIMIT 1000) AS old)";
