//! The demo's issuer, seen by the verifier.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::support::{AUDIENCE, TestClock, call, section};
use crate::auth::{DemoIssuer, JwtAuthenticator};
use crate::config::JwtKeyFile;
use crate::domain::principal::{AuthError, AuthMethod, Authenticator, Principal};
use crate::domain::time::Clock;

#[tokio::test]
async fn tokens_of_the_demo_are_good_until_they_expire() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("jwks.json");
    let demo = DemoIssuer::generate("https://demo.example", AUDIENCE).unwrap();
    fs::write(&file, demo.jwks()).unwrap();
    let clock = TestClock::new();
    let mut strict = section("demo", "https://demo.example", JwtKeyFile::Jwks(file));
    strict.require_at_jwt = true;
    let authenticator = JwtAuthenticator::new(&[strict], clock.clone()).unwrap();

    let mint = |roles: &[&str]| {
        let token = demo.token("operator", roles, clock.now(), Duration::from_mins(1)).unwrap();
        call(token.expose())
    };
    let admin = mint(&["glance-revert-admin"]);
    let caller = mint(&[]);
    let role = "glance-revert-admin".to_owned();
    let principal = |is_admin| Principal {
        is_admin,
        lacks: if is_admin { vec![] } else { vec![role.clone()] },
        ..Principal::new("demo", "operator", AuthMethod::Jwt)
    };
    assert_eq!(authenticator.authenticate(&admin).await, Ok(principal(true)));
    assert_eq!(authenticator.authenticate(&caller).await, Ok(principal(false)));

    clock.advance(90);
    let expired = Err(AuthError::Invalid { reason: "expired" });
    assert_eq!(authenticator.authenticate(&admin).await, expired);
}

#[test]
fn the_private_key_is_not_shown() {
    let demo = DemoIssuer::generate("https://demo.example", AUDIENCE).unwrap();
    assert!(!demo.jwks().contains("\"d\""));
    assert!(!format!("{demo:?}").to_lowercase().contains("private"));
}

#[test]
fn a_lifetime_beyond_all_dates_is_refused() {
    let demo = DemoIssuer::generate("https://demo.example", AUDIENCE).unwrap();
    let now = TestClock::new().now();
    assert!(demo.token("operator", &[], now, Duration::MAX).is_err());
}
