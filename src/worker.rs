//! The worker: the loop around [`Scrubber::run_once`] waits, runs and reports; rules are elsewhere.

pub mod alerts;
pub mod outlook;
pub mod status;
pub mod webhook;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use self::alerts::Alerts;
use self::status::Status;
use crate::domain::repo::RepoError;
use crate::domain::scrub::{ScrubReport, Scrubber, Tally};
use crate::domain::time::Clock;
use crate::telemetry::metric;

/// Pause after a pass aborted by the database, instead of `wakeup_time`.
const RETRY: Duration = Duration::from_secs(30);

/// The pauses of the loop.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// Before the first pass, so that its announcement can be seen and the pass stopped.
    pub first: Duration,
    /// Between two passes.
    pub wakeup_time: Duration,
}

/// Runs passes until told to stop; a running pass then finishes its current location. A pass that
/// panics is a bug; the next one continues, as after a crash. An acceptance starts the next pass at
/// once.
pub async fn run(
    scrubber: Arc<Scrubber>,
    clock: Arc<dyn Clock>,
    pauses: Pauses,
    status: Arc<Status>,
    alerts: Alerts,
    stop: CancellationToken,
) {
    let wakeup_time = pauses.wakeup_time;
    let mut pause = pauses.first;
    tell_next(&*clock, pause);
    if !pause.is_zero() {
        stop.run_until_cancelled(announce(&scrubber, pause)).await;
    }
    loop {
        let wait = async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = scrubber.accepted() => {}
            }
        };
        if stop.run_until_cancelled(wait).await.is_none() {
            return;
        }
        pause = match AssertUnwindSafe(pass(&scrubber, &*clock, &stop)).catch_unwind().await {
            Ok(Ok(report)) => {
                if !report.skipped && !report.paused {
                    status.set_limited(report.limited.is_some());
                    alerts.limited(clock.now(), report.limited.as_ref());
                }
                wakeup_time
            }
            Ok(Err(_)) => wakeup_time.min(RETRY),
            Err(_) => {
                metrics::counter!(metric::SCRUB_PASSES_TOTAL, "outcome" => "failed").increment(1);
                tracing::error!(
                    "scrub pass panicked: this is a bug, please report the log lines \
                    before this one"
                );
                wakeup_time.min(RETRY)
            }
        };
        // a wakeup_time of 0 must not cause a busy loop
        pause = pause.max(Duration::from_secs(1));
        tell_next(&*clock, pause);
    }
}

fn tell_next(clock: &dyn Clock, pause: Duration) {
    let next = clock.now() + pause;
    metrics::gauge!(metric::SCRUB_NEXT_PASS_TIMESTAMP_SECONDS).set(metric::unix_seconds(next));
}

/// Logs what the first pass would destroy.
async fn announce(scrubber: &Scrubber, pause: Duration) {
    let seconds = pause.as_secs_f64();
    match scrubber.count_due(pause).await {
        Ok(Tally { images, bytes }) => {
            tracing::info!(
                seconds,
                images,
                bytes,
                "the first scrub pass starts soon; these images are due"
            );
        }
        Err(error) => {
            tracing::warn!(seconds, %error, "cannot read what the first scrub pass will do");
        }
    }
}

/// Runs one pass, with logs and metrics.
pub async fn pass(
    scrubber: &Scrubber,
    clock: &dyn Clock,
    stop: &CancellationToken,
) -> Result<ScrubReport, RepoError> {
    let began = tokio::time::Instant::now();
    let result = scrubber.run_once(stop).await;
    let seconds = began.elapsed().as_secs_f64();
    let ended = clock.now().and_utc().timestamp_millis();
    match &result {
        Ok(report) if report.skipped => {
            metrics::counter!(metric::SCRUB_PASSES_TOTAL, "outcome" => "skipped").increment(1);
            tracing::info!("scrub pass skipped: another process runs one");
        }
        Ok(report) if report.paused && report.seen == 0 => {
            metrics::counter!(metric::SCRUB_PASSES_TOTAL, "outcome" => "paused").increment(1);
            tracing::info!("scrub pass skipped: the scrubber is paused");
        }
        Ok(report) => {
            metrics::counter!(metric::SCRUB_PASSES_TOTAL, "outcome" => report.outcome())
                .increment(1);
            metrics::histogram!(metric::SCRUB_PASS_DURATION_SECONDS).record(seconds);
            metrics::gauge!(metric::SCRUB_LAST_PASS_TIMESTAMP_SECONDS)
                .set(as_float(ended) / 1000.0);
            count(report);
            tell(report, seconds);
        }
        Err(error) => {
            metrics::counter!(metric::SCRUB_PASSES_TOTAL, "outcome" => "failed").increment(1);
            tracing::error!(%error, "scrub pass aborted; it continues when the database answers");
        }
    }
    result
}

fn count(report: &ScrubReport) {
    metrics::counter!(metric::SCRUB_IMAGES_SCRUBBED_TOTAL).increment(report.scrubbed);
    metrics::counter!(metric::SCRUB_LOCATIONS_DELETED_TOTAL).increment(report.locations_deleted);
    metrics::counter!(metric::SCRUB_DATA_GONE_TOTAL).increment(report.data_gone);
    metrics::counter!(metric::SCRUB_TAKEN_BY_OTHERS_TOTAL).increment(report.taken_by_others);
    metrics::counter!(metric::SCRUB_CLAIMS_RELEASED_TOTAL).increment(report.claims_released);
    metrics::counter!(metric::SCRUB_FAILURES_TOTAL).increment(report.failed);
    metrics::counter!(metric::SCRUB_ALERTS_TOTAL).increment(report.alerts.len() as u64);
    metrics::gauge!(metric::SCRUB_FAILING_IMAGES)
        .set(as_float(report.waiting_after_failure.cast_signed()));
}

fn tell(report: &ScrubReport, seconds: f64) {
    if let Some(limited) = &report.limited {
        let images = limited.due.images;
        let go_on = format!(
            "look at the plan (glance-revert scrub --dry-run, GET /v2/scrubber/plan), then accept \
             one pass: glance-revert scrub --accept {images}, or POST \
             /v2/scrubber/actions/accept {{\"images\": {images}}}"
        );
        let bytes = limited.due.bytes;
        tracing::error!(%limited, images, bytes, go_on, "scrub pass refused: too much is due");
    }
    for alert in &report.alerts {
        tracing::error!(alert, "the scrubber needs a person");
    }
    tracing::info!(
        seconds,
        seen = report.seen,
        scrubbed = report.scrubbed,
        resumed = report.resumed,
        locations_deleted = report.locations_deleted,
        data_gone = report.data_gone,
        taken_by_others = report.taken_by_others,
        data_shared = report.data_shared,
        data_retained = report.data_retained,
        claims_released = report.claims_released,
        contended = report.contended,
        backed_off = report.backed_off,
        held = report.held,
        paused = report.paused,
        deferred = report.deferred,
        failed = report.failed,
        interrupted = report.interrupted,
        "scrub pass done"
    );
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats; these stay below 2^52")]
fn as_float(number: i64) -> f64 {
    number as f64
}
