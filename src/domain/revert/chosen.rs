//! The images of a selection that are lost first, and how many there are in all.

use std::collections::{BTreeMap, HashMap};

use super::Reverter;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, RepoError};
use crate::domain::scrub::Tally;
use crate::domain::selection::{Candidate, Filter, Selection};

/// What a selection has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// All of it.
    pub tally: Tally,
    /// The images that are lost first, the first of them first.
    pub first: Vec<Candidate>,
    is_whole: bool,
}

impl Selected {
    /// Images that were named, the ones lost first before the others.
    fn named(mut images: Vec<Candidate>) -> Self {
        images.sort_by_key(|one| (one.deleted_at.is_none(), one.deleted_at));
        let mut tally = Tally::default();
        for one in &images {
            tally.add(one.size);
        }
        Self { tally, first: images, is_whole: true }
    }

    /// Where one of the first images stands in the list of what waits.
    pub fn place(&self, at: usize) -> Option<PendingMarker> {
        self.first.get(at).and_then(place)
    }

    /// After which image the rest of the selection begins; `None` if there is none.
    pub fn next(&self) -> Option<PendingMarker> {
        self.first.last().filter(|_| !self.is_whole).and_then(place)
    }
}

impl Reverter {
    /// What a selection has: all of it counted, and the images that are lost first after `after`, so
    /// many at most. Of ids there are all, in that order.
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

/// A selection under construction: keeps so many of its images, in whatever order they come.
#[derive(Debug)]
struct Sieve<'a> {
    filter: &'a Filter,
    after: Option<&'a PendingMarker>,
    most: usize,
    tally: Tally,
    kept: BTreeMap<PendingMarker, Candidate>,
}

impl<'a> Sieve<'a> {
    /// For what fits and is lost after `after`.
    fn new(filter: &'a Filter, after: Option<&'a PendingMarker>, most: usize) -> Self {
        Self { filter, after, most, tally: Tally::default(), kept: BTreeMap::new() }
    }

    /// Takes an image that may fit.
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

    /// All were taken.
    fn finish(self) -> Selected {
        let first: Vec<_> = self.kept.into_values().collect();
        let is_whole = first.len() as u64 == self.tally.images;
        Selected { tally: self.tally, first, is_whole }
    }
}

/// Where an image stands in the list of what waits.
fn place(one: &Candidate) -> Option<PendingMarker> {
    one.deleted_at.map(|deleted_at| PendingMarker { deleted_at, id: one.id.clone() })
}
