//! A revert in the audit: what is written of it, and what it answers when it is asked for again.

use serde_json::{Value, json};

use super::{RevertRequest, Reverted};
use crate::domain::audit::{AuditEntry, AuditRow, REVERT_IMAGE};
use crate::domain::image::Image;
use crate::domain::pending::RestoredCounts;
use crate::domain::principal::Admin;
use crate::domain::time::{Timestamp, isotime};

/// The entry of a revert.
pub(super) fn entry(
    at: Timestamp,
    by: &Admin,
    request: RevertRequest,
    reverted: &Reverted,
) -> AuditEntry {
    let RestoredCounts { locations, properties, tags, members } = reverted.restored;
    let restored = json!({
        "locations": locations, "properties": properties, "tags": tags, "members": members,
    });
    AuditEntry::new(at, REVERT_IMAGE, by.into())
        .about(&reverted.image)
        .with("options", request.to_string())
        .with("restored", restored)
        .with("updated_at", reverted.image.updated_at.map(isotime))
        .with("warnings", reverted.warnings.clone())
}

/// What that revert brought back and warned of, if the image is as it left it.
pub(super) fn read(row: &AuditRow, image: &Image) -> Option<(RestoredCounts, Vec<String>)> {
    let updated_at = image.updated_at.map(isotime)?;
    let then = row.details.get("updated_at").and_then(Value::as_str);
    if row.operation != REVERT_IMAGE || then != Some(&*updated_at) {
        return None;
    }
    let restored = row.details.get("restored")?;
    let count = |name: &str| {
        let count = restored.get(name).and_then(Value::as_u64);
        count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
    };
    let restored = RestoredCounts {
        locations: count("locations"),
        properties: count("properties"),
        tags: count("tags"),
        members: count("members"),
    };
    let warnings = row.details.get("warnings").and_then(Value::as_array).into_iter().flatten();
    Some((restored, warnings.filter_map(Value::as_str).map(str::to_owned).collect()))
}
