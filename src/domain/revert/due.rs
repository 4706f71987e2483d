//! When pending images are due.

use std::collections::HashMap;

use super::Reverter;
use crate::domain::image::{Image, ImageId, Waiting};
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort, RepoError};
use crate::domain::retention::{Facts, Retention, Rule};
use crate::domain::summary::{GroupBy, Summary};
use crate::domain::time::Timestamp;

/// Images read at a time.
const PAGE: u32 = 1000;
/// Images whose locations are read at a time.
const BATCH: usize = 64;

/// The stores of images.
type StoresOf = HashMap<ImageId, Vec<Option<String>>>;

impl Reverter {
    /// Sets how long images wait.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention: Some(retention), ..self }
    }

    /// The rules that decide how long these images wait. Images without a rule wait for
    /// `scrub_time`.
    pub async fn rules_of(
        &self,
        _by: &Admin,
        ids: &[ImageId],
    ) -> Result<HashMap<ImageId, Rule>, RepoError> {
        let Some(Retention { rules, .. }) = &self.retention else { return Ok(HashMap::new()) };
        if rules.is_empty() || ids.is_empty() {
            return Ok(HashMap::new());
        }
        let facts = self.repo.facts_of(ids, &rules.labels()).await?.into_iter();
        Ok(facts.filter_map(|(id, facts)| Some((id, rules.first(&facts)?.clone()))).collect())
    }

    /// The rule for an image that was read with its children.
    pub(super) fn rule_of(&self, image: &Image) -> Option<Rule> {
        let rules = &self.retention.as_ref()?.rules;
        rules.first(&Facts::of(image)).cloned()
    }

    /// If there are rules, the image that was deleted first need not be the first that is due, so
    /// all pending images are read, page by page.
    pub(super) async fn note_first_due(
        &self,
        summary: &mut Summary,
        query: &PendingQuery,
        by: GroupBy,
    ) -> Result<(), RepoError> {
        let Some(retention) = self.retention.as_ref().filter(|one| !one.rules.is_empty()) else {
            return Ok(());
        };
        let labels = retention.rules.labels();
        let sort = PendingSort::OldestFirst;
        let mut query = PendingQuery { sort, limit: PAGE, marker: None, ..query.clone() };
        loop {
            let rows = self.repo.list_pending(&query, self.unscrubbed_after()).await?;
            let is_last = rows.len() < PAGE as usize;
            let mut page: Vec<_> = rows.into_iter().flatten().collect();
            query.marker = page.last().map(PendingMarker::from);
            let wanted = query.visibility.as_ref();
            page.retain(|one| wanted.is_none_or(|wanted| one.visibility == *wanted));
            let ids: Vec<_> = page.iter().map(|one| one.id.clone()).collect();
            let facts = self.repo.facts_of(&ids, &labels).await?;
            let stores = if by.store { self.stores_of(&ids).await? } else { StoresOf::new() };
            for one in &page {
                let wait = facts.get(&one.id).map(|facts| retention.due_at(facts, one.deleted_at));
                let longest =
                    || crate::domain::retention::later(one.deleted_at, retention.longest());
                let place = (one.owner.as_deref(), one.deleted_at, stores.get(&one.id));
                note(summary, wait.unwrap_or_else(longest), place, by);
            }
            if is_last || query.marker.is_none() {
                return Ok(());
            }
        }
    }

    async fn stores_of(&self, ids: &[ImageId]) -> Result<StoresOf, RepoError> {
        let mut stores = StoresOf::new();
        for some in ids.chunks(BATCH) {
            for image in self.repo.get_many(some).await?.into_iter().flatten() {
                let comes_back = image.locations.iter().filter(|location| {
                    image.waiting(location).is_some_and(|why| why != Waiting::Claimed)
                });
                let mut of: Vec<_> = comes_back
                    .map(|one| {
                        self.stores.place(one).ok().map(|placed| placed.store.id().0.clone())
                    })
                    .collect();
                if of.is_empty() {
                    of.push(None);
                }
                stores.insert(image.id.clone(), of);
            }
        }
        Ok(stores)
    }
}

/// Notes one image in the total and in its groups. If its stores are not known, it may be in any of
/// them.
fn note(
    summary: &mut Summary,
    due: Timestamp,
    (owner, deleted_at, stores): (Option<&str>, Timestamp, Option<&Vec<Option<String>>>),
    by: GroupBy,
) {
    let earlier = |known: &mut Option<Timestamp>| *known = Some(known.map_or(due, |k| k.min(due)));
    earlier(&mut summary.first_due);
    let whose = by.project || by.burst;
    for group in &mut summary.groups {
        let is_owner = !whose || group.project.as_deref() == owner;
        let is_then = group.span.first <= deleted_at && deleted_at <= group.span.last;
        let is_there = stores.is_none_or(|stores| stores.contains(&group.store));
        if is_owner && is_then && is_there {
            earlier(&mut group.first_due);
        }
    }
}
