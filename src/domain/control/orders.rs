//! Pauses and holds: writes each one and waits until it is effective.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    ControlError, ControlRepo, Hold, HoldOutcome, InForce, Orders, Paused, Tended, Term,
    USUAL_PAUSE,
};
use crate::domain::image::ImageId;
use crate::domain::lock::ImageLock;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort, RepoError};
use crate::domain::revert::Reverter;
use crate::domain::selection::{Filter, Selection};
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// How long a pause waits for claims in progress.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to check.
const POLL: Duration = Duration::from_millis(250);
/// The same if a check has to count rows.
const COUNT_POLL: Duration = Duration::from_secs(1);
/// Images held in one transaction.
const PAGE: u32 = 512;
/// Failures listed individually.
const MOST_FAILURES: usize = 100;

/// Orders to all scrubbers on the database.
#[derive(Debug)]
pub struct Control {
    repo: Arc<dyn ControlRepo>,
    lock: Arc<dyn ImageLock>,
    reverter: Arc<Reverter>,
}

impl Control {
    /// Puts the parts together.
    pub fn new(
        repo: Arc<dyn ControlRepo>,
        lock: Arc<dyn ImageLock>,
        reverter: Arc<Reverter>,
    ) -> Self {
        Self { repo, lock, reverter }
    }

    /// The orders in force; `None` without our own tables.
    pub async fn orders(&self, _by: &Admin) -> Result<Option<Orders>, RepoError> {
        self.repo.orders().await
    }

    /// Pauses the scrubber until then; `None` for [`USUAL_PAUSE`]. After the first COMMIT no
    /// process claims anything. Returns when claims in progress are done, or after some seconds.
    pub async fn pause(
        &self,
        by: &Admin,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Paused, ControlError> {
        let began = Instant::now();
        let now = self.reverter.now().await?;
        let until = until.unwrap_or(now + USUAL_PAUSE);
        must_be_ahead(until, now)?;
        let term = Term { until, reason };
        self.repo.pause(&term, by).await?;
        let in_hand = self.wait_for_claims(began + PATIENCE).await?;
        let orders = self.repo.orders().await?;
        // If somebody ended it meanwhile, return what was asked for.
        let asked = InForce { term, since: now, by: by.principal().subject.clone() };
        let pause = orders.and_then(|orders| orders.pause).unwrap_or(asked);
        Ok(Paused { pause, in_hand })
    }

    /// Ends the pause; returns whether there was one.
    pub async fn resume(&self, by: &Admin) -> Result<bool, RepoError> {
        self.repo.resume(by).await
    }

    /// Lets one pass exceed the limits, whichever process runs it.
    pub async fn accept(&self, by: &Admin, images: u64) -> Result<(), RepoError> {
        self.repo.accept(images, by).await
    }

    /// Holds one image.
    pub async fn hold(
        &self,
        by: &Admin,
        id: &ImageId,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Hold, ControlError> {
        let term = self.term(until, reason).await?;
        let ids = std::slice::from_ref(id);
        match self.repo.hold(ids, &term, by).await?.pop() {
            Some(HoldOutcome::Held) => {}
            Some(HoldOutcome::Refused(why)) => {
                return Err(ControlError::NotPending(id.clone(), why));
            }
            Some(HoldOutcome::NotFound) | None => return Err(ControlError::NotFound(id.clone())),
        }
        let held = self.repo.holds_of(ids).await?.pop();
        held.ok_or_else(|| ControlError::NotFound(id.clone()))
    }

    /// Ends the hold of one image; returns whether it was held.
    pub async fn release(&self, by: &Admin, id: &ImageId) -> Result<bool, RepoError> {
        Ok(self.repo.release(std::slice::from_ref(id), by).await? == [true])
    }

    /// Holds all images of a selection.
    pub async fn hold_all(
        &self,
        by: &Admin,
        selection: &Selection,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Tended, ControlError> {
        let term = self.term(until, reason).await?;
        let mut tended = Tended::default();
        let mut marker = Walk::default();
        while let Some(ids) = self.next(by, selection, &mut marker).await? {
            let outcomes = self.repo.hold(&ids, &term, by).await?;
            tended.add(ids, outcomes);
        }
        tended.or_nothing()
    }

    /// Ends the holds of a selection's images. `done` counts those that were held.
    pub async fn release_all(
        &self,
        by: &Admin,
        selection: &Selection,
    ) -> Result<Tended, ControlError> {
        let mut tended = Tended::default();
        let mut marker = Walk::default();
        while let Some(ids) = self.next(by, selection, &mut marker).await? {
            let were_held = self.repo.release(&ids, by).await?;
            tended.images += ids.len() as u64;
            tended.done += were_held.into_iter().filter(|was_held| *was_held).count() as u64;
        }
        tended.or_nothing()
    }

    /// Which of these images are held, and by whom; none without our own tables.
    pub async fn holds_of(
        &self,
        _by: &Admin,
        images: &[ImageId],
    ) -> Result<HashMap<ImageId, InForce>, RepoError> {
        if self.repo.holds(None, 1).await?.is_empty() {
            return Ok(HashMap::new());
        }
        let holds = self.repo.holds_of(images).await?;
        Ok(holds.into_iter().map(|Hold { image, hold }| (image, hold)).collect())
    }

    /// A page of all holds, by image.
    pub async fn holds(
        &self,
        _by: &Admin,
        after: Option<&ImageId>,
        limit: u32,
    ) -> Result<Vec<Hold>, RepoError> {
        self.repo.holds(after, limit).await
    }

    async fn term(
        &self,
        until: Option<Timestamp>,
        reason: Option<String>,
    ) -> Result<Term, ControlError> {
        if let Some(until) = until {
            must_be_ahead(until, self.reverter.now().await?)?;
        }
        Ok(Term { until: until.unwrap_or(FAR_FUTURE), reason })
    }

    /// Waits for the claims in progress. A pass holds the pass lock and releases it when it has no
    /// claims. Where locks do not work, or a process died, only the rows tell.
    async fn wait_for_claims(&self, deadline: Instant) -> Result<u64, RepoError> {
        loop {
            if let Some(guard) = self.lock.try_lock_pass().await? {
                guard.release().await;
                break;
            }
            if Instant::now() + POLL > deadline {
                break;
            }
            sleep(POLL).await;
        }
        loop {
            let claimed = self.repo.claimed().await?;
            if claimed == 0 || Instant::now() + COUNT_POLL > deadline {
                return Ok(claimed);
            }
            sleep(COUNT_POLL).await;
        }
    }

    /// The next images of a selection.
    async fn next(
        &self,
        by: &Admin,
        selection: &Selection,
        marker: &mut Walk,
    ) -> Result<Option<Vec<ImageId>>, RepoError> {
        let filter = match selection {
            Selection::Images(ids) => {
                let left = ids.get(marker.seen..).unwrap_or_default();
                let some: Vec<_> = left.iter().take(PAGE as usize).cloned().collect();
                marker.seen += some.len();
                return Ok((!some.is_empty()).then_some(some));
            }
            Selection::Waiting(filter) => filter,
        };
        loop {
            let query = query(filter, marker.after.clone());
            let page = self.reverter.list(by, &query).await?;
            let Some(last) = page.last() else { return Ok(None) };
            marker.after = Some(PendingMarker::from(last));
            let fitting = page
                .into_iter()
                .filter(|one| filter.fits(one.owner.as_deref(), one.name.as_deref()));
            let ids: Vec<_> = fitting.map(|one| one.id).collect();
            if !ids.is_empty() {
                return Ok(Some(ids));
            }
        }
    }
}

/// The position of a walk over a selection.
#[derive(Default)]
struct Walk {
    seen: usize,
    after: Option<PendingMarker>,
}

/// The images that are due first come first.
fn query(filter: &Filter, marker: Option<PendingMarker>) -> PendingQuery {
    PendingQuery {
        owner: filter.owner.clone(),
        deleted_after: filter.deleted_after,
        deleted_before: filter.deleted_before,
        sort: PendingSort::OldestFirst,
        marker,
        limit: PAGE,
        ..PendingQuery::default()
    }
}

fn must_be_ahead(until: Timestamp, now: Timestamp) -> Result<(), ControlError> {
    if until > now { Ok(()) } else { Err(ControlError::Past { until, now }) }
}

impl Tended {
    fn add(&mut self, ids: Vec<ImageId>, outcomes: Vec<HoldOutcome>) {
        self.images += ids.len() as u64;
        for (id, outcome) in ids.into_iter().zip(outcomes) {
            if outcome == HoldOutcome::Held {
                self.done += 1;
            } else if self.failures.len() < MOST_FAILURES {
                self.failures.push((id, outcome));
            }
        }
    }

    fn or_nothing(self) -> Result<Self, ControlError> {
        if self.images == 0 { Err(ControlError::NothingSelected) } else { Ok(self) }
    }
}
