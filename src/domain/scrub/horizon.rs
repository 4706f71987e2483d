//! What is due at a moment, under all retentions that apply.

use std::collections::HashMap;
use std::time::Duration;

use super::{Scrubber, earlier};
use crate::domain::error::BadRow;
use crate::domain::image::{Image, ImageId};
use crate::domain::repo::RepoError;
use crate::domain::retention::{Facts, InForce, later};
use crate::domain::time::Timestamp;

/// A moment, and how long images wait.
#[derive(Debug, Clone)]
pub(super) struct Horizon {
    now: Timestamp,
    waits: InForce,
}

/// [`Facts`] of some images.
pub(super) type FactsOf = HashMap<ImageId, Facts>;

impl Horizon {
    pub(super) fn new(now: Timestamp, waits: InForce) -> Self {
        Self { now, waits }
    }

    /// The horizon after this time has passed.
    pub(super) fn after(&self, wait: Duration) -> Self {
        Self { now: later(self.now, wait), waits: self.waits.clone() }
    }

    /// Whether retention rules decide, so that each image must be looked at.
    pub(super) fn has_rules(&self) -> bool {
        self.waits.has_rules()
    }

    /// Images deleted later are not due, whatever the rules say. The database is queried with this
    /// time.
    pub(super) fn latest(&self) -> Timestamp {
        earlier(self.now, self.waits.shortest())
    }

    /// Images deleted at this time or earlier are due, whatever the rules say.
    pub(super) fn surely(&self) -> Timestamp {
        earlier(self.now, self.waits.longest())
    }

    /// The image is due if it was deleted at this time or earlier.
    pub(super) fn before(&self, image: Option<&Facts>) -> Timestamp {
        earlier(self.now, self.waits.wait(image))
    }
}

impl Scrubber {
    /// The facts that the rules need about these images; empty without rules.
    pub(super) async fn facts_of(
        &self,
        horizon: &Horizon,
        ids: &[ImageId],
    ) -> Result<FactsOf, RepoError> {
        if !horizon.has_rules() || ids.is_empty() {
            return Ok(FactsOf::new());
        }
        self.repo.facts_of(ids, &horizon.waits.labels()).await
    }

    /// The same for images that were read.
    pub(super) async fn facts_of_read(
        &self,
        horizon: &Horizon,
        images: &[Result<Image, BadRow>],
    ) -> Result<FactsOf, RepoError> {
        let ids: Vec<_> = images.iter().flatten().map(|image| image.id.clone()).collect();
        self.facts_of(horizon, &ids).await
    }
}
