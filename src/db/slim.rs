//! Reads images for a scrub in bounded memory: users can write thousands of long locations.

use std::marker::PhantomData;

use super::dialect::Dialect;
use super::error::bad_row;
use super::read::{self, Images};
use crate::domain::image::Image;
use crate::domain::location::{Location, LocationValue};
use crate::domain::repo::{BadRow, RepoError};

/// Memory limit of the retained locations of all images, in bytes.
const BUDGET: usize = 4 * 1024 * 1024;
/// A longer value is not a location of any store that can delete: paths, keys and names are
/// shorter.
const LONGEST: usize = 16 * 1024;
/// Only the scheme of these is needed, because nothing is destroyed under them.
const READ_ONLY: [&str; 2] = ["http://", "https://"];

/// Rows of [`super::statements::IMAGES`] as they come.
pub(super) struct Slim<D: Dialect> {
    images: Images,
    /// Bytes of each of `images`; `None` if there were too many.
    held: Vec<Option<usize>>,
    is_alone: bool,
    error: Option<RepoError>,
    dialect: PhantomData<fn(D)>,
}

impl<D: Dialect> Slim<D> {
    /// Prepares for this many images.
    pub(super) fn new(expected: usize) -> Self {
        let (images, held) = (Vec::new(), Vec::new());
        Self { images, held, is_alone: expected == 1, error: None, dialect: PhantomData }
    }

    /// Adds one row.
    pub(super) fn add(&mut self, row: &D::Row) {
        match read::add_row::<D>(&mut self.images, row) {
            Ok(at) => self.weigh(at),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
    }

    /// Reduces the last location of an image, and drops the image if it is still too large.
    fn weigh(&mut self, at: usize) {
        self.held.resize(self.images.len(), Some(0));
        let Some((_, image)) = self.images.get_mut(at) else { return };
        let Ok(known) = image else { return };
        let is_dropped = self.held.get(at).is_none_or(Option::is_none);
        if is_dropped {
            known.locations.clear();
            return;
        }
        let Some(last) = known.locations.last_mut() else { return };
        lighten(last);
        let weight = weight(last);
        let all: usize = self.held.iter().flatten().sum();
        let fits = all + weight <= BUDGET;
        if !fits {
            known.locations = Vec::new();
        }
        if let Some(held) = self.held.get_mut(at) {
            *held = held.filter(|_| fits).map(|held| held + weight);
        }
    }

    /// The images that were not too large.
    pub(super) fn done(self) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let all = self.images.into_iter().zip(self.held);
        let fitting = all.filter_map(|((id, image), held)| match held {
            Some(_) => Some(image.map(read::in_order)),
            None if self.is_alone => Some(Err(bad_row(&id, "image_locations", "value", TOO_MANY))),
            None => None,
        });
        Ok(fitting.collect())
    }
}

const TOO_MANY: &str = "its locations take more than 4 MiB together";

/// Reduces a value to the part that a scrub can use; other values make the location unreadable.
fn lighten(location: &mut Location) {
    let value = location.value.as_stored();
    let begins = |scheme: &&&str| {
        value.get(..scheme.len()).is_some_and(|found| found.eq_ignore_ascii_case(scheme))
    };
    let slim = match READ_ONLY.iter().find(begins) {
        Some(_) if location.is_live() => return,
        Some(scheme) => scheme,
        None if value.len() <= LONGEST => return,
        None => "",
    };
    location.value = LocationValue::new(slim.to_owned());
}

fn weight(location: &Location) -> usize {
    size_of::<Location>() + location.value.as_stored().len() + location.metadata.len()
}
