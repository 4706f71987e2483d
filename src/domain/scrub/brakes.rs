//! Brakes: an unmounted share must not turn every image into `deleted`.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::domain::repo::{ImageRepo, RepoError};
use crate::domain::store::{Placed, Store, StoreId, Stores};
use crate::domain::time::Timestamp;

/// Live images asked for before a store's word "absent" is believed.
const CANARIES: usize = 3;
/// Rows read in search of them, a page and in all.
const PAGE: u32 = 500;
const PAGES: usize = 20;

/// The state of each store in one pass.
#[derive(Debug)]
pub(super) struct Brakes {
    before: Timestamp,
    absent_brake: usize,
    gates: Mutex<HashMap<StoreId, Gate>>,
}

#[derive(Debug, Default)]
struct Gate {
    stopped: Option<String>,
    absent_in_a_row: usize,
    canary_seen: bool,
}

impl Brakes {
    pub(super) fn new(before: Timestamp, absent_brake: usize) -> Self {
        Self { before, absent_brake, gates: Mutex::default() }
    }

    /// Whether the store may be worked on; asks for its health once a pass.
    pub(super) async fn pass(&self, store: &Arc<dyn Store>) -> Result<(), String> {
        let mut gates = self.gates.lock().await;
        if !gates.contains_key(store.id()) {
            let stopped = store.health().await.err().map(|error| error.to_string());
            gates.insert(store.id().clone(), Gate { stopped, ..Gate::default() });
        }
        match gates.get(store.id()).and_then(|gate| gate.stopped.clone()) {
            Some(reason) => Err(reason),
            None => Ok(()),
        }
    }

    /// The store destroyed something: it is no unmounted share.
    pub(super) async fn destroyed(&self, store: &StoreId) {
        if let Some(gate) = self.gates.lock().await.get_mut(store) {
            gate.absent_in_a_row = 0;
        }
    }

    /// Whether the store's word that an object is absent may be believed. What was `expected`, from
    /// a claim that is taken up again, is no sign of an unmounted share and counts for nothing.
    pub(super) async fn believe_absent(
        &self,
        store: &Arc<dyn Store>,
        expected: bool,
        repo: &dyn ImageRepo,
        stores: &dyn Stores,
    ) -> Result<bool, RepoError> {
        let mut gates = self.gates.lock().await;
        let gate = gates.entry(store.id().clone()).or_default();
        if gate.stopped.is_none() && !gate.canary_seen {
            match self.look_for_canary(store, repo, stores).await? {
                Canary::Seen | Canary::NoneKnown => gate.canary_seen = true,
                Canary::Missing(why) => gate.stopped = Some(why),
            }
        }
        if gate.stopped.is_some() {
            return Ok(false);
        }
        if expected {
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
            .filter_map(|(id, gate)| Some(format!("store {id}: {}", gate.stopped.as_ref()?)))
            .collect();
        alarms.sort();
        alarms
    }

    async fn look_for_canary(
        &self,
        store: &Arc<dyn Store>,
        repo: &dyn ImageRepo,
        stores: &dyn Stores,
    ) -> Result<Canary, RepoError> {
        let (mut asked, mut after) = (0, 0);
        for _ in 0..PAGES {
            let page = repo.held_locations(self.before, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.location.id;
            for held in page.iter().filter(|held| held.location.is_live()) {
                let Ok(Placed { store: its, uri }) = stores.place(&held.location) else { continue };
                if its.id() != store.id() {
                    continue;
                }
                asked += 1;
                if matches!(store.stat(&held.image, &uri).await, Ok(Some(_))) {
                    return Ok(Canary::Seen);
                }
                if asked == CANARIES {
                    return Ok(Canary::missing(asked));
                }
            }
        }
        Ok(if asked == 0 { Canary::NoneKnown } else { Canary::missing(asked) })
    }
}

enum Canary {
    /// A live image's data is there.
    Seen,
    /// No live image has its data in this store: nothing to ask for.
    NoneKnown,
    /// Live images have their data in this store, and it is not there.
    Missing(String),
}

impl Canary {
    fn missing(asked: usize) -> Self {
        Self::Missing(format!(
            "the data of {asked} live images is not there either; is it mounted?"
        ))
    }
}
