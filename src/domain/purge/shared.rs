//! Which rows of other images name the data of images that are to be purged.

use std::collections::HashMap;

use chrono::DateTime;

use super::Candidate;
use crate::domain::image::ImageId;
use crate::domain::repo::{Handed, HeldLocation, RepoError, ScrubRepo};
use crate::domain::store::{Objects, Stores};

/// Rows read at a time.
const PAGE: u32 = 10_000;

/// The images, by the names of the data that is to go, that name it and are not among those that are
/// to be purged.
pub(super) struct Names(HashMap<String, Option<ImageId>>);

impl Names {
    /// Walks once over all rows, whatever their state: a row that was ended can come back by a revert of
    /// its own image, which nobody has locked.
    pub(super) async fn of(
        repo: &dyn ScrubRepo,
        stores: &dyn Stores,
        candidates: &[Candidate],
    ) -> Result<Self, RepoError> {
        let objects = candidates.iter().flat_map(|one| &one.places);
        let objects = objects.map(|(location, _)| stores.objects(location));
        let names = objects.flat_map(|Objects { names, rough }| names.into_iter().chain(rough));
        let mut names: HashMap<_, _> = names.map(|name| (name, None)).collect();
        let is_ours = |image: &ImageId| candidates.iter().any(|one| one.image.id == *image);
        let (ever, mut after) = (DateTime::UNIX_EPOCH.naive_utc(), 0);
        loop {
            let take = &mut |held: &HeldLocation| {
                let Some(image) = held.image.as_ref().filter(|image| !is_ours(image)) else {
                    return;
                };
                let Objects { names: exact, rough } = stores.objects(&held.location);
                // a row without an exact name may name all that is roughly there
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

    /// Another image that names some of its data.
    pub(super) fn needed_by(&self, stores: &dyn Stores, candidate: &Candidate) -> Option<ImageId> {
        candidate.places.iter().find_map(|(location, _)| {
            let Objects { names, rough } = stores.objects(location);
            names.into_iter().chain(rough).find_map(|name| self.0.get(&name).cloned().flatten())
        })
    }
}
