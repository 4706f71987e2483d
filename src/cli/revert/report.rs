//! Reports each image's result: lines, a file, a progress bar, and counts at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use super::super::selection::Named;
use super::super::{CliError, Exit, Outcome, words};
use super::RevertArgs;
use crate::cli::output::{at_terminal, complain, json_line, line};
use crate::domain::image::{ImageId, ImpossibleImageId};
use crate::domain::pending::RestoredCounts;
use crate::domain::repo::RepoError;
use crate::domain::revert::{RevertError, Reverted};

/// Fewer images finish before a bar could be read.
const WORTH_A_BAR: u64 = 20;

/// One image's result as JSON.
#[derive(Debug, Serialize)]
struct ImageReport<'a> {
    id: &'a str,
    /// Whether this revert made it active; in a dry run, whether it would.
    reverted: bool,
    /// Whether an earlier revert did, and nobody changed it since.
    already_reverted: bool,
    /// The stable reason, as in the API's errors.
    reason: Option<&'static str>,
    message: Option<String>,
    restored: Option<Restored>,
    warnings: &'a [String],
}

/// How many rows came back.
#[derive(Debug, Serialize)]
struct Restored {
    locations: usize,
    properties: usize,
    tags: usize,
    members: usize,
}

impl From<RestoredCounts> for Restored {
    fn from(counts: RestoredCounts) -> Self {
        let RestoredCounts { locations, properties, tags, members } = counts;
        Self { locations, properties, tags, members }
    }
}

/// Counts, and where results are written.
pub(super) struct Report<'a> {
    args: &'a RevertArgs,
    file: Option<File>,
    bar: ProgressBar,
    /// Which images of the current page have been reported.
    told: Vec<bool>,
    all: u64,
    done: u64,
    back: u64,
    active: u64,
    failed: BTreeMap<&'static str, u64>,
}

impl<'a> Report<'a> {
    pub(super) fn new(args: &'a RevertArgs, named: &Named) -> Result<Self, CliError> {
        let create = |path: &PathBuf| {
            let file = File::options().write(true).create_new(true).open(path);
            file.map_err(CliError::system(format_args!("--report {}", path.display())))
        };
        Ok(Self {
            args,
            file: args.report.as_ref().map(create).transpose()?,
            bar: ProgressBar::hidden(),
            told: Vec::new(),
            all: named.count(),
            done: 0,
            back: 0,
            active: 0,
            failed: BTreeMap::new(),
        })
    }

    /// Sets the number of selected images.
    pub(super) fn expect(&mut self, images: u64) {
        self.all = self.all.max(images);
        if self.all >= WORTH_A_BAR && std::io::stderr().is_terminal() {
            self.bar = bar(self.all);
        }
    }

    /// Starts the next page with this number of images.
    pub(super) fn begin(&mut self, images: usize) {
        self.told = vec![false; images];
    }

    /// The first two images of the page that were not reported.
    pub(super) fn untried<'i>(&self, ids: &'i [ImageId]) -> Vec<&'i ImageId> {
        let untried = self.told.iter().zip(ids).filter(|(told, _)| !**told);
        untried.map(|(_, id)| id).take(2).collect()
    }

    /// Reports a text that is not a possible image id.
    pub(super) fn impossible(&mut self, id: &str) -> Result<(), CliError> {
        let (reason, message) = ("image.not_found", ImpossibleImageId.to_string());
        self.count_failure(reason);
        self.done += 1;
        self.put(&ImageReport {
            id,
            reverted: false,
            already_reverted: false,
            reason: Some(reason),
            message: Some(message.clone()),
            restored: None,
            warnings: &[],
        })?;
        self.complain(id, reason, &message);
        Ok(())
    }

    /// Reports an image's result at once: a later one may be interrupted.
    pub(super) fn told(
        &mut self,
        at: usize,
        id: &ImageId,
        result: &Result<Reverted, RevertError>,
    ) -> Result<(), CliError> {
        if let Some(told) = self.told.get_mut(at) {
            *told = true;
        }
        match result {
            Ok(done) if done.repeated => self.active += 1,
            Ok(_) => self.back += 1,
            Err(error) if error.is_back() => self.active += 1,
            Err(error) => self.count_failure(error.reason()),
        }
        self.done += 1;
        self.bar.set_position(self.done);
        self.put(&answer(id.as_str(), result))?;
        self.say(id, result)
    }

    fn count_failure(&mut self, reason: &'static str) {
        *self.failed.entry(reason).or_default() += 1;
    }

    fn put(&mut self, answer: &ImageReport<'_>) -> Result<(), CliError> {
        if let Some(file) = &mut self.file {
            let failed = CliError::system("--report");
            let text = serde_json::to_string(answer).unwrap_or_default();
            writeln!(file, "{text}").map_err(failed)?;
        }
        if self.args.json { self.bar.suspend(|| json_line(answer)) } else { Ok(()) }
    }

    fn say(&self, id: &ImageId, result: &Result<Reverted, RevertError>) -> Result<(), CliError> {
        if self.args.json {
            return Ok(());
        }
        match result {
            Ok(done) if done.repeated => {
                self.line(&format!("{id}: already active, by an earlier revert"))?;
            }
            Ok(reverted) => {
                let dry = self.args.dry_run;
                let would = if dry { "would be active again" } else { "active again" };
                let counts = reverted.restored;
                let text = if at_terminal() {
                    format!("{id}: {would}")
                } else {
                    format!(
                        "{id}: {would} (locations={}, properties={}, tags={}, members={})",
                        counts.locations, counts.properties, counts.tags, counts.members
                    )
                };
                self.line(&text)?;
                for warning in &reverted.warnings {
                    self.bar.suspend(|| complain(&format_args!("{id}: {warning}")));
                }
            }
            Err(error) if error.is_back() => self.line(&format!("{id}: already active"))?,
            Err(error) => self.complain(id.as_str(), error.reason(), &words::message(error)),
        }
        Ok(())
    }

    /// With a progress bar, lines about successes are omitted, since they would hide the failures.
    fn line(&self, text: &str) -> Result<(), CliError> {
        let are_many = self.all >= WORTH_A_BAR && at_terminal();
        if are_many { Ok(()) } else { self.bar.suspend(|| line(text)) }
    }

    fn complain(&self, id: &str, reason: &str, message: &str) {
        if !self.args.json {
            self.bar.suspend(|| complain(&format_args!("{id}: {reason}: {message}")));
        }
    }

    /// Ends because the database is unavailable: other images would fail too.
    pub(super) fn away(mut self, error: &RepoError, untried: &[&ImageId]) -> Outcome {
        let is_away = matches!(error, RepoError::Unavailable(_));
        let Some(first) = untried.first() else { return Err(error.clone().into()) };
        self.told = vec![false];
        self.told(0, first, &Err(error.clone().into()))?;
        self.bar.finish_and_clear();
        if let Some(next) = untried.get(1) {
            complain(&self.left(next));
        }
        self.counts()?;
        Ok(if is_away { Exit::Unavailable } else { Exit::Failed })
    }

    /// Ends because somebody stopped it.
    pub(super) fn stopped(self, untried: &[&ImageId]) -> Outcome {
        self.bar.finish_and_clear();
        match untried.first() {
            Some(first) => complain(&format_args!("stopped: {}", self.left(first))),
            None => complain(&"stopped"),
        }
        self.counts()?;
        Ok(Exit::Failed)
    }

    /// Ends after all images.
    pub(super) fn end(self) -> Outcome {
        self.bar.finish_and_clear();
        self.counts()?;
        Ok(if self.failed.is_empty() { Exit::Ok } else { Exit::Failed })
    }

    fn left(&self, first: &ImageId) -> String {
        let (left, all) = (self.all.saturating_sub(self.done), self.all);
        format!("{left} of {all} images were not tried; the first is {first}")
    }

    /// The last line, if there is more than one image.
    fn counts(&self) -> Result<(), CliError> {
        if self.args.json || self.all == 1 {
            return Ok(());
        }
        if self.all == 0 {
            return line("no image matches");
        }
        let would = if self.args.dry_run { "would be active again" } else { "active again" };
        let mut text = format!("{} images: {} {would}", self.all, self.back);
        if self.active > 0 {
            let _ = write!(text, ", {} already active", self.active);
        }
        for (reason, images) in &self.failed {
            let _ = write!(text, ", {images} {reason}");
        }
        line(text)
    }
}

fn answer<'a>(id: &'a str, result: &'a Result<Reverted, RevertError>) -> ImageReport<'a> {
    let failure = result.as_ref().err();
    let already_reverted = result.as_ref().is_ok_and(|done| done.repeated);
    ImageReport {
        id,
        reverted: failure.is_none() && !already_reverted,
        already_reverted,
        reason: failure.map(RevertError::reason),
        message: failure.map(words::message),
        restored: result.as_ref().ok().map(|done| done.restored.into()),
        warnings: result.as_ref().map_or(&[], |done| &done.warnings),
    }
}

fn bar(images: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{wide_bar} {human_pos} of {human_len} images, {rate}, {eta} left",
    );
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(images).with_style(style.with_key("rate", rate))
}

/// `2,728 a second`, without a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small")]
fn rate(state: &ProgressState, text: &mut dyn std::fmt::Write) {
    // writing into the bar's own text cannot fail
    let _ = write!(text, "{} a second", HumanCount(state.per_sec() as u64));
}
