//! Locks the images of a batch, then claims them.

use std::collections::HashMap;

use super::Pass;
use crate::domain::image::ImageId;
use crate::domain::lock::ImageGuard;
use crate::domain::repo::{RepoError, Write};
use crate::domain::scrub::claimed::Claimed;
use crate::domain::scrub::work::{Claim, Work};
use crate::domain::store::Placed;

impl Pass<'_> {
    pub(super) async fn lock(
        &mut self,
        ids: &[ImageId],
        guards: &mut HashMap<ImageId, ImageGuard>,
    ) -> Result<(), RepoError> {
        let now = self.scrubber.clock.now();
        let held = self.scrubber.holds_of(ids).await?;
        let free: Vec<_> = ids.iter().filter(|id| !held.contains_key(id)).collect();
        let waits = |id: &&&ImageId| self.scrubber.with_backoff(|backoff| backoff.waits(id, now));
        let wanted: Vec<_> = free.iter().filter(|id| !waits(id)).copied().cloned().collect();
        let taken = self.scrubber.lock.try_lock_all(&wanted).await?;
        self.report.held += (ids.len() - free.len()) as u64;
        self.report.backed_off += (free.len() - wanted.len()) as u64;
        self.report.contended += (wanted.len() - taken.len()) as u64;
        guards.extend(taken.into_iter().map(|guard| (guard.id().clone(), guard)));
        Ok(())
    }

    pub(super) async fn claim<'g>(
        &mut self,
        works: Vec<(Work, Vec<Placed>)>,
        guards: &'g HashMap<ImageId, ImageGuard>,
    ) -> Result<Vec<Claimed<'g>>, RepoError> {
        let now = self.scrubber.clock.now();
        let mut claimed: Vec<_> = works
            .into_iter()
            .filter_map(|(work, placed)| {
                let guard = guards.get(&work.image().id)?;
                let stamp = work.stamp(now);
                Some(Claimed { guard, work, placed, stamp })
            })
            .collect();
        if claimed.is_empty() {
            return Ok(claimed);
        }
        let claims: Vec<_> = claimed
            .iter()
            .map(|one| Claim { guard: one.guard, work: &one.work, stamp: one.stamp })
            .collect();
        let writes = self.scrubber.repo.claim(&claims).await?;
        drop(claims);
        let Some(writes) = writes else {
            self.report.paused = true;
            self.stop.cancel();
            return Ok(Vec::new());
        };
        let mut writes = writes.into_iter();
        let wanted = claimed.len();
        claimed.retain(|_| writes.next() == Some(Write::Done));
        self.report.contended += (wanted - claimed.len()) as u64;
        Ok(claimed)
    }
}
