//! The list of what waits.

use super::far_past;
use crate::db::lists;
use crate::db::statement::Statement;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort};
use crate::domain::time::{FAR_FUTURE, Timestamp};

pub(super) fn pending(query: &PendingQuery, unscrubbed_after: Option<Timestamp>) -> Statement {
    let (sql, start) = match query.sort {
        PendingSort::NewestFirst => (lists::LIST_PENDING_NEWEST, FAR_FUTURE),
        PendingSort::OldestFirst => (lists::LIST_PENDING_OLDEST, far_past()),
    };
    let (seen_at, seen_id) = match &query.marker {
        Some(PendingMarker { deleted_at, id }) => (*deleted_at, id.as_str()),
        None => (start, ""),
    };
    let (owner, name) = (query.owner.as_deref(), query.name.as_deref());
    Statement::new(sql)
        .bind(unscrubbed_after.unwrap_or(FAR_FUTURE))
        .bind(owner)
        .bind(owner)
        .bind(name)
        .bind(name)
        .bind(query.deleted_after.unwrap_or_else(far_past))
        .bind(query.deleted_before.unwrap_or(FAR_FUTURE))
        .bind(seen_at)
        .bind(seen_at)
        .bind(seen_id)
        .bind(i64::from(query.limit))
}
