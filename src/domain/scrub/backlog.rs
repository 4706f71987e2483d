//! The work of a pass, according to the rows.

use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::Scrubber;
use super::horizon::Horizon;
use super::limit::Tally;
use crate::domain::image::ImageId;
use crate::domain::repo::{DueImage, RepoError, Stretch};

/// Images whose rows are counted at once: 100,000 take about 10 MiB.
const CHAPTER: u32 = 102_400;

/// Remnants examined in one pass. In databases with whole seconds, most images that Glance
/// destroyed before `delayed_delete` was enabled look like remnants.
const MOST_REMNANTS: usize = 1000;
/// How long a pass searches for remnants, which no index of Glance's finds. The next pass continues
/// from there.
const LOOK: Duration = Duration::from_secs(1);
/// A plan searches this long: whole large tables would take minutes.
const LONG_LOOK: Duration = Duration::from_secs(5);
/// Images read at a time.
const BATCH: usize = 64;
/// Images examined per query.
const STRETCH: u32 = 10_000;

/// The images that are due, or the next part of them.
#[derive(Debug, Default)]
pub(super) struct Chapter {
    images: Vec<DueImage>,
    next: Option<i32>,
}

impl Chapter {
    /// The images whose ids are valid.
    pub(super) fn ids(&self) -> Vec<ImageId> {
        self.images.iter().filter_map(|image| image.id.clone()).collect()
    }

    /// The location after which the next chapter begins.
    pub(super) fn next(&self) -> Option<i32> {
        self.next
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.images.iter().for_each(|image| tally.add(image.size));
        tally
    }
}

/// Where the next search for remnants begins.
#[derive(Debug)]
pub(super) struct Bookmark(Option<ImageId>);

impl Default for Bookmark {
    /// A random position, because a process may run only one pass.
    fn default() -> Self {
        let anywhere = format!("{:016x}", RandomState::new().hash_one(()));
        Self(ImageId::parse(&anywhere).ok())
    }
}

impl Scrubber {
    /// The images that are due after a location: all of them, or a large part, because shared data
    /// is counted once per chapter.
    pub(super) async fn chapter(
        &self,
        horizon: &Horizon,
        after: i32,
    ) -> Result<Chapter, RepoError> {
        let mut chapter = Chapter { images: Vec::new(), next: Some(after) };
        while let Some(after) = chapter.next.filter(|_| chapter.images.len() < CHAPTER as usize) {
            let part = self.part(horizon, after, CHAPTER).await?;
            chapter.images.extend(part.images);
            chapter.next = part.next;
        }
        Ok(chapter)
    }

    /// How much is due, including the first chapter.
    pub(super) async fn due(&self, horizon: &Horizon, first: &Chapter) -> Result<Tally, RepoError> {
        match first.next() {
            Some(_) => self.count(horizon).await,
            None => Ok(first.tally()),
        }
    }

    /// Some remnants that are due, from where the last search ended. Small tables are searched
    /// completely every time.
    pub(super) async fn some_remnants(&self, horizon: &Horizon) -> Result<Vec<ImageId>, RepoError> {
        let bookmark = || self.bookmark.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, mut after) = (Instant::now(), bookmark().0.clone());
        let mut rounds = usize::from(after.is_some()) + 1;
        let mut found = Vec::new();
        while rounds > 0 && found.len() < MOST_REMNANTS && began.elapsed() < LOOK {
            after = self.stretch(horizon, after.as_ref(), &mut found).await?;
            rounds -= usize::from(after.is_none());
        }
        bookmark().0 = after;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The first remnants in the table, and whether there are no more.
    pub(super) async fn first_remnants(
        &self,
        horizon: &Horizon,
    ) -> Result<(Vec<ImageId>, bool), RepoError> {
        let began = Instant::now();
        let mut found = Vec::new();
        let mut after = self.stretch(horizon, None, &mut found).await?;
        while after.is_some() && found.len() < MOST_REMNANTS && began.elapsed() < LONG_LOOK {
            after = self.stretch(horizon, after.as_ref(), &mut found).await?;
        }
        Ok((found, after.is_none()))
    }

    async fn stretch(
        &self,
        horizon: &Horizon,
        after: Option<&ImageId>,
        found: &mut Vec<ImageId>,
    ) -> Result<Option<ImageId>, RepoError> {
        let left = MOST_REMNANTS.saturating_sub(found.len());
        let stretch = Stretch { images: STRETCH, found: u32::try_from(left).unwrap_or(u32::MAX) };
        let unscrubbed = self.settings.delayed_delete;
        let remnants = self.repo.remnants(horizon.latest(), after, unscrubbed, stretch).await?;
        if horizon.has_rules() {
            let facts = self.facts_of(horizon, &remnants.ids).await?;
            for ids in remnants.ids.chunks(BATCH) {
                found.extend(self.with_work(horizon, ids, &facts).await?);
            }
        } else {
            found.extend(remnants.ids);
        }
        Ok(remnants.next)
    }
}
