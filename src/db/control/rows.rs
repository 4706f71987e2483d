//! Parses rows of our own tables.

use std::time::Duration;

use crate::db::dialect::Dialect;
use crate::domain::audit::AuditedImage;
use crate::domain::control::{Acceptance, Hold, InForce, LastPass, Orders, Term};
use crate::domain::image::ImageId;
use crate::domain::time::FAR_FUTURE;

/// A hold; `None` if its id is not a possible image id.
pub(super) fn held<D: Dialect>(row: &D::Row) -> Result<Option<Hold>, sqlx::Error> {
    let Ok(image) = ImageId::parse(&D::text(row, "image_id")?.unwrap_or_default()) else {
        return Ok(None);
    };
    let hold = InForce {
        term: Term {
            until: D::maybe_time(row, "held_until")?.unwrap_or(FAR_FUTURE),
            reason: D::text(row, "reason")?,
        },
        since: D::maybe_time(row, "held_at")?.unwrap_or_default(),
        by: D::text(row, "held_by")?.unwrap_or_default(),
    };
    Ok(Some(Hold { image, hold }))
}

/// An image as an audit entry names it; an unreadable name does not prevent the change.
pub(super) fn named<D: Dialect>(id: ImageId, row: &D::Row) -> AuditedImage {
    let text = |column: &str| D::text(row, column).ok().flatten();
    AuditedImage { id, owner: text("owner"), name: text("name") }
}

/// The row of [`crate::db::orders::ORDERS`].
pub(super) fn orders<D: Dialect>(row: &D::Row) -> Result<Orders, sqlx::Error> {
    let is_paused = D::text(row, "is_paused")?.as_deref() == Some("yes");
    let pause = InForce {
        term: Term {
            until: D::maybe_time(row, "paused_until")?.unwrap_or_default(),
            reason: D::text(row, "pause_reason")?,
        },
        since: D::maybe_time(row, "paused_at")?.unwrap_or_default(),
        by: D::text(row, "paused_by")?.unwrap_or_default(),
    };
    let images = D::big(row, "accepted_images")?.and_then(|images| u64::try_from(images).ok());
    let (at, by) = (D::maybe_time(row, "accepted_at")?, D::text(row, "accepted_by")?);
    let held = D::big(row, "held")?.unwrap_or_default();
    Ok(Orders {
        pause: is_paused.then_some(pause),
        accepted: images.map(|images| Acceptance {
            images,
            at: at.unwrap_or_default(),
            by: by.unwrap_or_default(),
        }),
        held: held.max(0).cast_unsigned(),
        scrub_time: D::big(row, "scrub_time")?
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs),
        retention: D::text(row, "retention")?.filter(|text| !text.is_empty()),
        last_pass: last_pass::<D>(row)?,
    })
}

/// A report that cannot be read is from another version.
fn last_pass<D: Dialect>(row: &D::Row) -> Result<Option<LastPass>, sqlx::Error> {
    let Some(began) = D::maybe_time(row, "pass_started_at")? else { return Ok(None) };
    let report = D::text(row, "pass_report")?;
    Ok(Some(LastPass {
        began,
        ended: D::maybe_time(row, "pass_finished_at")?,
        host: D::text(row, "pass_host")?.unwrap_or_default(),
        result: report.and_then(|text| serde_json::from_str(&text).ok()),
    }))
}
