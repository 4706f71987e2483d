//! Key files that change under a running service, and sections that cannot be set up.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{
    KEYS, Signer, TestClock, call, claims, ec_jwk, ec_pem, ed_jwk, section, token,
};
use crate::auth::JwtAuthenticator;
use crate::config::{JwtIssuerConfig, JwtKeyFile};
use crate::domain::principal::{AuthError, Authenticator};

const ISSUER: &str = "https://rotating.example";

/// A service with one JWKS file that the test rewrites.
struct Rotating {
    authenticator: JwtAuthenticator,
    clock: Arc<TestClock>,
    file: PathBuf,
    _folder: TempDir,
}

fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn old_key() -> Value {
    ec_jwk(&KEYS.p256, "P-256", &json!({"kid": "old"}))
}

fn new_key() -> Value {
    ed_jwk(&json!({"kid": "new"}))
}

impl Rotating {
    fn new(keys: &[Value]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("jwks.json");
        fs::write(&file, jwks(keys)).unwrap();
        let clock = TestClock::new();
        let section = section("rotating", ISSUER, JwtKeyFile::Jwks(file.clone()));
        let authenticator = JwtAuthenticator::new(&[section], clock.clone()).unwrap();
        Self { authenticator, clock, file, _folder: folder }
    }

    /// Puts another file in place by renaming, as careful writers do.
    fn replace(&self, text: &str) {
        let beside = self.file.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &self.file).unwrap();
    }

    /// The answers to a token of the old key and to one of the new key.
    async fn answers(&self) -> (&'static str, &'static str) {
        let good = claims(&json!({"iss": ISSUER}));
        let old = token(r#"{"alg":"ES256","kid":"old"}"#, &good, Signer::P256);
        let new = token(r#"{"alg":"EdDSA","kid":"new"}"#, &good, Signer::Ed);
        (self.answer(&old).await, self.answer(&new).await)
    }

    async fn answer(&self, token: &str) -> &'static str {
        match self.authenticator.authenticate(&call(token)).await {
            Ok(_) => "ok",
            Err(AuthError::Invalid { reason }) => reason,
            Err(AuthError::Unavailable(_)) => "unavailable",
        }
    }
}

#[tokio::test]
async fn a_new_file_is_read_after_a_second_and_its_missing_keys_are_gone() {
    let service = Rotating::new(&[old_key()]);
    assert_eq!(service.answers().await, ("ok", "unknown_key"));
    service.replace(&jwks(&[old_key(), new_key()]));
    assert_eq!(service.answers().await, ("ok", "unknown_key"), "not looked at yet");
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("ok", "ok"));
    service.replace(&jwks(&[new_key()]));
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("unknown_key", "ok"));
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_stop_reloading() {
    let service = Rotating::new(&[old_key()]);
    service.replace(&jwks(&[new_key()]));
    service.clock.advance(-3600);
    let good = claims(&json!({"iss": ISSUER, "iat": null}));
    let new = token(r#"{"alg":"EdDSA","kid":"new"}"#, &good, Signer::Ed);
    assert_eq!(service.answer(&new).await, "ok");
}

#[tokio::test]
async fn a_file_written_in_place_is_read_again() {
    let service = Rotating::new(&[old_key()]);
    fs::write(&service.file, jwks(&[old_key(), new_key()])).unwrap();
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("ok", "ok"));
}

#[tokio::test]
async fn a_broken_or_missing_file_leaves_the_old_keys_active() {
    let service = Rotating::new(&[old_key()]);
    let too_large = format!("{}{}", jwks(&[new_key()]), " ".repeat(256 * 1024));
    let cut_off = jwks(&[new_key()]).split_off(5);
    let secret = jwks(&[new_key(), json!({"kty": "oct", "k": "AA"})]);
    for broken in [String::new(), cut_off, secret, too_large] {
        service.replace(&broken);
        service.clock.advance(1);
        assert_eq!(service.answers().await, ("ok", "unknown_key"));
    }
    fs::remove_file(&service.file).unwrap();
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("ok", "unknown_key"));
    let made = Command::new("mkfifo").arg(&service.file).status().unwrap();
    assert!(made.success());
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("ok", "unknown_key"), "a pipe");
    service.replace(&jwks(&[new_key()]));
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("unknown_key", "ok"));
}

#[tokio::test]
async fn a_valid_file_without_keys_withdraws_all_keys() {
    let service = Rotating::new(&[old_key()]);
    service.replace(&jwks(&[]));
    service.clock.advance(1);
    assert_eq!(service.answers().await, ("unknown_key", "unknown_key"));
}

fn setup_error(sections: &[JwtIssuerConfig]) -> String {
    JwtAuthenticator::new(sections, TestClock::new()).unwrap_err().to_string()
}

#[test]
fn a_key_file_that_cannot_be_used_stops_the_start_and_is_named() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let jwks_error = |path: PathBuf| setup_error(&[section("ci", ISSUER, JwtKeyFile::Jwks(path))]);

    let missing = jwks_error(at("missing.json"));
    assert!(missing.starts_with("[revert_jwt:ci] jwks_file = "), "{missing}");
    assert!(missing.contains("missing.json: cannot be read: "), "{missing}");

    let not_a_file = jwks_error(folder.path().to_owned());
    assert!(not_a_file.ends_with("is not a regular file"), "{not_a_file}");

    fs::write(at("empty.json"), jwks(&[])).unwrap();
    let none = jwks_error(at("empty.json"));
    assert!(none.contains("has no key that could verify a token"), "{none}");

    fs::write(at("large.json"), vec![b' '; 256 * 1024 + 1]).unwrap();
    let large = jwks_error(at("large.json"));
    assert!(large.contains("is larger than 256 KiB"), "{large}");

    let pem = setup_error(&[section("ci", ISSUER, JwtKeyFile::PublicKey(at("large.json")))]);
    assert!(pem.starts_with("[revert_jwt:ci] public_key_file = "), "{pem}");
}

#[test]
fn sections_with_one_issuer_or_an_unknown_algorithm_stop_the_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("key.pem");
    fs::write(&file, ec_pem(&KEYS.p256)).unwrap();
    let section = |name: &str| section(name, ISSUER, JwtKeyFile::PublicKey(file.clone()));

    let twice = setup_error(&[section("a"), section("b")]);
    assert!(twice.starts_with("[revert_jwt:a] and [revert_jwt:b] have the same issuer"), "{twice}");

    for name in ["HS256", "none", "es256", ""] {
        let mut wrong = section("a");
        wrong.algorithms = vec!["ES256".to_owned(), name.to_owned()];
        let message = setup_error(&[wrong]);
        assert!(message.starts_with("[revert_jwt:a] algorithms: "), "{message}");
    }
}

#[tokio::test]
async fn without_any_section_every_token_is_refused() {
    let authenticator = JwtAuthenticator::new(&[], TestClock::new()).unwrap();
    let call = call(&super::support::usual(&claims(&json!({}))));
    let refused = Err(AuthError::Invalid { reason: "unknown_issuer" });
    assert_eq!(authenticator.authenticate(&call).await, refused);
}
