//! The list of pending images and its summary.

use chrono::TimeDelta;

use super::{RevertError, Reverter};
use crate::domain::image::{Image, ImageId};
use crate::domain::pending::NotPending;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSummary, Position, RepoError};
use crate::domain::store::StoreId;
use crate::domain::summary::{GroupBy, Summary, SummaryDraft};
use crate::domain::time::Timestamp;

/// How long images that Glance ended without a look at their store are listed: `glance-manage db
/// purge` removes their rows after 30 days by default.
const LISTED_UNSCRUBBED: TimeDelta = TimeDelta::days(30);

/// Page size where images must be filtered here, because their rows cannot answer the query.
const PAGE: u32 = 512;
/// Images whose locations are read at a time.
const BATCH: usize = 64;

impl From<&PendingSummary> for PendingMarker {
    fn from(last: &PendingSummary) -> Self {
        Self { deleted_at: last.deleted_at, id: last.id.clone() }
    }
}

impl PendingSummary {
    /// Why the image cannot be reverted, according to its list entry; its data was not examined.
    pub fn obstacle(&self) -> Option<RevertError> {
        let empty = || RevertError::NotPending(self.id.clone(), NotPending::NoLocations);
        let unreadable = self.unreadable.clone().map(|bad| RevertError::Repo(bad.into()));
        unreadable.or_else(|| (!self.has_location).then(empty))
    }
}

impl Reverter {
    /// A page of the pending images; one with fewer images than requested is the last. If images
    /// are filtered by store, all images before the end of the page are examined.
    pub async fn list(
        &self,
        _by: &Admin,
        query: &PendingQuery,
    ) -> Result<Vec<PendingSummary>, RepoError> {
        let by_column = query.visibility.is_some() || query.revertible.is_some();
        let is_sifted = query.store.is_some() || by_column;
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let mut next = query.clone();
        if is_sifted {
            next.limit = PAGE;
        }
        let mut found = Vec::new();
        loop {
            let rows = self.repo.list_pending(&next, self.unscrubbed_after()).await?;
            let is_last = rows.len() < usize::try_from(next.limit).unwrap_or(usize::MAX);
            let page: Vec<_> = rows.into_iter().filter_map(Result::ok).collect();
            match page.last() {
                Some(last) => next.marker = Some(PendingMarker::from(last)),
                // rows without a place in the order: only a longer page leads past them
                None => next.limit = next.limit.saturating_mul(2),
            }
            found.extend(self.sift(page, query).await?);
            if is_last || found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }

    /// All pending images, in groups.
    pub async fn summary(
        &self,
        _by: &Admin,
        query: &PendingQuery,
        by: GroupBy,
    ) -> Result<Summary, RepoError> {
        let mut draft = SummaryDraft::new(by, &*self.stores);
        let mut take = |row: &_| draft.take(row);
        self.repo.waiting(query, self.unscrubbed_after(), by.store, &mut take).await?;
        let mut summary = draft.finish();
        self.note_first_due(&mut summary, query, by).await?;
        Ok(summary)
    }

    /// The database's time.
    pub async fn now(&self) -> Result<Timestamp, RepoError> {
        self.repo.now().await
    }

    /// The position of an image in the list.
    pub async fn position(&self, _by: &Admin, id: &ImageId) -> Result<Position, RepoError> {
        self.repo.position(id).await
    }

    pub(super) fn unscrubbed_after(&self) -> Option<Timestamp> {
        self.settings.delayed_delete.then(|| self.clock.now() - LISTED_UNSCRUBBED)
    }

    async fn sift(
        &self,
        mut page: Vec<PendingSummary>,
        query: &PendingQuery,
    ) -> Result<Vec<PendingSummary>, RepoError> {
        if let Some(wanted) = &query.visibility {
            page.retain(|one| one.visibility == *wanted);
        }
        if let Some(wanted) = query.revertible {
            page.retain(|one| one.obstacle().is_none() == wanted);
        }
        let Some(store) = &query.store else { return Ok(page) };
        let mut found = Vec::new();
        for some in page.chunks(BATCH) {
            let ids: Vec<_> = some.iter().map(|one| one.id.clone()).collect();
            let mut images = self.repo.get_many(&ids).await?;
            // omitted because it did not fit into memory beside the others
            let is_missing = |id: &&ImageId| {
                !images.iter().any(|image| image.as_ref().is_ok_and(|image| image.id == **id))
            };
            let missing: Vec<_> = ids.iter().filter(is_missing).cloned().collect();
            for id in missing {
                images.extend(self.repo.get_many(&[id]).await?);
            }
            let here = |one: &&PendingSummary| {
                let image = images.iter().flatten().find(|image| image.id == one.id);
                image.is_some_and(|image| self.is_in(image, store))
            };
            found.extend(some.iter().filter(here).cloned());
        }
        Ok(found)
    }

    /// Whether an image has a location that may still have data in the store.
    fn is_in(&self, image: &Image, store: &StoreId) -> bool {
        image.locations.iter().any(|location| {
            let placed = || self.stores.place(location).ok();
            image.waiting(location).is_some()
                && placed().is_some_and(|placed| placed.store.id() == store)
        })
    }
}
