//! Permanently removes what a container kept of a deleted object and of its segments: first the
//! versions with data, then the delete markers.

use reqwest::{Method, StatusCode};

use super::SwiftStore;
use super::client::{Listed, Path, Target, answered, quoted, success};
use super::segments::is_segment_of;
use super::versions::{Keeping, is_mark};
use crate::domain::image::ImageId;
use crate::domain::store::{Keeps, Presence, Purged, Remains};
use crate::store::http_fault::Fault;

/// The versions of an object and of its segments.
struct History {
    all: Vec<Listed>,
    /// The container of the versions, if it is not the object's own.
    archive: Option<String>,
    /// Whether the object or a segment exists.
    is_there: bool,
}

impl History {
    fn remains(&self) -> Remains {
        let mut sum = Remains::default();
        for one in self.all.iter().filter(|one| !is_mark(one)) {
            // the size of a manifest is that of its segments, which are listed as well
            let bytes = if one.slo_etag.is_some() { 0 } else { one.bytes };
            sum += Remains { pieces: 1, bytes };
        }
        sum
    }
}

impl SwiftStore {
    /// Everything the container keeps of an object that was deleted.
    pub(super) async fn all_kept(&self, image: &ImageId, target: &Target) -> Result<Keeps, Fault> {
        if self.multi_tenant && self.head_container(target).await?.status() == StatusCode::NOT_FOUND
        {
            // the account's listing proves that the container is gone
            let is_there = self.presence(target).await? != Presence::Absent;
            return Ok(if is_there { Keeps::Current } else { Keeps::Remains(Remains::default()) });
        }
        let history = self.history(image, target).await?;
        Ok(if history.is_there { Keeps::Current } else { Keeps::Remains(history.remains()) })
    }

    /// Removes each version, then lists what is left.
    pub(super) async fn remove_for_good(
        &self,
        image: &ImageId,
        target: &Target,
    ) -> Result<Purged, Fault> {
        let before = self.history(image, target).await?;
        if before.is_there {
            return Err(Fault::Unclear("an object is in its place".to_owned()));
        }
        let mut why = self.remove_each(target, &before, false).await;
        let mut after = self.history(image, target).await?;
        if after.all.iter().all(is_mark) {
            why = self.remove_each(target, &after, true).await;
            after = self.history(image, target).await?;
        }
        let (had, left) = (before.remains(), after.remains());
        let removed = Remains {
            pieces: had.pieces.saturating_sub(left.pieces),
            bytes: had.bytes.saturating_sub(left.bytes),
        };
        let is_left = !after.all.is_empty();
        let silent = || "Swift still lists what it said to have removed".to_owned();
        let why = why.filter(|_| is_left).or_else(|| is_left.then(silent));
        Ok(Purged { removed, left, why })
    }

    /// Removes either the delete markers or the versions with data; returns the first failure.
    async fn remove_each(&self, target: &Target, of: &History, marks: bool) -> Option<String> {
        let mut why = None;
        for one in of.all.iter().filter(|one| is_mark(one) == marks) {
            let query = one.version_id.as_deref().map(|id| format!("version-id={}", quoted(id)));
            let (container, query) = match (&of.archive, &query) {
                (Some(archive), _) => (archive, ""),
                (None, Some(query)) => (&target.container, query.as_str()),
                // a DELETE without a version would remove the object itself
                (None, None) => continue,
            };
            let path = Path { container, object: Some(&one.name), query };
            let removed = match self.client.send(Method::DELETE, target, path).await {
                Ok(answer) if answer.status() == StatusCode::NOT_FOUND => Ok(()),
                Ok(answer) => success(answer).map(drop),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = removed {
                why.get_or_insert_with(|| fault.message().to_owned());
            }
        }
        why
    }

    async fn history(&self, image: &ImageId, target: &Target) -> Result<History, Fault> {
        let container = success(self.head_container(target).await?)?;
        let is_ours = |name: &str| {
            name == target.object
                // segments are recognised by the image's id only
                || (target.object == image.as_str() && is_segment_of(target, name))
        };
        let object = &target.object;
        match Keeping::of(container.headers())? {
            Keeping::Archive { container, .. } => {
                let mut all = Vec::new();
                for (length, after) in [(object.len(), "/"), (object.len() + SEGMENT, "-")] {
                    let prefix = format!("{length:03x}{object}{after}");
                    all.extend(self.client.list(target, &container, &prefix, false).await?);
                }
                // `034<name>/<time>`
                all.retain(|one| {
                    let name = one.name.get(3..).and_then(|rest| rest.rsplit_once('/'));
                    name.is_some_and(|(name, _)| is_ours(name))
                });
                let is_there = self.is_in_place(target, is_ours).await?;
                Ok(History { all, archive: Some(container), is_there })
            }
            Keeping::Versions => {
                let mut all = self.client.list(target, &target.container, object, true).await?;
                all.retain(|one| is_ours(&one.name));
                let is_there = all.iter().any(|one| one.is_latest && !is_mark(one));
                Ok(History { all, archive: None, is_there })
            }
            Keeping::Nothing => {
                let is_there = self.is_in_place(target, is_ours).await?;
                Ok(History { all: Vec::new(), archive: None, is_there })
            }
        }
    }

    async fn is_in_place(
        &self,
        target: &Target,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<bool, Fault> {
        let head = self.client.ask(Method::HEAD, target, target.path()).await?;
        match head.status() {
            StatusCode::NOT_FOUND => {}
            status if status.is_success() => return Ok(true),
            _ => return Err(answered(&head)),
        }
        let container = &target.container;
        let listed = self.client.list(target, container, &target.object, false).await?;
        Ok(listed.iter().any(|one| is_ours(&one.name)))
    }
}

/// Length of `-00001`, which follows the object's name.
const SEGMENT: usize = 6;
