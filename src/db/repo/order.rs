//! When the first of the pending images changed. Nearly all images of a large table were scrubbed
//! before that time; their own rows show it, so their locations need not be read. The newest page
//! is found by Glance's index on changes; all other queries use the time to skip rows during a
//! walk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::{SqlRepo, far_past};
use crate::db::backlog;
use crate::db::dialect::Dialect;
use crate::db::error::repo_error;
use crate::db::read;
use crate::db::statement::Statement;
use crate::domain::repo::{ImageRepo, Outlook, RepoError};
use crate::domain::time::Timestamp;

/// How long an observed order is trusted. Meanwhile, lists may miss a row that somebody writes by
/// hand with an earlier change time.
const BELIEVED: Duration = Duration::from_mins(10);
/// How often to count what only a walk over all locations finds.
const COUNTED_ANEW: Duration = Duration::from_mins(5);
/// A delete stamps its rows before it commits, by the clock of its own host.
const STAMPED_BEFORE: TimeDelta = TimeDelta::days(1);

/// The last observed order of some pending images.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenOrder {
    at: Instant,
    /// Whether each changed when it was deleted or later, as Glance's writes do. A deletion time
    /// written by hand may break this.
    pub(super) is_kept: bool,
    /// No earlier than this did any of them change.
    pub(super) first_change: Timestamp,
    /// How many there were.
    outlook: Outlook,
}

impl SeenOrder {
    /// Reads the columns of `order!`; without any image, later ones change after `since`.
    fn read<D: Dialect>(row: &D::Row, since: Timestamp) -> Result<Self, RepoError> {
        let is_kept = D::big(row, "out_of_order").map_err(repo_error)? == Some(0);
        let first_change = D::maybe_time(row, "first_change").unwrap_or_default().unwrap_or(since);
        let outlook = read::outlook::<D>(row)?;
        Ok(Self { at: Instant::now(), is_kept, first_change, outlook })
    }
}

/// The orders observed by queries over all pending images.
#[derive(Debug, Default)]
pub(super) struct SeenOrders {
    pending: Mutex<Option<SeenOrder>>,
    /// Of pending images with another status than `pending_delete`.
    others: Mutex<Option<SeenOrder>>,
    /// The same, when they were last counted.
    counted: Mutex<Option<SeenOrder>>,
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
    /// A time since which every pending image has changed; `None` if the rows do not show one.
    pub(super) async fn first_change(
        &self,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, RepoError> {
        if self.seen.all().is_none() {
            let now = self.now().await?;
            note(&self.seen.pending, self.see(backlog::OUTLOOK, [now; 3], now).await?);
            note(&self.seen.others, self.see(backlog::OUTLOOK_OF_OTHERS, [now; 3], now).await?);
        }
        let orders = self.seen.all().filter(|(pending, others)| pending.is_kept && others.is_kept);
        Ok(orders.map(|(pending, others)| {
            let first = pending.first_change.min(others.first_change);
            let first = first.checked_sub_signed(STAMPED_BEFORE).unwrap_or_else(far_past);
            first.min(unscrubbed_after.unwrap_or(first))
        }))
    }

    /// Counts what waits, and notes the order of these images. The images that are not
    /// `pending_delete` cost a walk over all locations, so their last count is used for a while.
    pub(super) async fn look_ahead(
        &self,
        before: [Timestamp; 3],
        since: Timestamp,
    ) -> Result<Outlook, RepoError> {
        let pending = self.see(backlog::OUTLOOK, before, since).await?;
        note(&self.seen.pending, pending);
        let others = if let Some(seen) = last_seen(&self.seen.counted, COUNTED_ANEW) {
            seen
        } else {
            let seen = self.see(backlog::OUTLOOK_OF_OTHERS, before, since).await?;
            note(&self.seen.others, seen);
            note(&self.seen.counted, seen);
            seen
        };
        Ok(pending.outlook.with(&others.outlook))
    }

    async fn see(
        &self,
        sql: &'static str,
        before: [Timestamp; 3],
        since: Timestamp,
    ) -> Result<SeenOrder, RepoError> {
        let times = before.into_iter().chain([since]);
        let statement = times.fold(Statement::walk(sql), |s, at| s.bind(at).bind(at));
        let rows = self.fetch(statement).await?;
        let row = rows.first().ok_or_else(|| RepoError::Refused("no row of counts".to_owned()))?;
        SeenOrder::read::<D>(row, since)
    }
}
