//! One public key in PEM.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::material::Kind;
use super::{Key, KeyLabel, KeyProblem, KeySet};
use crate::auth::algorithm::Algorithm;

/// Reads a file with one `PUBLIC KEY` (or PKCS#1 `RSA PUBLIC KEY`) block. The set is empty if the
/// issuer may not use the key's algorithm.
pub(in crate::auth) fn parse(text: &[u8], allowed: &[Algorithm]) -> Result<KeySet, KeyProblem> {
    let info = public_key_info(text).map_err(KeyProblem::NotPem)?;
    let bad = |problem| KeyProblem::BadKey { key: KeyLabel::Only, problem };
    let (kind, decoding) = classify(&info).map_err(bad)?;
    let mut keys = KeySet::default();
    if let Some(algorithm) = kind.default_algorithm(allowed) {
        keys.add(Key { kid: None, algorithm, decoding }, KeyLabel::Only)?;
    }
    Ok(keys)
}

/// The `SubjectPublicKeyInfo` in the only block of the file.
fn public_key_info(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = str::from_utf8(text).map_err(|_| "it is not text")?;
    if text.contains("PRIVATE KEY-----") {
        return Err(
            "it has a private key; put the public key there, and make a new pair if others \
            could read the file",
        );
    }
    if text.matches("-----BEGIN ").count() != 1 {
        return Err("it must have exactly one block, BEGIN PUBLIC KEY");
    }
    if let Some(der) = block(text, "PUBLIC KEY")? {
        return Ok(der);
    }
    let Some(der) = block(text, "RSA PUBLIC KEY")? else {
        return Err("its block is not BEGIN PUBLIC KEY; take the public key out of a certificate \
                    with openssl x509 -pubkey -noout");
    };
    rsa::PublicKey::from_der(&der)
        .ok()
        .and_then(|key| Some(AsDer::as_der(&key).ok()?.as_ref().to_vec()))
        .ok_or("its RSA PUBLIC KEY block is broken")
}

fn block(text: &str, label: &str) -> Result<Option<Vec<u8>>, &'static str> {
    let Some((_, rest)) = text.split_once(&format!("-----BEGIN {label}-----")) else {
        return Ok(None);
    };
    let (body, _) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or("its block has no END line; the file may be cut off")?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).map(Some).map_err(|_| "its block is not base64")
}

/// Determines the kind of a key: the only one whose parser accepts it. Parsers check the object
/// identifiers inside, so none accepts a key of another curve.
fn classify(info: &[u8]) -> Result<(Kind, jsonwebtoken::DecodingKey), &'static str> {
    for kind in [Kind::P256, Kind::P384, Kind::Ed25519] {
        if let Ok(key) = kind.decoding_key(info) {
            return Ok((kind, key));
        }
    }
    if rsa::PublicKey::from_der(info).is_ok() {
        return Kind::Rsa.decoding_key(info).map(|key| (Kind::Rsa, key));
    }
    Err("is neither RSA, nor of curve P-256, P-384 or Ed25519")
}
