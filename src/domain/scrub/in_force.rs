//! The `scrub_time` and the rules in force: an image waits as long as the longest that a pass of any
//! process went by, until somebody accepts less. Needs our own tables; without them it is what this
//! process has.

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
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// What is due by what this process has.
    pub(super) own: Horizon,
    /// What is due by all that is in force: never more.
    pub(super) in_force: Horizon,
    waits: InForce,
    is_shorter: bool,
    kept: Duration,
    scrub_time: Duration,
}

impl Times {
    /// Of what is due, so many images are due by shorter times alone.
    pub(super) fn lowered(&self, images: u64) -> Option<Lowered> {
        let (from, to) = (self.kept, self.scrub_time);
        (images > 0).then_some(Lowered { from, to, images })
    }

    /// Whether the work is due by shorter times alone.
    pub(super) fn is_early(&self, work: &Work, image: Option<&Facts>) -> bool {
        self.is_shorter && !work.was_due(self.in_force.before(image))
    }

    pub(super) fn is_shorter(&self) -> bool {
        self.is_shorter
    }
}

/// What our table says of times.
#[derive(Debug, Default)]
pub(super) struct Stored {
    scrub_time: Option<Duration>,
    retention: Option<String>,
}

/// What passes went by; an order that cannot be read keeps everything.
fn kept(orders: &Orders) -> Vec<Retention> {
    match orders.retention.as_deref().map(KeptText::parse) {
        Some(Some(kept)) => kept.all,
        Some(None) => vec![Retention::plain(Duration::MAX)],
        None => orders.scrub_time.map(Retention::plain).into_iter().collect(),
    }
}

impl Scrubber {
    /// What is due at `now`, by what this process has, and by what is in force.
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

    /// Whether rules, here or in what passes went by, make some images due earlier than they were.
    pub async fn has_shorter_rules(&self) -> Result<bool, RepoError> {
        let times = self.times(self.present().await?, self.orders().await?.as_ref());
        let has_rules = times.waits.has_rules() || !self.retention.rules.is_empty();
        Ok(times.is_shorter() && has_rules)
    }

    /// How many of the images that are due are so by shorter times alone, as far as rows tell.
    pub(super) async fn lowered(&self, times: &Times, due: Tally) -> Result<u64, RepoError> {
        if !times.is_shorter() || due.images == 0 {
            return Ok(0);
        }
        let before = self.count(&times.in_force).await?;
        Ok(due.images.saturating_sub(before.images))
    }

    /// How much is due as far as rows tell, and why a pass may destroy nothing of it.
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

    /// What lets an image wait longer than it did is in force from now on. Returns what is stored then.
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

    /// Somebody has seen what is due by shorter times, and accepted it: these are in force. What
    /// somebody else has stored meanwhile stays.
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

    /// Unless somebody else wrote it meanwhile: the next pass sees that. Returns what was to be stored.
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

    /// Tells all others that a pass begins. Nothing depends on it.
    pub(super) async fn note_beginning(&self) {
        if let Some(control) = &self.control
            && let Err(error) = control.pass_began().await
        {
            tracing::debug!(%error, "cannot record the start of the pass");
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
            tracing::debug!(%error, "cannot record the result of the pass");
        }
    }
}
