//! `glance-revert audit`: recorded changes, and who made them.

use std::num::NonZeroUsize;

use clap::Args;

use super::moment::{FORMS, Moment};
use super::output::{json_line, line};
use super::table::{Fit, Table};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::api::audit::list::AuditDocument;
use crate::domain::audit::AuditQuery;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::tables::OwnTables;

/// Minimum terminal width for times with year and seconds next to whole ids.
const WHOLE_TIMES: u16 = 100;

/// Rows read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Only changes to this image
    #[arg(long, value_name = "IMAGE_ID")]
    image: Option<String>,
    /// Only changes by this caller: its id, or `scrubber` for passes
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only this operation: revertImage, scrubImage, pauseScrubber, ...
    #[arg(long)]
    operation: Option<String>,
    /// Only changes at this time or later: 2h, 3d (ago), now, 2026-11-22,
    /// 2026-11-22T12:00:00+01:00; UTC without a zone
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    since: Option<Moment>,
    /// At most this many, the newest
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroUsize>,
    /// Print all columns in full, even on a narrow terminal
    #[arg(long)]
    wide: bool,
    /// Print JSON, one entry a line
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0; 1 our own tables are missing; 69 the database is unavailable.
pub(super) async fn run(sources: &SourceArgs, args: &AuditArgs) -> Outcome {
    let app = sources.app()?;
    let image = args.image.as_deref().map(ImageId::parse).transpose();
    let query = AuditQuery {
        image: image.map_err(|impossible| CliError::Other(impossible.to_string()))?,
        actor: args.actor.clone(),
        operation: args.operation.clone(),
        after: args.since.map(|moment| moment.resolve(app.clock.now())),
        limit: PAGE,
        ..AuditQuery::default()
    };
    let most = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let tables = &*app.database.tables;
    if args.json {
        each_page(tables, query, most, |page| page.iter().try_for_each(json_line)).await?;
    } else {
        let mut all = Vec::new();
        each_page(tables, query, most, |page| {
            all.extend(page);
            Ok(())
        })
        .await?;
        tell(all, args.wide)?;
    }
    Ok(Exit::Ok)
}

/// Reads page by page, so that a long audit is never in memory as a whole.
async fn each_page(
    tables: &dyn OwnTables,
    mut query: AuditQuery,
    mut most: usize,
    mut take: impl FnMut(Vec<AuditDocument>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    while most > 0 {
        let mut page = tables.list_audit(&Admin::local_operator(), &query).await?;
        let is_last = page.len() < query.limit as usize;
        page.truncate(most);
        most -= page.len();
        query.marker = page.last().map(|last| last.id.clone());
        take(page.into_iter().map(AuditDocument::from).collect())?;
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Day and minute of a time, for recent entries.
fn short(at: &str) -> String {
    at.get(5..16).unwrap_or(at).replace('T', " ")
}

fn tell(rows: Vec<AuditDocument>, wide: bool) -> Result<(), CliError> {
    if rows.is_empty() {
        return line("no entry matches");
    }
    let mut table = Table::new([
        ("AT (UTC)", Fit::Whole),
        ("OPERATION", Fit::Cut),
        ("IMAGE", Fit::Whole),
        ("NAME", Fit::Optional),
        ("OWNER", Fit::Optional),
        ("ACTOR", Fit::Cut),
        ("SOURCE", Fit::Optional),
    ]);
    let is_narrow = table.is_narrow(WHOLE_TIMES, wide);
    for row in rows {
        table.row([
            if is_narrow { short(&row.at) } else { row.at },
            row.operation,
            row.image_id.unwrap_or_else(|| "-".to_owned()),
            row.name.unwrap_or_default(),
            row.owner.unwrap_or_default(),
            row.actor_name.unwrap_or(row.actor),
            row.source,
        ]);
    }
    table.print(wide)
}
