//! The end of a pause or hold, and its reason, on the command line.

use super::moment::Moment;
use crate::domain::control::LONGEST_REASON;
use crate::domain::time::Timestamp;

/// A moment in the future.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until(pub(super) Timestamp);

/// For the help of an option.
pub(super) const FORMS: &str = "TIME";

impl Until {
    /// Parses a date or RFC 3339 time; relative forms mean the past, so they are refused.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match Moment::parse(text) {
            Ok(Moment::At(at)) => Ok(Self(at)),
            Ok(Moment::Ago(_)) | Err(_) => {
                Err("write 2026-11-23, 2026-11-23T12:00:00Z or 2026-11-23T13:00:00+01:00; a time \
                     without a zone is UTC"
                    .to_owned())
            }
        }
    }
}

/// Checks that a reason can be stored.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let fits = (1..=LONGEST_REASON).contains(&text.chars().count()) && !text.contains('\0');
    if fits { Ok(text.to_owned()) } else { Err(format!("1 to {LONGEST_REASON} characters")) }
}
