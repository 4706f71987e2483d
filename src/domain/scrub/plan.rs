//! What the next passes will destroy: the same decisions as a pass, and no writes.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use super::Scrubber;
use super::limit::{Limited, Tally};
use super::placing::Obstacle;
use super::survey::{Found, Survey};
use super::work::{Work, WorkKind};
use crate::domain::principal::Admin;
use crate::domain::repo::RepoError;
use crate::domain::retention::{Facts, later};
use crate::domain::store::Placed;
use crate::domain::time::Timestamp;

/// Pairs of project and store that are told one by one; there can be any number of projects.
const MOST_GROUPS: usize = 1000;
/// Images that are told one by one.
const MOST_NEXT: usize = 100;
/// Examples of each obstacle.
const MOST_EXAMPLES: usize = 3;

/// What will be destroyed by the end of a time to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// When the plan was made, by the clock that decides what is due.
    pub now: Timestamp,
    /// What is due at this time is in the plan.
    pub until: Timestamp,
    /// All that would be destroyed.
    pub total: Tally,
    /// The same by project and store, those whose first image is lost next first. An image with
    /// copies in several stores is in several groups.
    pub groups: Vec<PlanGroup>,
    /// What is in none of the groups, because there were too many.
    pub other_groups: Tally,
    /// The images that are lost next, not all of them.
    pub next: Vec<PlannedImage>,
    /// Images that are due, but that a pass leaves alone.
    pub stopped: Vec<Stopped>,
    /// Whether all images were searched. In very large tables a plan gives up on those that only a
    /// search of every row finds: what interrupted deletions left. Later passes find them.
    pub is_complete: bool,
    /// Why a pass that had to destroy all this at once would destroy nothing.
    pub limited: Option<Limited>,
}

/// One project's images in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanGroup {
    /// `images.owner`.
    pub project: Option<String>,
    /// The store; `None` for images of which no data is left.
    pub store: Option<String>,
    /// How much.
    pub tally: Tally,
    /// When the first of them may be destroyed.
    pub first_at: Timestamp,
}

/// One image that would be destroyed. Fields are compared in their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedImage {
    /// From when on it may be destroyed.
    pub scrub_at: Timestamp,
    /// `images.id`.
    pub id: String,
    /// `images.name`.
    pub name: Option<String>,
    /// `images.owner`.
    pub project: Option<String>,
    /// `images.size`.
    pub size: Option<i64>,
    /// The stores that have the data.
    pub stores: Vec<String>,
    /// Whether the image itself stays, and only locations that were removed from it are scrubbed.
    pub leftovers: bool,
    /// The retention rule that decides when; `None` where `scrub_time` does.
    pub rule: Option<String>,
}

/// Images that a pass would leave alone, for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The kind.
    pub obstacle: Obstacle,
    /// How much.
    pub tally: Tally,
    /// The first few: id, and what is in the way.
    pub examples: Vec<(String, String)>,
}

impl Scrubber {
    /// Plans the passes from now until `within` from now. Memory is bounded, whatever waits.
    pub async fn plan(&self, _: &Admin, within: Duration) -> Result<Plan, RepoError> {
        let now = self.present().await?;
        let until = later(now, within);
        let times = self.times(until, self.orders().await?.as_ref());
        let (first, judged) = self.judge(&times, None).await?;
        let mut draft = PlanDraft::default();
        let note = |found| {
            match found {
                Found::Ready { work, placed, facts } => {
                    draft.add(&self.planned(&work, &placed, facts.as_ref()));
                }
                Found::Stopped { image, size, obstacle, why } => {
                    draft.stop(image, size, obstacle, why);
                }
            }
            ControlFlow::Continue(())
        };
        let is_complete = Survey::new(self, &times.own).each(&first, note).await?;
        Ok(Plan { is_complete, limited: judged.err(), ..draft.finish(now, until) })
    }

    fn planned(&self, work: &Work, placed: &[Placed], facts: Option<&Facts>) -> PlannedImage {
        let image = work.image();
        let leftovers = work.kind() == WorkKind::Leftovers;
        let removed = work.targets().iter().filter_map(|location| location.deleted_at).min();
        let since = if leftovers { removed } else { image.waits_since() };
        let rule = facts.and_then(|facts| self.retention.rules.first(facts));
        let wait = facts.map_or(self.retention.longest(), |facts| self.retention.wait(facts));
        let mut stores: Vec<_> = placed.iter().map(|one| one.store.id().to_string()).collect();
        stores.sort();
        stores.dedup();
        PlannedImage {
            // what is claimed already may go at any time
            scrub_at: since.map(|at| later(at, wait)).unwrap_or_default(),
            id: image.id.to_string(),
            name: image.name.clone(),
            project: image.owner.clone(),
            size: image.size,
            stores,
            leftovers,
            rule: rule.map(|rule| rule.name.clone()),
        }
    }
}

/// A plan in the making.
#[derive(Default)]
struct PlanDraft {
    total: Tally,
    groups: HashMap<(Option<String>, Option<String>), (Tally, Timestamp)>,
    other_groups: Tally,
    /// The latest on top.
    next: BinaryHeap<PlannedImage>,
    stopped: BTreeMap<Obstacle, Stopped>,
}

impl PlanDraft {
    fn add(&mut self, image: &PlannedImage) {
        self.total.add(image.size);
        let stores = image.stores.iter().map(|store| Some(store.clone()));
        let stores: Vec<_> = if image.stores.is_empty() { vec![None] } else { stores.collect() };
        for store in stores {
            let key = (image.project.clone(), store);
            if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
                self.other_groups.add(image.size);
                continue;
            }
            let new = (Tally::default(), image.scrub_at);
            let (tally, first_at) = self.groups.entry(key).or_insert(new);
            tally.add(image.size);
            *first_at = image.scrub_at.min(*first_at);
        }
        self.next.push(image.clone());
        if self.next.len() > MOST_NEXT {
            self.next.pop();
        }
    }

    fn stop(&mut self, image: String, size: Option<i64>, obstacle: Obstacle, why: String) {
        let new = || Stopped { obstacle, tally: Tally::default(), examples: Vec::new() };
        let stopped = self.stopped.entry(obstacle).or_insert_with(new);
        stopped.tally.add(size);
        if stopped.examples.len() < MOST_EXAMPLES {
            stopped.examples.push((image, why));
        }
    }

    fn finish(self, now: Timestamp, until: Timestamp) -> Plan {
        let groups = self.groups.into_iter().map(|((project, store), (tally, first_at))| {
            PlanGroup { project, store, tally, first_at }
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by(|a, b| {
            (a.first_at, &a.project, &a.store).cmp(&(b.first_at, &b.project, &b.store))
        });
        Plan {
            now,
            until,
            total: self.total,
            groups,
            other_groups: self.other_groups,
            next: self.next.into_sorted_vec(),
            stopped: self.stopped.into_values().collect(),
            is_complete: true,
            limited: None,
        }
    }
}
