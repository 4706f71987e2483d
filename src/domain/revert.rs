//! Taking a deleted image back.

mod choice;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::canary;
use super::image::{Image, ImageId};
use super::location::Location;
use super::lock::{ImageGuard, ImageLock};
use super::pending::{Children, NotPending, PendingDelete, RestoredCounts, Windows};
use super::principal::Admin;
use super::repo::{BadRow, ImageRepo, PendingQuery, PendingSummary, Position, RepoError, Write};
use super::store::Stores;
use super::time::Clock;
use super::verify::{Finding, verify, verify_and_mend};

pub use self::choice::Judged;
use self::choice::{choose, lost_key, warnings};

/// How a revert proves that the data is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Ask the store for the size.
    #[default]
    Exists,
    /// Read it all and compare the hash.
    Checksum,
    /// Do not look.
    None,
}

/// What a caller asks for.
#[derive(Debug, Clone, Copy)]
pub struct RevertRequest {
    /// Say what would happen, write nothing.
    pub dry_run: bool,
    /// The proof wanted.
    pub verify: Verify,
    /// Which children come back.
    pub children: Children,
    /// Make the image protected, so that the next mistake is refused.
    pub protect: bool,
}

/// For records: every option but `dry_run`, in the words of the API.
impl fmt::Display for RevertRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |back| if back { "restore" } else { "skip" };
        let Children { properties, tags, members } = self.children;
        write!(
            f,
            "verify={} properties={} tags={} members={} protect={}",
            self.verify.as_str(),
            word(properties),
            word(tags),
            word(members),
            self.protect
        )
    }
}

impl Verify {
    /// The word for it, in requests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::Checksum => "checksum",
            Self::None => "none",
        }
    }
}

impl RevertRequest {
    /// Everything comes back, proved in this way.
    pub fn whole(verify: Verify) -> Self {
        let children = Children { properties: true, tags: true, members: true };
        Self { dry_run: false, verify, children, protect: false }
    }
}

/// A revert that was done, or would be in a dry run.
#[derive(Debug, Clone)]
pub struct Reverted {
    /// The image as it now is.
    pub image: Image,
    /// What came back.
    pub restored: RestoredCounts,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Why a revert did not happen. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// Glance's database has no such image.
    #[error("there is no image {0}")]
    NotFound(ImageId),
    /// The image is not one that can be reverted.
    #[error("image {0} cannot be reverted: {1}")]
    NotPending(ImageId, NotPending),
    /// Somebody else has the image's lock.
    #[error("image {0} is being worked on by the scrubber or by another revert")]
    Busy(ImageId),
    /// No location has the image's data any more.
    #[error("the data of image {id} is not there: {}", .findings.join("; "))]
    DataMissing {
        /// The image.
        id: ImageId,
        /// What was found, a location each.
        findings: Vec<String>,
    },
    /// A store could not be asked.
    #[error("whether the data of image {id} is there cannot be told: {problem}")]
    StoreUnavailable {
        /// The image.
        id: ImageId,
        /// What the store said.
        problem: String,
    },
    /// The database could not serve.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl PendingSummary {
    /// Why the image cannot be reverted, as far as its line tells: its data was not looked at.
    pub fn obstacle(&self) -> Option<RevertError> {
        let empty = || RevertError::NotPending(self.id.clone(), NotPending::NoLocations);
        let unreadable = self.unreadable.clone().map(|bad| RevertError::Repo(bad.into()));
        unreadable.or_else(|| (!self.has_location).then(empty))
    }
}

/// What a revert would do.
#[derive(Debug)]
pub struct Preview {
    /// The image as it stands.
    pub image: Image,
    /// Why it cannot be reverted, if it cannot.
    pub obstacle: Option<RevertError>,
    /// Its waiting locations.
    pub locations: Vec<Judged>,
    /// `image_locations.id` of those that would come back.
    pub chosen: Vec<i32>,
    /// Names of the properties that would come back.
    pub properties: Vec<String>,
    /// Tags that would come back.
    pub tags: Vec<String>,
    /// Members that would come back.
    pub members: Vec<String>,
}

/// The settings of a [`Reverter`].
#[derive(Debug, Clone, Copy)]
pub struct RevertSettings {
    /// How long to wait for an image's lock.
    pub lock_wait: Duration,
    /// How time decides what was deleted together.
    pub windows: Windows,
}

/// Takes images back.
#[derive(Debug)]
pub struct Reverter {
    repo: Arc<dyn ImageRepo>,
    lock: Arc<dyn ImageLock>,
    stores: Arc<dyn Stores>,
    clock: Arc<dyn Clock>,
    settings: RevertSettings,
}

/// A row that changes under our hands is read again so often; then the caller may.
const ATTEMPTS: usize = 3;

/// How often a taken lock is asked for again.
const LOCK_POLL: Duration = Duration::from_millis(50);

impl Reverter {
    /// Puts the parts together.
    pub fn new(
        repo: Arc<dyn ImageRepo>,
        lock: Arc<dyn ImageLock>,
        stores: Arc<dyn Stores>,
        clock: Arc<dyn Clock>,
        settings: RevertSettings,
    ) -> Self {
        Self { repo, lock, stores, clock, settings }
    }

    /// Takes an image back, whole, or says why not.
    pub async fn revert(
        &self,
        _by: &Admin,
        id: &ImageId,
        request: &RevertRequest,
    ) -> Result<Reverted, RevertError> {
        let guard = self.wait_for_lock(id).await?;
        let result = self.revert_locked(&guard, request).await;
        guard.release().await;
        result
    }

    /// Says what a revert would do. Takes no lock and writes nothing.
    pub async fn preview(&self, _by: &Admin, id: &ImageId) -> Result<Preview, RevertError> {
        let image = self.read(id).await?;
        let mut preview = Preview {
            image: image.clone(),
            obstacle: None,
            locations: Vec::new(),
            chosen: Vec::new(),
            properties: Vec::new(),
            tags: Vec::new(),
            members: Vec::new(),
        };
        let pending = match image.into_pending_delete(self.clock.now(), self.settings.windows) {
            Ok(pending) => pending,
            Err(reason) => {
                preview.obstacle = Some(RevertError::NotPending(id.clone(), reason));
                return Ok(preview);
            }
        };
        preview.locations = self.judge(&pending, Verify::Exists, true).await?;
        match choose(id, &preview.locations) {
            Ok(chosen) => preview.chosen = chosen,
            Err(obstacle) => preview.obstacle = Some(obstacle),
        }
        preview.properties = pending.properties().iter().map(|p| p.name.clone()).collect();
        preview.tags = pending.tags().iter().map(|t| t.value.clone()).collect();
        preview.members = pending.members().iter().map(|m| m.member.clone()).collect();
        Ok(preview)
    }

    /// A page of the images that wait.
    pub async fn list(
        &self,
        _by: &Admin,
        query: &PendingQuery,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError> {
        self.repo.list_pending(query).await
    }

    /// Where an image stands in the list.
    pub async fn position(&self, _by: &Admin, id: &ImageId) -> Result<Position, RepoError> {
        self.repo.position(id).await
    }

    async fn revert_locked(
        &self,
        guard: &ImageGuard,
        request: &RevertRequest,
    ) -> Result<Reverted, RevertError> {
        let id = guard.id();
        for _ in 0..ATTEMPTS {
            let image = self.read(id).await?;
            let pending = image
                .into_pending_delete(self.clock.now(), self.settings.windows)
                .map_err(|reason| RevertError::NotPending(id.clone(), reason))?;
            let judged = self.judge(&pending, request.verify, request.dry_run).await?;
            let chosen = match choose(id, &judged) {
                // A scrubber that came in between took the data with it: answer by what is there.
                Err(RevertError::DataMissing { .. })
                    if self.has_changed(pending.image()).await? =>
                {
                    continue;
                }
                chosen => chosen?,
            };
            let mut warnings = warnings(&judged, &chosen);
            warnings.extend(lost_key(pending.image()));
            let plan = pending.plan(chosen, request.children, request.protect);
            let now = self.clock.now_in_seconds();
            let reverted = Reverted { image: plan.applied(now), restored: plan.counts(), warnings };
            if request.dry_run || self.repo.revert(guard, &plan, now).await? == Write::Done {
                return Ok(reverted);
            }
        }
        Err(RevertError::Busy(id.clone()))
    }

    async fn read(&self, id: &ImageId) -> Result<Image, RevertError> {
        self.repo.get(id).await?.ok_or_else(|| RevertError::NotFound(id.clone()))
    }

    async fn has_changed(&self, image: &Image) -> Result<bool, RevertError> {
        let now = self.read(&image.id).await?;
        Ok(now.status != image.status || now.version != image.version)
    }

    async fn wait_for_lock(&self, id: &ImageId) -> Result<ImageGuard, RevertError> {
        let deadline = tokio::time::Instant::now() + self.settings.lock_wait;
        loop {
            if let Some(guard) = self.lock.try_lock(id).await? {
                return Ok(guard);
            }
            if tokio::time::Instant::now() + LOCK_POLL > deadline {
                return Err(RevertError::Busy(id.clone()));
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    /// Looks at the locations, and has mended what can be, unless nothing is to be changed: those
    /// deleted with the image; at those removed earlier only if none of
    /// the others has the data.
    async fn judge(
        &self,
        pending: &PendingDelete,
        how: Verify,
        dry_run: bool,
    ) -> Result<Vec<Judged>, RevertError> {
        let mut judged = Vec::new();
        for (together, locations) in
            [(true, pending.locations_together()), (false, pending.locations_removed_earlier())]
        {
            let settled = judged.iter().any(|j: &Judged| j.finding.is_good());
            for location in locations {
                let (stores, image) = (&*self.stores, pending.image());
                let finding = if settled {
                    Finding::Unchecked
                } else if dry_run {
                    verify(stores, image, location, how).await
                } else {
                    verify_and_mend(stores, image, location, how).await
                };
                let is_missing = finding == Finding::Missing;
                let finding = if is_missing { self.missing(location).await? } else { finding };
                judged.push(Judged { location: location.clone(), together, finding });
            }
        }
        Ok(judged)
    }

    /// Absence is believed only of a store that has the data of living images: what is left out now
    /// is scrubbed later, and an unmounted share comes back.
    async fn missing(&self, location: &Location) -> Result<Finding, RevertError> {
        let Ok(placed) = self.stores.place(location) else { return Ok(Finding::Missing) };
        let seen = canary::look(&placed, &*self.repo, &*self.stores).await?;
        Ok(match seen {
            Ok(_) => Finding::Missing,
            Err(why) => {
                let (id, store) = (location.id, placed.store.id());
                Finding::Unknown(format!("location {id} is not in store {store}, and {why}"))
            }
        })
    }
}
