//! Access to Glance's tables. Reads see deleted rows; writes are compare-and-set.

use std::fmt::Debug;

use async_trait::async_trait;

pub use super::error::{BadRow, RepoError};

use super::audit::AuditEntry;
use super::image::{Image, ImageId};
use super::location::Location;
use super::lock::ImageGuard;
use super::pending::{Children, RevertPlan};
use super::scrub::{Claim, Ended, Settled, Tally};
use super::selection::{Candidate, Filter, TakeCandidate};
use super::store::StoreId;
use super::summary::TakeWaiting;
use super::time::Timestamp;

/// What became of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// The row was as read, and is changed.
    Done,
    /// The row had changed, or another node won at COMMIT; nothing was written.
    Stale,
}

/// In what order pending images are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PendingSort {
    /// `deleted_at:desc`: the newest mistake first.
    #[default]
    NewestFirst,
    /// `deleted_at:asc`: the next to be scrubbed first.
    OldestFirst,
}

/// Where a page of pending images starts: after this row of the order.
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
    /// Only those of this visibility. [`super::revert::Reverter`] sees to it, as to the next ones.
    pub visibility: Option<String>,
    /// Only those of which this store has data.
    pub store: Option<StoreId>,
    /// Only those that can, or cannot, be reverted as far as rows tell.
    pub revertible: Option<bool>,
    /// Only those that are held, or are not; needs our own tables.
    pub held: Option<bool>,
    /// Only those deleted at this time or later.
    pub deleted_after: Option<Timestamp>,
    /// Only those deleted before this time.
    pub deleted_before: Option<Timestamp>,
    /// The order.
    pub sort: PendingSort,
    /// Start after this one.
    pub marker: Option<PendingMarker>,
    /// At most so many.
    pub limit: u32,
}

/// One line of the list of pending images. Of a row with values that Glance never writes it has those
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
    /// `None` where it cannot be read.
    pub created_at: Option<Timestamp>,
    pub deleted_at: Timestamp,
    /// Whether it has a location to bring back.
    pub has_location: bool,
    /// What cannot be read of it.
    pub unreadable: Option<BadRow>,
}

impl From<PendingSummary> for Candidate {
    fn from(one: PendingSummary) -> Self {
        let PendingSummary { id, name, owner, size, deleted_at, .. } = one;
        Self { id, name, owner, size, deleted_at: Some(deleted_at) }
    }
}

/// Where an image stands in the list of pending images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// There is no such image.
    Unknown,
    /// It has no time of deletion: it is not deleted, or not any more.
    Nowhere,
    /// There; it need not be in the list itself.
    At(PendingMarker),
}

/// A location, whichever image's.
#[derive(Debug, Clone)]
pub struct HeldLocation {
    /// `image_locations.image_id`; `None` for an id that Glance never makes.
    pub image: Option<ImageId>,
    /// The row.
    pub location: Location,
}

/// What waits in the whole database, as far as the rows of `images` tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Images that are `pending_delete`.
    pub pending: Tally,
    /// Those of them that were deleted at each of the times asked about, or earlier.
    pub due: [Tally; 3],
    /// Those of them that have no location that waits.
    pub without_locations: u64,
    /// Images that a DELETE of Glance's has not finished with.
    pub half_deleted: u64,
    /// Those of the pending ones that were deleted lately.
    pub recent: Tally,
}

/// Images that were read whole.
#[derive(Debug, Default)]
pub struct Wholes {
    /// Those that exist.
    pub images: Vec<Result<Image, BadRow>>,
    /// Those that do not fit into memory beside each other: one alone may.
    pub left_out: Vec<ImageId>,
}

/// A revert to be written, with the proof that its image is locked.
#[derive(Debug, Clone)]
pub struct Revert<'a> {
    /// The lock.
    pub guard: &'a ImageGuard,
    /// What is to be written.
    pub plan: &'a RevertPlan,
    /// What the audit says of it.
    pub audit: AuditEntry,
}

/// Is handed one location after the other, so that never many of them are in memory.
pub type TakeLocation<'a> = &'a mut (dyn FnMut(&HeldLocation) + Send);

/// An image that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueImage {
    /// `images.id`; `None` for an id that Glance never makes.
    pub id: Option<ImageId>,
    /// `images.size`.
    pub size: Option<i64>,
    /// The first of its locations that make it due.
    pub location: i32,
}

/// How far one look at [`ScrubRepo::remnants`] goes.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Images looked at.
    pub images: u32,
    /// Images found, at most.
    pub found: u32,
}

/// What a stretch had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remnants {
    /// Images.
    pub ids: Vec<ImageId>,
    /// Where to go on; `None` after the last image.
    pub next: Option<ImageId>,
}

/// What a page had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// Rows, up to this id; there may be more.
    Until(i32),
    /// None: that was all.
    Nothing,
}

/// Glance's tables: what a list and a revert ask and write.
#[async_trait]
pub trait ImageRepo: Debug + Send + Sync {
    /// Reads an image with its children: all that is live and, of the `wanted` kinds, all that can
    /// come back. Locations in any case.
    async fn get(&self, id: &ImageId, wanted: Children) -> Result<Option<Image>, RepoError>;

    /// The live locations (`image_locations.id`) of an image that is `active` and not deleted;
    /// none of any other.
    async fn live_locations_of(&self, id: &ImageId) -> Result<Vec<i32>, RepoError>;

    /// Reads images with their locations (no other children), those that exist, for a scrub: of
    /// values that are never destroyed, or too long to be, as little is kept as can be. Left out is
    /// also what does not fit into memory beside the others; alone it fits, or is a bad row.
    async fn get_many(&self, ids: &[ImageId]) -> Result<Vec<Result<Image, BadRow>>, RepoError>;

    /// Carries a revert out: one transaction over the image and its children, and its entry in the
    /// audit where our own tables are there.
    async fn revert(
        &self,
        guard: &ImageGuard,
        plan: &RevertPlan,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Write, RepoError>;

    /// The locations of an image that are `deleted`.
    async fn ended_locations(&self, id: &ImageId) -> Result<Vec<Location>, RepoError>;

    /// Reads several images, each as [`ImageRepo::get`] does, in as few statements as it can.
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

    /// [`ImageRepo::live_locations_of`] of several images.
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

    /// Carries several reverts out: an answer for each, and none of them is undone because another
    /// one fails. With [`RepoError::Unavailable`] it may be done or not.
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

    /// A page of pending images. A row without a place in the order is a [`BadRow`]. Images that
    /// Glance ended without a look at their store are among them if that was after
    /// `unscrubbed_after`; only the store can tell whether their data is there.
    async fn list_pending(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError>;

    /// Hands on all that [`ImageRepo::list_pending`] would list, in the order of owner, time and id:
    /// how many of one owner and moment, or, `by_location`, each location that can come back.
    async fn waiting(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
        by_location: bool,
        take: TakeWaiting<'_>,
    ) -> Result<(), RepoError>;

    /// Hands on, in whatever order, all that [`ImageRepo::list_pending`] would list and that may fit:
    /// databases differ in what they call equal, and names are not looked at.
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

    /// Those of these images that exist.
    async fn candidates_of(&self, ids: &[ImageId]) -> Result<Vec<Candidate>, RepoError> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.get(id, Children::NONE).await?.map(Candidate::from));
        }
        Ok(found)
    }

    /// Where an image stands in that order.
    async fn position(&self, id: &ImageId) -> Result<Position, RepoError>;

    /// Hands on a page, by row id, of the locations that serve living images.
    async fn live_locations(
        &self,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError>;

    /// The time of the database's host, in UTC.
    async fn now(&self) -> Result<Timestamp, RepoError>;
}

/// What a scrub pass asks and writes beyond that.
#[async_trait]
pub trait ScrubRepo: ImageRepo + DatabaseHealth {
    /// Images that a scrub pass has to look at because of a location that waits since `before` or
    /// earlier, or that a claim marks: PENDING and CLAIMED ones deleted by then, and living ones
    /// beside a live location. Each once, in the order of the first such location.
    async fn list_due(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
    ) -> Result<Vec<DueImage>, RepoError>;

    /// How much [`ScrubRepo::list_due`] would list.
    async fn count_due(&self, before: Timestamp) -> Result<Tally, RepoError>;

    /// What waits, what of it was deleted at each of these times or earlier, and what later than
    /// `since`. One walk.
    async fn outlook(&self, before: [Timestamp; 3], since: Timestamp)
    -> Result<Outlook, RepoError>;

    /// Looks at a stretch of images, in the order of their ids, for those that are due without such a
    /// location: EMPTY ones, those with a location that the delete never saw, and, if `unscrubbed`,
    /// those that Glance ended together with their locations; only the store can tell whether there
    /// is anything to scrub.
    async fn remnants(
        &self,
        before: Timestamp,
        after: Option<&ImageId>,
        unscrubbed: bool,
        stretch: Stretch,
    ) -> Result<Remnants, RepoError>;

    /// Claims images for the scrubber, or renews claims that a dead process left: one
    /// transaction, an answer for each. `None` while the scrubber is paused: then nothing is claimed.
    /// Held images are not claimed.
    async fn claim(&self, claims: &[Claim<'_>]) -> Result<Option<Vec<Write>>, RepoError>;

    /// Writes down what became of a batch: one transaction. Where fewer of the locations waited until
    /// then than were claimed, somebody else is at work on them. The audit has an entry by whoever ends
    /// the last location of an image, also where two passes had a part of it each.
    async fn settle(&self, settled: &[Settled<'_>], now: Timestamp) -> Result<Ended, RepoError>;

    /// Hands on all locations of these images, in whatever order.
    async fn locations_of(&self, ids: &[ImageId], take: TakeLocation<'_>) -> Result<(), RepoError>;

    /// Hands on a page, by row id, of the locations that may not be done with: live, or waiting, or ended
    /// after `before`. Of the last, [`ImageRepo::get_many`] has those that were ended with their image.
    async fn needed_locations(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError>;
}

/// Whether the database can serve.
#[async_trait]
pub trait DatabaseHealth: Debug + Send + Sync {
    /// Whether all that a revert and a scrub write is allowed: each statement is run on an image
    /// that cannot exist, in a transaction that is rolled back.
    async fn rehearse(&self) -> Result<(), RepoError>;

    /// Whether the database answers and Glance's tables can be read.
    async fn ping(&self) -> Result<(), RepoError>;
}
