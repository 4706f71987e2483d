//! Which keys of a file are accepted, and what makes the whole file invalid.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::{KEYS, b64, ec_jwk, ec_pem, ed_jwk, pem, rsa_jwk, rsa_pem};
use crate::auth::algorithm::Algorithm::{self, EdDsa, Es256, Es384, Ps256, Rs256};
use crate::auth::keys::{KeySet, jwks, pem as pem_file};
use crate::auth::refusal::Refusal;

const ALL: [Algorithm; 5] = [Rs256, Ps256, Es256, Es384, EdDsa];

/// The algorithms that a file has keys for, or why it is refused.
type Answer = Result<Vec<Algorithm>, String>;

fn serves(keys: &KeySet) -> Vec<Algorithm> {
    let has_key = |one: &Algorithm| !matches!(keys.select(*one, None), Err(Refusal::KeyUnknown));
    ALL.into_iter().filter(has_key).collect()
}

fn jwks_file(text: &str, allowed: &[Algorithm]) -> Answer {
    jwks::parse(text.as_bytes(), allowed)
        .map(|keys| serves(&keys))
        .map_err(|problem| problem.to_string())
}

fn keys(keys: &[Value]) -> Answer {
    jwks_file(&json!({"keys": keys}).to_string(), &ALL)
}

fn pem_of(text: &str, allowed: &[Algorithm]) -> Answer {
    pem_file::parse(text.as_bytes(), allowed)
        .map(|keys| serves(&keys))
        .map_err(|problem| problem.to_string())
}

fn ec(more: &Value) -> Value {
    ec_jwk(&KEYS.p256, "P-256", more)
}

#[track_caller]
fn refused(answer: Answer, with: &str) {
    let message = answer.expect_err(with);
    assert!(message.contains(with), "{message:?} does not say {with:?}");
}

#[test]
fn a_key_without_alg_serves_the_usual_algorithm_of_its_kind() {
    let p384 = ec_jwk(&KEYS.p384, "P-384", &json!({}));
    assert_eq!(keys(&[ec(&json!({}))]), Ok(vec![Es256]));
    assert_eq!(keys(&[p384]), Ok(vec![Es384]));
    assert_eq!(keys(&[ed_jwk(&json!({}))]), Ok(vec![EdDsa]));
    assert_eq!(keys(&[rsa_jwk(&json!({}))]), Ok(vec![Rs256]));
}

#[test]
fn an_rsa_key_without_alg_serves_ps256_only_where_rs256_is_not_allowed() {
    let text = json!({"keys": [rsa_jwk(&json!({}))]}).to_string();
    assert_eq!(jwks_file(&text, &[Ps256, Rs256]), Ok(vec![Rs256]));
    assert_eq!(jwks_file(&text, &[Ps256]), Ok(vec![Ps256]));
    assert_eq!(jwks_file(&text, &[Es256]), Ok(vec![]));
    assert_eq!(pem_of(&rsa_pem(), &[Ps256, Rs256]), Ok(vec![Rs256]));
    assert_eq!(pem_of(&rsa_pem(), &[Ps256]), Ok(vec![Ps256]));
}

#[test]
fn keys_that_are_not_for_us_are_passed_over() {
    let passed_over = [
        ec(&json!({"use": "enc"})),
        ec(&json!({"key_ops": ["sign", "deriveKey"]})),
        ec(&json!({"key_ops": []})),
        rsa_jwk(&json!({"alg": "RSA-OAEP"})),
        rsa_jwk(&json!({"alg": "RS512"})),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": "AA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
        json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}),
    ];
    for key in passed_over {
        assert_eq!(keys(&[key.clone(), ed_jwk(&json!({}))]), Ok(vec![EdDsa]), "{key}");
    }
    assert_eq!(keys(&[]), Ok(vec![]));
}

#[test]
fn a_key_for_an_algorithm_that_is_not_allowed_is_skipped() {
    let rsa = rsa_jwk(&json!({"alg": "RS256"}));
    let text = json!({"keys": [rsa, ec(&json!({"alg": "ES256"}))]}).to_string();
    assert_eq!(jwks_file(&text, &[Es256]), Ok(vec![Es256]));
    assert_eq!(jwks_file(&text, &[Ps256]), Ok(vec![]));
}

#[test]
fn secrets_refuse_the_file_and_are_not_shown() {
    refused(
        keys(&[json!({"kty": "oct", "k": "c2VjcmV0", "kid": "h"})]),
        "key \"h\" is a shared secret",
    );
    refused(keys(&[ec(&json!({"use": "enc", "d": "AA"}))]), "key number 1 has private key");
    for secret in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let message = keys(&[rsa_jwk(&json!({secret: "c2VjcmV0"}))]).unwrap_err();
        assert!(message.contains("private key material"), "{message}");
        assert!(!message.contains("c2VjcmV0"), "{message}");
    }
}

#[test]
fn weak_and_broken_keys_invalidate_the_file() {
    let rsa_1024 = b64([&[0xc1_u8][..], &[0x55; 127]].concat());
    let even = b64([&[0xc1_u8][..], &[0x54; 255]].concat());
    refused(keys(&[rsa_jwk(&json!({"n": rsa_1024}))]), "2048 to 8192 bits");
    refused(keys(&[rsa_jwk(&json!({"n": even}))]), "RSA");
    refused(keys(&[rsa_jwk(&json!({"e": "AQ"}))]), "RSA");
    refused(keys(&[rsa_jwk(&json!({"e": null}))]), "lacks a member");
    refused(keys(&[rsa_jwk(&json!({"alg": "ES256"}))]), "does not match");
    refused(keys(&[ec(&json!({"alg": "ES384"}))]), "does not match");
    refused(keys(&[ec(&json!({"y": null}))]), "lacks a member");
    refused(keys(&[ec(&json!({"x": b64([1; 32])}))]), "not a point");
    refused(keys(&[ec(&json!({"x": b64([1; 31])}))]), "wrong length");
    refused(keys(&[ec(&json!({"x": "a+b/"}))]), "base64url");
    refused(keys(&[ec(&json!({"crv": "P-384"}))]), "wrong length");
    refused(keys(&[ec(&json!({"kty": null}))]), "has no kty");
    refused(keys(&[ec(&json!({"kid": 7}))]), "not of its type");
    refused(keys(&[ec(&json!({"key_ops": "verify"}))]), "not of its type");
    refused(keys(&[json!("key")]), "is not an object");
}

#[test]
fn two_keys_with_the_same_id_invalidate_the_file() {
    let twins = [ec(&json!({"kid": "a"})), ed_jwk(&json!({"kid": "a"}))];
    refused(keys(&twins), "key \"a\" occurs twice");
    assert_eq!(keys(&[ec(&json!({})), ed_jwk(&json!({}))]), Ok(vec![Es256, EdDsa]));
}

#[test]
fn a_document_that_is_no_key_set_is_refused() {
    for text in
        ["", "{}", "[]", "{\"keys\": {}}", "{\"keys\": null}", "{\"keys\": [], \"keys\": []}"]
    {
        refused(jwks_file(text, &ALL), "is not a JWKS document");
    }
    let many = |count| keys(&vec![ec(&json!({})); count]);
    assert_eq!(many(64), Ok(vec![Es256]));
    refused(many(65), "more than 64 keys");
}

#[test]
fn a_pem_file_holds_one_public_key() {
    assert_eq!(pem_of(&ec_pem(&KEYS.p256), &ALL), Ok(vec![Es256]));
    assert_eq!(pem_of(&ec_pem(&KEYS.p384), &ALL), Ok(vec![Es384]));
    assert_eq!(pem_of(&ec_pem(&KEYS.p384), &[Es256]), Ok(vec![]));
    assert_eq!(
        pem_of(&pem(KEYS.ed.public_key().as_der().unwrap().as_ref()), &ALL),
        Ok(vec![EdDsa])
    );
    assert_eq!(pem_of(&rsa_pem().replace('\n', "\r\n"), &ALL), Ok(vec![Rs256]));
    let pkcs1 = STANDARD.encode(KEYS.rsa.public_key());
    let pkcs1 = format!("-----BEGIN RSA PUBLIC KEY-----\n{pkcs1}\n-----END RSA PUBLIC KEY-----\n");
    assert_eq!(pem_of(&pkcs1, &ALL), Ok(vec![Rs256]));
}

#[test]
fn anything_else_in_a_pem_file_is_refused() {
    let good = ec_pem(&KEYS.p256);
    let p521 = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
    let (start, _) = good.split_at(good.len() / 2);
    refused(pem_of(&ec_pem(&p521), &ALL), "neither RSA, nor of curve");
    refused(pem_of(&good.replace("PUBLIC", "PRIVATE"), &ALL), "private key");
    refused(pem_of(&good.replace("PUBLIC KEY", "CERTIFICATE"), &ALL), "openssl x509");
    refused(pem_of(&format!("{good}{good}"), &ALL), "exactly one block");
    refused(pem_of("", &ALL), "exactly one block");
    refused(pem_of(start, &ALL), "cut off");
    refused(pem_of(&good.replace("MF", "M!"), &ALL), "not base64");
    refused(pem_of(&pem(b"hello"), &ALL), "neither RSA, nor of curve");
}
