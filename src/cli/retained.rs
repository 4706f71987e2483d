//! `glance-revert retained`: permanently removes what stores kept of scrubbed images.

mod report;

use std::collections::HashSet;
use std::time::Duration;

use clap::{Args, Subcommand};
use futures::{StreamExt, stream};

use self::report::Report;
use super::duration::duration;
use super::output::{bytes, complain};
use super::selection::{ask, ids};
use super::{CliError, Exit, Outcome, SourceArgs, record};
use crate::app::App;
use crate::domain::image::ImageId;
use crate::domain::purge::{DATA_LEFT, Leavings, PurgeError, PurgedImage};
use crate::domain::repo::RepoError;
use crate::domain::store::Remains;
use crate::server::signals::of_a_command;
use crate::telemetry::AuditTrail;

/// Number of images whose stores are asked in parallel.
const SIDE_BY_SIDE: usize = 8;

/// The operator gave up waiting.
const STOPPED: &str = "stopped at once, while data was being removed: the next pass ends what is \
                       claimed; then purge again to see what is left";

#[derive(Debug, Args)]
pub(super) struct RetainedArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Remove for good what stores have kept of scrubbed images
    Purge(PurgeArgs),
}

#[derive(Debug, Args)]
struct PurgeArgs {
    /// Ids of images; - reads them from standard input, separated by blanks or line breaks
    #[arg(value_name = "IMAGE_ID", required = true)]
    ids: Vec<String>,
    /// Only images that were scrubbed at least this long ago, such as 24h or 30d
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "7d")]
    older_than: Duration,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before anything is removed
    #[arg(long)]
    yes: bool,
    /// Print JSON for programs: a line for each image
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 nothing is kept any more; 1 something is, or may be, or an image was refused; 69 the
/// database is unavailable; 75 the scrubber is paused, or a pass is running.
pub(super) async fn run(sources: &SourceArgs, args: &RetainedArgs) -> Outcome {
    let What::Purge(args) = &args.what;
    let (app, trail) = sources.app_and_trail()?;
    let (mut ids, impossible) = ids(&args.ids)?;
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    let mut report = Report::new(args.json);
    for text in &impossible {
        report.impossible(text)?;
    }
    let kept = look(&app, args, &ids, &mut report).await?;
    if args.dry_run || kept.is_empty() {
        return report.end(args.dry_run);
    }
    if !is_wanted(args, &kept)? {
        return Ok(Exit::Failed);
    }
    let shutdown = of_a_command().map_err(CliError::system("signals"))?;
    let all: Vec<_> = kept.into_iter().map(|one| one.image.id).collect();
    let operator = record::operator();
    let mut told = Ok(());
    let mut tell = |id: &ImageId, result: Result<PurgedImage, PurgeError>| {
        let failure = match &result {
            Ok(purged) if purged.is_whole() => None,
            Ok(_) => Some(DATA_LEFT),
            Err(error) => Some(error.reason()),
        };
        record::purged(&operator, id, failure);
        if let Err(error) = report.told(id, &result)
            && told.is_ok()
        {
            told = Err(error);
        }
    };
    let purger = app.purger();
    let done = purger.purge(&operator, &all, args.older_than, &shutdown.soft, &mut tell);
    let done = shutdown.hard.run_until_cancelled(done).await;
    if trail == AuditTrail::Nowhere {
        complain(&"no audit record was kept: no system log; use 2>FILE to keep them");
    }
    told?;
    match done {
        Some(Ok(())) => report.end(false),
        Some(Err(PurgeError::Repo(error))) => Err(error.into()),
        Some(Err(error)) => {
            complain(&format_args!("{}: {error}; try again later", error.reason()));
            report.end(false)?;
            Ok(Exit::TryLater)
        }
        None => Err(CliError::Other(STOPPED.to_owned())),
    }
}

/// Shows what is kept of each image; those of which something is.
async fn look(
    app: &App,
    args: &PurgeArgs,
    ids: &[ImageId],
    report: &mut Report,
) -> Result<Vec<Leavings>, CliError> {
    let (purger, operator) = (app.purger(), record::operator());
    let looks = ids.iter().map(|id| purger.look(&operator, id, args.older_than));
    let looks: Vec<_> = looks.collect();
    let mut looks = stream::iter(looks).buffered(SIDE_BY_SIDE);
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(look) = looks.next().await {
        match look {
            Ok(leavings) if leavings.kept.is_empty() => report.nothing(&leavings)?,
            Ok(leavings) => kept.push(leavings),
            Err(PurgeError::Repo(error @ RepoError::Unavailable(_))) => return Err(error.into()),
            Err(error) => {
                if let Some(id) = ids.get(at) {
                    report.told(id, &Err(error))?;
                }
            }
        }
        at += 1;
    }
    report.plan(&kept, args.dry_run)?;
    Ok(kept)
}

fn is_wanted(args: &PurgeArgs, kept: &[Leavings]) -> Result<bool, CliError> {
    if args.yes {
        return Ok(true);
    }
    let mut all = Remains::default();
    for remains in kept.iter().flat_map(|one| one.kept.values()) {
        all += *remains;
    }
    let noun = if kept.len() == 1 { "image" } else { "images" };
    let what = format!("{} that stores keep of {} {noun}", bytes(all.bytes), kept.len());
    match ask(&format!("Remove {what} for good? Nothing brings that back.")) {
        Some(true) => Ok(true),
        Some(false) => {
            complain(&"nothing was removed");
            Ok(false)
        }
        None => Err(CliError::usage(format!(
            "{what} would be removed for good; use --yes to do that, or --dry-run to look"
        ))),
    }
}
