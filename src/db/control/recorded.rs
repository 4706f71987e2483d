//! What the audit has of an order: an entry for each change, none where nothing changed.

use super::{Done, Order};
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::control::{HoldOutcome, Term};
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::time::{FAR_FUTURE, Timestamp, isotime};

/// The entries of an order that was carried out at this time.
pub(super) fn entries(
    order: &Order<'_>,
    done: &Done,
    by: &Admin,
    at: Timestamp,
) -> Vec<AuditEntry> {
    let entry = |operation| AuditEntry::new(at, operation, Actor::from(by));
    match (order, done) {
        (Order::Pause(term), Done::Changed(true)) => vec![of_term(entry("pauseScrubber"), term)],
        (Order::Resume, Done::Changed(true)) => vec![entry("resumeScrubber")],
        (Order::Accept(images), Done::Changed(true)) => {
            vec![entry("acceptScrub").with("images", *images)]
        }
        (Order::Hold(ids, term), Done::Held(outcomes)) => {
            let is_held = outcomes.iter().map(|outcome| *outcome == HoldOutcome::Held);
            let about = |id: &ImageId| of_term(entry("holdImage").about(id), term);
            chosen(ids, is_held).map(about).collect()
        }
        (Order::Release(ids), Done::Released(were_held)) => {
            let about = |id: &ImageId| entry("releaseImage").about(id);
            chosen(ids, were_held.iter().copied()).map(about).collect()
        }
        (_, Done::Changed(_) | Done::Held(_) | Done::Released(_)) => Vec::new(),
    }
}

fn chosen(ids: &[ImageId], are: impl Iterator<Item = bool>) -> impl Iterator<Item = &ImageId> {
    ids.iter().zip(are).filter_map(|(id, is)| is.then_some(id))
}

fn of_term(entry: AuditEntry, term: &Term) -> AuditEntry {
    let until = (term.until < FAR_FUTURE).then(|| isotime(term.until));
    entry.with("until", until).with("reason", term.reason.clone())
}
