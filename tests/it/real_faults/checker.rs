//! The invariants of rows, bytes and the audit after any fault: one checker for all tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::crowd::Fate;
use crate::support::mold::DATA;
use crate::support::world::World;

/// What callers requested, and the responses.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Images that are due.
    pub(super) due: BTreeSet<String>,
    /// Images for which somebody requested a revert.
    pub(super) asked: BTreeSet<String>,
    /// Images reported as reverted.
    pub(super) back: BTreeSet<String>,
    /// The reported reasons for the others.
    pub(super) refused: Vec<(String, String)>,
}

/// The actual state.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) fates: BTreeMap<String, Fate>,
    /// The images' files in the store.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Operation and image of each audit entry.
    pub(super) audit: BTreeSet<(String, String)>,
}

impl Seen {
    pub(super) async fn of(world: &World, prefix: &str) -> Self {
        let fates = world.fates(prefix).await;
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(world.datadir()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with(&format!("{prefix}-")) {
                files.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
        let sql = format!(
            "SELECT operation, image_id FROM revert_audit WHERE image_id LIKE '{prefix}-%' \
             AND outcome = 'success'"
        );
        let text = |cell: Option<String>| cell.unwrap();
        let audit = world.db.rows(&sql).await.into_iter().map(|mut row| {
            let image = text(row.remove(1));
            (text(row.remove(0)), image)
        });
        Self { fates, files, audit: audit.collect() }
    }

    /// The violations, one per line. Two complete passes ran after the fault.
    pub(super) fn problems(&self, told: &Told) -> Vec<String> {
        let mut problems = Vec::new();
        for (id, fate) in &self.fates {
            let its = self.of_one(id, fate, told);
            problems.extend(its.into_iter().map(|problem| format!("{id} {problem}: {fate:?}")));
        }
        for (id, bytes) in &self.files {
            if bytes != DATA {
                problems.push(format!("{id} has other bytes"));
            }
            if !self.fates.contains_key(id) {
                problems.push(format!("{id} has bytes, and no row"));
            }
        }
        for id in told.back.iter().chain(&told.due).filter(|id| !self.fates.contains_key(*id)) {
            problems.push(format!("{id} has no row any more"));
        }
        for (id, reason) in &told.refused {
            let is_final = ["image.already_scrubbed", "image.data_missing", "image.not_found"];
            if is_final.contains(&&**reason) && self.files.contains_key(id) {
                problems.push(format!("{id} was refused with {reason}, and its bytes are there"));
            }
        }
        problems
    }

    fn of_one(&self, id: &str, fate: &Fate, told: &Told) -> Vec<&'static str> {
        let has_entry = |of: &str| self.audit.contains(&(of.to_owned(), id.to_owned()));
        let (is_due, is_back) = (told.due.contains(id), told.back.contains(id));
        let (scrubbed, reverted) = (has_entry("scrubImage"), has_entry("revertImage"));
        let rules: &[(bool, &'static str)] = match fate {
            Fate::Live { file } => &[
                (!file, "is active without its bits"),
                (!told.asked.contains(id), "came back and nobody had asked"),
                (!reverted, "came back without an entry in the audit"),
                (scrubbed, "is active, and recorded as destroyed"),
            ],
            Fate::Pending { file } => &[
                (!file, "waits without its bits"),
                (is_due, "is stuck: its time has come"),
                (is_back, "was answered as back and waits"),
                (scrubbed, "waits, and is recorded as destroyed"),
                (reverted, "waits, and is recorded as back"),
            ],
            Fate::Claimed { .. } => &[(true, "is stuck in a claim")],
            Fate::Scrubbed { file } => &[
                (*file, "is scrubbed, and its bytes stay for ever"),
                (!is_due, "was destroyed before its time"),
                (is_back, "was answered as back and is destroyed"),
                (!scrubbed, "was destroyed without an entry in the audit"),
                (reverted, "is destroyed, and recorded as back"),
            ],
            Fate::Wrong(_) => &[(true, "is in a state that must never be seen")],
        };
        rules.iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, problem)| *problem).collect()
    }
}

/// Tests that the checker detects violations.
mod tests {
    use super::*;

    fn all_is_well() -> (Seen, Told) {
        let id = |id: &str| id.to_owned();
        let fates = [("x-live", Fate::KEPT), ("x-waits", Fate::WAITS), ("x-gone", Fate::GONE)];
        let seen = Seen {
            fates: fates.map(|(name, fate)| (id(name), fate)).into(),
            files: ["x-live", "x-waits"].map(|name| (id(name), DATA.to_vec())).into(),
            audit: [("revertImage", "x-live"), ("scrubImage", "x-gone")]
                .map(|(of, name)| (id(of), id(name)))
                .into(),
        };
        let told = Told {
            due: [id("x-gone")].into(),
            asked: [id("x-live")].into(),
            back: [id("x-live")].into(),
            refused: vec![(id("x-gone"), id("image.already_scrubbed"))],
        };
        (seen, told)
    }

    #[track_caller]
    fn is_found(breaks: impl FnOnce(&mut Seen, &mut Told), problem: &str) {
        let (mut seen, mut told) = all_is_well();
        assert_eq!(seen.problems(&told), [""; 0]);
        breaks(&mut seen, &mut told);
        let problems = seen.problems(&told);
        assert!(problems.iter().any(|found| found.contains(problem)), "{problems:?}");
    }

    fn becomes(seen: &mut Seen, id: &str, fate: Fate) {
        seen.fates.insert(id.to_owned(), fate);
    }

    #[test]
    fn every_kind_of_harm_is_found() {
        let gone = || Fate::Scrubbed { file: false };
        is_found(|seen, _| becomes(seen, "x-live", Fate::Live { file: false }), "without its bits");
        is_found(|seen, _| drop(seen.audit.pop_first()), "came back without an entry");
        is_found(|seen, _| drop(seen.audit.pop_last()), "destroyed without an entry");
        is_found(|seen, _| becomes(seen, "x-live", gone()), "answered as back and is destroyed");
        is_found(|seen, _| becomes(seen, "x-live", Fate::WAITS), "answered as back and waits");
        is_found(|seen, _| becomes(seen, "x-waits", gone()), "before its time");
        is_found(|seen, _| becomes(seen, "x-waits", Fate::KEPT), "nobody had asked");
        is_found(|seen, _| becomes(seen, "x-gone", Fate::WAITS), "its time has come");
        is_found(|seen, _| becomes(seen, "x-gone", Fate::Claimed { file: true }), "in a claim");
        is_found(|seen, _| becomes(seen, "x-gone", Fate::Scrubbed { file: true }), "for ever");
        is_found(|seen, _| becomes(seen, "x-live", Fate::Wrong(String::new())), "never be seen");
        is_found(|seen, _| drop(seen.fates.remove("x-live")), "no row any more");
        is_found(|seen, _| drop(seen.files.insert("x-live".into(), vec![0])), "other bytes");
        is_found(|seen, _| drop(seen.files.insert("x-lost".into(), DATA.into())), "and no row");
        is_found(
            |_, told| told.refused.push(("x-waits".into(), "image.data_missing".into())),
            "its bytes are there",
        );
    }
}
