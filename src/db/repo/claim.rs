//! Claims of the scrubber: one transaction for a batch, an answer for each.

use super::{begin, bind_unchanged, commit, row_as_text};
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::lost_race;
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, IMAGE_SLOTS, LOCATION_SLOTS};
use crate::domain::location::Location;
use crate::domain::repo::Write;
use crate::domain::scrub::{Claim, WorkKind};
use crate::domain::time::Timestamp;

/// All with one statement for every few, if these find them all as they were read; else one by
/// one.
pub(super) async fn all<D: Dialect>(
    connection: &mut PooledConnection<D>,
    claims: &[Claim<'_>],
) -> Result<Vec<Write>, sqlx::Error> {
    if let Some((statements, rows)) = together(claims) {
        let mut transaction = begin(connection).await?;
        let mut found = 0;
        for statement in statements {
            found += D::execute(&mut transaction, statement).await?;
        }
        if found == rows as u64 {
            commit(transaction).await?;
            return Ok(vec![Write::Done; claims.len()]);
        }
        within(PATIENCE, transaction.rollback()).await?;
    }
    let mut writes = Vec::with_capacity(claims.len());
    for claim in claims {
        let won = match one(connection, claim).await {
            Err(error) if lost_race(&error) => false,
            won => won?,
        };
        writes.push(if won { Write::Done } else { Write::Stale });
    }
    Ok(writes)
}

/// The statements for claims that differ in nothing but their image, and how many rows they must
/// find. Locations go first, as in every transaction but a revert's: on PostgreSQL that one holds
/// their table before it asks for an image, and would else wait for a claim that waits for it.
fn together(claims: &[Claim<'_>]) -> Option<(Vec<Statement>, usize)> {
    let stamp = claims.first()?.stamp;
    let alike =
        |claim: &Claim<'_>| claim.stamp == stamp && claim.work.kind() != WorkKind::Leftovers;
    if !claims.iter().all(alike) {
        return None;
    }
    let statement = |some: &[Claim<'_>]| {
        let ids: Vec<_> = some.iter().map(|claim| claim.work.image().id.as_str()).collect();
        let keys: Vec<_> = some.iter().map(|claim| row_as_text(claim.work.image())).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let statement = Statement::new(sql::CLAIM_IMAGES).bind(stamp);
        statement.bind_list(IMAGE_SLOTS, &ids).bind_list(IMAGE_SLOTS, &keys)
    };
    let locations: Vec<_> = claims.iter().flat_map(unmarked).collect();
    let rows = claims.len() + locations.len();
    let images = claims.chunks(IMAGE_SLOTS).map(statement);
    Some((mark(&locations, stamp).into_iter().chain(images).collect(), rows))
}

/// The locations that have no claim's mark yet.
fn unmarked<'a>(claim: &Claim<'a>) -> impl Iterator<Item = &'a Location> {
    claim.work.targets().iter().filter(|location| !location.is_claimed())
}

fn mark(locations: &[&Location], stamp: Timestamp) -> Vec<Statement> {
    let statement = |some: &[&Location]| {
        let ids: Vec<_> = some.iter().map(|location| location.id).collect();
        let key = |location: &&Location| format!("{} {}", location.id, location.status.as_str());
        let keys: Vec<_> = some.iter().map(key).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let statement = Statement::new(sql::CLAIM_LOCATIONS).bind(stamp);
        statement.bind_list(LOCATION_SLOTS, &ids).bind_list(LOCATION_SLOTS, &keys)
    };
    locations.chunks(LOCATION_SLOTS).map(statement).collect()
}

/// A transaction of its own, which changes all of the claim's rows or none.
async fn one<D: Dialect>(
    connection: &mut PooledConnection<D>,
    claim: &Claim<'_>,
) -> Result<bool, sqlx::Error> {
    let image = claim.work.image();
    let (statements, rows) = match claim.work.kind() {
        WorkKind::Due | WorkKind::Resumed => {
            let statement = Statement::new(sql::CLAIM_IMAGE).bind(claim.stamp);
            let statement = bind_unchanged(statement.bind(image.id.as_str()), image);
            let locations: Vec<_> = unmarked(claim).collect();
            let rows = 1 + locations.len();
            let mut statements = mark(&locations, claim.stamp);
            statements.push(statement);
            (statements, rows)
        }
        WorkKind::Leftovers => (leftovers(claim), claim.work.targets().len()),
    };
    let mut transaction = begin(connection).await?;
    let mut found = 0;
    for statement in statements {
        found += D::execute(&mut transaction, statement).await?;
    }
    if found == rows as u64 {
        commit(transaction).await?;
        return Ok(true);
    }
    within(PATIENCE, transaction.rollback()).await?;
    Ok(false)
}

fn leftovers(claim: &Claim<'_>) -> Vec<Statement> {
    let statement = |location: &Location| {
        let statement = Statement::new(sql::CLAIM_LOCATION).bind(claim.stamp).bind(location.id);
        statement.bind(claim.work.image().id.as_str())
    };
    claim.work.targets().iter().map(statement).collect()
}
