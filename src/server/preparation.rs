//! What a process does with the database when it starts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::db::Schema;
use crate::domain::repo::DatabaseHealth;

/// Waits for the database, then makes our own tables if the configuration says so. Where that fails a
/// revert works as well.
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
            tracing::info!(before = before.found, after = after.found, "made our own tables");
        }
        Err(error) => tracing::error!(%error, "cannot make our own tables (auto_db_sync)"),
    }
}

/// Says at the start whether the database is there, and keeps saying so until it is.
async fn wait_for_database(database: Arc<dyn DatabaseHealth>, stop: CancellationToken) {
    let mut pause = Duration::from_secs(1);
    while let Err(error) = database.ping().await {
        tracing::error!(%error, retry_in = pause.as_secs(), "the database does not serve; retrying");
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    tracing::info!("the database serves");
}
