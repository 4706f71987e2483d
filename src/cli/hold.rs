//! `glance-revert hold` and `release`.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::duration::duration;
use super::moment::{FORMS, Moment};
use super::output::{complain, json, line};
use super::pause::control_error;
use super::until::{self, Until};
use super::{CliError, Exit, Outcome, SourceArgs, record, selection, words};
use crate::api::pending_deletes::hold_many::HoldResult;
use crate::domain::selection::{Filter, NamePattern, Selection};
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// Which images.
#[derive(Debug, Args)]
struct WhichArgs {
    /// Ids of images; - reads them from standard input, separated by blanks or line breaks
    #[arg(value_name = "IMAGE_ID", required_unless_present_any = ["owner", "since"])]
    #[arg(conflicts_with_all = ["owner", "since", "name"])]
    ids: Vec<String>,
    /// Images of this project
    #[arg(long, value_name = "PROJECT_ID")]
    owner: Option<String>,
    /// Images deleted at this time or later: 2h, 3d (ago), now, 2026-11-22,
    /// 2026-11-22T12:00:00+01:00; UTC without a zone
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Only images whose whole name matches: * stands for any characters, ? for one character
    #[arg(long, value_name = "PATTERN", value_parser = NamePattern::parse)]
    name: Option<NamePattern>,
}

/// For the audit record.
impl fmt::Display for WhichArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.owner, self.ids.as_slice()) {
            (Some(owner), _) => write!(f, "owner={owner}"),
            (None, []) => f.write_str("since"),
            (None, ids) => write!(f, "image_ids={}", ids.len()),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// How long, such as 24h, 3d or 2h30m
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "until")]
    length: Option<Duration>,
    /// The end: 2026-11-23, 2026-11-23T08:00:00+01:00; UTC without a zone [default: until released]
    #[arg(long, value_name = until::FORMS, value_parser = Until::parse)]
    until: Option<Until>,
    /// The reason, shown to other operators
    #[arg(long, value_name = "TEXT", value_parser = until::reason)]
    reason: Option<String>,
    /// Print the result as JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Print the result as JSON for programs
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 all are held; 1 some are not, or none match; 69 the database is unavailable.
pub(super) async fn hold(sources: &SourceArgs, args: &HoldArgs) -> Outcome {
    let app = sources.app()?;
    let now = app.clock.now();
    let (selection, impossible) = args.which.resolve(now)?;
    let until = match args.length {
        None => args.until.map(|until| until.0),
        Some(length) => {
            let ahead = TimeDelta::from_std(length).ok();
            Some(ahead.and_then(|ahead| now.checked_add_signed(ahead)).unwrap_or(FAR_FUTURE))
        }
    };
    let operator = record::operator();
    let tended = app.control.hold_all(&operator, &selection, until, args.reason.clone()).await;
    let failure = tended.as_ref().err().map(words::control_reason);
    record::ordered(&operator, "holdImages", &args.which.to_string(), failure);
    let result = HoldResult::of(tended.map_err(control_error)?, &impossible);
    tell(&result, "held", args.json)
}

/// Exit codes: 0 all are released; 1 no image matches; 69 the database is unavailable.
pub(super) async fn release(sources: &SourceArgs, args: &ReleaseArgs) -> Outcome {
    let app = sources.app()?;
    let (selection, impossible) = args.which.resolve(app.clock.now())?;
    let operator = record::operator();
    let tended = app.control.release_all(&operator, &selection).await;
    let failure = tended.as_ref().err().map(words::control_reason);
    record::ordered(&operator, "releaseImages", &args.which.to_string(), failure);
    let result = HoldResult::of(tended.map_err(control_error)?, &impossible);
    tell(&result, "released", args.json)
}

fn tell(result: &HoldResult, done: &str, for_programs: bool) -> Outcome {
    if for_programs {
        json(result)?;
    } else {
        line(format_args!("{} of {} images {done}", result.done, result.images))?;
        for failure in &result.failures {
            let (id, reason, message) = (&failure.image_id, &failure.reason, &failure.message);
            complain(&format_args!("{id}: {reason}: {message}"));
        }
    }
    Ok(if result.failures.is_empty() { Exit::Ok } else { Exit::Failed })
}

impl WhichArgs {
    /// The selection, and texts that are not possible image ids.
    fn resolve(&self, now: Timestamp) -> Result<(Selection, Vec<String>), CliError> {
        let (ids, impossible) = selection::ids(&self.ids)?;
        if !self.ids.is_empty() && ids.is_empty() {
            return Err(CliError::Other(match impossible.first() {
                Some(first) => format!("{first:?} is not a possible image id"),
                None => "standard input has no image id".to_owned(),
            }));
        }
        let filter = Filter {
            owner: self.owner.clone(),
            deleted_after: self.since.map(|since| since.resolve(now)),
            deleted_before: None,
            name: self.name.clone(),
        };
        let selection = Selection::new(ids, filter);
        let selection = selection.map_err(|error| CliError::Other(error.to_string()))?;
        Ok((selection, impossible))
    }
}
