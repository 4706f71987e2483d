//! Every SQL text, once, for all three dialects.
//!
//! Columns are always listed, so that grants on columns suffice. Lists have a fixed number of
//! places, so that every text is a constant (see [`super::statement::Statement::bind_list`]).

/// Places in [`IMAGES`], [`CLAIM_IMAGES`] and [`LOCATIONS_DELETED`].
pub(super) const IMAGE_SLOTS: usize = 16;
/// Places in [`REVERT_LOCATIONS`] and [`LOCATIONS_OF`].
pub(super) const LOCATION_SLOTS: usize = 64;
/// 8 placeholders.
macro_rules! slots8 {
    () => {
        "?,?,?,?,?,?,?,?"
    };
}

/// 16 placeholders.
macro_rules! slots16 {
    () => {
        concat!(slots8!(), ",", slots8!())
    };
}

/// 64 placeholders.
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
/// `visibility` is an enum on PostgreSQL, and the three databases have no common cast to text.
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

/// `deleted = TRUE`, in a form that no index serves. With the plain form, 8 to 33 of 1,000
/// concurrent reverts deadlocked on MariaDB, with this form none; its index on `deleted` is the
/// likely cause.
macro_rules! is_deleted {
    () => {
        "CASE WHEN deleted = TRUE THEN 1 ELSE 0 END = 1"
    };
}

/// The opposite of [`is_deleted`], for the same reason.
macro_rules! is_kept {
    () => {
        "CASE WHEN deleted = TRUE THEN 1 ELSE 0 END = 0"
    };
}

/// The row of an image is unchanged since it was read.
macro_rules! unchanged {
    () => {
        "status = ? AND COALESCE(CONCAT(deleted_at, ''), '') = ? \
         AND COALESCE(CONCAT(updated_at, ''), '') = ?"
    };
}

/// A location that may be unfinished: it is live; or it is pending, so its image may be reverted or
/// its claim released; or its row was ended recently. Glance's `image_destroy` calls no store when
/// it ends rows together with their image; this is checked only for the few rows that matter,
/// because checking all takes longer than the walk.
macro_rules! needs_data {
    () => {
        "(l.status = 'pending_delete' OR (l.status = 'active' AND l.deleted = FALSE) \
         OR (l.status = 'deleted' AND l.deleted_at > ?))"
    };
}

/// A location of an active image, found through the image. The columns `deleted` are read in a form
/// that no index serves: if PostgreSQL's statistics say that few rows are not deleted, it would
/// walk over all of them for each image of a revert.
macro_rules! live_of_image {
    () => {
        "i.status = 'active' AND CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 0 \
         AND l.status = 'active' AND CASE WHEN l.deleted = TRUE THEN 1 ELSE 0 END = 0"
    };
}

/// When the image was deleted, to compare its children with it.
macro_rules! time_of_image {
    () => {
        "(SELECT d.deleted_at FROM images d WHERE d.id = ?)"
    };
}

/// An image and its children, one row each, in one round trip. Rows that can neither be shown nor
/// come back are left out, because users can create any number of them. A numeric parameter says
/// whether deleted rows of its kind are included.
pub(super) const IMAGE: &str = concat!(
    "SELECT ",
    image_columns!(),
    ", c.kind AS c_kind, c.id AS c_id, c.name AS c_name, \
     c.value AS c_value, c.status AS c_status, c.deleted AS c_deleted, \
     c.deleted_at AS c_deleted_at FROM images i LEFT JOIN (\
     SELECT 'location' AS kind, image_id, id, meta_data AS name, value, status, deleted, \
     deleted_at FROM image_locations WHERE image_id = ? \
     AND (status <> 'deleted' OR deleted_at = ",
    time_of_image!(),
    ") UNION ALL SELECT 'property', image_id, id, name, value, NULL, deleted, deleted_at \
     FROM image_properties WHERE image_id = ? AND (deleted = FALSE OR ? = 1) \
     UNION ALL SELECT 'tag', image_id, id, NULL, value, NULL, deleted, deleted_at \
     FROM image_tags WHERE image_id = ? \
     AND (deleted = FALSE OR (? = 1 AND deleted_at = ",
    time_of_image!(),
    ")) UNION ALL SELECT 'member', image_id, id, NULL, member, status, deleted, deleted_at \
     FROM image_members WHERE image_id = ? \
     AND (deleted = FALSE OR (? = 1 AND deleted_at = ",
    time_of_image!(),
    "))) c ON c.image_id = i.id WHERE i.id = ?"
);

/// Images with their locations, in the row shape of [`IMAGE`].
pub(super) const IMAGES: &str = concat!(
    "SELECT ",
    image_columns!(),
    ", CASE WHEN l.id IS NULL THEN NULL ELSE 'location' END AS \
     c_kind, l.id AS c_id, l.meta_data AS c_name, l.value AS c_value, l.status AS c_status, \
     l.deleted AS c_deleted, l.deleted_at AS c_deleted_at \
     FROM images i LEFT JOIN image_locations l ON l.image_id = i.id \
     AND (l.status <> 'deleted' OR l.deleted_at = i.deleted_at) WHERE i.id IN (",
    slots16!(),
    ")"
);

/// The expected result of a revert: an active image, and its live locations.
pub(super) const LIVE_LOCATIONS_OF: &str = concat!(
    "SELECT l.id FROM images i JOIN image_locations l ON l.image_id = i.id WHERE i.id = ? AND ",
    live_of_image!()
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
     AND (status <> 'pending_delete' OR deleted_at IS NOT NULL)"
);

/// A live location of a deleted image that does not come back.
pub(super) const LEAVE_LOCATIONS_OUT: &str = concat!(
    "UPDATE image_locations SET status = 'pending_delete', deleted = TRUE, deleted_at = ?, \
     updated_at = ? WHERE image_id = ? AND id IN (",
    slots64!(),
    ") AND status = 'active'"
);

/// A property that Glance's import tasks do not use. `REPLACE` is case-sensitive on every database;
/// `=` is not on MariaDB.
macro_rules! is_not_reserved {
    () => {
        "LENGTH(REPLACE(SUBSTR(name, 1, 10), 'os_glance_', '')) = LENGTH(SUBSTR(name, 1, 10))"
    };
}

pub(super) const REVERT_PROPERTIES: &str = concat!(
    "UPDATE image_properties SET deleted = FALSE, deleted_at = NULL, updated_at = ? \
     WHERE image_id = ? AND ",
    is_deleted!(),
    " AND deleted_at <= ? AND ",
    is_not_reserved!()
);

/// Tags or members that were deleted with the image.
macro_rules! revert_at_moment {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET deleted = FALSE, deleted_at = NULL, updated_at = ? \
             WHERE image_id = ? AND ",
            is_deleted!(),
            " AND CONCAT(deleted_at, '') = ?"
        )
    };
}

/// [`revert_at_moment`], except for those that exist again, compared case-sensitively (see
/// `is_not_reserved`). The inner DISTINCT keeps MySQL from merging the subquery into the table that
/// it updates, which it refuses.
macro_rules! revert_unless_live {
    ($table:literal, $column:literal) => {
        concat!(
            revert_at_moment!($table),
            " AND NOT EXISTS (SELECT 1 FROM (SELECT DISTINCT id, ",
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

pub(super) const REVERT_TAGS: &str = revert_at_moment!("image_tags");
/// For images that already have live tags.
pub(super) const REVERT_MORE_TAGS: &str = revert_unless_live!("image_tags", "value");

pub(super) const REVERT_MEMBERS: &str = revert_at_moment!("image_members");
/// For images that already have live members.
pub(super) const REVERT_MORE_MEMBERS: &str = revert_unless_live!("image_members", "member");

/// An image's row as one text, which is compared after the row is found by its id.
macro_rules! row_as_text {
    ($id:literal) => {
        concat!(
            "CONCAT(",
            $id,
            ", ' ', status, ' ', COALESCE(CONCAT(deleted_at, ''), ''), ' ', \
             COALESCE(CONCAT(updated_at, ''), '')) IN ("
        )
    };
}

/// The image has no hold. Claims have this condition if our own tables exist.
macro_rules! unheld {
    ($image:literal) => {
        concat!(
            " AND NOT EXISTS (SELECT 1 FROM revert_holds h WHERE h.image_id = ",
            $image,
            " AND h.held_until > CURRENT_TIMESTAMP)"
        )
    };
}

/// For a first and a renewed claim: `deleted`, with this claim's own stamp.
macro_rules! claim_image {
    () => {
        concat!(
            "UPDATE images SET status = 'deleted', updated_at = ? \
             WHERE id = ? AND deleted = TRUE AND ",
            unchanged!()
        )
    };
}

pub(super) const CLAIM_IMAGE: &str = claim_image!();
pub(super) const CLAIM_UNHELD_IMAGE: &str = concat!(claim_image!(), unheld!("images.id"));

/// [`CLAIM_IMAGE`] for several: each row is found by its id and compared as one text, which
/// `row_as_text` of the repo makes from the row that was read. (With `deleted` alone SQLite would
/// walk its index on that column.)
macro_rules! claim_images {
    () => {
        concat!(
            "UPDATE images SET status = 'deleted', updated_at = ? WHERE id IN (",
            slots16!(),
            ") AND ",
            row_as_text!("CASE WHEN deleted = TRUE THEN id ELSE '' END"),
            slots16!(),
            ")"
        )
    };
}

pub(super) const CLAIM_IMAGES: &str = claim_images!();
pub(super) const CLAIM_UNHELD_IMAGES: &str = concat!(claim_images!(), unheld!("images.id"));

/// Claims a removed location of an active image, so that no revert brings it back.
macro_rules! claim_location {
    () => {
        "UPDATE image_locations SET deleted_at = NULL, updated_at = ? \
         WHERE id = ? AND image_id = ? AND status = 'pending_delete' AND deleted = TRUE"
    };
}

pub(super) const CLAIM_LOCATION: &str = claim_location!();
pub(super) const CLAIM_UNHELD_LOCATION: &str =
    concat!(claim_location!(), unheld!("image_locations.image_id"));

/// The locations of claimed images, with the mark of a claim: `pending_delete` without a time. Each
/// is found by its id, and its status must be unchanged.
pub(super) const CLAIM_LOCATIONS: &str = concat!(
    "UPDATE image_locations SET status = 'pending_delete', deleted = TRUE, deleted_at = NULL, \
     updated_at = ? WHERE id IN (",
    slots64!(),
    ") AND CONCAT(id, ' ', status) IN (",
    slots64!(),
    ")"
);

pub(super) const LOCATIONS_DELETED: &str = concat!(
    "UPDATE image_locations SET status = 'deleted', deleted = TRUE, deleted_at = ?, \
     updated_at = ? WHERE id IN (",
    slots16!(),
    ") AND status = 'pending_delete'"
);

/// Which of these images have a pending location, claimed or not.
pub(super) const STILL_WAITING: &str = concat!(
    "SELECT DISTINCT image_id FROM image_locations WHERE status = 'pending_delete' \
     AND image_id IN (",
    slots16!(),
    ")"
);

/// Releases a claim; the stamp must be this claim's.
pub(super) const RELEASE_IMAGE: &str = "UPDATE images SET status = ? \
     WHERE id = ? AND status = 'deleted' AND deleted = TRUE AND updated_at = ?";

/// Restores a location of a released claim.
pub(super) const RELEASE_LOCATION: &str = "UPDATE image_locations SET status = ?, \
     deleted = CASE WHEN ? = 1 THEN TRUE ELSE FALSE END, deleted_at = ? \
     WHERE id = ? AND image_id = ? AND status = 'pending_delete' AND deleted_at IS NULL";

/// All locations of some images.
pub(super) const LOCATIONS_OF: &str = concat!(
    "SELECT l.image_id, l.id, l.value, l.meta_data, l.status, l.deleted, l.deleted_at \
     FROM image_locations l WHERE l.image_id IN (",
    slots64!(),
    ")"
);

/// Every row that may need its data, by id.
pub(super) const NEEDED_LOCATIONS: &str = concat!(
    "SELECT l.image_id, l.id, l.value, l.meta_data, l.status, l.deleted, l.deleted_at \
     FROM image_locations l WHERE ",
    needs_data!(),
    " AND l.id > ? ORDER BY l.id LIMIT ?"
);

/// Every row of an active image, by id.
pub(super) const LIVE_LOCATIONS: &str = "SELECT l.image_id, l.id, l.value, l.meta_data, l.status, l.deleted, l.deleted_at \
     FROM image_locations l WHERE l.status = 'active' AND l.deleted = FALSE \
     AND l.id > ? ORDER BY l.id LIMIT ?";

/// Reads one row of each table that a revert writes.
pub(super) const PING: &str = "SELECT 1 AS one FROM images i LEFT JOIN image_locations l ON l.image_id = i.id \
     LEFT JOIN image_properties p ON p.image_id = i.id LEFT JOIN image_tags t \
     ON t.image_id = i.id LEFT JOIN image_members m ON m.image_id = i.id LIMIT 1";
