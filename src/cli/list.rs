//! `glance-revert list`.

use std::num::NonZeroUsize;

use clap::Args;

use super::moment::{FORMS, Moment};
use super::output::{json, left, line, size};
use super::table::{Fit, Table};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::api::pending_deletes::list::PendingDeleteSummary;
use crate::app::App;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort, PendingSummary};

/// Rows read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only images of this project
    #[arg(long, value_name = "PROJECT_ID")]
    owner: Option<String>,
    /// Only images of exactly this name
    #[arg(long)]
    name: Option<String>,
    /// Only images deleted at this time or later: 2h, 3d (ago), now, 2026-11-22,
    /// 2026-11-22T12:00:00+01:00; UTC without a zone
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    deleted_after: Option<Moment>,
    /// Only images deleted before this time
    #[arg(long, value_name = FORMS, value_parser = Moment::parse)]
    deleted_before: Option<Moment>,
    /// The next to be scrubbed first, not the newest mistake
    #[arg(long)]
    oldest_first: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<NonZeroUsize>,
    /// Print every column whole, however narrow the terminal is
    #[arg(long)]
    wide: bool,
    /// Print the list for programs
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(sources: &SourceArgs, args: &ListArgs) -> Outcome {
    let app = sources.app()?;
    let view = app.view();
    let found = read(&app, args).await?;
    let rows: Vec<_> = found.iter().map(|one| PendingDeleteSummary::of(one, &view)).collect();
    if args.json {
        json(&rows)?;
    } else if rows.is_empty() {
        line("no image waits to be scrubbed")?;
    } else {
        tell(rows, args.wide)?;
    }
    Ok(Exit::Ok)
}

fn tell(rows: Vec<PendingDeleteSummary>, wide: bool) -> Result<(), CliError> {
    let mut table = Table::new([
        ("ID", Fit::Whole),
        ("NAME", Fit::Cut),
        ("OWNER", Fit::Optional),
        ("SIZE", Fit::Whole),
        ("DELETED AT", Fit::Optional),
        ("LEFT", Fit::Whole),
        ("REVERT", Fit::Whole),
        ("REASON", Fit::Optional),
    ]);
    for row in rows {
        table.row([
            row.id,
            row.name.unwrap_or_default(),
            row.owner.unwrap_or_default(),
            size(row.size),
            row.deleted_at,
            left(row.seconds_left),
            if row.revertible { "yes" } else { "no" }.to_owned(),
            row.reason.unwrap_or_default(),
        ]);
    }
    table.print(wide)
}

async fn read(app: &App, args: &ListArgs) -> Result<Vec<PendingSummary>, CliError> {
    let now = app.clock.now();
    let mut query = PendingQuery {
        owner: args.owner.clone(),
        name: args.name.clone(),
        deleted_after: args.deleted_after.map(|moment| moment.resolve(now)),
        deleted_before: args.deleted_before.map(|moment| moment.resolve(now)),
        sort: if args.oldest_first { PendingSort::OldestFirst } else { PendingSort::NewestFirst },
        marker: None,
        limit: PAGE,
    };
    let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut found: Vec<PendingSummary> = Vec::new();
    loop {
        let page = app.reverter.list(&Admin::local_operator(), &query).await?;
        found.extend(page.into_iter().filter_map(Result::ok));
        let next = found
            .last()
            .map(|last| PendingMarker { deleted_at: last.deleted_at, id: last.id.clone() });
        if next == query.marker || found.len() >= limit {
            break;
        }
        query.marker = next;
    }
    found.truncate(limit);
    Ok(found)
}
