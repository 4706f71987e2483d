//! Brakes: an unmounted share must not turn every image into `deleted`.

use std::collections::HashMap;

use tokio::sync::Mutex;

use crate::domain::canary::{self, Canary};
use crate::domain::repo::{ImageRepo, RepoError};
use crate::domain::store::{Placed, StoreId, Stores};

/// What is stopped and proved by itself.
type Key = (StoreId, String);

/// The state of each store in one pass.
#[derive(Debug)]
pub(super) struct Brakes {
    absent_brake: usize,
    gates: Mutex<HashMap<Key, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    asked: bool,
    stopped: Option<String>,
    absent_in_a_row: usize,
    canary: Option<Canary>,
}

impl Brakes {
    pub(super) fn new(absent_brake: usize) -> Self {
        Self { absent_brake, gates: Mutex::default() }
    }

    /// Whether the store may be worked on; asks for its health once a pass, and again after it
    /// gave no clear answer.
    pub(super) async fn pass(&self, placed: &Placed) -> Result<(), String> {
        let mut gates = self.gates.lock().await;
        let gate = gates.entry(placed.part()).or_default();
        if !gate.asked && gate.stopped.is_none() {
            gate.asked = true;
            gate.stopped = placed.store.health().await.err().map(|error| error.to_string());
        }
        gate.stopped.clone().map_or(Ok(()), Err)
    }

    /// The store gave no clear answer, or refused: a share that goes away in the middle of a pass
    /// must not have the whole backlog claimed for it.
    pub(super) async fn in_doubt(&self, placed: &Placed) {
        if let Some(gate) = self.gates.lock().await.get_mut(&placed.part()) {
            gate.asked = false;
        }
    }

    /// The store destroyed something: it is no unmounted share.
    pub(super) async fn destroyed(&self, placed: &Placed) {
        if let Some(gate) = self.gates.lock().await.get_mut(&placed.part()) {
            gate.absent_in_a_row = 0;
        }
    }

    /// Whether the store's word that an object is absent may be believed. What was `expected`, from
    /// a claim that is taken up again, counts for nothing where a living image shows that the
    /// share is mounted.
    pub(super) async fn believe_absent(
        &self,
        placed: &Placed,
        expected: bool,
        repo: &dyn ImageRepo,
        stores: &dyn Stores,
    ) -> Result<bool, RepoError> {
        let mut gates = self.gates.lock().await;
        let gate = gates.entry(placed.part()).or_default();
        if gate.stopped.is_none() && gate.canary.is_none() {
            match canary::look(placed, repo, stores).await? {
                Ok(canary) => gate.canary = Some(canary),
                Err(why) => gate.stopped = Some(why),
            }
        }
        if gate.stopped.is_some() {
            return Ok(false);
        }
        if expected && gate.canary == Some(Canary::Seen) {
            return Ok(true);
        }
        gate.absent_in_a_row += 1;
        if gate.absent_in_a_row >= self.absent_brake {
            gate.stopped = Some(format!(
                "{} objects in a row were absent; is this the right share, bucket or pool?",
                gate.absent_in_a_row
            ));
        }
        Ok(true)
    }

    /// Every store that is stopped, with the reason.
    pub(super) async fn alarms(&self) -> Vec<String> {
        let gates = self.gates.lock().await;
        let mut alarms: Vec<_> = gates
            .iter()
            .filter_map(|((id, part), gate)| {
                let part = if part.is_empty() { String::new() } else { format!(", {part}") };
                Some(format!("store {id}{part}: {}", gate.stopped.as_ref()?))
            })
            .collect();
        alarms.sort();
        alarms
    }
}
