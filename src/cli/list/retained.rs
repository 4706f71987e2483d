//! `glance-revert list --retained`: scrubbed images that could come back.

use std::num::NonZeroUsize;

use crate::api::pending_deletes::retained::RetainedImage;
use crate::app::App;
use crate::cli::output::{bytes, complain, json_line, left, line, size};
use crate::cli::table::{Fit, Table};
use crate::cli::{CliError, Exit, Outcome};
use crate::domain::principal::Admin;
use crate::domain::repo::ScrubbedQuery;
use crate::domain::revert::SecondChance;
use crate::domain::scrub::Tally;
use crate::domain::time::{Timestamp, isotime};

/// Images looked at between two queries.
const PAGE: u32 = 100;
/// So many images looked at make a line of progress.
const TOLD_EVERY: usize = 1000;

/// How to print what was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) json: bool,
    pub(super) wide: bool,
}

pub(super) async fn run(
    app: &App,
    query: ScrubbedQuery,
    limit: Option<NonZeroUsize>,
    form: Form,
) -> Outcome {
    complain(&"asking the stores about each image; this can take minutes");
    let mut rows = Vec::new();
    let view = app.view();
    let examined = each(app, query, limit, |found| {
        if form.json {
            return json_line(&RetainedImage::of(found, &view));
        }
        rows.push(row(found, app.clock.now()));
        Ok(())
    })
    .await?;
    if form.json {
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        let noun = if examined == 1 { "image" } else { "images" };
        line(format_args!("none of {examined} scrubbed {noun} could come back"))?;
    } else {
        tell(rows, examined, form.wide)?;
    }
    Ok(Exit::Ok)
}

/// A line of the table, and what stores kept.
type Line = ([String; 8], u64);

fn row(found: &SecondChance, now: Timestamp) -> Line {
    let SecondChance { image, chance, locations } = found;
    let kept: u64 = found.kept().map(|kept| kept.size).sum();
    let until = found.kept_until();
    let time_left = match until {
        Some(until) => left(Some((until - now).num_seconds())),
        None => "-".to_owned(),
    };
    let what = locations.iter().filter_map(|one| one.finding.kept()).map(|kept| kept.how.clone());
    let what: Vec<_> = what.collect();
    let line = [
        image.id.to_string(),
        image.name.clone().unwrap_or_default(),
        image.owner.clone().unwrap_or_default(),
        size(image.size),
        image.deleted_at.map(isotime).unwrap_or_default(),
        time_left,
        chance.as_str().to_owned(),
        what.join("; "),
    ];
    (line, kept)
}

fn tell(rows: Vec<Line>, examined: usize, wide: bool) -> Result<(), CliError> {
    let all = Tally { images: rows.len() as u64, bytes: rows.iter().map(|(_, kept)| kept).sum() };
    let mut table = Table::new([
        ("ID", Fit::Whole),
        ("NAME", Fit::Cut),
        ("OWNER", Fit::Optional),
        ("SIZE", Fit::Whole),
        ("DELETED AT", Fit::Optional),
        ("LEFT", Fit::Whole),
        ("BY", Fit::Whole),
        ("KEPT", Fit::Optional),
    ]);
    for (cells, _) in rows {
        table.row(cells);
    }
    table.print(wide)?;
    line("")?;
    let noun = if all.images == 1 { "image" } else { "images" };
    line(format_args!("{} {noun} of {examined} looked at, {} kept", all.images, bytes(all.bytes)))
}

/// Looks at page after page until so many were found; how many were looked at.
async fn each(
    app: &App,
    mut query: ScrubbedQuery,
    limit: Option<NonZeroUsize>,
    mut take: impl FnMut(&SecondChance) -> Result<(), CliError>,
) -> Result<usize, CliError> {
    query.limit = PAGE;
    let (mut most, mut found) = (limit.map_or(usize::MAX, NonZeroUsize::get), 0);
    let (mut examined, mut unreadable) = (0, 0);
    loop {
        let page = app.reverter.list_retained(&Admin::local_operator(), &query).await?;
        for one in page.images.iter().take(most) {
            take(one)?;
        }
        most -= page.images.len().min(most);
        found += page.images.len();
        let told = examined / TOLD_EVERY;
        examined += page.examined;
        unreadable += page.unreadable;
        if examined / TOLD_EVERY > told {
            complain(&format_args!("looked at {examined}, {found} could come back"));
        }
        query.marker = page.next;
        if most == 0 || query.marker.is_none() {
            break;
        }
    }
    if unreadable > 0 {
        complain(&format_args!("{unreadable} of the images have rows that cannot be read"));
    }
    Ok(examined)
}
