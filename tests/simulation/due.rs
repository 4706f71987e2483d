//! The invariant that no data is destroyed before it is due.

use std::time::Duration;

use glance_revert::domain::time::Timestamp;

use crate::memory::{Change, Commit, LocationRow, Tables};
use crate::objects::object;
use crate::truth::Truth;

/// The claim of a location that was not claimed before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowClaim {
    process: usize,
    /// When the location was deleted.
    since: Option<Timestamp>,
    /// When the pass began.
    began: Duration,
    /// Whether a purge claimed it: its data was destroyed before.
    is_purge: bool,
}

impl Truth {
    /// Notes who claims which location for the first time.
    pub(crate) fn note_claims(&self, commit: &Commit<'_>) {
        let mut seen = self.seen.lock().unwrap();
        let began = seen.began.get(&commit.process).copied().unwrap_or_default();
        let is_purge = seen.purging.contains_key(&commit.process);
        for (before, after) in commit.before.iter().zip(commit.after) {
            let (Change::Location(_, Some(was)), Change::Location(id, Some(is))) = (before, after)
            else {
                continue;
            };
            if is.is_claimed() && !was.is_claimed() {
                let (process, since) = (commit.process, was.deleted_at);
                seen.claims.insert(*id, RowClaim { process, since, began, is_purge });
            }
        }
    }

    /// Notes which policies all passes have to obey from now on.
    pub(crate) fn note_times(&self, commit: &Commit<'_>) {
        let [Change::Orders(was)] = commit.before else { return };
        let [Change::Orders(is)] = commit.after else { return };
        if was.scrub_time == is.scrub_time && was.retention == is.retention {
            return;
        }
        let (at, mut seen) = (self.elapsed(), self.seen.lock().unwrap());
        let Some(policy) = seen.policy_of.get(&commit.process).copied() else { return };
        // the time alone tells it only if there are no rules at all
        let is_whole = is.retention.is_some() || self.policies.get(policy).is_plain();
        if commit.event == "keep_retention" || is_whole && was.retention.is_none() {
            seen.in_force.entry(policy).or_insert(at);
        }
    }

    /// Why an object of an image must not be destroyed yet.
    pub(crate) fn why_too_early(&self, tables: &Tables, image: &str, name: &str) -> Option<String> {
        let row = tables.images.get(image)?;
        let (now, seen) = (self.latest(), self.seen.lock().unwrap());
        if seen.strange.contains(image) {
            return None;
        }
        let is_going = |row: &&LocationRow| row.is_claimed() && object(&row.value) == name;
        for location in tables.locations_of(image).filter(is_going) {
            let Some(claim) = seen.claims.get(&location.id).filter(|claim| !claim.is_purge) else {
                continue;
            };
            let looked = claim.began.saturating_sub(self.lag());
            if seen.relabelled.get(image).is_some_and(|at| *at >= looked) {
                continue;
            }
            let since = if row.deleted { row.deleted_at } else { claim.since };
            let own = seen.policy_of.get(&claim.process).copied();
            let in_force = seen.in_force.iter().filter(|(_, at)| **at + self.lag() < claim.began);
            let in_force = in_force.map(|(policy, _)| *policy).filter(|_| !seen.is_accepted);
            for policy in own.into_iter().chain(in_force) {
                let policy = self.policies.get(policy);
                let due = since.map(|since| policy.due_at(tables, image, since));
                if let Some(due) = due.filter(|due| *due > now) {
                    return Some(format!("it is not due until {due}, by {policy:?}"));
                }
            }
        }
        None
    }
}
