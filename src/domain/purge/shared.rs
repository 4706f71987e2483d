//! Finds rows of other images that name the data of images to be purged.

use std::collections::HashMap;

use chrono::DateTime;

use super::Candidate;
use crate::domain::image::ImageId;
use crate::domain::repo::{Handed, HeldLocation, RepoError, ScrubRepo};
use crate::domain::store::{Objects, Stores};

/// Rows read at a time.
const PAGE: u32 = 10_000;

/// For each object to be removed, another image that names it, if there is one.
pub(super) struct Names(HashMap<String, Option<ImageId>>);

impl Names {
    /// Reads all rows once, whatever their state: a revert of another image, which is not locked here,
    /// could restore any of them.
    pub(super) async fn of(
        repo: &dyn ScrubRepo,
        stores: &dyn Stores,
        candidates: &[Candidate],
    ) -> Result<Self, RepoError> {
        let locations = candidates.iter().flat_map(|one| one.work.targets());
        let objects = locations.map(|location| stores.objects(location));
        let names = objects.flat_map(|Objects { names, rough }| names.into_iter().chain(rough));
        let mut names: HashMap<_, _> = names.map(|name| (name, None)).collect();
        let is_ours = |image: &ImageId| candidates.iter().any(|one| one.work.image().id == *image);
        let (ever, mut after) = (DateTime::UNIX_EPOCH.naive_utc(), 0);
        loop {
            let take = &mut |held: &HeldLocation| {
                let Some(image) = held.image.as_ref().filter(|image| !is_ours(image)) else {
                    return;
                };
                let Objects { names: exact, rough } = stores.objects(&held.location);
                // a row without an exact name may mean any object of its rough name
                let rough = rough.filter(|_| exact.is_empty());
                for name in exact.into_iter().chain(rough) {
                    names.entry(name).and_modify(|by| *by = Some(image.clone()));
                }
            };
            match repo.needed_locations(ever, after, PAGE, take).await? {
                Handed::Until(last) => after = last,
                Handed::Nothing => return Ok(Self(names)),
            }
        }
    }

    /// Another image that names some of the candidate's data.
    pub(super) fn needed_by(&self, stores: &dyn Stores, candidate: &Candidate) -> Option<ImageId> {
        candidate.work.targets().iter().find_map(|location| {
            let Objects { names, rough } = stores.objects(location);
            names.into_iter().chain(rough).find_map(|name| self.0.get(&name).cloned().flatten())
        })
    }
}
