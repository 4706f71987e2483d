//! Every SQL text on several images with their children; [`super::statements`] has those on one
//! image.

/// Placeholders for images in statements on several images with their children.
pub(super) const WHOLE_SLOTS: usize = 64;

/// Repeats a text 64 times.
macro_rules! times64 {
    ($one:literal) => {
        times64!(@8 times64!(@8 $one))
    };
    (@8 $one:expr) => {
        concat!($one, $one, $one, $one, $one, $one, $one, $one)
    };
}

/// When the image of a child was deleted.
macro_rules! time_of_its_image {
    ($table:literal) => {
        concat!("(SELECT d.deleted_at FROM images d WHERE d.id = ", $table, ".image_id)")
    };
}

/// [`super::statements::IMAGE`] for several images.
pub(super) const WHOLE_IMAGES: &str = concat!(
    "SELECT ",
    image_columns!(),
    ", c.kind AS c_kind, c.id AS c_id, c.name AS c_name, \
     c.value AS c_value, c.status AS c_status, c.deleted AS c_deleted, \
     c.deleted_at AS c_deleted_at FROM images i LEFT JOIN (\
     SELECT 'location' AS kind, image_id, id, meta_data AS name, value, status, deleted, \
     deleted_at FROM image_locations WHERE image_id IN (",
    slots64!(),
    ") AND (status <> 'deleted' OR deleted_at = ",
    time_of_its_image!("image_locations"),
    ") UNION ALL SELECT 'property', image_id, id, name, value, NULL, deleted, deleted_at \
     FROM image_properties WHERE image_id IN (",
    slots64!(),
    ") AND (deleted = FALSE OR ? = 1) \
     UNION ALL SELECT 'tag', image_id, id, NULL, value, NULL, deleted, deleted_at \
     FROM image_tags WHERE image_id IN (",
    slots64!(),
    ") AND (deleted = FALSE OR (? = 1 AND deleted_at = ",
    time_of_its_image!("image_tags"),
    ")) UNION ALL SELECT 'member', image_id, id, NULL, member, status, deleted, deleted_at \
     FROM image_members WHERE image_id IN (",
    slots64!(),
    ") AND (deleted = FALSE OR (? = 1 AND deleted_at = ",
    time_of_its_image!("image_members"),
    "))) c ON c.image_id = i.id WHERE i.id IN (",
    slots64!(),
    ")"
);

/// Only the rows of several images.
pub(super) const CANDIDATES_BY_ID: &str = concat!(
    "SELECT i.id, i.name, i.owner, i.size, CASE WHEN i.deleted = TRUE \
     OR i.status = 'pending_delete' THEN COALESCE(i.deleted_at, i.updated_at) END AS deleted_at \
     FROM images i WHERE i.id IN (",
    slots64!(),
    ")"
);

/// The facts that retention rules need; `$labels` adds the images' tags and properties.
macro_rules! facts {
    ($columns:literal, $labels:expr) => {
        concat!(
            "SELECT i.id, i.owner, i.name, i.size, i.status, i.deleted, i.deleted_at, \
             CASE i.visibility WHEN 'public' THEN 'public' WHEN 'private' THEN 'private' \
             WHEN 'shared' THEN 'shared' ELSE 'community' END AS visibility",
            $columns,
            " FROM images i ",
            $labels,
            "WHERE i.id IN (",
            slots64!(),
            ")"
        )
    };
}

/// For several images, without tags and properties.
pub(super) const FACTS: &str = facts!("", "");

/// The same with a row for each tag and property that the image may have had when it was deleted.
/// Values are cut to the length that a rule can name. One numeric parameter says whether properties
/// are wanted, another one whether tags are.
pub(super) const FACTS_AND_LABELS: &str = facts!(
    ", c.kind AS c_kind, c.name AS c_name, c.value AS c_value, c.deleted AS c_deleted, \
     c.deleted_at AS c_deleted_at",
    concat!(
        "LEFT JOIN (SELECT 'property' AS kind, image_id, name, SUBSTR(value, 1, 256) AS value, \
         deleted, deleted_at FROM image_properties WHERE image_id IN (",
        slots64!(),
        ") AND ? = 1 UNION ALL SELECT 'tag', image_id, NULL, value, deleted, deleted_at \
         FROM image_tags WHERE image_id IN (",
        slots64!(),
        ") AND ? = 1 AND (deleted = FALSE OR deleted_at = ",
        time_of_its_image!("image_tags"),
        ")) c ON c.image_id = i.id "
    )
);

/// [`super::statements::LIVE_LOCATIONS_OF`] for several images.
pub(super) const LIVE_LOCATIONS_OF_ALL: &str = concat!(
    "SELECT i.id AS image_id, l.id FROM images i JOIN image_locations l ON l.image_id = i.id \
     WHERE i.id IN (",
    slots64!(),
    ") AND ",
    live_of_image!()
);

/// [`super::statements::REVERT_IMAGE`] for several images.
pub(super) const REVERT_IMAGES: &str = concat!(
    "UPDATE images SET status = 'active', deleted = FALSE, deleted_at = NULL, updated_at = ?, \
     protected = CASE WHEN ? = 1 THEN TRUE ELSE protected END WHERE id IN (",
    slots64!(),
    ") AND ",
    row_as_text!("id"),
    slots64!(),
    ")"
);

/// [`super::statements::REVERT_LOCATIONS`] for several images.
pub(super) const REVERT_LOCATIONS_OF_ALL: &str = concat!(
    "UPDATE image_locations SET status = 'active', deleted = FALSE, deleted_at = NULL, \
     updated_at = ? WHERE id IN (",
    slots64!(),
    ") AND (status <> 'pending_delete' OR deleted_at IS NOT NULL)"
);

/// [`super::statements::REVERT_PROPERTIES`] for several images, each up to its own time.
pub(super) const REVERT_PROPERTIES_OF_ALL: &str = concat!(
    "UPDATE image_properties SET deleted = FALSE, deleted_at = NULL, updated_at = ? \
     WHERE image_id IN (",
    slots64!(),
    ") AND ",
    is_deleted!(),
    " AND deleted_at <= CASE image_id",
    times64!(" WHEN ? THEN ?"),
    " END AND ",
    is_not_reserved!()
);

/// Tags or members deleted with several images, if none of them is live.
macro_rules! revert_at_moments {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET deleted = FALSE, deleted_at = NULL, updated_at = ? WHERE image_id IN (",
            slots64!(),
            ") AND ",
            is_deleted!(),
            " AND CONCAT(image_id, ' ', deleted_at) IN (",
            slots64!(),
            ")"
        )
    };
}

pub(super) const REVERT_TAGS_OF_ALL: &str = revert_at_moments!("image_tags");

pub(super) const REVERT_MEMBERS_OF_ALL: &str = revert_at_moments!("image_members");
