//! Every SQL text that lists or sums up pending images; [`super::backlog`] and [`super::statements`]
//! have the others.

/// A `deleted` location whose data may still be there: Glance's `image_destroy` ended it at the
/// time of its image.
macro_rules! ended_with_image {
    () => {
        "(l.status = 'deleted' AND l.deleted_at = i.deleted_at)"
    };
}
pub(super) use ended_with_image;

/// The filters of a list, and the start of its page. `$past` is the comparison for the next page.
macro_rules! fits {
    ($past:literal) => {
        concat!(
            "(? IS NULL OR i.owner = ?) AND (? IS NULL OR i.name = ?) \
             AND COALESCE(i.deleted_at, i.updated_at) >= ? \
             AND COALESCE(i.deleted_at, i.updated_at) < ? \
             AND (COALESCE(i.deleted_at, i.updated_at) ",
            $past,
            " ? OR (COALESCE(i.deleted_at, i.updated_at) = ? AND i.id ",
            $past,
            " ?))"
        )
    };
}

/// A page of the list of pending images: those in `pending_delete`; those that a second DELETE, or
/// `image_destroy` after a revert, left with other statuses; those that Glance recently ended
/// without a look at its store. `$order` is the direction, `$among` the images to search, `$waits`
/// the condition for a pending location.
///
/// Cheap conditions come first: in a large table nearly all images were scrubbed long ago. COUNT
/// instead of EXISTS, because MariaDB would turn EXISTS into a table of all locations that were
/// ever scrubbed.
macro_rules! list_pending {
    ($order:literal, $past:literal, $among:expr, $waits:expr) => {
        concat!(
            "SELECT i.id, i.name, i.owner, i.size, i.disk_format, i.container_format, \
             i.created_at, COALESCE(i.deleted_at, i.updated_at) AS deleted_at, \
             CASE i.visibility WHEN 'public' THEN 'public' WHEN 'private' THEN 'private' \
             WHEN 'shared' THEN 'shared' ELSE 'community' END AS visibility, \
             CASE WHEN EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
             AND ((l.status = 'pending_delete' AND l.deleted_at IS NOT NULL) \
             OR (l.status = 'active' AND l.deleted = FALSE) OR ",
            ended_with_image!(),
            ")) THEN 'yes' ELSE 'no' END AS has_location FROM images i WHERE ",
            $among,
            fits!($past),
            " AND (i.status = 'pending_delete' OR (CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1 \
             AND (i.status = 'active' OR (i.status = 'deleted' \
             AND (",
            $waits,
            " OR (i.updated_at >= ? AND (SELECT COUNT(*) FROM image_locations l \
             WHERE l.image_id = i.id AND ",
            ended_with_image!(),
            ") > 0)))))) \
             ORDER BY COALESCE(i.deleted_at, i.updated_at) ",
            $order,
            ", i.id ",
            $order,
            " LIMIT ?"
        )
    };
}

/// An image with a pending location, for queries over very many images.
macro_rules! waits_of_many {
    () => {
        "i.id IN (SELECT w.image_id FROM image_locations w \
         WHERE w.status = 'pending_delete' AND w.deleted_at IS NOT NULL)"
    };
}

/// The same for queries over few images.
macro_rules! waits_of_few {
    () => {
        "(SELECT COUNT(*) FROM image_locations w WHERE w.image_id = i.id \
         AND w.status = 'pending_delete' AND w.deleted_at IS NOT NULL) > 0"
    };
}

pub(super) const LIST_PENDING_NEWEST: &str = list_pending!("DESC", "<", "", waits_of_many!());
pub(super) const LIST_PENDING_OLDEST: &str = list_pending!("ASC", ">", "", waits_of_many!());

/// Images that changed since a time, which an index of Glance's finds.
macro_rules! changed {
    () => {
        "i.updated_at >= ? AND "
    };
}

pub(super) const LIST_RECENT_NEWEST: &str = list_pending!("DESC", "<", changed!(), waits_of_few!());

/// The same, hidden from the index. The index would read each pending image separately, all over
/// the table; a walk over the table takes less time.
macro_rules! changed_in_a_walk {
    () => {
        "CASE WHEN i.updated_at >= ? THEN 1 ELSE 0 END = 1 AND "
    };
}

pub(super) const LIST_RECENT_OLDEST: &str =
    list_pending!("ASC", ">", changed_in_a_walk!(), waits_of_many!());

/// Held images.
macro_rules! held {
    ($is_in:literal) => {
        concat!(
            "i.id ",
            $is_in,
            " (SELECT h.image_id FROM revert_holds h WHERE h.held_until > CURRENT_TIMESTAMP) AND "
        )
    };
}

pub(super) const LIST_HELD_NEWEST: &str = list_pending!("DESC", "<", held!("IN"), waits_of_few!());
pub(super) const LIST_HELD_OLDEST: &str = list_pending!("ASC", ">", held!("IN"), waits_of_few!());
pub(super) const LIST_UNHELD_NEWEST: &str =
    list_pending!("DESC", "<", held!("NOT IN"), waits_of_many!());
pub(super) const LIST_UNHELD_OLDEST: &str =
    list_pending!("ASC", ">", held!("NOT IN"), waits_of_many!());

/// The time of the last of this many pending images: a page of that size ends there or before.
macro_rules! end_of_page {
    ($order:literal, $past:literal) => {
        concat!(
            "SELECT COALESCE(i.deleted_at, i.updated_at) AS at FROM images i \
             WHERE i.status = 'pending_delete' AND ",
            fits!($past),
            " ORDER BY COALESCE(i.deleted_at, i.updated_at) ",
            $order,
            " LIMIT ? OFFSET ?"
        )
    };
}

pub(super) const END_OF_NEWEST: &str = end_of_page!("DESC", "<");
pub(super) const END_OF_OLDEST: &str = end_of_page!("ASC", ">");

/// Pending images of this page or later pages, among this many images of the index on changes. A
/// page of the same size ends no later than the last of them, whatever their order. The inner LIMIT
/// bounds the time.
macro_rules! sample {
    ($order:literal, $past:literal) => {
        concat!(
            "SELECT COALESCE(i.deleted_at, i.updated_at) AS at FROM (SELECT n.id, n.owner, n.name, \
             n.status, n.deleted_at, n.updated_at FROM images n WHERE n.updated_at >= ? \
             AND n.updated_at < ? ORDER BY n.updated_at ",
            $order,
            " LIMIT ?) i WHERE i.status = 'pending_delete' AND ",
            fits!($past),
            " ORDER BY i.updated_at ",
            $order,
            " LIMIT ?"
        )
    };
}

pub(super) const SAMPLE_OF_NEWEST: &str = sample!("DESC", "<");
pub(super) const SAMPLE_OF_OLDEST: &str = sample!("ASC", ">");

/// All pending images that match a list's filters.
macro_rules! waiting {
    ($among:expr, $waits:expr) => {
        concat!(
            $among,
            "(i.status = 'pending_delete' OR (CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1 \
             AND (i.status = 'active' OR (i.status = 'deleted' AND (",
            $waits,
            " OR (i.updated_at >= ? AND (SELECT COUNT(*) FROM image_locations l \
             WHERE l.image_id = i.id AND ",
            ended_with_image!(),
            ") > 0)))))) \
             AND (? IS NULL OR i.owner = ?) AND (? IS NULL OR i.name = ?) \
             AND (? IS NULL OR CASE i.visibility WHEN 'public' THEN 'public' \
             WHEN 'private' THEN 'private' WHEN 'shared' THEN 'shared' ELSE 'community' END = ?) \
             AND COALESCE(i.deleted_at, i.updated_at) >= ? \
             AND COALESCE(i.deleted_at, i.updated_at) < ?"
        )
    };
}

/// All pending images, counted by owner and time. The type of a sum differs between databases, so
/// it is text.
macro_rules! sum_waiting {
    ($among:expr, $waits:expr) => {
        concat!(
            "SELECT i.owner, COALESCE(i.deleted_at, i.updated_at) AS deleted_at, \
             COUNT(*) AS images, CONCAT(COALESCE(SUM(i.size), 0), '') AS bytes \
             FROM images i WHERE ",
            waiting!($among, $waits),
            " GROUP BY i.owner, COALESCE(i.deleted_at, i.updated_at) \
             ORDER BY i.owner, COALESCE(i.deleted_at, i.updated_at)"
        )
    };
}

/// The same, with a row for each location that can come back, or one row for an image without any.
macro_rules! waiting_locations {
    ($among:expr, $waits:expr) => {
        concat!(
            "SELECT i.id, i.owner, COALESCE(i.deleted_at, i.updated_at) AS deleted_at, i.size, \
             l.value, l.meta_data FROM images i LEFT JOIN image_locations l ON l.image_id = i.id \
             AND ((l.status = 'pending_delete' AND l.deleted_at IS NOT NULL) \
             OR (l.status = 'active' AND l.deleted = FALSE) OR ",
            ended_with_image!(),
            ") WHERE ",
            waiting!($among, $waits),
            " ORDER BY i.owner, COALESCE(i.deleted_at, i.updated_at), i.id"
        )
    };
}

pub(super) const SUM_WAITING: &str = sum_waiting!("", waits_of_many!());
pub(super) const SUM_RECENT: &str = sum_waiting!(changed_in_a_walk!(), waits_of_many!());
pub(super) const SUM_HELD: &str = sum_waiting!(held!("IN"), waits_of_few!());
pub(super) const SUM_UNHELD: &str = sum_waiting!(held!("NOT IN"), waits_of_many!());
pub(super) const WAITING_LOCATIONS: &str = waiting_locations!("", waits_of_many!());
pub(super) const RECENT_LOCATIONS: &str =
    waiting_locations!(changed_in_a_walk!(), waits_of_many!());
pub(super) const HELD_LOCATIONS: &str = waiting_locations!(held!("IN"), waits_of_few!());
pub(super) const UNHELD_LOCATIONS: &str = waiting_locations!(held!("NOT IN"), waits_of_many!());

/// Pending images of a selection: of all projects, or of one.
macro_rules! candidates {
    ($among:expr, $waits:expr, $of:literal) => {
        concat!(
            "SELECT i.id, i.name, i.owner, i.size, COALESCE(i.deleted_at, i.updated_at) \
             AS deleted_at FROM images i WHERE ",
            $among,
            "(i.status = 'pending_delete' \
             OR (CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1 \
             AND (i.status = 'active' OR (i.status = 'deleted' AND (",
            $waits,
            " OR (i.updated_at >= ? AND (SELECT COUNT(*) FROM image_locations l \
             WHERE l.image_id = i.id AND ",
            ended_with_image!(),
            ") > 0)))))) AND COALESCE(i.deleted_at, i.updated_at) >= ? \
             AND COALESCE(i.deleted_at, i.updated_at) < ?",
            $of,
            " LIMIT ?"
        )
    };
}

pub(super) const CANDIDATES: &str = candidates!("", waits_of_many!(), "");
pub(super) const RECENT_CANDIDATES: &str = candidates!(changed_in_a_walk!(), waits_of_many!(), "");
pub(super) const CANDIDATES_OF_OWNER: &str = candidates!("", waits_of_many!(), " AND i.owner = ?");

/// A page of images with a location that was ended. What was deleted changed then or later, so the index
/// on changes leads to them; nearly all deleted images of a large table are of this kind.
pub(super) const LIST_SCRUBBED: &str = "SELECT i.id, i.updated_at AS changed_at FROM images i \
     WHERE i.updated_at >= ? AND i.updated_at <= ? AND (i.updated_at < ? OR i.id < ?) \
     AND i.status = 'deleted' AND CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1 \
     AND i.deleted_at >= ? AND i.deleted_at < ? \
     AND (? IS NULL OR i.owner = ?) AND (? IS NULL OR i.name = ?) \
     AND (SELECT COUNT(*) FROM image_locations l WHERE l.image_id = i.id \
     AND l.status = 'deleted') > 0 \
     ORDER BY i.updated_at DESC, i.id DESC LIMIT ?";

pub(super) const DELETED_AT: &str = "SELECT i.id, CASE WHEN i.deleted = TRUE \
     OR i.status = 'pending_delete' THEN COALESCE(i.deleted_at, i.updated_at) END AS deleted_at \
     FROM images i WHERE i.id = ?";
