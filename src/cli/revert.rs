//! `glance-revert revert`.

mod plan;
mod report;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use self::report::Report;
use super::output::complain;
use super::selection::{Named, SelectionArgs, ask};
use super::{CliError, Exit, Outcome, SourceArgs, record};
use crate::app::App;
use crate::domain::image::ImageId;
use crate::domain::pending::Children;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, RepoError};
use crate::domain::revert::{Many, RevertError, RevertRequest, Reverted, Selected, Verify};
use crate::domain::selection::Selection;
use crate::server::signals::of_a_command;
use crate::telemetry::AuditTrail;

/// Images selected at a time, those deleted first.
const PAGE: usize = 10_000;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct RevertArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Show what would happen; change nothing
    #[arg(long)]
    dry_run: bool,
    /// How to verify that the data is there [default: from the configuration]
    #[arg(long, value_enum)]
    verify: Option<VerifyArg>,
    /// Leave properties deleted
    #[arg(long)]
    skip_properties: bool,
    /// Leave tags deleted
    #[arg(long)]
    skip_tags: bool,
    /// Leave members deleted
    #[arg(long)]
    skip_members: bool,
    /// Protect the images, so that Glance refuses to delete them
    #[arg(long)]
    protect: bool,
    /// Number of images whose data is verified in parallel
    #[arg(long, value_name = "NUMBER", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Do not ask before the images of a project or a time are reverted
    #[arg(long)]
    yes: bool,
    /// Also write the results to this new file, in the format of --json
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON for programs: a line for each image as soon as it is done
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerifyArg {
    /// Query the store for the size
    Exists,
    /// Read all data and compare the hash
    Checksum,
    /// Do not check
    None,
}

impl From<VerifyArg> for Verify {
    fn from(arg: VerifyArg) -> Self {
        match arg {
            VerifyArg::Exists => Self::Exists,
            VerifyArg::Checksum => Self::Checksum,
            VerifyArg::None => Self::None,
        }
    }
}

impl RevertArgs {
    fn request(&self, default: Verify) -> RevertRequest {
        RevertRequest {
            dry_run: self.dry_run,
            verify: self.verify.map_or(default, Verify::from),
            children: Children {
                properties: !self.skip_properties,
                tags: !self.skip_tags,
                members: !self.skip_members,
            },
            protect: self.protect,
        }
    }
}

/// Exit codes: 0 all are active; 1 some are not; 69 the database is unavailable.
pub(super) async fn run(sources: &SourceArgs, args: &RevertArgs) -> Outcome {
    let (app, trail) = sources.app_and_trail()?;
    let named = args.selection.resolve(app.clock.now())?;
    let chosen = choose(&app, &named.selection, None).await;
    if let Ok(chosen) = &chosen
        && !named.by_id
        && !is_wanted(&app, chosen, args).await?
    {
        return Ok(Exit::Failed);
    }
    let shutdown = of_a_command().map_err(CliError::system("signals"))?;
    let stop = shutdown.soft;
    let all = revert_all(&app, args, named, chosen, &stop);
    let exit = shutdown.hard.run_until_cancelled(all).await;
    if trail == AuditTrail::Nowhere {
        complain(&"no audit record was kept: no system log; use 2>FILE to keep them");
    }
    exit.unwrap_or_else(|| {
        Err(CliError::Other("stopped at once, while an image was being reverted".to_owned()))
    })
}

async fn choose(
    app: &App,
    selection: &Selection,
    after: Option<&PendingMarker>,
) -> Result<Selected, RepoError> {
    app.reverter.select(&Admin::local_operator(), selection, after, PAGE).await
}

/// Prints the plan, and asks unless `--yes` or `--dry-run` was given.
async fn is_wanted(app: &App, chosen: &Selected, args: &RevertArgs) -> Result<bool, CliError> {
    if chosen.tally.images == 0 {
        return Ok(true);
    }
    if !args.json {
        let shown = chosen.first.iter().take(plan::SHOWN).map(|one| one.id.clone());
        let shown: Vec<_> = shown.collect();
        let rules = app.reverter.rules_of(&Admin::local_operator(), &shown).await?;
        plan::tell(chosen, &rules, &app.view())?;
    }
    if args.yes || args.dry_run {
        return Ok(true);
    }
    match ask(&format!("Revert {} images?", chosen.tally.images)) {
        Some(true) => Ok(true),
        Some(false) => {
            complain(&"nothing was changed");
            Ok(false)
        }
        None => Err(CliError::usage(format!(
            "{} images match; use --yes to revert them, or --dry-run to try it",
            chosen.tally.images
        ))),
    }
}

async fn revert_all(
    app: &App,
    args: &RevertArgs,
    named: Named,
    chosen: Result<Selected, RepoError>,
    stop: &CancellationToken,
) -> Outcome {
    let mut report = Report::new(args, &named)?;
    let mut chosen = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return report.away(&error, &named.first()),
    };
    report.expect(chosen.tally.images);
    for id in &named.impossible {
        report.impossible(id)?;
    }
    loop {
        let ids: Vec<_> = chosen.first.iter().map(|one| one.id.clone()).collect();
        let page = revert_page(app, args, &ids, stop, &mut report).await;
        let untried = report.untried(&ids);
        if let Err(error) = page? {
            return report.away(&error, &untried);
        }
        if stop.is_cancelled() {
            return report.stopped(&untried);
        }
        let Some(next) = chosen.next() else { break };
        match choose(app, &named.selection, Some(&next)).await {
            Ok(more) => chosen = more,
            Err(error) => return report.away(&error, &[]),
        }
    }
    report.end()
}

/// The inner error is the database's.
async fn revert_page(
    app: &App,
    args: &RevertArgs,
    ids: &[ImageId],
    stop: &CancellationToken,
    report: &mut Report<'_>,
) -> Result<Result<(), RepoError>, CliError> {
    report.begin(ids.len());
    let request = args.request(app.config.revert.verify);
    let operator = record::operator();
    let many = Many { ids, request, jobs: args.jobs.into() };
    let mut told = Ok(());
    let mut tell = |at: usize, result: Result<Reverted, RevertError>| {
        let Some(id) = ids.get(at) else { return };
        record::reverted(&operator, id, request, result.as_ref().err().map(RevertError::reason));
        if let Err(error) = report.told(at, id, &result)
            && told.is_ok()
        {
            told = Err(error);
            stop.cancel();
        }
    };
    let end = app.reverter.revert_many(&operator, &many, stop, &mut tell).await;
    told.map(|()| end)
}
