//! Permanently removes what stores kept of scrubbed images.
//!
//! A purge changes no row, so no compare-and-set protects it. It takes the pass lock, which a pause waits
//! for, and the locks of its images, which reverts take; under these it checks pauses, holds and rows.
//! It never touches an object that exists, or one that a row of another image names.

mod error;
mod shared;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use self::error::{DATA_LEFT, PurgeError};

use self::shared::Names;
use super::audit::{Actor, AuditEntry, PURGE_RETAINED};
use super::control::ControlRepo;
use super::image::{Image, ImageId, State};
use super::location::{Location, LocationStatus};
use super::lock::{ImageGuard, ImageLock};
use super::pending::Children;
use super::principal::Admin;
use super::repo::{RepoError, ScrubRepo};
use super::store::{Keeps, Placed, Purged, Remains, StoreError, StoreId, Stores};
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
    image: Image,
    places: Vec<(Location, Placed)>,
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
        let Candidate { image, places } = self.candidate(id, older_than).await?;
        let mut kept = ByStore::new();
        for (_, placed) in &places {
            *kept.entry(placed.store.id().clone()).or_default() += self.kept(id, placed).await?;
        }
        kept.retain(|_, remains| remains.pieces > 0);
        Ok(Leavings { image, kept })
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
            if self.control.is_paused().await? {
                return Err(PurgeError::Paused);
            }
            let id = candidate.image.id.clone();
            let purged = match names.needed_by(&*self.stores, &candidate) {
                Some(other) => Err(PurgeError::Shared(id.clone(), other)),
                None => self.purge_one(by, candidate).await,
            };
            match purged {
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
            State::Scrubbed => {}
            State::Live => return Err(PurgeError::Live(id.clone())),
            State::Claimed => return Err(PurgeError::Claimed(id.clone())),
            State::Pending
            | State::Unscrubbed
            | State::Empty
            | State::Broken
            | State::Deleting
            | State::Other => return Err(PurgeError::NotScrubbed(id.clone(), image.status)),
        }
        let held = self.control.holds_of(std::slice::from_ref(id)).await?.pop();
        if let Some(held) = held {
            return Err(PurgeError::Held(id.clone(), held.hold.to_string()));
        }
        let known: Vec<_> = image.locations.iter().map(|location| location.id).collect();
        let ended = self.repo.ended_locations(id).await?.into_iter();
        image.locations.extend(ended.filter(|location| !known.contains(&location.id)));
        self.must_be_old(&image, older_than).await?;
        let is_ended = |one: &&Location| one.status == LocationStatus::Deleted;
        let mut places = Vec::new();
        for location in image.locations.iter().filter(is_ended) {
            let problem = |problem: String| PurgeError::Store(id.clone(), problem);
            let place = self.stores.place(location).map_err(|why| problem(why.to_string()))?;
            places.push((location.clone(), place));
        }
        Ok(Candidate { image, places })
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

    async fn kept(&self, id: &ImageId, placed: &Placed) -> Result<Remains, PurgeError> {
        let told = |error: &StoreError| format!("store {}: {error}", placed.store.id());
        match placed.store.keeps(id, &placed.uri).await {
            Ok(Keeps::Remains(remains)) => Ok(remains),
            Ok(Keeps::Current) => Err(PurgeError::InPlace(id.clone(), placed.store.id().clone())),
            Ok(Keeps::ByHand(how)) => Err(PurgeError::ByHand(id.clone(), how)),
            Err(error) => Err(PurgeError::Store(id.clone(), told(&error))),
        }
    }

    async fn purge_one(
        &self,
        by: &Admin,
        Candidate { image, places }: Candidate,
    ) -> Result<PurgedImage, PurgeError> {
        let id = image.id.clone();
        let mut kept = Vec::new();
        for (_, placed) in &places {
            kept.push(self.kept(&id, placed).await?);
        }
        // the walk may have taken long, and Glance does not know our locks
        let now = self.repo.get(&id, Children::NONE).await?;
        if now.is_none_or(|now| now.version != image.version || now.state() != State::Scrubbed) {
            return Err(PurgeError::Busy(id));
        }
        let (mut removed, mut left) = (ByStore::new(), ByStore::new());
        let mut problems = Vec::new();
        for ((_, placed), before) in places.iter().zip(kept) {
            if before.pieces == 0 {
                continue;
            }
            let store = placed.store.id();
            let purged = match placed.store.purge(&id, &placed.uri).await {
                Ok(purged) => purged,
                // the outcome is unknown, so nothing is reported as removed
                Err(error) => {
                    let why = Some(format!("it is unknown what is left: {error}"));
                    Purged { removed: Remains::default(), left: before, why }
                }
            };
            *removed.entry(store.clone()).or_default() += purged.removed;
            *left.entry(store.clone()).or_default() += purged.left;
            problems.extend(purged.why.map(|why| format!("store {store}: {why}")));
        }
        removed.retain(|_, remains| remains.pieces > 0);
        left.retain(|_, remains| remains.pieces > 0);
        let mut purged = PurgedImage { image, removed, left, problems, is_recorded: true };
        if !purged.removed.is_empty() || !purged.problems.is_empty() {
            let entry = purged.entry(self.clock.now(), by);
            purged.is_recorded = self.control.record(&entry).await.unwrap_or_else(|error| {
                purged.problems.push(format!("the audit entry could not be written: {error}"));
                false
            });
        }
        Ok(purged)
    }
}

impl PurgedImage {
    /// Whether nothing is kept any more.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && self.problems.is_empty()
    }

    fn entry(&self, at: Timestamp, by: &Admin) -> AuditEntry {
        let bytes = |of: &ByStore| {
            let bytes = of.iter().map(|(store, remains)| (store.to_string(), remains.bytes));
            serde_json::to_value(bytes.collect::<HashMap<_, _>>()).unwrap_or_default()
        };
        AuditEntry::new(at, PURGE_RETAINED, Actor::from(by))
            .about(&self.image)
            .with("removed_bytes", bytes(&self.removed))
            .with("left_bytes", bytes(&self.left))
            .with("problems", self.problems.clone())
    }
}
