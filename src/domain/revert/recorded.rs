//! The audit entry of a revert, and how a repeated request is answered from it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{RevertRequest, Reverted, Reverter};
use crate::domain::audit::{AuditEntry, AuditRow, REVERT_IMAGE};
use crate::domain::image::{Image, ImageId, State};
use crate::domain::location::Location;
use crate::domain::pending::{Children, RestoredCounts};
use crate::domain::principal::Admin;
use crate::domain::repo::RepoError;
use crate::domain::time::{Timestamp, isotime};

/// The audit entry of a revert.
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

/// The response of the recorded revert, if the image is still as it left it.
pub(super) fn repeated(row: &AuditRow, image: Image) -> Option<Reverted> {
    let updated_at = image.updated_at.map(isotime)?;
    let then = row.details.get("updated_at").and_then(Value::as_str);
    // another scrubber may have taken its locations, and leaves the image as it is
    let is_back = image.state() == State::Live && image.locations.iter().any(Location::is_live);
    if row.operation != REVERT_IMAGE || then != Some(&*updated_at) || !is_back {
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
    let warnings = warnings.filter_map(Value::as_str).map(str::to_owned).collect();
    Some(Reverted { image, restored, warnings, repeated: true })
}

impl Reverter {
    /// The responses of our earlier reverts of those images that nobody has changed since.
    pub(super) async fn answers_of(
        &self,
        by: &Admin,
        ids: &[ImageId],
    ) -> Result<HashMap<ImageId, Reverted>, RepoError> {
        let Some(tables) = self.tables.as_ref().filter(|_| !ids.is_empty()) else {
            return Ok(HashMap::new());
        };
        let last = match tables.last_of(by, ids).await {
            // then the earlier reverts are unknown
            Err(RepoError::TablesMissing | RepoError::Refused(_)) => Vec::new(),
            last => last?,
        };
        if last.is_empty() {
            return Ok(HashMap::new());
        }
        let wholes = self.repo.get_whole(ids, Children::NONE).await?;
        let answer = |image: Image| {
            let id = image.id.clone();
            let about = |row: &&AuditRow| row.image_id.as_deref() == Some(id.as_str());
            let row = last.iter().find(about)?;
            Some((id.clone(), repeated(row, image)?))
        };
        Ok(wholes.images.into_iter().flatten().filter_map(answer).collect())
    }
}
