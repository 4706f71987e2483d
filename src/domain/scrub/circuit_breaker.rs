//! The circuit breaker of each store: an unmounted share must not make every image `deleted`.
//!
//! "Absent" is accepted from a store that has a living image's data at that moment or, if there is
//! no living image, that has destroyed or shown something in this pass. Many consecutive absent
//! objects trip the breaker for the rest of the pass. In later passes the next absent object trips
//! it again, unless the store destroys something first; the alert remains until a pass in which the
//! store shows something and nothing is absent.

use std::collections::{BTreeMap, HashMap};

use tokio::sync::Mutex;

use crate::domain::evidence::canary::{self, Canary};
use crate::domain::repo::{ImageRepo, RepoError};
use crate::domain::store::{Placed, StoreId, Stores};

/// The unit that has its own breaker and proof.
type Key = (StoreId, String);

/// Why breakers tripped in earlier passes, for stores that have shown nothing since.
pub(super) type Tripped = BTreeMap<Key, String>;

/// The state of each store in one pass.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    absent_limit: usize,
    gates: Mutex<HashMap<Key, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    asked: bool,
    stopped: Option<String>,
    /// Consecutive absent objects.
    absent_in_a_row: usize,
    /// Absences that were not accepted.
    doubted: usize,
    /// It destroyed or showed something in this pass.
    has_shown: bool,
    canary: Option<Canary>,
}

/// How credible a store's "absent" is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// The data is gone.
    Gone,
    /// The store has shown nothing yet and may be an empty folder. Checked once more at the end.
    Unproved,
    /// The breaker has tripped.
    Stopped,
}

impl CircuitBreaker {
    pub(super) fn new(absent_limit: usize) -> Self {
        Self { absent_limit, gates: Mutex::default() }
    }

    /// Carries over what tripped in earlier passes: one more absent object is one too many, unless
    /// the store destroys something first.
    pub(super) async fn remember(&self, tripped: &Tripped) {
        let mut gates = self.gates.lock().await;
        for key in tripped.keys() {
            gates.entry(key.clone()).or_default().absent_in_a_row = self.absent_limit;
        }
    }

    /// Whether the pass may work on the store. Checks its health once per pass, and again after an
    /// unclear result.
    pub(super) async fn admits(&self, placed: &Placed) -> Result<(), String> {
        let mut gates = self.gates.lock().await;
        let gate = gates.entry(placed.part()).or_default();
        if !gate.asked && gate.stopped.is_none() {
            gate.asked = true;
            gate.stopped = placed.store.health().await.err().map(|error| error.to_string());
        }
        gate.stopped.clone().map_or(Ok(()), Err)
    }

    /// Notes an unclear result or a refusal, so that the next call checks the health again: if a
    /// share disappears during a pass, the rest of the backlog must not be claimed.
    pub(super) async fn in_doubt(&self, placed: &Placed) {
        if let Some(gate) = self.gates.lock().await.get_mut(&placed.part()) {
            gate.asked = false;
        }
    }

    /// The store destroyed something, or refused to destroy something that it has: it is not an
    /// unmounted share.
    pub(super) async fn shown(&self, placed: &Placed) {
        let mut gates = self.gates.lock().await;
        let gate = gates.entry(placed.part()).or_default();
        gate.has_shown = true;
        gate.absent_in_a_row = 0;
    }

    /// Judges a store's "absent". An `expected` absence, of a resumed claim, does not trip the
    /// breaker while a living image shows that the share is mounted.
    pub(super) async fn absent(
        &self,
        placed: &Placed,
        expected: bool,
        repo: &dyn ImageRepo,
        stores: &dyn Stores,
    ) -> Result<Belief, RepoError> {
        let mut gates = self.gates.lock().await;
        let gate = gates.entry(placed.part()).or_default();
        let has_canary = gate.has_canary(placed, repo, stores).await?;
        if gate.stopped.is_some() {
            gate.doubted += 1;
            return Ok(Belief::Stopped);
        }
        if has_canary && expected {
            return Ok(Belief::Gone);
        }
        let belief = match gate.has_shown {
            _ if gate.absent_in_a_row >= self.absent_limit => Belief::Stopped,
            true => Belief::Gone,
            false => Belief::Unproved,
        };
        gate.absent_in_a_row += 1;
        gate.doubted += usize::from(belief != Belief::Gone);
        if gate.absent_in_a_row >= self.absent_limit {
            gate.stopped =
                Some(format!("{} consecutive objects were absent", gate.absent_in_a_row));
        }
        Ok(belief)
    }

    /// Every store that is stopped or not believed, with the reason, from this pass and earlier
    /// ones.
    pub(super) async fn alerts(&self, tripped: &mut Tripped) -> Vec<String> {
        let gates = self.gates.lock().await;
        let mut alerts = BTreeMap::new();
        for (key, gate) in gates.iter() {
            match (&gate.stopped, gate.absence()) {
                (_, Some(reason)) => drop(tripped.insert(key.clone(), reason)),
                (Some(reason), None) => drop(alerts.insert(key.clone(), reason.clone())),
                (None, None) if gate.has_shown => drop(tripped.remove(key)),
                (None, None) => {}
            }
        }
        for (key, reason) in tripped.iter() {
            alerts.entry(key.clone()).or_insert_with(|| reason.clone());
        }
        let told = alerts.iter().map(|((id, part), reason)| {
            let part = if part.is_empty() { String::new() } else { format!(", {part}") };
            format!("store {id}{part}: {reason}")
        });
        told.collect()
    }
}

impl Gate {
    /// Whether a living image's data is there. Checks the same image as before, if it still exists.
    async fn has_canary(
        &mut self,
        placed: &Placed,
        repo: &dyn ImageRepo,
        stores: &dyn Stores,
    ) -> Result<bool, RepoError> {
        match &self.canary {
            _ if self.stopped.is_some() => return Ok(false),
            Some(Canary::NoneKnown) => return Ok(false),
            Some(Canary::Seen(image, alive)) if canary::is_there(image, alive).await => {
                return Ok(true);
            }
            Some(Canary::Seen(..)) | None => {}
        }
        match canary::look(placed, repo, stores).await? {
            Ok(canary) => {
                let seen = matches!(canary, Canary::Seen(..));
                self.has_shown |= seen;
                self.canary = Some(canary);
                Ok(seen)
            }
            Err(why) => {
                self.stopped = Some(why);
                Ok(false)
            }
        }
    }

    /// Describes suspicious absences, with advice.
    fn absence(&self) -> Option<String> {
        let why = match &self.stopped {
            Some(reason) if self.doubted > 0 || self.absent_in_a_row > 0 => reason.clone(),
            None if self.doubted > 0 && !self.has_shown => format!(
                "{} objects are absent, and the store has shown no data of any image",
                self.doubted
            ),
            Some(_) | None => return None,
        };
        Some(format!(
            "{why}. Check that it is the right share, bucket or pool, and mounted. If the data is \
             permanently lost, upload an image into this store and set [revert] absent_limit to \
             more than the number of lost objects"
        ))
    }
}
