//! Rows of Glance's tables as a scrub pass and the gauges read them.

use crate::domain::image::ImageId;
use crate::domain::location::Location;
use crate::domain::scrub::Tally;
use crate::domain::time::Timestamp;

/// A location with its image's id.
#[derive(Debug, Clone)]
pub struct HeldLocation {
    /// `image_locations.image_id`; `None` if it is not a possible image id.
    pub image: Option<ImageId>,
    /// The row.
    pub location: Location,
}

/// What is pending in the whole database, according to the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Images that wait for the scrubber.
    pub pending: Tally,
    /// Of these, those deleted at or before each of the requested times.
    pub due: [Tally; 3],
    /// Of these, those that are `pending_delete` without a waiting location.
    pub without_locations: u64,
    /// Images whose DELETE in Glance has not finished.
    pub half_deleted: u64,
    /// Pending images deleted recently.
    pub recent: Tally,
}

impl Outlook {
    /// With other images.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        self.pending.add_all(others.pending);
        self.recent.add_all(others.recent);
        for (due, more) in self.due.iter_mut().zip(others.due) {
            due.add_all(more);
        }
        self.without_locations += others.without_locations;
        self.half_deleted += others.half_deleted;
        self
    }
}

/// An image that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueImage {
    /// `images.id`; `None` if it is not a possible image id.
    pub id: Option<ImageId>,
    /// `images.size`.
    pub size: Option<i64>,
    /// Since when it waits; `None` if the image lives and only locations removed from it wait.
    pub since: Option<Timestamp>,
    /// The first of its locations that make it due.
    pub location: i32,
}

/// The limits of one call of [`super::ScrubRepo::remnants`].
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Images to examine.
    pub images: u32,
    /// Images to return, at most.
    pub found: u32,
}

/// The result of examining a stretch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remnants {
    /// Images.
    pub ids: Vec<ImageId>,
    /// Where to continue; `None` after the last image.
    pub next: Option<ImageId>,
}

/// The result of reading a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handed {
    /// Rows up to this id; there may be more.
    Until(i32),
    /// No rows: the end.
    Nothing,
}

/// Where an image stands among those that were scrubbed: the last changed one comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScrubbedMarker {
    /// `images.updated_at`.
    pub changed_at: Timestamp,
    /// Its id.
    pub id: ImageId,
}

/// Which scrubbed images to list.
#[derive(Debug, Clone, Default)]
pub struct ScrubbedQuery {
    /// Only those of this project.
    pub owner: Option<String>,
    /// Only those of exactly this name.
    pub name: Option<String>,
    /// Only those deleted at this time or later.
    pub deleted_after: Option<Timestamp>,
    /// Only those deleted before this time.
    pub deleted_before: Option<Timestamp>,
    /// Start after this image.
    pub marker: Option<ScrubbedMarker>,
    /// At most this many.
    pub limit: u32,
}

/// A page of scrubbed images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// The images, in order.
    pub ids: Vec<ImageId>,
    /// Where to continue; `None` after the last image.
    pub next: Option<ScrubbedMarker>,
}
