//! `glance-revert revert`.

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::output::{at_terminal, complain, json_line, line};
use super::{CliError, Exit, Outcome, SourceArgs, audit, words};
use crate::app::App;
use crate::domain::image::{ImageId, ImpossibleImageId};
use crate::domain::pending::Children;
use crate::domain::principal::Admin;
use crate::domain::revert::{RevertError, RevertRequest, Reverted, Reverter, Verify};
use crate::server::signals::of_a_command;
use crate::telemetry::AuditTrail;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct RevertArgs {
    /// Ids of the images to take back
    #[arg(required = true, value_name = "IMAGE_ID")]
    ids: Vec<String>,
    /// Say what would happen, write nothing
    #[arg(long)]
    dry_run: bool,
    /// How to prove that the data is there [default: the configuration's]
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
    /// Protect the images against the next mistake
    #[arg(long)]
    protect: bool,
    /// Print the results for programs: JSON, a line for each image as soon as it is done
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerifyArg {
    /// Ask the store for the size
    Exists,
    /// Read it all and compare the hash
    Checksum,
    /// Do not look
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

/// What became of one image, for programs.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: &'a str,
    /// Whether this made it active again; in a dry run, whether it would.
    reverted: bool,
    /// The stable word of the API's errors.
    reason: Option<&'static str>,
    message: Option<String>,
    warnings: Vec<String>,
}

/// Why an image did not come back.
enum Failure {
    Impossible,
    Refused(RevertError),
}

/// Exit codes: 0 all are back; 1 some are not; 69 the database does not answer.
pub(super) async fn run(sources: &SourceArgs, args: &RevertArgs) -> Outcome {
    let (app, trail) = sources.app_and_trail()?;
    let shutdown = of_a_command().map_err(CliError::system("signals"))?;
    let all = revert_all(&app, args, &shutdown.soft);
    let exit = shutdown.hard.run_until_cancelled(all).await;
    if trail == AuditTrail::Nowhere {
        complain(&"no audit record was kept: no system log here; 2>FILE keeps them");
    }
    exit.unwrap_or_else(|| Err(CliError::Other("stopped at once, within an image".to_owned())))
}

async fn revert_all(app: &App, args: &RevertArgs, stop: &CancellationToken) -> Outcome {
    let request = args.request(app.config.revert.verify);
    let mut exit = Exit::Ok;
    for (at, id) in args.ids.iter().enumerate() {
        if stop.is_cancelled() {
            complain(&format_args!("stopped; {}", untried(args, at)));
            return Ok(Exit::Failed);
        }
        let result = revert(&app.reverter, id, &request).await;
        tell(id, &result, args)?;
        match result {
            Err(Failure::Refused(error)) if words::is_for_all(&error) => {
                if at + 1 < args.ids.len() {
                    complain(&untried(args, at + 1));
                }
                return Ok(Exit::Unavailable);
            }
            Err(failure) if !failure.is_back() => exit = Exit::Failed,
            _ => {}
        }
    }
    Ok(exit)
}

fn untried(args: &RevertArgs, tried: usize) -> String {
    let (left, all) = (args.ids.len() - tried, args.ids.len());
    let next = args.ids.get(tried).map_or("", String::as_str);
    format!("{left} of {all} images were not tried, {next} is the first of them")
}

impl Failure {
    /// Whether there is nothing to be done.
    fn is_back(&self) -> bool {
        matches!(self, Self::Refused(error) if words::is_back(error))
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Impossible => "image.not_found",
            Self::Refused(error) => error.reason(),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Impossible => ImpossibleImageId.to_string(),
            Self::Refused(error) => words::message(error),
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

async fn revert(
    reverter: &Reverter,
    id: &str,
    request: &RevertRequest,
) -> Result<Reverted, Failure> {
    let id = ImageId::parse(id).map_err(|ImpossibleImageId| Failure::Impossible)?;
    let operator = Admin::local_operator();
    let result = reverter.revert(&operator, &id, request).await;
    audit::reverted(&operator, &id, *request, result.as_ref().err().map(RevertError::reason));
    result.map_err(Failure::Refused)
}

/// Says at once what became of an image: a later one may be interrupted.
fn tell(id: &str, result: &Result<Reverted, Failure>, args: &RevertArgs) -> Result<(), CliError> {
    if args.json {
        return json_line(&answer(id, result));
    }
    match result {
        Ok(reverted) => {
            let would = if args.dry_run { "would be active again" } else { "active again" };
            let restored = reverted.restored;
            if at_terminal() {
                line(format_args!("{id}: {would}"))?;
            } else {
                line(format_args!(
                    "{id}: {would} (locations={}, properties={}, tags={}, members={})",
                    restored.locations, restored.properties, restored.tags, restored.members
                ))?;
            }
            for warning in &reverted.warnings {
                complain(&format_args!("{id}: {warning}"));
            }
        }
        Err(failure) if failure.is_back() => line(format_args!("{id}: active already"))?,
        Err(failure) => {
            complain(&format_args!("{id}: {}: {}", failure.reason(), failure.message()));
        }
    }
    Ok(())
}

fn answer<'a>(id: &'a str, result: &Result<Reverted, Failure>) -> Answer<'a> {
    let failure = result.as_ref().err();
    Answer {
        id,
        reverted: failure.is_none(),
        reason: failure.map(Failure::reason),
        message: failure.map(Failure::message),
        warnings: result.as_ref().map_or_else(|_| Vec::new(), |done| done.warnings.clone()),
    }
}
