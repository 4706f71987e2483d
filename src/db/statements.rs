//! Every text of SQL, once, for all three dialects.
//!
//! Columns are always listed, so that grants on columns suffice. Lists have a fixed number of
//! places, so that every text is a constant (see [`super::statement::Statement::bind_list`]).

/// Places in [`IMAGES`], [`CLAIM_IMAGES`] and [`LOCATIONS_DELETED`].
pub(super) const IMAGE_SLOTS: usize = 16;
/// Places in [`REVERT_LOCATIONS`] and [`LOCATIONS_OF`].
pub(super) const LOCATION_SLOTS: usize = 64;
/// 8 places.
macro_rules! slots8 {
    () => {
        "?,?,?,?,?,?,?,?"
    };
}

/// 16 places.
macro_rules! slots16 {
    () => {
        concat!(slots8!(), ",", slots8!())
    };
}

/// 64 places.
macro_rules! slots64 {
    () => {
        concat!(
            slots8!(),
            ",",
            slots8!(),
            ",",
            slots8!(),
            ",",
            slots8!(),
            ",",
            slots8!(),
            ",",
            slots8!(),
            ",",
            slots8!(),
            ",",
            slots8!()
        )
    };
}

/// The image's columns; its times also as the database prints them, for the compare-and-set.
/// `visibility` is an enum on PostgreSQL, which has no plain way to text that all three know.
macro_rules! image_columns {
    () => {
        "i.id, i.name, i.disk_format, i.container_format, i.size, i.virtual_size, i.status, \
         i.checksum, i.os_hash_algo, i.os_hash_value, i.protected, i.os_hidden, i.min_ram, \
         i.min_disk, i.owner, i.created_at, i.updated_at, i.deleted_at, i.deleted, \
         CASE i.visibility WHEN 'public' THEN 'public' WHEN 'private' THEN 'private' \
         WHEN 'shared' THEN 'shared' ELSE 'community' END AS visibility, \
         COALESCE(CONCAT(i.deleted_at, ''), '') AS deleted_at_text, \
         COALESCE(CONCAT(i.updated_at, ''), '') AS updated_at_text"
    };
}

/// `deleted = TRUE`, in words that no index serves. Said plainly, 8 to 33 of 1,000 concurrent
/// reverts deadlocked on MariaDB, and none with these words; its index on `deleted` is the likely
/// cause.
macro_rules! is_deleted {
    () => {
        "CASE WHEN deleted = TRUE THEN 1 ELSE 0 END = 1"
    };
}

/// The contrary of [`is_deleted`], for the same reason.
macro_rules! is_kept {
    () => {
        "CASE WHEN deleted = TRUE THEN 1 ELSE 0 END = 0"
    };
}

/// The row of an image is still as it was read.
macro_rules! unchanged {
    () => {
        "status = ? AND COALESCE(CONCAT(deleted_at, ''), '') = ? \
         AND COALESCE(CONCAT(updated_at, ''), '') = ?"
    };
}

/// A location that is not done with: it is live, or it waits and its image may be reverted still, or
/// its claim be released; or its row alone was ended together with its image, by Glance's
/// `image_destroy`, which asks no store.
macro_rules! needs_data {
    () => {
        "(l.status = 'pending_delete' OR (l.status = 'active' AND l.deleted = FALSE) \
         OR (l.status = 'deleted' AND EXISTS (SELECT 1 FROM images i WHERE i.id = l.image_id \
         AND i.deleted_at = l.deleted_at)))"
    };
}

/// An image and all its children, a row each, in one round trip.
pub(super) const IMAGE: &str = concat!(
    "SELECT ",
    image_columns!(),
    ", c.kind AS c_kind, c.id AS c_id, c.name AS c_name, \
     c.value AS c_value, c.status AS c_status, c.deleted AS c_deleted, \
     c.deleted_at AS c_deleted_at FROM images i LEFT JOIN (\
     SELECT 'location' AS kind, image_id, id, meta_data AS name, value, status, deleted, \
     deleted_at FROM image_locations WHERE image_id = ? \
     UNION ALL SELECT 'property', image_id, id, name, value, NULL, deleted, deleted_at \
     FROM image_properties WHERE image_id = ? \
     UNION ALL SELECT 'tag', image_id, id, NULL, value, NULL, deleted, deleted_at \
     FROM image_tags WHERE image_id = ? \
     UNION ALL SELECT 'member', image_id, id, NULL, member, status, deleted, deleted_at \
     FROM image_members WHERE image_id = ?) c ON c.image_id = i.id WHERE i.id = ?"
);

/// Images with their locations, in the row shape of [`IMAGE`].
pub(super) const IMAGES: &str = concat!(
    "SELECT ",
    image_columns!(),
    ", CASE WHEN l.id IS NULL THEN NULL ELSE 'location' END AS \
     c_kind, l.id AS c_id, l.meta_data AS c_name, l.value AS c_value, l.status AS c_status, \
     l.deleted AS c_deleted, l.deleted_at AS c_deleted_at \
     FROM images i LEFT JOIN image_locations l ON l.image_id = i.id WHERE i.id IN (",
    slots16!(),
    ")"
);

pub(super) const REVERT_IMAGE: &str = concat!(
    "UPDATE images SET status = 'active', deleted = FALSE, deleted_at = NULL, updated_at = ?, \
     protected = CASE WHEN ? = 1 THEN TRUE ELSE protected END WHERE id = ? AND ",
    unchanged!()
);

pub(super) const REVERT_LOCATIONS: &str = concat!(
    "UPDATE image_locations SET status = 'active', deleted = FALSE, deleted_at = NULL, \
     updated_at = ? WHERE image_id = ? AND id IN (",
    slots64!(),
    ") \
     AND status = 'pending_delete' AND deleted_at IS NOT NULL"
);

/// Without the reserved ones. `REPLACE` tells case on every database; `=` does not on MariaDB.
pub(super) const REVERT_PROPERTIES: &str = concat!(
    "UPDATE image_properties SET deleted = FALSE, deleted_at = NULL, updated_at = ? \
     WHERE image_id = ? AND ",
    is_deleted!(),
    " AND deleted_at >= ? AND deleted_at <= ? \
     AND LENGTH(REPLACE(SUBSTR(name, 1, 10), 'os_glance_', '')) = LENGTH(SUBSTR(name, 1, 10))"
);

/// Tags or members of the delete, but for those that are there again, letter by letter (see
/// [`REVERT_PROPERTIES`]). The inner DISTINCT keeps MySQL from merging the subquery into the table
/// that it updates, which it refuses.
macro_rules! revert_unless_live {
    ($table:literal, $column:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET deleted = FALSE, deleted_at = NULL, updated_at = ? \
             WHERE image_id = ? AND ",
            is_deleted!(),
            " AND CONCAT(deleted_at, '') = ? \
             AND NOT EXISTS (SELECT 1 FROM (SELECT DISTINCT id, ",
            $column,
            " AS word FROM ",
            $table,
            " WHERE image_id = ? AND ",
            is_kept!(),
            ") live WHERE LENGTH(live.word) = LENGTH(",
            $table,
            ".",
            $column,
            ") AND LENGTH(REPLACE(",
            $table,
            ".",
            $column,
            ", live.word, '')) = 0)"
        )
    };
}

pub(super) const REVERT_TAGS: &str = revert_unless_live!("image_tags", "value");

pub(super) const REVERT_MEMBERS: &str = revert_unless_live!("image_members", "member");

/// A page of a list; `$order` is the direction and `$past` the comparison that goes on in it.
macro_rules! list_pending {
    ($order:literal, $past:literal) => {
        concat!(
            "SELECT i.id, i.name, i.owner, i.size, i.disk_format, i.container_format, \
             i.created_at, i.deleted_at, \
             CASE i.visibility WHEN 'public' THEN 'public' WHEN 'private' THEN 'private' \
             WHEN 'shared' THEN 'shared' ELSE 'community' END AS visibility, \
             CASE WHEN EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
             AND l.status = 'pending_delete' AND l.deleted_at IS NOT NULL) \
             THEN 'yes' ELSE 'no' END AS has_location FROM images i \
             WHERE i.status = 'pending_delete' AND i.deleted = TRUE \
             AND (? IS NULL OR i.owner = ?) AND (? IS NULL OR i.name = ?) \
             AND i.deleted_at >= ? AND i.deleted_at < ? \
             AND (i.deleted_at ",
            $past,
            " ? OR (i.deleted_at = ? AND i.id ",
            $past,
            " ?)) \
             ORDER BY i.deleted_at ",
            $order,
            ", i.id ",
            $order,
            " LIMIT ?"
        )
    };
}

pub(super) const LIST_PENDING_NEWEST: &str = list_pending!("DESC", "<");
pub(super) const LIST_PENDING_OLDEST: &str = list_pending!("ASC", ">");

pub(super) const DELETED_AT: &str = "SELECT i.id, i.deleted_at FROM images i WHERE i.id = ?";

/// What a pass has to look at, after an id.
macro_rules! is_due {
    () => {
        "i.id > ? AND (\
     (i.status = 'pending_delete' AND i.deleted = TRUE AND i.deleted_at <= ?) \
     OR (i.status = 'deleted' AND i.deleted = TRUE AND i.deleted_at <= ? AND EXISTS (\
     SELECT 1 FROM image_locations l WHERE l.image_id = i.id AND l.status = 'pending_delete')) \
     OR (i.status = 'active' AND EXISTS (SELECT 1 FROM image_locations l \
     WHERE l.image_id = i.id AND l.status = 'pending_delete' \
     AND (l.deleted_at <= ? OR l.deleted_at IS NULL)) AND EXISTS (\
     SELECT 1 FROM image_locations v WHERE v.image_id = i.id AND v.status = 'active' \
     AND CASE WHEN v.deleted = TRUE THEN 1 ELSE 0 END = 0)))"
    };
}

/// By primary key: each row is walked once a pass, however long the backlog.
pub(super) const LIST_DUE: &str =
    concat!("SELECT i.id FROM images i WHERE ", is_due!(), " ORDER BY i.id LIMIT ?");

/// How much [`LIST_DUE`] would list. A sum has another type on each database; all have text.
pub(super) const COUNT_DUE: &str = concat!(
    "SELECT COUNT(*) AS images, CONCAT(COALESCE(SUM(i.size), 0), '') AS bytes FROM images i WHERE ",
    is_due!()
);

/// Counts and sums of the pending images that fit.
macro_rules! pending_tally {
    ($condition:literal, $images:literal, $bytes:literal) => {
        concat!(
            "COUNT(CASE WHEN i.deleted = TRUE ",
            $condition,
            " THEN 1 END) AS ",
            $images,
            ", CONCAT(COALESCE(SUM(CASE WHEN i.deleted = TRUE ",
            $condition,
            " THEN i.size END), 0), '') AS ",
            $bytes,
            ", "
        )
    };
}

/// What waits, in one row.
pub(super) const OUTLOOK: &str = concat!(
    "SELECT ",
    pending_tally!("", "pending", "pending_bytes"),
    pending_tally!("AND i.deleted_at <= ?", "due_0", "bytes_0"),
    pending_tally!("AND i.deleted_at <= ?", "due_1", "bytes_1"),
    pending_tally!("AND i.deleted_at <= ?", "due_2", "bytes_2"),
    "COUNT(CASE WHEN i.deleted = FALSE THEN 1 END) AS half_deleted, \
     COUNT(CASE WHEN i.deleted = TRUE AND NOT EXISTS (SELECT 1 FROM image_locations l \
     WHERE l.image_id = i.id AND l.status = 'pending_delete') THEN 1 END) AS without_locations \
     FROM images i WHERE i.status = 'pending_delete'"
);

/// First claim and renewal alike: `deleted`, with a stamp that is this claim's own.
pub(super) const CLAIM_IMAGE: &str = concat!(
    "UPDATE images SET status = 'deleted', updated_at = ? WHERE id = ? AND deleted = TRUE AND ",
    unchanged!()
);

/// [`CLAIM_IMAGE`] for several: each row is found by its id and compared as one text, which
/// `key` of the repo's claims makes of what was read. (`deleted` on its own would tempt SQLite to walk
/// the index that it has on it.)
pub(super) const CLAIM_IMAGES: &str = concat!(
    "UPDATE images SET status = 'deleted', updated_at = ? WHERE id IN (",
    slots16!(),
    ") AND CONCAT(CASE WHEN deleted = TRUE THEN id ELSE '' END, ' ', status, ' ', \
     COALESCE(CONCAT(deleted_at, ''), ''), ' ', COALESCE(CONCAT(updated_at, ''), '')) IN (",
    slots16!(),
    ")"
);

/// Takes a removed location of a living image out of every revert's reach.
pub(super) const CLAIM_LOCATION: &str = "UPDATE image_locations SET deleted_at = NULL, updated_at = ? \
     WHERE id = ? AND image_id = ? AND status = 'pending_delete' AND deleted = TRUE";

pub(super) const LOCATIONS_DELETED: &str = concat!(
    "UPDATE image_locations SET status = 'deleted', deleted = TRUE, deleted_at = ?, \
     updated_at = ? WHERE id IN (",
    slots16!(),
    ") AND status = 'pending_delete'"
);

pub(super) const GIVE_BACK: &str = "UPDATE images SET status = 'pending_delete' \
     WHERE id = ? AND status = 'deleted' AND deleted = TRUE AND updated_at = ?";

/// All locations of some images.
pub(super) const LOCATIONS_OF: &str = concat!(
    "SELECT l.image_id, l.id, l.value, l.meta_data, l.status, l.deleted, l.deleted_at \
     FROM image_locations l WHERE l.image_id IN (",
    slots64!(),
    ")"
);

/// Every row that needs its data, by id.
pub(super) const NEEDED_LOCATIONS: &str = concat!(
    "SELECT l.image_id, l.id, l.value, l.meta_data, l.status, l.deleted, l.deleted_at \
     FROM image_locations l WHERE ",
    needs_data!(),
    " AND l.id > ? ORDER BY l.id LIMIT ?"
);

/// Every row that serves a living image, by id.
pub(super) const LIVE_LOCATIONS: &str = "SELECT l.image_id, l.id, l.value, l.meta_data, l.status, l.deleted, l.deleted_at \
     FROM image_locations l WHERE l.status = 'active' AND l.deleted = FALSE \
     AND l.id > ? ORDER BY l.id LIMIT ?";

/// Reads one row of each table that a revert writes.
pub(super) const PING: &str = "SELECT 1 AS one FROM images i LEFT JOIN image_locations l ON l.image_id = i.id \
     LEFT JOIN image_properties p ON p.image_id = i.id LEFT JOIN image_tags t \
     ON t.image_id = i.id LEFT JOIN image_members m ON m.image_id = i.id LIMIT 1";

/// The names of constants, for the log.
macro_rules! named {
    ($($name:ident)*) => {
        [$((stringify!($name), $name)),*]
    };
}

/// What a slow statement is called.
pub(super) fn name(sql: &str) -> &'static str {
    let all = named![
        IMAGE IMAGES REVERT_IMAGE REVERT_LOCATIONS REVERT_PROPERTIES REVERT_TAGS REVERT_MEMBERS
        LIST_PENDING_NEWEST LIST_PENDING_OLDEST DELETED_AT LIST_DUE COUNT_DUE OUTLOOK
        CLAIM_IMAGE CLAIM_IMAGES CLAIM_LOCATION LOCATIONS_DELETED GIVE_BACK LOCATIONS_OF
        NEEDED_LOCATIONS LIVE_LOCATIONS PING
    ];
    all.iter().find(|(_, text)| *text == sql).map_or("another", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_statement_has_its_name_in_the_log() {
        let source = include_str!("statements.rs");
        let constants = source.split("pub(super) const ").skip(1);
        let texts = constants.filter_map(|rest| rest.split_once(": &str = ").map(|(name, _)| name));
        let names: Vec<_> = texts.filter(|name| name.len() < 40).collect();
        let list = source.split_once("let all = named![").unwrap().1.split(']').next().unwrap();
        let listed: Vec<_> = list.split_whitespace().collect();
        assert_eq!(names, listed, "in the order of their definitions");
    }
}
