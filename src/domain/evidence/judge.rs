//! What the stores show of an image's locations, before a revert and after it.

use super::Evidence;
use super::choice::Judged;
use super::verify::{Finding, Verify, verify, verify_and_repair};
use crate::domain::pending::{PendingDelete, RevertPlan};
use crate::domain::store::Presence;

impl Evidence<'_> {
    /// Looks at the locations deleted with the image; falls back to those removed earlier only if
    /// none of the others has its data. Has repaired what can be, unless nothing is to be changed.
    /// What is missing is still to be proved, by [`Evidence::prove_absences`].
    pub(in crate::domain) async fn judge(
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

    /// The first location of a revert whose data was there before and is not any more. A store that
    /// cannot be asked now was asked before.
    pub(in crate::domain) async fn find_gone(
        &self,
        plan: &RevertPlan,
        judged: &[Judged],
    ) -> Option<i32> {
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
