//! `glance-revert scrub`.

mod hold;
mod plan;
mod webhook;

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

use super::duration::duration;
use super::output::{bytes, complain, line};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::api::scrubber::plan::ScrubPlan;
use crate::domain::principal::Admin;
use crate::domain::scrub::{ScrubReport, Scrubber};
use crate::server::signals::shutdown_signal;
use crate::worker;

#[derive(Debug, Args)]
pub(super) struct ScrubArgs {
    /// Only show which images would be scrubbed, by project and store, soonest first
    #[arg(long, conflicts_with = "accept")]
    dry_run: bool,
    /// With --dry-run: also images that become due within this time, such as 24h, 3d or 2h30m
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "dry_run")]
    within: Option<Duration>,
    /// Destroy up to this number of images, even over the limit of a pass; look at --dry-run first
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u64).range(1..))]
    accept: Option<u64>,
    /// Prevent all passes until Ctrl-C: holds the lock of passes and runs none. On Galera it
    /// excludes only processes on the same node
    #[arg(long, conflicts_with_all = ["dry_run", "accept", "json"])]
    hold_lock: bool,
    /// Print the report as JSON for programs
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 all due images are scrubbed; 1 some failed, a store was skipped, or too much was
/// due; 64 `scrub_time` is not set, unknown or too short; 75 another process runs a pass.
pub(super) async fn run(sources: &SourceArgs, args: &ScrubArgs) -> Outcome {
    let shutdown = shutdown_signal().map_err(CliError::system("signals"))?;
    let app = sources.app()?;
    if args.hold_lock {
        let held = hold::until_stopped(&app, &shutdown.soft);
        let stopped = || Err(CliError::Other("stopped at once".to_owned()));
        return shutdown.hard.run_until_cancelled(held).await.unwrap_or_else(stopped);
    }
    let scrubber = app.scrubber().map_err(CliError::NothingIsScrubbed)?;
    for warning in &app.config.glance.scrub_time_warnings {
        complain(warning);
    }
    if args.dry_run {
        return dry_run(&scrubber, args).await;
    }
    if let Some(images) = args.accept {
        scrubber.accept(&Admin::local_operator(), images);
    }
    let was_limited = webhook::was_limited(&app).await;
    let bar = bar();
    let scrubber = show_progress(scrubber, &bar);
    let pass = worker::pass(&scrubber, &*app.clock, &shutdown.soft);
    let report = shutdown.hard.run_until_cancelled(pass).await;
    bar.finish_and_clear();
    let report = report.ok_or_else(|| CliError::Other("stopped at once".to_owned()))??;
    if args.json {
        super::output::json(&report)?;
    } else {
        tell(&report)?;
    }
    if let Some(limited) = report.limited.as_ref().filter(|_| !was_limited) {
        shutdown.hard.run_until_cancelled(webhook::tell(&app, limited, &shutdown.soft)).await;
    }
    Ok(exit(&report))
}

async fn dry_run(scrubber: &Scrubber, args: &ScrubArgs) -> Outcome {
    let within = args.within.unwrap_or_default();
    let plan = scrubber.plan(&Admin::local_operator(), within).await?;
    if args.json {
        super::output::json(&ScrubPlan::from(plan))?;
    } else {
        plan::tell(&plan)?;
    }
    Ok(Exit::Ok)
}

/// What to do if a pass is refused.
fn go_on(images: u64) -> String {
    format!(
        "look at the plan with glance-revert scrub --dry-run, then accept one pass with \
         glance-revert scrub --accept {images}"
    )
}

fn exit(report: &ScrubReport) -> Exit {
    if report.skipped || (report.paused && report.seen == 0) {
        Exit::TryLater
    } else if report.limited.is_some()
        || report.failed > 0
        || !report.alerts.is_empty()
        || report.interrupted
    {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{spinner} {human_pos} images scrubbed, {rate}, {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style.with_key("rate", rate))
}

/// `2,728 a second`, without a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is small")]
fn rate(state: &ProgressState, text: &mut dyn Write) {
    // writing into the bar's own text cannot fail
    let _ = write!(text, "{} a second", HumanCount(state.per_sec() as u64));
}

fn show_progress(scrubber: Scrubber, bar: &ProgressBar) -> Scrubber {
    if bar.is_hidden() {
        return scrubber;
    }
    let bar = bar.clone();
    scrubber.with_progress(Arc::new(move |report: &ScrubReport| {
        bar.set_position(report.scrubbed);
        bar.set_message(format!("{} failed", report.failed));
    }))
}

const PAUSED: &str = "the scrubber is paused (glance-revert status, resume)";

fn tell(report: &ScrubReport) -> Result<(), CliError> {
    if report.skipped {
        return line("another process is running a pass; nothing was done");
    }
    if report.paused && report.seen == 0 {
        return line(format_args!("{PAUSED}; nothing was done"));
    }
    line(format!(
        "{} images scrubbed, {} locations deleted, {} claims released, {} failed",
        report.scrubbed, report.locations_deleted, report.claims_released, report.failed
    ))?;
    for (store, kept) in &report.retained_in {
        let (locations, kept) = (kept.locations, bytes(kept.bytes));
        line(format!("store {store} keeps {kept} of that, of {locations} locations"))?;
    }
    if let Some(limited) = report.limited {
        complain(&limited);
        complain(&go_on(limited.due.images));
    }
    if report.held > 0 {
        line(format_args!("{} held images were left alone", report.held))?;
    }
    if report.paused {
        complain(&format_args!("{PAUSED}; the pass stopped"));
    } else if report.interrupted {
        complain(&"stopped early; the next pass continues");
    }
    for failure in &report.failures {
        complain(&format!("image {}: {}", failure.image, failure.reason));
    }
    let untold = report.failed.saturating_sub(report.failures.len() as u64);
    if untold > 0 {
        complain(&format!("and {untold} more images failed"));
    }
    for alert in &report.alerts {
        complain(alert);
    }
    Ok(())
}
