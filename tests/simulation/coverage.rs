//! Counts which events met which states, and which of these combinations must occur.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::truth::{STATES, Visits};

/// What 10,000 seeds visit often: states, by event. Transactions are named after their statement,
/// results after their reason. The other combinations need two actors at exactly the same moment.
const REACHED: &[(&str, &str)] = &[
    ("add_child", "Live Broken"),
    ("add_location", "Live Broken"),
    ("claim", "Live Pending Claimed Unscrubbed Scrubbed Empty"),
    ("copy_image", "Live"),
    ("db.unavailable", "Live Pending Unscrubbed Broken Deleting Other"),
    ("deactivate", "Live Broken Other"),
    ("delete.1", "Live Pending Broken Deleting Other"),
    ("delete.2", "Live Pending Broken Deleting Other"),
    ("delete.3", "Live Broken Deleting Other"),
    ("delete.4", "Live Deleting"),
    ("hold", "Pending Unscrubbed Empty Deleting"),
    ("image.already_active", "Live Pending Broken Deleting Other"),
    ("image.already_scrubbed", "Scrubbed"),
    ("image.data_missing", "Pending"),
    ("image.delete_in_progress", "Pending Broken Deleting"),
    ("image.destroyed_meanwhile", "Live"),
    ("image.no_locations", "Empty"),
    ("image.not_pending_delete", "Other"),
    ("image.scrub_in_progress", "Live Pending Claimed Unscrubbed Broken Deleting Other"),
    ("limited", "Live Pending"),
    ("purge", "Live Pending"),
    ("purge: active", "Live"),
    ("purge: all", "Scrubbed"),
    ("purge: busy", "Live"),
    ("purge: in place", "Scrubbed"),
    ("purge: not scrubbed", "Pending Broken Deleting Other"),
    ("purge: shared", "Scrubbed"),
    ("purge: too young", "Scrubbed"),
    ("release", "Live Pending Claimed Unscrubbed Scrubbed Empty Deleting"),
    ("remove_child", "Live Broken Other"),
    ("remove_location", "Live"),
    ("revert", "Pending Unscrubbed Scrubbed Broken Deleting"),
    ("reverted", "Live Pending"),
    ("settle", "Live Claimed"),
    ("store.unavailable", "Pending Unscrubbed Broken Deleting"),
    ("stranger.end", "Empty"),
    ("stranger.restore", "Pending"),
    ("stranger.settle", "Pending"),
];

/// Cells of [`REACHED`] that were not visited.
pub(crate) fn unvisited(visits: &Visits) -> Vec<String> {
    let mut lost = Vec::new();
    for (event, states) in REACHED {
        for name in states.split(' ') {
            let at = STATES.iter().position(|state| format!("{state:?}") == name);
            let at = at.unwrap_or_else(|| panic!("there is no state {name}"));
            if visits.get(&(*event, at)).is_none() {
                lost.push(format!("{event} of {name}"));
            }
        }
    }
    lost
}

/// How often each event met each state.
pub(crate) fn table(visits: &Visits) -> String {
    let mut text = format!("{:<30}", "");
    for state in STATES {
        write!(text, "{:>11}", format!("{state:?}")).unwrap();
    }
    let events: BTreeSet<_> = visits.keys().map(|(event, _)| *event).collect();
    for event in events {
        write!(text, "\n{event:<30}").unwrap();
        for (at, _) in STATES.iter().enumerate() {
            write!(text, "{:>11}", visits.get(&(event, at)).copied().unwrap_or_default()).unwrap();
        }
    }
    text
}
