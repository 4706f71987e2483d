//! `glance-revert pause`, `resume` and `status`.

use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;

use super::duration::duration;
use super::output::{complain, json, left, line};
use super::table::{Fit, Table};
use super::until::{FORMS, Until};
use super::{CliError, Exit, Outcome, SourceArgs, record, words};
use crate::api::scrubber::pause::{ScrubberPause, ScrubberResumption};
use crate::api::scrubber::status::{ScrubberPass, ScrubberStatus, TermInForce, standing};
use crate::domain::control::ControlError;
use crate::domain::principal::Admin;
use crate::domain::time::{FAR_FUTURE, isotime};

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    /// How long, such as 24h, 3d or 2h30m [default: 24h]
    #[arg(long = "for", value_name = "TIME", value_parser = duration, conflicts_with = "until")]
    length: Option<Duration>,
    /// The end: 2026-11-23, 2026-11-23T08:00:00+01:00; UTC without a zone
    #[arg(long, value_name = FORMS, value_parser = Until::parse)]
    until: Option<Until>,
    /// The reason, shown to other operators
    #[arg(long, value_name = "TEXT", value_parser = super::until::reason)]
    reason: Option<String>,
    /// Print the result as JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Print the result as JSON for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 paused, and no claim is left; 1 not paused, or claims are left; 69 the database is
/// unavailable.
pub(super) async fn pause(sources: &SourceArgs, args: &PauseArgs) -> Outcome {
    let app = sources.app()?;
    let now = app.clock.now();
    let ahead = args.length.and_then(|length| TimeDelta::from_std(length).ok());
    let until = match (args.length, args.until) {
        (Some(_), _) => {
            Some(ahead.and_then(|ahead| now.checked_add_signed(ahead)).unwrap_or(FAR_FUTURE))
        }
        (None, until) => until.map(|until| until.0),
    };
    let operator = record::operator();
    let paused = app.control.pause(&operator, until, args.reason.clone()).await;
    let failure = paused.as_ref().err().map(words::control_reason);
    let options = until.map_or_else(|| "24h".to_owned(), isotime);
    record::ordered(&operator, "pauseScrubber", &format!("until={options}"), failure);
    let paused = paused.map_err(control_error)?;
    if args.json {
        let pause = TermInForce::from(paused.pause.clone());
        json(&ScrubberPause { pause, claims_in_hand: paused.in_hand })?;
    } else {
        line(format!("paused {}", paused.pause))?;
    }
    if paused.in_hand > 0 {
        complain(&format!(
            "{} images are still claimed: their data is being destroyed; no other image is claimed",
            paused.in_hand
        ));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Ok)
}

pub(super) async fn resume(sources: &SourceArgs, args: &ResumeArgs) -> Outcome {
    let app = sources.app()?;
    let operator = record::operator();
    let resumed = app.control.resume(&operator).await;
    let failure = resumed.as_ref().err().map(words::repo_reason);
    record::ordered(&operator, "resumeScrubber", "", failure);
    let was_paused = resumed?;
    if args.json {
        json(&ScrubberResumption { was_paused })?;
    } else if was_paused {
        line("resumed; passes can start again")?;
    } else {
        line("it was not paused")?;
    }
    Ok(Exit::Ok)
}

pub(super) async fn status(sources: &SourceArgs, args: &StatusArgs) -> Outcome {
    let app = sources.app()?;
    let orders = app.control.orders(&Admin::local_operator()).await?;
    let pause = orders.as_ref().and_then(|orders| orders.pause.clone());
    let scrubber = app.scrubber();
    let standing = standing(app.config.revert.scrubber, scrubber.as_ref().map_err(|time| *time));
    let scrub_time = app.config.glance.scrub_time.in_force().map(|time| time.as_secs());
    let status = ScrubberStatus::of(orders, standing, scrub_time);
    if args.json {
        json(&status)?;
        return Ok(Exit::Ok);
    }
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let time = |seconds: Option<u64>| {
        let seconds = seconds.and_then(|time| i64::try_from(time).ok());
        seconds.map_or_else(|| "none".to_owned(), |time| left(Some(time)))
    };
    let last_pass = status.last_pass.map_or_else(|| "-".to_owned(), last_pass);
    let mut facts = Table::new([("FIELD", Fit::Whole), ("VALUE", Fit::Wrapped)]);
    for (field, value) in [
        ("state", status.state),
        ("pause", pause.map_or_else(|| "none".to_owned(), |pause| pause.to_string())),
        ("images held", number(status.held_images)),
        ("images accepted for the next pass", number(status.accepted_images)),
        ("scrub_time", time(scrub_time)),
        ("scrub_time in force", status.kept_scrub_time.map_or("-".to_owned(), |s| time(Some(s)))),
        ("last pass", last_pass),
        ("tables", if status.has_tables { "present" } else { NO_TABLES }.to_owned()),
    ] {
        facts.row([field.to_owned(), value]);
    }
    facts.print(false)?;
    Ok(Exit::Ok)
}

/// One line.
fn last_pass(pass: ScrubberPass) -> String {
    let ScrubberPass { started_at, finished_at, host, images_scrubbed, images_failed, .. } = pass;
    let Some(finished_at) = finished_at else {
        return format!("started {started_at} on {host}: still running, or its process died");
    };
    let outcome = pass.outcome.unwrap_or_default();
    let counts = format!("{images_scrubbed} images scrubbed, {images_failed} failed");
    format!("{started_at} to {finished_at} on {host}: {outcome}, {counts}")
}

const NO_TABLES: &str =
    "missing, so pauses and holds are not possible; create them with glance-revert db sync";

pub(super) fn control_error(error: ControlError) -> CliError {
    match error {
        ControlError::Repo(error) => error.into(),
        other @ (ControlError::Past { .. }
        | ControlError::NotFound(_)
        | ControlError::NotPending(..)
        | ControlError::NothingSelected) => CliError::Other(other.to_string()),
    }
}
