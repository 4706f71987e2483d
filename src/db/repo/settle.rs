//! Settles a batch of claims, in one transaction.

use std::collections::HashSet;

use sqlx::Transaction;

use super::{begin, commit};
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::audit_refused;
use crate::db::orders::BEGIN_ORDER;
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, IMAGE_SLOTS};
use crate::db::tables::Audit;
use crate::domain::image::ImageId;
use crate::domain::location::Location;
use crate::domain::scrub::{Ended, Settled};
use crate::domain::time::Timestamp;

/// Ends finished locations, and releases claims. `whole` are the audit entries of finished images,
/// `parts` those of other images that now have nothing left.
pub(super) async fn all<D: Dialect>(
    connection: &mut PooledConnection<D>,
    settled: &[Settled<'_>],
    now: Timestamp,
    (whole, parts): (Audit<'_>, Audit<'_>),
) -> Result<Ended, sqlx::Error> {
    let mut transaction = begin_settling::<D>(connection, &parts).await?;
    let mut missed = Vec::new();
    if end_locations::<D>(&mut transaction, settled, now).await? < count(settled) {
        // somebody else has ended some of them: find out of which images
        within(PATIENCE, transaction.rollback()).await?;
        transaction = begin_settling::<D>(connection, &parts).await?;
        for one in settled {
            let one_image = std::slice::from_ref(one);
            let ended = end_locations::<D>(&mut transaction, one_image, now).await?;
            let left = count(one_image).saturating_sub(ended);
            missed.extend((left > 0).then(|| (one.guard.id().clone(), left)));
        }
    }
    for one in settled {
        let Some(release) = &one.release else { continue };
        let id = one.guard.id().as_str();
        let statement = Statement::new(sql::RELEASE_IMAGE).bind(release.status.as_str()).bind(id);
        if D::execute(&mut transaction, statement.bind(release.stamp)).await? == 1 {
            for location in release.locations {
                D::execute(&mut transaction, release_location(id, location)).await?;
            }
        }
    }
    let waiting = still_waiting::<D>(&mut transaction, &parts.images()).await?;
    let last = parts.without(&waiting);
    whole.write::<D>(&mut transaction).await?;
    last.write::<D>(&mut transaction).await?;
    commit(transaction).await?;
    let last = last.images().into_iter().filter_map(|id| ImageId::parse(id).ok()).collect();
    Ok(Ended { missed, last })
}

async fn begin_settling<'c, D: Dialect>(
    connection: &'c mut PooledConnection<D>,
    parts: &Audit<'_>,
) -> Result<Transaction<'c, D>, sqlx::Error> {
    let mut transaction = begin(connection).await?;
    if !parts.images().is_empty() {
        // if two passes end the last parts of one image at the same time, the second one sees the
        // first
        D::execute(&mut transaction, Statement::new(BEGIN_ORDER)).await.map_err(audit_refused)?;
    }
    Ok(transaction)
}

fn count(settled: &[Settled<'_>]) -> u64 {
    settled.iter().map(|one| one.deleted.len() as u64).sum()
}

/// Returns how many of their locations were still waiting.
async fn end_locations<D: Dialect>(
    transaction: &mut D::Connection,
    settled: &[Settled<'_>],
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let mut ended = 0;
    let deleted: Vec<i32> = settled.iter().flat_map(|one| one.deleted.iter().copied()).collect();
    for some in deleted.chunks(IMAGE_SLOTS) {
        let statement = Statement::new(sql::LOCATIONS_DELETED).bind(now).bind(now);
        ended += D::execute(transaction, statement.bind_list(IMAGE_SLOTS, some)).await?;
    }
    Ok(ended)
}

/// The images that still have a pending location.
async fn still_waiting<D: Dialect>(
    transaction: &mut D::Connection,
    images: &[&str],
) -> Result<HashSet<String>, sqlx::Error> {
    let mut waiting = HashSet::new();
    for some in images.chunks(IMAGE_SLOTS) {
        let statement = Statement::new(sql::STILL_WAITING).bind_list(IMAGE_SLOTS, some);
        for row in D::fetch(transaction, statement).await? {
            waiting.extend(D::text(&row, "image_id")?);
        }
    }
    Ok(waiting)
}

fn release_location(image: &str, location: &Location) -> Statement {
    Statement::new(sql::RELEASE_LOCATION)
        .bind(location.status.as_str())
        .bind(i32::from(location.deleted))
        .bind(location.deleted_at)
        .bind(location.id)
        .bind(image)
}
