//! Error messages of the command line: why an image is not reverted, and what to do.

use crate::domain::control::ControlError;
use crate::domain::pending::NotPending;
use crate::domain::purge::PurgeError;
use crate::domain::repo::RepoError;
use crate::domain::revert::RevertError;

/// The message for people.
pub(super) fn message(error: &RevertError) -> String {
    match advice(error) {
        Some(advice) => format!("{error}. {advice}"),
        None => error.to_string(),
    }
}

fn advice(error: &RevertError) -> Option<&'static str> {
    match error {
        RevertError::NotFound(_) => Some("`glance-revert list` shows the pending images."),
        RevertError::NotPending(_, NotPending::ScrubInProgress) => {
            Some("If the store refuses, the claim is released: look again later.")
        }
        RevertError::NotPending(_, NotPending::AlreadyScrubbed | NotPending::NoLocations)
        | RevertError::Scrubbed { chance: false, .. } => {
            Some("Upload it again, or restore it from a backup.")
        }
        RevertError::NotPending(_, NotPending::DeleteInProgress { .. }) => Some("Try again later."),
        RevertError::Busy(_) => Some("Nothing was changed; try again in a moment."),
        RevertError::DataMissing { .. } => {
            Some("Nothing was changed; put the data back in its place, or upload the image again.")
        }
        RevertError::Scrubbed { chance: true, .. } => Some(
            "Use --verify checksum: the whole data is read and its hash compared before it is brought \
             back.",
        ),
        RevertError::NotVerifiable { .. } => Some(
            "Nothing was changed; use --verify exists instead of checksum, or --verify none if \
             you know that the data is there.",
        ),
        RevertError::DestroyedMeanwhile { .. } => Some(
            "Glance may show it as active without data. Stop glance-scrubber and glance-manage db \
             purge on all hosts, then check the image.",
        ),
        RevertError::Repo(RepoError::TooLarge(_)) => Some(
            "Nothing was changed; use --skip-properties, then set the properties that you need.",
        ),
        RevertError::StoreUnavailable { .. } => Some(
            "Nothing was changed; try again when the store answers, or with --verify none if you \
             know that the data is there.",
        ),
        RevertError::NotPending(..) | RevertError::Repo(_) => None,
    }
}

/// Why an image is not purged, for people.
pub(super) fn purge_message(error: &PurgeError) -> String {
    let advice = match error {
        PurgeError::Unknown { .. } => {
            "Purge it again when `glance-revert check` finds the store available."
        }
        PurgeError::Unplaced(..) => {
            "Configure the store of that location, then purge again; if the store is gone for good, \
             remove by hand what the image's other stores keep."
        }
        PurgeError::NotFound(_)
        | PurgeError::Live(_)
        | PurgeError::Claimed(_)
        | PurgeError::NotScrubbed(..)
        | PurgeError::Held(..)
        | PurgeError::Young { .. }
        | PurgeError::Shared(..)
        | PurgeError::InPlace(..)
        | PurgeError::ByHand(..)
        | PurgeError::Busy(_)
        | PurgeError::Paused
        | PurgeError::PassRunning
        | PurgeError::Repo(_) => return error.to_string(),
    };
    format!("{error}. {advice}")
}

/// The stable reason of a refused pause or hold.
pub(super) fn control_reason(error: &ControlError) -> &'static str {
    error.reason()
}

/// The stable reason of a database error.
pub(super) fn repo_reason(error: &RepoError) -> &'static str {
    error.reason()
}
