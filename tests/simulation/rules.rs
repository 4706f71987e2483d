//! Retention rules of a world, and an oracle that computes from its rows how long an image waits. It
//! knows who deleted a row, so it shares neither code nor reasoning with the product.

use std::time::Duration;

use chrono::TimeDelta;
use glance_revert::domain::retention::{Conditions, Glob, Retention, Rule, Rules};
use glance_revert::domain::time::Timestamp;

use crate::chance::{Chance, word};
use crate::memory::{Cause, ChildKind, ChildRow, ImageRow, Tables};
use crate::world::SCRUB_TIME;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Owner(&'static str),
    /// Names that end so.
    Name(&'static str),
    Tag(&'static str),
    Property(&'static str),
    /// At least this many bytes.
    Size(u64),
}

/// Few are about names, because each pattern has to be compiled.
const SUBJECTS: [About; 10] = [
    About::Owner("p2"),
    About::Owner("p1"),
    About::Name("2"),
    About::Tag("golden"),
    About::Tag("golden"),
    About::Tag("old"),
    About::Tag("old"),
    About::Property("os_type"),
    About::Property("os_type"),
    About::Size(8),
];
/// Times that rules may set, in minutes.
const TIMES: [u64; 4] = [3, 6, 20, 45];

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SimRule {
    about: About,
    time: Duration,
}

/// The rules and `scrub_time` that a process reads at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    rules: Vec<SimRule>,
    pub(crate) scrub_time: Duration,
}

/// The policies of a world: processes that start later read the second one.
#[derive(Debug)]
pub(crate) struct Policies {
    all: [Policy; 2],
    /// As the product reads them.
    retentions: [Retention; 2],
    /// When the files are changed.
    changed: Duration,
}

/// Whether a rule is about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    /// Its rows do not tell.
    Maybe,
}

fn minutes(chance: &mut Chance) -> Duration {
    Duration::from_mins(chance.pick(&TIMES).copied().unwrap_or(TIMES[0]))
}

fn rule(chance: &mut Chance) -> SimRule {
    let about = chance.pick(&SUBJECTS).copied().unwrap_or(SUBJECTS[0]);
    SimRule { about, time: minutes(chance) }
}

impl Policies {
    pub(crate) fn of(seed: u64, has_rules: bool) -> Self {
        let plain = Policy { rules: Vec::new(), scrub_time: SCRUB_TIME };
        let mut chance = Chance::of(seed, &[word("rules")]);
        if !has_rules {
            return Self::new([plain.clone(), plain], Duration::MAX);
        }
        let rules = (0..chance.below(3)).map(|_| rule(&mut chance)).collect();
        let first = Policy { rules, ..plain };
        let mut second = first.clone();
        match chance.below(5) {
            0 => {}
            1 => second.rules.push(rule(&mut chance)),
            2 => drop(second.rules.pop()),
            3 => second.scrub_time = minutes(&mut chance),
            _ => second.rules.iter_mut().for_each(|rule| rule.time = minutes(&mut chance)),
        }
        Self::new([first, second], Duration::from_secs(chance.below(1500)))
    }

    fn new(all: [Policy; 2], changed: Duration) -> Self {
        let retentions = all.each_ref().map(Policy::retention);
        Self { all, retentions, changed }
    }

    /// A policy as the product reads it.
    pub(crate) fn retention(&self, number: usize) -> &Retention {
        &self.retentions[number]
    }

    /// The number of the policy that a process reads that starts now.
    pub(crate) fn number(&self, elapsed: Duration) -> usize {
        usize::from(elapsed >= self.changed)
    }

    pub(crate) fn get(&self, number: usize) -> &Policy {
        &self.all[number]
    }

    /// No image waits longer.
    pub(crate) fn longest(&self) -> Duration {
        let times = |policy: &Policy| {
            let rules = policy.rules.iter().map(|rule| rule.time).max();
            rules.max(Some(policy.scrub_time))
        };
        self.all.iter().filter_map(times).max().unwrap_or(SCRUB_TIME)
    }
}

impl SimRule {
    fn rule(&self, number: usize) -> Rule {
        let mut conditions = Conditions::default();
        match self.about {
            About::Owner(owner) => conditions.owner = Some(owner.to_owned()),
            About::Name(end) => conditions.name = Some(Glob::parse(&format!("*{end}")).unwrap()),
            About::Tag(tag) => conditions.tag = Some(tag.to_owned()),
            About::Property(name) => {
                conditions.property = Some((name.to_owned(), "value".to_owned()));
            }
            About::Size(least) => conditions.min_size = Some(least),
        }
        Rule { name: format!("rule-{number}"), conditions, scrub_time: self.time }
    }

    fn fits(&self, tables: &Tables, image: &ImageRow) -> Fit {
        let sure = |is| if is { Fit::Yes } else { Fit::No };
        match self.about {
            About::Owner(owner) => sure(image.owner.as_deref() == Some(owner)),
            About::Name(end) => sure(image.id.ends_with(end)),
            About::Size(least) => sure(image.size.is_some_and(|size| size.unsigned_abs() >= least)),
            About::Tag(tag) => has(tables, image, ChildKind::Tag, tag),
            About::Property(name) => has(tables, image, ChildKind::Property, name),
        }
    }
}

/// Whether an image had this tag or property when it was deleted; whether a living one has it.
fn has(tables: &Tables, image: &ImageRow, kind: ChildKind, word: &str) -> Fit {
    let had = |row: &ChildRow| match row.cause {
        _ if !row.deleted => Fit::Yes,
        _ if !image.deleted => Fit::No,
        Cause::Delete(at) if kind == ChildKind::Tag && Some(at) != image.deleted_at => Fit::No,
        // after a jump of the clock, its time may be later than the image's
        Cause::Delete(_) if row.deleted_at > image.deleted_at => Fit::Maybe,
        Cause::Delete(_) => Fit::Yes,
        // with whole seconds, two times within one second are indistinguishable
        Cause::User(at) if kind == ChildKind::Tag && Some(at) != image.deleted_at => Fit::No,
        _ => Fit::Maybe,
    };
    let fits: Vec<_> =
        tables.children_of(&image.id, kind).filter(|row| row.word == word).map(had).collect();
    [Fit::Yes, Fit::Maybe].into_iter().find(|fit| fits.contains(fit)).unwrap_or(Fit::No)
}

impl Policy {
    /// Whether there are no rules.
    pub(crate) fn is_plain(&self) -> bool {
        self.rules.is_empty()
    }

    fn retention(&self) -> Retention {
        let rules: Vec<_> =
            self.rules.iter().enumerate().map(|(number, rule)| rule.rule(number)).collect();
        Retention { scrub_time: self.scrub_time, rules: Rules::from(rules) }
    }

    /// How long an image waits, at least and at most.
    pub(crate) fn waits(&self, tables: &Tables, image: &str) -> (TimeDelta, TimeDelta) {
        let mut times = Vec::new();
        let fit = |rule: &SimRule| tables.images.get(image).map(|row| rule.fits(tables, row));
        for rule in &self.rules {
            match fit(rule).unwrap_or(Fit::No) {
                Fit::No => {}
                Fit::Maybe => times.push(rule.time),
                Fit::Yes => {
                    times.push(rule.time);
                    return range(&times);
                }
            }
        }
        times.push(self.scrub_time);
        range(&times)
    }

    /// The time before which an image that was deleted at `since` must not be destroyed.
    pub(crate) fn due_at(&self, tables: &Tables, image: &str, since: Timestamp) -> Timestamp {
        since + self.waits(tables, image).0
    }
}

fn range(times: &[Duration]) -> (TimeDelta, TimeDelta) {
    let delta = |time: Option<&Duration>| TimeDelta::from_std(*time.unwrap()).unwrap();
    (delta(times.iter().min()), delta(times.iter().max()))
}
