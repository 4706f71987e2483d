//! The list of what waits. No index of Glance's leads to it, so a question is cheap only where it says
//! beforehand how far its page can go at most.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::{SqlRepo, far_past};
use crate::db::dialect::Dialect;
use crate::db::error::{is_refused, no_such_character, repo_error};
use crate::db::lists;
use crate::db::read;
use crate::db::statement::Statement;
use crate::domain::repo::{PendingQuery, PendingSort, RepoError};
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// SQLite compares times as text, of which somebody may have left out the last digits.
const LEEWAY: TimeDelta = TimeDelta::seconds(1);
/// What was seen of the rows' order is believed for so long.
const BELIEVED: Duration = Duration::from_mins(10);

/// When all pending images were last seen to have changed when they were deleted, or later, as
/// Glance's writes do. Somebody who writes a time of deletion by hand may not think of that.
#[derive(Debug, Default)]
pub(super) struct InOrder(Mutex<Option<Instant>>);

impl InOrder {
    pub(super) fn set(&self, is_so: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = is_so.then(Instant::now);
    }

    fn is_known(&self) -> bool {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|at| at.elapsed() < BELIEVED)
    }
}

impl<D: Dialect> SqlRepo<D> {
    /// The row of [`lists::OUTLOOK`].
    pub(super) async fn outlook_after(
        &self,
        id: &str,
        before: [Timestamp; 3],
        since: Timestamp,
    ) -> Result<Vec<D::Row>, RepoError> {
        let statement = Statement::walk(lists::OUTLOOK);
        let statement = before.into_iter().fold(statement, |s, at| s.bind(at).bind(at));
        self.fetch(statement.bind(since).bind(since).bind(id)).await
    }

    /// The rows of a page.
    pub(super) async fn page_of_pending(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Vec<D::Row>, RepoError> {
        let is_filtered = query.owner.is_some() || query.name.is_some();
        if query.held.is_some() {
            self.tables.must_be_there().await?;
        } else if !is_filtered
            && query.sort == PendingSort::NewestFirst
            && self.in_order.is_known()
            && let Some(rows) = self.page_of_recent(query, unscrubbed_after).await?
        {
            return Ok(rows);
        }
        let mut query = query.clone();
        if !is_filtered && query.held.is_none() {
            self.shorten(&mut query).await?;
        }
        let rows = self.try_fetch(pending(&query, unscrubbed_after, None), None).await;
        if query.held.is_some() && rows.as_ref().is_err_and(is_refused) {
            self.tables.doubt();
        }
        match rows {
            // a column of three-byte characters has none of four
            Err(error) if no_such_character(&error) && read::has_rare_characters(&query) => {
                Ok(Vec::new())
            }
            answer => answer.map_err(repo_error).map(Option::unwrap_or_default),
        }
    }

    /// The page if it lies among images that changed lately: who changed earlier was deleted earlier.
    async fn page_of_recent(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Option<Vec<D::Row>>, RepoError> {
        let end = self.time_of(end_of_recent(query, 1)).await?;
        let end = end.and_then(|at| at.checked_sub_signed(LEEWAY));
        let Some(since) = end.max(query.deleted_after) else { return Ok(None) };
        let rows = self.fetch(pending(query, unscrubbed_after, Some(since))).await?;
        let last = rows.last().filter(|_| rows.len() >= query.limit as usize);
        let last = last.and_then(|row| D::maybe_time(row, "deleted_at").ok().flatten());
        let is_whole = query.deleted_after == Some(since) || last >= Some(since);
        Ok(Some(rows).filter(|_| is_whole))
    }

    /// Says how far the page can go at most.
    async fn shorten(&self, query: &mut PendingQuery) -> Result<(), RepoError> {
        let Some(end) = self.time_of(end_of_page(query, 1)).await? else { return Ok(()) };
        match query.sort {
            PendingSort::NewestFirst => {
                query.deleted_after = query.deleted_after.max(end.checked_sub_signed(LEEWAY));
            }
            PendingSort::OldestFirst => {
                let before = query.deleted_before.unwrap_or(FAR_FUTURE);
                query.deleted_before = end.checked_add_signed(LEEWAY).map(|end| end.min(before));
            }
        }
        Ok(())
    }

    /// `None` also where it cannot be read: then the page goes as far as it goes.
    async fn time_of(&self, statement: Statement) -> Result<Option<Timestamp>, RepoError> {
        let rows = self.fetch(statement).await?;
        Ok(rows.first().and_then(|row| D::maybe_time(row, "at").ok().flatten()))
    }

    /// Every statement, for no row.
    pub(super) async fn rehearse_list(&self) -> Result<(), RepoError> {
        let mut query = PendingQuery::default();
        for sort in [PendingSort::NewestFirst, PendingSort::OldestFirst] {
            query.sort = sort;
            self.fetch(end_of_page(&query, 0)).await?;
            self.fetch(pending(&query, None, None)).await?;
        }
        self.fetch(end_of_recent(&query, 0)).await?;
        self.fetch(pending(&query, None, Some(far_past()))).await.map(drop)
    }
}

fn end_of_page(query: &PendingQuery, rows: i32) -> Statement {
    let statement = match query.sort {
        PendingSort::NewestFirst => Statement::walk(lists::END_OF_NEWEST),
        PendingSort::OldestFirst => Statement::walk(lists::END_OF_OLDEST),
    };
    bind_filters(statement, query).bind(i64::from(rows)).bind(last_of(query))
}

fn end_of_recent(query: &PendingQuery, rows: i32) -> Statement {
    let marker = query.marker.as_ref().map_or(FAR_FUTURE, |marker| marker.deleted_at);
    let end = query.deleted_before.unwrap_or(FAR_FUTURE).min(marker);
    Statement::new(lists::END_OF_RECENT).bind(end).bind(i64::from(rows)).bind(last_of(query))
}

fn last_of(query: &PendingQuery) -> i64 {
    i64::from(query.limit.saturating_sub(1))
}

fn pending(
    query: &PendingQuery,
    unscrubbed_after: Option<Timestamp>,
    since: Option<Timestamp>,
) -> Statement {
    let statement = match (since, query.held, query.sort) {
        (Some(since), _, _) => Statement::walk(lists::LIST_PENDING_RECENT).bind(since),
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

/// All of it, whatever its order and its page.
pub(super) fn waiting(
    query: &PendingQuery,
    unscrubbed_after: Option<Timestamp>,
    by_location: bool,
) -> Statement {
    let sql = if by_location { lists::WAITING_LOCATIONS } else { lists::SUM_WAITING };
    let texts = [&query.owner, &query.name, &query.visibility].map(Option::as_deref);
    let statement = Statement::walk(sql).bind(unscrubbed_after.unwrap_or(FAR_FUTURE));
    let statement = texts.into_iter().fold(statement, |s, text| s.bind(text).bind(text));
    statement
        .bind(query.deleted_after.unwrap_or_else(far_past))
        .bind(query.deleted_before.unwrap_or(FAR_FUTURE))
}

/// The places of what [`lists`] say of images that are due.
pub(super) fn due(sql: &'static str, after: i32, before: Timestamp) -> Statement {
    Statement::walk(sql).bind(after).bind(before).bind(before).bind(before)
}
