//! The world of one seed: a database, stores, time, and the possible faults.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chance::{Chance, word};
use crate::memory::{Database, Locks, Without};
use crate::objects::{Objects, STORES};
use crate::rules::Policies;
use crate::truth::Truth;
use chrono::TimeDelta;
use glance_revert::domain::time::{Clock, Timestamp};

/// The world's `scrub_time`, if there are no rules.
pub(crate) const SCRUB_TIME: Duration = Duration::from_mins(10);
/// How long a DELETE may make no progress before it counts as dead.
pub(crate) const GRACE: Duration = Duration::from_mins(1);

/// The events that may occur in a world, determined by its seed. Numbers are per thousand.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a trouble of its own")]
pub(crate) struct Odds {
    pub(crate) nodes: usize,
    pub(crate) whole_seconds: bool,
    /// Database calls that fail, or whose answer is lost.
    pub(crate) broken: u64,
    /// Store requests that fail.
    pub(crate) store: u64,
    /// Steps that take long.
    pub(crate) slow: u64,
    /// Actions of a process that end with its death.
    pub(crate) crash: u64,
    /// Whether others than Glance and the product write.
    pub(crate) strangers: bool,
    /// Whether clocks jump.
    pub(crate) jumps: bool,
    /// Whether stores lose their shares.
    pub(crate) mounts: bool,
    /// Whether there are retention rules.
    pub(crate) rules: bool,
    /// Which stores keep what is deleted.
    pub(crate) keeps: [bool; 2],
}

impl Odds {
    fn of(seed: u64) -> Self {
        let mut chance = Chance::of(seed, &[word("odds")]);
        Self {
            nodes: if chance.permille(250) { 2 } else { 1 },
            whole_seconds: chance.permille(400),
            broken: if chance.permille(400) { 40 } else { 0 },
            store: if chance.permille(600) { 300 } else { 0 },
            slow: if chance.permille(600) { 30 } else { 2 },
            crash: if chance.permille(500) { 150 } else { 0 },
            strangers: chance.permille(250),
            jumps: chance.permille(150),
            mounts: chance.permille(400),
            rules: chance.permille(300),
            keeps: match chance.below(10) {
                0..6 => [false, false],
                6 => [true, false],
                7 => [false, true],
                _ => [true, true],
            },
        }
    }

    /// Whether any store keeps what is deleted.
    pub(crate) fn has_keeper(&self) -> bool {
        self.keeps.contains(&true)
    }
}

/// The rules that are omitted from the product, to test whether the checks notice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mutant {
    /// Omitted rules of its statements.
    pub(crate) without: Without,
    /// Whether it does not notice that a store has touched data.
    pub(crate) is_blind: bool,
}

/// One world.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) odds: Odds,
    pub(crate) database: Arc<Database>,
    pub(crate) locks: Arc<Locks>,
    pub(crate) objects: Arc<Mutex<Objects>>,
    pub(crate) truth: Arc<Truth>,
    /// Whether faults have ended.
    pub(crate) is_quiet: AtomicBool,
    ids: AtomicI32,
    processes: AtomicUsize,
    names: Mutex<BTreeMap<&'static str, u64>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl World {
    /// Must be called inside a runtime with paused time.
    pub(crate) fn new(seed: u64, mutant: Mutant, is_told: bool) -> Arc<Self> {
        let odds = Odds::of(seed);
        let database = Arc::new(Database::new(odds.nodes, odds.whole_seconds, mutant.without));
        let policies = Policies::of(seed, odds.rules);
        let truth = Arc::new(Truth::new(odds, policies, is_told, mutant.is_blind));
        let keepers = STORES.iter().zip(odds.keeps).filter(|(_, keeps)| *keeps);
        truth.objects.lock().unwrap().keepers = keepers.map(|(store, _)| *store).collect();
        database.watched_by(truth.clone());
        Arc::new(Self {
            seed,
            odds,
            database,
            locks: Arc::default(),
            objects: Arc::clone(&truth.objects),
            truth,
            is_quiet: AtomicBool::default(),
            ids: AtomicI32::default(),
            processes: AtomicUsize::default(),
            names: Mutex::default(),
        })
    }

    /// Time since the beginning, whatever clocks say.
    pub(crate) fn elapsed(&self) -> Duration {
        self.truth.elapsed()
    }

    /// The database's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.truth.now()
    }

    /// The database's time as a column stores it.
    pub(crate) fn stored_now(&self) -> Timestamp {
        self.database.stored(self.now())
    }

    /// The id of a new row.
    pub(crate) fn new_row(&self) -> i32 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn new_process(&self) -> usize {
        self.processes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Different choices each time.
    pub(crate) fn chance(&self, name: &'static str) -> Chance {
        let mut names = self.names.lock().unwrap();
        let count = names.entry(name).or_default();
        *count += 1;
        Chance::of(self.seed, &[word(name), *count])
    }

    /// A node receives others' commits, usually soon, sometimes late.
    pub(crate) fn hear(&self, node: usize) {
        if self.odds.nodes == 1 {
            return;
        }
        let now = self.elapsed();
        self.database.catch_up_while(node, |number| {
            let mut chance = Chance::of(self.seed, &[word("lag"), node as u64, number as u64]);
            let most = if chance.permille(980) { 300 } else { 20_000 };
            let lag = Duration::from_millis(chance.below(most));
            self.truth.committed_at(number).is_some_and(|at| at + lag <= now)
        });
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet.load(Ordering::Relaxed)
    }
}

/// The clock of a host.
#[derive(Debug)]
pub(crate) struct HostClock {
    pub(crate) world: Arc<World>,
    /// Milliseconds by which it is ahead of the database's clock.
    pub(crate) ahead: AtomicI64,
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        self.world.now() + TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed))
    }
}
