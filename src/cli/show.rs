//! `glance-revert show`.

use clap::Args;

use super::output::{complain, json, left, line, size};
use super::table::{Fit, Table};
use super::{CliError, Exit, Outcome, SourceArgs, words};
use crate::api::pending_deletes::show::PendingDeletePreview;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::revert::RevertError;

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The image
    #[arg(value_name = "IMAGE_ID")]
    id: String,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 the image can be reverted; 1 it cannot, or does not exist; 69 the database is
/// unavailable.
pub(super) async fn run(sources: &SourceArgs, args: &ShowArgs) -> Outcome {
    let app = sources.app()?;
    let Ok(id) = ImageId::parse(&args.id) else {
        return Err(CliError::Other(format!("{:?} is not a possible image id", args.id)));
    };
    let preview = match app.reverter.preview(&Admin::local_operator(), &id).await {
        Ok(preview) => preview,
        Err(RevertError::Repo(error)) => return Err(error.into()),
        Err(error) => {
            complain(&format_args!("{}: {}", error.reason(), words::message(&error)));
            return Ok(Exit::Failed);
        }
    };
    let operator = Admin::local_operator();
    let hold = app.control.holds_of(&operator, std::slice::from_ref(&id)).await?.remove(&id);
    let in_words = hold.as_ref().map_or_else(|| "no".to_owned(), ToString::to_string);
    let mut shown = PendingDeletePreview::of(&preview, hold, &app.view());
    shown.message = preview.obstacle.as_ref().map(words::message);
    let exit = if shown.revertible { Exit::Ok } else { Exit::Failed };
    if args.json {
        json(&shown)?;
    } else {
        tell(shown, in_words)?;
    }
    Ok(exit)
}

fn tell(image: PendingDeletePreview, held: String) -> Result<(), CliError> {
    let mut facts = Table::new([("FIELD", Fit::Whole), ("VALUE", Fit::Wrapped)]);
    let verdict = match (image.reason, image.message) {
        (Some(reason), Some(message)) => format!("no: {reason}: {message}"),
        _ => "yes".to_owned(),
    };
    let time_left = match (image.scrub_at, image.seconds_left) {
        (Some(at), seconds) => {
            let by = image.retention_rule.map_or_else(String::new, |rule| format!(", rule {rule}"));
            format!("{at} ({}{by})", left(seconds))
        }
        (None, seconds) => left(seconds),
    };
    for (field, value) in [
        ("id", image.id),
        ("name", image.name.unwrap_or_default()),
        ("owner", image.owner.unwrap_or_default()),
        ("status", image.status),
        ("size", size(image.size)),
        ("deleted at", image.deleted_at.unwrap_or_else(|| "-".to_owned())),
        ("scrubbed from", time_left),
        ("held", held),
        ("can be reverted", verdict),
        ("properties", image.properties.join(", ")),
        ("tags", image.tags.join(", ")),
        ("members", image.members.join(", ")),
    ] {
        facts.row([field.to_owned(), value]);
    }
    facts.print(false)?;
    if image.locations.is_empty() {
        return Ok(());
    }
    let mut locations = Table::new([
        ("LOCATION", Fit::Whole),
        ("STORE", Fit::Wrapped),
        ("DATA", Fit::Whole),
        ("COMES BACK", Fit::Whole),
        ("NOTE", Fit::Wrapped),
    ]);
    for location in image.locations {
        locations.row([
            location.id.to_string(),
            location.store.unwrap_or_else(|| "-".to_owned()),
            location.data,
            if location.comes_back { "yes" } else { "no" }.to_owned(),
            location.problem.unwrap_or_default(),
        ]);
    }
    line("")?;
    locations.print(false)
}
