//! What is done to one claimed image's data.

use tokio_util::sync::CancellationToken;

use super::Scrubber;
use super::brakes::Brakes;
use super::held::Held;
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
    pub(super) shared: u64,
    pub(super) retained: u64,
    /// Bytes went, or may have gone.
    touched: bool,
    /// Why something is left, if something is.
    pub(super) left: Option<String>,
    /// The pass was stopped before the end of this image.
    pub(super) stopped: bool,
}

impl<'a> Claimed<'a> {
    /// Each location that has to go, and where it is.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&Location, &Placed)> {
        self.work.targets().iter().zip(&self.placed)
    }

    /// Only the pass that made the claim knows that nothing was destroyed, and only while it is
    /// certain of it.
    pub(super) fn may_give_back(&self, outcome: &Outcome) -> bool {
        let unfinished = outcome.stopped || outcome.left.is_some();
        unfinished && !outcome.touched && self.work.kind() == WorkKind::Due
    }

    pub(super) fn settled(&self, outcome: &Outcome) -> Option<Settled<'a>> {
        let guard = self.guard;
        if self.may_give_back(outcome) {
            return Some(Settled { guard, deleted: Vec::new(), give_back: Some(self.stamp) });
        }
        let deleted = outcome.deleted.clone();
        (!deleted.is_empty()).then_some(Settled { guard, deleted, give_back: None })
    }
}

/// Destroys claimed data, location by location.
pub(super) struct Destroyer<'a> {
    pub(super) scrubber: &'a Scrubber,
    pub(super) brakes: &'a Brakes,
    pub(super) held: &'a Held,
    pub(super) stop: &'a CancellationToken,
}

impl Destroyer<'_> {
    pub(super) async fn destroy<'c>(&self, claimed: Claimed<'c>) -> (Claimed<'c>, Outcome) {
        let mut outcome = Outcome::default();
        for (location, placed) in claimed.targets() {
            if self.stop.is_cancelled() {
                outcome.stopped = true;
                break;
            }
            if self.is_shared(&claimed, location, placed) {
                outcome.shared += 1;
                outcome.deleted.push(location.id);
            } else if let Err(reason) = self.brakes.pass(placed).await {
                outcome.left = Some(format!("store {} is stopped: {reason}", placed.store.id()));
            } else {
                self.destroy_one(&claimed, location, placed, &mut outcome).await;
            }
            // Whole, it can be given back; what is destroyed in part has to be finished.
            if outcome.left.is_some() && !outcome.touched {
                break;
            }
        }
        (claimed, outcome)
    }

    /// Whether other rows need the same data: those of other images as they were after the claim,
    /// those of this image as they were under its lock. A location that was removed and added again
    /// is two rows, which may be spelled differently.
    fn is_shared(&self, claimed: &Claimed<'_>, location: &Location, placed: &Placed) -> bool {
        let stores = &*self.scrubber.stores;
        let image = claimed.work.image();
        let names_it = |other: &Location| {
            stores.uri(&other.value).as_ref() == Some(&placed.uri)
                || stores.place(other).is_ok_and(|other| other.object() == placed.object())
        };
        self.held.contains(&image.id, location, placed)
            || image.locations.iter().any(|other| other.is_live() && names_it(other))
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
                self.brakes.destroyed(placed).await;
                outcome.touched = true;
                outcome.deleted.push(id);
            }
            Deletion::Retained(how) => {
                self.brakes.destroyed(placed).await;
                outcome.touched = true;
                outcome.retained += 1;
                outcome.deleted.push(id);
                let image = claimed.work.image().id.as_str();
                tracing::warn!(image_id = image, location = id, how, "store keeps deleted data");
            }
            Deletion::NotOurs => outcome.deleted.push(id),
            Deletion::Gone => {
                let expected = claimed.work.was_claimed(location);
                self.absent(location, placed, expected, outcome).await;
            }
            Deletion::Held(why) => outcome.left = Some(format!("location {id} is in use: {why}")),
            Deletion::Refused(why) => {
                self.brakes.in_doubt(placed).await;
                outcome.left = Some(format!("location {id} refused: {why}"));
            }
            Deletion::Partial(why) => {
                outcome.touched = true;
                outcome.left = Some(format!("location {id} is destroyed in part: {why}"));
            }
            Deletion::Uncertain(why) => {
                self.brakes.in_doubt(placed).await;
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
        match self.brakes.believe_absent(placed, expected, repo, stores).await {
            Ok(true) => {
                outcome.gone += 1;
                outcome.deleted.push(location.id);
            }
            Ok(false) => {
                let (id, store) = (location.id, placed.store.id());
                outcome.left = Some(format!("location {id} is absent, and store {store} in doubt"));
            }
            Err(error) => outcome.left = Some(error.to_string()),
        }
    }
}
