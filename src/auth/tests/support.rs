//! Keys, issuers and tokens. Keys are made when the tests run; none is stored.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::auth::JwtAuthenticator;
use crate::config::{JwtIssuerConfig, JwtKeys};
use crate::domain::principal::{AuthError, Authenticator, Token};
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

/// Test key pairs, and the same key under the wrong algorithm where an attack needs it.
pub(super) struct Keys {
    pub(super) p256: EcdsaKeyPair,
    pub(super) p256_other: EcdsaKeyPair,
    pub(super) p256_der: EcdsaKeyPair,
    pub(super) p384: EcdsaKeyPair,
    pub(super) ed: Ed25519KeyPair,
    pub(super) rsa: RsaKeyPair,
}

pub(super) static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let ec = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(algorithm).unwrap();
    let p256 = ec(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let pkcs8 = p256.to_pkcs8v1().unwrap();
    let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
    Keys {
        p256,
        p256_other: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        p256_der: der,
        p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        ed: Ed25519KeyPair::generate().unwrap(),
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    }
});

/// Who signs, and how.
#[derive(Clone, Copy)]
pub(super) enum Signer {
    P256,
    P256Other,
    /// The right key, but a DER signature where RFC 7518 wants the raw one.
    P256Der,
    P384,
    Ed,
    RsaPkcs1,
    RsaPss,
    /// HMAC with the P-256 public key's PEM text as the secret.
    HmacOfP256,
    /// HMAC with the RSA public key's PEM text as the secret.
    HmacOfRsa,
    Zeros(usize),
}

impl Signer {
    pub(super) fn sign(self, message: &str) -> Vec<u8> {
        let message = message.as_bytes();
        let ec =
            |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; KEYS.rsa.public_modulus_len()];
            KEYS.rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        let hmac = |secret: String| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hmac::sign(&key, message).as_ref().to_vec()
        };
        match self {
            Self::P256 => ec(&KEYS.p256),
            Self::P256Other => ec(&KEYS.p256_other),
            Self::P256Der => ec(&KEYS.p256_der),
            Self::P384 => ec(&KEYS.p384),
            Self::Ed => KEYS.ed.sign(message).as_ref().to_vec(),
            Self::RsaPkcs1 => rsa(&RSA_PKCS1_SHA256),
            Self::RsaPss => rsa(&RSA_PSS_SHA256),
            Self::HmacOfP256 => hmac(ec_pem(&KEYS.p256)),
            Self::HmacOfRsa => hmac(rsa_pem()),
            Self::Zeros(length) => vec![0; length],
        }
    }
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A public key in PEM, from its `SubjectPublicKeyInfo`.
pub(super) fn pem(info: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(info))
}

pub(super) fn ec_pem(key: &EcdsaKeyPair) -> String {
    pem(key.public_key().as_der().unwrap().as_ref())
}

pub(super) fn rsa_pem() -> String {
    pem(AsDer::as_der(KEYS.rsa.public_key()).unwrap().as_ref())
}

pub(super) fn ec_jwk(key: &EcdsaKeyPair, crv: &str, more: &Value) -> Value {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    merged(&json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)}), more)
}

pub(super) fn ed_jwk(more: &Value) -> Value {
    merged(&json!({"kty": "OKP", "crv": "Ed25519", "x": b64(KEYS.ed.public_key())}), more)
}

/// The PKCS#1 form of a 2048-bit public key has its modulus at a fixed place.
pub(super) fn rsa_jwk(more: &Value) -> Value {
    let der = KEYS.rsa.public_key().as_ref();
    assert_eq!(der.len(), 270, "a 2048-bit key with the exponent 65537");
    merged(&json!({"kty": "RSA", "n": b64(&der[9..265]), "e": "AQAB"}), more)
}

/// `base` with the members of `more`; null removes one.
pub(super) fn merged(base: &Value, more: &Value) -> Value {
    let mut merged = base.as_object().unwrap().clone();
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::Object(merged)
}

/// Good claims, changed by `more`.
pub(super) fn claims(more: &Value) -> String {
    let good = json!({
        "iss": MAIN, "aud": AUDIENCE, "sub": "alice", "iat": NOW - 10, "exp": NOW + 300,
        "roles": ["glance-revert-admin"],
    });
    merged(&good, more).to_string()
}

/// Good claims, then a text that a JSON object could not hold.
pub(super) fn claims_and(raw: &str) -> String {
    let good = claims(&json!({}));
    format!("{},{raw}}}", good.strip_suffix('}').unwrap())
}

/// A token of a header and claims as they are written.
pub(super) fn token(header: &str, claims: &str, signer: Signer) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let signature = b64(signer.sign(&message));
    format!("{message}.{signature}")
}

/// A token with the usual header of the P-256 key.
pub(super) fn usual(claims: &str) -> String {
    token(r#"{"alg":"ES256","kid":"ec"}"#, claims, Signer::P256)
}

/// The keys of [`MAIN`]. The RSA key stands twice, once for each padding.
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
pub(super) fn section(name: &str, issuer: &str, keys: JwtKeys) -> JwtIssuerConfig {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    JwtIssuerConfig {
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        audiences: owned(&[AUDIENCE, "https://glance-revert.example"]),
        keys,
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
        let jwks = JwtKeys::JwksFile(write("main.json", main_jwks().to_string()));
        let ec_pem = JwtKeys::PublicKeyFile(write("ec.pem", ec_pem(&KEYS.p256)));
        let rsa_pem = JwtKeys::PublicKeyFile(write("rsa.pem", rsa_pem()));
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
        match self.authenticator.authenticate(&Token::new(token)).await {
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
