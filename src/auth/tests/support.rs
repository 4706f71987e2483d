//! Test issuers and their tokens.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) use super::tokens::{
    KEYS, Signer, b64, ec_jwk, ec_pem, ed_jwk, merged, pem, rsa_jwk, rsa_pem, token,
};
use crate::auth::JwtAuthenticator;
use crate::config::{JwtIssuerConfig, JwtKeyFile, JwtProof};
use crate::domain::principal::{AuthError, Authenticator, Call, Token};
use crate::domain::time::{Clock, Timestamp};

/// The present of every test: 2026-11-22T12:00:00Z.
pub(super) const NOW: i64 = 1_795_348_800;

pub(super) const MAIN: &str = "https://issuer.example";
pub(super) const AUDIENCE: &str = "glance-revert";

#[derive(Debug)]
pub(super) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(super) fn new() -> Arc<Self> {
        let start = DateTime::from_timestamp(NOW, 0).unwrap().naive_utc();
        Arc::new(Self(Mutex::new(start)))
    }

    pub(super) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Good claims, changed by `more`.
pub(super) fn claims(more: &Value) -> String {
    let good = json!({
        "iss": MAIN, "aud": AUDIENCE, "sub": "alice", "iat": NOW - 10, "exp": NOW + 300,
        "roles": ["glance-revert-admin"],
    });
    merged(&good, more).to_string()
}

/// Good claims followed by raw text that a JSON object could not represent.
pub(super) fn claims_and(raw: &str) -> String {
    let good = claims(&json!({}));
    format!("{},{raw}}}", good.strip_suffix('}').unwrap())
}

/// A token with the usual header of the P-256 key.
pub(super) fn usual(claims: &str) -> String {
    token(r#"{"alg":"ES256","kid":"ec"}"#, claims, Signer::P256)
}

/// The keys of [`MAIN`]. The RSA key occurs twice, once for each padding.
pub(super) fn main_jwks() -> Value {
    json!({"keys": [
        ec_jwk(&KEYS.p256, "P-256", &json!({"kid": "ec", "alg": "ES256", "use": "sig"})),
        ec_jwk(&KEYS.p384, "P-384", &json!({"kid": "ec384", "key_ops": ["verify"]})),
        ed_jwk(&json!({"kid": "ed"})),
        rsa_jwk(&json!({"kid": "rsa", "alg": "RS256"})),
        rsa_jwk(&json!({"kid": "ps", "alg": "PS256"})),
        ec_jwk(&KEYS.p256_other, "P-256", &json!({"kid": "enc", "use": "enc"})),
        ec_jwk(&KEYS.p256_other, "P-256", &json!({"kid": "other", "alg": "ES256"})),
    ]})
}

/// A section with the defaults of the configuration.
pub(super) fn section(name: &str, issuer: &str, keys: JwtKeyFile) -> JwtIssuerConfig {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    JwtIssuerConfig {
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        audiences: owned(&[AUDIENCE, "https://glance-revert.example"]),
        proof: JwtProof::File(keys),
        algorithms: owned(&["RS256", "PS256", "ES256", "ES384", "EdDSA"]),
        role_claims: owned(&["/roles", "/realm_access/roles"]),
        admin_roles: owned(&["glance-revert-admin"]),
        subjects: Vec::new(),
        leeway: Duration::from_secs(30),
        require_at_jwt: false,
    }
}

/// An authenticator over four sections:
/// `main` (a JWKS of every kind), `pem` (one P-256 key, and PS256 not allowed), `strict`
/// (`require_at_jwt`), `kube` (RS256 alone, admins by subject).
pub(super) struct World {
    pub(super) authenticator: JwtAuthenticator,
    pub(super) clock: Arc<TestClock>,
    _folder: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: String| -> PathBuf {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let jwks = JwtKeyFile::Jwks(write("main.json", main_jwks().to_string()));
        let ec_pem = JwtKeyFile::PublicKey(write("ec.pem", ec_pem(&KEYS.p256)));
        let rsa_pem = JwtKeyFile::PublicKey(write("rsa.pem", rsa_pem()));
        let mut strict = section("strict", "https://strict.example", jwks.clone());
        strict.require_at_jwt = true;
        let mut kube = section("kube", "https://kubernetes.default.svc", rsa_pem);
        kube.algorithms = vec!["RS256".to_owned()];
        kube.subjects = vec!["system:serviceaccount:openstack:operator".to_owned()];
        let sections = [
            section("main", MAIN, jwks),
            section("pem", "https://pem.example", ec_pem),
            strict,
            kube,
        ];
        let clock = TestClock::new();
        let authenticator = JwtAuthenticator::new(&sections, clock.clone()).unwrap();
        Self { authenticator, clock, _folder: folder }
    }

    /// `admin`, `caller`, or the reason of the refusal.
    pub(super) async fn answer(&self, token: &str) -> &'static str {
        match self.authenticator.authenticate(&call(token)).await {
            Ok(principal) if principal.is_admin => "admin",
            Ok(_) => "caller",
            Err(AuthError::Invalid { reason }) => reason,
            Err(AuthError::Unavailable(_)) => "unavailable",
        }
    }

    /// Checks a table of (what it is, token, expected answer); shows every wrong answer at once.
    pub(super) async fn check(&self, table: &[(&str, String, &str)]) {
        let mut wrong = Vec::new();
        for (what, token, expected) in table {
            let answer = self.answer(token).await;
            if answer != *expected {
                wrong.push(format!("{what}: {answer}, not {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Any call, with this token.
pub(super) fn call(token: &str) -> Call<'static> {
    Call::new("GET", "/v2/pending-deletes", Token::new(token))
}
