//! Claims of the scrubber: one transaction per batch, with a result for each claim.

use super::{begin, bind_unchanged, commit, row_as_text};
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::lost_race;
use crate::db::orders;
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, IMAGE_SLOTS, LOCATION_SLOTS};
use crate::db::tables::SqlTables;
use crate::domain::location::Location;
use crate::domain::repo::Write;
use crate::domain::scrub::{Claim, WorkKind};
use crate::domain::time::Timestamp;

/// Whether claims must respect pauses and holds: only if our own tables exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guarded {
    /// The transaction first reads the row of orders, and claims no held image.
    ByOrders,
    /// The tables are missing, which is checked again before COMMIT.
    ByNobody,
}

/// How one attempt ended.
enum Attempt {
    Done(Vec<Write>),
    Paused,
    /// Our own tables were created meanwhile.
    Again,
}

/// Our own tables may be created at any moment, and orders in them apply at once. So while they are
/// missing, each transaction checks for them again before COMMIT. `None` while the scrubber is
/// paused.
pub(super) async fn all<D: Dialect>(
    connection: &mut PooledConnection<D>,
    tables: &SqlTables<D>,
    claims: &[Claim<'_>],
) -> Result<Option<Vec<Write>>, sqlx::Error> {
    loop {
        match attempt(connection, tables, claims).await? {
            Attempt::Done(writes) => return Ok(Some(writes)),
            Attempt::Paused => return Ok(None),
            Attempt::Again => {}
        }
    }
}

/// Makes several claims with one statement if all their rows are unchanged, otherwise one by one.
async fn attempt<D: Dialect>(
    connection: &mut PooledConnection<D>,
    tables: &SqlTables<D>,
    claims: &[Claim<'_>],
) -> Result<Attempt, sqlx::Error> {
    let are_there = tables.are_there(connection).await?;
    let guarded = if are_there { Guarded::ByOrders } else { Guarded::ByNobody };
    if let Some((statements, rows)) = together(claims, guarded) {
        match write(connection, tables, guarded, statements, rows).await? {
            Written::All => return Ok(Attempt::Done(vec![Write::Done; claims.len()])),
            Written::Paused => return Ok(Attempt::Paused),
            Written::Again => return Ok(Attempt::Again),
            Written::Nothing => {}
        }
    }
    let mut writes = Vec::with_capacity(claims.len());
    for claim in claims {
        let (statements, rows) = alone(claim, guarded);
        let won = match write(connection, tables, guarded, statements, rows).await {
            Err(error) if lost_race(&error) => false,
            // earlier claims stay: the pass itself notices that it is paused
            won => won? == Written::All,
        };
        writes.push(if won { Write::Done } else { Write::Stale });
    }
    Ok(Attempt::Done(writes))
}

/// How one transaction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    Nothing,
    Paused,
    Again,
}

/// Runs one transaction, which changes all of these rows or none.
async fn write<D: Dialect>(
    connection: &mut PooledConnection<D>,
    tables: &SqlTables<D>,
    guarded: Guarded,
    statements: Vec<Statement>,
    rows: usize,
) -> Result<Written, sqlx::Error> {
    let mut transaction = begin(connection).await?;
    let written = async {
        if guarded == Guarded::ByOrders {
            let begun = D::execute(&mut transaction, Statement::new(orders::BEGIN_CLAIMS)).await?;
            if begun == 0 {
                return Ok(Written::Paused);
            }
        }
        let mut found = 0;
        for statement in statements {
            found += D::execute(&mut transaction, statement).await?;
        }
        if found != rows as u64 {
            return Ok(Written::Nothing);
        }
        if guarded == Guarded::ByNobody && tables.are_there(&mut transaction).await? {
            return Ok(Written::Again);
        }
        Ok::<_, sqlx::Error>(Written::All)
    };
    let written = written.await?;
    if written == Written::All {
        commit(transaction).await?;
    } else {
        within(PATIENCE, transaction.rollback()).await?;
    }
    Ok(written)
}

/// The statements for claims that differ only in their image, and how many rows they must match.
/// Locations are written first, as in every transaction except a revert: on PostgreSQL a revert
/// locks their table before it writes an image, and otherwise a deadlock with a claim would be
/// possible.
fn together(claims: &[Claim<'_>], guarded: Guarded) -> Option<(Vec<Statement>, usize)> {
    let sql = match guarded {
        Guarded::ByOrders => sql::CLAIM_UNHELD_IMAGES,
        Guarded::ByNobody => sql::CLAIM_IMAGES,
    };
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
        let statement = Statement::new(sql).bind(stamp);
        statement.bind_list(IMAGE_SLOTS, &ids).bind_list(IMAGE_SLOTS, &keys)
    };
    let locations: Vec<_> = claims.iter().flat_map(unmarked).collect();
    let rows = claims.len() + locations.len();
    let images = claims.chunks(IMAGE_SLOTS).map(statement);
    Some((mark(&locations, stamp).into_iter().chain(images).collect(), rows))
}

/// The locations that are not claimed yet.
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

/// The statements for one claim, and how many rows they must match.
fn alone(claim: &Claim<'_>, guarded: Guarded) -> (Vec<Statement>, usize) {
    let image = claim.work.image();
    match claim.work.kind() {
        WorkKind::Due | WorkKind::Resumed => {
            let sql = match guarded {
                Guarded::ByOrders => sql::CLAIM_UNHELD_IMAGE,
                Guarded::ByNobody => sql::CLAIM_IMAGE,
            };
            let statement = Statement::new(sql).bind(claim.stamp);
            let statement = bind_unchanged(statement.bind(image.id.as_str()), image);
            let locations: Vec<_> = unmarked(claim).collect();
            let rows = 1 + locations.len();
            let mut statements = mark(&locations, claim.stamp);
            statements.push(statement);
            (statements, rows)
        }
        WorkKind::Leftovers => (leftovers(claim, guarded), claim.work.targets().len()),
    }
}

fn leftovers(claim: &Claim<'_>, guarded: Guarded) -> Vec<Statement> {
    let sql = match guarded {
        Guarded::ByOrders => sql::CLAIM_UNHELD_LOCATION,
        Guarded::ByNobody => sql::CLAIM_LOCATION,
    };
    let statement = |location: &Location| {
        let statement = Statement::new(sql).bind(claim.stamp).bind(location.id);
        statement.bind(claim.work.image().id.as_str())
    };
    claim.work.targets().iter().map(statement).collect()
}
