//! Counts what is due if there are retention rules: no database can evaluate them, so candidates
//! are read page by page and matched here.

use std::time::Duration;

use super::Scrubber;
use super::horizon::{FactsOf, Horizon};
use super::limit::Tally;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::repo::{DueImage, Outlook, RepoError};
use crate::domain::time::Timestamp;

/// Images read at a time.
const PAGE: u32 = 1000;
/// Images whose rules are looked up for [`Scrubber::count_by_rule`].
const MOST_ASKED: u64 = 10_000;

/// How many pending images wait because of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTally {
    /// The rule's name.
    pub name: String,
    /// How long these images wait.
    pub scrub_time: Duration,
    /// Its images.
    pub tally: Tally,
    /// Whether all pending images were counted.
    pub is_all: bool,
}

/// A part of what is due.
pub(super) struct Part {
    pub(super) images: Vec<DueImage>,
    /// The location after which the next part begins.
    pub(super) next: Option<i32>,
}

impl Scrubber {
    /// The images that are due after a location, among the next `limit` candidates.
    pub(super) async fn part(
        &self,
        horizon: &Horizon,
        after: i32,
        limit: u32,
    ) -> Result<Part, RepoError> {
        let limit = if horizon.has_rules() { limit.min(PAGE) } else { limit };
        let images = self.repo.list_due(horizon.latest(), after, limit).await?;
        let next = images.last().filter(|_| images.len() >= limit as usize);
        let next = next.map(|image| image.location);
        if !horizon.has_rules() {
            return Ok(Part { images, next });
        }
        let surely = horizon.surely();
        let asks = |image: &&DueImage| image.since.is_none_or(|since| since > surely);
        let asked: Vec<_> = images.iter().filter(asks).filter_map(|one| one.id.clone()).collect();
        let facts = self.facts_of(horizon, &asked).await?;
        let living: Vec<_> = images.iter().filter(|image| image.since.is_none()).collect();
        let living: Vec<_> = living.into_iter().filter_map(|one| one.id.clone()).collect();
        let removed = self.with_work(horizon, &living, &facts).await?;
        let is_due = |image: &DueImage| match (image.since, &image.id) {
            (Some(since), Some(id)) => since <= surely || since <= horizon.before(facts.get(id)),
            (None, Some(id)) => removed.contains(id),
            // without an id it cannot be matched, so it is kept
            (_, None) => true,
        };
        Ok(Part { images: images.into_iter().filter(is_due).collect(), next })
    }

    /// Those of these images that have something due, or cannot be read.
    pub(super) async fn with_work(
        &self,
        horizon: &Horizon,
        ids: &[ImageId],
        facts: &FactsOf,
    ) -> Result<Vec<ImageId>, RepoError> {
        let mut idle = Vec::new();
        if !ids.is_empty() {
            for image in self.repo.get_many(ids).await?.into_iter().flatten() {
                let (id, before) = (image.id.clone(), horizon.before(facts.get(&image.id)));
                if image.into_work(before).is_none() {
                    idle.push(id);
                }
            }
        }
        Ok(ids.iter().filter(|id| !idle.contains(id)).cloned().collect())
    }

    /// How much is due, according to the rows.
    pub(super) async fn count(&self, horizon: &Horizon) -> Result<Tally, RepoError> {
        if !horizon.has_rules() {
            return self.repo.count_due(horizon.latest()).await;
        }
        let (mut tally, mut next) = (Tally::default(), Some(0));
        while let Some(after) = next {
            let part = self.part(horizon, after, PAGE).await?;
            part.images.iter().for_each(|image| tally.add(image.size));
            next = part.next;
        }
        Ok(tally)
    }

    /// What is pending, and how much of it is due after each of these waits. `since` is when recent
    /// deletions begin.
    pub async fn outlook(
        &self,
        waits: [Duration; 3],
        since: Timestamp,
    ) -> Result<Outlook, RepoError> {
        let now = self.horizon().await?;
        let horizons = waits.map(|wait| now.after(wait));
        let [first, second, last] = &horizons;
        let before = [first, second, last].map(Horizon::surely);
        let mut outlook = self.repo.outlook(before, since).await?;
        // and the images that only rules can judge
        let mut next = Some(0).filter(|_| now.has_rules());
        while let Some(after) = next {
            // the waits are ascending, so the last one includes everything
            let part = self.part(last, after, PAGE).await?;
            let ids: Vec<_> = part.images.iter().filter_map(|image| image.id.clone()).collect();
            let facts = self.facts_of(last, &ids).await?;
            for image in part.images.iter().filter(|image| image.since.is_some()) {
                let facts = image.id.as_ref().and_then(|id| facts.get(id));
                for (horizon, tally) in horizons.iter().zip(&mut outlook.due) {
                    let is_sure = image.since <= Some(horizon.surely());
                    if !is_sure && image.since <= Some(horizon.before(facts)) {
                        tally.add(image.size);
                    }
                }
            }
            next = part.next;
        }
        Ok(outlook)
    }

    /// How many pending images wait because of each rule; only the first ten thousand of a large
    /// backlog are counted.
    pub async fn count_by_rule(&self, _: &Admin) -> Result<Vec<RuleTally>, RepoError> {
        let rules = &self.retention.rules;
        let mut tallies = vec![Tally::default(); rules.iter().count()];
        let (now, labels) = (self.present().await?, rules.labels());
        let (mut next, mut asked) = (Some(0).filter(|_| !rules.is_empty()), 0);
        while let Some(after) = next.filter(|_| asked < MOST_ASKED) {
            let images = self.repo.list_due(now, after, PAGE).await?;
            let waiting = images.iter().filter(|image| image.since.is_some());
            let ids: Vec<_> = waiting.filter_map(|image| image.id.clone()).collect();
            let facts = self.repo.facts_of(&ids, &labels).await?;
            for image in facts.values() {
                let first = rules.first(image);
                let at = rules.iter().position(|rule| first == Some(rule));
                if let Some(tally) = at.and_then(|at| tallies.get_mut(at)) {
                    tally.add(image.size);
                }
            }
            asked += images.len() as u64;
            let more = images.last().filter(|_| images.len() >= PAGE as usize);
            next = more.map(|image| image.location);
        }
        let of = |(rule, tally): (&crate::domain::retention::Rule, Tally)| RuleTally {
            name: rule.name.clone(),
            scrub_time: rule.scrub_time,
            tally,
            is_all: next.is_none(),
        };
        Ok(rules.iter().zip(tallies).map(of).collect())
    }
}
