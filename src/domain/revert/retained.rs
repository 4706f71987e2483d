//! Lists scrubbed images that could still come back.

use futures::{StreamExt, TryStreamExt, stream};

use super::{Judged, RevertError, Reverter, Verify};
use crate::domain::evidence::{Finding, has_hash};
use crate::domain::image::{Image, ImageId};
use crate::domain::pending::Children;
use crate::domain::principal::Admin;
use crate::domain::repo::{RepoError, ScrubbedMarker, ScrubbedQuery};
use crate::domain::store::Retained;
use crate::domain::time::Timestamp;

/// Number of images whose stores are asked in parallel.
const SIDE_BY_SIDE: usize = 8;
/// Images read at a time.
const BATCH: usize = 64;

/// How a scrubbed image could come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// By any revert: Glance ended its rows, and its data exists.
    Revert,
    /// By a revert that compares the hash of the kept or existing data.
    Checksum,
    /// Only by an operator, in the store itself.
    ByHand,
    /// A store did not answer.
    Unknown,
}

impl Chance {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revert => "revert",
            Self::Checksum => "checksum",
            Self::ByHand => "by_hand",
            Self::Unknown => "unknown",
        }
    }

    /// The chance that one location gives; `None` if nothing of it is left.
    fn of(finding: &Finding, has_hash: bool) -> Option<Self> {
        match finding {
            Finding::Present | Finding::Repairable { .. } | Finding::Repaired(_) => {
                Some(Self::Revert)
            }
            Finding::Kept(_)
            | Finding::Recoverable(_)
            | Finding::Recovered(_)
            | Finding::Unproved(_)
                if has_hash =>
            {
                Some(Self::Checksum)
            }
            Finding::Kept(_)
            | Finding::Recoverable(_)
            | Finding::Recovered(_)
            | Finding::Unproved(_)
            | Finding::Hidden(_) => Some(Self::ByHand),
            Finding::Unknown(_) | Finding::NotVerifiable(_) => Some(Self::Unknown),
            Finding::Unchecked
            | Finding::Missing
            | Finding::Destroyed
            | Finding::Damaged(_)
            | Finding::WrongSize { .. }
            | Finding::WrongChecksum => None,
        }
    }
}

/// An image that could come back.
#[derive(Debug, Clone)]
pub struct SecondChance {
    /// The image, without its properties, tags and members.
    pub image: Image,
    /// The best chance of its locations.
    pub chance: Chance,
    /// The locations of which something may be left.
    pub locations: Vec<Judged>,
}

impl SecondChance {
    fn of(image: Image, judged: Vec<Judged>) -> Option<Self> {
        let has_hash = has_hash(&image);
        let chance = |one: &Judged| Chance::of(&one.finding, has_hash);
        let best = judged.iter().filter_map(chance).min_by_key(|chance| *chance as u8)?;
        let locations = judged.into_iter().filter(|one| chance(one).is_some()).collect();
        Some(Self { image, chance: best, locations })
    }

    /// What stores kept of it.
    pub fn kept(&self) -> impl Iterator<Item = &Retained> {
        self.locations.iter().filter_map(|one| one.finding.kept())
    }

    /// When the last kept piece may expire; `None` if never, or unknown.
    pub fn kept_until(&self) -> Option<Timestamp> {
        let ends: Option<Vec<_>> = self.kept().map(|kept| kept.until).collect();
        ends.into_iter().flatten().max()
    }
}

/// A page of the images that could come back.
#[derive(Debug, Default)]
pub struct RetainedPage {
    /// The images, the last changed first.
    pub images: Vec<SecondChance>,
    /// Number of scrubbed images that were examined.
    pub examined: usize,
    /// Number of images whose rows cannot be read.
    pub unreadable: usize,
    /// Where to continue; `None` after the last image.
    pub next: Option<ScrubbedMarker>,
}

impl Reverter {
    /// Asks the stores what they kept of each image of one page. Reads no data, takes no lock and writes
    /// nothing.
    pub async fn list_retained(
        &self,
        _by: &Admin,
        query: &ScrubbedQuery,
    ) -> Result<RetainedPage, RepoError> {
        let scrubbed = self.repo.list_scrubbed(query).await?;
        let (examined, next) = (scrubbed.ids.len(), scrubbed.next);
        let mut page = RetainedPage { examined, next, ..RetainedPage::default() };
        for some in scrubbed.ids.chunks(BATCH) {
            let (images, unreadable) = self.read_scrubbed(some).await?;
            page.unreadable += unreadable;
            let looks = images.into_iter().map(|image| self.second_chance(image));
            let looks: Vec<_> = looks.collect();
            let found: Vec<_> = stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await?;
            page.images.extend(found.into_iter().flatten());
        }
        Ok(page)
    }

    /// The images in this order, and the number of those that cannot be read.
    async fn read_scrubbed(&self, ids: &[ImageId]) -> Result<(Vec<Image>, usize), RepoError> {
        let wholes = self.repo.get_whole(ids, Children::NONE).await?;
        let mut unreadable = wholes.images.iter().filter(|image| image.is_err()).count();
        let mut images: Vec<_> = wholes.images.into_iter().flatten().collect();
        for id in &wholes.left_out {
            match self.repo.get(id, Children::NONE).await {
                Ok(image) => images.extend(image),
                Err(RepoError::BadRow(_) | RepoError::TooLarge(_)) => unreadable += 1,
                Err(error) => return Err(error),
            }
        }
        images.sort_by_key(|image| ids.iter().position(|id| *id == image.id));
        Ok((images, unreadable))
    }

    /// What is left of an image; `None` if nothing is, or if it is pending or active.
    async fn second_chance(&self, image: Image) -> Result<Option<SecondChance>, RepoError> {
        if !image.may_be_scrubbed() {
            return Ok(None);
        }
        let pending = match self.show_pending(image).await {
            Ok(pending) => pending,
            Err(RevertError::Repo(error)) => return Err(error),
            Err(_) => return Ok(None),
        };
        let judged = self.evidence().judge(&pending, Verify::Exists, true).await;
        Ok(SecondChance::of(pending.image().clone(), judged))
    }
}
