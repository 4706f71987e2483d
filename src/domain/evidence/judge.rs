//! Verifies an image's locations, before and after a revert.

use super::Evidence;
use super::choice::Judged;
use super::verify::{Finding, Verify, kept_aside, recover, verify, verify_and_repair};
use crate::domain::image::Image;
use crate::domain::location::Location;
use crate::domain::pending::{PendingDelete, RevertPlan};
use crate::domain::store::{Objects, Presence};

impl Evidence<'_> {
    /// Verifies the locations deleted with the image; falls back to those removed earlier only if
    /// none of the others has its data. Repairs what can be repaired, unless this is a dry run.
    /// Absences are not proved yet: see [`Evidence::prove_absences`].
    pub(in crate::domain) async fn judge(
        &self,
        pending: &PendingDelete,
        how: Verify,
        dry_run: bool,
    ) -> Vec<Judged> {
        let mut judged = Vec::new();
        let together = pending.locations_together().into_iter().map(|location| (location, None));
        let earlier = pending.locations_removed_earlier().into_iter();
        let earlier = earlier.map(|(location, before)| (location, Some(before)));
        for locations in [together.collect::<Vec<_>>(), earlier.collect()] {
            let settled = judged.iter().any(|j: &Judged| j.finding.is_good());
            for (location, removed_before) in locations {
                let finding = if settled {
                    Finding::Unchecked
                } else {
                    self.judge_one(pending, location, how, dry_run).await
                };
                tracing::debug!(
                    location = location.id,
                    ?removed_before,
                    ?finding,
                    "location judged"
                );
                judged.push(Judged { location: location.clone(), removed_before, finding });
            }
        }
        judged
    }

    async fn judge_one(
        &self,
        pending: &PendingDelete,
        location: &Location,
        how: Verify,
        dry_run: bool,
    ) -> Finding {
        let image = pending.image();
        if pending.must_be_proved(location) {
            return match how {
                Verify::Exists | Verify::None => {
                    let seen = verify(self.stores, image, location, Verify::Exists).await;
                    let is_aside = matches!(seen, Finding::Repairable { .. });
                    let kept = if is_aside {
                        kept_aside(self.stores, image, location).await
                    } else {
                        None
                    };
                    kept.map_or_else(|| unproved(seen), Finding::Kept)
                }
                Verify::Checksum if dry_run => {
                    destroyed(verify(self.stores, image, location, how).await)
                }
                Verify::Checksum => {
                    destroyed(verify_and_repair(self.stores, image, location, how).await)
                }
            };
        }
        let unseen = how == Verify::None && pending.must_be_seen(location);
        let how = if unseen { Verify::Exists } else { how };
        if dry_run {
            verify(self.stores, image, location, how).await
        } else {
            verify_and_repair(self.stores, image, location, how).await
        }
    }

    /// Lets the stores recover the retained data of locations that will come back. Several of them
    /// may name the same data, which a store recovers only once.
    pub(in crate::domain) async fn recover(
        &self,
        image: &Image,
        judged: &mut [Judged],
        chosen: &[i32],
    ) {
        let mut back = Vec::new();
        for Judged { location, finding, .. } in judged {
            if let Finding::Recoverable(kept) = finding
                && chosen.contains(&location.id)
            {
                let data = (self.stores.objects(location), kept.version.clone());
                let is_same = |(objects, version): &(Objects, String)| {
                    objects.meets(&data.0) && *version == data.1
                };
                *finding = if back.iter().any(is_same) {
                    Finding::Recovered(kept.clone())
                } else {
                    recover(self.stores, image, location, kept.clone()).await
                };
                if matches!(finding, Finding::Recovered(_)) {
                    back.push(data);
                }
            }
        }
    }

    /// The first location of a revert whose data has disappeared since it was verified. A store
    /// that is unreachable now does not count.
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

/// The finding for data whose row says that it was destroyed: its absence is expected.
fn destroyed(finding: Finding) -> Finding {
    if finding == Finding::Missing { Finding::Destroyed } else { finding }
}

/// The same if no hash is compared, so that nothing can prove the data.
fn unproved(finding: Finding) -> Finding {
    let text = |what: &str| Finding::Unproved(what.to_owned());
    match destroyed(finding) {
        Finding::Present | Finding::Unchecked => text("there is data of the same size"),
        Finding::Repairable { why } | Finding::Repaired(why) => Finding::Unproved(why),
        Finding::Unknown(problem) => Finding::NotVerifiable(problem),
        finding @ (Finding::Missing
        | Finding::Hidden(_)
        | Finding::Kept(_)
        | Finding::Recoverable(_)
        | Finding::Recovered(_)
        | Finding::Destroyed
        | Finding::Unproved(_)
        | Finding::Damaged(_)
        | Finding::WrongSize { .. }
        | Finding::WrongChecksum
        | Finding::NotVerifiable(_)) => finding,
    }
}
