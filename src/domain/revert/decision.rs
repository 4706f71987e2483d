//! The decision about one image: whether it comes back, and with what. Single and bulk reverts use
//! the same decision.

use super::error::destroyed;
use super::{RevertError, RevertRequest, Reverted, Reverter};
use crate::domain::evidence::{Finding, Judged, choose, lost_key, warnings};
use crate::domain::image::{Image, ImageId, State, Waiting};
use crate::domain::pending::{Children, PendingDelete, RevertPlan};
use crate::domain::time::Timestamp;

/// A revert that was decided on.
#[derive(Debug)]
pub(super) struct Decision {
    pub(super) plan: RevertPlan,
    judged: Vec<Judged>,
    warnings: Vec<String>,
}

impl Decision {
    /// Logs what was recovered or repaired for an image whose rows were not, or perhaps not,
    /// written. The next revert finds the data there; nobody deletes it again, because another
    /// process may need it.
    pub(super) fn tell_unwritten(&self) {
        for judged in &self.judged {
            if let Finding::Recovered(kept) = &judged.finding {
                tracing::warn!(
                    image_id = self.plan.id().as_str(),
                    location = judged.location.id,
                    %kept,
                    "the data was restored in its store, but the image may not be active: revert \
                     it again"
                );
            }
        }
    }

    /// The response once the revert is written.
    pub(super) fn reverted(&self, now: Timestamp) -> Reverted {
        Reverted {
            image: self.plan.applied(now),
            restored: self.plan.counts(),
            warnings: self.warnings.clone(),
            repeated: false,
        }
    }
}

/// The error for a recovery that a store began but did not finish. A retry finds the data still
/// retained, or present.
fn not_recovered(id: &ImageId, judged: &Judged) -> RevertError {
    let location = judged.location.id;
    let (Finding::Unknown(problem) | Finding::NotVerifiable(problem)) = &judged.finding else {
        let problem = format!("location {location} changed during the revert");
        return RevertError::StoreUnavailable { id: id.clone(), problem };
    };
    RevertError::StoreUnavailable { id: id.clone(), problem: problem.clone() }
}

impl Reverter {
    /// Checks that an image may be reverted, or says why not.
    pub(super) async fn show_pending(&self, image: Image) -> Result<PendingDelete, RevertError> {
        let id = image.id.clone();
        if image.may_be_scrubbed() {
            let ended = self.repo.ended_locations(&id).await?;
            let pending = image.into_second_chance(ended);
            return pending.map_err(|reason| RevertError::NotPending(id, reason));
        }
        let now = match image.delete_seen_at() {
            Some(_) => self.repo.now().await?,
            None => self.clock.now(),
        };
        let pending = image.into_pending_delete(now, self.settings.delete_grace);
        pending.map_err(|reason| RevertError::NotPending(id, reason))
    }

    /// Decides on the evidence; `None` if the image has changed meanwhile.
    pub(super) async fn decide(
        &self,
        pending: PendingDelete,
        mut judged: Vec<Judged>,
        request: &RevertRequest,
    ) -> Result<Option<Decision>, RevertError> {
        let mut chosen = match choose(&pending, &judged) {
            // A scrubber that intervened took the data: report the image's new state instead.
            Err(RevertError::DataMissing { .. } | RevertError::StoreUnavailable { .. })
                if self.has_changed(pending.image()).await? =>
            {
                return Ok(None);
            }
            chosen => chosen?,
        };
        tracing::debug!(locations = ?chosen, "these locations come back");
        let recovers = |j: &Judged| matches!(j.finding, Finding::Recoverable(_));
        if !request.dry_run && judged.iter().any(recovers) {
            if self.has_changed(pending.image()).await? {
                return Ok(None);
            }
            self.evidence().recover(pending.image(), &mut judged, &chosen).await;
            // a location that could not be recovered counts like any other that has no data
            let tried = judged.iter().filter(|j| chosen.contains(&j.location.id));
            let (good, bad): (Vec<_>, Vec<_>) = tried.partition(|j| j.finding.is_good());
            if let Some(bad) = bad.first().filter(|_| good.is_empty()) {
                return Err(not_recovered(&pending.image().id, bad));
            }
            chosen = good.iter().map(|j| j.location.id).collect();
        }
        let mut warnings = warnings(&pending, &judged, &chosen);
        warnings.extend(lost_key(pending.image()));
        let plan = pending.plan(chosen, request.children, request.protect);
        Ok(Some(Decision { plan, judged, warnings }))
    }

    async fn has_changed(&self, image: &Image) -> Result<bool, RevertError> {
        let now = self.read(&image.id, Children::NONE).await?;
        Ok(now.status != image.status || now.version != image.version)
    }

    /// Looks again after COMMIT, at the image's `live` locations. A stalled DELETE may have
    /// continued; then the image is reverted again. A scrubber or purge that does not use our locks
    /// may have taken data or rows.
    pub(super) async fn is_still_there(
        &self,
        decision: &Decision,
        live: &[i32],
    ) -> Result<bool, RevertError> {
        let id = decision.plan.id();
        if live.is_empty() {
            let image = self.read(id, Children::NONE).await?;
            return match image.state() {
                State::Live | State::Scrubbed | State::Empty => {
                    Err(destroyed(id, "it has no active location".to_owned()))
                }
                State::Pending
                | State::Claimed
                | State::Unscrubbed
                | State::Broken
                | State::Deleting
                | State::Other => Ok(false),
            };
        }
        let mut planned = decision.plan.locations().iter();
        if let Some(gone) = planned.find(|location| !live.contains(location)) {
            let image = self.read(id, Children::NONE).await?;
            let mut locations = image.locations.iter().filter(|location| location.id == *gone);
            // a user, or a DELETE, came right after the commit; its data waits
            if locations.any(|location| image.waiting(location) == Some(Waiting::Stamped)) {
                return Ok(false);
            }
            return Err(destroyed(id, format!("location {gone} is no longer active")));
        }
        match self.evidence().find_gone(&decision.plan, &decision.judged).await {
            Some(gone) => Err(destroyed(id, format!("the data of location {gone} is gone"))),
            None => Ok(true),
        }
    }
}
