//! Every SQL text on pauses, holds and claims that respect them; [`super::statements`] has those on
//! Glance's tables. `CURRENT_TIMESTAMP` is UTC on all our connections.

/// Placeholders for images, as many as [`super::statements::IMAGE_SLOTS`].
macro_rules! images {
    () => {
        "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?"
    };
}

/// Placeholders in [`HOLDS_OF`].
pub(super) const HOLD_SLOTS: usize = 8 * super::statements::IMAGE_SLOTS;

/// The pause, acceptance and `scrub_time` in force.
pub(super) const ORDERS: &str = "SELECT paused_until, paused_at, paused_by, pause_reason, \
     CASE WHEN paused_until > CURRENT_TIMESTAMP THEN 'yes' ELSE 'no' END AS is_paused, \
     accepted_images, accepted_at, accepted_by, scrub_time, retention, \
     pass_started_at, pass_finished_at, pass_host, pass_report, \
     (SELECT COUNT(*) FROM revert_holds WHERE held_until > CURRENT_TIMESTAMP) AS held \
     FROM revert_scrubber WHERE id = 1";

pub(super) const IS_PAUSED: &str = "SELECT CASE WHEN paused_until > CURRENT_TIMESTAMP THEN 'yes' \
     ELSE 'no' END AS is_paused FROM revert_scrubber WHERE id = 1";

/// The first statement of each transaction with an order.
pub(super) const BEGIN_ORDER: &str = "UPDATE revert_scrubber SET claims = claims + 1 WHERE id = 1";

/// The first statement of each batch of claims.
pub(super) const BEGIN_CLAIMS: &str = "UPDATE revert_scrubber SET claims = claims + 1 WHERE id = 1 \
     AND (paused_until IS NULL OR paused_until <= CURRENT_TIMESTAMP)";

/// Has no effect if a longer pause is in force.
pub(super) const PAUSE: &str = "UPDATE revert_scrubber SET claims = claims + 1, paused_until = ?, \
     paused_at = ?, paused_by = ?, pause_reason = ? WHERE id = 1 \
     AND (paused_until IS NULL OR paused_until <= ?)";

pub(super) const RESUME: &str = "UPDATE revert_scrubber SET claims = claims + 1, \
     paused_until = NULL, paused_at = NULL, paused_by = NULL, pause_reason = NULL WHERE id = 1 \
     AND paused_until > CURRENT_TIMESTAMP";

pub(super) const ACCEPT: &str = "UPDATE revert_scrubber SET claims = claims + 1, \
     accepted_images = ?, accepted_at = ?, accepted_by = ? WHERE id = 1";

pub(super) const USE_UP: &str = "UPDATE revert_scrubber SET claims = claims + 1, \
     accepted_images = NULL, accepted_at = NULL, accepted_by = NULL WHERE id = 1 \
     AND accepted_images = ? AND accepted_at = ?";

/// Has no effect if a longer one is in force.
pub(super) const KEEP_SCRUB_TIME: &str = "UPDATE revert_scrubber SET scrub_time = ? \
     WHERE id = 1 AND (scrub_time IS NULL OR scrub_time < ?)";

pub(super) const SHORTEN_SCRUB_TIME: &str = "UPDATE revert_scrubber SET scrub_time = ? \
     WHERE id = 1 AND scrub_time = ?";

/// Has no effect if somebody else has replaced it; an empty text stands for NULL.
pub(super) const KEEP_RETENTION: &str = "UPDATE revert_scrubber SET retention = ? \
     WHERE id = 1 AND COALESCE(retention, '') = ?";

pub(super) const PASS_BEGAN: &str = "UPDATE revert_scrubber SET pass_started_at = ?, \
     pass_host = ?, pass_finished_at = NULL, pass_report = NULL WHERE id = 1";

pub(super) const PASS_ENDED: &str = "UPDATE revert_scrubber SET pass_finished_at = ?, \
     pass_report = ? WHERE id = 1 AND pass_host = ? AND pass_finished_at IS NULL";

/// Locks the rows of images without a change, to wait for a claim by a process that has not seen
/// our tables yet.
pub(super) const LOCK_IMAGES: &str =
    concat!("UPDATE images SET status = status WHERE id IN (", images!(), ")");

/// Whether images can be held: whether a location is pending, and whether one is claimed.
pub(super) const HOLDABLE: &str = concat!(
    "SELECT i.id, i.owner, i.name, i.status, i.deleted, \
     CASE WHEN EXISTS (SELECT 1 FROM image_locations l WHERE l.image_id = i.id \
     AND ((l.status = 'pending_delete' AND l.deleted_at IS NOT NULL) \
     OR (l.status = 'active' AND l.deleted = FALSE) \
     OR (l.status = 'deleted' AND l.deleted_at = i.deleted_at))) THEN 'yes' ELSE 'no' END AS waits, \
     CASE WHEN EXISTS (SELECT 1 FROM image_locations c WHERE c.image_id = i.id \
     AND c.status = 'pending_delete' AND c.deleted_at IS NULL) THEN 'yes' ELSE 'no' END AS claimed \
     FROM images i WHERE i.id IN (",
    images!(),
    ")"
);

/// Extends holds that end sooner.
pub(super) const LENGTHEN_HOLDS: &str = concat!(
    "UPDATE revert_holds SET held_until = ?, held_at = ?, held_by = ?, reason = ? \
     WHERE held_until < ? AND image_id IN (",
    images!(),
    ")"
);

/// Inserts holds of images that have none.
pub(super) const ADD_HOLDS: &str = concat!(
    "INSERT INTO revert_holds (image_id, held_until, held_at, held_by, reason) \
     SELECT i.id, ?, ?, ?, ? FROM images i WHERE i.id IN (",
    images!(),
    ") AND NOT EXISTS (SELECT 1 FROM revert_holds h WHERE h.image_id = i.id)"
);

pub(super) const END_HOLDS: &str =
    concat!("DELETE FROM revert_holds WHERE image_id IN (", images!(), ")");

/// Holds in force, of a page of a list or fewer images.
pub(super) const HOLDS_OF: &str = concat!(
    "SELECT image_id, held_until, held_at, held_by, reason FROM revert_holds \
     WHERE held_until > CURRENT_TIMESTAMP AND image_id IN (",
    images!(),
    ",",
    images!(),
    ",",
    images!(),
    ",",
    images!(),
    ",",
    images!(),
    ",",
    images!(),
    ",",
    images!(),
    ",",
    images!(),
    ")"
);

/// Which of a few images are held.
pub(super) const HELD: &str = concat!(
    "SELECT image_id FROM revert_holds \
     WHERE held_until > CURRENT_TIMESTAMP AND image_id IN (",
    images!(),
    ")"
);

/// The fields of images for audit entries. No join with [`HELD`]: if the two columns have different
/// character sets, MariaDB would walk over all images.
pub(super) const NAMES: &str =
    concat!("SELECT i.id, i.owner, i.name FROM images i WHERE i.id IN (", images!(), ")");

pub(super) const HOLDS: &str = "SELECT image_id, held_until, held_at, held_by, reason \
     FROM revert_holds WHERE held_until > CURRENT_TIMESTAMP AND image_id > ? \
     ORDER BY image_id LIMIT ?";

/// Current claims, and those of dead processes.
pub(super) const COUNT_CLAIMED: &str = "SELECT COUNT(DISTINCT l.image_id) AS images \
     FROM image_locations l WHERE l.status = 'pending_delete' AND l.deleted_at IS NULL";
