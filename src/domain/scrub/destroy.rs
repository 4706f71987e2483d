//! What is done to one claimed image's data.

use tokio_util::sync::CancellationToken;

use super::Scrubber;
use super::circuit_breaker::{Belief, CircuitBreaker};
use super::shared_data::{Share, Shares};
use super::work::{Settled, Work, WorkKind};
use crate::domain::location::Location;
use crate::domain::lock::ImageGuard;
use crate::domain::store::{Deletion, Placed};
use crate::domain::time::Timestamp;

/// A claimed image on its way.
pub(super) struct Claimed<'a> {
    pub(super) guard: &'a ImageGuard,
    pub(super) work: Work,
    pub(super) placed: Vec<Placed>,
    pub(super) stamp: Timestamp,
}

/// What happened to one claimed image's data.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) deleted: Vec<i32>,
    pub(super) gone: u64,
    /// Of these, what nobody but this pass should have destroyed.
    pub(super) taken: u64,
    pub(super) shared: u64,
    pub(super) retained: u64,
    /// Bytes went, or may have gone.
    touched: bool,
    /// Why something is left, if something is.
    pub(super) left: Option<String>,
    /// Data is absent of a store that has shown nothing yet.
    pub(super) unproved: bool,
    /// The pass was stopped before the end of this image.
    pub(super) stopped: bool,
}

impl Claimed<'_> {
    /// Each location that has to go, and where it is.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&Location, &Placed)> {
        self.work.targets().iter().zip(&self.placed)
    }

    fn has(&self, row: i32) -> bool {
        self.work.targets().iter().any(|location| location.id == row)
    }

    /// Only the pass that made the claim knows that nothing was destroyed, and only while it is
    /// certain of it.
    pub(super) fn may_be_released(&self, outcome: &Outcome) -> bool {
        let unfinished = outcome.stopped || outcome.left.is_some();
        unfinished && !outcome.touched && self.work.kind() == WorkKind::Due
    }

    pub(super) fn settled<'s>(&'s self, outcome: &Outcome) -> Option<Settled<'s>> {
        let guard = self.guard;
        if self.may_be_released(outcome) {
            let release = Some(self.work.release(self.stamp));
            return Some(Settled { guard, deleted: Vec::new(), release });
        }
        let deleted = outcome.deleted.clone();
        (!deleted.is_empty()).then_some(Settled { guard, deleted, release: None })
    }
}

/// Destroys claimed data, location by location.
pub(super) struct Destroyer<'a> {
    pub(super) scrubber: &'a Scrubber,
    pub(super) breaker: &'a CircuitBreaker,
    pub(super) shares: &'a Shares,
    pub(super) stop: &'a CancellationToken,
}

impl Destroyer<'_> {
    pub(super) async fn destroy<'c>(&self, claimed: Claimed<'c>) -> (Claimed<'c>, Outcome) {
        let mut outcome =
            Outcome { touched: self.goes_with_another(&claimed), ..Outcome::default() };
        for (location, placed) in claimed.targets() {
            match self.share(&claimed, location) {
                Share::Needed => {
                    outcome.shared += 1;
                    outcome.deleted.push(location.id);
                }
                Share::GoesWith(row) => {
                    outcome.shared += u64::from(!claimed.has(row));
                    outcome.deleted.push(location.id);
                }
                Share::Uncounted => {
                    outcome.left = Some(format!("location {} came in the meantime", location.id));
                }
                Share::Own if self.stop.is_cancelled() => {
                    outcome.stopped = true;
                    break;
                }
                Share::Own => self.destroy_own(&claimed, location, placed, &mut outcome).await,
            }
            // Whole, its claim can be released; what is destroyed in part has to be finished.
            if outcome.left.is_some() && !outcome.touched {
                break;
            }
        }
        (claimed, outcome)
    }

    /// Whether data of the image goes with another image, which may be destroyed at any moment.
    fn goes_with_another(&self, claimed: &Claimed<'_>) -> bool {
        claimed.targets().any(|(location, _)| match self.share(claimed, location) {
            Share::GoesWith(row) => !claimed.has(row),
            Share::Own | Share::Needed | Share::Uncounted => false,
        })
    }

    /// Whether other rows need the same data: those of all images as they were counted, those of this
    /// image as they were under its lock.
    fn share(&self, claimed: &Claimed<'_>, location: &Location) -> Share {
        let stores = &*self.scrubber.stores;
        let objects = stores.objects(location);
        let is_target = |other: &Location| claimed.targets().any(|(one, _)| one.id == other.id);
        let needs_it = |other: &Location| {
            other.is_live() && !is_target(other) && stores.objects(other).meets(&objects)
        };
        if claimed.work.image().locations.iter().any(needs_it) {
            return Share::Needed;
        }
        self.shares.get(&location.id).copied().unwrap_or(Share::Uncounted)
    }

    async fn destroy_own(
        &self,
        claimed: &Claimed<'_>,
        location: &Location,
        placed: &Placed,
        outcome: &mut Outcome,
    ) {
        match self.breaker.admits(placed).await {
            Ok(()) => self.destroy_one(claimed, location, placed, outcome).await,
            Err(reason) => {
                outcome.left = Some(format!("store {} is stopped: {reason}", placed.store.id()));
            }
        }
    }

    async fn destroy_one(
        &self,
        claimed: &Claimed<'_>,
        location: &Location,
        placed: &Placed,
        outcome: &mut Outcome,
    ) {
        let id = location.id;
        match placed.store.delete(&claimed.work.image().id, &placed.uri).await {
            Deletion::Deleted => {
                self.breaker.shown(placed).await;
                outcome.touched = true;
                outcome.deleted.push(id);
            }
            Deletion::Retained(how) => {
                self.breaker.shown(placed).await;
                outcome.touched = true;
                outcome.retained += 1;
                outcome.deleted.push(id);
                let image = claimed.work.image().id.as_str();
                tracing::warn!(image_id = image, location = id, how, "store keeps deleted data");
            }
            Deletion::NotOurs => outcome.deleted.push(id),
            Deletion::Gone => {
                let expected = claimed.work.may_be_gone(location);
                self.absent(location, placed, expected, outcome).await;
            }
            Deletion::Held(why) => {
                self.breaker.shown(placed).await;
                outcome.left = Some(format!("location {id} is in use: {why}"));
            }
            Deletion::Refused(why) => {
                self.breaker.in_doubt(placed).await;
                outcome.left = Some(format!("location {id} refused: {why}"));
            }
            Deletion::Partial(why) => {
                self.breaker.shown(placed).await;
                outcome.touched = true;
                outcome.left = Some(format!("location {id} is destroyed in part: {why}"));
            }
            Deletion::Uncertain(why) => {
                self.breaker.in_doubt(placed).await;
                outcome.touched = true;
                outcome.left = Some(format!("location {id} in doubt: {why}"));
            }
        }
    }

    async fn absent(
        &self,
        location: &Location,
        placed: &Placed,
        expected: bool,
        outcome: &mut Outcome,
    ) {
        let (repo, stores) = (&*self.scrubber.repo, &*self.scrubber.stores);
        let belief = self.breaker.absent(placed, expected, repo, stores);
        match self.stop.run_until_cancelled(belief).await {
            Some(Ok(Belief::Gone)) => {
                outcome.gone += 1;
                outcome.taken += u64::from(!expected);
                outcome.deleted.push(location.id);
            }
            Some(Ok(belief)) => {
                let (id, store) = (location.id, placed.store.id());
                outcome.unproved = belief == Belief::Unproved;
                outcome.left = Some(format!("location {id} is absent, and store {store} in doubt"));
            }
            Some(Err(error)) => outcome.left = Some(error.to_string()),
            None => outcome.stopped = true,
        }
    }
}
