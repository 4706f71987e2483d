//! One pass: chapters of candidates, in batches of claims.

mod claim;
mod settle;

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backlog::Chapter;
use super::circuit_breaker::CircuitBreaker;
use super::destroy::Destroyer;
use super::horizon::Horizon;
use super::last_copy;
use super::limit::{Allowance, Limited};
use super::pace::Pace;
use super::placing;
use super::shared_data::SharedData;
use super::work::Work;
use super::{ScrubReport, Scrubber};
use crate::domain::image::ImageId;
use crate::domain::lock::ImageGuard;
use crate::domain::repo::RepoError;
use crate::domain::store::Placed;
use crate::domain::time::Timestamp;

pub(super) struct Pass<'a> {
    scrubber: &'a Scrubber,
    stop: &'a CancellationToken,
    horizon: Horizon,
    /// The pass's name: when it began.
    name: String,
    /// What may still be destroyed.
    left: Allowance,
    /// Whether more is due than it may destroy.
    is_over: bool,
    breaker: CircuitBreaker,
    shared: Option<SharedData>,
    again: Vec<ImageId>,
    is_last_try: bool,
    pace: Pace,
    report: ScrubReport,
}

impl<'a> Pass<'a> {
    /// A pass at `now` over what is due, limited by `left`.
    pub(super) fn new(
        scrubber: &'a Scrubber,
        stop: &'a CancellationToken,
        now: Timestamp,
        horizon: Horizon,
        left: Allowance,
    ) -> Self {
        Self {
            scrubber,
            stop,
            horizon,
            name: now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            left,
            is_over: false,
            breaker: CircuitBreaker::new(scrubber.settings.absent_limit),
            shared: None,
            again: Vec::new(),
            is_last_try: false,
            pace: Pace::new(),
            report: ScrubReport::default(),
        }
    }

    /// The pass's name in records: when it began.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn into_report(self) -> ScrubReport {
        self.report
    }

    /// `first` is the chapter that was read when the limits were checked.
    pub(super) async fn run(&mut self, first: Chapter) -> Result<(), RepoError> {
        self.breaker.remember(&*self.scrubber.tripped.lock().await).await;
        self.all_due(first).await?;
        if self.is_over {
            return self.stop_at_limit().await;
        }
        // claim only as many as the limit allows; the others wait for the next pass
        if !self.report.interrupted {
            let remnants = self.scrubber.some_remnants(&self.horizon);
            match self.stop.run_until_cancelled(remnants).await.transpose()? {
                Some(ids) => self.all_of(&ids).await?,
                None => self.report.interrupted = true,
            }
        }
        self.finish().await
    }

    async fn all_due(&mut self, first: Chapter) -> Result<(), RepoError> {
        let mut chapter = first;
        loop {
            self.all_of(&chapter.ids()).await?;
            let next = chapter.next().filter(|_| !self.is_over && !self.report.interrupted);
            let Some(after) = next else { return Ok(()) };
            let read = self.stop.run_until_cancelled(self.scrubber.chapter(&self.horizon, after));
            let Some(read) = read.await.transpose()? else {
                self.report.interrupted = true;
                return Ok(());
            };
            chapter = read;
        }
    }

    async fn all_of(&mut self, ids: &[ImageId]) -> Result<(), RepoError> {
        if ids.is_empty() || !self.count_shared(ids).await? {
            return Ok(());
        }
        let mut rest = ids;
        while !rest.is_empty() && !self.is_over {
            let (some, later) = rest.split_at(self.pace.batch().min(rest.len()));
            rest = later;
            self.report.seen += some.len() as u64;
            self.timed_batch(some).await?;
        }
        self.again().await
    }

    /// Ends a pass during which more became due than it may destroy.
    async fn stop_at_limit(&mut self) -> Result<(), RepoError> {
        let due = self.scrubber.count(&self.horizon).await?;
        let limits = self.scrubber.settings.limits;
        self.report.limited = Some(Limited { due, limits, lowered: None, accepted: None });
        self.finish().await
    }

    /// Counts the rows that share data. False if the pass was stopped meanwhile.
    async fn count_shared(&mut self, ids: &[ImageId]) -> Result<bool, RepoError> {
        let shared = self.stop.run_until_cancelled(SharedData::of(
            self.scrubber,
            ids,
            self.horizon.surely(),
        ));
        let shared = shared.await.transpose()?;
        self.report.interrupted |= shared.is_none();
        self.shared = shared;
        Ok(self.shared.is_some())
    }

    /// Retries images that must be handled alone, or after all others.
    async fn again(&mut self) -> Result<(), RepoError> {
        let ids = std::mem::take(&mut self.again);
        self.is_last_try = true;
        for id in ids {
            self.timed_batch(&[id]).await?;
        }
        self.is_last_try = false;
        Ok(())
    }

    async fn timed_batch(&mut self, ids: &[ImageId]) -> Result<(), RepoError> {
        if self.stop.is_cancelled() {
            self.report.interrupted = true;
            return Ok(());
        }
        let (began, failed) = (Instant::now(), self.report.failed);
        self.batch(ids).await?;
        self.pace.took(began.elapsed(), self.report.failed == failed);
        self.tell_progress();
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RepoError> {
        let mut tripped = self.scrubber.tripped.lock().await;
        self.report.alerts = self.breaker.alerts(&mut tripped).await;
        let taken = self.report.taken_by_others;
        if taken > 0 {
            self.report.alerts.push(format!(
                "{taken} locations were destroyed by another program: stop glance-scrubber, and \
                 check whether objects are deleted by hand"
            ));
        }
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
        let works = self.read(guards).await?;
        let mut works = self.without_last_copies(works).await;
        let fit = self.left.prefix(works.iter().map(|(work, _)| work.image().size));
        self.is_over |= works.len() > fit;
        works.truncate(fit);
        let claimed = self.claim(works, guards).await?;
        let (scrubber, stop) = (self.scrubber, self.stop);
        let Some(counts) = self.shared.as_mut().filter(|_| !claimed.is_empty()) else {
            return Ok(());
        };
        // a pass that is stopped here releases its claims
        stop.run_until_cancelled(counts.catch_up(scrubber)).await.transpose()?;
        let shares = counts.shares(scrubber, &claimed);
        let destroyer = Destroyer { scrubber, breaker: &self.breaker, shares: &shares, stop };
        let outcomes = destroyer.destroy_all(claimed).await;
        self.settle(outcomes).await
    }

    /// Reads the locked images, and keeps those of which every location can be destroyed, so that
    /// no image is left half destroyed.
    async fn read(
        &mut self,
        guards: &HashMap<ImageId, ImageGuard>,
    ) -> Result<Vec<(Work, Vec<Placed>)>, RepoError> {
        let ids: Vec<_> = guards.keys().cloned().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut works = Vec::new();
        let read = self.stop.run_until_cancelled(self.scrubber.repo.get_many(&ids)).await;
        let Some(images) = read.transpose()? else {
            self.report.interrupted = true;
            return Ok(works);
        };
        let mut unread: HashSet<_> = ids.iter().map(ImageId::as_str).collect();
        for image in &images {
            unread.remove(image.as_ref().map_or_else(|bad| &*bad.image, |image| image.id.as_str()));
        }
        if !self.is_last_try {
            self.again.extend(ids.iter().filter(|id| unread.contains(id.as_str())).cloned());
        }
        let facts = self.scrubber.facts_of_read(&self.horizon, &images).await?;
        for image in images {
            match image {
                Ok(image) => {
                    let before = self.horizon.before(facts.get(&image.id));
                    let Some(work) = image.into_work(before) else { continue };
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
            if self.breaker.admits(placed).await.is_err() {
                self.report.deferred += 1;
                return None;
            }
        }
        Some(all)
    }

    /// Omits removed locations of living images whose live locations show no data: a removed
    /// location may be the last copy.
    async fn without_last_copies(
        &mut self,
        works: Vec<(Work, Vec<Placed>)>,
    ) -> Vec<(Work, Vec<Placed>)> {
        let stores = &*self.scrubber.stores;
        let look = |(work, placed): (Work, Vec<Placed>)| async move {
            (!last_copy::may_be(&work, &placed, stores).await, work, placed)
        };
        let looks: Vec<_> = works.into_iter().map(look).collect();
        let looks = stream::iter(looks).buffered(self.scrubber.settings.pool_size);
        let looked: Vec<_> = looks.collect().await;
        let mut going = Vec::new();
        for (may_go, work, placed) in looked {
            if may_go {
                going.push((work, placed));
            } else {
                let text =
                    "its live locations have no data: the removed location may be the last copy";
                self.fail(&work.image().id, text.to_owned());
            }
        }
        going
    }

    fn fail(&mut self, id: &ImageId, reason: String) {
        let now = self.scrubber.clock.now();
        self.scrubber.with_backoff(|backoff| backoff.failed(id, now));
        self.report.fail(id, reason);
    }
}
