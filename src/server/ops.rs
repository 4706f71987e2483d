//! The ops listener: probes and metrics, without authentication, so on loopback by default.

mod readiness;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use self::readiness::Readiness;
use crate::api::headers;
use crate::domain::repo::DatabaseHealth;
use crate::domain::tables::{OwnTables, TablesState};
use crate::worker::status::Status;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Media type of the Prometheus text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Clone)]
struct OpsState {
    readiness: Arc<Readiness>,
    metrics: PrometheusHandle,
    scrubber: Arc<Status>,
}

/// The routes of the ops listener.
///
/// * `/livez`: 200 while the process responds; does not check the database, since a restart would
///   not repair it.
/// * `/readyz`: 200, or 503 if the database does not answer or `draining` is cancelled. Also shows
///   the scrubber's state and whether our own tables exist; neither affects readiness, since reverts
///   must always be possible.
/// * `/healthcheck`: the same in the format of oslo.middleware's healthcheck.
/// * `/metrics`: Prometheus text.
///
/// The database is pinged at most once a second, however many probes there are, with a time-out of
/// two seconds: give probes a time-out of at least three.
pub fn router(
    database: Arc<dyn DatabaseHealth>,
    tables: Arc<dyn OwnTables>,
    draining: CancellationToken,
    metrics: PrometheusHandle,
    scrubber: Arc<Status>,
) -> Router {
    let readiness = Arc::new(Readiness::new(database, tables, draining));
    Router::new()
        .route("/livez", get(async || answer(StatusCode::OK, TEXT, "ok")))
        .route("/readyz", get(readyz))
        .route("/healthcheck", get(healthcheck))
        .route("/metrics", get(scrape))
        .layer(map_response(guarded))
        .with_state(OpsState { readiness, metrics, scrubber })
}

async fn guarded(mut response: Response) -> Response {
    headers::guard(response.headers_mut(), false);
    response
}

async fn readyz(State(state): State<OpsState>) -> Response {
    let checks = state.readiness.checks().await;
    let body = serde_json::json!({
        "ready": checks.ready(),
        "checks": { "database": checks.database, "draining": checks.draining },
        "scrubber": state.scrubber.get().word(),
        "tables": checks.tables.as_ref().map(TablesState::word),
    });
    answer(status(checks.ready()), JSON, body.to_string())
}

async fn healthcheck(State(state): State<OpsState>) -> Response {
    let checks = state.readiness.checks().await;
    let word = if checks.draining {
        "DRAINING"
    } else if checks.database {
        "OK"
    } else {
        "DATABASE UNAVAILABLE"
    };
    answer(status(checks.ready()), TEXT, word)
}

async fn scrape(State(state): State<OpsState>) -> Response {
    answer(StatusCode::OK, PROMETHEUS, state.metrics.render())
}

fn status(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn answer(status: StatusCode, content_type: &'static str, body: impl IntoResponse) -> Response {
    (status, [(CONTENT_TYPE, content_type)], body).into_response()
}
