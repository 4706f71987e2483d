//! The webhook of a pass that cron runs: no other process could send it.

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

/// Whether the pass before was refused too, by any process: then the alert was already sent.
/// Without our own tables this is unknown, and each pass sends it.
pub(super) async fn was_limited(app: &App) -> bool {
    if app.webhook().is_none() {
        return false;
    }
    let orders = app.control.orders(&Admin::local_operator()).await.ok().flatten();
    let result = orders.and_then(|orders| orders.last_pass).and_then(|pass| pass.result);
    result.is_some_and(|result| result.outcome == "limited")
}

/// Sends why the pass was refused. Does not affect the command's exit code.
pub(super) async fn tell(app: &App, limited: &Limited, stop: &CancellationToken) {
    let webhook = match app.webhook() {
        None => return,
        Some(Ok(webhook)) => webhook,
        Some(Err(problem)) => return complain(&problem),
    };
    let (alerts, queue) = Alerts::new(app.config.revert.alert_webhook_images);
    alerts.limited(app.clock.now(), Some(limited));
    // the queue still sends what it has
    drop(alerts);
    let delivered = alerts::deliver(webhook, queue, Arc::clone(&app.clock), stop.clone());
    if timeout(PATIENCE, delivered).await.is_err() {
        complain(&"the webhook did not accept the alert in time");
    }
}
