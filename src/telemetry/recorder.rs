//! The metrics recorder behind `/metrics`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use super::TelemetryError;
use super::metric::{self, Kind};
use crate::domain::time::Timestamp;

/// Buckets in seconds. A revert takes milliseconds; one with `verify = checksum` minutes.
const REQUEST_BUCKETS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];
/// Buckets in seconds, from an empty pass to the first one over a large backlog.
const PASS_BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];
/// How often recorded observations are moved into buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(30);

static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Installs the recorder of this process, or returns the installed one. `started` is the process's
/// start. The caller must run [`keep_up`].
///
/// # Errors
/// A recorder other than ours is installed.
pub fn init_metrics(started: Timestamp) -> Result<PrometheusHandle, TelemetryError> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let requests = Matcher::Full(metric::HTTP_REQUEST_DURATION_SECONDS.to_owned());
    let passes = Matcher::Full(metric::SCRUB_PASS_DURATION_SECONDS.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(requests, &REQUEST_BUCKETS)?
        .set_buckets_for_metric(passes, &PASS_BUCKETS)?
        .install_recorder()?;
    describe();
    set_first_values(started);
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Moves observations into buckets until `stop`; without it, the memory of a process that nobody
/// scrapes would grow forever.
pub async fn keep_up(handle: PrometheusHandle, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => handle.run_upkeep(),
        }
    }
}

fn describe() {
    for (kind, name, help) in metric::ALL {
        match kind {
            Kind::Counter => describe_counter!(name, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
    }
}

fn set_first_values(started: Timestamp) {
    for name in metric::FROM_ZERO {
        counter!(name).absolute(0);
    }
    for outcome in metric::TLS_RELOAD_OUTCOMES {
        counter!(metric::TLS_RELOADS_TOTAL, "outcome" => outcome).absolute(0);
    }
    gauge!(metric::SCRUB_LAST_PASS_TIMESTAMP_SECONDS).set(0.0);
    gauge!(metric::SCRUB_FAILING_IMAGES).set(0.0);
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("GLANCE_REVERT_COMMIT"));
    gauge!(metric::BUILD_INFO, "version" => version, "commit" => commit).set(1.0);
    gauge!(metric::PROCESS_START_TIME_SECONDS).set(metric::unix_seconds(started));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_set_up_twice_share_one_recorder() {
        let first = init_metrics(Timestamp::default()).unwrap();
        let second = init_metrics(Timestamp::default()).unwrap();
        counter!(metric::REVERTS_TOTAL, "outcome" => "twice").increment(1);
        for handle in [first, second] {
            let text = handle.render();
            assert!(text.contains("glance_revert_reverts_total{outcome=\"twice\"} 1"), "{text}");
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_and_a_help_text() {
        let handle = init_metrics(Timestamp::default()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for (kind, name, help) in metric::ALL {
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
            match kind {
                Kind::Counter => counter!(name).increment(0),
                Kind::Gauge => gauge!(name).increment(0),
                Kind::Histogram => metrics::histogram!(name).record(0.2),
            }
            let line = format!("# HELP {name} {help}");
            assert!(handle.render().contains(&line), "{line}");
        }
    }

    #[test]
    fn the_first_refused_certificate_is_an_increase() {
        let text = init_metrics(Timestamp::default()).unwrap().render();
        let series = format!("\n{}{{outcome=\"refused\"}} ", metric::TLS_RELOADS_TOTAL);
        assert!(text.contains(&series), "{text}");
    }

    #[test]
    fn durations_are_histograms_with_buckets() {
        let handle = init_metrics(Timestamp::default()).unwrap();
        metrics::histogram!(metric::SCRUB_PASS_DURATION_SECONDS).record(0.7);
        let text = handle.render();
        assert!(
            text.contains("glance_revert_scrub_pass_duration_seconds_bucket{le=\"1\"}"),
            "{text}"
        );
    }

    #[test]
    fn a_start_time_keeps_its_milliseconds() {
        let time = chrono::DateTime::from_timestamp_millis(1_795_000_000_250).unwrap();
        assert!((metric::unix_seconds(time.naive_utc()) - 1_795_000_000.25).abs() < 1e-6);
    }
}
