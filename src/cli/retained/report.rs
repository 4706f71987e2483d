//! Output of a purge: what it would remove, and its results.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::output::{bytes, complain, json_line, line};
use crate::cli::table::{Fit, Table};
use crate::cli::words::purge_message;
use crate::cli::{CliError, Exit, Outcome};
use crate::domain::image::{Image, ImageId, ImpossibleImageId};
use crate::domain::purge::{ByStore, DATA_LEFT, Leavings, PurgeError, PurgedImage};
use crate::domain::store::Remains;

/// Images listed one by one before the question.
const SHOWN: usize = 20;

/// One image's result as JSON.
#[derive(Debug, Serialize)]
struct ImageReport<'a> {
    id: &'a str,
    name: Option<&'a str>,
    owner: Option<&'a str>,
    /// Whether nothing is kept of it any more.
    purged: bool,
    /// The stable reason; `image.data_left` where something is left, or may be.
    reason: Option<&'static str>,
    message: Option<String>,
    removed: BTreeMap<String, Amount>,
    kept: BTreeMap<String, Amount>,
}

#[derive(Debug, Serialize)]
struct Amount {
    pieces: u64,
    bytes: u64,
}

fn amounts(of: &ByStore) -> BTreeMap<String, Amount> {
    let amount = |remains: &Remains| Amount { pieces: remains.pieces, bytes: remains.bytes };
    of.iter().map(|(store, remains)| (store.to_string(), amount(remains))).collect()
}

/// Prints results as they come, and counts them.
pub(super) struct Report {
    json: bool,
    failed: u64,
    purged: u64,
    empty: u64,
    removed: ByStore,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self { json, failed: 0, purged: 0, empty: 0, removed: ByStore::new() }
    }

    pub(super) fn impossible(&mut self, text: &str) -> Result<(), CliError> {
        self.failed += 1;
        self.problem(text, None, ("image.not_found", ImpossibleImageId.to_string()))
    }

    /// Nothing is kept of it.
    pub(super) fn nothing(&mut self, of: &Leavings) -> Result<(), CliError> {
        self.empty += 1;
        if self.json {
            return json_line(&shown(&of.image, true, &ByStore::new(), &ByStore::new()));
        }
        Ok(())
    }

    /// What would be removed.
    pub(super) fn plan(&self, kept: &[Leavings], dry_run: bool) -> Result<(), CliError> {
        if self.json {
            if dry_run {
                for one in kept {
                    json_line(&shown(&one.image, false, &ByStore::new(), &one.kept))?;
                }
            }
            return Ok(());
        }
        if kept.is_empty() {
            return Ok(());
        }
        let mut table = Table::new([
            ("ID", Fit::Whole),
            ("NAME", Fit::Cut),
            ("OWNER", Fit::Optional),
            ("KEPT", Fit::Whole),
            ("IN", Fit::Optional),
        ]);
        let mut all = ByStore::new();
        for (at, one) in kept.iter().enumerate() {
            let mut sum = Remains::default();
            for (store, remains) in &one.kept {
                sum += *remains;
                *all.entry(store.clone()).or_default() += *remains;
            }
            if at < SHOWN {
                let stores: Vec<_> = one.kept.keys().map(ToString::to_string).collect();
                table.row([
                    one.image.id.to_string(),
                    one.image.name.clone().unwrap_or_default(),
                    one.image.owner.clone().unwrap_or_default(),
                    bytes(sum.bytes),
                    stores.join(", "),
                ]);
            }
        }
        table.print(false)?;
        if kept.len() > SHOWN {
            line(format_args!("and {} more", kept.len() - SHOWN))?;
        }
        line("")?;
        for (store, Remains { pieces, bytes: sum }) in all {
            line(format_args!("{store}: {}, {}", bytes(sum), of_pieces(pieces)))?;
        }
        Ok(())
    }

    /// What became of one image.
    pub(super) fn told(
        &mut self,
        id: &ImageId,
        result: &Result<PurgedImage, PurgeError>,
    ) -> Result<(), CliError> {
        let purged = match result {
            Ok(purged) => purged,
            Err(error) => {
                self.failed += 1;
                let message = purge_message(error);
                return self.problem(id.as_str(), None, (error.reason(), message));
            }
        };
        for (store, remains) in &purged.removed {
            *self.removed.entry(store.clone()).or_default() += *remains;
        }
        if !purged.is_recorded {
            complain(&format_args!("{id}: the audit record is in the log only"));
        }
        if purged.is_whole() {
            self.purged += 1;
            if self.json {
                return json_line(&shown(&purged.image, true, &purged.removed, &purged.left));
            }
            return Ok(());
        }
        self.failed += 1;
        let message = purged.problems.join("; ");
        self.problem(id.as_str(), Some(purged), (DATA_LEFT, message))
    }

    fn problem(
        &self,
        id: &str,
        purged: Option<&PurgedImage>,
        (reason, message): (&'static str, String),
    ) -> Result<(), CliError> {
        if !self.json {
            complain(&format_args!("{id}: {reason}: {message}"));
            return Ok(());
        }
        let nothing = ByStore::new();
        let (removed, left) = purged.map_or((&nothing, &nothing), |one| (&one.removed, &one.left));
        json_line(&ImageReport {
            id,
            name: purged.and_then(|one| one.image.name.as_deref()),
            owner: purged.and_then(|one| one.image.owner.as_deref()),
            purged: false,
            reason: Some(reason),
            message: Some(message),
            removed: amounts(removed),
            kept: amounts(left),
        })
    }

    /// The last lines.
    pub(super) fn end(&self, dry_run: bool) -> Outcome {
        if !self.json {
            if self.empty > 0 {
                line(format_args!("nothing is kept of {} of the images", self.empty))?;
            }
            for (store, Remains { pieces, bytes: sum }) in &self.removed {
                let what = of_pieces(*pieces);
                line(format_args!("{store}: {} removed for good, {what}", bytes(*sum)))?;
            }
            if !dry_run && self.purged > 0 {
                line(format_args!("{} images purged, {} failed", self.purged, self.failed))?;
            }
        }
        Ok(if self.failed > 0 { Exit::Failed } else { Exit::Ok })
    }
}

fn of_pieces(pieces: u64) -> String {
    format!("{pieces} {}", if pieces == 1 { "piece" } else { "pieces" })
}

fn shown<'a>(image: &'a Image, purged: bool, removed: &ByStore, kept: &ByStore) -> ImageReport<'a> {
    ImageReport {
        id: image.id.as_str(),
        name: image.name.as_deref(),
        owner: image.owner.as_deref(),
        purged,
        reason: None,
        message: None,
        removed: amounts(removed),
        kept: amounts(kept),
    }
}
