//! Prepares the database when the process starts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::db::Schema;
use crate::domain::repo::DatabaseHealth;

/// Waits for the database, then creates our own tables if `auto_db_sync` says so. Reverts work even
/// if that fails.
pub(super) async fn prepare_database(
    database: Arc<dyn DatabaseHealth>,
    schema: Option<Arc<dyn Schema>>,
    stop: CancellationToken,
) {
    wait_for_database(database, stop).await;
    let Some(schema) = schema else { return };
    match schema.sync().await {
        Ok([before, after]) if before == after => {}
        Ok([before, after]) => {
            tracing::info!(
                before = before.found,
                after = after.found,
                "created the service's own tables"
            );
        }
        Err(error) => {
            tracing::error!(%error, "cannot create the service's own tables (auto_db_sync)");
        }
    }
}

/// Logs at startup whether the database is available, and retries until it is.
async fn wait_for_database(database: Arc<dyn DatabaseHealth>, stop: CancellationToken) {
    let mut pause = Duration::from_secs(1);
    while let Err(error) = database.ping().await {
        tracing::error!(%error, retry_in = pause.as_secs(), "the database is unavailable; retrying");
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    tracing::info!("the database is available");
}
