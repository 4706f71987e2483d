//! What a pass of a cron job tells the webhook: nobody else runs who could.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::cli::output::complain;
use crate::domain::principal::Admin;
use crate::domain::scrub::Limited;
use crate::worker::alerts::{self, Alerts};

/// Longest that a receiver can delay the end of the command.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the pass before was refused too, by whichever process: then that is told already. Where there
/// are no tables of ours nobody knows, and each pass tells.
pub(super) async fn was_limited(app: &App) -> bool {
    if app.webhook().is_none() {
        return false;
    }
    let orders = app.control.orders(&Admin::local_operator()).await.ok().flatten();
    let result = orders.and_then(|orders| orders.last_pass).and_then(|pass| pass.result);
    result.is_some_and(|result| result.outcome == "limited")
}

/// Tells what the pass was refused for. Has no say in the command's exit code.
pub(super) async fn tell(app: &App, limited: &Limited, stop: &CancellationToken) {
    let webhook = match app.webhook() {
        None => return,
        Some(Ok(webhook)) => webhook,
        Some(Err(problem)) => return complain(&problem),
    };
    let (alerts, queue) = Alerts::new(app.config.revert.alert_webhook_images);
    alerts.limited(app.clock.now(), Some(limited));
    // the queue ends with what is in it
    drop(alerts);
    let delivered = alerts::deliver(webhook, queue, Arc::clone(&app.clock), stop.clone());
    if timeout(PATIENCE, delivered).await.is_err() {
        complain(&"the webhook did not take the alert in time");
    }
}
