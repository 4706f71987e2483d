//! Walks over what is due at a given time, decides for each image as a pass would, and writes
//! nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::Scrubber;
use super::backlog::Chapter;
use super::horizon::Horizon;
use super::in_force::Times;
use super::limit::{Limited, Tally};
use super::placing::{self, Obstacle};
use super::work::Work;
use crate::domain::control::InForce;
use crate::domain::image::{ImageId, State};
use crate::domain::repo::RepoError;
use crate::domain::retention::Facts;
use crate::domain::store::{Placed, Presence, StoreId};

/// Images read at a time.
const BATCH: usize = 64;

/// One image that is due.
pub(super) enum Found {
    /// A pass would destroy it.
    Ready { work: Box<Work>, placed: Vec<Placed>, facts: Option<Facts> },
    /// A pass would skip it.
    Stopped { image: String, size: Option<i64>, obstacle: Obstacle, why: String },
}

/// One walk.
pub(super) struct Survey<'a> {
    scrubber: &'a Scrubber,
    horizon: &'a Horizon,
    health: HashMap<(StoreId, String), Option<String>>,
}

impl<'a> Survey<'a> {
    pub(super) fn new(scrubber: &'a Scrubber, horizon: &'a Horizon) -> Self {
        Self { scrubber, horizon, health: HashMap::new() }
    }

    /// Calls `note` for each image, those of the first chapter first, until `note` stops the walk.
    /// Returns whether every due image was found.
    pub(super) async fn each(
        mut self,
        first: &Chapter,
        mut note: impl FnMut(Found) -> ControlFlow<()> + Send,
    ) -> Result<bool, RepoError> {
        let (mut ids, mut next) = (first.ids(), first.next());
        loop {
            if self.each_of(&ids, &mut note).await?.is_break() {
                return Ok(false);
            }
            let Some(after) = next else { break };
            let chapter = self.scrubber.chapter(self.horizon, after).await?;
            (ids, next) = (chapter.ids(), chapter.next());
        }
        let (remnants, is_all) = self.scrubber.first_remnants(self.horizon).await?;
        Ok(self.each_of(&remnants, &mut note).await?.is_continue() && is_all)
    }

    async fn each_of(
        &mut self,
        page: &[ImageId],
        note: &mut (impl FnMut(Found) -> ControlFlow<()> + Send),
    ) -> Result<ControlFlow<()>, RepoError> {
        for ids in page.chunks(BATCH) {
            let held = self.scrubber.holds_of(ids).await?;
            let mut facts = self.scrubber.facts_of(self.horizon, ids).await?;
            for image in self.scrubber.repo.get_many(ids).await? {
                let found = match image {
                    Ok(image) => {
                        let facts = facts.remove(&image.id);
                        match image.into_work(self.horizon.before(facts.as_ref())) {
                            Some(work) if self.has_data(&work).await => {
                                let order = held.get(&work.image().id);
                                self.judge(work, facts, order).await
                            }
                            Some(_) | None => continue,
                        }
                    }
                    Err(bad) => Found::Stopped {
                        image: bad.image.clone(),
                        size: None,
                        obstacle: Obstacle::Unreadable,
                        why: bad.to_string(),
                    },
                };
                if note(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether there is anything to destroy. For an image that may be scrubbed already, only the
    /// store knows.
    async fn has_data(&self, work: &Work) -> bool {
        let image = work.image();
        if image.state() != State::Unscrubbed {
            return true;
        }
        for location in work.targets() {
            if let Ok(placed) = self.scrubber.stores.place(location)
                && !matches!(placed.store.stat(&image.id, &placed.uri).await, Ok(Presence::Absent))
            {
                return true;
            }
        }
        false
    }

    async fn judge(&mut self, work: Work, facts: Option<Facts>, hold: Option<&InForce>) -> Found {
        let result = match hold {
            Some(hold) => Err((Obstacle::Held, hold.to_string())),
            None => self.place(&work).await,
        };
        let image = work.image();
        match result {
            Ok(placed) => Found::Ready { work: Box::new(work), placed, facts },
            Err((obstacle, why)) => {
                Found::Stopped { image: image.id.to_string(), size: image.size, obstacle, why }
            }
        }
    }

    async fn place(&mut self, work: &Work) -> Result<Vec<Placed>, (Obstacle, String)> {
        let (scrubber, id) = (self.scrubber, &work.image().id);
        let now = scrubber.clock.now();
        if scrubber.with_backoff(|backoff| backoff.waits(id, now)) {
            let why = "an attempt failed; a later pass tries again".to_owned();
            return Err((Obstacle::FailedLately, why));
        }
        let placed = placing::place(&*scrubber.stores, work)?;
        for one in &placed {
            if let Some(why) = self.illness(one).await {
                let why = format!("store {}: {why}", one.store.id());
                return Err((Obstacle::StoreUnavailable, why));
            }
        }
        Ok(placed)
    }

    /// What is wrong with a store; each store is asked once.
    async fn illness(&mut self, placed: &Placed) -> Option<String> {
        let part = placed.part();
        if let Some(known) = self.health.get(&part) {
            return known.clone();
        }
        let illness = placed.store.health().await.err().map(|error| error.to_string());
        self.health.insert(part, illness.clone());
        illness
    }
}

impl Scrubber {
    /// Counts what is due and checks it against the limits. Rows are counted first. If they exceed
    /// the limits, the images that can really be destroyed are counted one by one, only as far as
    /// needed: images that nothing can destroy must not block the others forever.
    pub(super) async fn judge(
        &self,
        times: &Times,
        accepted: Option<u64>,
    ) -> Result<(Chapter, Result<(), Limited>), RepoError> {
        let limits = self.settings.limits;
        let first = self.chapter(&times.own, 0).await?;
        let due = self.due(&times.own, &first).await?;
        let lowered = times.lowered(self.lowered(times, due).await?);
        let Err(limited) = limits.judge(due, lowered, accepted) else {
            return Ok((first, Ok(())));
        };
        let (mut ready, mut early) = (Tally::default(), 0);
        let mut is_over = false;
        let note = |found| {
            if let Found::Ready { work, facts, .. } = found {
                ready.add(work.image().size);
                early += u64::from(times.is_early(&work, facts.as_ref()));
            }
            is_over = limits.judge(ready, times.lowered(early), accepted).is_err();
            if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Survey::new(self, &times.own).each(&first, note).await?;
        Ok((first, if is_over { Err(limited) } else { Ok(()) }))
    }
}
