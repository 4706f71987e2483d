//! The invariants of transactions and of destroyed objects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use glance_revert::domain::image::{ImageStatus, State};
use glance_revert::domain::location::LocationStatus;

use crate::memory::{Cause, Change, ChildKind, Commit, LocationRow, Tables};
use crate::objects::object;
use crate::truth::Truth;
use crate::world::World;

impl Truth {
    /// The product destroys an object of an image at this moment.
    pub(crate) fn destroys(&self, world: &World, process: usize, image: &str, name: &str) {
        self.tell(|| format!("process {process} destroys {name} of {image}"));
        let problem = world.database.latest(|tables| {
            let why = self.why_not_destroy(tables, process, image, name);
            why.or_else(|| self.why_too_early(tables, image, name))
        });
        let mut seen = self.seen.lock().unwrap();
        seen.destroyed.insert(image.to_owned());
        seen.gone.insert(name.to_owned());
        drop(seen);
        if let Some(problem) = problem {
            self.fail(format!("{name} of {image} is destroyed, and {problem}"));
        }
    }

    fn why_not_destroy(
        &self,
        tables: &Tables,
        process: usize,
        image: &str,
        name: &str,
    ) -> Option<String> {
        let names_it = |row: &&LocationRow| object(&row.value) == name;
        let mut own = tables.locations_of(image).filter(names_it).peekable();
        let is_ours = |row: &LocationRow| row.is_claimed() || row.status == LocationStatus::Deleted;
        if own.peek().is_some() && !own.any(is_ours) {
            return Some("no row of it is claimed".to_owned());
        }
        let seen = self.seen.lock().unwrap();
        let since = seen.claimed.get(&(process, image.to_owned())).copied().unwrap_or_default();
        let is_later =
            |row: &LocationRow| seen.born.get(&row.id).is_some_and(|at| *at + self.lag() >= since);
        let policy = self.policies.get(seen.policy_of.get(&process).copied().unwrap_or_default());
        let now = self.now();
        let needs_it = |row: &LocationRow| match row.status {
            LocationStatus::Active => !row.deleted,
            LocationStatus::PendingDelete => !row.is_claimed(),
            LocationStatus::Deleted => {
                let its = tables.images.get(&row.image);
                its.is_some_and(|its| {
                    its.deleted
                        && row.deleted_at == its.deleted_at
                        && row.deleted_at.is_some_and(|at| policy.due_at(tables, &its.id, at) > now)
                })
            }
        };
        let others: Vec<_> =
            tables.locations.values().filter(names_it).filter(|row| needs_it(row)).collect();
        let later: Vec<_> =
            others.iter().filter(|row| is_later(row)).map(|row| row.image.clone()).collect();
        let other = others.iter().find(|row| !is_later(row));
        let why = other.map(|other| format!("row {} of {} needs it", other.id, other.image));
        drop(seen);
        // a location that was added between the last look and the deletion
        self.seen.lock().unwrap().strange.extend(later);
        why
    }

    pub(crate) fn is_whole(&self, row: &LocationRow) -> bool {
        self.objects.lock().unwrap().whole.contains_key(&object(&row.value))
    }

    /// The same, and they are the bytes of its image.
    fn has_own_data(&self, row: &LocationRow) -> bool {
        let objects = self.objects.lock().unwrap();
        objects.whole.get(&object(&row.value)).is_some_and(|content| content.of == row.image)
    }

    /// Checks that no image is claimed after its hold, or a pause, was answered.
    fn check_claim(&self, commit: &Commit<'_>, images: &BTreeSet<String>) {
        let now = self.now();
        let mut seen = self.seen.lock().unwrap();
        let mut problems = Vec::new();
        for id in images {
            let at = self.elapsed();
            seen.claimed.insert((commit.process, id.clone()), at);
            if seen.held.get(id).is_some_and(|until| *until > now) {
                problems.push(format!("{id} is claimed, and its hold was answered"));
            }
            if seen.paused.is_some_and(|until| until > now) {
                problems.push(format!("{id} is claimed, and a pause was answered"));
            }
        }
        drop(seen);
        for problem in problems {
            self.fail(problem);
        }
    }

    /// Checks that an image's change and its audit entry are in one transaction.
    fn check_audit(&self, commit: &Commit<'_>, id: &str, operation: &str) {
        let is_its = |change: &Change| {
            matches!(change, Change::Audit(_, Some(row))
                if row.image_id.as_deref() == Some(id) && row.operation == operation)
        };
        if !commit.after.iter().any(is_its) {
            self.fail(format!("{} of {id} is written without its entry", commit.event));
        }
    }

    /// Which children came back, and which did not.
    fn check_children(&self, commit: &Commit<'_>, id: &str) {
        let old = |number: i32| {
            commit.before.iter().find_map(|change| match change {
                Change::Child(its, Some(row)) if *its == number => Some(row),
                _ => None,
            })
        };
        let moment = commit.before.iter().find_map(|change| match change {
            Change::Image(its, Some(row)) if its == id => row.deleted_at,
            _ => None,
        });
        for change in commit.after {
            let Change::Child(number, Some(row)) = change else { continue };
            let was = old(*number).filter(|_| row.image == id && row.kind != ChildKind::Property);
            if let Some(was) = was
                && let Cause::User(at) = was.cause
                // with whole seconds, two times within one second are indistinguishable
                && Some(at) != moment
            {
                self.fail(format!(
                    "{:?} {} of {id}, revoked by a user, is back",
                    row.kind, row.word
                ));
            }
            if row.image == id && row.word.starts_with("os_glance_") {
                self.fail(format!("{} of {id} is back", row.word));
            }
        }
    }

    /// A location that a user removed comes back only if no other one has its data.
    fn check_locations(&self, commit: &Commit<'_>, id: &str) {
        let since = self.elapsed().saturating_sub(Duration::from_mins(2));
        if self.turned_since(since) || self.seen.lock().unwrap().strange.contains(id) {
            return;
        }
        let old = |number: i32| {
            commit.before.iter().find_map(|change| match change {
                Change::Location(its, Some(row)) if *its == number => Some(row),
                _ => None,
            })
        };
        let mut removed = None;
        for change in commit.after {
            let Change::Location(number, Some(row)) = change else { continue };
            if row.image == id && row.is_live() {
                removed = removed.or(old(*number).and_then(|was| match was.cause {
                    Cause::User(at) => Some((row.id, at)),
                    _ => None,
                }));
            }
        }
        let deleted = |row: &&LocationRow| match row.cause {
            Cause::Delete(at) => {
                !row.is_claimed()
                    && row.status == LocationStatus::PendingDelete
                    && self.has_own_data(row)
                    && removed.is_some_and(|(_, removed)| at - removed > TimeDelta::seconds(3))
            }
            _ => false,
        };
        let better = commit.tables.locations_of(id).find(deleted);
        if let (Some((row, _)), Some(better)) = (removed, better) {
            self.fail(format!("row {row} of {id}, removed by a user, is back for {}", better.id));
        }
    }

    /// What was destroyed comes back only with its own data.
    fn check_second_chance(&self, commit: &Commit<'_>, id: &str) {
        let moment = commit.before.iter().find_map(|change| match change {
            Change::Image(its, Some(row)) if its == id => row.deleted_at,
            _ => None,
        });
        for change in commit.before {
            let Change::Location(number, Some(was)) = change else { continue };
            let is_destroyed = was.image == id
                && was.status == LocationStatus::Deleted
                && was.deleted_at != moment;
            let is_back = commit.tables.locations.get(number).is_some_and(LocationRow::is_live);
            if !is_destroyed || !is_back {
                continue;
            }
            let objects = self.objects.lock().unwrap();
            let problem = match objects.whole.get(&object(&was.value)) {
                Some(content) if content.of == id => continue,
                Some(content) => format!("with the data of {}", content.of),
                None => "without data".to_owned(),
            };
            drop(objects);
            if !self.seen.lock().unwrap().strange.contains(id) {
                self.fail(format!("destroyed row {number} of {id} is back {problem}"));
            }
        }
    }

    /// The data of a settled location is gone.
    fn check_settled(&self, commit: &Commit<'_>, before: &BTreeMap<String, Option<State>>) {
        let since = self.elapsed().saturating_sub(Duration::from_mins(3));
        let has_turned = self.turned_since(since);
        let mut problems = Vec::new();
        for change in commit.after {
            let Change::Location(number, Some(row)) = change else { continue };
            let (name, image) = (object(&row.value), &row.image);
            if !before.contains_key(image) {
                continue;
            }
            if row.status == LocationStatus::PendingDelete {
                if !self.is_whole(row) && self.seen.lock().unwrap().gone.contains(&name) {
                    problems
                        .push(format!("row {number} of {image} is released, and {name} is gone"));
                }
                continue;
            }
            let is_other =
                |other: &LocationRow| other.id != *number && object(&other.value) == name;
            let its = commit.tables.images.get(image);
            let is_ended = its.is_some_and(|its| its.deleted_at == row.deleted_at);
            let is_phantom = self.objects.lock().unwrap().phantoms.contains(&name);
            if self.is_whole(row)
                && !has_turned
                && !is_phantom
                && !is_ended
                && !commit.tables.locations.values().any(is_other)
            {
                problems.push(format!("row {number} is done with, and {name} is there"));
            }
        }
        for problem in problems {
            self.fail(problem);
        }
    }

    pub(crate) fn check(&self, commit: &Commit<'_>, before: &BTreeMap<String, Option<State>>) {
        let claimed = |change: &Change| match change {
            Change::Image(id, Some(row)) if row.status == ImageStatus::Deleted => Some(id.clone()),
            Change::Location(_, Some(row)) if row.is_claimed() => Some(row.image.clone()),
            _ => None,
        };
        match commit.event {
            "claim" => {
                let images: BTreeSet<_> = commit.after.iter().filter_map(claimed).collect();
                self.check_claim(commit, &images);
                self.note_claims(commit);
                self.check_purge_claim(commit, before);
            }
            "settle" => {
                let mut before = before.clone();
                before.retain(|id, _| !self.is_end_of_purge(commit, id));
                self.check_settled(commit, &before);
                for (id, state) in &before {
                    let is_strange = self.seen.lock().unwrap().strange.contains(id);
                    let now = commit.tables.image_with_locations(id).map(|image| image.state());
                    if *state == Some(State::Scrubbed) && now != *state {
                        self.fail(format!("{id} is released, and was scrubbed"));
                    }
                    if *state == Some(State::Claimed) && now == Some(State::Scrubbed) && !is_strange
                    {
                        self.check_audit(commit, id, "scrubImage");
                    }
                }
            }
            "revert" => {
                for change in commit.after {
                    if let Change::Hold(id, None) = change {
                        self.check_audit(commit, id, "releaseImage");
                        self.seen.lock().unwrap().held.remove(id);
                    }
                    let Change::Image(id, Some(_)) = change else { continue };
                    self.check_audit(commit, id, "revertImage");
                    self.check_children(commit, id);
                    self.check_locations(commit, id);
                    self.check_second_chance(commit, id);
                }
            }
            "keep_scrub_time" | "keep_retention" => self.note_times(commit),
            _ => {}
        }
    }
}
