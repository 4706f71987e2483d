//! A revert: one transaction over an image and its children.

use super::{begin_with, bind_unchanged, commit};
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, LOCATION_SLOTS};
use crate::db::tables::Audit;
use crate::domain::pending::RevertPlan;
use crate::domain::repo::Write;
use crate::domain::time::Timestamp;

/// Writes the plan, if every statement matches the planned rows.
pub(super) async fn revert<D: Dialect>(
    connection: &mut PooledConnection<D>,
    plan: &RevertPlan,
    now: Timestamp,
    audit: &Audit<'_>,
) -> Result<Write, sqlx::Error> {
    let mut transaction = begin_with(connection, D::BEGIN_REVERT).await?;
    let protect = i32::from(plan.protect());
    let statement = Statement::new(sql::REVERT_IMAGE).bind(now).bind(protect);
    let statement = bind_unchanged(statement.bind(plan.id().as_str()), plan.image());
    let mut as_planned = D::execute(&mut transaction, statement).await? == 1;
    for (statement, expected) in children(plan, now) {
        if as_planned {
            as_planned = D::execute(&mut transaction, statement).await? == expected as u64;
        }
    }
    if !as_planned {
        within(PATIENCE, transaction.rollback()).await?;
        return Ok(Write::Stale);
    }
    audit.write_reverts::<D>(&mut transaction).await?;
    commit(transaction).await?;
    Ok(Write::Done)
}

/// The statements for an image's children, each with the number of rows that it must match.
fn children(plan: &RevertPlan, now: Timestamp) -> Vec<(Statement, usize)> {
    let of_image = |sql| Statement::new(sql).bind(now).bind(plan.id().as_str());
    let mut statements: Vec<_> = plan
        .locations()
        .chunks(LOCATION_SLOTS)
        .map(|ids| (of_image(sql::REVERT_LOCATIONS).bind_list(LOCATION_SLOTS, ids), ids.len()))
        .collect();
    let left_out = plan.left_out();
    statements.extend(left_out.chunks(LOCATION_SLOTS).map(|ids| {
        let statement = Statement::new(sql::LEAVE_LOCATIONS_OUT).bind(now).bind(now);
        (statement.bind(plan.id().as_str()).bind_list(LOCATION_SLOTS, ids), ids.len())
    }));
    let counts = plan.counts();
    let properties = of_image(sql::REVERT_PROPERTIES).bind(plan.properties_until());
    let image = plan.image();
    let moment = image.version.deleted_at.as_str();
    let at_moment = |some_are_live: bool, plain, careful| {
        if some_are_live {
            of_image(careful).bind(moment).bind(plan.id().as_str())
        } else {
            of_image(plain).bind(moment)
        }
    };
    let live_tags = image.tags.iter().any(|tag| !tag.deleted);
    let live_members = image.members.iter().any(|member| !member.deleted);
    let tags = at_moment(live_tags, sql::REVERT_TAGS, sql::REVERT_MORE_TAGS);
    let members = at_moment(live_members, sql::REVERT_MEMBERS, sql::REVERT_MORE_MEMBERS);
    statements.push((properties, counts.properties));
    statements.push((tags, counts.tags));
    statements.push((members, counts.members));
    statements.retain(|(_, expected)| *expected > 0);
    statements
}
