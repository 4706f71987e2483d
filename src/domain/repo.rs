//! Access to Glance's tables. Reads see deleted rows; writes are compare-and-set.

mod rows;

use std::collections::HashMap;
use std::fmt::Debug;

use async_trait::async_trait;

pub use self::rows::{
    DueImage, Handed, HeldLocation, Outlook, Remnants, Scrubbed, ScrubbedMarker, ScrubbedQuery,
    Stretch,
};
pub use super::error::{BadRow, RepoError};

use super::audit::AuditEntry;
use super::image::{Image, ImageId};
use super::location::Location;
use super::lock::ImageGuard;
use super::pending::{Children, RevertPlan};
use super::retention::{Facts, Labels};
use super::scrub::{Claim, Ended, Settled, Tally};
use super::selection::{Candidate, Filter, TakeCandidate};
use super::store::StoreId;
use super::summary::TakeWaiting;
use super::time::Timestamp;

/// The result of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The row was unchanged, and has been updated.
    Done,
    /// The row had changed, or another node won at COMMIT; nothing was written.
    Stale,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PendingSort {
    /// `deleted_at:desc`: the newest mistake first.
    #[default]
    NewestFirst,
    /// `deleted_at:asc`: the next to be scrubbed first.
    OldestFirst,
}

/// Where a page starts: after this image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingMarker {
    /// `images.deleted_at` of the last image seen.
    pub deleted_at: Timestamp,
    /// Its id.
    pub id: ImageId,
}

/// Which pending images to list.
#[derive(Debug, Clone, Default)]
pub struct PendingQuery {
    /// Only those of this project.
    pub owner: Option<String>,
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those of this visibility. [`super::revert::Reverter`] applies it and the next ones.
    pub visibility: Option<String>,
    /// Only those of which this store has data.
    pub store: Option<StoreId>,
    /// Only those that can, or cannot, be reverted according to their rows.
    pub revertible: Option<bool>,
    /// Only those that are held, or not; needs our own tables.
    pub held: Option<bool>,
    /// Only those deleted at this time or later.
    pub deleted_after: Option<Timestamp>,
    /// Only those deleted before this time.
    pub deleted_before: Option<Timestamp>,
    /// The order.
    pub sort: PendingSort,
    /// Start after this image.
    pub marker: Option<PendingMarker>,
    /// At most this many.
    pub limit: u32,
}

/// One entry of the list of pending images. If its row has values that Glance never writes, those
/// that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Glance's columns")]
pub struct PendingSummary {
    pub id: ImageId,
    pub name: Option<String>,
    pub owner: Option<String>,
    pub size: Option<i64>,
    pub visibility: String,
    pub disk_format: Option<String>,
    pub container_format: Option<String>,
    /// `None` if it cannot be read.
    pub created_at: Option<Timestamp>,
    pub deleted_at: Timestamp,
    /// Whether it has a location that can come back.
    pub has_location: bool,
    /// Why part of it cannot be read.
    pub unreadable: Option<BadRow>,
}

impl From<PendingSummary> for Candidate {
    fn from(one: PendingSummary) -> Self {
        let PendingSummary { id, name, owner, size, deleted_at, .. } = one;
        Self { id, name, owner, size, deleted_at: Some(deleted_at) }
    }
}

/// The position of an image in the list of pending images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// There is no such image.
    Unknown,
    /// No deletion time: not deleted, or no longer.
    Nowhere,
    /// Found; the list itself may not contain it.
    At(PendingMarker),
}

/// Images read with all their children.
#[derive(Debug, Default)]
pub struct Wholes {
    /// Those that exist.
    pub images: Vec<Result<Image, BadRow>>,
    /// Those that do not fit into memory together; each one alone may.
    pub left_out: Vec<ImageId>,
}

/// A revert to write, with the proof that its image is locked.
#[derive(Debug, Clone)]
pub struct Revert<'a> {
    /// The lock.
    pub guard: &'a ImageGuard,
    /// What is to be written.
    pub plan: &'a RevertPlan,
    /// The audit entry.
    pub audit: AuditEntry,
}

/// Receives one location at a time, so that many are never in memory.
pub type TakeLocation<'a> = &'a mut (dyn FnMut(&HeldLocation) + Send);

/// Glance's tables, as lists and reverts use them.
#[async_trait]
pub trait ImageRepo: Debug + Send + Sync {
    /// Reads an image with its children: everything live and, of the `wanted` kinds, everything
    /// that can come back. Always includes locations.
    async fn get(&self, id: &ImageId, wanted: Children) -> Result<Option<Image>, RepoError>;

    /// The live locations (`image_locations.id`) of an image that is `active` and not deleted; none
    /// for any other image.
    async fn live_locations_of(&self, id: &ImageId) -> Result<Vec<i32>, RepoError>;

    /// Reads existing images with their locations but no other children, for a scrub. Shortens
    /// values that no scrub needs, or that are too long for one. Omits images that do not fit into
    /// memory together; read alone, each fits or is a bad row.
    async fn get_many(&self, ids: &[ImageId]) -> Result<Vec<Result<Image, BadRow>>, RepoError>;

    /// Carries a revert out in one transaction over the image, its children and, if our own tables
    /// exist, its audit entry.
    async fn revert(
        &self,
        guard: &ImageGuard,
        plan: &RevertPlan,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Write, RepoError>;

    /// The locations of an image that are `deleted`.
    async fn ended_locations(&self, id: &ImageId) -> Result<Vec<Location>, RepoError>;

    /// Reads several images like [`ImageRepo::get`], in as few statements as possible.
    async fn get_whole(&self, ids: &[ImageId], wanted: Children) -> Result<Wholes, RepoError> {
        let mut wholes = Wholes::default();
        for id in ids {
            match self.get(id, wanted).await {
                Ok(image) => wholes.images.extend(image.map(Ok)),
                Err(RepoError::BadRow(bad)) => wholes.images.push(Err(bad)),
                Err(RepoError::TooLarge(id)) => wholes.left_out.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(wholes)
    }

    /// [`ImageRepo::live_locations_of`] for several images.
    async fn live_locations_of_all(
        &self,
        ids: &[ImageId],
    ) -> Result<Vec<(ImageId, i32)>, RepoError> {
        let mut live = Vec::new();
        for id in ids {
            let locations = self.live_locations_of(id).await?;
            live.extend(locations.into_iter().map(|location| (id.clone(), location)));
        }
        Ok(live)
    }

    /// Carries several reverts out, with a result for each; a failing one does not undo another.
    /// After [`RepoError::Unavailable`] one may be done or not.
    async fn revert_all(
        &self,
        reverts: &[Revert<'_>],
        now: Timestamp,
    ) -> Vec<Result<Write, RepoError>> {
        let mut written = Vec::with_capacity(reverts.len());
        for Revert { guard, plan, audit } in reverts {
            written.push(self.revert(guard, plan, now, audit).await);
        }
        written
    }

    /// A page of pending images. A row without a place in the order is a [`BadRow`]. Includes
    /// images that Glance ended after `unscrubbed_after` without asking their store; only the store
    /// can tell whether their data exists.
    async fn list_pending(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError>;

    /// Passes on everything that [`ImageRepo::list_pending`] would list, ordered by owner, time and
    /// id: counts per owner and moment or, if `by_location`, each location that can come back.
    async fn waiting(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
        by_location: bool,
        take: TakeWaiting<'_>,
    ) -> Result<(), RepoError>;

    /// Passes on, unordered, everything that [`ImageRepo::list_pending`] would list and that may
    /// match: databases differ in what they call equal, and names are not compared.
    async fn candidates(
        &self,
        filter: &Filter,
        unscrubbed_after: Option<Timestamp>,
        take: TakeCandidate<'_>,
    ) -> Result<(), RepoError> {
        let Filter { owner, deleted_after, deleted_before, .. } = filter.clone();
        let (sort, limit) = (PendingSort::OldestFirst, u32::MAX);
        let query = PendingQuery {
            owner,
            deleted_after,
            deleted_before,
            sort,
            limit,
            ..PendingQuery::default()
        };
        let all = self.list_pending(&query, unscrubbed_after).await?;
        all.into_iter().flatten().for_each(|one| take(one.into()));
        Ok(())
    }

    /// The facts that retention rules need about these images, if they exist and can be read.
    /// Includes only the `wanted` tags and properties.
    async fn facts_of(
        &self,
        ids: &[ImageId],
        wanted: &Labels,
    ) -> Result<HashMap<ImageId, Facts>, RepoError> {
        let children = Children { members: false, ..Children::ALL };
        let mut found = HashMap::new();
        for id in ids {
            match self.get(id, children).await {
                Ok(Some(image)) => {
                    let mut facts = Facts::of(&image);
                    facts.keep(wanted);
                    found.insert(id.clone(), facts);
                }
                Ok(None) | Err(RepoError::BadRow(_) | RepoError::TooLarge(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Those of these images that exist.
    async fn candidates_of(&self, ids: &[ImageId]) -> Result<Vec<Candidate>, RepoError> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.get(id, Children::NONE).await?.map(Candidate::from));
        }
        Ok(found)
    }

    /// A page of deleted images with a location whose data was destroyed, the last changed one first.
    /// What else waits of them only [`Image::state`] tells.
    async fn list_scrubbed(&self, query: &ScrubbedQuery) -> Result<Scrubbed, RepoError>;

    /// The position of an image in the list of pending images.
    async fn position(&self, id: &ImageId) -> Result<Position, RepoError>;

    /// Passes on a page, by row id, of the locations that serve living images.
    async fn live_locations(
        &self,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError>;

    /// The time of the database's host, in UTC.
    async fn now(&self) -> Result<Timestamp, RepoError>;
}

/// What a scrub pass additionally reads and writes.
#[async_trait]
pub trait ScrubRepo: ImageRepo + DatabaseHealth {
    /// Images that a scrub pass must examine because a location waits since `before` or earlier, or
    /// is claimed: PENDING and CLAIMED ones deleted by then, and living ones next to a live
    /// location. Each once, ordered by the first such location.
    async fn list_due(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
    ) -> Result<Vec<DueImage>, RepoError>;

    /// The size of what [`ScrubRepo::list_due`] would list.
    async fn count_due(&self, before: Timestamp) -> Result<Tally, RepoError>;

    /// What is pending, how much of it was deleted at or before each of these times, and how much
    /// after `since`. One scan.
    async fn outlook(&self, before: [Timestamp; 3], since: Timestamp)
    -> Result<Outlook, RepoError>;

    /// Examines a stretch of images, by id, for those that are due without such a location: EMPTY
    /// ones, those with a location that the delete never saw, and, if `unscrubbed`, those that
    /// Glance ended together with their locations; only the store can tell whether there is
    /// anything to scrub.
    async fn remnants(
        &self,
        before: Timestamp,
        after: Option<&ImageId>,
        unscrubbed: bool,
        stretch: Stretch,
    ) -> Result<Remnants, RepoError>;

    /// Claims images for the scrubber, or renews the claims of a dead process: one transaction,
    /// with a result for each. `None` while the scrubber is paused: nothing is claimed. Held images
    /// are not claimed.
    async fn claim(&self, claims: &[Claim<'_>]) -> Result<Option<Vec<Write>>, RepoError>;

    /// Writes the results of a batch in one transaction. Whoever ends the last location of an image
    /// writes its audit entry, also where two passes destroyed a part each.
    async fn settle(&self, settled: &[Settled<'_>], now: Timestamp) -> Result<Ended, RepoError>;

    /// Passes on all locations of these images, unordered.
    async fn locations_of(&self, ids: &[ImageId], take: TakeLocation<'_>) -> Result<(), RepoError>;

    /// Passes on a page, by row id, of the locations whose data may still be needed: live, waiting,
    /// or ended after `before`. Of the last kind, [`ImageRepo::get_many`] returns those that were
    /// ended with their image.
    async fn needed_locations(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError>;
}

/// Whether the database works.
#[async_trait]
pub trait DatabaseHealth: Debug + Send + Sync {
    /// Whether the database permits every write of reverts and scrubs: runs each statement on an
    /// impossible image, in a transaction that is rolled back.
    async fn rehearse(&self) -> Result<(), RepoError>;

    /// Whether the database answers and Glance's tables can be read.
    async fn ping(&self) -> Result<(), RepoError>;
}
