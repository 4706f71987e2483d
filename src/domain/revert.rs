//! Reverting a deleted image.

mod chosen;
mod decision;
mod due;
mod error;
mod list;
mod many;
mod recorded;
mod retained;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use super::evidence::{Evidence, Shown, choose};
use super::image::{Image, ImageId};
use super::lock::{ImageGuard, ImageLock};
use super::pending::{Children, NotPending, RestoredCounts};
use super::principal::Admin;
use super::repo::{ImageRepo, Write};
use super::retention::{Retention, Rule};
use super::store::Stores;
use super::tables::OwnTables;
use super::time::Clock;

pub use self::chosen::Selected;
pub use self::error::RevertError;
pub use self::many::{Many, Tell};
pub use self::retained::{Chance, RetainedPage, SecondChance};
pub use super::evidence::{Judged, Verify};

/// The options of a revert.
#[derive(Debug, Clone, Copy)]
pub struct RevertRequest {
    /// Report what would happen; write nothing.
    pub dry_run: bool,
    /// How to verify the data.
    pub verify: Verify,
    /// Which children come back.
    pub children: Children,
    /// Protect the image against further deletion.
    pub protect: bool,
}

/// For audit records: every option except `dry_run`, with the API's names.
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

impl RevertRequest {
    /// Restores everything, with this verification.
    pub fn whole(verify: Verify) -> Self {
        Self { dry_run: false, verify, children: Children::ALL, protect: false }
    }
}

/// A completed revert, or in a dry run what it would be.
#[derive(Debug, Clone)]
pub struct Reverted {
    /// The image after the revert.
    pub image: Image,
    /// What came back.
    pub restored: RestoredCounts,
    /// Warnings for the caller.
    pub warnings: Vec<String>,
    /// Whether an earlier revert did it, whose result is returned again.
    pub repeated: bool,
}

/// What a revert would do.
#[derive(Debug)]
pub struct Preview {
    /// The image now.
    pub image: Image,
    /// The retention rule that decides how long it waits; `None` if `scrub_time` does.
    pub rule: Option<Rule>,
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
    /// How long a DELETE may make no progress before it counts as dead.
    pub delete_grace: Duration,
    /// Whether Glance delays deletions (`delayed_delete`). If not, ended images are destroyed.
    pub delayed_delete: bool,
}

/// Reverts images.
#[derive(Debug)]
pub struct Reverter {
    repo: Arc<dyn ImageRepo>,
    lock: Arc<dyn ImageLock>,
    stores: Arc<dyn Stores>,
    clock: Arc<dyn Clock>,
    settings: RevertSettings,
    tables: Option<Arc<dyn OwnTables>>,
    retention: Option<Retention>,
}

/// How often a row that changed meanwhile is read again before giving up.
const ATTEMPTS: usize = 3;

/// How often to retry a taken lock.
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
        Self { repo, lock, stores, clock, settings, tables: None, retention: None }
    }

    /// Uses the audit to recognise its own earlier reverts.
    #[must_use]
    pub fn with_tables(self, tables: Arc<dyn OwnTables>) -> Self {
        Self { tables: Some(tables), ..self }
    }

    /// Reverts an image completely, or returns why not. A repeated request gets the earlier result
    /// again, as long as the image is unchanged since.
    pub async fn revert(
        &self,
        by: &Admin,
        id: &ImageId,
        request: &RevertRequest,
    ) -> Result<Reverted, RevertError> {
        let span = tracing::debug_span!("revert", image_id = id.as_str());
        async {
            let guard = self.wait_for_lock(id).await?;
            let result = self.revert_locked(by, &guard, request).await;
            guard.release().await;
            match result {
                Err(RevertError::NotPending(_, NotPending::AlreadyActive)) if !request.dry_run => {
                    let known = self.answers_of(by, std::slice::from_ref(id)).await?.remove(id);
                    known.map_or(result, Ok)
                }
                result => result,
            }
        }
        .instrument(span)
        .await
    }

    /// Previews a revert. Takes no lock and writes nothing.
    pub async fn preview(&self, _by: &Admin, id: &ImageId) -> Result<Preview, RevertError> {
        let image = self.read(id, Children::ALL).await?;
        let mut preview = Preview {
            rule: self.rule_of(&image),
            image: image.clone(),
            obstacle: None,
            locations: Vec::new(),
            chosen: Vec::new(),
            properties: Vec::new(),
            tags: Vec::new(),
            members: Vec::new(),
        };
        let pending = match self.show_pending(image).await {
            Ok(pending) => pending,
            Err(RevertError::Repo(error)) => return Err(error.into()),
            Err(obstacle) => {
                preview.obstacle = Some(obstacle);
                return Ok(preview);
            }
        };
        preview.locations = self.evidence().judge(&pending, Verify::Exists, true).await;
        let mut examined = [(id, &mut preview.locations)];
        self.evidence().prove_absences(&mut examined, &mut Shown::new()).await?;
        match choose(&pending, &preview.locations) {
            Ok(chosen) => preview.chosen = chosen,
            Err(obstacle) => preview.obstacle = Some(obstacle),
        }
        preview.properties =
            pending.properties_to_restore().iter().map(|p| p.name.clone()).collect();
        preview.tags = pending.tags_to_restore().iter().map(|t| t.value.clone()).collect();
        preview.members = pending.members_to_restore().iter().map(|m| m.member.clone()).collect();
        Ok(preview)
    }

    async fn revert_locked(
        &self,
        by: &Admin,
        guard: &ImageGuard,
        request: &RevertRequest,
    ) -> Result<Reverted, RevertError> {
        let id = guard.id();
        for _ in 0..ATTEMPTS {
            let image = self.read(id, request.children).await?;
            let pending = self.show_pending(image).await?;
            let mut judged = self.evidence().judge(&pending, request.verify, request.dry_run).await;
            let mut examined = [(id, &mut judged)];
            self.evidence().prove_absences(&mut examined, &mut Shown::new()).await?;
            let Some(decision) = self.decide(pending, judged, request).await? else { continue };
            let now = self.clock.now_in_seconds();
            if request.dry_run {
                return Ok(decision.reverted(now));
            }
            let at = self.clock.now();
            let entry = recorded::entry(at, by, *request, &decision.reverted(now));
            let written = self.repo.revert(guard, &decision.plan, now, &entry).await;
            if !matches!(written, Ok(Write::Done)) {
                decision.tell_unwritten();
            }
            if written? == Write::Done {
                let live = self.repo.live_locations_of(id).await?;
                if self.is_still_there(&decision, &live).await? {
                    return Ok(decision.reverted(now));
                }
            }
        }
        Err(RevertError::Busy(id.clone()))
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence { repo: &*self.repo, stores: &*self.stores }
    }

    async fn read(&self, id: &ImageId, wanted: Children) -> Result<Image, RevertError> {
        self.repo.get(id, wanted).await?.ok_or_else(|| RevertError::NotFound(id.clone()))
    }

    async fn wait_for_lock(&self, id: &ImageId) -> Result<ImageGuard, RevertError> {
        let began = tokio::time::Instant::now();
        let deadline = began + self.settings.lock_wait;
        loop {
            if let Some(guard) = self.lock.try_lock(id).await? {
                tracing::debug!(
                    seconds = began.elapsed().as_secs_f64(),
                    "the image's lock is ours"
                );
                return Ok(guard);
            }
            if tokio::time::Instant::now() + LOCK_POLL > deadline {
                return Err(RevertError::Busy(id.clone()));
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }
}
