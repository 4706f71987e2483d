//! Every text of SQL that lists or counts images, as [`super::statements`] has the others.

/// Data that is there although the row is `deleted`, as far as rows tell: `image_destroy` of Glance
/// ended it at the time of its image.
macro_rules! ended_with_image {
    () => {
        "(l.status = 'deleted' AND l.deleted_at = i.deleted_at)"
    };
}

/// A page of a list of what waits: what is `pending_delete`; what a second DELETE, or `image_destroy`
/// after a revert, left with other statuses; what Glance ended without a look at its store, if that is
/// not long ago. `$order` is the direction and `$past` the comparison that goes on in it.
macro_rules! list_pending {
    ($order:literal, $past:literal) => {
        concat!(
            "SELECT i.id, i.name, i.owner, i.size, i.disk_format, i.container_format, \
             i.created_at, COALESCE(i.deleted_at, i.updated_at) AS deleted_at, \
             CASE i.visibility WHEN 'public' THEN 'public' WHEN 'private' THEN 'private' \
             WHEN 'shared' THEN 'shared' ELSE 'community' END AS visibility, \
             CASE WHEN EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
             AND ((l.status = 'pending_delete' AND l.deleted_at IS NOT NULL) \
             OR (l.status = 'active' AND l.deleted = FALSE) OR ",
            ended_with_image!(),
            ")) THEN 'yes' ELSE 'no' END AS has_location FROM images i \
             WHERE (i.status = 'pending_delete' OR (i.deleted = TRUE AND (i.status = 'active' \
             OR (i.status = 'deleted' AND (i.id IN (SELECT w.image_id FROM image_locations w \
             WHERE w.status = 'pending_delete' AND w.deleted_at IS NOT NULL) \
             OR (i.updated_at >= ? AND EXISTS (SELECT 1 FROM image_locations l \
             WHERE l.image_id = i.id AND ",
            ended_with_image!(),
            "))))))) \
             AND (? IS NULL OR i.owner = ?) AND (? IS NULL OR i.name = ?) \
             AND COALESCE(i.deleted_at, i.updated_at) >= ? \
             AND COALESCE(i.deleted_at, i.updated_at) < ? \
             AND (COALESCE(i.deleted_at, i.updated_at) ",
            $past,
            " ? OR (COALESCE(i.deleted_at, i.updated_at) = ? AND i.id ",
            $past,
            " ?)) \
             ORDER BY COALESCE(i.deleted_at, i.updated_at) ",
            $order,
            ", i.id ",
            $order,
            " LIMIT ?"
        )
    };
}

pub(super) const LIST_PENDING_NEWEST: &str = list_pending!("DESC", "<");
pub(super) const LIST_PENDING_OLDEST: &str = list_pending!("ASC", ">");

pub(super) const DELETED_AT: &str = "SELECT i.id, CASE WHEN i.deleted = TRUE \
     OR i.status = 'pending_delete' THEN COALESCE(i.deleted_at, i.updated_at) END AS deleted_at \
     FROM images i WHERE i.id = ?";

/// What a pass has to look at, after an id.
macro_rules! is_due {
    () => {
        "i.id > ? AND (\
     (i.status IN ('pending_delete', 'active') AND i.deleted = TRUE \
     AND COALESCE(i.deleted_at, i.updated_at) <= ?) \
     OR (i.status = 'deleted' AND i.deleted = TRUE \
     AND COALESCE(i.deleted_at, i.updated_at) <= ? AND EXISTS (\
     SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
     AND (l.status = 'pending_delete' OR (l.status = 'active' \
     AND CASE WHEN l.deleted = TRUE THEN 1 ELSE 0 END = 0)))) \
     OR (i.status = 'active' AND i.deleted = FALSE AND EXISTS (SELECT 1 FROM image_locations l \
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

/// What waits after an id, in one row.
pub(super) const OUTLOOK: &str = concat!(
    "SELECT ",
    pending_tally!("", "pending", "pending_bytes"),
    pending_tally!("AND i.deleted_at <= ?", "due_0", "bytes_0"),
    pending_tally!("AND i.deleted_at <= ?", "due_1", "bytes_1"),
    pending_tally!("AND i.deleted_at <= ?", "due_2", "bytes_2"),
    "COUNT(CASE WHEN i.deleted = FALSE THEN 1 END) AS half_deleted, \
     COUNT(CASE WHEN i.deleted = TRUE AND NOT EXISTS (SELECT 1 FROM image_locations l \
     WHERE l.image_id = i.id AND l.status = 'pending_delete') THEN 1 END) AS without_locations \
     FROM images i WHERE i.status = 'pending_delete' AND i.id > ?"
);

/// Images that Glance ended together with their locations, without asking a store. On MariaDB,
/// whose times are whole seconds, also those that Glance destroyed at once: only the store tells.
pub(super) const LIST_UNSCRUBBED: &str = concat!(
    "SELECT i.id FROM images i WHERE i.id > ? AND i.status = 'deleted' AND i.deleted = TRUE \
     AND i.deleted_at <= ? AND EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
     AND ",
    ended_with_image!(),
    ") ORDER BY i.id LIMIT ?"
);
