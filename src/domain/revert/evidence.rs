//! What the stores show of an image's locations, before a revert and after it.

use super::choice::Judged;
use super::{RevertError, Verify};
use crate::domain::canary;
use crate::domain::location::Location;
use crate::domain::pending::{PendingDelete, RevertPlan};
use crate::domain::repo::ImageRepo;
use crate::domain::store::{Presence, Stores};
use crate::domain::verify::{Finding, verify, verify_and_repair};

/// Looks at locations.
pub(super) struct Evidence<'a> {
    pub(super) repo: &'a dyn ImageRepo,
    pub(super) stores: &'a dyn Stores,
}

impl Evidence<'_> {
    /// Looks at the locations deleted with the image; falls back to those removed earlier only if
    /// none of the others has its data. Has repaired what can be, unless nothing is to be changed.
    pub(super) async fn judge(
        &self,
        pending: &PendingDelete,
        how: Verify,
        dry_run: bool,
    ) -> Result<Vec<Judged>, RevertError> {
        let mut judged = Vec::new();
        for (together, locations) in
            [(true, pending.locations_together()), (false, pending.locations_removed_earlier())]
        {
            let settled = judged.iter().any(|j: &Judged| j.finding.is_good());
            for location in locations {
                let unseen = how == Verify::None && pending.must_be_seen(location);
                let how = if unseen { Verify::Exists } else { how };
                let finding = if settled {
                    Finding::Unchecked
                } else if dry_run {
                    verify(self.stores, pending.image(), location, how).await
                } else {
                    verify_and_repair(self.stores, pending.image(), location, how).await
                };
                let is_missing = finding == Finding::Missing;
                let finding = if is_missing { self.missing(location).await? } else { finding };
                tracing::debug!(location = location.id, together, ?finding, "location judged");
                judged.push(Judged { location: location.clone(), together, finding });
            }
        }
        Ok(judged)
    }

    /// Accepts "missing" only if the store still has a living image's data; otherwise the share may
    /// be unmounted, and what is left out of an active image now is scrubbed later.
    async fn missing(&self, location: &Location) -> Result<Finding, RevertError> {
        let Ok(placed) = self.stores.place(location) else { return Ok(Finding::Missing) };
        let seen = canary::look(&placed, self.repo, self.stores).await?;
        Ok(match seen {
            Ok(_) => Finding::Missing,
            Err(why) => {
                let (id, store) = (location.id, placed.store.id());
                Finding::Unknown(format!("location {id} is not in store {store}, and {why}"))
            }
        })
    }

    /// The first location of a revert whose data was there before and is not any more. A store that
    /// cannot be asked now was asked before.
    pub(super) async fn find_gone(&self, plan: &RevertPlan, judged: &[Judged]) -> Option<i32> {
        let was_seen = |j: &&Judged| {
            plan.locations().contains(&j.location.id) && j.finding != Finding::Unchecked
        };
        for Judged { location, .. } in judged.iter().filter(was_seen) {
            let Ok(placed) = self.stores.place(location) else { continue };
            let presence = placed.store.stat(&plan.image().id, &placed.uri).await;
            if matches!(presence, Ok(Presence::Absent | Presence::Hidden(_))) {
                return Some(location.id);
            }
        }
        None
    }
}
