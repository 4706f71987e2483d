//! Destroys the claimed data of a batch.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::Scrubber;
use super::circuit_breaker::{Belief, CircuitBreaker};
use super::claimed::{Claimed, Destruction};
use super::shared_data::{Share, Shares};
use crate::domain::location::Location;
use crate::domain::store::{Deletion, Placed};

/// A claimed image, and what happened to its data.
type Outcome<'c> = (Claimed<'c>, Destruction);

/// An image whose only location is to be destroyed.
struct Going<'g, 'c> {
    claimed: &'g Claimed<'c>,
    location: &'g Location,
    placed: &'g Placed,
    outcome: &'g mut Destruction,
}

/// Destroys claimed data.
pub(super) struct Destroyer<'a> {
    pub(super) scrubber: &'a Scrubber,
    pub(super) breaker: &'a CircuitBreaker,
    pub(super) shares: &'a Shares,
    pub(super) stop: &'a CancellationToken,
}

impl Destroyer<'_> {
    /// Destroys a batch, `scrub_pool_size` groups at a time.
    pub(super) async fn destroy_all<'c>(&self, batch: Vec<Claimed<'c>>) -> Vec<Outcome<'c>> {
        let destroyed = groups(batch).into_iter().map(|group| self.destroy_group(group));
        let destroyed: Vec<_> = destroyed.collect();
        let at_a_time = self.scrubber.settings.pool_size;
        stream::iter(destroyed).buffer_unordered(at_a_time).concat().await
    }

    async fn destroy_group<'c>(&self, mut group: Vec<Claimed<'c>>) -> Vec<Outcome<'c>> {
        match group.pop() {
            Some(alone) if group.is_empty() => vec![self.destroy(alone).await],
            Some(last) => {
                group.push(last);
                self.destroy_together(group).await
            }
            None => Vec::new(),
        }
    }

    /// Destroys one image, location by location.
    async fn destroy<'c>(&self, claimed: Claimed<'c>) -> Outcome<'c> {
        let mut outcome = self.begun(&claimed);
        for (location, placed) in claimed.targets() {
            if self.is_to_go(&claimed, location, &mut outcome) {
                match self.breaker.admits(placed).await {
                    Ok(()) => {
                        let image = &claimed.work.image().id;
                        let deletion = placed.store.delete(image, &placed.uri).await;
                        self.judge(&claimed, location, placed, deletion, &mut outcome).await;
                    }
                    Err(reason) => outcome.left = Some(stopped(placed, &reason)),
                }
            }
            // If nothing was destroyed yet, the claim can be released; otherwise the image has to
            // be finished.
            if outcome.stopped || (outcome.left.is_some() && !outcome.touched) {
                break;
            }
        }
        (claimed, outcome)
    }

    /// Destroys images of one location each, all in one part of a store, with one call to the
    /// store. Their results are independent.
    async fn destroy_together<'c>(&self, group: Vec<Claimed<'c>>) -> Vec<Outcome<'c>> {
        let begun = group.into_iter().map(|claimed| (self.begun(&claimed), claimed));
        let mut all: Vec<_> = begun.collect();
        let going = all.iter_mut().filter_map(|(outcome, claimed)| {
            let claimed = &*claimed;
            let (location, placed) = claimed.targets().next()?;
            let is_to_go = self.is_to_go(claimed, location, outcome);
            is_to_go.then_some(Going { claimed, location, placed, outcome })
        });
        self.delete_all(going.collect()).await;
        all.into_iter().map(|(outcome, claimed)| (claimed, outcome)).collect()
    }

    async fn delete_all(&self, going: Vec<Going<'_, '_>>) {
        let Some(first) = going.first().map(|one| one.placed) else { return };
        if let Err(reason) = self.breaker.admits(first).await {
            for one in going {
                one.outcome.left = Some(stopped(first, &reason));
            }
            return;
        }
        let wanted: Vec<_> =
            going.iter().map(|one| (&one.claimed.work.image().id, &one.placed.uri)).collect();
        let mut results = first.store.delete_all(&wanted, self.stop).await.into_iter();
        for Going { claimed, location, placed, outcome } in going {
            let silent = || Some(Deletion::Uncertain("the store said nothing of it".to_owned()));
            match results.next().unwrap_or_else(silent) {
                Some(deletion) => self.judge(claimed, location, placed, deletion, outcome).await,
                None => outcome.stopped = true,
            }
        }
    }

    fn begun(&self, claimed: &Claimed<'_>) -> Destruction {
        Destruction { touched: self.goes_with_another(claimed), ..Destruction::default() }
    }

    /// Whether the store has to destroy a location's data. If not, the outcome already says what
    /// happens to the row.
    fn is_to_go(
        &self,
        claimed: &Claimed<'_>,
        location: &Location,
        outcome: &mut Destruction,
    ) -> bool {
        let (id, share) = (location.id, self.share(claimed, location));
        let image = claimed.work.image().id.as_str();
        tracing::debug!(image_id = image, location = id, ?share, "location to destroy");
        match share {
            Share::Needed => {
                outcome.shared += 1;
                outcome.deleted.push(id);
            }
            Share::GoesWith(row) => {
                outcome.shared += u64::from(!claimed.has(row));
                outcome.deleted.push(id);
            }
            Share::Uncounted => outcome.left = Some(format!("location {id} was added meanwhile")),
            Share::Own if self.stop.is_cancelled() => outcome.stopped = true,
            Share::Own => return true,
        }
        false
    }

    /// Whether some of the image's data is destroyed with another image, which may happen at any
    /// moment.
    fn goes_with_another(&self, claimed: &Claimed<'_>) -> bool {
        claimed.targets().any(|(location, _)| match self.share(claimed, location) {
            Share::GoesWith(row) => !claimed.has(row),
            Share::Own | Share::Needed | Share::Uncounted => false,
        })
    }

    /// Whether other rows need the same data: rows of all images as they were counted, and this
    /// image's rows as they were read under its lock.
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

    async fn judge(
        &self,
        claimed: &Claimed<'_>,
        location: &Location,
        placed: &Placed,
        deletion: Deletion,
        outcome: &mut Destruction,
    ) {
        let id = location.id;
        match deletion {
            Deletion::Deleted => {
                self.breaker.shown(placed).await;
                outcome.touched = true;
                outcome.deleted.push(id);
            }
            Deletion::Retained(how) => {
                self.breaker.shown(placed).await;
                outcome.touched = true;
                outcome.retained.push(placed.store.id().clone());
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
                outcome.left = Some(format!("the store refuses to delete location {id}: {why}"));
            }
            Deletion::Partial(why) => {
                self.breaker.shown(placed).await;
                outcome.touched = true;
                outcome.left = Some(format!("location {id} is partly destroyed: {why}"));
            }
            Deletion::Uncertain(why) => {
                self.breaker.in_doubt(placed).await;
                outcome.touched = true;
                outcome.left = Some(format!("the outcome for location {id} is unknown: {why}"));
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
                outcome.left =
                    Some(format!("location {id} is absent, and store {store} is not trusted"));
            }
            Some(Err(error)) => outcome.left = Some(error.to_string()),
            None => outcome.stopped = true,
        }
    }
}

/// Groups images of one location each that a store can destroy together; every other image is a
/// group by itself.
fn groups(batch: Vec<Claimed<'_>>) -> Vec<Vec<Claimed<'_>>> {
    let (mut groups, mut open) = (Vec::new(), BTreeMap::new());
    for claimed in batch {
        let [placed] = &*claimed.placed else {
            groups.push(vec![claimed]);
            continue;
        };
        let (part, most) = (placed.part(), placed.store.at_once());
        let group: &mut Vec<_> = open.entry(part).or_default();
        group.push(claimed);
        if group.len() >= most {
            groups.push(std::mem::take(group));
        }
    }
    groups.extend(open.into_values());
    groups
}

fn stopped(placed: &Placed, reason: &str) -> String {
    format!("store {} is stopped: {reason}", placed.store.id())
}
