//! What is done to one claimed image's data.

use tokio_util::sync::CancellationToken;

use super::Scrubber;
use super::circuit_breaker::{Belief, CircuitBreaker};
use super::claimed::{Claimed, Destruction};
use super::shared_data::{Share, Shares};
use crate::domain::location::Location;
use crate::domain::store::{Deletion, Placed};

/// Destroys claimed data, location by location.
pub(super) struct Destroyer<'a> {
    pub(super) scrubber: &'a Scrubber,
    pub(super) breaker: &'a CircuitBreaker,
    pub(super) shares: &'a Shares,
    pub(super) stop: &'a CancellationToken,
}

impl Destroyer<'_> {
    pub(super) async fn destroy<'c>(&self, claimed: Claimed<'c>) -> (Claimed<'c>, Destruction) {
        let mut outcome =
            Destruction { touched: self.goes_with_another(&claimed), ..Destruction::default() };
        for (location, placed) in claimed.targets() {
            let share = self.share(&claimed, location);
            tracing::debug!(
                image_id = claimed.work.image().id.as_str(),
                location = location.id,
                ?share,
                "location to destroy"
            );
            match share {
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
        outcome: &mut Destruction,
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
        outcome: &mut Destruction,
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
        outcome: &mut Destruction,
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
