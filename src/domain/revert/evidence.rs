//! What the stores show of an image's locations, before a revert and after it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Verify;
use super::choice::Judged;
use crate::domain::canary;
use crate::domain::pending::{PendingDelete, RevertPlan};
use crate::domain::repo::{ImageRepo, RepoError};
use crate::domain::store::{Presence, StoreId, Stores};
use crate::domain::verify::{Finding, verify, verify_and_repair};

/// Looks at locations.
pub(super) struct Evidence<'a> {
    pub(super) repo: &'a dyn ImageRepo,
    pub(super) stores: &'a dyn Stores,
}

/// What keeps an absence from being believed, by part of a store; `None` where it is proved. Only for
/// absences that were found before a part was looked at.
pub(super) type Doubts = HashMap<(StoreId, String), Option<String>>;

impl Evidence<'_> {
    /// Looks at the locations deleted with the image; falls back to those removed earlier only if
    /// none of the others has its data. Has repaired what can be, unless nothing is to be changed.
    /// What is missing is still to be proved, by [`Evidence::prove_absences`].
    pub(super) async fn judge(
        &self,
        pending: &PendingDelete,
        how: Verify,
        dry_run: bool,
    ) -> Vec<Judged> {
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
                tracing::debug!(location = location.id, together, ?finding, "location judged");
                judged.push(Judged { location: location.clone(), together, finding });
            }
        }
        judged
    }

    /// Accepts "missing" only if the store still has a living image's data; otherwise the share may
    /// be unmounted, and what is left out of an active image now is scrubbed later.
    pub(super) async fn prove_absences(
        &self,
        judged: &mut [Judged],
        doubts: &mut Doubts,
    ) -> Result<(), RepoError> {
        for Judged { location, finding, .. } in judged {
            if *finding != Finding::Missing {
                continue;
            }
            let Ok(placed) = self.stores.place(location) else { continue };
            let doubt = match doubts.entry(placed.part()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let seen = canary::look(&placed, self.repo, self.stores).await?;
                    unknown.insert(seen.err())
                }
            };
            if let Some(why) = doubt {
                let (id, store) = (location.id, placed.store.id());
                let text = format!("location {id} is not in store {store}, and {why}");
                *finding = Finding::Unknown(text);
            }
        }
        Ok(())
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
