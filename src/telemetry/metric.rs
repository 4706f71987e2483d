//! The names of all metrics. Dashboards and alerts depend on them: a name never changes its
//! meaning, and [`ALL`] describes each one.

use crate::domain::time::Timestamp;

/// Requests answered by the API; labels `operation` (the `operationId`, or `unmatched`), `method`,
/// `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "glance_revert_http_requests_total";
/// Seconds from a request's head to its answer; labels `operation`, `method`.
pub const HTTP_REQUEST_DURATION_SECONDS: &str = "glance_revert_http_request_duration_seconds";
/// Reverts; label `outcome`: `reverted`, `repeated` (an earlier revert's response was returned
/// again), or the `reason` of the error.
pub const REVERTS_TOTAL: &str = "glance_revert_reverts_total";
/// Passes of the scrubber; label `outcome`: `finished`, `interrupted`, `limited`, `paused`, `skipped`,
/// `failed`.
pub const SCRUB_PASSES_TOTAL: &str = "glance_revert_scrub_passes_total";
/// Seconds that a pass took.
pub const SCRUB_PASS_DURATION_SECONDS: &str = "glance_revert_scrub_pass_duration_seconds";
/// When the last pass finished, in Unix seconds; 0 before the first.
pub const SCRUB_LAST_PASS_TIMESTAMP_SECONDS: &str =
    "glance_revert_scrub_last_pass_timestamp_seconds";
/// Images whose last location was scrubbed.
pub const SCRUB_IMAGES_SCRUBBED_TOTAL: &str = "glance_revert_scrub_images_scrubbed_total";
/// Locations whose data a store confirmed to have deleted.
pub const SCRUB_LOCATIONS_DELETED_TOTAL: &str = "glance_revert_scrub_locations_deleted_total";
/// Locations whose data was proved to be absent already.
pub const SCRUB_DATA_GONE_TOTAL: &str = "glance_revert_scrub_data_gone_total";
/// Locations that another process destroyed or settled during a pass: another scrubber is running.
pub const SCRUB_TAKEN_BY_OTHERS_TOTAL: &str = "glance_revert_scrub_taken_by_others_total";
/// Claims released because the store refused and the data is intact.
pub const SCRUB_CLAIMS_RELEASED_TOTAL: &str = "glance_revert_scrub_claims_released_total";
/// Failed attempts to scrub an image; a later pass tries again.
pub const SCRUB_FAILURES_TOTAL: &str = "glance_revert_scrub_failures_total";
/// Alerts raised by passes, such as a store that is not trusted or another scrubber running. Each
/// one needs a person's attention.
pub const SCRUB_ALERTS_TOTAL: &str = "glance_revert_scrub_alerts_total";
/// Images whose last scrub attempt failed and that wait for the next one.
pub const SCRUB_FAILING_IMAGES: &str = "glance_revert_scrub_failing_images";
/// State of this process's scrubber; label `state`: `on`, `off`, `limited`, `scrub_time_unset`,
/// `scrub_time_unknown`, `scrub_time_too_short`. One of them is 1.
pub const SCRUBBER_STATE: &str = "glance_revert_scrubber_state";
/// The `scrub_time` of this process; 0 while nothing is scrubbed.
pub const SCRUB_TIME_SECONDS: &str = "glance_revert_scrub_time_seconds";
/// The longest `scrub_time` used by a pass of any process, until somebody accepts a shorter one; 0
/// before the first pass, and without our own tables.
pub const SCRUB_TIME_IN_FORCE_SECONDS: &str = "glance_revert_scrub_time_in_force_seconds";
/// When the next pass begins, in Unix seconds; absent if none is planned.
pub const SCRUB_NEXT_PASS_TIMESTAMP_SECONDS: &str =
    "glance_revert_scrub_next_pass_timestamp_seconds";
/// Images of the whole database that wait for the scrubber, as for the following metrics.
pub const PENDING_IMAGES: &str = "glance_revert_pending_images";
/// The sum of their sizes.
pub const PENDING_BYTES: &str = "glance_revert_pending_bytes";
/// Those whose `scrub_time` has passed.
pub const DUE_IMAGES: &str = "glance_revert_due_images";
/// The sum of their sizes.
pub const DUE_BYTES: &str = "glance_revert_due_bytes";
/// Those due by the end of that time, or now; label `within`: `1h`, `24h`.
pub const EXPIRING_IMAGES: &str = "glance_revert_expiring_images";
/// The sum of their sizes; label `within`.
pub const EXPIRING_BYTES: &str = "glance_revert_expiring_bytes";
/// Pending images that cannot be reverted, judging by their rows; label `reason` as in error
/// bodies: `image.no_locations`, `image.delete_in_progress`.
pub const UNREVERTIBLE_IMAGES: &str = "glance_revert_unrevertible_images";
/// Whether the scrubber of all processes on the database is paused: 1 or 0.
pub const PAUSED: &str = "glance_revert_paused";
/// When the pause began, in Unix seconds; 0 if not paused.
pub const PAUSE_STARTED_TIMESTAMP_SECONDS: &str = "glance_revert_pause_started_timestamp_seconds";
/// When the pause ends, in Unix seconds; 0 if not paused.
pub const PAUSE_ENDS_TIMESTAMP_SECONDS: &str = "glance_revert_pause_ends_timestamp_seconds";
/// Held images, which no scrubber claims.
pub const HELD_IMAGES: &str = "glance_revert_held_images";
/// Images destroyed within a day without a record of ours: another scrubber is running. Also 0 if
/// that is unknown.
pub const UNRECORDED_SCRUBS: &str = "glance_revert_unrecorded_scrubs";
/// Refused callers; label `reason` as in error bodies, for example `auth.token_invalid`.
pub const AUTH_FAILURES_TOTAL: &str = "glance_revert_auth_failures_total";
/// Failed handshakes; label `reason`: `refused` (by either side), `timeout`, `crowded` (cancelled
/// to make room for newer ones).
pub const TLS_HANDSHAKE_FAILURES_TOTAL: &str = "glance_revert_tls_handshake_failures_total";
/// Changed TLS files; label `outcome`: `taken`, `refused`.
pub const TLS_RELOADS_TOTAL: &str = "glance_revert_tls_reloads_total";
/// When the API's certificate expires, in Unix seconds; only with TLS.
pub const TLS_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS: &str =
    "glance_revert_tls_certificate_expiry_timestamp_seconds";
/// Statements sent to the database, including those of transactions and locks: one round trip each.
pub const DB_STATEMENTS_TOTAL: &str = "glance_revert_db_statements_total";
/// Times that a lock's database session turned out to be another one: a pooler is in transaction
/// mode. Each one needs a person's attention.
pub const LOCK_SESSIONS_LOST_TOTAL: &str = "glance_revert_lock_sessions_lost_total";
/// Fetches of an issuer's keys; labels `issuer` (the section's name), `outcome`: `fetched`,
/// `failed`.
pub const JWKS_FETCHES_TOTAL: &str = "glance_revert_jwks_fetches_total";
/// Time of the last fetch of an issuer's keys, in Unix seconds; label `issuer`. Absent before.
pub const JWKS_LAST_FETCH_TIMESTAMP_SECONDS: &str =
    "glance_revert_jwks_last_fetch_timestamp_seconds";
/// Token reviews by Kubernetes API servers; labels `issuer` (the section's name), `outcome`:
/// `good`, `refused`, `failed`.
pub const TOKEN_REVIEWS_TOTAL: &str = "glance_revert_token_reviews_total";
/// Alerts to the webhook; label `outcome`: `sent`, `failed`, `dropped` (the queue was full).
pub const WEBHOOK_POSTS_TOTAL: &str = "glance_revert_webhook_posts_total";
/// Audit records, one per decision and per destroyed image; labels `operation`, `outcome`.
pub const AUDIT_RECORDS_TOTAL: &str = "glance_revert_audit_records_total";
/// Log lines, including audit records, that could not be written.
pub const LOG_FAILURES_TOTAL: &str = "glance_revert_log_failures_total";
/// When the process started, in Unix seconds; the name is Prometheus's own.
pub const PROCESS_START_TIME_SECONDS: &str = "process_start_time_seconds";
/// Always 1; labels `version` and `commit`, which is empty if unknown at build time.
pub const BUILD_INFO: &str = "glance_revert_build_info";

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only increases.
    Counter,
    /// Can increase and decrease.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// Every metric, with its help text.
pub const ALL: [(Kind, &str, &str); 44] = [
    (Kind::Counter, HTTP_REQUESTS_TOTAL, "Requests answered by the API."),
    (Kind::Histogram, HTTP_REQUEST_DURATION_SECONDS, "Time from a request's head to its answer."),
    (Kind::Counter, REVERTS_TOTAL, "Reverts requested, by outcome."),
    (Kind::Counter, SCRUB_PASSES_TOTAL, "Passes of the scrubber, by outcome."),
    (Kind::Histogram, SCRUB_PASS_DURATION_SECONDS, "Time that a pass of the scrubber took."),
    (Kind::Gauge, SCRUB_LAST_PASS_TIMESTAMP_SECONDS, "When the last pass finished; 0 for never."),
    (Kind::Counter, SCRUB_IMAGES_SCRUBBED_TOTAL, "Images whose last location was scrubbed."),
    (Kind::Counter, SCRUB_LOCATIONS_DELETED_TOTAL, "Locations whose data was deleted."),
    (Kind::Counter, SCRUB_DATA_GONE_TOTAL, "Locations whose data was already absent."),
    (
        Kind::Counter,
        SCRUB_TAKEN_BY_OTHERS_TOTAL,
        "Locations that another process destroyed or settled during a pass.",
    ),
    (
        Kind::Counter,
        SCRUB_CLAIMS_RELEASED_TOTAL,
        "Claims released because the store refused and the data is intact.",
    ),
    (Kind::Counter, SCRUB_FAILURES_TOTAL, "Failed attempts to scrub an image."),
    (
        Kind::Counter,
        SCRUB_ALERTS_TOTAL,
        "Alerts raised by passes: a store that is not trusted, another scrubber running.",
    ),
    (Kind::Gauge, SCRUB_FAILING_IMAGES, "Images whose last attempt failed."),
    (Kind::Gauge, SCRUBBER_STATE, "State of this process's scrubber: one state is 1."),
    (
        Kind::Gauge,
        SCRUB_TIME_SECONDS,
        "The scrub_time of this process; 0 while nothing is scrubbed.",
    ),
    (
        Kind::Gauge,
        SCRUB_TIME_IN_FORCE_SECONDS,
        "The longest scrub_time used by a pass of any process.",
    ),
    (Kind::Gauge, SCRUB_NEXT_PASS_TIMESTAMP_SECONDS, "When the next pass begins."),
    (Kind::Gauge, PENDING_IMAGES, "Images that wait for the scrubber."),
    (Kind::Gauge, PENDING_BYTES, "The sum of their sizes."),
    (
        Kind::Gauge,
        DUE_IMAGES,
        "Pending images whose scrub_time, or that of their retention rule, has passed.",
    ),
    (Kind::Gauge, DUE_BYTES, "The sum of their sizes."),
    (Kind::Gauge, EXPIRING_IMAGES, "Pending images that will be due within that time."),
    (Kind::Gauge, EXPIRING_BYTES, "The sum of their sizes."),
    (Kind::Gauge, UNREVERTIBLE_IMAGES, "Pending images that cannot be reverted, by reason."),
    (Kind::Gauge, PAUSED, "Whether the scrubber of all processes on the database is paused."),
    (
        Kind::Gauge,
        PAUSE_STARTED_TIMESTAMP_SECONDS,
        "When the pause began, in Unix seconds; 0 if not paused.",
    ),
    (
        Kind::Gauge,
        PAUSE_ENDS_TIMESTAMP_SECONDS,
        "When the pause ends, in Unix seconds; 0 if not paused.",
    ),
    (Kind::Gauge, HELD_IMAGES, "Images that are held."),
    (
        Kind::Gauge,
        UNRECORDED_SCRUBS,
        "Images destroyed within a day without a record of this service.",
    ),
    (Kind::Counter, AUTH_FAILURES_TOTAL, "Refused callers, by reason."),
    (Kind::Counter, TLS_HANDSHAKE_FAILURES_TOTAL, "TLS handshakes that failed, by reason."),
    (Kind::Counter, TLS_RELOADS_TOTAL, "Changed TLS files, by outcome."),
    (
        Kind::Gauge,
        TLS_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS,
        "When the API's certificate expires, in Unix seconds.",
    ),
    (Kind::Counter, DB_STATEMENTS_TOTAL, "Statements sent to the database."),
    (
        Kind::Counter,
        LOCK_SESSIONS_LOST_TOTAL,
        "How often the database session of the advisory locks changed. Needs a person.",
    ),
    (Kind::Counter, JWKS_FETCHES_TOTAL, "Fetches of an issuer's keys, by outcome."),
    (Kind::Gauge, JWKS_LAST_FETCH_TIMESTAMP_SECONDS, "When an issuer's keys were last fetched."),
    (Kind::Counter, TOKEN_REVIEWS_TOTAL, "Token reviews by Kubernetes API servers, by outcome."),
    (Kind::Counter, WEBHOOK_POSTS_TOTAL, "Alerts to the webhook, by outcome."),
    (Kind::Counter, AUDIT_RECORDS_TOTAL, "Audit records, by operation and outcome."),
    (Kind::Counter, LOG_FAILURES_TOTAL, "Log lines that could not be written."),
    (Kind::Gauge, PROCESS_START_TIME_SECONDS, "When the process started, in Unix seconds."),
    (Kind::Gauge, BUILD_INFO, "Always 1, labelled with version and commit."),
];

/// A time in Unix seconds.
#[expect(clippy::cast_precision_loss, reason = "exact until the year 285 million")]
pub fn unix_seconds(time: Timestamp) -> f64 {
    time.and_utc().timestamp_millis() as f64 / 1000.0
}

/// Outcomes of [`TLS_RELOADS_TOTAL`], all of them set to 0 at start.
pub(super) const TLS_RELOAD_OUTCOMES: [&str; 2] = ["taken", "refused"];

/// Metrics without labels that are set to 0 at start, so that the first event changes a rate.
pub(super) const FROM_ZERO: [&str; 8] = [
    SCRUB_IMAGES_SCRUBBED_TOTAL,
    SCRUB_LOCATIONS_DELETED_TOTAL,
    SCRUB_DATA_GONE_TOTAL,
    SCRUB_TAKEN_BY_OTHERS_TOTAL,
    SCRUB_CLAIMS_RELEASED_TOTAL,
    SCRUB_FAILURES_TOTAL,
    SCRUB_ALERTS_TOTAL,
    LOG_FAILURES_TOTAL,
];
