//! Keys and signed tokens for unit and integration tests. Keys are generated when the tests run;
//! none is stored.

use std::sync::LazyLock;

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
use serde_json::{Value, json};

/// Test key pairs, and the same key under the wrong algorithm where an attack needs it.
pub(crate) struct Keys {
    pub(crate) p256: EcdsaKeyPair,
    pub(crate) p256_other: EcdsaKeyPair,
    pub(crate) p256_der: EcdsaKeyPair,
    pub(crate) p384: EcdsaKeyPair,
    pub(crate) ed: Ed25519KeyPair,
    pub(crate) rsa: RsaKeyPair,
}

pub(crate) static KEYS: LazyLock<Keys> = LazyLock::new(|| {
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
pub(crate) enum Signer {
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
    pub(crate) fn sign(self, message: &str) -> Vec<u8> {
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

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A public key in PEM, from its `SubjectPublicKeyInfo`.
pub(crate) fn pem(info: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(info))
}

pub(crate) fn ec_pem(key: &EcdsaKeyPair) -> String {
    pem(key.public_key().as_der().unwrap().as_ref())
}

pub(crate) fn rsa_pem() -> String {
    pem(AsDer::as_der(KEYS.rsa.public_key()).unwrap().as_ref())
}

pub(crate) fn ec_jwk(key: &EcdsaKeyPair, crv: &str, more: &Value) -> Value {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    merged(&json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)}), more)
}

pub(crate) fn ed_jwk(more: &Value) -> Value {
    merged(&json!({"kty": "OKP", "crv": "Ed25519", "x": b64(KEYS.ed.public_key())}), more)
}

/// Finds the modulus by offset, which is fixed in the PKCS#1 form of a 2048-bit public key.
pub(crate) fn rsa_jwk(more: &Value) -> Value {
    let der = KEYS.rsa.public_key().as_ref();
    assert_eq!(der.len(), 270, "a 2048-bit key with the exponent 65537");
    merged(&json!({"kty": "RSA", "n": b64(&der[9..265]), "e": "AQAB"}), more)
}

/// `base` with the members of `more`; null removes one.
pub(crate) fn merged(base: &Value, more: &Value) -> Value {
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

/// A token with this header and these claims, unmodified.
pub(crate) fn token(header: &str, claims: &str, signer: Signer) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let signature = b64(signer.sign(&message));
    format!("{message}.{signature}")
}
