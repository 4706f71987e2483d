//! `glance-revert revert`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::output::{complain, json, line};
use super::{CliError, Exit, Outcome, SourceArgs, audit};
use crate::api::error::{ApiError, RequestError};
use crate::domain::image::ImageId;
use crate::domain::pending::Children;
use crate::domain::principal::Admin;
use crate::domain::revert::{RevertRequest, Reverted, Reverter, Verify};

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
    /// Print the results for programs
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

/// What became of one image.
#[derive(Debug, Serialize)]
struct Answer {
    id: String,
    /// Whether it is active again; in a dry run, whether it would be.
    reverted: bool,
    /// The stable word of the API's errors.
    reason: Option<&'static str>,
    message: Option<String>,
    warnings: Vec<String>,
}

/// Exit codes: 0 all are back; 1 some are not; 69 the database does not answer.
pub(super) async fn run(sources: &SourceArgs, args: &RevertArgs) -> Outcome {
    let parts = sources.parts()?;
    let request = args.request(parts.config.revert.verify);
    let mut answers = Vec::new();
    for id in &args.ids {
        let result = revert(&parts.reverter, id, &request).await;
        if !args.json {
            tell(id, &result, args.dry_run)?;
        }
        answers.push(answer(id, result));
    }
    if args.json {
        json(&answers)?;
    }
    let away = |answer: &Answer| answer.reason == Some("db.unavailable");
    Ok(match answers.iter().find(|answer| !answer.reverted) {
        None => Exit::Ok,
        Some(answer) if away(answer) => Exit::Unavailable,
        Some(_) => Exit::Failed,
    })
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
) -> Result<Reverted, ApiError> {
    let id = ImageId::parse(id).map_err(|_| ApiError::from(RequestError::ImpossibleImageId))?;
    let operator = Admin::local_operator();
    let result = reverter.revert(&operator, &id, request).await.map_err(ApiError::from);
    audit::reverted(&operator, &id, *request, result.as_ref().err());
    result
}

fn tell(id: &str, result: &Result<Reverted, ApiError>, dry_run: bool) -> Result<(), CliError> {
    match result {
        Ok(reverted) => {
            let restored = reverted.restored;
            let would = if dry_run { "would be active again" } else { "active again" };
            line(format!(
                "{id}: {would} (locations={}, properties={}, tags={}, members={})",
                restored.locations, restored.properties, restored.tags, restored.members
            ))?;
            for warning in &reverted.warnings {
                complain(&format!("{id}: {warning}"));
            }
        }
        Err(error) => {
            let cause =
                error.cause.as_ref().map_or_else(String::new, |cause| format!(" ({cause})"));
            complain(&format!("{id}: {}: {}{cause}", error.reason, error.message));
        }
    }
    Ok(())
}

fn answer(id: &str, result: Result<Reverted, ApiError>) -> Answer {
    let id = id.to_owned();
    match result {
        Ok(Reverted { warnings, .. }) => {
            Answer { id, reverted: true, reason: None, message: None, warnings }
        }
        Err(ApiError { reason, message, .. }) => Answer {
            id,
            reverted: false,
            reason: Some(reason),
            message: Some(message),
            warnings: Vec::new(),
        },
    }
}
