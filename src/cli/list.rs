//! `glance-revert list`.

use chrono::NaiveDateTime;
use clap::Args;

use super::output::{json, left, line, size, table};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::api::pending_deletes::list::PendingDeleteSummary;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort, PendingSummary};
use crate::server::Parts;

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
    /// Only images deleted at this time (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DDTHH:MM:SS", value_parser = time)]
    deleted_after: Option<NaiveDateTime>,
    /// Only images deleted before this time (UTC)
    #[arg(long, value_name = "YYYY-MM-DDTHH:MM:SS", value_parser = time)]
    deleted_before: Option<NaiveDateTime>,
    /// The next to be scrubbed first, not the newest mistake
    #[arg(long)]
    oldest_first: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print the list for programs
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<NaiveDateTime, String> {
    NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S")
        .map_err(|_| "write a time as 2026-11-22T12:00:00".to_owned())
}

pub(super) async fn run(sources: &SourceArgs, args: &ListArgs) -> Outcome {
    let parts = sources.parts()?;
    let view = parts.view();
    let found = read(&parts, args).await?;
    let rows: Vec<_> = found.iter().map(|one| PendingDeleteSummary::of(one, &view)).collect();
    if args.json {
        json(&rows)?;
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        line("no image waits to be scrubbed")?;
        return Ok(Exit::Ok);
    }
    let mut table = table(&["ID", "NAME", "OWNER", "SIZE", "DELETED AT", "LEFT"]);
    for row in rows {
        let (name, owner) = (row.name.unwrap_or_default(), row.owner.unwrap_or_default());
        table.add_row([
            row.id,
            name,
            owner,
            size(row.size),
            row.deleted_at,
            left(row.seconds_left),
        ]);
    }
    line(table.trim_fmt())?;
    Ok(Exit::Ok)
}

async fn read(parts: &Parts, args: &ListArgs) -> Result<Vec<PendingSummary>, CliError> {
    let mut query = PendingQuery {
        owner: args.owner.clone(),
        name: args.name.clone(),
        deleted_after: args.deleted_after,
        deleted_before: args.deleted_before,
        sort: if args.oldest_first { PendingSort::OldestFirst } else { PendingSort::NewestFirst },
        marker: None,
        limit: PAGE,
    };
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut found: Vec<PendingSummary> = Vec::new();
    loop {
        let page = parts.reverter.list(&Admin::local_operator(), &query).await?;
        let page: Vec<_> = page.into_iter().filter_map(Result::ok).collect();
        let Some(last) = page.last() else { break };
        query.marker = Some(PendingMarker { deleted_at: last.deleted_at, id: last.id.clone() });
        found.extend(page);
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}
