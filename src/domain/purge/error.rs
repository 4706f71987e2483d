//! Why a purge is refused.

use std::time::Duration;

use crate::domain::image::{ImageId, ImageStatus};
use crate::domain::repo::RepoError;
use crate::domain::store::{StoreError, StoreId, Unplaced};
use crate::domain::time::{Timestamp, isotime};

/// The reason if something that should have been removed is left, or may be.
pub const DATA_LEFT: &str = "image.data_left";

/// Why a purge was refused. Nothing was removed.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Glance's database has no such image.
    #[error("there is no image {0}")]
    NotFound(ImageId),
    /// LIVE.
    #[error("image {0} is active")]
    Live(ImageId),
    /// CLAIMED.
    #[error("the scrubber is destroying the data of image {0}")]
    Claimed(ImageId),
    /// PENDING, or another state in which its data may still be scrubbed or come back.
    #[error("image {0} is not scrubbed: its status is {1}, or its data may still wait")]
    NotScrubbed(ImageId, ImageStatus),
    /// It is held; by whom and until when.
    #[error("image {0} is held: {1}")]
    Held(ImageId, String),
    /// It was scrubbed too recently.
    #[error(
        "image {id} was scrubbed or changed at {}, less than {} ago",
        isotime(*.since),
        humantime(*.older_than)
    )]
    Young {
        /// The image.
        id: ImageId,
        /// When it last changed.
        since: Timestamp,
        /// The minimum age.
        older_than: Duration,
    },
    /// A row of another image names the same data.
    #[error("image {1} names the same data as image {0}")]
    Shared(ImageId, ImageId),
    /// An object exists.
    #[error("store {1} has an object for image {0}; only deleted data is removed")]
    InPlace(ImageId, StoreId),
    /// Only an operator can remove it.
    #[error("what is kept of image {0} must be removed by hand: {1}")]
    ByHand(ImageId, String),
    /// One of its places could not be asked.
    #[error(
        "it is unknown what is kept of image {image} at location {location} in store {store}: \
         {why}; nothing was removed, in no other store either"
    )]
    Unknown {
        /// The image.
        image: ImageId,
        /// `image_locations.id`.
        location: i32,
        /// The location's store.
        store: StoreId,
        /// What the store said.
        why: StoreError,
    },
    /// The store of one of its places is not known, or not usable.
    #[error(
        "it is unknown what is kept of image {0}: {1}; nothing was removed, in no other store either"
    )]
    Unplaced(ImageId, Unplaced),
    /// Another process has the image.
    #[error("another process is working on image {0}, or its rows have changed")]
    Busy(ImageId),
    /// The scrubber is paused: nothing is destroyed meanwhile.
    #[error("the scrubber is paused: nothing is destroyed meanwhile")]
    Paused,
    /// A pass is running.
    #[error("a pass is running")]
    PassRunning,
    /// The database failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

/// In whole days if possible, else in seconds.
fn humantime(time: Duration) -> String {
    const DAY: u64 = 86_400;
    match time.as_secs() {
        seconds if seconds >= DAY && seconds % DAY == 0 => format!("{} days", seconds / DAY),
        seconds => format!("{seconds} seconds"),
    }
}

impl PurgeError {
    /// The stable reason; `docs/troubleshooting.md` has a heading for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "image.not_found",
            Self::Live(_) => "image.already_active",
            Self::Claimed(_) | Self::Busy(_) => "image.scrub_in_progress",
            Self::NotScrubbed(..) => "image.not_scrubbed",
            Self::Held(..) => "image.held",
            Self::Young { .. } => "image.too_young",
            Self::Shared(..) => "image.data_shared",
            Self::InPlace(..) => "image.data_in_place",
            Self::ByHand(..) => "image.purge_by_hand",
            Self::Unknown { .. } | Self::Unplaced(..) => "store.unavailable",
            Self::Paused => "scrubber.paused",
            Self::PassRunning => "scrubber.busy",
            Self::Repo(error) => error.reason(),
        }
    }
}
