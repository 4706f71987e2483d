//! Gauges of pending images and of what is scrubbed next: known before the loss.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alerts::Alerts;
use crate::domain::control::{ControlRepo, Orders};
use crate::domain::image::ImageId;
use crate::domain::repo::{self, RepoError, ScrubRepo};
use crate::domain::scrub::{Scrubber, Tally};
use crate::domain::tables::{OwnTables, UNRECORDED_FOR};
use crate::domain::time::Timestamp;
use crate::telemetry::metric;

/// Shortest interval between two queries.
const EVERY: Duration = Duration::from_mins(1);
/// The query takes at most one part in this many of the time: if it is slow, it runs less often.
const SHARE: u32 = 100;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Periodically updates the gauges and raises alerts.
#[derive(Debug)]
pub struct OutlookWorker {
    /// Counts pending images.
    pub repo: Arc<dyn ScrubRepo>,
    /// Reads pauses and holds.
    pub control: Arc<dyn ControlRepo>,
    /// Audit records; `None` if Glance deletes data at once, because rows then do not show who did
    /// it.
    pub tables: Option<Arc<dyn OwnTables>>,
    /// Without it nothing is ever due.
    pub scrubber: Option<Arc<Scrubber>>,
    /// Where alerts are sent.
    pub alerts: Alerts,
}

impl OutlookWorker {
    /// Updates the gauges periodically until `stop`.
    pub async fn watch(self, stop: CancellationToken) {
        let mut unrecorded = 0;
        loop {
            let began = Instant::now();
            if stop.run_until_cancelled(self.look(&mut unrecorded)).await.is_none() {
                return;
            }
            let pause = EVERY.max(began.elapsed() * SHARE);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// `unrecorded`: number of images that others had destroyed at the last update.
    async fn look(&self, unrecorded: &mut usize) {
        let now = match self.repo.now().await {
            Ok(now) => now,
            Err(error) => {
                tracing::debug!(%error, "cannot read the pending images, the pause and the holds");
                return;
            }
        };
        match self.control.orders().await {
            Ok(orders) => {
                let orders = orders.unwrap_or_default();
                show_orders(&orders);
                self.alerts.pause(now, orders.pause.as_ref());
            }
            Err(error) => tracing::debug!(%error, "cannot read the pause"),
        }
        match self.ask(now).await {
            Ok(outlook) => {
                show(&outlook);
                self.alerts.deleted(now, outlook.recent);
            }
            Err(error) => tracing::debug!(%error, "cannot read the pending images"),
        }
        match self.unrecorded(now).await {
            Ok(ids) => {
                metrics::gauge!(metric::UNRECORDED_SCRUBS).set(as_float(ids.len() as u64));
                if let Some(image_id) = ids.first().filter(|_| ids.len() > *unrecorded) {
                    let images = ids.len();
                    tracing::error!(images, %image_id, "another scrubber is running: images were \
                        destroyed within a day without an audit entry; image_id is the last one");
                }
                *unrecorded = ids.len();
            }
            Err(error) => {
                tracing::debug!(%error, "cannot read whether another scrubber is running");
            }
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<repo::Outlook, RepoError> {
        if let Some(scrubber) = &self.scrubber {
            return scrubber.outlook([Duration::ZERO, HOUR, DAY], now - HOUR).await;
        }
        let never = chrono::DateTime::UNIX_EPOCH.naive_utc();
        self.repo.outlook([never; 3], now - HOUR).await
    }

    async fn unrecorded(&self, now: Timestamp) -> Result<Vec<ImageId>, RepoError> {
        let Some(tables) = &self.tables else { return Ok(Vec::new()) };
        Ok(tables.unrecorded_scrubs(now - UNRECORDED_FOR).await?.unwrap_or_default())
    }
}

/// All 0 without pauses and holds.
fn show_orders(orders: &Orders) {
    let pause = orders.pause.as_ref();
    let time = |time: Option<Timestamp>| time.map_or(0.0, metric::unix_seconds);
    metrics::gauge!(metric::PAUSED).set(f64::from(u8::from(pause.is_some())));
    metrics::gauge!(metric::PAUSE_STARTED_TIMESTAMP_SECONDS).set(time(pause.map(|p| p.since)));
    metrics::gauge!(metric::PAUSE_ENDS_TIMESTAMP_SECONDS).set(time(pause.map(|p| p.term.until)));
    let in_force = orders.scrub_time.unwrap_or_default();
    metrics::gauge!(metric::SCRUB_TIME_IN_FORCE_SECONDS).set(in_force.as_secs_f64());
    metrics::gauge!(metric::HELD_IMAGES).set(as_float(orders.held));
}

fn show(outlook: &repo::Outlook) {
    let [due, hour, day] = outlook.due;
    for (within, tally) in [("1h", hour), ("24h", day)] {
        metrics::gauge!(metric::EXPIRING_IMAGES, "within" => within).set(as_float(tally.images));
        metrics::gauge!(metric::EXPIRING_BYTES, "within" => within).set(as_float(tally.bytes));
    }
    let plain: [(Tally, &'static str, &'static str); 2] = [
        (outlook.pending, metric::PENDING_IMAGES, metric::PENDING_BYTES),
        (due, metric::DUE_IMAGES, metric::DUE_BYTES),
    ];
    for (tally, images, bytes) in plain {
        metrics::gauge!(images).set(as_float(tally.images));
        metrics::gauge!(bytes).set(as_float(tally.bytes));
    }
    for (reason, images) in [
        ("image.no_locations", outlook.without_locations),
        ("image.delete_in_progress", outlook.half_deleted),
    ] {
        let gauge = metrics::gauge!(metric::UNREVERTIBLE_IMAGES, "reason" => reason);
        gauge.set(as_float(images));
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; a byte more or less is none")]
fn as_float(number: u64) -> f64 {
    number as f64
}
