//! When the images that wait first changed. Nearly all images of a large table were scrubbed before
//! that, and their rows alone tell it: no location of theirs has to be looked for. The newest page is
//! found by Glance's index on changes; all else skips them within a walk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::{SqlRepo, far_past};
use crate::db::backlog;
use crate::db::dialect::Dialect;
use crate::db::error::repo_error;
use crate::db::statement::Statement;
use crate::domain::repo::{ImageRepo, RepoError, ScrubRepo};
use crate::domain::time::Timestamp;

/// What was seen of the order is believed for so long. Meanwhile a row that somebody writes by hand,
/// with a time of change from before, may be missing from lists.
const BELIEVED: Duration = Duration::from_mins(10);
/// The walk that finds nothing but an order is done as seldom as that.
const SEEN_ANEW: Duration = Duration::from_mins(5);
/// A delete stamps its rows before it is committed, and by the clock of its own host.
const STAMPED_BEFORE: TimeDelta = TimeDelta::days(1);

/// How some of the images that wait were last seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenOrder {
    at: Instant,
    /// All changed when they were deleted, or later, as Glance's writes do. Somebody who writes a time
    /// of deletion by hand may not think of that.
    pub(super) is_kept: bool,
    /// None of them changed earlier.
    pub(super) first_change: Timestamp,
}

impl SeenOrder {
    /// The columns of `order!`; without an image, what comes changes after `since`.
    fn read<D: Dialect>(row: &D::Row, since: Timestamp) -> Result<Self, sqlx::Error> {
        let is_kept = D::big(row, "out_of_order")? == Some(0);
        let first_change = D::maybe_time(row, "first_change").unwrap_or_default().unwrap_or(since);
        Ok(Self { at: Instant::now(), is_kept, first_change })
    }
}

/// What the questions after all that waits have seen of its order.
#[derive(Debug, Default)]
pub(super) struct SeenOrders {
    pending: Mutex<Option<SeenOrder>>,
    /// Those that wait with another status than `pending_delete`.
    others: Mutex<Option<SeenOrder>>,
}

impl SeenOrders {
    /// Of the images that are `pending_delete`.
    pub(super) fn pending(&self) -> Option<SeenOrder> {
        last_seen(&self.pending, BELIEVED)
    }

    fn all(&self) -> Option<(SeenOrder, SeenOrder)> {
        Some((self.pending()?, last_seen(&self.others, BELIEVED)?))
    }
}

fn last_seen(order: &Mutex<Option<SeenOrder>>, within: Duration) -> Option<SeenOrder> {
    let order = *order.lock().unwrap_or_else(PoisonError::into_inner);
    order.filter(|order| order.at.elapsed() < within)
}

fn note(order: &Mutex<Option<SeenOrder>>, seen: SeenOrder) {
    *order.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
}

impl<D: Dialect> SqlRepo<D> {
    /// All that waits changed at this time or later. `None` where rows do not tell.
    pub(super) async fn first_change(
        &self,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, RepoError> {
        if self.seen.all().is_none() {
            let now = self.now().await?;
            self.outlook([now; 3], now).await?;
        }
        let orders = self.seen.all().filter(|(pending, others)| pending.is_kept && others.is_kept);
        Ok(orders.map(|(pending, others)| {
            let first = pending.first_change.min(others.first_change);
            let first = first.checked_sub_signed(STAMPED_BEFORE).unwrap_or_else(far_past);
            first.min(unscrubbed_after.unwrap_or(first))
        }))
    }

    /// The row of [`backlog::OUTLOOK`].
    pub(super) async fn outlook_after(
        &self,
        id: Option<&str>,
        before: [Timestamp; 3],
        since: Timestamp,
    ) -> Result<Vec<D::Row>, RepoError> {
        let statement = Statement::walk(backlog::OUTLOOK);
        let statement = before.into_iter().fold(statement, |s, at| s.bind(at).bind(at));
        self.fetch(statement.bind(since).bind(since).bind(id).bind(id)).await
    }

    /// Notes the order of what waits: of the row of [`backlog::OUTLOOK`], and of what it leaves out.
    pub(super) async fn see_order(&self, row: &D::Row, since: Timestamp) -> Result<(), RepoError> {
        note(&self.seen.pending, SeenOrder::read::<D>(row, since).map_err(repo_error)?);
        if last_seen(&self.seen.others, SEEN_ANEW).is_none()
            && let Some(row) = self.order_of_others(0).await?.first()
        {
            note(&self.seen.others, SeenOrder::read::<D>(row, since).map_err(repo_error)?);
        }
        Ok(())
    }

    /// Of the images with a location after this one.
    pub(super) async fn order_of_others(&self, location: i32) -> Result<Vec<D::Row>, RepoError> {
        self.fetch(Statement::walk(backlog::ORDER_OF_OTHERS).bind(location)).await
    }
}
