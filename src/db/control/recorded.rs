//! Audit entries of an order: one for each change, none if nothing changed.

use super::{Done, Order};
use crate::domain::audit::{Actor, AuditEntry, RELEASE_IMAGE};
use crate::domain::control::Term;
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
        (Order::Hold(_, term), Done::Held(_, held)) => {
            let about = |image| of_term(entry("holdImage").about(image), term);
            held.iter().cloned().map(about).collect()
        }
        (Order::Release(_), Done::Released(_, released)) => {
            let about = |image| entry(RELEASE_IMAGE).about(image);
            released.iter().cloned().map(about).collect()
        }
        (Order::Record(entry), Done::Changed(true)) => vec![(*entry).clone()],
        (_, Done::Changed(_) | Done::Held(..) | Done::Released(..)) => Vec::new(),
    }
}

fn of_term(entry: AuditEntry, term: &Term) -> AuditEntry {
    let until = (term.until < FAR_FUTURE).then(|| isotime(term.until));
    entry.with("until", until).with("reason", term.reason.clone())
}
