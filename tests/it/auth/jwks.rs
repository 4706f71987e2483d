//! Keys fetched from a fake issuer that rotates them, fails or gives wrong answers.

use futures::future::join_all;
use glance_revert::domain::time::{Clock, SystemClock};
use glance_revert::telemetry;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

use crate::support::daemon::until;
use crate::support::proxy::closed_port;
use crate::support::server::{Says, Server};
use crate::support::tokens::{KEYS, Signer, ec_jwk, ed_jwk, rsa_jwk, token};
use crate::support::verifier::{Verifier, ask, claims};

const ISSUER: &str = "https://idp.example";
const JWKS: &str = "/keys";
const DISCOVERY: &str = "/.well-known/openid-configuration";

fn old_key() -> Value {
    ec_jwk(&KEYS.p256, "P-256", &json!({"kid": "old", "alg": "ES256", "use": "sig"}))
}

fn new_key() -> Value {
    ed_jwk(&json!({"kid": "new"}))
}

fn set(keys: &[Value]) -> Says {
    Says::Json(json!({ "keys": keys }))
}

fn old_token() -> String {
    token(r#"{"alg":"ES256","kid":"old"}"#, &claims(ISSUER, &json!({})), Signer::P256)
}

fn new_token() -> String {
    token(r#"{"alg":"EdDSA","kid":"new"}"#, &claims(ISSUER, &json!({})), Signer::Ed)
}

/// A token signed with a key that is never in the set.
fn stray_token(number: usize) -> String {
    let header = json!({"alg": "ES256", "kid": format!("stray-{number}")}).to_string();
    token(&header, &claims(ISSUER, &json!({})), Signer::P256)
}

fn section(idp: &Server) -> String {
    let uri = idp.url(JWKS);
    format!("[revert_jwt:idp]\nissuer = {ISSUER}\naudiences = glance-revert\njwks_uri = {uri}\n")
}

/// An issuer with its old key, and a verifier that has fetched it.
async fn running() -> (Server, Verifier) {
    let idp = Server::start().await;
    idp.say(JWKS, set(&[old_key()]));
    let verifier = Verifier::start(&section(&idp));
    fetched(&verifier).await;
    (idp, verifier)
}

async fn fetched(verifier: &Verifier) {
    let token = old_token();
    until("the first fetch", async || (verifier.answer(&token).await == "admin").then_some(()))
        .await;
}

fn fetches(idp: &Server) -> usize {
    idp.asked(JWKS).len()
}

/// Advances the clock by half a minute, after which an unknown key may trigger a fetch again.
fn half_a_minute(verifier: &Verifier) {
    verifier.clock.advance(Duration::from_secs(30));
}

#[tokio::test]
async fn until_there_are_keys_the_answer_is_try_again_and_not_refused() {
    let idp = Server::start().await;
    idp.say(JWKS, Says::Silence);
    let verifier = Verifier::start(&section(&idp));
    let api = verifier.api();
    let answer = ask(&api, format!("Bearer {}", old_token()).as_bytes()).await;
    answer.assert_error(503, "auth.unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
    for (token, reason) in [("garbage", "not_three_parts"), ("a.b.c", "bad_base64")] {
        assert_eq!(verifier.answer(token).await, reason, "needs no key");
    }
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_retried_soon() {
    let port = closed_port();
    let uri = format!("http://127.0.0.1:{port}{JWKS}");
    let section = format!(
        "[revert_jwt:late]\nissuer = {ISSUER}\naudiences = glance-revert\njwks_uri = {uri}\n"
    );
    let verifier = Verifier::start(&section);
    assert_eq!(verifier.answer(&old_token()).await, "unavailable");
    let trial = verifier.jwt.trials().await.remove(0);
    assert!(trial.result.unwrap_err().contains("cannot be reached"));
    let idp = Server::start_on(port).await;
    idp.say(JWKS, set(&[old_key()]));
    fetched(&verifier).await;
}

#[tokio::test]
async fn a_new_key_works_at_once_and_a_removed_one_no_more() {
    let (idp, verifier) = running().await;
    idp.say(JWKS, set(&[old_key(), new_key()]));
    assert_eq!(verifier.answer(&new_token()).await, "admin");
    assert_eq!(verifier.answer(&old_token()).await, "admin");
    assert_eq!(fetches(&idp), 2);
    idp.say(JWKS, set(&[new_key()]));
    half_a_minute(&verifier);
    assert_eq!(verifier.answer(&stray_token(1)).await, "unknown_key");
    assert_eq!(verifier.answer(&new_token()).await, "admin");
    half_a_minute(&verifier);
    assert_eq!(verifier.answer(&old_token()).await, "unknown_key");
    assert_eq!(fetches(&idp), 4);
}

#[tokio::test]
async fn keys_are_fetched_again_every_five_minutes() {
    let (idp, verifier) = running().await;
    idp.say(JWKS, set(&[new_key()]));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(331)).await;
    tokio::time::resume();
    let token = old_token();
    until("the second fetch", async || {
        let answer = verifier.answer(&token).await;
        // an unknown key triggers the fetch itself, but only after the periodic one
        (answer == "unknown_key").then_some(())
    })
    .await;
    assert_eq!(verifier.answer(&new_token()).await, "admin");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_fetch_every_half_minute() {
    let (idp, verifier) = running().await;
    for round in 0..3 {
        let flood: Vec<_> = (0..200).map(stray_token).collect();
        let answers = join_all(flood.iter().map(|token| verifier.answer(token))).await;
        assert!(answers.iter().all(|answer| *answer == "unknown_key"), "{answers:?}");
        for token in &flood[..20] {
            assert_eq!(verifier.answer(token).await, "unknown_key");
        }
        assert_eq!(fetches(&idp), 2 + round);
        verifier.clock.advance(Duration::from_secs(29));
        assert_eq!(verifier.answer(&flood[0]).await, "unknown_key");
        assert_eq!(fetches(&idp), 2 + round, "one second too early");
        verifier.clock.advance(Duration::from_secs(1));
    }
    let trusted = verifier.answer(&old_token()).await;
    assert_eq!((trusted, fetches(&idp)), ("admin", 4));
}

#[tokio::test]
async fn all_callers_waiting_for_a_new_key_share_one_fetch() {
    let (idp, verifier) = running().await;
    idp.say(JWKS, set(&[old_key(), new_key()]));
    let token = new_token();
    let answers = join_all((0..50).map(|_| verifier.answer(&token))).await;
    assert!(answers.iter().all(|answer| *answer == "admin"), "{answers:?}");
    assert_eq!(fetches(&idp), 2);
}

#[tokio::test]
async fn an_answer_that_cannot_be_used_leaves_the_old_keys_in_force() {
    let (idp, verifier) = running().await;
    let elsewhere = Server::start().await;
    elsewhere.say(JWKS, set(&[new_key()]));
    let document = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let good = document(&[new_key()]);
    let json = |text: String| Says::Text(200, "application/json", text);
    let private = ec_jwk(&KEYS.p384, "P-384", &json!({"kid": "new", "d": "c2VjcmV0"}));
    let weak = rsa_jwk(&json!({"n": "wVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVV", "kid": "weak"}));
    for (what, says) in [
        ("500", Says::Text(500, "application/json", good.clone())),
        ("404", Says::Text(404, "application/json", good.clone())),
        ("401", Says::Text(401, "application/json", good.clone())),
        ("204", Says::Text(204, "application/json", String::new())),
        ("HTML", Says::Text(200, "text/html", "<html>Please log in</html>".to_owned())),
        ("nothing", json(String::new())),
        ("not a key set", json(json!({"error": "later"}).to_string())),
        ("keys twice", json(format!("{},\"keys\":[]}}", good.strip_suffix('}').unwrap()))),
        ("huge", json(format!("{good}{}", " ".repeat(256 * 1024)))),
        ("65 keys", json(document(&vec![ed_jwk(&json!({})); 65]))),
        ("one name for two keys", json(document(&[new_key(), new_key()]))),
        ("a private key", json(document(&[new_key(), private]))),
        ("a shared secret", json(document(&[new_key(), json!({"kty": "oct", "k": "AA"})]))),
        ("a weak key", json(document(&[new_key(), weak]))),
        ("redirect", Says::Redirect(elsewhere.url(JWKS))),
    ] {
        let before = fetches(&idp);
        idp.say(JWKS, says);
        half_a_minute(&verifier);
        assert_eq!(verifier.answer(&new_token()).await, "unknown_key", "{what}");
        assert!(fetches(&idp) > before, "{what}");
        assert_eq!(verifier.answer(&old_token()).await, "admin", "{what}");
    }
    assert_eq!(elsewhere.asked(JWKS).len(), 0);
}

#[tokio::test]
async fn old_keys_stay_valid_for_a_day() {
    let (idp, verifier) = running().await;
    idp.say(JWKS, Says::Text(500, "text/plain", String::new()));
    verifier.clock.advance(Duration::from_hours(24) - Duration::from_secs(1));
    assert_eq!(verifier.answer(&old_token()).await, "admin");
    verifier.clock.advance(Duration::from_secs(1));
    assert_eq!(verifier.answer(&old_token()).await, "unavailable");
    assert_eq!(verifier.answer(&stray_token(1)).await, "unavailable");
}

#[tokio::test]
async fn an_empty_set_withdraws_all_keys() {
    for keys in [vec![], vec![ec_jwk(&KEYS.p256, "P-256", &json!({"kid": "old", "use": "enc"}))]] {
        let (idp, verifier) = running().await;
        idp.say(JWKS, set(&keys));
        assert_eq!(verifier.answer(&stray_token(1)).await, "unknown_key");
        assert_eq!(verifier.answer(&old_token()).await, "unavailable");
        let trial = verifier.jwt.trials().await.remove(0);
        assert_eq!(trial.result, Err("its key set has no usable key".to_owned()));
    }
}

async fn serves_known_keys_while_waiting_for(says: Says) {
    let (idp, verifier) = running().await;
    idp.say(JWKS, says);
    let stray = stray_token(1);
    let mut waiting = std::pin::pin!(verifier.answer(&stray));
    assert!(futures::poll!(&mut waiting).is_pending());
    until("the slow fetch", async || (fetches(&idp) == 2).then_some(())).await;
    assert_eq!(verifier.answer(&old_token()).await, "admin");
    assert_eq!(waiting.await, "unknown_key", "given up after five seconds");
    assert_eq!(verifier.answer(&old_token()).await, "admin");
}

#[tokio::test]
async fn a_silent_issuer_does_not_delay_tokens_of_known_keys() {
    serves_known_keys_while_waiting_for(Says::Silence).await;
}

#[tokio::test]
async fn an_endless_body_does_not_delay_tokens_of_known_keys() {
    serves_known_keys_while_waiting_for(Says::Dribble).await;
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_affect_the_others() {
    let (idp, verifier) = running().await;
    idp.say(JWKS, set(&[old_key(), new_key()]));
    {
        let token = new_token();
        let mut impatient = std::pin::pin!(verifier.answer(&token));
        assert!(futures::poll!(&mut impatient).is_pending());
    }
    assert_eq!(verifier.answer(&new_token()).await, "admin");
    assert_eq!(fetches(&idp), 2);
}

#[tokio::test]
async fn the_task_ends_when_stopped_and_nobody_waits_for_it_any_more() {
    let (idp, verifier) = running().await;
    idp.say(JWKS, Says::Silence);
    let stray = stray_token(1);
    {
        let mut waiting = std::pin::pin!(verifier.answer(&stray));
        assert!(futures::poll!(&mut waiting).is_pending());
        until("the slow fetch", async || (fetches(&idp) == 2).then_some(())).await;
        verifier.stop.cancel();
        assert_eq!(waiting.await, "unknown_key");
    }
    until("the end", async || verifier.keeping.is_finished().then_some(())).await;
    half_a_minute(&verifier);
    assert_eq!(verifier.answer(&stray).await, "unknown_key");
    assert_eq!(verifier.answer(&old_token()).await, "admin");
    assert_eq!(fetches(&idp), 2);
}

/// A verifier that uses discovery; the server is the issuer itself.
fn discovering(idp: &Server, more: &str) -> Verifier {
    let issuer = idp.url("");
    Verifier::start(&format!(
        "[revert_jwt:found]\nissuer = {issuer}\naudiences = glance-revert\n{more}\n"
    ))
}

#[tokio::test]
async fn discovery_leads_to_the_keys() {
    let idp = Server::start().await;
    let issuer = idp.url("");
    idp.say(DISCOVERY, Says::Json(json!({"issuer": issuer, "jwks_uri": idp.url(JWKS)})));
    idp.say(JWKS, set(&[old_key()]));
    let verifier = discovering(&idp, "");
    let good = claims(&issuer, &json!({}));
    let token = token(r#"{"alg":"ES256","kid":"old"}"#, &good, Signer::P256);
    until("the keys", async || (verifier.answer(&token).await == "admin").then_some(())).await;
    assert_eq!(verifier.jwt.trials().await[0].result, Ok("its keys are fetched: 1".to_owned()));
}

#[tokio::test]
async fn a_discovery_document_is_not_believed_blindly() {
    let idp = Server::start().await;
    let issuer = idp.url("");
    idp.say(JWKS, set(&[old_key()]));
    let keys = idp.url(JWKS);
    let verifier = discovering(&idp, "");
    for (document, part) in [
        (json!({"issuer": format!("{issuer}/"), "jwks_uri": keys}), "belongs to another issuer"),
        (json!({"issuer": "https://evil.example", "jwks_uri": keys}), "belongs to another issuer"),
        (json!({"issuer": [issuer], "jwks_uri": keys}), "belongs to another issuer"),
        (json!({"jwks_uri": keys}), "belongs to another issuer"),
        (json!({"issuer": issuer}), "has no jwks_uri"),
        (json!({"issuer": issuer, "jwks_uri": [keys]}), "has no jwks_uri"),
        (json!({"issuer": issuer, "jwks_uri": "http://idp.example/keys"}), "must be https"),
        (json!({"issuer": issuer, "jwks_uri": "file:///etc/passwd"}), "must begin with https"),
        (json!({"issuer": issuer, "jwks_uri": "/keys"}), "is not a URL"),
        (json!([{"issuer": issuer, "jwks_uri": keys}]), "is not a discovery document"),
    ] {
        idp.say(DISCOVERY, Says::Json(document.clone()));
        let told = verifier.jwt.trials().await.remove(0).result.unwrap_err();
        assert!(told.contains(part), "{document}: {told}");
    }
    for says in [
        Says::Redirect(idp.url(JWKS)),
        Says::Text(500, "text/plain", String::new()),
        Says::Text(200, "text/html", "<html>".to_owned()),
    ] {
        idp.say(DISCOVERY, says);
        assert!(verifier.jwt.trials().await.remove(0).result.is_err());
    }
    assert_eq!(fetches(&idp), 0);
}

#[tokio::test]
async fn our_own_token_is_read_again_and_shown_to_the_configured_server_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let (idp, other) = (Server::start().await, Server::start().await);
    let section = format!("{}token_file = {}\n", section(&idp), file.display());
    idp.say(JWKS, set(&[old_key()]));
    let verifier = Verifier::start(&section);
    fetched(&verifier).await;
    std::fs::write(&file, "second").unwrap();
    verifier.jwt.trials().await;
    let shown: Vec<_> = idp.asked(JWKS).into_iter().map(|asked| asked.authorization).collect();
    assert_eq!(shown, [Some("Bearer first".to_owned()), Some("Bearer second".to_owned())]);
    std::fs::write(&file, "\n").unwrap();
    verifier.jwt.trials().await.remove(0).result.unwrap();
    assert_eq!(idp.asked(JWKS)[2].authorization.as_deref(), Some("Bearer second"));

    std::fs::write(&file, "third").unwrap();
    let keys = other.url(JWKS);
    idp.say(DISCOVERY, Says::Json(json!({"issuer": idp.url(""), "jwks_uri": keys})));
    other.say(JWKS, set(&[old_key()]));
    let verifier = discovering(&idp, &format!("token_file = {}", file.display()));
    verifier.jwt.trials().await.remove(0).result.unwrap();
    assert_eq!(idp.asked(DISCOVERY)[0].authorization.as_deref(), Some("Bearer third"));
    assert_eq!(other.asked(JWKS)[0].authorization, None);
}

#[tokio::test]
async fn issuers_do_not_depend_on_each_other() {
    let (up, down) = (Server::start().await, Server::start().await);
    up.say(JWKS, set(&[old_key()]));
    down.say(JWKS, Says::Silence);
    let text = format!(
        "{}\n[revert_jwt:down]\nissuer = https://down.example\naudiences = glance-revert\n\
         jwks_uri = {}\n",
        section(&up),
        down.url(JWKS)
    );
    let verifier = Verifier::start(&text);
    fetched(&verifier).await;
    let header = r#"{"alg":"ES256","kid":"old"}"#;
    let of_down = claims("https://down.example", &json!({}));
    assert_eq!(verifier.answer(&token(header, &of_down, Signer::P256)).await, "unavailable");
    assert_eq!(verifier.answer(&old_token()).await, "admin");
    let unknown = claims("https://third.example", &json!({}));
    assert_eq!(verifier.answer(&token(header, &unknown, Signer::P256)).await, "unknown_issuer");
}

#[tokio::test]
async fn fetches_are_counted_and_the_keys_age_is_exported() {
    let metrics = telemetry::init_metrics(SystemClock.now()).unwrap();
    let idp = Server::start().await;
    let section = section(&idp).replace("revert_jwt:idp", "revert_jwt:counted");
    let verifier = Verifier::start(&section);
    let line = |outcome: &str, count: usize| {
        format!(
            "glance_revert_jwks_fetches_total{{issuer=\"counted\",outcome=\"{outcome}\"}} {count}\n"
        )
    };
    until("a failure", async || metrics.render().contains(&line("failed", 1)).then_some(())).await;
    assert!(!metrics.render().contains("timestamp_seconds{issuer=\"counted\"}"));
    idp.say(JWKS, set(&[old_key()]));
    fetched(&verifier).await;
    let text = metrics.render();
    assert!(text.contains(&line("fetched", 1)), "{text}");
    let fetched_at =
        "glance_revert_jwks_last_fetch_timestamp_seconds{issuer=\"counted\"} 1795348800\n";
    assert!(text.contains(fetched_at), "{text}");
}

#[tokio::test]
async fn a_section_that_could_never_fetch_prevents_the_start() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("empty"), "").unwrap();
    let keys = "jwks_uri = https://idp.example/keys";
    for (issuer, options, part) in [
        (ISSUER, "jwks_uri = http://idp.example/keys".to_owned(), "jwks_uri must be https"),
        (ISSUER, "jwks_uri = https://me:hunter2@idp.example/".to_owned(), "a user or a password"),
        (ISSUER, "jwks_uri = keys".to_owned(), "jwks_uri is not a URL"),
        ("http://idp.example", String::new(), "issuer must be https"),
        ("https://idp.example/?realm=x", String::new(), "issuer must not have a query"),
        (ISSUER, format!("{keys}\nca_file = {}", path("missing")), "ca_file = /"),
        (ISSUER, format!("{keys}\nca_file = {}", path("empty")), "holds no PEM certificate"),
        (ISSUER, format!("{keys}\ntoken_file = {}", path("missing")), "token_file = /"),
        (ISSUER, format!("{keys}\ntoken_file = {}", path("empty")), "has no token"),
    ] {
        let section = format!("[revert_jwt:x]\nissuer = {issuer}\naudiences = a\n{options}\n");
        let told = Verifier::try_start(&section).unwrap_err().to_string();
        assert!(told.contains(part) && told.contains("[revert_jwt:x]"), "{options}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
