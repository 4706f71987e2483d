//! Claims of the scrubber: one transaction for a batch, an answer for each.

use super::{begin, bind_unchanged, commit};
use crate::db::connections::{Lent, within};
use crate::db::dialect::Dialect;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, IMAGE_SLOTS};
use crate::domain::image::{Image, RowVersion};
use crate::domain::repo::Write;
use crate::domain::scrub::{Claim, WorkKind};

/// All with one statement for every few, if these find them all as they were read; else one by
/// one.
pub(super) async fn all<D: Dialect>(
    connection: &mut Lent<D>,
    claims: &[Claim<'_>],
) -> Result<Vec<Write>, sqlx::Error> {
    if let Some(statements) = together(claims) {
        let mut transaction = begin(connection).await?;
        let mut found = 0;
        for statement in statements {
            found += D::execute(&mut transaction, statement).await?;
        }
        if found == claims.len() as u64 {
            commit(transaction).await?;
            return Ok(vec![Write::Done; claims.len()]);
        }
        within(PATIENCE, transaction.rollback()).await?;
    }
    each(connection, claims).await
}

/// The statements for claims that differ in nothing but their image.
fn together(claims: &[Claim<'_>]) -> Option<Vec<Statement>> {
    let stamp = claims.first()?.stamp;
    let alike =
        |claim: &Claim<'_>| claim.stamp == stamp && claim.work.kind() != WorkKind::Leftovers;
    if !claims.iter().all(alike) {
        return None;
    }
    let statement = |some: &[Claim<'_>]| {
        let ids: Vec<_> = some.iter().map(|claim| claim.work.image().id.as_str()).collect();
        let keys: Vec<_> = some.iter().map(|claim| key(claim.work.image())).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let statement = Statement::new(sql::CLAIM_IMAGES).bind(stamp);
        statement.bind_list(IMAGE_SLOTS, &ids).bind_list(IMAGE_SLOTS, &keys)
    };
    Some(claims.chunks(IMAGE_SLOTS).map(statement).collect())
}

/// What [`sql::CLAIM_IMAGES`] compares.
fn key(image: &Image) -> String {
    let RowVersion { deleted_at, updated_at } = &image.version;
    format!("{} {} {deleted_at} {updated_at}", image.id.as_str(), image.status.as_str())
}

async fn each<D: Dialect>(
    connection: &mut Lent<D>,
    claims: &[Claim<'_>],
) -> Result<Vec<Write>, sqlx::Error> {
    let mut transaction = begin(connection).await?;
    let mut writes = Vec::with_capacity(claims.len());
    for claim in claims {
        let image = claim.work.image();
        let won = match claim.work.kind() {
            WorkKind::Due | WorkKind::Resumed => {
                let statement = Statement::new(sql::CLAIM_IMAGE).bind(claim.stamp);
                let statement = bind_unchanged(statement.bind(image.id.as_str()), image);
                D::execute(&mut transaction, statement).await? == 1
            }
            WorkKind::Leftovers => leftovers::<D>(&mut transaction, claim).await?,
        };
        writes.push(if won { Write::Done } else { Write::Stale });
    }
    commit(transaction).await?;
    Ok(writes)
}

async fn leftovers<D: Dialect>(
    connection: &mut D::Connection,
    claim: &Claim<'_>,
) -> Result<bool, sqlx::Error> {
    let mut won = true;
    for location in claim.work.targets() {
        let statement = Statement::new(sql::CLAIM_LOCATION).bind(claim.stamp).bind(location.id);
        let statement = statement.bind(claim.work.image().id.as_str());
        won &= D::execute(connection, statement).await? == 1;
    }
    Ok(won)
}
