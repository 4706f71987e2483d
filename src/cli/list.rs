//! `glance-revert list`.

mod groups;
mod retained;

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use super::moment::{FORMS, Moment};
use super::output::{images, json, json_line, left, line, size};
use super::table::{Fit, Table};
use super::{CliError, Exit, Outcome, SourceArgs};
use crate::api::pending_deletes::list::{PendingDeleteSummary, must_be_known};
use crate::api::pending_deletes::summary::PendingDeletesSummary;
use crate::app::App;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort, ScrubbedQuery};
use crate::domain::scrub::Tally;
use crate::domain::store::StoreId;
use crate::domain::summary::GroupBy;
use crate::domain::time::Timestamp;

/// Rows read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct ListArgs {
    /// Only images of this project
    #[arg(long, value_name = "PROJECT_ID")]
    owner: Option<String>,
    /// Only images of exactly this name
    #[arg(long)]
    name: Option<String>,
    /// Only images of this visibility
    #[arg(long, value_parser = ["public", "private", "shared", "community"], hide_possible_values = true)]
    #[arg(value_name = "public|private|shared|community")]
    visibility: Option<String>,
    /// Only images with data in this store
    #[arg(long, conflicts_with = "group")]
    store: Option<String>,
    /// Only images that can be reverted, judged by their rows
    #[arg(long, conflicts_with = "group")]
    revertible: bool,
    /// Only images that cannot be reverted, and why
    #[arg(long, conflicts_with_all = ["group", "revertible"])]
    unrevertible: bool,
    /// Only images that are held; shows until when, by whom and why
    #[arg(long)]
    held: bool,
    /// Only images that are not held
    #[arg(long, conflicts_with = "held")]
    unheld: bool,
    /// Scrubbed images instead, of which a store has kept the data: asks the stores about each,
    /// which is slow
    #[arg(long, conflicts_with_all = ["visibility", "store", "revertible", "unrevertible", "held"])]
    #[arg(conflicts_with_all = ["unheld", "sort", "group"])]
    retained: bool,
    /// Only images deleted at this time or later: 2h, 3d (ago), now, 2026-11-22,
    /// 2026-11-22T12:00:00+01:00; UTC without a zone
    #[arg(long, visible_alias = "since", value_name = FORMS, value_parser = Moment::parse)]
    deleted_after: Option<Moment>,
    /// Only images deleted before this time
    #[arg(long, visible_alias = "until", value_name = FORMS, value_parser = Moment::parse)]
    deleted_before: Option<Moment>,
    /// Order: last deleted first (`deleted_at`), or next to be scrubbed first (`scrub_at`)
    #[arg(long, value_enum, default_value_t, conflicts_with = "group")]
    #[arg(value_name = "deleted_at|scrub_at", hide_possible_values = true)]
    sort: Sort,
    /// At most this many images
    #[arg(long, value_name = "NUMBER", conflicts_with = "group")]
    limit: Option<NonZeroUsize>,
    /// Print groups instead of images: by project, by burst (deletions of one project with no gap
    /// over 60 seconds), by store, or by several of them; the largest group first
    #[arg(long, value_enum, value_delimiter = ',')]
    #[arg(value_name = "project|burst|store", hide_possible_values = true)]
    group: Vec<Part>,
    /// Print all columns in full, even on a narrow terminal
    #[arg(long)]
    wide: bool,
    /// Print JSON for programs: a line for each image; groups as one document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Sort {
    #[default]
    DeletedAt,
    ScrubAt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Project,
    Burst,
    Store,
}

pub(super) async fn run(sources: &SourceArgs, args: &ListArgs) -> Outcome {
    let app = sources.app()?;
    let query = args.query(app.clock.now());
    if args.retained {
        let PendingQuery { owner, name, deleted_after, deleted_before, .. } = query;
        let query = ScrubbedQuery {
            owner,
            name,
            deleted_after,
            deleted_before,
            ..ScrubbedQuery::default()
        };
        let form = retained::Form { json: args.json, wide: args.wide };
        return retained::run(&app, query, args.limit, form).await;
    }
    if !args.group.is_empty() {
        let by = args.group_by();
        let summary = app.reverter.summary(&Admin::local_operator(), &query, by).await?;
        let summary = PendingDeletesSummary::of(summary, &app.view());
        if args.json {
            json(&summary)?;
        } else {
            groups::tell(summary, by, args.wide)?;
        }
        return Ok(Exit::Ok);
    }
    if let Some(store) = &query.store {
        must_be_known(store, &*app.stores).map_err(CliError::Other)?;
    }
    if args.json {
        each(&app, query, args.limit, |row, _| json_line(&row)).await?;
        return Ok(Exit::Ok);
    }
    let (mut rows, mut holds) = (Vec::new(), Vec::new());
    each(&app, query, args.limit, |row, hold| {
        rows.push(row);
        holds.push(hold);
        Ok(())
    })
    .await?;
    if rows.is_empty() {
        line("no image is pending")?;
    } else {
        let fit = match (args.held, holds.iter().all(Option::is_none)) {
            (true, _) => Fit::Cut,
            (false, false) => Fit::Optional,
            (false, true) => Fit::Hidden,
        };
        tell(rows, (holds, fit), args.wide)?;
    }
    Ok(Exit::Ok)
}

impl ListArgs {
    fn query(&self, now: Timestamp) -> PendingQuery {
        PendingQuery {
            owner: self.owner.clone(),
            name: self.name.clone(),
            visibility: self.visibility.clone(),
            store: self.store.clone().map(StoreId),
            revertible: (self.revertible || self.unrevertible).then_some(self.revertible),
            held: (self.held || self.unheld).then_some(self.held),
            deleted_after: self.deleted_after.map(|moment| moment.resolve(now)),
            deleted_before: self.deleted_before.map(|moment| moment.resolve(now)),
            sort: match self.sort {
                Sort::DeletedAt => PendingSort::NewestFirst,
                Sort::ScrubAt => PendingSort::OldestFirst,
            },
            marker: None,
            limit: PAGE,
        }
    }

    fn group_by(&self) -> GroupBy {
        let has = |part| self.group.contains(&part);
        GroupBy { project: has(Part::Project), burst: has(Part::Burst), store: has(Part::Store) }
    }
}

fn tell(
    rows: Vec<PendingDeleteSummary>,
    (holds, held): (Vec<Option<String>>, Fit),
    wide: bool,
) -> Result<(), CliError> {
    let mut all = Tally::default();
    for row in &rows {
        all.add(row.size);
    }
    let mut table = Table::new([
        ("ID", Fit::Whole),
        ("NAME", Fit::Cut),
        ("OWNER", Fit::Optional),
        ("SIZE", Fit::Whole),
        ("DELETED AT", Fit::Optional),
        ("LEFT", Fit::Whole),
        ("REVERT", Fit::Whole),
        ("REASON", Fit::Optional),
        ("HELD", held),
    ]);
    for (row, hold) in rows.into_iter().zip(holds) {
        table.row([
            row.id,
            row.name.unwrap_or_default(),
            row.owner.unwrap_or_default(),
            size(row.size),
            row.deleted_at,
            left(row.seconds_left),
            if row.revertible { "yes" } else { "no" }.to_owned(),
            row.reason.unwrap_or_default(),
            hold.unwrap_or_default(),
        ]);
    }
    table.print(wide)?;
    line("")?;
    line(images(all))
}

/// Reads page by page, so that a long list is never in memory as a whole.
async fn each(
    app: &App,
    mut query: PendingQuery,
    limit: Option<NonZeroUsize>,
    mut take: impl FnMut(PendingDeleteSummary, Option<String>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let (by, view) = (Admin::local_operator(), app.view());
    let mut most = limit.map_or(usize::MAX, NonZeroUsize::get);
    while most > 0 {
        let mut page = app.reverter.list(&by, &query).await?;
        page.truncate(most);
        most -= page.len();
        let Some(last) = page.last() else { break };
        query.marker = Some(PendingMarker::from(last));
        let ids: Vec<_> = page.iter().map(|one| one.id.clone()).collect();
        let holds = app.control.holds_of(&by, &ids).await?;
        let rules = app.reverter.rules_of(&by, &ids).await?;
        for one in &page {
            let hold = holds.get(&one.id).map(ToString::to_string);
            take(PendingDeleteSummary::of(one, &holds, &rules, &view), hold)?;
        }
    }
    Ok(())
}
