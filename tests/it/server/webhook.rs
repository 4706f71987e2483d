//! Alerts to the webhook: signed, sent once, and never blocking.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use glance_revert::domain::time::{Clock, SystemClock};
use reqwest::StatusCode as Status;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::binary::ConfigFile;
use crate::support::canary::{WEBHOOK_PATH, WEBHOOK_SECRET};
use crate::support::crowd::{LONG_AGO, ids};
use crate::support::daemon::{Service, Setup, until};
use crate::support::database::Kind;
use crate::support::world::World;

/// The received requests.
type Posts = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver of alerts on loopback.
#[derive(Debug, Clone)]
struct Receiver {
    posts: Posts,
    answer: StatusCode,
    /// How long it waits before it answers.
    delay: Duration,
}

impl Receiver {
    /// Starts listening; returns its URL.
    async fn listen(answer: StatusCode, delay: Duration) -> (Self, String) {
        let receiver = Self { posts: Posts::default(), answer, delay };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{WEBHOOK_PATH}", listener.local_addr().unwrap());
        let take = async |State(receiver): State<Self>, headers: HeaderMap, body: Bytes| {
            receiver.posts.lock().unwrap().push((headers, body));
            tokio::time::sleep(receiver.delay).await;
            receiver.answer
        };
        let router = Router::new().route(&format!("/{WEBHOOK_PATH}"), post(take));
        let router = router.with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn count(&self) -> usize {
        self.posts.lock().unwrap().len()
    }

    /// The first alert of a kind, after a check of its signature.
    async fn received(&self, event: &str) -> Value {
        let (headers, body) = until(event, async || {
            let posts = self.posts.lock().unwrap();
            posts.iter().find(|(headers, _)| headers["x-glance-revert-event"] == event).cloned()
        })
        .await;
        let signature = headers["x-glance-revert-signature"].to_str().unwrap();
        let signature = hex::decode(signature.strip_prefix("sha256=").unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, WEBHOOK_SECRET.as_bytes());
        hmac::verify(&key, &body, &signature).unwrap();
        assert_eq!(headers["content-type"], "application/json");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(headers["x-glance-revert-id"], body["id"].as_str().unwrap());
        assert_eq!(body["event"], event);
        body
    }
}

/// A service with five images more than a pass may destroy.
async fn started(url: &str, more: &str) -> (World, Service, Setup) {
    let (world, setup) = limited(url, more).await;
    let service = setup.serve().await;
    (world, service, setup)
}

/// The same without the service.
async fn limited(url: &str, more: &str) -> (World, Setup) {
    let world = World::with_tables(Kind::Sqlite).await;
    world.crowd(&ids("old", 5), LONG_AGO).await;
    let secret = world.datadir().parent().unwrap().join("webhook-secret");
    std::fs::write(&secret, format!("{WEBHOOK_SECRET}\n")).unwrap();
    let options = format!(
        "alert_webhook = {url}\nalert_webhook_secret_file = {}\nmax_images_per_pass = 2\n{more}",
        secret.display()
    );
    let setup = Setup::new(&world, &world.db.url(), &options);
    (world, setup)
}

#[tokio::test]
async fn an_exceeded_limit_is_posted_once_with_a_signature() {
    let (receiver, url) = Receiver::listen(StatusCode::NO_CONTENT, Duration::ZERO).await;
    let (_world, service, _setup) = started(&url, "").await;
    let alert = receiver.received("scrub_limited").await;
    let day = SystemClock.now().format("%Y-%m-%d").to_string();
    assert_eq!(alert["id"], format!("scrub_limited-{day}"));
    assert_eq!(
        alert["details"],
        json!({"images": 5, "bytes": 5 * "the bytes of old-0000".len(), "lowered_images": 0})
    );
    assert!(alert["message"].as_str().unwrap().contains("max_images_per_pass = 2"), "{alert}");
    assert_eq!(alert["runbook"], "docs/alerts.md#glancerevertscrublimited");
    let sent: chrono::DateTime<chrono::Utc> = alert["sent_at"].as_str().unwrap().parse().unwrap();
    assert!((SystemClock.now() - sent.naive_utc()).num_minutes() < 5, "no replay: {alert}");
    let passes = async || service.text("/metrics").await.matches("outcome=\"limited\"").count();
    until("a pass more", async || (passes().await > 0).then_some(())).await;
    let sum = "glance_revert_webhook_posts_total{outcome=\"sent\"}";
    assert_eq!((service.metric(sum).await, receiver.count()), (1.0, 1), "once");
    for secret in [WEBHOOK_SECRET, WEBHOOK_PATH] {
        assert!(!service.log().contains(secret), "the log has {secret}");
    }
}

/// As if run by cron, without a service that scrubs.
#[tokio::test]
async fn a_pass_of_the_command_line_that_was_refused_is_posted_until_one_goes_through() {
    let (receiver, url) = Receiver::listen(StatusCode::NO_CONTENT, Duration::ZERO).await;
    let (world, setup) = limited(&url, "").await;
    for _ in 0..2 {
        let refused = setup.run(&["scrub"]).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    }
    let alert = receiver.received("scrub_limited").await;
    assert_eq!(alert["details"]["images"], 5, "{alert}");
    assert_eq!(receiver.count(), 1, "it lasts, and was told");
    assert!(setup.run(&["scrub", "--accept", "5"]).await.status.success());
    world.crowd(&ids("more", 3), LONG_AGO).await;
    assert_eq!(setup.run(&["scrub"]).await.status.code(), Some(1));
    assert_eq!((receiver.count(), world.files()), (2, 3), "another one");
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_delays_the_command_line_for_seconds() {
    let (receiver, url) = Receiver::listen(StatusCode::OK, Duration::from_hours(1)).await;
    let (_world, setup) = limited(&url, "").await;
    let began = Instant::now();
    let refused = setup.run(&["scrub"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("the webhook did not accept the alert in time"), "{said}");
    assert!(receiver.count() > 0 && began.elapsed() < Duration::from_secs(30), "{began:?}");
    assert!(!said.contains(WEBHOOK_PATH), "{said}");
}

#[tokio::test]
async fn a_mass_deletion_and_a_pause_that_ends_soon_are_posted() {
    let (receiver, url) = Receiver::listen(StatusCode::OK, Duration::ZERO).await;
    let world = World::with_tables(Kind::Sqlite).await;
    let now = SystemClock.now().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    world.crowd(&ids("new", 4), &now).await;
    let secret = world.datadir().parent().unwrap().join("webhook-secret");
    std::fs::write(&secret, WEBHOOK_SECRET).unwrap();
    let options = format!(
        "alert_webhook = {url}\nalert_webhook_secret_file = {}\nalert_webhook_images = 3",
        secret.display()
    );
    let setup = Setup::new(&world, &world.db.url(), &options);
    let paused = setup.run(&["pause", "--for", "30m", "--reason", "by mistake"]).await;
    assert!(paused.status.success(), "{paused:?}");
    let _service = setup.serve().await;
    let deletion = receiver.received("mass_deletion").await;
    assert_eq!(deletion["details"]["images"], 4, "{deletion}");
    let pause = receiver.received("pause_ends_soon").await;
    assert_eq!(pause["details"]["reason"], "by mistake", "{pause}");
    let until = pause["details"]["until"].as_str().unwrap();
    assert_eq!(pause["id"], format!("pause_ends_soon-{until}"));
    assert_eq!(world.files(), 4);
}

#[tokio::test]
async fn a_silent_receiver_delays_no_pass_no_revert_and_no_shutdown() {
    let (receiver, url) = Receiver::listen(StatusCode::OK, Duration::from_hours(1)).await;
    let (world, mut service, setup) = started(&url, "").await;
    receiver.received("scrub_limited").await;
    let began = Instant::now();
    assert_eq!(service.revert("old-0000").await.unwrap().status(), Status::OK);
    let accepted = setup.run(&["scrub", "--accept", "4"]).await;
    assert!(accepted.status.success(), "{accepted:?}");
    assert_eq!(world.files(), 1);
    world.crowd(&ids("more", 1), LONG_AGO).await;
    until("the next pass", async || (!world.has_data("more-0000")).then_some(())).await;
    service.terminate().await;
    assert!(service.ended().await.success());
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_failing_receiver_gets_a_few_retries_and_a_log_line() {
    let (broken, url) = Receiver::listen(StatusCode::BAD_GATEWAY, Duration::ZERO).await;
    let (gone, nowhere) = (broken.clone(), "http://127.0.0.1:1/hook".to_owned());
    let (refusing, refused) = Receiver::listen(StatusCode::FORBIDDEN, Duration::ZERO).await;
    for (receiver, url, posts) in [(broken, url, 3), (gone, nowhere, 3), (refusing, refused, 1)] {
        let (_world, service, _setup) = started(&url, "").await;
        let line = service.said("the webhook did not accept an alert").await;
        assert_eq!(line["event"], "scrub_limited", "{line}");
        assert!(!line.to_string().contains(WEBHOOK_PATH), "{line}");
        assert_eq!(receiver.count(), posts, "{line}");
        let failed = "glance_revert_webhook_posts_total{outcome=\"failed\"}";
        assert!(service.metric(failed).await >= 1.0);
    }
}

#[tokio::test]
async fn an_unusable_webhook_does_not_prevent_the_start() {
    let (world, service, _setup) = started("http://alerts.example/x", "scrubber = false").await;
    assert_eq!(service.revert("old-0000").await.unwrap().status(), Status::OK);
    assert!(world.has_data("old-0000"));
    let line = service.lines().into_iter().find(|line| line.to_string().contains("must be https"));
    assert!(line.is_some(), "it is told of in the log");
}

#[test]
fn check_reports_an_unusable_webhook() {
    let of = |options: &str| {
        ConfigFile::new(&format!(
            "[DEFAULT]\ndelayed_delete = True\nscrub_time = 3600\n[database]\n\
             connection = sqlite:///FOLDER/none.db\n[glance_store]\nstores = file\n\
             filesystem_store_datadir = FOLDER\n[revert]\n{options}\n"
        ))
    };
    let file = "alert_webhook_secret_file = FOLDER/secret";
    for (options, told) in [
        (format!("alert_webhook = http://alerts.example/x\n{file}"), "must be https"),
        (format!("alert_webhook = nonsense\n{file}"), "alert_webhook is not a URL"),
        (
            format!("alert_webhook = https://user:p@alerts.example\n{file}"),
            "must not contain a user",
        ),
        (
            "alert_webhook = https://alerts.example\nalert_webhook_secret_file = FOLDER/nothing"
                .to_owned(),
            "cannot be read",
        ),
        (
            "alert_webhook = https://alerts.example\nalert_webhook_secret_file = FOLDER/short"
                .to_owned(),
            "must have at least 16 bytes",
        ),
        (
            format!(
                "alert_webhook = https://alerts.example\n{file}\nalert_webhook_ca_file = FOLDER/short"
            ),
            "no PEM certificate",
        ),
    ] {
        let config = of(&options);
        config.put("secret", WEBHOOK_SECRET);
        config.put("short", "too short");
        config.put("none.db", "");
        let check = config.run(&["check"]);
        assert_eq!(check.exit, Some(1), "{check:?}");
        let row = check.stdout.lines().find(|line| line.starts_with("webhook ")).unwrap();
        assert!(row.contains("BROKEN") && row.contains(told), "{told}: {check:?}");
    }
    for (options, told) in [
        ("alert_webhook = https://alerts.example", "must be set if alert_webhook is set"),
        (file, "has no effect without alert_webhook"),
    ] {
        let config = of(options);
        config.put("none.db", "");
        let check = config.run(&["check"]);
        assert_eq!(check.exit, Some(64), "{check:?}");
        assert!(check.stderr.contains(told), "{check:?}");
    }
}
