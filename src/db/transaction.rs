//! Begins and ends transactions.

use sqlx::{Connection, Transaction};

use crate::db::deadline::within;
use crate::db::dialect::{Dialect, count_statement};
use crate::db::error::at_commit;
use crate::db::pooled::PooledConnection;
use crate::db::statement::PATIENCE;

pub(super) async fn begin<D: Dialect>(
    connection: &mut PooledConnection<D>,
) -> Result<Transaction<'_, D>, sqlx::Error> {
    begin_with(connection, D::BEGIN).await
}

pub(super) async fn begin_with<'c, D: Dialect>(
    connection: &'c mut PooledConnection<D>,
    begin: &'static str,
) -> Result<Transaction<'c, D>, sqlx::Error> {
    count_statement("BEGIN");
    within(PATIENCE, connection.begin_with(begin)).await
}

pub(super) async fn commit<D: Dialect>(transaction: Transaction<'_, D>) -> Result<(), sqlx::Error> {
    count_statement("COMMIT");
    within(PATIENCE, transaction.commit()).await.map_err(at_commit)
}
