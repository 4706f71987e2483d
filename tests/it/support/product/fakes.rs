//! The domain's traits in memory, with faults on demand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use glance_revert::domain::audit::AuditEntry;
use glance_revert::domain::image::{Image, ImageId, ImageStatus};
use glance_revert::domain::location::{Location, LocationStatus, LocationValue};
use glance_revert::domain::lock::{HeldLock, ImageGuard, ImageLock, PassGuard};
use glance_revert::domain::pending::{Children, RevertPlan};
use glance_revert::domain::repo::{
    BadRow, DatabaseHealth, DueImage, Handed, HeldLocation, ImageRepo, Outlook, PendingMarker,
    PendingQuery, PendingSort, PendingSummary, Position, Remnants, RepoError, ScrubRepo, Scrubbed,
    ScrubbedMarker, ScrubbedQuery, Stretch, TakeLocation, Write,
};
use glance_revert::domain::scrub::{Claim, Ended, Settled, Tally};
use glance_revert::domain::store::{
    Deletion, ObjectStream, Objects, Placed, Presence, Store, StoreError, StoreId, StoreUri,
    Stores, Unplaced,
};
use glance_revert::domain::summary::{TakeWaiting, WaitingRow};
use glance_revert::domain::time::{Clock, Timestamp};

use crate::support::clock::FixedClock;

/// How a [`FakeRepo`] fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RepoFault {
    Unavailable,
    Refused,
    BadRow,
    Panic,
    Hang,
}

/// Images in memory.
#[derive(Debug, Default)]
pub(crate) struct FakeRepo {
    pub(crate) images: Mutex<BTreeMap<String, Image>>,
    pub(crate) fault: Mutex<Option<RepoFault>>,
    /// The database's clock.
    pub(crate) clock: Mutex<Option<Arc<FixedClock>>>,
    /// The number of calls.
    pub(crate) calls: Mutex<usize>,
    /// How long each call keeps the only connection; zero: there are enough connections.
    pub(crate) pause: Mutex<Duration>,
    connection: tokio::sync::Mutex<()>,
    /// Whether somebody else ends the locations of reverted images.
    pub(crate) lost_after_revert: Mutex<bool>,
}

impl FakeRepo {
    pub(crate) fn put(&self, image: Image) {
        self.images.lock().unwrap().insert(image.id.to_string(), image);
    }

    pub(crate) fn read(&self, id: &str) -> Image {
        self.images.lock().unwrap()[id].clone()
    }

    fn due(&self, before: Timestamp) -> Vec<Image> {
        let images = self.images.lock().unwrap();
        let due = |image: &&Image| {
            image.status == ImageStatus::PendingDelete && image.deleted_at <= Some(before)
        };
        images.values().filter(due).cloned().collect()
    }

    async fn serve(&self) -> Result<(), RepoError> {
        *self.calls.lock().unwrap() += 1;
        let pause = *self.pause.lock().unwrap();
        if !pause.is_zero() {
            let _connection = self.connection.lock().await;
            tokio::time::sleep(pause).await;
        }
        let fault = *self.fault.lock().unwrap();
        match fault {
            None => Ok(()),
            Some(RepoFault::Unavailable) => {
                Err(RepoError::Unavailable("10.0.0.9 hung up on user glance".to_owned()))
            }
            Some(RepoFault::Refused) => {
                Err(RepoError::Refused("no grant for glance@10.0.0.9".to_owned()))
            }
            Some(RepoFault::BadRow) => Err(RepoError::BadRow(BadRow {
                image: "x".to_owned(),
                table: "images",
                column: "status",
                problem: "no such status".to_owned(),
            })),
            Some(RepoFault::Panic) => panic!("a secret of the fake"),
            Some(RepoFault::Hang) => std::future::pending().await,
        }
    }
}

fn summary(image: &Image) -> PendingSummary {
    PendingSummary {
        id: image.id.clone(),
        name: image.name.clone(),
        owner: image.owner.clone(),
        size: image.size,
        visibility: image.visibility.clone(),
        disk_format: image.disk_format.clone(),
        container_format: image.container_format.clone(),
        created_at: Some(image.created_at),
        deleted_at: image.deleted_at.unwrap(),
        has_location: image.locations.iter().any(|l| image.waiting(l).is_some()),
        unreadable: None,
    }
}

fn wanted(query: &PendingQuery, image: &PendingSummary) -> bool {
    let place = (image.deleted_at, image.id.clone());
    query.owner.as_ref().is_none_or(|owner| image.owner.as_ref() == Some(owner))
        && query.name.as_ref().is_none_or(|name| image.name.as_ref() == Some(name))
        && query.visibility.as_ref().is_none_or(|visibility| image.visibility == *visibility)
        && query.deleted_after.is_none_or(|after| image.deleted_at >= after)
        && query.deleted_before.is_none_or(|before| image.deleted_at < before)
        && query.marker.as_ref().is_none_or(|marker| {
            let marker = (marker.deleted_at, marker.id.clone());
            match query.sort {
                PendingSort::NewestFirst => place < marker,
                PendingSort::OldestFirst => place > marker,
            }
        })
}

/// For calls that only the scrubber makes.
fn not_here<T>() -> Result<T, RepoError> {
    Err(RepoError::Refused("the API has no use for this call".to_owned()))
}

#[async_trait]
impl ImageRepo for FakeRepo {
    async fn get(&self, id: &ImageId, _: Children) -> Result<Option<Image>, RepoError> {
        self.serve().await?;
        Ok(self.images.lock().unwrap().get(id.as_str()).cloned())
    }

    async fn live_locations_of(&self, id: &ImageId) -> Result<Vec<i32>, RepoError> {
        self.serve().await?;
        let images = self.images.lock().unwrap();
        let image = images.get(id.as_str()).filter(|image| !image.deleted);
        let live = image.into_iter().flat_map(|image| &image.locations).filter(|l| l.is_live());
        Ok(live.map(|location| location.id).collect())
    }

    async fn ended_locations(&self, id: &ImageId) -> Result<Vec<Location>, RepoError> {
        self.serve().await?;
        let images = self.images.lock().unwrap();
        let all = images.get(id.as_str()).into_iter().flat_map(|image| &image.locations);
        Ok(all.filter(|l| l.status == LocationStatus::Deleted).cloned().collect())
    }

    async fn get_many(&self, ids: &[ImageId]) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
        self.serve().await?;
        let images = self.images.lock().unwrap();
        Ok(ids.iter().filter_map(|id| images.get(id.as_str()).cloned().map(Ok)).collect())
    }

    async fn revert(
        &self,
        guard: &ImageGuard,
        plan: &RevertPlan,
        now: Timestamp,
        _: &AuditEntry,
    ) -> Result<Write, RepoError> {
        self.serve().await?;
        assert_eq!(guard.id(), plan.id(), "the guard of another image");
        let mut images = self.images.lock().unwrap();
        let image = images.get_mut(plan.id().as_str()).unwrap();
        if image.status != plan.image().status || image.version != plan.image().version {
            return Ok(Write::Stale);
        }
        *image = plan.applied(now);
        if *self.lost_after_revert.lock().unwrap() {
            for location in &mut image.locations {
                location.status = LocationStatus::Deleted;
            }
        }
        Ok(Write::Done)
    }

    async fn list_pending(
        &self,
        query: &PendingQuery,
        _: Option<Timestamp>,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError> {
        self.serve().await?;
        if query.held.is_some() {
            // it has none of our own tables
            return Err(RepoError::TablesMissing);
        }
        let images = self.images.lock().unwrap();
        let pending = images.values().filter(|i| i.status == ImageStatus::PendingDelete);
        let mut found: Vec<_> = pending.map(summary).filter(|i| wanted(query, i)).collect();
        found.sort_by_key(|image| (image.deleted_at, image.id.clone()));
        if query.sort == PendingSort::NewestFirst {
            found.reverse();
        }
        found.truncate(usize::try_from(query.limit).unwrap());
        Ok(found.into_iter().map(Ok).collect())
    }

    async fn waiting(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
        by_location: bool,
        take: TakeWaiting<'_>,
    ) -> Result<(), RepoError> {
        let all = PendingQuery { limit: u32::MAX, sort: PendingSort::OldestFirst, ..query.clone() };
        let mut found = self.list_pending(&all, unscrubbed_after).await?;
        found.sort_by_key(|one| one.as_ref().unwrap().owner.clone());
        for one in found.into_iter().flatten() {
            let mut tally = Tally::default();
            tally.add(one.size);
            for location in self.read(one.id.as_str()).locations {
                let (owner, image) = (one.owner.clone(), Some(one.id.to_string()));
                let location = by_location.then_some(location);
                take(&WaitingRow { owner, deleted_at: one.deleted_at, tally, image, location });
            }
        }
        Ok(())
    }

    async fn list_scrubbed(&self, query: &ScrubbedQuery) -> Result<Scrubbed, RepoError> {
        self.serve().await?;
        let images = self.images.lock().unwrap();
        let place = |image: &Image| {
            let changed_at = image.updated_at.unwrap();
            ScrubbedMarker { changed_at, id: image.id.clone() }
        };
        let is_wanted = |image: &&Image| {
            image.status == ImageStatus::Deleted
                && query.owner.as_ref().is_none_or(|owner| image.owner.as_ref() == Some(owner))
                && query.name.as_ref().is_none_or(|name| image.name.as_ref() == Some(name))
                && query.deleted_after.is_none_or(|after| image.deleted_at >= Some(after))
                && query.deleted_before.is_none_or(|before| image.deleted_at < Some(before))
                && query.marker.as_ref().is_none_or(|marker| place(image) < *marker)
        };
        let mut found: Vec<_> = images.values().filter(is_wanted).map(place).collect();
        found.sort();
        found.reverse();
        let more = found.len() > query.limit as usize;
        found.truncate(query.limit as usize);
        let next = found.last().filter(|_| more).cloned();
        Ok(Scrubbed { ids: found.into_iter().map(|one| one.id).collect(), next })
    }

    async fn position(&self, id: &ImageId) -> Result<Position, RepoError> {
        self.serve().await?;
        let images = self.images.lock().unwrap();
        Ok(images.get(id.as_str()).map_or(Position::Unknown, |image| {
            let marker = |deleted_at| PendingMarker { deleted_at, id: id.clone() };
            image.deleted_at.map_or(Position::Nowhere, |at| Position::At(marker(at)))
        }))
    }

    async fn live_locations(
        &self,
        _: i32,
        _: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        self.serve().await?;
        let images = self.images.lock().unwrap();
        for image in images.values().filter(|image| !image.deleted) {
            for location in image.locations.iter().filter(|location| location.is_live()) {
                take(&HeldLocation { image: Some(image.id.clone()), location: location.clone() });
            }
        }
        Ok(Handed::Nothing)
    }

    async fn now(&self) -> Result<Timestamp, RepoError> {
        self.serve().await?;
        Ok(self.clock.lock().unwrap().as_ref().map_or_else(Timestamp::default, |clock| clock.now()))
    }
}

#[async_trait]
impl ScrubRepo for FakeRepo {
    async fn list_due(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
    ) -> Result<Vec<DueImage>, RepoError> {
        self.serve().await?;
        let due = self.due(before).into_iter().filter_map(|image| {
            let location = image.locations.iter().map(|location| location.id).min()?;
            let since = image.deleted_at.filter(|_| image.deleted);
            Some(DueImage { id: Some(image.id), size: image.size, since, location })
        });
        let mut due: Vec<_> = due.filter(|image| image.location > after).collect();
        due.sort_by_key(|image| image.location);
        due.truncate(usize::try_from(limit).unwrap());
        Ok(due)
    }

    async fn count_due(&self, before: Timestamp) -> Result<Tally, RepoError> {
        self.serve().await?;
        let mut tally = Tally::default();
        self.due(before).iter().for_each(|image| tally.add(image.size));
        Ok(tally)
    }

    async fn outlook(&self, _: [Timestamp; 3], _: Timestamp) -> Result<Outlook, RepoError> {
        not_here()
    }

    async fn remnants(
        &self,
        _: Timestamp,
        _: Option<&ImageId>,
        _: bool,
        _: Stretch,
    ) -> Result<Remnants, RepoError> {
        Ok(Remnants::default())
    }

    async fn claim(&self, _: &[Claim<'_>]) -> Result<Option<Vec<Write>>, RepoError> {
        not_here()
    }

    async fn settle(&self, _: &[Settled<'_>], _: Timestamp) -> Result<Ended, RepoError> {
        not_here()
    }

    async fn locations_of(&self, _: &[ImageId], _: TakeLocation<'_>) -> Result<(), RepoError> {
        not_here()
    }

    async fn needed_locations(
        &self,
        _: Timestamp,
        _: i32,
        _: u32,
        _: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        not_here()
    }
}

#[async_trait]
impl DatabaseHealth for FakeRepo {
    async fn rehearse(&self) -> Result<(), RepoError> {
        Ok(())
    }

    async fn ping(&self) -> Result<(), RepoError> {
        self.serve().await
    }
}

/// Locks in memory.
#[derive(Debug, Default)]
pub(crate) struct FakeLock {
    pub(crate) held: Arc<Mutex<HashSet<String>>>,
}

#[derive(Debug)]
struct Held {
    name: String,
    held: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.lock().unwrap().remove(&self.name);
    }
}

#[async_trait]
impl HeldLock for Held {
    async fn release(self: Box<Self>) {}
}

impl FakeLock {
    fn take(&self, name: &str) -> Option<Box<Held>> {
        let taken = self.held.lock().unwrap().insert(name.to_owned());
        taken.then(|| Box::new(Held { name: name.to_owned(), held: Arc::clone(&self.held) }))
    }
}

#[async_trait]
impl ImageLock for FakeLock {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        let id = id.clone();
        Ok(self.take(id.as_str()).map(|held| ImageGuard::new(id, held)))
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        Ok(self.take("pass").map(|held| PassGuard::new(held)))
    }
}

/// A single store called `fast` that has every `file://` URI, with its objects.
#[derive(Debug, Clone)]
pub(crate) struct FakeStore {
    id: StoreId,
    pub(crate) objects: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    pub(crate) down: Arc<Mutex<Option<StoreError>>>,
    /// How long each call takes.
    pub(crate) pause: Arc<Mutex<Duration>>,
}

impl Default for FakeStore {
    fn default() -> Self {
        Self {
            id: StoreId("fast".to_owned()),
            objects: Arc::default(),
            down: Arc::default(),
            pause: Arc::default(),
        }
    }
}

impl FakeStore {
    pub(crate) fn put(&self, uri: &str, data: &[u8]) {
        self.objects.lock().unwrap().insert(uri.to_owned(), data.to_vec());
    }

    async fn ask(&self, uri: &StoreUri) -> Result<Option<Vec<u8>>, StoreError> {
        let pause = *self.pause.lock().unwrap();
        tokio::time::sleep(pause).await;
        match self.down.lock().unwrap().clone() {
            Some(error) => Err(error),
            None => Ok(self.objects.lock().unwrap().get(uri.as_str()).cloned()),
        }
    }
}

#[async_trait]
impl Store for FakeStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        (uri.scheme() == "file").then_some(1)
    }

    fn accepts(&self, _: &ImageId, _: &StoreUri) -> Result<(), StoreError> {
        Ok(())
    }

    fn objects(&self, uri: &StoreUri) -> Objects {
        Objects::of(uri.as_str().to_owned())
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.down.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn stat(&self, _: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        let data = self.ask(uri).await?;
        Ok(data.map_or(Presence::Absent, |data| Presence::Present {
            size: u64::try_from(data.len()).unwrap(),
        }))
    }

    async fn read(&self, _: &ImageId, uri: &StoreUri) -> Result<Option<ObjectStream>, StoreError> {
        let data = self.ask(uri).await?;
        Ok(data.map(|data| futures::stream::iter([Ok(data)]).boxed()))
    }

    async fn delete(&self, _: &ImageId, uri: &StoreUri) -> Deletion {
        match self.objects.lock().unwrap().remove(uri.as_str()) {
            Some(_) => Deletion::Deleted,
            None => Deletion::Gone,
        }
    }
}

impl Stores for FakeStore {
    fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
        let uri = self.uri(&location.value).ok_or(Unplaced::Unreadable(location.id))?;
        if self.claims(&uri).is_none() {
            return Err(Unplaced::NoStore { location: location.id, scheme: uri.scheme() });
        }
        Ok(Placed { store: Arc::new(self.clone()), uri })
    }

    fn uri(&self, value: &LocationValue) -> Option<StoreUri> {
        StoreUri::parse(value.as_stored())
    }

    fn objects(&self, location: &Location) -> Objects {
        Objects::of(location.value.as_stored().to_owned())
    }

    fn all(&self) -> Vec<Arc<dyn Store>> {
        vec![Arc::new(self.clone())]
    }
}
