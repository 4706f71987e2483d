//! One pass: pages of candidates, batches of claims.

use std::collections::HashMap;

use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::brakes::Brakes;
use super::destroy::{Claimed, Destroyer, Outcome};
use super::held::Contested;
use super::limit::Limited;
use super::pace::Pace;
use super::placing;
use super::record::Destroyed;
use super::work::{Claim, Work, WorkKind};
use super::{ScrubReport, Scrubber};
use crate::domain::image::ImageId;
use crate::domain::lock::ImageGuard;
use crate::domain::repo::{RepoError, Write};
use crate::domain::store::Placed;
use crate::domain::time::Timestamp;

/// Ids read at a time.
const PAGE: u32 = 512;

pub(super) struct Pass<'a> {
    scrubber: &'a Scrubber,
    stop: &'a CancellationToken,
    before: Timestamp,
    /// When the pass began, as its name.
    name: String,
    /// Images that may still be destroyed.
    left: u64,
    /// More could be destroyed than that.
    is_over: bool,
    brakes: Brakes,
    contested: Option<Contested>,
    pace: Pace,
    report: ScrubReport,
}

impl<'a> Pass<'a> {
    /// A pass at `now` over what was deleted at `before` or earlier, at most so many images of it.
    pub(super) fn new(
        scrubber: &'a Scrubber,
        stop: &'a CancellationToken,
        now: Timestamp,
        before: Timestamp,
        most: u64,
    ) -> Self {
        let brakes = Brakes::new(scrubber.settings.absent_brake);
        Self {
            scrubber,
            stop,
            before,
            name: now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            left: most,
            is_over: false,
            brakes,
            contested: None,
            pace: Pace::new(),
            report: ScrubReport::default(),
        }
    }

    pub(super) fn into_report(self) -> ScrubReport {
        self.report
    }

    pub(super) async fn run(&mut self) -> Result<(), RepoError> {
        let mut after: Option<ImageId> = None;
        loop {
            let page = self.scrubber.repo.list_due(self.before, after.as_ref(), PAGE).await?;
            let mut rest = page.as_slice();
            while !rest.is_empty() {
                let (ids, later) = rest.split_at(self.pace.batch().min(rest.len()));
                rest = later;
                if self.stop.is_cancelled() {
                    self.report.interrupted = true;
                    return self.finish().await;
                }
                if self.is_over {
                    return self.stop_at_limit().await;
                }
                self.refresh_contested(&page).await?;
                let (began, failed) = (Instant::now(), self.report.failed);
                self.batch(ids).await?;
                self.pace.took(began.elapsed(), self.report.failed == failed);
                self.tell_progress();
            }
            match page.last() {
                Some(last) => after = Some(last.clone()),
                None if self.is_over => return self.stop_at_limit().await,
                None => return self.finish().await,
            }
        }
    }

    /// More became due during the pass than it was let through for.
    async fn stop_at_limit(&mut self) -> Result<(), RepoError> {
        let due = self.scrubber.repo.count_due(self.before).await?;
        let limits = self.scrubber.settings.limits;
        self.report.limited = Some(Limited { due, limits, accepted: None });
        self.finish().await
    }

    async fn finish(&mut self) -> Result<(), RepoError> {
        self.report.alarms = self.brakes.alarms().await;
        self.report.waiting_after_failure =
            self.scrubber.with_backoff(|backoff| backoff.len() as u64);
        Ok(())
    }

    fn tell_progress(&self) {
        if let Some(progress) = &self.scrubber.progress {
            progress(&self.report);
        }
    }

    async fn batch(&mut self, ids: &[ImageId]) -> Result<(), RepoError> {
        self.report.seen += ids.len() as u64;
        let mut guards = HashMap::new();
        let result = self.batch_locked(ids, &mut guards).await;
        self.scrubber.lock.release_all(guards.into_values().collect()).await;
        result
    }

    async fn batch_locked(
        &mut self,
        ids: &[ImageId],
        guards: &mut HashMap<ImageId, ImageGuard>,
    ) -> Result<(), RepoError> {
        self.lock(ids, guards).await?;
        let mut works = self.read(guards).await?;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        self.is_over |= works.len() > most;
        works.truncate(most);
        let claimed = self.claim(works, guards).await?;
        let (scrubber, stop) = (self.scrubber, self.stop);
        let Some(contested) = self.contested.as_ref() else { return Ok(()) };
        let held = contested.held(scrubber, &claimed).await?;
        let destroyer = Destroyer { scrubber, brakes: &self.brakes, held: &held, stop };
        let destructions: Vec<_> = claimed.into_iter().map(|one| destroyer.destroy(one)).collect();
        let at_a_time = scrubber.settings.pool_size;
        let outcomes = stream::iter(destructions).buffer_unordered(at_a_time).collect().await;
        self.settle(outcomes).await
    }

    async fn lock(
        &mut self,
        ids: &[ImageId],
        guards: &mut HashMap<ImageId, ImageGuard>,
    ) -> Result<(), RepoError> {
        let now = self.scrubber.clock.now();
        let waits = |id: &&ImageId| self.scrubber.with_backoff(|backoff| backoff.waits(id, now));
        let wanted: Vec<_> = ids.iter().filter(|id| !waits(id)).cloned().collect();
        let taken = self.scrubber.lock.try_lock_all(&wanted).await?;
        self.report.backed_off += (ids.len() - wanted.len()) as u64;
        self.report.contended += (wanted.len() - taken.len()) as u64;
        guards.extend(taken.into_iter().map(|guard| (guard.id().clone(), guard)));
        Ok(())
    }

    /// Reads the locked images, and keeps those whose every location can be destroyed: an image
    /// that we could only half destroy is not begun.
    async fn read(
        &mut self,
        guards: &HashMap<ImageId, ImageGuard>,
    ) -> Result<Vec<(Work, Vec<Placed>)>, RepoError> {
        let ids: Vec<_> = guards.keys().cloned().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut works = Vec::new();
        for image in self.scrubber.repo.get_many(&ids).await? {
            match image {
                Ok(image) => {
                    let Some(work) = image.into_work(self.before) else { continue };
                    if let Some(placed) = self.place(&work).await {
                        works.push((work, placed));
                    }
                }
                Err(bad) => {
                    if let Ok(id) = ImageId::parse(&bad.image) {
                        self.fail(&id, bad.to_string());
                    } else {
                        self.report.fail_unreadable(&bad.image, bad.to_string());
                    }
                }
            }
        }
        Ok(works)
    }

    async fn place(&mut self, work: &Work) -> Option<Vec<Placed>> {
        let all = match placing::place(&*self.scrubber.stores, work) {
            Ok(all) => all,
            Err((_, reason)) => {
                self.fail(&work.image().id, reason);
                return None;
            }
        };
        for placed in &all {
            if self.brakes.pass(placed).await.is_err() {
                self.report.deferred += 1;
                return None;
            }
        }
        Some(all)
    }

    async fn claim<'g>(
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
        let mut writes = self.scrubber.repo.claim(&claims).await?.into_iter();
        drop(claims);
        let wanted = claimed.len();
        claimed.retain(|_| writes.next() == Some(Write::Done));
        self.report.contended += (wanted - claimed.len()) as u64;
        let resumed = claimed.iter().filter(|one| one.work.kind() == WorkKind::Resumed).count();
        self.report.resumed += resumed as u64;
        Ok(claimed)
    }

    /// Learns again which of a page's values somebody else names too, if it was long ago.
    async fn refresh_contested(&mut self, page: &[ImageId]) -> Result<(), RepoError> {
        let is_fresh = self.contested.as_ref().is_some_and(|known| known.is_fresh(page));
        let ([first, .., last] | [first @ last]) = page else { return Ok(()) };
        if !is_fresh {
            self.contested = Some(Contested::read(self.scrubber, first, last).await?);
        }
        Ok(())
    }

    async fn settle(&mut self, outcomes: Vec<(Claimed<'_>, Outcome)>) -> Result<(), RepoError> {
        for (claimed, outcome) in &outcomes {
            self.record(claimed, outcome);
        }
        let settled: Vec<_> =
            outcomes.iter().filter_map(|(one, outcome)| one.settled(outcome)).collect();
        if !settled.is_empty() {
            let now = self.scrubber.clock.now_in_seconds();
            self.scrubber.repo.settle(&settled, now).await?;
        }
        for (claimed, outcome) in outcomes {
            self.count(&claimed, outcome);
        }
        Ok(())
    }

    /// Before the rows are settled: a record may come twice, and is never missing.
    fn record(&mut self, claimed: &Claimed<'_>, outcome: &Outcome) {
        if outcome.left.is_some() || outcome.stopped {
            return;
        }
        self.left = self.left.saturating_sub(1);
        if let Some(journal) = &self.scrubber.journal {
            let mut stores: Vec<_> = claimed.placed.iter().map(|one| one.store.id()).collect();
            stores.sort();
            stores.dedup();
            let (image, kind) = (claimed.work.image(), claimed.work.kind());
            journal(&Destroyed { image, kind, stores, pass: &self.name });
        }
    }

    fn count(&mut self, claimed: &Claimed<'_>, outcome: Outcome) {
        let id = &claimed.work.image().id;
        if claimed.may_give_back(&outcome) {
            self.report.given_back += 1;
        } else {
            self.report.locations_deleted += outcome.deleted.len() as u64;
            self.report.data_gone += outcome.gone;
            self.report.data_shared += outcome.shared;
            self.report.data_retained += outcome.retained;
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

    fn fail(&mut self, id: &ImageId, reason: String) {
        let now = self.scrubber.clock.now();
        self.scrubber.with_backoff(|backoff| backoff.failed(id, now));
        self.report.fail(id, reason);
    }
}
