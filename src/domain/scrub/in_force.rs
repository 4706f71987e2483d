//! The `scrub_time` and rules in force: an image waits as long as the longest time that a pass of
//! any process has applied, until somebody accepts a shorter one. This needs our own tables;
//! without them the settings of this process apply.

use std::time::Duration;

use super::Scrubber;
use super::horizon::Horizon;
use super::limit::{Limited, Lowered, Tally};
use super::report::ScrubReport;
use super::work::{Work, WorkKind};
use crate::domain::control::{Orders, PassResult};
use crate::domain::repo::RepoError;
use crate::domain::retention::{Facts, InForce, KeptText, Retention};
use crate::domain::time::Timestamp;

impl Work {
    /// Whether the work was already due by this time. Work that a pass has claimed always counts as
    /// due.
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

/// The horizons of a pass or a plan.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// Under this process's own settings.
    pub(super) own: Horizon,
    /// Under everything in force; never later than `own`.
    pub(super) in_force: Horizon,
    waits: InForce,
    is_shorter: bool,
    kept: Duration,
    scrub_time: Duration,
}

impl Times {
    /// Describes the images that are due only because of shorter times, if there are any.
    pub(super) fn lowered(&self, images: u64) -> Option<Lowered> {
        let (from, to) = (self.kept, self.scrub_time);
        (images > 0).then_some(Lowered { from, to, images })
    }

    /// Whether the work is due only because of shorter times.
    pub(super) fn is_early(&self, work: &Work, image: Option<&Facts>) -> bool {
        self.is_shorter && !work.was_due(self.in_force.before(image))
    }

    pub(super) fn is_shorter(&self) -> bool {
        self.is_shorter
    }
}

/// The times in our table.
#[derive(Debug, Default)]
pub(super) struct Stored {
    scrub_time: Option<Duration>,
    retention: Option<String>,
}

/// The retentions that passes have applied. If the stored text is unreadable, nothing is due.
fn kept(orders: &Orders) -> Vec<Retention> {
    match orders.retention.as_deref().map(KeptText::parse) {
        Some(Some(kept)) => kept.all,
        Some(None) => vec![Retention::plain(Duration::MAX)],
        None => orders.scrub_time.map(Retention::plain).into_iter().collect(),
    }
}

impl Scrubber {
    /// What is due at `now`, under this process's settings and under everything in force.
    pub(super) fn times(&self, now: Timestamp, orders: Option<&Orders>) -> Times {
        let own = &self.retention;
        let kept = orders.map(kept).unwrap_or_default();
        let longest = kept.iter().map(|one| one.scrub_time).max();
        let waits = InForce::of(own, &kept);
        Times {
            own: Horizon::new(now, own.clone().into()),
            in_force: Horizon::new(now, waits.clone()),
            is_shorter: waits != InForce::from(own.clone()),
            waits,
            kept: longest.map_or(own.scrub_time, |kept| kept.max(own.scrub_time)),
            scrub_time: own.scrub_time,
        }
    }

    /// Whether rules, configured or in force, make some images due earlier than before.
    pub async fn has_shorter_rules(&self) -> Result<bool, RepoError> {
        let times = self.times(self.present().await?, self.orders().await?.as_ref());
        let has_rules = times.waits.has_rules() || !self.retention.rules.is_empty();
        Ok(times.is_shorter() && has_rules)
    }

    /// How many images are due only because of shorter times, according to the rows.
    pub(super) async fn lowered(&self, times: &Times, due: Tally) -> Result<u64, RepoError> {
        if !times.is_shorter() || due.images == 0 {
            return Ok(0);
        }
        let before = self.count(&times.in_force).await?;
        Ok(due.images.saturating_sub(before.images))
    }

    /// How much is due according to the rows, and why a pass may refuse to destroy it.
    pub async fn forecast(&self) -> Result<(Tally, Option<Limited>), RepoError> {
        let now = self.present().await?;
        let times = self.times(now, self.orders().await?.as_ref());
        let due = self.count(&times.own).await?;
        let lowered = times.lowered(self.lowered(&times, due).await?);
        Ok((due, self.settings.limits.judge(due, lowered, None).err()))
    }

    pub(super) async fn orders(&self) -> Result<Option<Orders>, RepoError> {
        match &self.control {
            Some(control) => control.orders().await,
            None => Ok(None),
        }
    }

    /// Stores longer times, which take effect immediately. Returns what is stored then.
    pub(super) async fn keep_times(
        &self,
        times: &Times,
        orders: Option<&Orders>,
    ) -> Result<Stored, RepoError> {
        let own = self.retention.scrub_time;
        let (Some(control), Some(orders)) = (&self.control, orders) else {
            return Ok(Stored::default());
        };
        let mut stored =
            Stored { scrub_time: orders.scrub_time, retention: orders.retention.clone() };
        if orders.scrub_time < Some(own) {
            control.keep_scrub_time(own).await?;
            stored.scrub_time = Some(own);
        }
        let is_told_by_time = orders.retention.is_none() && !times.waits.has_rules();
        if !is_told_by_time && kept(orders) != times.waits.all() {
            stored.retention =
                self.replace_retention(stored.retention.as_deref(), times.waits.all()).await?;
        }
        Ok(stored)
    }

    /// Puts shorter times into force after somebody accepted what they make due. Keeps what
    /// somebody else has stored meanwhile.
    pub(super) async fn shorten(&self, times: &Times, stored: &Stored) -> Result<(), RepoError> {
        let Some(control) = self.control.as_ref().filter(|_| times.is_shorter()) else {
            return Ok(());
        };
        let (from, to) = (times.kept.as_secs(), times.scrub_time.as_secs());
        tracing::warn!(from, to, "the shorter times were accepted, and are in force");
        let own = std::slice::from_ref(&self.retention);
        if !self.retention.rules.is_empty() {
            self.replace_retention(stored.retention.as_deref(), own).await?;
        } else if stored.retention.is_some() {
            self.replace_retention(stored.retention.as_deref(), &[]).await?;
        }
        match stored.scrub_time {
            Some(from) => control.shorten_scrub_time(from, times.scrub_time).await,
            None => Ok(()),
        }
    }

    /// Replaces the stored rules, unless somebody else changed them meanwhile: the next pass sees
    /// that change. Returns the text that was to be stored.
    async fn replace_retention(
        &self,
        from: Option<&str>,
        to: &[Retention],
    ) -> Result<Option<String>, RepoError> {
        let known = from.and_then(KeptText::parse);
        let change = known.map_or(0, |known| known.change).wrapping_add(1);
        let text = (!to.is_empty()).then(|| KeptText { change, all: to.to_vec() }.text());
        if let Some(control) = &self.control {
            control.keep_retention(from, text.as_deref()).await?;
        }
        Ok(text)
    }

    /// Publishes that a pass begins. Nothing depends on it.
    pub(super) async fn note_beginning(&self) {
        if let Some(control) = &self.control
            && let Err(error) = control.pass_began().await
        {
            tracing::debug!(%error, "cannot record the start of the pass");
        }
    }

    /// Publishes the result of the pass.
    pub(super) async fn note_end(&self, result: &Result<ScrubReport, RepoError>) {
        let result = match result {
            Ok(report) => report.result(),
            Err(_) => PassResult { outcome: "failed".to_owned(), ..PassResult::default() },
        };
        if let Some(control) = &self.control
            && let Err(error) = control.pass_ended(&result).await
        {
            tracing::debug!(%error, "cannot record the result of the pass");
        }
    }
}
