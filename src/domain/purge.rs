//! Permanently removes what stores kept of scrubbed images.
//!
//! As in a pass, the locks only order the work; safety rests on the claim. It refuses a paused scrubber,
//! held images and changed rows, and no revert on any node brings an image back while it is claimed.
//! After the claim a purge looks at the stores again: it never touches an object that exists, or one that
//! a row of another image names. The release restores the rows; after a crash the next pass ends them.

mod error;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use tokio_util::sync::CancellationToken;

pub use self::error::{DATA_LEFT, PurgeError};

use self::shared::Names;
use super::audit::{Actor, AuditEntry, PURGE_RETAINED};
use super::control::ControlRepo;
use super::image::{Image, ImageId, State};
use super::lock::{ImageGuard, ImageLock};
use super::pending::Children;
use super::principal::Admin;
use super::repo::{RepoError, ScrubRepo, Write};
use super::scrub::{Claim, Settled, Work};
use super::store::{Keeps, Placed, Purged, Remains, StoreId, Stores};
use super::time::{Clock, Timestamp};

/// Images that are locked at a time, after one walk over the rows that could name their data.
const BATCH: usize = 256;

/// By store.
pub type ByStore = BTreeMap<StoreId, Remains>;

/// What stores keep of one scrubbed image.
#[derive(Debug, Clone)]
pub struct Leavings {
    /// The image.
    pub image: Image,
    /// What is kept.
    pub kept: ByStore,
}

/// The result for one image.
#[derive(Debug, Clone)]
pub struct PurgedImage {
    /// The image.
    pub image: Image,
    /// What was removed: a listing afterwards no longer had it.
    pub removed: ByStore,
    /// What is still kept.
    pub left: ByStore,
    /// Why it is still kept.
    pub problems: Vec<String>,
    /// Whether the audit table has an entry; otherwise only the log has one.
    pub is_recorded: bool,
}

/// Called with each image's result as soon as it is known.
pub type TellPurged<'a> = &'a mut (dyn FnMut(&ImageId, Result<PurgedImage, PurgeError>) + Send);

/// Purges scrubbed images.
#[derive(Debug)]
pub struct Purger {
    repo: Arc<dyn ScrubRepo>,
    lock: Arc<dyn ImageLock>,
    stores: Arc<dyn Stores>,
    clock: Arc<dyn Clock>,
    control: Arc<dyn ControlRepo>,
}

/// A scrubbed image that may be purged, and where its data was.
struct Candidate {
    work: Work,
    places: Vec<Place>,
}

/// Where data was.
struct Place {
    location: i32,
    placed: Placed,
}

impl Place {
    fn store(&self) -> &StoreId {
        self.placed.store.id()
    }
}

impl Purger {
    /// A purger of these images and stores.
    pub fn new(
        repo: Arc<dyn ScrubRepo>,
        lock: Arc<dyn ImageLock>,
        stores: Arc<dyn Stores>,
        clock: Arc<dyn Clock>,
        control: Arc<dyn ControlRepo>,
    ) -> Self {
        Self { repo, lock, stores, clock, control }
    }

    /// What a purge of this image would remove. Takes no lock, changes nothing, and does not check the
    /// rows of other images.
    pub async fn look(
        &self,
        _by: &Admin,
        id: &ImageId,
        older_than: Duration,
    ) -> Result<Leavings, PurgeError> {
        let Candidate { work, places } = self.candidate(id, older_than).await?;
        let mut kept = ByStore::new();
        for place in &places {
            *kept.entry(place.store().clone()).or_default() += self.kept(id, place).await?;
        }
        kept.retain(|_, remains| remains.pieces > 0);
        Ok(Leavings { image: work.image().clone(), kept })
    }

    /// Removes what is kept of images that were scrubbed at least `older_than` ago. Images without a
    /// result when this returns were not touched.
    pub async fn purge(
        &self,
        by: &Admin,
        ids: &[ImageId],
        older_than: Duration,
        stop: &CancellationToken,
        tell: TellPurged<'_>,
    ) -> Result<(), PurgeError> {
        let Some(pass) = self.lock.try_lock_pass().await? else {
            return Err(PurgeError::PassRunning);
        };
        let mut done = Ok(());
        for some in ids.chunks(BATCH) {
            if done.is_ok() && !stop.is_cancelled() {
                done = self.batch(by, some, older_than, stop, tell).await;
            }
        }
        pass.release().await;
        done
    }

    async fn batch(
        &self,
        by: &Admin,
        ids: &[ImageId],
        older_than: Duration,
        stop: &CancellationToken,
        tell: TellPurged<'_>,
    ) -> Result<(), PurgeError> {
        let guards = self.lock.try_lock_all(ids).await?;
        let done = self.locked(by, ids, (&guards, older_than), stop, tell).await;
        self.lock.release_all(guards).await;
        done
    }

    async fn locked(
        &self,
        by: &Admin,
        ids: &[ImageId],
        (guards, older_than): (&[ImageGuard], Duration),
        stop: &CancellationToken,
        tell: TellPurged<'_>,
    ) -> Result<(), PurgeError> {
        let mut candidates = Vec::new();
        for id in ids {
            let found = if guards.iter().any(|guard| guard.id() == id) {
                self.candidate(id, older_than).await
            } else {
                Err(PurgeError::Busy(id.clone()))
            };
            match found {
                Ok(candidate) => candidates.push(candidate),
                Err(PurgeError::Repo(error @ RepoError::Unavailable(_))) => {
                    return Err(error.into());
                }
                Err(error) => tell(id, Err(error)),
            }
        }
        if candidates.is_empty() {
            return Ok(());
        }
        let names = Names::of(&*self.repo, &*self.stores, &candidates).await?;
        for candidate in candidates {
            if stop.is_cancelled() {
                return Ok(());
            }
            let id = candidate.work.image().id.clone();
            let Some(guard) = guards.iter().find(|guard| *guard.id() == id) else { continue };
            let purged = match names.needed_by(&*self.stores, &candidate) {
                Some(other) => Err(PurgeError::Shared(id.clone(), other)),
                None => self.purge_claimed(by, guard, candidate).await,
            };
            match purged {
                Err(PurgeError::Paused) => return Err(PurgeError::Paused),
                Err(PurgeError::Repo(error @ RepoError::Unavailable(_))) => {
                    return Err(error.into());
                }
                purged => tell(&id, purged),
            }
        }
        Ok(())
    }

    /// The image, if it was scrubbed at least `older_than` ago and is not held.
    async fn candidate(&self, id: &ImageId, older_than: Duration) -> Result<Candidate, PurgeError> {
        let image = self.repo.get(id, Children::NONE).await?;
        let mut image = image.ok_or_else(|| PurgeError::NotFound(id.clone()))?;
        match image.state() {
            // ended by Glance at once: whether its data is there, the store says
            State::Scrubbed | State::Unscrubbed => {}
            State::Live => return Err(PurgeError::Live(id.clone())),
            State::Claimed => return Err(PurgeError::Claimed(id.clone())),
            State::Pending | State::Empty | State::Broken | State::Deleting | State::Other => {
                return Err(PurgeError::NotScrubbed(id.clone(), image.status));
            }
        }
        let held = self.control.holds_of(std::slice::from_ref(id)).await?.pop();
        if let Some(held) = held {
            return Err(PurgeError::Held(id.clone(), held.hold.to_string()));
        }
        let known: Vec<_> = image.locations.iter().map(|location| location.id).collect();
        let ended = self.repo.ended_locations(id).await?.into_iter();
        image.locations.extend(ended.filter(|location| !known.contains(&location.id)));
        self.must_be_old(&image, older_than).await?;
        let (id, status) = (id.clone(), image.status);
        let work = image.into_purge().ok_or(PurgeError::NotScrubbed(id.clone(), status))?;
        let mut places = Vec::new();
        for location in work.targets() {
            let found = self.stores.place(location);
            let found = found.map_err(|why| PurgeError::Unplaced(id.clone(), why))?;
            places.push(Place { location: location.id, placed: found });
        }
        Ok(Candidate { work, places })
    }

    /// Compares the earlier of the two clocks with the latest time of its rows, so that any later change
    /// counts as well.
    async fn must_be_old(&self, image: &Image, older_than: Duration) -> Result<(), PurgeError> {
        let now = self.clock.now().min(self.repo.now().await?);
        let times = image.locations.iter().map(|location| location.deleted_at);
        let since = times.chain([image.deleted_at, image.updated_at]).max().flatten();
        let since = since.unwrap_or(image.created_at);
        let age = (now - since).to_std().unwrap_or_default();
        if age < older_than {
            return Err(PurgeError::Young { id: image.id.clone(), since, older_than });
        }
        Ok(())
    }

    async fn kept(&self, id: &ImageId, place: &Place) -> Result<Remains, PurgeError> {
        let (image, store, location) = (id.clone(), place.store().clone(), place.location);
        match place.placed.store.keeps(id, &place.placed.uri).await {
            Ok(Keeps::Remains(remains)) => Ok(remains),
            Ok(Keeps::Current) => Err(PurgeError::InPlace(image, store)),
            Ok(Keeps::ByHand(how)) => Err(PurgeError::ByHand(image, how)),
            Err(why) => Err(PurgeError::Unknown { image, location, store, why }),
        }
    }

    /// Purges one image under a claim, and releases it whatever happens.
    async fn purge_claimed(
        &self,
        by: &Admin,
        guard: &ImageGuard,
        Candidate { work, places }: Candidate,
    ) -> Result<PurgedImage, PurgeError> {
        let now = self.clock.now_in_seconds();
        let stamp = work.stamp(now);
        let written = self.repo.claim(&[Claim { guard, work: &work, stamp }]).await?;
        match written.ok_or(PurgeError::Paused)?.as_slice() {
            [Write::Done] => {}
            _ => return Err(PurgeError::Busy(work.image().id.clone())),
        }
        let mut purged = self.purge_recorded(by, (work.image(), stamp), &places).await;
        let release = Some(work.release(stamp));
        let settled = Settled { guard, deleted: vec![], release, audit: None, is_whole: false };
        let released = self.repo.settle(&[settled], work.settled_after(now)).await;
        if let (Err(error), Ok(purged)) = (released, &mut purged) {
            let text = format!("the rows stay claimed until the next pass ends them: {error}");
            purged.problems.push(text);
        }
        purged
    }

    /// The first entry comes before anything is removed, so that an end at any moment leaves a
    /// record.
    async fn purge_recorded(
        &self,
        by: &Admin,
        (image, stamp): (&Image, Timestamp),
        places: &[Place],
    ) -> Result<PurgedImage, PurgeError> {
        let mut all = Vec::new();
        let mut kept = ByStore::new();
        for place in places {
            let remains = self.kept(&image.id, place).await?;
            *kept.entry(place.store().clone()).or_default() += remains;
            all.push((&place.placed, remains));
        }
        all.retain(|(_, remains)| remains.pieces > 0);
        let mut purged = PurgedImage::unchanged(image);
        if all.is_empty() {
            return Ok(purged);
        }
        // answered late, the claim may have been ended by another pass
        let now = self.repo.get(&image.id, Children::NONE).await?;
        if now.is_none_or(|now| now.state() != State::Claimed || now.updated_at != Some(stamp)) {
            return Err(PurgeError::Busy(image.id.clone()));
        }
        let entry = |at| AuditEntry::new(at, PURGE_RETAINED, Actor::from(by)).about(image);
        let begun = entry(self.clock.now()).with("kept_bytes", bytes_by_store(&kept));
        purged.is_recorded = self.control.record(&begun).await?;
        tracing::info!(image_id = image.id.as_str(), "removing for good what stores have kept");
        for (placed, before) in all {
            purged.purge(placed, before).await;
        }
        let ended = purged.details(entry(self.clock.now()));
        if let Err(error) = self.control.record(&ended).await {
            purged.problems.push(format!("the audit entry could not be written: {error}"));
        }
        Ok(purged)
    }
}

impl PurgedImage {
    /// Whether nothing is kept any more.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && self.problems.is_empty()
    }

    fn unchanged(image: &Image) -> Self {
        Self {
            image: image.clone(),
            removed: ByStore::new(),
            left: ByStore::new(),
            problems: Vec::new(),
            is_recorded: true,
        }
    }

    /// Removes what a store kept at one place.
    async fn purge(&mut self, placed: &Placed, before: Remains) {
        let store = placed.store.id();
        let purged = match placed.store.purge(&self.image.id, &placed.uri).await {
            Ok(purged) => purged,
            // the outcome is unknown, so nothing is reported as removed
            Err(error) => {
                let why = Some(format!("it is unknown what is left: {error}"));
                Purged { removed: Remains::default(), left: before, why }
            }
        };
        for (all, some) in [(&mut self.removed, purged.removed), (&mut self.left, purged.left)] {
            if some.pieces > 0 {
                *all.entry(store.clone()).or_default() += some;
            }
        }
        self.problems.extend(purged.why.map(|why| format!("store {store}: {why}")));
    }

    fn details(&self, entry: AuditEntry) -> AuditEntry {
        entry
            .with("removed_bytes", bytes_by_store(&self.removed))
            .with("left_bytes", bytes_by_store(&self.left))
            .with("problems", self.problems.clone())
    }
}

fn bytes_by_store(of: &ByStore) -> serde_json::Value {
    of.iter()
        .map(|(store, remains)| (store.to_string(), remains.bytes.into()))
        .collect::<Map<_, _>>()
        .into()
}
