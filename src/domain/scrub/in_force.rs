//! The `scrub_time` in force: the longest one that a pass of any process went by, until somebody
//! accepts a shorter one. Needs our own tables; without them it is this process's own.

use std::time::Duration;

use super::Scrubber;
use super::limit::{Limited, Lowered, Tally};
use super::report::ScrubReport;
use super::work::{Work, WorkKind};
use crate::domain::control::{Orders, PassResult};
use crate::domain::repo::RepoError;
use crate::domain::time::Timestamp;

impl Work {
    /// Whether it was due by this time already. What a pass has claimed goes on whatever is said since.
    fn was_due(&self, before: Timestamp) -> bool {
        match self.kind() {
            WorkKind::Resumed => true,
            WorkKind::Due => self.image().waits_since().is_some_and(|at| at <= before),
            WorkKind::Leftovers => {
                let mut targets = self.targets().iter();
                targets.all(|one| one.is_claimed() || one.stamp() <= Some(before))
            }
        }
    }
}

/// What a pass or a plan has to go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// What was deleted at this time or earlier is due.
    pub(super) before: Timestamp,
    /// The same by the `scrub_time` in force: never later.
    pub(super) in_force: Timestamp,
    kept: Duration,
    own: Duration,
}

impl Times {
    /// Of what is due, so many images are due by the shorter time alone.
    pub(super) fn lowered(&self, images: u64) -> Option<Lowered> {
        (images > 0).then_some(Lowered { from: self.kept, to: self.own, images })
    }

    /// Whether the work is due by the shorter time alone.
    pub(super) fn is_early(&self, work: &Work) -> bool {
        self.in_force < self.before && !work.was_due(self.in_force)
    }

    pub(super) fn is_shorter(&self) -> bool {
        self.own < self.kept
    }
}

impl Scrubber {
    /// What is due at `now`, by both times.
    pub(super) fn times(&self, now: Timestamp, orders: Option<&Orders>) -> Times {
        let own = self.settings.scrub_time;
        let kept = orders.and_then(|orders| orders.scrub_time).map_or(own, |kept| kept.max(own));
        let before = self.deleted_before(now);
        Times { before, in_force: super::earlier(now, kept), kept, own }
    }

    /// How many of the images that are due are so by the shorter time alone, as far as rows tell.
    pub(super) async fn lowered(&self, times: Times, due: Tally) -> Result<u64, RepoError> {
        if !times.is_shorter() || due.images == 0 {
            return Ok(0);
        }
        let before = self.repo.count_due(times.in_force).await?;
        Ok(due.images.saturating_sub(before.images))
    }

    /// How much is due as far as rows tell, and why a pass may destroy nothing of it.
    pub async fn forecast(&self) -> Result<(Tally, Option<Limited>), RepoError> {
        let now = self.present().await?;
        let times = self.times(now, self.orders().await?.as_ref());
        let due = self.repo.count_due(times.before).await?;
        let lowered = times.lowered(self.lowered(times, due).await?);
        Ok((due, self.settings.limits.judge(due, lowered, None).err()))
    }

    pub(super) async fn orders(&self) -> Result<Option<Orders>, RepoError> {
        match &self.control {
            Some(control) => control.orders().await,
            None => Ok(None),
        }
    }

    /// A longer time than was in force is so from now on.
    pub(super) async fn keep_scrub_time(&self, orders: Option<&Orders>) -> Result<(), RepoError> {
        let own = self.settings.scrub_time;
        match (&self.control, orders) {
            (Some(control), Some(orders)) if orders.scrub_time < Some(own) => {
                control.keep_scrub_time(own).await
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Somebody has seen what is due by the shorter time, and accepted it: that time is in force.
    pub(super) async fn shorten(&self, times: Times) -> Result<(), RepoError> {
        match &self.control {
            Some(control) if times.is_shorter() => {
                let (from, to) = (times.kept.as_secs(), times.own.as_secs());
                tracing::warn!(from, to, "the shorter scrub_time was accepted, and is in force");
                control.shorten_scrub_time(times.kept, times.own).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Tells all others that a pass begins. Nothing depends on it.
    pub(super) async fn note_beginning(&self) {
        if let Some(control) = &self.control
            && let Err(error) = control.pass_began().await
        {
            tracing::debug!(%error, "that a pass begins was not written down");
        }
    }

    /// Tells all others what came of it.
    pub(super) async fn note_end(&self, result: &Result<ScrubReport, RepoError>) {
        let result = match result {
            Ok(report) => report.result(),
            Err(_) => PassResult { outcome: "failed".to_owned(), ..PassResult::default() },
        };
        if let Some(control) = &self.control
            && let Err(error) = control.pass_ended(&result).await
        {
            tracing::debug!(%error, "what came of the pass was not written down");
        }
    }
}
