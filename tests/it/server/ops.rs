//! Probes and metrics, with a database that can be made to fail.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::to_bytes;
use axum::http::{Request, StatusCode, header::CONTENT_TYPE};
use glance_revert::config::{Config, Environment, Sources};
use glance_revert::domain::repo::{DatabaseHealth, RepoError};
use glance_revert::domain::tables::TablesState;
use glance_revert::domain::time::{Clock, SystemClock};
use glance_revert::server::ops;
use glance_revert::telemetry::init_metrics;
use glance_revert::worker::status::Status;
use tokio::time::{Instant, advance, sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::fake_tables::FakeTables;

#[derive(Debug, Clone, Copy)]
enum Database {
    Answers,
    Fails,
    Hangs,
    /// A full rehearsal takes long.
    Slow,
}

/// A database that only answers pings.
#[derive(Debug)]
struct PingDatabase {
    database: Mutex<Database>,
    pings: Mutex<usize>,
}

#[async_trait]
impl DatabaseHealth for PingDatabase {
    async fn ping(&self) -> Result<(), RepoError> {
        *self.pings.lock().unwrap() += 1;
        let database = *self.database.lock().unwrap();
        match database {
            Database::Answers | Database::Slow => Ok(()),
            Database::Fails => Err(RepoError::Unavailable("secret-host:3306".to_owned())),
            Database::Hangs => std::future::pending().await,
        }
    }

    async fn rehearse(&self) -> Result<(), RepoError> {
        if matches!(*self.database.lock().unwrap(), Database::Slow) {
            sleep(Duration::from_secs(7)).await;
        }
        self.ping().await
    }
}

struct Ops {
    router: Router,
    database: Arc<PingDatabase>,
    tables: Arc<FakeTables>,
    draining: CancellationToken,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

impl Ops {
    fn with(database: Database) -> Self {
        Self::configured(database, "[DEFAULT]\nscrub_time = 604800\n")
    }

    fn configured(database: Database, text: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("glance.conf");
        std::fs::write(&file, format!("[database]\nconnection = sqlite:////x\n{text}")).unwrap();
        let environment = Environment::default();
        let sources = Sources { config_files: vec![file], environment, ..Sources::default() };
        let config = Config::load(&sources).unwrap();
        let database = PingDatabase { database: Mutex::new(database), pings: Mutex::new(0) };
        let database = Arc::new(database);
        let draining = CancellationToken::new();
        let metrics = init_metrics(SystemClock.now()).unwrap();
        let status = Arc::new(Status::of(&config));
        let tables = Arc::new(FakeTables::default());
        let router = ops::router(
            Arc::clone(&database) as _,
            Arc::clone(&tables) as _,
            draining.clone(),
            metrics,
            status,
        );
        Self { router, database, tables, draining }
    }

    fn set(&self, database: Database) {
        *self.database.database.lock().unwrap() = database;
    }

    fn pings(&self) -> usize {
        *self.database.pings.lock().unwrap()
    }

    async fn call(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).body(String::new()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let content_type = response
            .headers()
            .get(CONTENT_TYPE)
            .map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Answer { status, content_type, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }
}

/// A rehearsal has many statements, each of which takes a while here.
#[tokio::test(start_paused = true)]
async fn a_rehearsal_that_takes_longer_than_a_probe_still_makes_ready() {
    let ops = Ops::with(Database::Slow);
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(ops.get("/readyz").await.status.as_u16());
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(answers, [503, 503, 200, 200, 200]);
}

#[tokio::test]
async fn a_database_that_answers_makes_ready() {
    let ops = Ops::with(Database::Answers);
    let ready = ops.get("/readyz").await;
    assert_eq!((ready.status, ready.content_type.as_str()), (StatusCode::OK, "application/json"));
    let body: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    let expected = serde_json::json!(
        {"ready": true, "checks": {"database": true, "draining": false}, "scrubber": "on",
         "tables": "missing"}
    );
    assert_eq!(body, expected);
    let health = ops.get("/healthcheck").await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::OK, "OK"));
    assert!(health.content_type.starts_with("text/plain"), "{}", health.content_type);
}

#[tokio::test]
async fn readiness_says_why_nothing_is_scrubbed_and_stays() {
    for (text, word) in [
        ("", "scrub_time_unset"),
        ("[DEFAULT]\nscrub_tme = 604800\n", "scrub_time_unset"),
        ("[DEFAULT]\nscrub_time = 60\n", "scrub_time_too_short"),
        ("[DEFAULT]\nscrub_time = 7200\n[revert]\nscrubber = false\n", "off"),
    ] {
        let ready = Ops::configured(Database::Answers, text).get("/readyz").await;
        assert_eq!(ready.status, StatusCode::OK, "{text}");
        let body: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
        assert_eq!(body["scrubber"], word, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_says_how_our_own_tables_are_and_stays() {
    let ops = Ops::with(Database::Answers);
    for (state, word) in [
        (TablesState::Missing, "missing"),
        (TablesState::Unusable("no grant for glance@10.0.0.9".to_owned()), "unusable"),
        (TablesState::Present, "present"),
    ] {
        ops.tables.set(state);
        advance(Duration::from_millis(1100)).await;
        let ready = ops.get("/readyz").await;
        assert_eq!(ready.status, StatusCode::OK, "{word}");
        let body: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
        assert_eq!(body["tables"], word);
    }
}

#[tokio::test]
async fn a_failing_database_makes_unready_without_showing_its_address() {
    let ops = Ops::with(Database::Fails);
    for path in ["/readyz", "/healthcheck"] {
        let answer = ops.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!answer.body.contains("secret-host"), "{}", answer.body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_database_makes_unready_after_two_seconds() {
    let ops = Ops::with(Database::Hangs);
    let started = Instant::now();
    assert_eq!(ops.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn concurrent_probes_share_one_ping() {
    let ops = Ops::with(Database::Hangs);
    let (one, two) = tokio::join!(ops.get("/readyz"), ops.get("/healthcheck"));
    assert_eq!((one.status, two.status), (StatusCode::SERVICE_UNAVAILABLE, one.status));
    assert_eq!(ops.pings(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_database_is_good_for_a_second() {
    let ops = Ops::with(Database::Answers);
    assert_eq!(ops.get("/readyz").await.status, StatusCode::OK);
    ops.set(Database::Fails);
    advance(Duration::from_millis(900)).await;
    assert_eq!(ops.get("/readyz").await.status, StatusCode::OK);
    advance(Duration::from_millis(200)).await;
    assert_eq!(ops.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    ops.set(Database::Answers);
    advance(Duration::from_millis(1100)).await;
    assert_eq!(ops.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(ops.pings(), 3);
}

#[tokio::test]
async fn a_process_that_shuts_down_is_alive_but_not_ready() {
    let ops = Ops::with(Database::Answers);
    ops.draining.cancel();
    let ready = ops.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.body.contains(r#""draining":true"#), "{}", ready.body);
    assert_eq!(ops.get("/healthcheck").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ops.get("/livez").await.status, StatusCode::OK);
}

#[tokio::test]
async fn livez_never_looks_at_the_database() {
    let ops = Ops::with(Database::Fails);
    let live = ops.get("/livez").await;
    assert_eq!((live.status, live.body.as_str()), (StatusCode::OK, "ok"));
    assert_eq!(ops.pings(), 0);
}

#[tokio::test]
async fn metrics_are_prometheus_text_with_build_and_start_time() {
    let answer = Ops::with(Database::Answers).get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let build = format!(
        "glance_revert_build_info{{version=\"{}\",commit=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION"),
        env!("GLANCE_REVERT_COMMIT"),
    );
    assert!(answer.body.contains(&build), "{}", answer.body);
    assert!(answer.body.contains("\nprocess_start_time_seconds 1"), "{}", answer.body);
    assert!(answer.body.contains("\nglance_revert_scrub_alerts_total "), "{}", answer.body);
}

#[tokio::test]
async fn other_paths_are_404_and_other_methods_405() {
    let ops = Ops::with(Database::Answers);
    assert_eq!(ops.get("/v2/images").await.status, StatusCode::NOT_FOUND);
    for path in ["/livez", "/readyz", "/healthcheck", "/metrics"] {
        assert_eq!(ops.call("POST", path).await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}
