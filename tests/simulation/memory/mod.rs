//! Glance's tables, our own beside them, and the locks, in memory: what `src/db` does in SQL, statement by
//! statement. Transactions are executed at one moment; who waits, fails or dies is decided outside, by
//! a [`Line`].

mod control;
mod locks;
mod question;
mod repo;
mod revert;
mod row;
mod scrub;
mod tables;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::SubsecRound;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::time::Timestamp;

pub(crate) use self::control::MemoryControl;
pub(crate) use self::locks::{Locks, MemoryLock};
pub(crate) use self::repo::MemoryRepo;
pub(crate) use self::row::{Cause, ChildKind, ChildRow, ImageRow, LocationRow};
pub(crate) use self::tables::{Change, Tables, Transaction};

/// The way from a process to its database.
#[async_trait]
pub(crate) trait Line: Debug + Send + Sync {
    /// Before anything is asked: takes its time, or breaks.
    async fn ask(&self, call: &'static str) -> Result<(), RepoError>;

    /// After it was done: takes its time, or loses the answer.
    async fn answer(&self, call: &'static str) -> Result<(), RepoError>;

    /// An image was looked at again, after COMMIT.
    fn looked_again(&self, _image: &str) {}

    /// The node of the database.
    fn node(&self) -> usize {
        0
    }

    /// A word for the process.
    fn process(&self) -> usize {
        0
    }
}

/// Rules of the statements that can be left out, to see whether somebody notices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
pub(crate) struct Without {
    /// Bytes go before the claim is written.
    pub(crate) claim_first: bool,
    /// A claim has no stamp of its own.
    pub(crate) stamp: bool,
    /// A hold is no part of the compare-and-set.
    pub(crate) hold: bool,
    /// The audit is written after the change, in a transaction of its own.
    pub(crate) audit_inside: bool,
    /// Tags and members that were deleted shortly before the image count as deleted with it.
    pub(crate) moment: bool,
    /// An image is read before its lock is taken, and not after it.
    pub(crate) look_after_lock: bool,
    /// What was destroyed meanwhile is not looked for after COMMIT.
    pub(crate) second_look: bool,
    /// A living image can always show that its store is there.
    pub(crate) canary: bool,
}

/// One transaction that was committed.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    /// What it was.
    pub(crate) event: &'static str,
    /// Who made it.
    pub(crate) process: usize,
    /// The rows before, in the order of their changes.
    pub(crate) before: &'a [Change],
    /// The rows after.
    pub(crate) after: &'a [Change],
    /// All rows, after it.
    pub(crate) tables: &'a Tables,
}

/// Sees every transaction.
pub(crate) trait Watch: Debug + Send + Sync {
    /// Told of each, in the order in which they were committed.
    fn committed(&self, commit: &Commit<'_>);
}

/// A database of one or several nodes.
#[derive(Debug)]
pub(crate) struct Database {
    cluster: Mutex<Cluster>,
    /// Whether times are kept in whole seconds.
    pub(crate) whole_seconds: bool,
    /// What is left out of the rules.
    pub(crate) without: Without,
}

#[derive(Debug)]
struct Cluster {
    /// What each node has seen.
    nodes: Vec<Node>,
    /// What was committed, in order; only where there are several nodes.
    log: Vec<Vec<Change>>,
    latest: Tables,
    watch: Option<Arc<dyn Watch>>,
}

#[derive(Debug, Default)]
struct Node {
    tables: Tables,
    applied: usize,
}

/// Another node had changed a row first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LostRace;

impl Database {
    /// With so many nodes, of which each has a word in COMMIT.
    pub(crate) fn new(nodes: usize, whole_seconds: bool, without: Without) -> Self {
        let several = if nodes > 1 { nodes } else { 0 };
        let nodes = (0..several).map(|_| Node::default()).collect();
        let cluster = Cluster { nodes, log: Vec::new(), latest: Tables::default(), watch: None };
        Self { cluster: Mutex::new(cluster), whole_seconds, without }
    }

    /// From now on `watch` sees what is committed.
    pub(crate) fn watched_by(&self, watch: Arc<dyn Watch>) {
        self.lock().watch = Some(watch);
    }

    /// A time as a column keeps it.
    pub(crate) fn stored(&self, at: Timestamp) -> Timestamp {
        at.trunc_subsecs(if self.whole_seconds { 0 } else { 6 })
    }

    /// What a node knows.
    pub(crate) fn read<T>(&self, node: usize, ask: impl FnOnce(&Tables) -> T) -> T {
        let cluster = self.lock();
        ask(cluster.nodes.get(node).map_or(&cluster.latest, |node| &node.tables))
    }

    /// What is so, whatever a node knows.
    pub(crate) fn latest<T>(&self, ask: impl FnOnce(&Tables) -> T) -> T {
        ask(&self.lock().latest)
    }

    /// One transaction on a node. `None` rolls it back.
    pub(crate) fn transaction<T>(
        &self,
        (event, node, process): (&'static str, usize, usize),
        act: impl FnOnce(&mut Transaction<'_>) -> Option<T>,
    ) -> Result<Option<T>, LostRace> {
        let mut cluster = self.lock();
        let cluster = &mut *cluster;
        let is_one = cluster.nodes.is_empty();
        let tables = match cluster.nodes.get_mut(node) {
            Some(node) => &mut node.tables,
            None => &mut cluster.latest,
        };
        let mut transaction = Transaction::new(tables);
        let Some(done) = act(&mut transaction) else {
            transaction.roll_back();
            return Ok(None);
        };
        let (before, after) = transaction.changes();
        if !is_one && !after.is_empty() {
            let applied = cluster.nodes[node].applied;
            let unseen = &cluster.log[applied..];
            let is_changed = |change: &Change| {
                unseen.iter().flatten().any(|other| other.is_of_the_same_row(change))
            };
            if after.iter().any(is_changed) {
                Transaction::undo(&mut cluster.nodes[node].tables, before);
                return Err(LostRace);
            }
            // what is behind it in the log comes before it here too
            cluster.catch_up(node, |_| true);
            for change in &after {
                cluster.latest.apply(change.clone());
            }
            cluster.log.push(after.clone());
            cluster.nodes[node].applied = cluster.log.len();
        }
        if let Some(watch) = cluster.watch.clone().filter(|_| !after.is_empty()) {
            let (before, after, tables) = (&before[..], &after[..], &cluster.latest);
            watch.committed(&Commit { event, process, before, after, tables });
        }
        Ok(Some(done))
    }

    /// A node hears of all transactions.
    pub(crate) fn catch_up(&self, node: usize) {
        self.lock().catch_up(node, |_| true);
    }

    /// A node hears of the next transactions, by their number, as long as `has_come` says so.
    pub(crate) fn catch_up_while(&self, node: usize, has_come: impl Fn(usize) -> bool) {
        self.lock().catch_up(node, has_come);
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }
}

impl Cluster {
    fn catch_up(&mut self, node: usize, has_come: impl Fn(usize) -> bool) {
        let Some(node) = self.nodes.get_mut(node) else { return };
        while let Some(changes) = self.log.get(node.applied).filter(|_| has_come(node.applied)) {
            for change in changes {
                node.tables.apply(change.clone());
            }
            node.applied += 1;
        }
    }
}
