//! The invariants: this observes every transaction and every destroyed object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use glance_revert::domain::image::State;
use glance_revert::domain::time::Timestamp;
use tokio::time::Instant;

use crate::due::RowClaim;
use crate::memory::{Change, Commit, Watch};
use crate::objects::{Mount, Objects};
use crate::purge::Purge;
use crate::rules::Policies;
use crate::world::Odds;

/// All states, in the order of the enum.
pub(crate) const STATES: [State; 9] = [
    State::Live,
    State::Pending,
    State::Claimed,
    State::Unscrubbed,
    State::Scrubbed,
    State::Broken,
    State::Empty,
    State::Deleting,
    State::Other,
];

/// How often each event met each state.
pub(crate) type Visits = BTreeMap<(&'static str, usize), u64>;

/// Knowledge about a world from outside.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) odds: Odds,
    is_told: bool,
    start: Instant,
    /// Milliseconds by which the database's clock has jumped.
    jumped: AtomicI64,
    /// Whether the product does not notice that a store has touched data.
    is_blind: AtomicBool,
    pub(crate) policies: Policies,
    pub(crate) objects: Arc<Mutex<Objects>>,
    pub(crate) seen: Mutex<Seen>,
}

/// The observations.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) failures: Vec<String>,
    pub(crate) told: Vec<String>,
    pub(crate) visits: Visits,
    /// The time of each commit.
    commits: Vec<Duration>,
    /// The states of each image, and their times.
    pub(crate) history: BTreeMap<String, Vec<(Duration, State)>>,
    pub(crate) born: BTreeMap<i32, Duration>,
    /// When each process claimed an image.
    pub(crate) claimed: BTreeMap<(usize, String), Duration>,
    /// Images whose hold was answered, and its end.
    pub(crate) held: BTreeMap<String, Timestamp>,
    /// The same for a pause.
    pub(crate) paused: Option<Timestamp>,
    pub(crate) locked: BTreeMap<usize, Duration>,
    pub(crate) looked: BTreeMap<(usize, String), Duration>,
    /// When a store last became an empty folder, or was repaired.
    turned: Option<Duration>,
    /// When the clock last jumped.
    pub(crate) jumped: Option<Duration>,
    /// Images to which strangers wrote.
    pub(crate) strange: BTreeSet<String>,
    /// Objects that the product destroyed.
    pub(crate) gone: BTreeSet<String>,
    /// The images of these objects.
    pub(crate) destroyed: BTreeSet<String>,
    /// The latest time that the clock has shown before it jumped back.
    shown: Option<Timestamp>,
    /// The policy of each process.
    pub(crate) policy_of: BTreeMap<usize, usize>,
    /// When each process began its last pass or purge.
    pub(crate) began: BTreeMap<usize, Duration>,
    /// When a tag or property of an image was last changed.
    pub(crate) relabelled: BTreeMap<String, Duration>,
    /// The claims of locations.
    pub(crate) claims: BTreeMap<i32, RowClaim>,
    /// When a pass with a policy made it known to all others.
    pub(crate) in_force: BTreeMap<usize, Duration>,
    /// Whether anybody has accepted shorter times.
    pub(crate) is_accepted: bool,
    /// Processes that purge, and the images that they were asked to purge.
    pub(crate) purging: BTreeMap<usize, Vec<String>>,
    /// Images that a purge has claimed.
    pub(crate) purged: BTreeMap<String, Purge>,
    /// The versions that each process has purged of an image.
    pub(crate) removed: BTreeMap<(usize, String), Vec<Duration>>,
}

impl Truth {
    pub(crate) fn new(odds: Odds, policies: Policies, is_told: bool, is_blind: bool) -> Self {
        Self {
            odds,
            policies,
            is_told,
            start: Instant::now(),
            jumped: AtomicI64::default(),
            is_blind: is_blind.into(),
            objects: Arc::default(),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn is_blind(&self) -> bool {
        self.is_blind.load(Ordering::Relaxed)
    }

    /// Time since the beginning, whatever clocks say.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The database's time.
    pub(crate) fn now(&self) -> Timestamp {
        let noon = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(12, 0, 0).unwrap();
        let jumped = TimeDelta::milliseconds(self.jumped.load(Ordering::Relaxed));
        noon + TimeDelta::from_std(self.elapsed()).unwrap() + jumped
    }

    pub(crate) fn jump(&self, millis: i64) {
        let latest = self.latest();
        self.jumped.fetch_add(millis, Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap();
        seen.jumped = Some(self.elapsed());
        seen.shown = Some(latest);
    }

    /// The latest time that the database's clock has shown.
    pub(crate) fn latest(&self) -> Timestamp {
        let shown = self.seen.lock().unwrap().shown;
        shown.map_or_else(|| self.now(), |shown| shown.max(self.now()))
    }

    /// Reports a violation.
    pub(crate) fn fail(&self, what: String) {
        self.tell(|| format!("FAILED: {what}"));
        self.seen.lock().unwrap().failures.push(what);
    }

    /// Adds to the story of the run, if it is printed.
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            let line = format!("{:>12.3} {}", self.elapsed().as_secs_f64(), what());
            self.seen.lock().unwrap().told.push(line);
        }
    }

    pub(crate) fn is_born(&self, row: i32) {
        self.seen.lock().unwrap().born.insert(row, self.elapsed());
    }

    pub(crate) fn asked_for_lock(&self, process: usize) {
        self.seen.lock().unwrap().locked.insert(process, self.elapsed());
    }

    /// Counts an event that met these states.
    pub(crate) fn visit(&self, event: &'static str, states: impl Iterator<Item = State>) {
        let mut seen = self.seen.lock().unwrap();
        for state in states {
            *seen.visits.entry((event, state as usize)).or_default() += 1;
        }
    }

    /// A process begins a pass or a purge.
    pub(crate) fn began(&self, process: usize) {
        self.seen.lock().unwrap().began.insert(process, self.elapsed());
    }

    pub(crate) fn looked_again(&self, process: usize, image: &str) {
        let at = self.elapsed();
        self.seen.lock().unwrap().looked.insert((process, image.to_owned()), at);
    }

    /// A share disappeared or came back.
    pub(crate) fn mounted(&self, store: &'static str, mount: Mount) {
        let mut objects = self.objects.lock().unwrap();
        // no bucket or pool looks like an empty folder
        let is_odd = mount == Mount::Empty && objects.is_keeper(store);
        let mount = if is_odd { Mount::Down } else { mount };
        let old = objects.mounts.insert(store, mount).unwrap_or_default();
        drop(objects);
        if old == Mount::Empty || mount == Mount::Empty {
            self.seen.lock().unwrap().turned = Some(self.elapsed());
        }
        self.tell(|| format!("store {store} is {mount:?}"));
    }

    /// The time of a commit, by its number.
    pub(crate) fn committed_at(&self, number: usize) -> Option<Duration> {
        self.seen.lock().unwrap().commits.get(number).copied()
    }

    /// The maximum lag of a node.
    pub(crate) fn lag(&self) -> Duration {
        if self.odds.nodes > 1 { Duration::from_mins(1) } else { Duration::ZERO }
    }

    /// Whether a store became an empty folder, or was repaired, since then: nobody can know what
    /// happens between two looks at it.
    pub(crate) fn turned_since(&self, since: Duration) -> bool {
        self.seen.lock().unwrap().turned.is_some_and(|at| at >= since)
    }

    /// Whether an image was in such a state at any time since then.
    pub(crate) fn was(&self, id: &str, since: Duration, is: impl Fn(State) -> bool) -> bool {
        let seen = self.seen.lock().unwrap();
        let Some(history) = seen.history.get(id) else { return false };
        let first = history.iter().rposition(|(at, _)| *at < since).unwrap_or(0);
        history[first..].iter().any(|(_, state)| is(*state))
    }
}

/// The images that a transaction changed.
fn touched(commit: &Commit<'_>) -> BTreeSet<String> {
    let image = |change: &Change| match change {
        Change::Image(id, _) | Change::Hold(id, _) => Some(id.clone()),
        Change::Location(_, Some(row)) => Some(row.image.clone()),
        Change::Child(_, Some(row)) => Some(row.image.clone()),
        _ => None,
    };
    commit.before.iter().chain(commit.after).filter_map(image).collect()
}

impl Watch for Truth {
    fn committed(&self, commit: &Commit<'_>) {
        let at = self.elapsed();
        let mut before = BTreeMap::new();
        let mut seen = self.seen.lock().unwrap();
        seen.commits.push(at);
        for id in touched(commit) {
            let history = seen.history.entry(id.clone()).or_default();
            let old = history.last().map(|(_, state)| *state);
            let now = commit.tables.image_with_locations(&id).map(|image| image.state());
            if let Some(now) = now
                && Some(now) != old
            {
                history.push((at, now));
            }
            if let Some(old) = old {
                *seen.visits.entry((commit.event, old as usize)).or_default() += 1;
            }
            let is_stamped_again = commit.event.starts_with("delete") && commit.before.iter().any(|old| {
                matches!(old, Change::Location(_, Some(row)) if row.image == id && row.is_claimed())
            });
            if commit.event.starts_with("stranger") || commit.event == "purge" || is_stamped_again {
                seen.strange.insert(id.clone());
            }
            before.insert(id, old);
        }
        for change in commit.before.iter().chain(commit.after) {
            if let Change::Child(_, Some(row)) = change {
                seen.relabelled.insert(row.image.clone(), at);
            }
        }
        drop(seen);
        self.tell(|| {
            let states = before.iter().map(|(id, old)| {
                let now = commit.tables.image_with_locations(id).map(|image| image.state());
                format!("{id}: {old:?} -> {now:?}")
            });
            let states = states.collect::<Vec<_>>().join(", ");
            format!("process {} {}: {states}", commit.process, commit.event)
        });
        self.check(commit, &before);
    }
}
