//! A revert in its transaction, like `src/db/repo/revert.rs`.

use chrono::TimeDelta;
use glance_revert::domain::image::ImageStatus;
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::pending::RevertPlan;
use glance_revert::domain::time::Timestamp;

use super::repo::{MemoryRepo, is_unchanged};
use super::row::{Cause, ChildKind, ChildRow, LocationRow};
use super::tables::Transaction;

impl MemoryRepo {
    /// Whether every statement matches the planned rows.
    pub(super) fn revert_in(
        &self,
        transaction: &mut Transaction<'_>,
        plan: &RevertPlan,
        now: Timestamp,
    ) -> bool {
        let (id, image) = (plan.id().as_str(), plan.image());
        let is_as_read = transaction.update_image(
            id,
            |row| is_unchanged(row, image),
            |row| {
                row.status = ImageStatus::Active;
                row.deleted = false;
                row.deleted_at = None;
                row.updated_at = Some(now);
                row.protected |= plan.protect();
            },
        );
        let locations = |ids: &[i32], row: &LocationRow| row.image == id && ids.contains(&row.id);
        let left_out = plan.left_out();
        is_as_read
            && transaction.update_locations(
                |row| locations(plan.locations(), row) && !row.is_claimed(),
                |row| {
                    row.status = LocationStatus::Active;
                    row.deleted = false;
                    row.deleted_at = None;
                    row.updated_at = Some(now);
                    row.cause = Cause::Nobody;
                },
            ) == plan.locations().len()
            && transaction.update_locations(
                |row| locations(&left_out, row) && row.status == LocationStatus::Active,
                |row| {
                    row.status = LocationStatus::PendingDelete;
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                },
            ) == left_out.len()
            && self.revert_children(transaction, plan, now)
    }

    fn revert_children(
        &self,
        transaction: &mut Transaction<'_>,
        plan: &RevertPlan,
        now: Timestamp,
    ) -> bool {
        let (id, counts, moment) = (plan.id().as_str(), plan.counts(), plan.image().deleted_at);
        let until = plan.properties_until();
        let is_back = |row: &mut ChildRow| {
            row.deleted = false;
            row.deleted_at = None;
            row.updated_at = Some(now);
            row.cause = Cause::Nobody;
        };
        let is_property = |row: &ChildRow| {
            row.kind == ChildKind::Property
                && row.image == id
                && row.deleted
                && row.deleted_at.is_some_and(|at| at <= until)
                && !row.word.starts_with("os_glance_")
        };
        let is_nearness = self.database.without.moment;
        let mut all = counts.properties == 0
            || transaction.update_children(is_property, is_back) == counts.properties;
        for (kind, count) in [(ChildKind::Tag, counts.tags), (ChildKind::Member, counts.members)] {
            let live = transaction.tables().children_of(id, kind).filter(|row| !row.deleted);
            let live: Vec<_> = live.map(|row| row.word.clone()).collect();
            let is_of_delete = |row: &ChildRow| {
                let at_moment = if is_nearness {
                    moment.is_some_and(|moment| is_near(row, moment))
                } else {
                    row.deleted_at.is_some() && row.deleted_at == moment
                };
                row.kind == kind
                    && row.image == id
                    && row.deleted
                    && at_moment
                    && !live.contains(&row.word)
            };
            all =
                all && (count == 0 || transaction.update_children(is_of_delete, is_back) == count);
        }
        all
    }
}

/// Whether a mutant that compares times only approximately takes this row.
pub(super) fn is_near(row: &ChildRow, moment: Timestamp) -> bool {
    let is_near = |at: Timestamp| at <= moment && moment - at <= TimeDelta::minutes(1);
    row.deleted && row.deleted_at.is_some_and(is_near)
}
