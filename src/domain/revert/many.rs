//! Bulk reverts: each image follows the rules of a single revert, with few statements for all.
//!
//! A batch of images is locked and read together; their stores are asked concurrently; the reverts
//! that are decided by then are written in one transaction. An image that cannot come back, or
//! whose row changes meanwhile, does not affect the others.

mod looks;

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::looks::Looks;
use super::decision::Decision;
use super::{ATTEMPTS, LOCK_POLL, RevertError, RevertRequest, Reverted, Reverter, recorded};
use crate::domain::evidence::{Judged, Shown};
use crate::domain::image::{Image, ImageId, State};
use crate::domain::lock::ImageGuard;
use crate::domain::pending::PendingDelete;
use crate::domain::principal::Admin;
use crate::domain::repo::{RepoError, Revert, Write};
use crate::domain::time::Timestamp;

/// Images that are locked, read and written together.
const BATCH: usize = 64;

/// How long a decided revert waits for others to be written with it: a slow store must not delay
/// the images of a fast one.
const COMPANY: Duration = Duration::from_millis(20);

/// Receives each image's result as soon as it is known, with the image's index in the request.
pub type Tell<'a> = &'a mut (dyn FnMut(usize, Result<Reverted, RevertError>) + Send);

/// Which images to revert, and how.
#[derive(Debug, Clone, Copy)]
pub struct Many<'a> {
    /// The images, each once, in the order in which they are to come back.
    pub ids: &'a [ImageId],
    /// The options for all of them.
    pub request: RevertRequest,
    /// Images whose stores are asked concurrently.
    pub jobs: usize,
}

impl Reverter {
    /// Reverts many images. An image without a result when this returns was not touched: `stop` was
    /// cancelled, or the database failed, which is the returned error.
    pub async fn revert_many(
        &self,
        by: &Admin,
        many: &Many<'_>,
        stop: &CancellationToken,
        tell: Tell<'_>,
    ) -> Result<(), RepoError> {
        let (unanswered, active, shown) = (HashMap::new(), Vec::new(), Shown::new());
        let mut run = Run { reverter: self, by, many, stop, tell, unanswered, active, shown };
        let mut taken = run.all((0..many.ids.len()).collect()).await?;
        let deadline = Instant::now() + self.settings.lock_wait;
        while !taken.is_empty() && !stop.is_cancelled() {
            if Instant::now() + LOCK_POLL > deadline {
                for at in taken {
                    run.busy(at);
                }
                break;
            }
            sleep(LOCK_POLL).await;
            taken = run.all(taken).await?;
        }
        Ok(())
    }

    /// Collects an image's evidence from its stores.
    async fn look_at<'g>(
        &self,
        held: LockedImage<'g>,
        image: Image,
        request: RevertRequest,
    ) -> Result<JudgedImage<'g>, (LockedImage<'g>, RevertError)> {
        let pending = match self.show_pending(image).await {
            Ok(pending) => pending,
            Err(error) => return Err((held, error)),
        };
        let judged = self.evidence().judge(&pending, request.verify, request.dry_run).await;
        Ok(JudgedImage { held, pending, judged })
    }
}

/// A locked image, with its index in the request.
#[derive(Debug, Clone, Copy)]
struct LockedImage<'g> {
    at: usize,
    guard: &'g ImageGuard,
}

/// An image with evidence from its stores.
struct JudgedImage<'g> {
    held: LockedImage<'g>,
    pending: PendingDelete,
    judged: Vec<Judged>,
}

/// A revert that was sent to the database, which did not answer.
struct Unanswered {
    decision: Decision,
    now: Timestamp,
    error: RepoError,
}

impl Unanswered {
    /// Whether the image looks as this revert would have left it.
    fn was_done(&self, image: &Image) -> bool {
        let live = |id: &i32| image.locations.iter().any(|one| one.id == *id && one.is_live());
        image.state() == State::Live
            && image.updated_at == Some(self.now)
            && self.decision.plan.locations().iter().all(live)
    }
}

struct Run<'a> {
    reverter: &'a Reverter,
    by: &'a Admin,
    many: &'a Many<'a>,
    stop: &'a CancellationToken,
    tell: Tell<'a>,
    unanswered: HashMap<usize, Unanswered>,
    /// Images that are already active, perhaps by an earlier revert of ours.
    active: Vec<(usize, RevertError)>,
    shown: Shown,
}

impl Run<'_> {
    /// Processes all batches; returns the images whose lock somebody else holds.
    async fn all(&mut self, indexes: Vec<usize>) -> Result<Vec<usize>, RepoError> {
        let mut taken = Vec::new();
        // with a single job, one image after the other
        let size = if self.many.jobs > 1 { BATCH } else { 1 };
        for some in indexes.chunks(size) {
            if self.stop.is_cancelled() {
                break;
            }
            taken.extend(self.batch(some).await?);
        }
        Ok(taken)
    }

    async fn batch(&mut self, indexes: &[usize]) -> Result<Vec<usize>, RepoError> {
        let id = |at: &usize| self.many.ids.get(*at).cloned();
        let ids: Vec<_> = indexes.iter().filter_map(id).collect();
        let guards = self.reverter.lock.try_lock_all(&ids).await?;
        let by_id: HashMap<_, _> = guards.iter().map(|guard| (guard.id(), guard)).collect();
        let (mut held, mut taken) = (Vec::new(), Vec::new());
        for (at, id) in indexes.iter().copied().zip(&ids) {
            match by_id.get(id) {
                Some(guard) => held.push(LockedImage { at, guard }),
                None => taken.push(at),
            }
        }
        let done = self.locked(held).await;
        let done = self.tell_active().await.and(done);
        // each may be done: a repeated request will find out
        let unanswered: Vec<_> = self.unanswered.drain().collect();
        for (at, Unanswered { error, .. }) in unanswered {
            (self.tell)(at, Err(error.into()));
        }
        self.reverter.lock.release_all(guards).await;
        done.map(|()| taken)
    }

    async fn locked(&mut self, mut open: Vec<LockedImage<'_>>) -> Result<(), RepoError> {
        for _ in 0..ATTEMPTS {
            if open.is_empty() {
                return Ok(());
            }
            open = self.attempt(open).await?;
        }
        for LockedImage { at, .. } in open {
            match self.unanswered.remove(&at) {
                Some(Unanswered { error, .. }) => (self.tell)(at, Err(error.into())),
                None => self.busy(at),
            }
        }
        Ok(())
    }

    /// Reads, asks, decides and writes; returns the images whose rows changed meanwhile.
    async fn attempt<'g>(
        &mut self,
        open: Vec<LockedImage<'g>>,
    ) -> Result<Vec<LockedImage<'g>>, RepoError> {
        let ids: Vec<_> = open.iter().map(|held| held.guard.id().clone()).collect();
        let request = &self.many.request;
        let wholes = self.reverter.repo.get_whole(&ids, request.children).await?;
        let mut found = HashMap::new();
        for image in wholes.images {
            let id = image.as_ref().map_or_else(|bad| bad.image.clone(), |i| i.id.to_string());
            found.insert(id, image);
        }
        let (mut waiting, mut alone, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for held in open {
            let id = held.guard.id();
            match found.remove(id.as_str()) {
                Some(Ok(image)) => match self.unanswered.remove(&held.at) {
                    Some(sent) if sent.was_done(&image) => {
                        let Unanswered { decision, now, .. } = sent;
                        self.look_again(vec![(held, decision)], now, &mut again).await?;
                    }
                    _ => waiting.push((held, image)),
                },
                Some(Err(bad)) => (self.tell)(held.at, Err(RepoError::from(bad).into())),
                None if wholes.left_out.contains(id) => alone.push(held),
                None => (self.tell)(held.at, Err(RevertError::NotFound(id.clone()))),
            }
        }
        self.ask_stores(waiting, &mut again).await?;
        for LockedImage { at, guard } in alone {
            if !self.stop.is_cancelled() {
                let result = self.reverter.revert_locked(self.by, guard, request).await;
                (self.tell)(at, result);
            }
        }
        Ok(again)
    }

    /// Asks the stores of `jobs` images at a time, and writes those that are decided together; a
    /// decided image waits for others only for a moment.
    async fn ask_stores<'g>(
        &mut self,
        waiting: Vec<(LockedImage<'g>, Image)>,
        again: &mut Vec<LockedImage<'g>>,
    ) -> Result<(), RepoError> {
        let (reverter, request) = (self.reverter, self.many.request);
        let mut waiting = waiting.into_iter();
        let (mut asked, mut seen) = (Looks::new(), Vec::new());
        loop {
            while asked.len() < self.many.jobs.max(1) && !self.stop.is_cancelled() {
                let Some((held, image)) = waiting.next() else { break };
                asked.push(reverter.look_at(held, image, request));
            }
            let patience = if seen.is_empty() { Duration::MAX } else { COMPANY };
            match timeout(patience, asked.next()).await {
                Ok(Some(Ok(one))) => seen.push(one),
                Ok(Some(Err((held, error)))) => self.refuse(held, error)?,
                Ok(None) => break,
                Err(_) => {
                    let seen = std::mem::take(&mut seen);
                    asked.beside(Box::pin(self.write(seen, again))).await?;
                }
            }
        }
        self.write(seen, again).await
    }

    /// Decides, and writes the decided reverts.
    async fn write<'g>(
        &mut self,
        mut seen: Vec<JudgedImage<'g>>,
        again: &mut Vec<LockedImage<'g>>,
    ) -> Result<(), RepoError> {
        seen.sort_by_key(|one| one.held.at);
        let reverter = self.reverter;
        let examined = seen.iter_mut().map(|one| (&one.pending.image().id, &mut one.judged));
        let mut examined: Vec<_> = examined.collect();
        reverter.evidence().prove_absences(&mut examined, &mut self.shown).await?;
        let mut decided = Vec::new();
        for JudgedImage { held, pending, judged } in seen {
            match reverter.decide(pending, judged, &self.many.request).await {
                Ok(Some(decision)) => decided.push((held, decision)),
                Ok(None) => again.push(held),
                Err(error) => self.refuse(held, error)?,
            }
        }
        let now = reverter.clock.now_in_seconds();
        if self.many.request.dry_run {
            for (LockedImage { at, .. }, decision) in decided {
                (self.tell)(at, Ok(decision.reverted(now)));
            }
            return Ok(());
        }
        let (at, by, request) = (reverter.clock.now(), self.by, self.many.request);
        let reverts = decided.iter().map(|(held, decision)| {
            let audit = recorded::entry(at, by, request, &decision.reverted(now));
            Revert { guard: held.guard, plan: &decision.plan, audit }
        });
        let reverts: Vec<_> = reverts.collect();
        let written = reverter.repo.revert_all(&reverts, now).await;
        let mut done = Vec::new();
        for ((held, decision), written) in decided.into_iter().zip(written) {
            if !matches!(written, Ok(Write::Done)) {
                decision.tell_unwritten();
            }
            match written {
                Ok(Write::Done) => done.push((held, decision)),
                Ok(Write::Stale) => again.push(held),
                Err(error) => self.doubt(held, Unanswered { decision, now, error }, again)?,
            }
        }
        self.look_again(done, now, again).await
    }

    /// Examines the written images again; returns those that somebody changed right afterwards.
    async fn look_again<'g>(
        &mut self,
        done: Vec<(LockedImage<'g>, Decision)>,
        now: Timestamp,
        again: &mut Vec<LockedImage<'g>>,
    ) -> Result<(), RepoError> {
        let ids: Vec<_> = done.iter().map(|(held, _)| held.guard.id().clone()).collect();
        let reverter = self.reverter;
        let mut live: HashMap<ImageId, Vec<i32>> = HashMap::new();
        match reverter.repo.live_locations_of_all(&ids).await {
            Ok(locations) => {
                for (id, location) in locations {
                    live.entry(id).or_default().push(location);
                }
            }
            Err(error) => {
                for (held, decision) in done {
                    let error = error.clone();
                    self.doubt(held, Unanswered { decision, now, error }, again)?;
                }
                return Ok(());
            }
        }
        let mut done = done.into_iter().peekable();
        while done.peek().is_some() {
            let some: Vec<_> = done.by_ref().take(self.many.jobs.max(1)).collect();
            let looks = some.iter().map(|(held, decision)| {
                let live = live.get(held.guard.id()).map_or(&[][..], Vec::as_slice);
                reverter.is_still_there(decision, live)
            });
            for (is_there, (held, decision)) in join_all(looks).await.into_iter().zip(some) {
                match is_there {
                    Ok(true) => (self.tell)(held.at, Ok(decision.reverted(now))),
                    Ok(false) => again.push(held),
                    Err(RevertError::Repo(error)) => {
                        self.doubt(held, Unanswered { decision, now, error }, again)?;
                    }
                    Err(error) => (self.tell)(held.at, Err(error)),
                }
            }
        }
        Ok(())
    }

    /// Leaves a revert without an answer open: reading the image again shows whether it was done.
    fn doubt<'g>(
        &mut self,
        held: LockedImage<'g>,
        unanswered: Unanswered,
        again: &mut Vec<LockedImage<'g>>,
    ) -> Result<(), RepoError> {
        if matches!(unanswered.error, RepoError::Unavailable(_)) {
            self.unanswered.insert(held.at, unanswered);
            again.push(held);
            Ok(())
        } else {
            self.refuse(held, unanswered.error.into())
        }
    }

    /// Reports why an image does not come back, unless the error would stop every other image too.
    fn refuse(&mut self, held: LockedImage<'_>, error: RevertError) -> Result<(), RepoError> {
        if let RevertError::Repo(away @ RepoError::Unavailable(_)) = &error {
            return Err(away.clone());
        }
        if error.is_back() && !self.many.request.dry_run {
            self.active.push((held.at, error));
        } else {
            (self.tell)(held.at, Err(error));
        }
        Ok(())
    }

    /// Answers for images that are already active: if an earlier revert of ours did it and nobody
    /// has changed the image since, its response is repeated.
    async fn tell_active(&mut self) -> Result<(), RepoError> {
        let active = std::mem::take(&mut self.active);
        let ids = active.iter().filter_map(|(at, _)| self.many.ids.get(*at).cloned());
        let ids: Vec<_> = ids.collect();
        let (mut known, asked) = match self.reverter.answers_of(self.by, &ids).await {
            Ok(known) => (known, Ok(())),
            Err(error) => (HashMap::new(), Err(error)),
        };
        for (at, error) in active {
            let known = self.many.ids.get(at).and_then(|id| known.remove(id));
            (self.tell)(at, known.ok_or(error));
        }
        asked
    }

    fn busy(&mut self, at: usize) {
        if let Some(id) = self.many.ids.get(at) {
            (self.tell)(at, Err(RevertError::Busy(id.clone())));
        }
    }
}
