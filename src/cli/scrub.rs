//! `glance-revert scrub`.

use std::io::IsTerminal;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{complain, line};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::domain::scrub::{ScrubReport, Scrubber};
use crate::scrubber;
use crate::server::signals::shutdown_signal;

#[derive(Debug, Args)]
pub(super) struct ScrubArgs {
    /// Print the report for programs
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 all that was due is scrubbed; 1 some of it failed, or a store was left alone;
/// 75 another process runs a pass.
pub(super) async fn run(sources: &SourceArgs, args: &ScrubArgs) -> Outcome {
    let shutdown = shutdown_signal().map_err(CliError::system("signals"))?;
    let bar = bar();
    let parts = sources.parts()?;
    let scrubber = show_progress(parts.scrubber(), &bar);
    let pass = scrubber::pass(&scrubber, &*parts.clock, &shutdown.soft);
    let report = shutdown.hard.run_until_cancelled(pass).await;
    bar.finish_and_clear();
    let report = report.ok_or_else(|| CliError::Other("stopped at once".to_owned()))??;
    if args.json {
        super::output::json(&report)?;
    } else {
        tell(&report)?;
    }
    Ok(exit(&report))
}

fn exit(report: &ScrubReport) -> Exit {
    if report.skipped {
        Exit::TryLater
    } else if report.failed > 0 || !report.alarms.is_empty() || report.interrupted {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} images scrubbed, {per_sec}, {msg}");
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
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

fn tell(report: &ScrubReport) -> Result<(), CliError> {
    if report.skipped {
        return line("another process runs a pass; nothing was done");
    }
    line(format!(
        "{} images scrubbed, {} locations deleted, {} given back, {} failed",
        report.scrubbed, report.locations_deleted, report.given_back, report.failed
    ))?;
    for failure in &report.failures {
        complain(&format!("image {}: {}", failure.image, failure.reason));
    }
    let untold = report.failed.saturating_sub(report.failures.len() as u64);
    if untold > 0 {
        complain(&format!("and {untold} more images failed"));
    }
    for alarm in &report.alarms {
        complain(alarm);
    }
    Ok(())
}
