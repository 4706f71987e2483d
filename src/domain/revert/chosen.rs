//! The images of a selection that are due first, and the size of the whole selection.

use std::collections::{BTreeMap, HashMap};

use super::Reverter;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, RepoError};
use crate::domain::scrub::Tally;
use crate::domain::selection::{Candidate, Filter, Selection};

/// The images that a selection matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The size of all of them.
    pub tally: Tally,
    /// Those that are due first, in that order.
    pub first: Vec<Candidate>,
    is_whole: bool,
}

impl Selected {
    /// Named images, those that are due first at the front.
    fn named(mut images: Vec<Candidate>) -> Self {
        images.sort_by_key(|one| (one.deleted_at.is_none(), one.deleted_at));
        let mut tally = Tally::default();
        for one in &images {
            tally.add(one.size);
        }
        Self { tally, first: images, is_whole: true }
    }

    /// The position of one of the first images in the list of pending images.
    pub fn place(&self, at: usize) -> Option<PendingMarker> {
        self.first.get(at).and_then(place)
    }

    /// The image after which the rest of the selection begins; `None` if there is no rest.
    pub fn next(&self) -> Option<PendingMarker> {
        self.first.last().filter(|_| !self.is_whole).and_then(place)
    }
}

impl Reverter {
    /// Evaluates a selection: counts all of it, and returns at most `most` images, those due first
    /// after `after`. A selection by id returns all of its images, in that order.
    pub async fn select(
        &self,
        _by: &Admin,
        selection: &Selection,
        after: Option<&PendingMarker>,
        most: usize,
    ) -> Result<Selected, RepoError> {
        match selection {
            Selection::Images(ids) => {
                let known = self.repo.candidates_of(ids).await?.into_iter();
                let mut known: HashMap<_, _> = known.map(|one| (one.id.clone(), one)).collect();
                let one = |id: &ImageId| {
                    known.remove(id).unwrap_or_else(|| Candidate::unknown(id.clone()))
                };
                Ok(Selected::named(ids.iter().map(one).collect()))
            }
            Selection::Waiting(filter) => {
                let mut sieve = Sieve::new(filter, after, most);
                let take = &mut |one| sieve.take(one);
                self.repo.candidates(filter, self.unscrubbed_after(), take).await?;
                Ok(sieve.finish())
            }
        }
    }
}

/// A selection under construction: keeps the first images, in whatever order they arrive.
#[derive(Debug)]
struct Sieve<'a> {
    filter: &'a Filter,
    after: Option<&'a PendingMarker>,
    most: usize,
    tally: Tally,
    kept: BTreeMap<PendingMarker, Candidate>,
}

impl<'a> Sieve<'a> {
    /// Keeps images that match and are due after `after`.
    fn new(filter: &'a Filter, after: Option<&'a PendingMarker>, most: usize) -> Self {
        Self { filter, after, most, tally: Tally::default(), kept: BTreeMap::new() }
    }

    /// Adds an image that may match.
    fn take(&mut self, one: Candidate) {
        let fits = self.filter.fits(one.owner.as_deref(), one.name.as_deref());
        let place =
            place(&one).filter(|place| fits && self.after.is_none_or(|after| place > after));
        let Some(place) = place else { return };
        self.tally.add(one.size);
        self.kept.insert(place, one);
        if self.kept.len() > self.most {
            self.kept.pop_last();
        }
    }

    /// Finishes the selection.
    fn finish(self) -> Selected {
        let first: Vec<_> = self.kept.into_values().collect();
        let is_whole = first.len() as u64 == self.tally.images;
        Selected { tally: self.tally, first, is_whole }
    }
}

/// The position of an image in the list of pending images.
fn place(one: &Candidate) -> Option<PendingMarker> {
    one.deleted_at.map(|deleted_at| PendingMarker { deleted_at, id: one.id.clone() })
}
