//! Chooses which of the verified locations come back.

use chrono::TimeDelta;

use super::verify::Finding;
use crate::domain::image::Image;
use crate::domain::location::Location;
use crate::domain::pending::{NotPending, PendingDelete};
use crate::domain::revert::RevertError;

/// A verified location.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The row.
    pub location: Location,
    /// How long before the delete it was removed; `None` if it was deleted with the image.
    pub removed_before: Option<TimeDelta>,
    /// What the store has there.
    pub finding: Finding,
}

impl Judged {
    /// Whether it was deleted with the image rather than removed before.
    pub fn together(&self) -> bool {
        self.removed_before.is_none()
    }

    /// What becomes of a location that was removed before the delete and does not come back.
    pub fn left_behind(&self) -> Option<String> {
        let before = self.removed_before.filter(|_| self.location.stamp().is_some())?;
        let store = self.location.store().map(|name| format!(" in store {name}"));
        Some(format!(
            "location {}{} was removed {} before the delete and stays out: it is still pending, \
             and scrubbed when it is due; if the same delete removed it (Glance stalled, or the \
             DELETE was sent again), copy the image to that store again once it is scrubbed",
            self.location.id,
            store.unwrap_or_default(),
            span(before)
        ))
    }
}

fn span(time: TimeDelta) -> String {
    let (days, hours, seconds) = (time.num_days(), time.num_hours(), time.num_seconds());
    match seconds {
        172_800.. => format!("{days} days"),
        7_200.. => format!("{hours} hours"),
        _ => format!("{seconds} s"),
    }
}

/// Which locations come back: all good ones deleted with the image, else the last good one removed
/// earlier. An unreachable store stops the revert: a location left out of an active image now would
/// be scrubbed later.
pub(in crate::domain) fn choose(
    pending: &PendingDelete,
    judged: &[Judged],
) -> Result<Vec<i32>, RevertError> {
    let id = &pending.image().id;
    let mut good: Vec<i32> = judged
        .iter()
        .filter(|j| j.together() && j.finding.is_good())
        .map(|j| j.location.id)
        .collect();
    let relevant = judged.iter().filter(|j| j.together() || good.is_empty());
    for one in relevant {
        if let Finding::Unknown(problem) = &one.finding {
            let problem = problem.clone();
            return Err(RevertError::StoreUnavailable { id: id.clone(), problem });
        }
    }
    if good.is_empty() {
        let earlier = judged.iter().find(|j| !j.together() && j.finding.is_good());
        good.extend(earlier.map(|j| j.location.id));
    }
    if judged.is_empty() {
        return Err(RevertError::NotPending(id.clone(), NotPending::NoLocations));
    }
    if good.is_empty() {
        let (id, findings) = (id.clone(), judged.iter().filter_map(describe).collect());
        let never = |j: &Judged| matches!(j.finding, Finding::NotVerifiable(_));
        let could = |j: &Judged| matches!(j.finding, Finding::Kept(_) | Finding::Unproved(_));
        let chance = judged.iter().any(could);
        return Err(if pending.is_scrubbed() {
            RevertError::Scrubbed { id, findings, chance }
        } else if judged.iter().any(never) {
            RevertError::NotVerifiable { id, findings }
        } else if pending.image().may_be_scrubbed() {
            RevertError::Scrubbed { id, findings, chance }
        } else {
            RevertError::DataMissing { id, findings }
        });
    }
    Ok(good)
}

pub(in crate::domain) fn warnings(
    pending: &PendingDelete,
    judged: &[Judged],
    chosen: &[i32],
) -> Vec<String> {
    let is_chosen = |j: &&Judged| chosen.contains(&j.location.id);
    let left_out = judged.iter().filter(|j| j.together() && !is_chosen(j)).filter_map(describe);
    let fallback = judged.iter().filter(|j| !j.together()).filter(is_chosen).map(|j| {
        format!(
            "location {} was removed before the delete, and is the only one with data",
            j.location.id
        )
    });
    let unproved = judged.iter().filter(is_chosen).filter(|j| j.finding == Finding::Unchecked);
    let unproved =
        unproved.map(|j| format!("the data of location {} was not checked", j.location.id));
    let is_deleted = pending.image().may_be_scrubbed();
    let at_once = |j: &&Judged| is_deleted && pending.was_ended_at_once(&j.location);
    let unsure = judged.iter().filter(is_chosen).filter(at_once).take(1);
    let unsure = unsure.map(|_| {
        "Glance deleted the image without delayed_delete, as it does with deactivated images; if \
         it was deactivated, deactivate it again"
            .to_owned()
    });
    let repaired = judged.iter().filter(is_chosen).filter_map(describe);
    let left_behind = judged.iter().filter(|j| !is_chosen(j)).filter_map(Judged::left_behind);
    left_out
        .chain(left_behind)
        .chain(fallback)
        .chain(unproved)
        .chain(repaired)
        .chain(unsure)
        .collect()
}

/// Cinder may delete the key of an encrypted volume together with the image: no store can tell, and
/// no revert restores it.
pub(in crate::domain) fn lost_key(image: &Image) -> Option<String> {
    let value = |name: &str| {
        let property = image.properties.iter().find(|property| property.name == name);
        property.and_then(|property| property.value.as_deref())
    };
    let key = value("cinder_encryption_key_id")?;
    let goes = value("cinder_encryption_key_deletion_policy") == Some("on_image_deletion");
    goes.then(|| {
        format!(
            "the encryption key {key} was deleted with the image; without it nobody can read \
            the data"
        )
    })
}

fn describe(judged: &Judged) -> Option<String> {
    let id = judged.location.id;
    match &judged.finding {
        Finding::Present | Finding::Unchecked => None,
        Finding::Repairable { why } => Some(format!("location {id} will be repaired: {why}")),
        Finding::Repaired(why) => Some(format!("location {id} was repaired: {why}")),
        Finding::Kept(kept) => Some(format!(
            "the data of location {id} is gone, but {kept}; a revert with verify=checksum brings \
             it back"
        )),
        Finding::Recoverable(kept) => Some(format!("location {id} will be recovered: {kept}")),
        Finding::Recovered(kept) => Some(format!("location {id} was recovered: {kept}")),
        Finding::Unproved(what) => Some(format!(
            "the row of location {id} says that its data was destroyed, but {what}; a revert with \
             verify=checksum uses the data if its hash is the image's"
        )),
        Finding::Missing | Finding::Destroyed => Some(format!("the data of location {id} is gone")),
        Finding::Hidden(how) => Some(format!("the data of location {id} is gone: {how}")),
        Finding::Damaged(how) => Some(format!("the data of location {id} is damaged: {how}")),
        Finding::WrongSize { found, expected } => {
            Some(format!("location {id} has {found} bytes instead of {expected}"))
        }
        Finding::WrongChecksum => {
            Some(format!("the data of location {id} has a different hash than the image"))
        }
        Finding::Unknown(problem) | Finding::NotVerifiable(problem) => Some(problem.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::domain::image::{ImageId, ImageStatus, RowVersion};
    use crate::domain::location::{LocationMetadata, LocationStatus, LocationValue};
    use crate::domain::time::Timestamp;

    fn at() -> Timestamp {
        DateTime::UNIX_EPOCH.naive_utc()
    }

    fn location(id: i32) -> Location {
        Location {
            id,
            value: LocationValue::new("file:///x".to_owned()),
            metadata: LocationMetadata::default(),
            status: LocationStatus::PendingDelete,
            deleted: true,
            deleted_at: Some(at()),
        }
    }

    fn pending() -> PendingDelete {
        let image = Image {
            id: ImageId::parse("i").unwrap(),
            name: None,
            disk_format: None,
            container_format: None,
            visibility: "private".to_owned(),
            size: Some(1),
            virtual_size: None,
            status: ImageStatus::PendingDelete,
            checksum: None,
            os_hash_algo: None,
            os_hash_value: None,
            protected: false,
            os_hidden: false,
            min_ram: 0,
            min_disk: 0,
            owner: None,
            created_at: at(),
            updated_at: Some(at()),
            deleted_at: Some(at()),
            deleted: true,
            version: RowVersion { deleted_at: String::new(), updated_at: String::new() },
            locations: vec![location(1)],
            properties: Vec::new(),
            tags: Vec::new(),
            members: Vec::new(),
        };
        image.into_pending_delete(at(), Duration::ZERO).unwrap()
    }

    /// Every combination of findings for up to three locations.
    fn each_case() -> Vec<Vec<Judged>> {
        let findings = [
            Finding::Present,
            Finding::Repairable { why: "r".to_owned() },
            Finding::Missing,
            Finding::WrongChecksum,
            Finding::Unknown("u".to_owned()),
            Finding::NotVerifiable("n".to_owned()),
        ];
        let mut cases = vec![Vec::new()];
        let mut shorter = cases.clone();
        for id in 1..=3 {
            let longer = |case: &Vec<Judged>| {
                let with = |together: bool, finding: &Finding| {
                    let removed_before = (!together).then(TimeDelta::zero);
                    let (location, finding) = (location(id), finding.clone());
                    let one = Judged { location, removed_before, finding };
                    [case.clone(), vec![one]].concat()
                };
                let both = findings.iter().flat_map(|f| [with(true, f), with(false, f)]);
                both.collect::<Vec<_>>()
            };
            shorter = shorter.iter().flat_map(longer).collect();
            cases.extend(shorter.clone());
        }
        cases
    }

    #[test]
    fn only_good_locations_come_back_all_of_one_delete_or_one_earlier() {
        let (pending, cases) = (pending(), each_case());
        assert_eq!(cases.len(), 1 + 12 + 144 + 1728);
        for judged in cases {
            let chosen = choose(&pending, &judged);
            let good = |together| {
                let those = judged.iter().filter(move |j| j.together() == together);
                those.filter(|j| j.finding.is_good()).map(|j| j.location.id).collect::<Vec<_>>()
            };
            let unknown = |together| {
                let is_unknown = |j: &Judged| matches!(j.finding, Finding::Unknown(_));
                judged.iter().any(|j| j.together() == together && is_unknown(j))
            };
            let (ours, earlier) = (good(true), good(false));
            let in_doubt = unknown(true) || ours.is_empty() && unknown(false);
            match chosen {
                Err(RevertError::StoreUnavailable { .. }) => assert!(in_doubt, "{judged:?}"),
                _ if in_doubt => panic!("a store did not answer: {judged:?}"),
                Err(_) => assert!(ours.is_empty() && earlier.is_empty(), "{judged:?}"),
                Ok(chosen) if ours.is_empty() => assert_eq!(chosen, earlier[..1], "{judged:?}"),
                Ok(chosen) => assert_eq!(chosen, ours, "{judged:?}"),
            }
        }
    }
}
