//! The world of one seed: a database, stores, time, and what may go wrong in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chance::{Chance, word};
use crate::memory::{Database, Locks, Without};
use crate::objects::Objects;
use crate::truth::Truth;
use chrono::TimeDelta;
use glance_revert::domain::time::{Clock, Timestamp};

/// How long after its deletion an image is left alone.
pub(crate) const SCRUB_TIME: Duration = Duration::from_mins(10);
/// How long a DELETE may stand still before it counts as dead.
pub(crate) const GRACE: Duration = Duration::from_mins(1);

/// What may happen in a world, decided by its seed. Numbers are of a thousand.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a trouble of its own")]
pub(crate) struct Odds {
    pub(crate) nodes: usize,
    pub(crate) whole_seconds: bool,
    /// Calls of the database that break, or whose answer is lost.
    pub(crate) broken: u64,
    /// Requests to a store that do not go well.
    pub(crate) store: u64,
    /// Steps that take their time.
    pub(crate) slow: u64,
    /// Actions of a process that end with its death.
    pub(crate) crash: u64,
    /// Whether others than Glance and the product write.
    pub(crate) strangers: bool,
    /// Whether clocks jump.
    pub(crate) jumps: bool,
    /// Whether stores lose their shares.
    pub(crate) mounts: bool,
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
        }
    }
}

/// What is left out of the product, to see whether somebody notices.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mutant {
    /// Of its statements.
    pub(crate) without: Without,
    /// It does not hear that a store has touched something.
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
    /// Nothing goes wrong any more.
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
    /// Must be called inside a runtime whose time is paused.
    pub(crate) fn new(seed: u64, mutant: Mutant, is_told: bool) -> Arc<Self> {
        let odds = Odds::of(seed);
        let database = Arc::new(Database::new(odds.nodes, odds.whole_seconds, mutant.without));
        let truth = Arc::new(Truth::new(odds, is_told, mutant.is_blind));
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

    /// Since the beginning, whatever clocks say.
    pub(crate) fn elapsed(&self) -> Duration {
        self.truth.elapsed()
    }

    /// The database's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.truth.now()
    }

    /// The same as a column keeps it.
    pub(crate) fn stored_now(&self) -> Timestamp {
        self.database.stored(self.now())
    }

    /// A row that was not there before.
    pub(crate) fn new_row(&self) -> i32 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn new_process(&self) -> usize {
        self.processes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Another answer each time.
    pub(crate) fn chance(&self, name: &'static str) -> Chance {
        let mut names = self.names.lock().unwrap();
        let count = names.entry(name).or_default();
        *count += 1;
        Chance::of(self.seed, &[word(name), *count])
    }

    /// A node hears of what others have committed: mostly soon, now and then late.
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
    /// Milliseconds ahead of the database's.
    pub(crate) ahead: AtomicI64,
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        self.world.now() + TimeDelta::milliseconds(self.ahead.load(Ordering::Relaxed))
    }
}
