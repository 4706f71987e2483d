//! Evidence for a revert: what the stores have of an image's data, whether "missing" is credible,
//! and which locations may come back.

pub(super) mod canary;
mod choice;
mod judge;
mod missing;
mod verify;

pub use self::choice::Judged;
pub(super) use self::choice::{choose, lost_key, warnings};
pub(super) use self::missing::Shown;
pub(super) use self::verify::has_hash;
pub use self::verify::{Finding, Verify, verify};

use super::repo::ImageRepo;
use super::store::Stores;

/// Collects evidence about locations.
pub(super) struct Evidence<'a> {
    pub(super) repo: &'a dyn ImageRepo,
    pub(super) stores: &'a dyn Stores,
}
