//! The list of pending images. No index of Glance finds them, so a query is only cheap if it knows
//! a bound of its page.

use chrono::TimeDelta;

use super::{SqlRepo, far_past};
use crate::db::dialect::Dialect;
use crate::db::error::{is_refused, no_such_character, repo_error};
use crate::db::lists;
use crate::db::read;
use crate::db::statement::Statement;
use crate::domain::repo::{PendingQuery, PendingSort, RepoError};
use crate::domain::summary::TakeWaiting;
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// SQLite compares times as text, which may lack the last digits.
const LEEWAY: TimeDelta = TimeDelta::seconds(1);

/// How many images of the index on changes are searched for the bound of a page: few first, which
/// is enough if nothing else changed recently.
const SAMPLES: [i64; 2] = [1000, 10_000];

impl<D: Dialect> SqlRepo<D> {
    /// The rows of a page.
    pub(super) async fn page_of_pending(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Vec<D::Row>, RepoError> {
        let is_filtered = query.owner.is_some() || query.name.is_some();
        let is_newest = query.sort == PendingSort::NewestFirst;
        let mut query = query.clone();
        if query.held.is_some() {
            self.tables.must_be_there().await?;
        } else if !is_filtered {
            let sampled = self.sampled_end(&query).await?;
            if is_newest
                && self.seen.pending().is_some_and(|order| order.is_kept)
                && let Some(rows) = self.page_of_recent(&query, sampled, unscrubbed_after).await?
            {
                return Ok(rows);
            }
            self.shorten(&mut query, sampled).await?;
        }
        // Glance has an index on projects, and holds are in our own table. A page filtered by name
        // may lie anywhere, while the index on changes only leads to the newest images.
        let has_way =
            query.owner.is_some() || query.held.is_some() || (is_newest && query.name.is_some());
        let since = if has_way { None } else { self.first_change(unscrubbed_after).await? };
        // an image deleted later than that also changed later
        let since = since.map(|at| query.deleted_after.filter(|_| is_newest).unwrap_or(at).max(at));
        let filters = [query.owner.as_ref(), query.name.as_ref()];
        let rows = self.try_fetch(pending(&query, unscrubbed_after, since), None).await;
        if query.held.is_some() && rows.as_ref().is_err_and(is_refused) {
            self.tables.doubt();
        }
        match rows {
            // a column with three-byte characters cannot match four-byte ones
            Err(error) if no_such_character(&error) && read::has_rare_characters(filters) => {
                Ok(Vec::new())
            }
            answer => answer.map_err(repo_error).map(Option::unwrap_or_default),
        }
    }

    /// Passes on everything that the list contains.
    pub(super) async fn each_waiting(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
        by_location: bool,
        take: TakeWaiting<'_>,
    ) -> Result<(), RepoError> {
        if query.held.is_some() {
            self.tables.must_be_there().await?;
        }
        let has_way = query.owner.is_some() || query.held.is_some();
        let since = if has_way { None } else { self.first_change(unscrubbed_after).await? };
        let mut each = |row: &D::Row| {
            let row = read::waiting::<D>(row, by_location);
            read::warn_of_bad(row.as_ref().err());
            row.iter().for_each(&mut *take);
        };
        self.each(waiting(query, unscrubbed_after, since, by_location), &mut each).await
    }

    /// The page, if it lies among images that changed recently: images that changed earlier were
    /// deleted earlier.
    async fn page_of_recent(
        &self,
        query: &PendingQuery,
        sampled: Option<Timestamp>,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Option<Vec<D::Row>>, RepoError> {
        let Some(since) = sampled.max(query.deleted_after) else { return Ok(None) };
        // images that were scrubbed recently also changed recently, but were deleted long ago: they
        // are skipped
        let page = PendingQuery { deleted_after: Some(since), ..query.clone() };
        let rows = self.fetch(pending(&page, unscrubbed_after, Some(since))).await?;
        // fewer if some were reverted meanwhile
        let is_whole = query.deleted_after == Some(since) || rows.len() >= query.limit as usize;
        Ok(Some(rows).filter(|_| is_whole))
    }

    /// Finds a bound of the page, if the sample did not.
    async fn shorten(
        &self,
        query: &mut PendingQuery,
        sampled: Option<Timestamp>,
    ) -> Result<(), RepoError> {
        let mut end = sampled;
        if end.is_none() {
            let statement = end_of_page(query, 1);
            end = self.fetch(statement).await?.first().and_then(at::<D>);
            end = end.and_then(|end| past(query, end));
        }
        let Some(end) = end else { return Ok(()) };
        match query.sort {
            PendingSort::NewestFirst => query.deleted_after = query.deleted_after.max(Some(end)),
            PendingSort::OldestFirst => {
                let before = query.deleted_before.unwrap_or(FAR_FUTURE);
                query.deleted_before = Some(end.min(before));
            }
        }
        Ok(())
    }

    /// A time by which the page ends, if the last changed images (or the first changed ones of the
    /// pending images) show it: at least a page of images was deleted by then.
    async fn sampled_end(&self, query: &PendingQuery) -> Result<Option<Timestamp>, RepoError> {
        let first_change = match (query.sort, self.seen.pending()) {
            (PendingSort::NewestFirst, _) => far_past(),
            (PendingSort::OldestFirst, Some(order)) => order.first_change,
            (PendingSort::OldestFirst, None) => return Ok(None),
        };
        for size in SAMPLES {
            let rows = self.fetch(sample(query, first_change, size)).await?;
            // an unreadable one leaves the page without a bound
            let times: Option<Vec<_>> = rows.iter().map(at::<D>).collect();
            let Some(times) = times.filter(|_| rows.len() >= query.limit.max(1) as usize) else {
                continue;
            };
            let end = match query.sort {
                PendingSort::NewestFirst => times.into_iter().min(),
                PendingSort::OldestFirst => times.into_iter().max(),
            };
            return Ok(end.and_then(|end| past(query, end)));
        }
        Ok(None)
    }
}

fn end_of_page(query: &PendingQuery, rows: i32) -> Statement {
    let statement = match query.sort {
        PendingSort::NewestFirst => Statement::walk(lists::END_OF_NEWEST),
        PendingSort::OldestFirst => Statement::walk(lists::END_OF_OLDEST),
    };
    bind_filters(statement, query).bind(i64::from(rows)).bind(last_of(query))
}

fn last_of(query: &PendingQuery) -> i64 {
    i64::from(query.limit.saturating_sub(1))
}

/// Images of this or later pages, among this many images that changed last, or first.
fn sample(query: &PendingQuery, first_change: Timestamp, size: i64) -> Statement {
    let marker = query.marker.as_ref().map(|marker| marker.deleted_at);
    let (sql, from, until) = match query.sort {
        PendingSort::NewestFirst => {
            let end = query.deleted_before.unwrap_or(FAR_FUTURE).min(marker.unwrap_or(FAR_FUTURE));
            // with whole seconds a change can be up to one second later than its delete
            let end = end.checked_add_signed(LEEWAY * 2).unwrap_or(end).min(FAR_FUTURE);
            (lists::SAMPLE_OF_NEWEST, first_change, end)
        }
        PendingSort::OldestFirst => {
            (lists::SAMPLE_OF_OLDEST, first_change.max(marker.unwrap_or(first_change)), FAR_FUTURE)
        }
    };
    let statement = Statement::new(sql).bind(from).bind(until).bind(size);
    bind_filters(statement, query).bind(i64::from(query.limit.max(1)))
}

/// [`LEEWAY`] beyond a time, in the direction of the list.
fn past(query: &PendingQuery, at: Timestamp) -> Option<Timestamp> {
    match query.sort {
        PendingSort::NewestFirst => at.checked_sub_signed(LEEWAY),
        PendingSort::OldestFirst => at.checked_add_signed(LEEWAY),
    }
}

/// `None` also if it cannot be read.
fn at<D: Dialect>(row: &D::Row) -> Option<Timestamp> {
    D::maybe_time(row, "at").ok().flatten()
}

fn pending(
    query: &PendingQuery,
    unscrubbed_after: Option<Timestamp>,
    since: Option<Timestamp>,
) -> Statement {
    let statement = match (since, query.held, query.sort) {
        (Some(since), _, sort) => Statement::walk(match sort {
            PendingSort::NewestFirst => lists::LIST_RECENT_NEWEST,
            PendingSort::OldestFirst => lists::LIST_RECENT_OLDEST,
        })
        .bind(since),
        (None, held, sort) => Statement::walk(match (held, sort) {
            (None, PendingSort::NewestFirst) => lists::LIST_PENDING_NEWEST,
            (None, PendingSort::OldestFirst) => lists::LIST_PENDING_OLDEST,
            (Some(true), PendingSort::NewestFirst) => lists::LIST_HELD_NEWEST,
            (Some(true), PendingSort::OldestFirst) => lists::LIST_HELD_OLDEST,
            (Some(false), PendingSort::NewestFirst) => lists::LIST_UNHELD_NEWEST,
            (Some(false), PendingSort::OldestFirst) => lists::LIST_UNHELD_OLDEST,
        }),
    };
    bind_filters(statement, query)
        .bind(unscrubbed_after.unwrap_or(FAR_FUTURE))
        .bind(i64::from(query.limit))
}

fn bind_filters(statement: Statement, query: &PendingQuery) -> Statement {
    let start = match query.sort {
        PendingSort::NewestFirst => FAR_FUTURE,
        PendingSort::OldestFirst => far_past(),
    };
    let marker = query.marker.as_ref();
    let (seen_at, seen_id) =
        marker.map_or((start, ""), |marker| (marker.deleted_at, marker.id.as_str()));
    let (owner, name) = (query.owner.as_deref(), query.name.as_deref());
    statement
        .bind(owner)
        .bind(owner)
        .bind(name)
        .bind(name)
        .bind(query.deleted_after.unwrap_or_else(far_past))
        .bind(query.deleted_before.unwrap_or(FAR_FUTURE))
        .bind(seen_at)
        .bind(seen_at)
        .bind(seen_id)
}

/// All pending images, in any order.
fn waiting(
    query: &PendingQuery,
    unscrubbed_after: Option<Timestamp>,
    since: Option<Timestamp>,
    by_location: bool,
) -> Statement {
    let sql = match (by_location, query.held, since) {
        (false, None, None) => lists::SUM_WAITING,
        (false, None, Some(_)) => lists::SUM_RECENT,
        (false, Some(true), _) => lists::SUM_HELD,
        (false, Some(false), _) => lists::SUM_UNHELD,
        (true, None, None) => lists::WAITING_LOCATIONS,
        (true, None, Some(_)) => lists::RECENT_LOCATIONS,
        (true, Some(true), _) => lists::HELD_LOCATIONS,
        (true, Some(false), _) => lists::UNHELD_LOCATIONS,
    };
    let texts = [&query.owner, &query.name, &query.visibility].map(Option::as_deref);
    let statement = since.into_iter().fold(Statement::walk(sql), Statement::bind);
    let statement = statement.bind(unscrubbed_after.unwrap_or(FAR_FUTURE));
    let statement = texts.into_iter().fold(statement, |s, text| s.bind(text).bind(text));
    statement
        .bind(query.deleted_after.unwrap_or_else(far_past))
        .bind(query.deleted_before.unwrap_or(FAR_FUTURE))
}

/// The parameters of the conditions in [`lists`] for due images.
pub(super) fn due(sql: &'static str, after: i32, before: Timestamp) -> Statement {
    Statement::walk(sql).bind(after).bind(before).bind(before).bind(before)
}
