//! Plans the next passes: the same decisions as in a pass, without writes.

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

/// Pairs of project and store listed individually; the number of projects is unbounded.
const MOST_GROUPS: usize = 1000;
/// Images listed individually.
const MOST_NEXT: usize = 100;
/// Examples per obstacle.
const MOST_EXAMPLES: usize = 3;

/// What the passes until a future time will destroy.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// When the plan was made, by the clock that decides what is due.
    pub now: Timestamp,
    /// The plan includes everything that is due at this time.
    pub until: Timestamp,
    /// Everything that would be destroyed.
    pub total: Tally,
    /// The same by project and store, ordered by when their first image is due. An image with
    /// copies in several stores is in several groups.
    pub groups: Vec<PlanGroup>,
    /// What was omitted from the groups because there were too many.
    pub other_groups: Tally,
    /// The images that are due first, not all of them.
    pub next: Vec<PlannedImage>,
    /// Images that are due, but that a pass would skip.
    pub stopped: Vec<Stopped>,
    /// Whether every image was searched. In very large tables a plan stops searching for remnants,
    /// which no index finds; later passes find them.
    pub is_complete: bool,
    /// Why a single pass over all of this would be refused.
    pub limited: Option<Limited>,
}

/// One project's images in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanGroup {
    /// `images.owner`.
    pub project: Option<String>,
    /// The store; `None` for images without any remaining data.
    pub store: Option<String>,
    /// How much.
    pub tally: Tally,
    /// When the first of them may be destroyed.
    pub first_at: Timestamp,
}

/// One image that would be destroyed. Compared by its fields, in this order.
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
    /// Whether the image itself lives, and only locations removed from it are scrubbed.
    pub leftovers: bool,
    /// The retention rule that decides when; `None` if `scrub_time` does.
    pub rule: Option<String>,
}

/// Images that a pass would skip, for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The kind.
    pub obstacle: Obstacle,
    /// How much.
    pub tally: Tally,
    /// The first few: each id with its reason.
    pub examples: Vec<(String, String)>,
}

impl Scrubber {
    /// Plans the passes from now until `within` from now. Memory use is bounded, whatever the
    /// backlog.
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
            // what is already claimed may be destroyed at any time
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

/// A plan under construction.
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
