//! What is known of an image's data before anything is decided: what its stores show, whether "missing" can
//! be believed, and which locations may come back on that.

pub(super) mod canary;
mod choice;
mod judge;
mod missing;
mod verify;

pub use self::choice::Judged;
pub(super) use self::choice::{choose, lost_key, warnings};
pub(super) use self::missing::Doubts;
pub use self::verify::{Finding, Verify, verify};

use super::repo::ImageRepo;
use super::store::Stores;

/// Looks at locations.
pub(super) struct Evidence<'a> {
    pub(super) repo: &'a dyn ImageRepo,
    pub(super) stores: &'a dyn Stores,
}
