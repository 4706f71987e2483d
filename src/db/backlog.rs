//! Every SQL text with which a pass, and the survey between passes, find due images.

use super::lists::ended_with_image;

/// A location that is due, or that has a claim.
macro_rules! is_due {
    ($location:literal) => {
        concat!(
            $location,
            ".status = 'pending_delete' AND (",
            $location,
            ".deleted_at <= ? OR ",
            $location,
            ".deleted_at IS NULL)"
        )
    };
}

/// Due images, after a location: each image by its first due location. The statement walks over
/// locations by primary key and reads only the images of due locations: most images of a large
/// table were scrubbed long ago, and no index of Glance skips them. CROSS JOIN makes SQLite keep
/// this order; otherwise it would start with all deleted images.
macro_rules! due {
    () => {
        concat!(
            "FROM image_locations l CROSS JOIN images i WHERE l.id > ? AND ",
            is_due!("l"),
            " AND i.id = l.image_id AND ((i.deleted = TRUE AND i.status IN ('pending_delete', 'active', 'deleted') \
             AND COALESCE(i.deleted_at, i.updated_at) <= ?) \
             OR (i.deleted = FALSE AND i.status = 'active' \
             AND EXISTS (SELECT 1 FROM image_locations v WHERE v.image_id = i.id \
             AND v.status = 'active' AND CASE WHEN v.deleted = TRUE THEN 1 ELSE 0 END = 0))) \
             AND NOT EXISTS (SELECT 1 FROM image_locations f WHERE f.image_id = l.image_id \
             AND f.id < l.id AND ",
            is_due!("f"),
            ")"
        )
    };
}

pub(super) const LIST_DUE: &str = concat!(
    "SELECT l.id AS location, i.id, i.size, CASE WHEN i.deleted = TRUE \
     THEN COALESCE(i.deleted_at, i.updated_at) END AS since ",
    due!(),
    " ORDER BY l.id LIMIT ?"
);

/// How much [`LIST_DUE`] would list. The type of a sum differs between databases, so it is text.
pub(super) const COUNT_DUE: &str =
    concat!("SELECT COUNT(*) AS images, CONCAT(COALESCE(SUM(i.size), 0), '') AS bytes ", due!());

/// Counts and sums of pending images, `i`.
macro_rules! tally {
    ($condition:expr, $images:literal, $bytes:literal) => {
        concat!(
            "COUNT(CASE WHEN ",
            $condition,
            " THEN 1 END) AS ",
            $images,
            ", CONCAT(COALESCE(SUM(CASE WHEN ",
            $condition,
            " THEN i.size END), 0), '') AS ",
            $bytes,
            ", "
        )
    };
}

macro_rules! deleted {
    ($compared:literal) => {
        concat!(" AND COALESCE(i.deleted_at, i.updated_at) ", $compared, " ?")
    };
}

/// How many of the images wait, are due at each of three times, and were deleted lately.
macro_rules! tallies {
    ($waits:literal) => {
        concat!(
            tally!($waits, "pending", "pending_bytes"),
            tally!(concat!($waits, deleted!("<=")), "due_0", "bytes_0"),
            tally!(concat!($waits, deleted!("<=")), "due_1", "bytes_1"),
            tally!(concat!($waits, deleted!("<=")), "due_2", "bytes_2"),
            tally!(concat!($waits, deleted!(">")), "recent", "recent_bytes"),
        )
    };
}

/// When the images of a list first changed, and how many of them have a deletion time after their
/// last change.
macro_rules! order {
    () => {
        "COUNT(CASE WHEN i.updated_at IS NULL OR i.updated_at < i.deleted_at THEN 1 END) \
         AS out_of_order, MIN(i.updated_at) AS first_change "
    };
}

/// The images that are `pending_delete`, or `active` and deleted.
pub(super) const OUTLOOK: &str = concat!(
    "SELECT ",
    tallies!("i.deleted = TRUE"),
    "COUNT(CASE WHEN i.deleted = FALSE THEN 1 END) AS half_deleted, \
     COUNT(CASE WHEN i.status = 'pending_delete' AND i.deleted = TRUE \
     AND NOT EXISTS (SELECT 1 FROM image_locations l \
     WHERE l.image_id = i.id AND l.status = 'pending_delete') THEN 1 END) AS without_locations, ",
    order!(),
    "FROM images i WHERE i.status = 'pending_delete' OR (i.status = 'active' \
     AND CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1)"
);

/// The other images with a location that waits, found through it: each waits by the first one,
/// unless a scrubber has claimed it.
pub(super) const OUTLOOK_OF_OTHERS: &str = concat!(
    "SELECT ",
    tallies!("i.waits = 'yes'"),
    "COUNT(NULL) AS half_deleted, COUNT(NULL) AS without_locations, ",
    order!(),
    "FROM (SELECT i.size, i.updated_at, i.deleted_at, CASE WHEN NOT EXISTS (\
     SELECT 1 FROM image_locations f WHERE f.image_id = l.image_id \
     AND f.status = 'pending_delete' AND (f.id < l.id OR f.deleted_at IS NULL)) \
     THEN 'yes' ELSE 'no' END AS waits \
     FROM image_locations l CROSS JOIN images i WHERE l.status = 'pending_delete' \
     AND i.id = l.image_id AND i.deleted = TRUE AND i.status = 'deleted') i"
);

/// The last of this many images.
pub(super) const END_OF_STRETCH: &str =
    "SELECT i.id FROM images i WHERE i.id > ? ORDER BY i.id LIMIT 1 OFFSET ?";

/// Due images that [`LIST_DUE`] cannot find: deleted images whose locations are all finished, those
/// with a live location, and those that Glance ended together with their locations, without calling
/// a store. On MariaDB, which stores whole seconds, also those that Glance destroyed at once: only
/// the store knows the difference.
macro_rules! remnants {
    ($until:literal) => {
        concat!(
            "SELECT i.id FROM images i WHERE i.id > ?",
            $until,
            " AND CASE WHEN i.deleted = TRUE THEN 1 ELSE 0 END = 1 \
             AND COALESCE(i.deleted_at, i.updated_at) <= ? \
             AND ((i.status IN ('pending_delete', 'active') AND NOT EXISTS (\
             SELECT 1 FROM image_locations w WHERE w.image_id = i.id AND ",
            is_due!("w"),
            ")) OR (i.status = 'deleted' AND EXISTS (SELECT 1 FROM image_locations l \
             WHERE l.image_id = i.id AND ((l.status = 'active' \
             AND CASE WHEN l.deleted = TRUE THEN 1 ELSE 0 END = 0) \
             OR (l.status = 'pending_delete' AND l.deleted_at > i.deleted_at) OR (? = 1 AND ",
            ended_with_image!(),
            "))))) ORDER BY i.id LIMIT ?"
        )
    };
}

pub(super) const REMNANTS_UNTIL: &str = remnants!(" AND i.id <= ?");
/// The same if no stretch ends before the last image.
pub(super) const REMNANTS: &str = remnants!("");

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Row as _, SqliteConnection};

    /// SQLite has no statistics of Glance's tables, and so cannot know that nearly all images are
    /// deleted.
    #[tokio::test]
    async fn sqlite_finds_what_is_due_by_way_of_the_locations() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for text in [
            "CREATE TABLE images (id VARCHAR(36) PRIMARY KEY, size BIGINT, status VARCHAR(30), \
             deleted BOOLEAN, deleted_at DATETIME, updated_at DATETIME)",
            "CREATE INDEX ix_images_deleted ON images (deleted)",
            "CREATE TABLE image_locations (id INTEGER PRIMARY KEY, image_id VARCHAR(36), \
             status VARCHAR(30), deleted BOOLEAN, deleted_at DATETIME)",
            "CREATE INDEX ix_image_locations_deleted ON image_locations (deleted)",
            "CREATE INDEX ix_image_locations_image_id ON image_locations (image_id)",
        ] {
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        }
        for text in [super::LIST_DUE, super::COUNT_DUE] {
            let text = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
            let plan = sqlx::raw_sql(text).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            assert!(plan[0].starts_with("SEARCH l USING INTEGER PRIMARY KEY"), "{plan:#?}");
            let images = plan.iter().filter(|line| line.starts_with("SEARCH i "));
            assert!(images.into_iter().all(|line| line.ends_with("(id=?)")), "{plan:#?}");
        }
    }
}
