//! What became of a batch of claims: one transaction.

use super::{begin, commit};
use crate::db::dialect::Dialect;
use crate::db::pooled::PooledConnection;
use crate::db::statement::Statement;
use crate::db::statements::{self as sql, IMAGE_SLOTS};
use crate::db::tables::Audit;
use crate::domain::location::Location;
use crate::domain::scrub::Settled;
use crate::domain::time::Timestamp;

/// Ends locations that are done with, and releases claims. How many locations it found to end.
pub(super) async fn all<D: Dialect>(
    connection: &mut PooledConnection<D>,
    settled: &[Settled<'_>],
    now: Timestamp,
    audit: &Audit<'_>,
) -> Result<u64, sqlx::Error> {
    let mut transaction = begin(connection).await?;
    let mut found = 0;
    let deleted: Vec<i32> = settled.iter().flat_map(|one| one.deleted.iter().copied()).collect();
    for some in deleted.chunks(IMAGE_SLOTS) {
        let statement = Statement::new(sql::LOCATIONS_DELETED).bind(now).bind(now);
        found += D::execute(&mut transaction, statement.bind_list(IMAGE_SLOTS, some)).await?;
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
    audit.write::<D>(&mut transaction).await?;
    commit(transaction).await?;
    Ok(found)
}

fn release_location(image: &str, location: &Location) -> Statement {
    Statement::new(sql::RELEASE_LOCATION)
        .bind(location.status.as_str())
        .bind(i32::from(location.deleted))
        .bind(location.deleted_at)
        .bind(location.id)
        .bind(image)
}
