//! The names of all metrics. Dashboards and alerts are built on them: a name never changes its
//! meaning, and each one is described in [`ALL`].

use crate::domain::time::Timestamp;

/// Requests answered by the API; labels `operation` (the `operationId`, or `unmatched`), `method`,
/// `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "glance_revert_http_requests_total";
/// Seconds from a request's head to its answer; labels `operation`, `method`.
pub const HTTP_REQUEST_DURATION_SECONDS: &str = "glance_revert_http_request_duration_seconds";
/// Reverts asked for; label `outcome`: `reverted`, `repeated` (the answer of an earlier one was given
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
/// Locations that somebody else destroyed or settled while a pass had them: another scrubber at work.
pub const SCRUB_TAKEN_BY_OTHERS_TOTAL: &str = "glance_revert_scrub_taken_by_others_total";
/// Claims released because the store refused with the data intact.
pub const SCRUB_CLAIMS_RELEASED_TOTAL: &str = "glance_revert_scrub_claims_released_total";
/// Attempts to scrub an image that failed; a later pass tries again.
pub const SCRUB_FAILURES_TOTAL: &str = "glance_revert_scrub_failures_total";
/// Alerts of passes: a store that is not believed, another scrubber at work. Each one wants a person
/// to look.
pub const SCRUB_ALERTS_TOTAL: &str = "glance_revert_scrub_alerts_total";
/// Images whose last attempt failed and that wait for the next one.
pub const SCRUB_FAILING_IMAGES: &str = "glance_revert_scrub_failing_images";
/// What the scrubber of this process is at; label `state`: `on`, `off`, `limited`,
/// `scrub_time_unset`, `scrub_time_too_short`. One of them is 1.
pub const SCRUBBER_STATE: &str = "glance_revert_scrubber_state";
/// The `scrub_time` of this process; 0 while nothing is scrubbed.
pub const SCRUB_TIME_SECONDS: &str = "glance_revert_scrub_time_seconds";
/// The longest `scrub_time` that a pass of any process went by, until somebody accepts a shorter one; 0
/// before the first pass, and without our own tables.
pub const SCRUB_TIME_IN_FORCE_SECONDS: &str = "glance_revert_scrub_time_in_force_seconds";
/// When the next pass begins, in Unix seconds; absent where none runs.
pub const SCRUB_NEXT_PASS_TIMESTAMP_SECONDS: &str =
    "glance_revert_scrub_next_pass_timestamp_seconds";
/// Images that are `pending_delete`; of the whole database, as are the following.
pub const PENDING_IMAGES: &str = "glance_revert_pending_images";
/// The sum of their sizes.
pub const PENDING_BYTES: &str = "glance_revert_pending_bytes";
/// Those of them whose `scrub_time` has passed.
pub const DUE_IMAGES: &str = "glance_revert_due_images";
/// The sum of their sizes.
pub const DUE_BYTES: &str = "glance_revert_due_bytes";
/// Those that are due by the end of a time to come, or now; label `within`: `1h`, `24h`.
pub const EXPIRING_IMAGES: &str = "glance_revert_expiring_images";
/// The sum of their sizes; label `within`.
pub const EXPIRING_BYTES: &str = "glance_revert_expiring_bytes";
/// Pending images that cannot be reverted, as far as rows tell; label `reason` as in the answer's
/// body: `image.no_locations`, `image.delete_in_progress`.
pub const UNREVERTIBLE_IMAGES: &str = "glance_revert_unrevertible_images";
/// Whether the scrubber of all processes on the database is paused: 1 or 0.
pub const PAUSED: &str = "glance_revert_paused";
/// Since when it is, in Unix seconds; 0 while it is not.
pub const PAUSE_STARTED_TIMESTAMP_SECONDS: &str = "glance_revert_pause_started_timestamp_seconds";
/// When that ends, in Unix seconds; 0 while it is not.
pub const PAUSE_ENDS_TIMESTAMP_SECONDS: &str = "glance_revert_pause_ends_timestamp_seconds";
/// Images that are held: no scrubber claims them.
pub const HELD_IMAGES: &str = "glance_revert_held_images";
/// Images that were destroyed within a day without a record of ours: another scrubber at work. 0 also
/// where that cannot be told.
pub const UNRECORDED_SCRUBS: &str = "glance_revert_unrecorded_scrubs";
/// Callers turned away; label `reason` as in the answer's body, `auth.token_invalid` for example.
pub const AUTH_FAILURES_TOTAL: &str = "glance_revert_auth_failures_total";
/// Handshakes that did not end in a connection; label `reason`: `refused` (by one of the two),
/// `timeout`, `crowded` (ousted by newer ones).
pub const TLS_HANDSHAKE_FAILURES_TOTAL: &str = "glance_revert_tls_handshake_failures_total";
/// New versions of the TLS files; label `outcome`: `taken`, `refused`.
pub const TLS_RELOADS_TOTAL: &str = "glance_revert_tls_reloads_total";
/// When the API's certificate expires, in Unix seconds; only with TLS.
pub const TLS_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS: &str =
    "glance_revert_tls_certificate_expiry_timestamp_seconds";
/// Statements sent to the database, those of transactions and locks among them: one round trip
/// each.
pub const DB_STATEMENTS_TOTAL: &str = "glance_revert_db_statements_total";
/// Times that a lock's database session was found to be another one: a pooler is in transaction mode.
/// Each one wants a person to look.
pub const LOCK_SESSIONS_LOST_TOTAL: &str = "glance_revert_lock_sessions_lost_total";
/// Fetches of an issuer's keys; labels `issuer` (the section's name), `outcome`: `fetched`,
/// `failed`.
pub const JWKS_FETCHES_TOTAL: &str = "glance_revert_jwks_fetches_total";
/// When an issuer's keys were last fetched, in Unix seconds; label `issuer`. Absent before.
pub const JWKS_LAST_FETCH_TIMESTAMP_SECONDS: &str =
    "glance_revert_jwks_last_fetch_timestamp_seconds";
/// Questions about tokens to Kubernetes API servers; labels `issuer` (the section's name),
/// `outcome`: `good`, `refused`, `failed`.
pub const TOKEN_REVIEWS_TOTAL: &str = "glance_revert_token_reviews_total";
/// Alerts to the webhook; label `outcome`: `sent`, `failed`, `dropped` (others waited before it).
pub const WEBHOOK_POSTS_TOTAL: &str = "glance_revert_webhook_posts_total";
/// Audit records, one for each decision and for each destroyed image; labels `operation`, `outcome`.
pub const AUDIT_RECORDS_TOTAL: &str = "glance_revert_audit_records_total";
/// Log lines, audit records among them, that could not be written.
pub const LOG_FAILURES_TOTAL: &str = "glance_revert_log_failures_total";
/// When the process started, in Unix seconds; the name is Prometheus's own.
pub const PROCESS_START_TIME_SECONDS: &str = "process_start_time_seconds";
/// Always 1; labels `version` and `commit`, which is empty where the build did not know it.
pub const BUILD_INFO: &str = "glance_revert_build_info";

/// What a metric is, for its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// Every metric, with its help text.
pub const ALL: [(Kind, &str, &str); 44] = [
    (Kind::Counter, HTTP_REQUESTS_TOTAL, "Requests answered by the API."),
    (Kind::Histogram, HTTP_REQUEST_DURATION_SECONDS, "Time from a request's head to its answer."),
    (Kind::Counter, REVERTS_TOTAL, "Reverts asked for, by outcome."),
    (Kind::Counter, SCRUB_PASSES_TOTAL, "Passes of the scrubber, by outcome."),
    (Kind::Histogram, SCRUB_PASS_DURATION_SECONDS, "Time that a pass of the scrubber took."),
    (Kind::Gauge, SCRUB_LAST_PASS_TIMESTAMP_SECONDS, "When the last pass finished; 0 for never."),
    (Kind::Counter, SCRUB_IMAGES_SCRUBBED_TOTAL, "Images whose last location was scrubbed."),
    (Kind::Counter, SCRUB_LOCATIONS_DELETED_TOTAL, "Locations whose data was deleted."),
    (Kind::Counter, SCRUB_DATA_GONE_TOTAL, "Locations whose data was absent already."),
    (
        Kind::Counter,
        SCRUB_TAKEN_BY_OTHERS_TOTAL,
        "Locations that somebody else destroyed or settled while a pass had them.",
    ),
    (
        Kind::Counter,
        SCRUB_CLAIMS_RELEASED_TOTAL,
        "Claims released: images whose data no store has touched.",
    ),
    (Kind::Counter, SCRUB_FAILURES_TOTAL, "Attempts to scrub an image that failed."),
    (
        Kind::Counter,
        SCRUB_ALERTS_TOTAL,
        "Alerts of passes: a store that is not believed, another scrubber at work.",
    ),
    (Kind::Gauge, SCRUB_FAILING_IMAGES, "Images whose last attempt failed."),
    (Kind::Gauge, SCRUBBER_STATE, "What the scrubber of this process is at: one state is 1."),
    (
        Kind::Gauge,
        SCRUB_TIME_SECONDS,
        "The scrub_time of this process; 0 while nothing is scrubbed.",
    ),
    (
        Kind::Gauge,
        SCRUB_TIME_IN_FORCE_SECONDS,
        "The longest scrub_time that a pass of any process went by.",
    ),
    (Kind::Gauge, SCRUB_NEXT_PASS_TIMESTAMP_SECONDS, "When the next pass begins."),
    (Kind::Gauge, PENDING_IMAGES, "Images that are pending_delete."),
    (Kind::Gauge, PENDING_BYTES, "The sum of their sizes."),
    (Kind::Gauge, DUE_IMAGES, "Pending images whose scrub_time has passed."),
    (Kind::Gauge, DUE_BYTES, "The sum of their sizes."),
    (Kind::Gauge, EXPIRING_IMAGES, "Pending images that will be due by then."),
    (Kind::Gauge, EXPIRING_BYTES, "The sum of their sizes."),
    (Kind::Gauge, UNREVERTIBLE_IMAGES, "Pending images that cannot be reverted, by reason."),
    (Kind::Gauge, PAUSED, "Whether the scrubber of all processes on the database is paused."),
    (
        Kind::Gauge,
        PAUSE_STARTED_TIMESTAMP_SECONDS,
        "Since when it is paused, in Unix seconds; 0 while it is not.",
    ),
    (
        Kind::Gauge,
        PAUSE_ENDS_TIMESTAMP_SECONDS,
        "When the pause ends, in Unix seconds; 0 while there is none.",
    ),
    (Kind::Gauge, HELD_IMAGES, "Images that are held."),
    (
        Kind::Gauge,
        UNRECORDED_SCRUBS,
        "Images that were destroyed within a day without a record of this service.",
    ),
    (Kind::Counter, AUTH_FAILURES_TOTAL, "Callers turned away, by reason."),
    (Kind::Counter, TLS_HANDSHAKE_FAILURES_TOTAL, "TLS handshakes that failed, by reason."),
    (Kind::Counter, TLS_RELOADS_TOTAL, "New versions of the TLS files, by outcome."),
    (
        Kind::Gauge,
        TLS_CERTIFICATE_EXPIRY_TIMESTAMP_SECONDS,
        "When the API's certificate expires, in Unix seconds.",
    ),
    (Kind::Counter, DB_STATEMENTS_TOTAL, "Statements sent to the database."),
    (
        Kind::Counter,
        LOCK_SESSIONS_LOST_TOTAL,
        "Times that the database session of the advisory locks was found to be another one. Each one wants a \
         person to look.",
    ),
    (Kind::Counter, JWKS_FETCHES_TOTAL, "Fetches of an issuer's keys, by outcome."),
    (Kind::Gauge, JWKS_LAST_FETCH_TIMESTAMP_SECONDS, "When an issuer's keys were last fetched."),
    (Kind::Counter, TOKEN_REVIEWS_TOTAL, "Questions to Kubernetes API servers, by outcome."),
    (Kind::Counter, WEBHOOK_POSTS_TOTAL, "Alerts to the webhook, by outcome."),
    (Kind::Counter, AUDIT_RECORDS_TOTAL, "Audit records, by operation and outcome."),
    (Kind::Counter, LOG_FAILURES_TOTAL, "Log lines that could not be written."),
    (Kind::Gauge, PROCESS_START_TIME_SECONDS, "When the process started, in Unix seconds."),
    (Kind::Gauge, BUILD_INFO, "Always 1, labelled with version and commit."),
];

/// A time as metrics have it.
#[expect(clippy::cast_precision_loss, reason = "exact until the year 285 million")]
pub fn unix_seconds(time: Timestamp) -> f64 {
    time.and_utc().timestamp_millis() as f64 / 1000.0
}

/// Outcomes of [`TLS_RELOADS_TOTAL`], all of them set to 0 at start.
pub(super) const TLS_RELOAD_OUTCOMES: [&str; 2] = ["taken", "refused"];

/// Metrics without labels, set to 0 at start, so that a rate can be taken from the first event on.
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
