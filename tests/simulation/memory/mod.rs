//! Glance's tables, our own tables and the locks in memory: what `src/db` does in SQL, statement by
//! statement. Each transaction takes effect at one moment; a [`Line`] decides who waits, fails or
//! dies.

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

/// The connection from a process to its database.
#[async_trait]
pub(crate) trait Line: Debug + Send + Sync {
    /// Called before a request: takes time, or fails.
    async fn ask(&self, call: &'static str) -> Result<(), RepoError>;

    /// Called after it was processed: takes time, or loses the answer.
    async fn answer(&self, call: &'static str) -> Result<(), RepoError>;

    /// Called when an image was examined again after COMMIT.
    fn looked_again(&self, _image: &str) {}

    /// The database node that this process uses.
    fn node(&self) -> usize {
        0
    }

    /// The number of the process.
    fn process(&self) -> usize {
        0
    }
}

/// Rules of the statements that can be omitted, to test whether the checks notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
pub(crate) struct Without {
    /// Omits: the claim is written before bytes are destroyed.
    pub(crate) claim_first: bool,
    /// Omits: each claim has its own stamp.
    pub(crate) stamp: bool,
    /// Omits: holds are part of the compare-and-set.
    pub(crate) hold: bool,
    /// Omits: the audit entry is written in the change's transaction.
    pub(crate) audit_inside: bool,
    /// Omits: tags and members belong to the delete only if their time is exactly the image's.
    pub(crate) moment: bool,
    /// Omits: an image is read after its lock is taken.
    pub(crate) look_after_lock: bool,
    /// Omits: the image is examined again after COMMIT.
    pub(crate) second_look: bool,
    /// Omits: absence is believed only if a living image's data is there.
    pub(crate) canary: bool,
    /// Omits: rules see the tags and properties that were deleted with an image.
    pub(crate) labels: bool,
    /// Omits: what passes have applied is in force until somebody accepts less.
    pub(crate) kept_times: bool,
    /// Omits: a purge reads which other images name the data.
    pub(crate) purge_names: bool,
    /// Omits: kept data comes back only if its hash is the image's.
    pub(crate) proof: bool,
}

/// A committed transaction.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    /// What it was.
    pub(crate) event: &'static str,
    /// The process that made it.
    pub(crate) process: usize,
    /// The rows before, in the order of the changes.
    pub(crate) before: &'a [Change],
    /// The rows after.
    pub(crate) after: &'a [Change],
    /// All rows after it.
    pub(crate) tables: &'a Tables,
}

/// Observes every transaction.
pub(crate) trait Watch: Debug + Send + Sync {
    /// Called for each transaction, in commit order.
    fn committed(&self, commit: &Commit<'_>);
}

/// A database of one or several nodes.
#[derive(Debug)]
pub(crate) struct Database {
    cluster: Mutex<Cluster>,
    /// Whether times are stored in whole seconds.
    pub(crate) whole_seconds: bool,
    /// The omitted rules.
    pub(crate) without: Without,
}

#[derive(Debug)]
struct Cluster {
    /// The rows that each node knows.
    nodes: Vec<Node>,
    /// The committed changes in order; only with several nodes.
    log: Vec<Vec<Change>>,
    latest: Tables,
    watch: Option<Arc<dyn Watch>>,
}

#[derive(Debug, Default)]
struct Node {
    tables: Tables,
    applied: usize,
}

/// Another node has changed a row first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LostRace;

impl Database {
    /// Creates a database with this number of nodes, which certify each COMMIT.
    pub(crate) fn new(nodes: usize, whole_seconds: bool, without: Without) -> Self {
        let several = if nodes > 1 { nodes } else { 0 };
        let nodes = (0..several).map(|_| Node::default()).collect();
        let cluster = Cluster { nodes, log: Vec::new(), latest: Tables::default(), watch: None };
        Self { cluster: Mutex::new(cluster), whole_seconds, without }
    }

    /// Reports each commit to `watch` from now on.
    pub(crate) fn watched_by(&self, watch: Arc<dyn Watch>) {
        self.lock().watch = Some(watch);
    }

    /// A time as the database stores it.
    pub(crate) fn stored(&self, at: Timestamp) -> Timestamp {
        at.trunc_subsecs(if self.whole_seconds { 0 } else { 6 })
    }

    /// Reads the rows that a node knows.
    pub(crate) fn read<T>(&self, node: usize, ask: impl FnOnce(&Tables) -> T) -> T {
        let cluster = self.lock();
        ask(cluster.nodes.get(node).map_or(&cluster.latest, |node| &node.tables))
    }

    /// Reads the latest rows, whatever a node knows.
    pub(crate) fn latest<T>(&self, ask: impl FnOnce(&Tables) -> T) -> T {
        ask(&self.lock().latest)
    }

    /// Runs one transaction on a node. `None` rolls it back.
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
            // earlier commits in the log reach this node first
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

    /// Applies all commits to a node.
    pub(crate) fn catch_up(&self, node: usize) {
        self.lock().catch_up(node, |_| true);
    }

    /// Applies the next commits to a node, as long as `has_come` accepts their number.
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
