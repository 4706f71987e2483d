//! Settles a batch: writes, records and counts the results.

use std::collections::HashMap;

use super::Pass;
use crate::domain::repo::RepoError;
use crate::domain::scrub::claimed::{Claimed, Destruction};
use crate::domain::scrub::record::Destroyed;
use crate::domain::scrub::work::{Ended, WorkKind};

impl Pass<'_> {
    pub(super) async fn settle(
        &mut self,
        outcomes: Vec<(Claimed<'_>, Destruction)>,
    ) -> Result<(), RepoError> {
        let mut settled = Vec::new();
        for (claimed, outcome) in &outcomes {
            // Recorded before the rows are written: a record may be repeated, but is never missing.
            if outcome.is_whole() {
                self.left.take(claimed.work.image().size);
                self.record(claimed);
            }
            let entry = self.destroyed(claimed).entry(self.scrubber.clock.now());
            settled.extend(claimed.settled(outcome, entry));
        }
        if !settled.is_empty() {
            let now = self.scrubber.clock.now_in_seconds();
            let works = outcomes.iter().map(|(one, _)| &one.work);
            let at = works.map(|work| work.settled_after(now)).max().unwrap_or(now);
            let ended = self.scrubber.repo.settle(&settled, at).await?;
            self.report.taken_by_others += self.taken_by_others(&outcomes, &ended).await?;
            let is_last = |one: &Claimed<'_>| ended.last.contains(&one.work.image().id);
            outcomes.iter().filter(|(one, _)| is_last(one)).for_each(|(one, _)| self.record(one));
        }
        for (claimed, outcome) in outcomes {
            self.count(&claimed, outcome);
        }
        Ok(())
    }

    /// Counts the locations that another program destroyed or ended while this pass had claimed
    /// them. Another pass of ours does not count: where locks exclude nobody, it renews this claim.
    async fn taken_by_others(
        &self,
        outcomes: &[(Claimed<'_>, Destruction)],
        ended: &Ended,
    ) -> Result<u64, RepoError> {
        let missed: HashMap<_, _> = ended.missed.iter().map(|(id, count)| (id, *count)).collect();
        let taken = outcomes.iter().filter(|(one, _)| !one.is_renewed()).map(|(one, outcome)| {
            let missed = missed.get(&one.work.image().id).copied().unwrap_or_default();
            (one, outcome.taken.max(missed))
        });
        let taken: Vec<_> = taken.filter(|(_, count)| *count > 0).collect();
        if taken.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = taken.iter().map(|(one, _)| one.work.image().id.clone()).collect();
        let images = self.scrubber.repo.get_many(&ids).await?;
        let images: Vec<_> = images.into_iter().flatten().collect();
        let is_ours = |one: &Claimed<'_>| images.iter().any(|image| one.is_claim_of(image));
        Ok(taken.iter().filter(|(one, _)| is_ours(one)).map(|(_, count)| count).sum())
    }

    /// Logs a destroyed image. Its audit entry is written with the rows.
    fn record(&self, claimed: &Claimed<'_>) {
        if let Some(journal) = &self.scrubber.journal {
            journal(&self.destroyed(claimed));
        }
    }

    fn destroyed<'d>(&'d self, claimed: &'d Claimed<'_>) -> Destroyed<'d> {
        let mut stores: Vec<_> = claimed.placed.iter().map(|one| one.store.id()).collect();
        stores.sort();
        stores.dedup();
        let (image, kind) = (claimed.work.image(), claimed.work.kind());
        Destroyed { image, kind, stores, pass: &self.name }
    }

    fn count(&mut self, claimed: &Claimed<'_>, outcome: Destruction) {
        let id = &claimed.work.image().id;
        let is_released = claimed.may_be_released(&outcome);
        if let Some(shared) = &mut self.shared {
            for (location, _) in claimed.targets() {
                if is_released {
                    shared.released(self.scrubber, location);
                } else if outcome.deleted.contains(&location.id) {
                    shared.settled(self.scrubber, location);
                }
            }
        }
        if outcome.unproved && !self.is_last_try {
            self.again.push(id.clone());
            return;
        }
        self.report.resumed += u64::from(claimed.work.kind() == WorkKind::Resumed);
        if is_released {
            self.report.claims_released += 1;
        } else {
            self.report.locations_deleted += outcome.deleted.len() as u64;
            self.report.data_gone += outcome.gone;
            self.report.data_shared += outcome.shared;
            self.report.retains(&outcome.retained, claimed.work.image().size);
        }
        self.report.interrupted |= outcome.stopped;
        if let Some(reason) = outcome.left {
            self.fail(id, reason);
            return;
        }
        if outcome.stopped {
            return;
        }
        self.scrubber.with_backoff(|backoff| backoff.succeeded(id));
        match claimed.work.kind() {
            WorkKind::Due | WorkKind::Resumed => self.report.scrubbed += 1,
            WorkKind::Leftovers => self.report.leftovers += outcome.deleted.len() as u64,
        }
        tracing::debug!(image_id = id.as_str(), "image scrubbed");
    }
}
