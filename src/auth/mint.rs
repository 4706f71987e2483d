//! A small issuer of tokens for `glance-revert demo` and for tests.
//!
//! Its private key exists only in memory, so its tokens are worthless after the demo. A real
//! deployment uses the issuer that it already has.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::domain::principal::Token;
use crate::domain::time::Timestamp;

/// Creating a key or a signature failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library could not {0}: try again; if it stays so, reinstall")]
pub struct MintError(&'static str);

/// An issuer with one freshly generated ES256 key pair.
#[derive(Debug)]
pub struct DemoIssuer {
    issuer: String,
    audience: String,
    kid: String,
    key: EcdsaKeyPair,
}

impl DemoIssuer {
    /// Generates the key pair. `issuer` and `audience` become `iss` and `aud` of every token.
    pub fn generate(issuer: &str, audience: &str) -> Result<Self, MintError> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| MintError("make a key pair"))?;
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, key.public_key().as_ref()));
        Ok(Self { issuer: issuer.to_owned(), audience: audience.to_owned(), kid, key })
    }

    /// The text of a `jwks_file` with the public key.
    #[must_use]
    pub fn jwks(&self) -> String {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let key = json!({
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        });
        format!("{:#}\n", json!({ "keys": [key] }))
    }

    /// Signs a token that is valid from `now` for `lifetime` (cut to whole seconds), with
    /// `roles` at `/roles`.
    pub fn token(
        &self,
        subject: &str,
        roles: &[&str],
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Token, MintError> {
        let issued = now.and_utc().timestamp();
        let expires = i64::try_from(lifetime.as_secs())
            .ok()
            .and_then(|lifetime| issued.checked_add(lifetime))
            .ok_or(MintError("write so late a date"))?;
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid });
        let claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "iat": issued,
            "exp": expires,
            "roles": roles,
        });
        self.sign(&header, &claims)
    }

    fn sign(&self, header: &Value, claims: &Value) -> Result<Token, MintError> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), message.as_bytes())
            .map_err(|_| MintError("sign a token"))?;
        Ok(Token::new(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}
