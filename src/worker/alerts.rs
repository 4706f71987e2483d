//! Alerts for the webhook: each is sent once, by its own task, without blocking anybody.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::webhook::Webhook;
use crate::domain::control::InForce;
use crate::domain::scrub::{Limited, Tally};
use crate::domain::time::{Clock, FAR_FUTURE, Timestamp, isotime};
use crate::telemetry::metric;

/// Length of the queue for a slow receiver; further alerts are dropped.
const QUEUE: usize = 8;
/// A pause that ends within this time raises an alert, as `GlanceRevertPauseEndsSoon` does.
const SOON: TimeDelta = TimeDelta::hours(1);

/// Sends alerts; does nothing without a webhook. Cheap to clone; clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Alerts(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Alert>,
    /// Deletions within an hour above which they count as a mass deletion.
    images: u64,
    told: Mutex<Told>,
}

/// Alerts already sent whose condition persists: they are not repeated.
#[derive(Debug, Default)]
struct Told {
    mass_deletion: bool,
    limited: bool,
    pause_until: Option<Timestamp>,
}

/// One alert.
#[derive(Debug)]
struct Alert {
    event: &'static str,
    /// Equal on all replicas for the same event, so that receivers can deduplicate.
    id: String,
    message: String,
    runbook: &'static str,
    details: Map<String, Value>,
}

impl Alerts {
    /// The sender, and the queue that [`deliver`] empties. `images` is the mass deletion threshold.
    pub fn new(images: u64) -> (Self, Queue) {
        let (queue, alerts) = mpsc::channel(QUEUE);
        let inner = Inner { queue, images, told: Mutex::default() };
        (Self(Some(Arc::new(inner))), Queue(alerts))
    }

    /// Reports the images deleted within an hour that are still pending.
    pub fn deleted(&self, now: Timestamp, Tally { images, bytes }: Tally) {
        let Some(inner) = &self.0 else { return };
        let is_much = images > inner.images;
        let is_new = is_much && !inner.told().mass_deletion;
        inner.told().mass_deletion = is_much;
        if is_new {
            inner.put(Alert {
                event: "mass_deletion",
                id: format!("mass_deletion-{}", now.format("%Y-%m-%dT%H")),
                message: format!(
                    "{images} images were deleted within an hour. If that was a mistake, bring \
                     them back before scrub_time has passed."
                ),
                runbook: "docs/alerts.md#glancerevertmassdeletion",
                details: details([
                    ("images", images.into()),
                    ("bytes", bytes.into()),
                    ("since", isotime(now - TimeDelta::hours(1)).into()),
                ]),
            });
        }
    }

    /// Reports that this process's last pass was refused, and why.
    pub fn limited(&self, now: Timestamp, limited: Option<&Limited>) {
        let Some(inner) = &self.0 else { return };
        let was_told = std::mem::replace(&mut inner.told().limited, limited.is_some());
        let Some(limited) = limited.filter(|_| !was_told) else { return };
        inner.put(Alert {
            event: "scrub_limited",
            id: format!("scrub_limited-{}", now.format("%Y-%m-%d")),
            message: format!(
                "{limited}. Look at the plan, then accept it or bring the images back."
            ),
            runbook: "docs/alerts.md#glancerevertscrublimited",
            details: details([
                ("images", limited.due.images.into()),
                ("bytes", limited.due.bytes.into()),
                ("lowered_images", limited.lowered.map_or(0, |lowered| lowered.images).into()),
            ]),
        });
    }

    /// Reports the current pause.
    pub fn pause(&self, now: Timestamp, pause: Option<&InForce>) {
        let Some(inner) = &self.0 else { return };
        let until = pause.map(|pause| pause.term.until);
        let soon = pause.filter(|pause| pause.term.until < FAR_FUTURE.min(now + SOON));
        let Some(pause) = soon.filter(|_| inner.told().pause_until != until) else { return };
        inner.told().pause_until = until;
        let until = isotime(pause.term.until);
        inner.put(Alert {
            event: "pause_ends_soon",
            id: format!("pause_ends_soon-{until}"),
            message: format!(
                "The scrubber's pause ends at {until}. Then all due images are destroyed: bring \
                 back or hold the images that you need, or pause for longer."
            ),
            runbook: "docs/alerts.md#glancerevertpauseendssoon",
            details: details([
                ("until", until.clone().into()),
                ("since", isotime(pause.since).into()),
                ("by", pause.by.clone().into()),
                ("reason", pause.term.reason.clone().into()),
            ]),
        });
    }
}

fn details<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Inner {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never blocks.
    fn put(&self, alert: Alert) {
        if let Err(error) = self.queue.try_send(alert) {
            count("dropped");
            tracing::warn!(%error, "an alert is not sent to the webhook: the queue is full");
        }
    }
}

/// The queue of alerts to send.
pub struct Queue(mpsc::Receiver<Alert>);

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.0.len()).finish()
    }
}

/// Sends queued alerts in order until told to stop.
pub async fn deliver(
    webhook: Webhook,
    mut queue: Queue,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    while let Some(Some(alert)) = stop.run_until_cancelled(queue.0.recv()).await {
        let Alert { event, id, message, runbook, details } = alert;
        let body = json!({
            "id": id,
            "event": event,
            "sent_at": isotime(clock.now()),
            "version": env!("CARGO_PKG_VERSION"),
            "message": message,
            "runbook": runbook,
            "details": details,
        });
        let Some(sent) = stop.run_until_cancelled(webhook.post(event, &id, &body)).await else {
            return;
        };
        match sent {
            Ok(()) => {
                count("sent");
                tracing::info!(event, id, "alert sent to the webhook");
            }
            Err(error) => {
                count("failed");
                let webhook = webhook.address().to_string();
                tracing::warn!(event, id, webhook, error, "the webhook did not accept an alert");
            }
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(metric::WEBHOOK_POSTS_TOTAL, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::control::Term;
    use crate::domain::scrub::PassLimits;

    fn at(minute: i64) -> Timestamp {
        let noon = "2026-11-22T12:00:00".parse::<Timestamp>();
        noon.unwrap_or_default() + TimeDelta::minutes(minute)
    }

    fn told(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.0.try_recv().ok().map(|alert| alert.id)).collect()
    }

    fn tally(images: u64) -> Tally {
        Tally { images, bytes: 1 }
    }

    #[test]
    fn a_mass_deletion_is_reported_once_and_again_after_it_ended() {
        let (alerts, mut queue) = Alerts::new(200);
        for images in [0, 200, 201, 300, 250] {
            alerts.deleted(at(5), tally(images));
        }
        assert_eq!(told(&mut queue), ["mass_deletion-2026-11-22T12"]);
        alerts.deleted(at(60), tally(200));
        alerts.deleted(at(61), tally(201));
        assert_eq!(told(&mut queue), ["mass_deletion-2026-11-22T13"]);
    }

    #[test]
    fn an_exceeded_limit_is_reported_once_until_a_pass_runs() {
        let (alerts, mut queue) = Alerts::new(200);
        let limits = PassLimits { images: 1, bytes: None };
        let limited = limits.judge(tally(2), None, None).unwrap_err();
        for passes in [Some(&limited), Some(&limited), None, Some(&limited)] {
            alerts.limited(at(0), passes);
        }
        assert_eq!(told(&mut queue), ["scrub_limited-2026-11-22"; 2]);
    }

    #[test]
    fn a_pause_is_reported_an_hour_before_its_end_and_again_if_extended() {
        let (alerts, mut queue) = Alerts::new(200);
        let pause = |until| InForce {
            term: Term { until, reason: None },
            since: at(0),
            by: "alice".to_owned(),
        };
        for (now, pause) in [
            (0, None),
            (0, Some(pause(at(120)))),
            (61, Some(pause(at(120)))),
            (62, Some(pause(at(120)))),
            (63, Some(pause(at(300)))),
            (63, Some(pause(FAR_FUTURE))),
            (241, Some(pause(at(300)))),
        ] {
            alerts.pause(at(now), pause.as_ref());
        }
        let ids = ["pause_ends_soon-2026-11-22T14:00:00Z", "pause_ends_soon-2026-11-22T17:00:00Z"];
        assert_eq!(told(&mut queue), ids);
    }

    #[test]
    fn alerts_that_do_not_fit_into_the_queue_are_dropped_without_waiting() {
        let (alerts, mut queue) = Alerts::new(0);
        for hour in 0..20 {
            alerts.deleted(at(hour * 60), tally(1));
            alerts.deleted(at(hour * 60), tally(0));
        }
        assert_eq!(told(&mut queue).len(), QUEUE);
    }
}
