//! Why a revert is refused.

use crate::domain::image::ImageId;
use crate::domain::pending::NotPending;
use crate::domain::repo::RepoError;

/// Why a revert did not happen. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// Glance's database has no such image.
    #[error("there is no image {0}")]
    NotFound(ImageId),
    /// The image is not in a state that can be reverted.
    #[error("image {0} cannot be reverted: {1}")]
    NotPending(ImageId, NotPending),
    /// Another process holds the image's lock.
    #[error("the scrubber or another revert is working on image {0}")]
    Busy(ImageId),
    /// No location has the image's data.
    #[error("the data of image {id} is missing: {}", .findings.join("; "))]
    DataMissing {
        /// The image.
        id: ImageId,
        /// The findings, one per location.
        findings: Vec<String>,
    },
    /// Its data was destroyed, according to the rows, and nothing the stores have may be used.
    #[error("the data of image {id} was destroyed: {}", .findings.join("; "))]
    Scrubbed {
        /// The image.
        id: ImageId,
        /// The findings, one per location.
        findings: Vec<String>,
        /// Whether a store has something that the hash could prove, if the caller asks for that.
        chance: bool,
    },
    /// No location can be verified, and some never can.
    #[error("the data of image {id} cannot be verified: {}", .findings.join("; "))]
    NotVerifiable {
        /// The image.
        id: ImageId,
        /// The findings, one per location.
        findings: Vec<String>,
    },
    /// The image was made active, but its data or rows disappeared right afterwards: another
    /// process that does not use our locks is running.
    #[error("the data of image {id} was destroyed during its revert: {problem}")]
    DestroyedMeanwhile {
        /// The image.
        id: ImageId,
        /// What is gone.
        problem: String,
    },
    /// A store could not be reached.
    #[error("the data of image {id} cannot be verified now: {problem}")]
    StoreUnavailable {
        /// The image.
        id: ImageId,
        /// The store's error.
        problem: String,
    },
    /// The database could not serve.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl RevertError {
    /// Whether nothing is left to do, because the image is active already.
    pub fn is_back(&self) -> bool {
        matches!(self, Self::NotPending(_, NotPending::AlreadyActive))
    }

    /// The stable reason; `docs/troubleshooting.md` has a heading for each.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "image.not_found",
            Self::NotPending(_, why) => why.reason(),
            Self::Busy(_) => "image.scrub_in_progress",
            Self::DataMissing { .. } => "image.data_missing",
            Self::Scrubbed { .. } => NotPending::AlreadyScrubbed.reason(),
            Self::NotVerifiable { .. } => "image.not_verifiable",
            Self::DestroyedMeanwhile { .. } => "image.destroyed_meanwhile",
            Self::StoreUnavailable { .. } => "store.unavailable",
            Self::Repo(error) => error.reason(),
        }
    }
}

/// Builds the error and logs what another process took right after the commit.
pub(super) fn destroyed(id: &ImageId, problem: String) -> RevertError {
    tracing::error!(
        image_id = id.as_str(),
        problem,
        "another scrubber or a purge destroyed an image that was just reverted: stop it"
    );
    RevertError::DestroyedMeanwhile { id: id.clone(), problem }
}
