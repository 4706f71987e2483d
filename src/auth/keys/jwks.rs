//! JSON Web Key Sets: RFC 7517, RFC 7518, RFC 8037.
//!
//! Keys that are not for us (encryption keys, unknown kinds, algorithms the issuer may not use) are
//! skipped, as RFC 7517 section 5 asks. A secret or a broken key refuses the whole document:
//! skipping it would hide a mistake.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::material::{Kind, rsa_info};
use super::{Key, KeyLabel, KeyProblem, KeySet};
use crate::auth::algorithm::Algorithm;
use crate::auth::json::parse_object;

/// How many keys a document may have.
const MAX_KEYS: usize = 64;

/// The members of a JWK that hold a secret.
const SECRETS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The members of a JWK that are read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Parses a document. The set is empty if no key in it is for us.
pub(in crate::auth) fn parse(text: &[u8], allowed: &[Algorithm]) -> Result<KeySet, KeyProblem> {
    let mut document = parse_object(text)?;
    let Some(Value::Array(entries)) = document.remove("keys") else {
        return Err(KeyProblem::NotJwks("it has no array named keys".to_owned()));
    };
    if entries.len() > MAX_KEYS {
        return Err(KeyProblem::TooManyKeys);
    }
    let mut keys = KeySet::default();
    for (index, entry) in entries.into_iter().enumerate() {
        let label = label(&entry, index + 1);
        let read = read(entry, allowed)
            .map_err(|problem| KeyProblem::BadKey { key: label.clone(), problem })?;
        if let Some(key) = read {
            keys.add(key, label)?;
        }
    }
    Ok(keys)
}

fn label(entry: &Value, place: usize) -> KeyLabel {
    match entry.get("kid") {
        Some(Value::String(kid)) => KeyLabel::Kid(kid.clone()),
        _ => KeyLabel::Place(place),
    }
}

fn read(entry: Value, allowed: &[Algorithm]) -> Result<Option<Key>, &'static str> {
    let Value::Object(members) = entry else { return Err("is not an object") };
    refuse_secrets(&members)?;
    let jwk: Jwk = serde_json::from_value(Value::Object(members))
        .map_err(|_| "has no kty, or a member that is not of its type")?;
    let Some(kind) = jwk.verifying_kind() else { return Ok(None) };
    let Some(algorithm) = jwk.algorithm(kind, allowed)? else { return Ok(None) };
    let decoding = kind.decoding_key(&jwk.material(kind)?)?;
    Ok(Some(Key { kid: jwk.kid, algorithm, decoding }))
}

fn refuse_secrets(members: &Map<String, Value>) -> Result<(), &'static str> {
    if members.get("kty").is_some_and(|kty| kty == "oct") {
        return Err("is a shared secret (oct); tokens are verified with public keys only");
    }
    if SECRETS.iter().any(|secret| members.contains_key(*secret)) {
        return Err("has private key material; keep only the public members, and make a new pair \
            if others could read the file");
    }
    Ok(())
}

impl Jwk {
    /// The kind of a key that can verify signatures; `None` for keys that are not for us.
    fn verifying_kind(&self) -> Option<Kind> {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let verifies = self
            .key_ops
            .as_ref()
            .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !signs || !verifies {
            return None;
        }
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some(Kind::Rsa),
            ("EC", Some("P-256")) => Some(Kind::P256),
            ("EC", Some("P-384")) => Some(Kind::P384),
            ("OKP", Some("Ed25519")) => Some(Kind::Ed25519),
            _ => None,
        }
    }

    /// The key's one algorithm; `None` if the issuer may not use it.
    fn algorithm(
        &self,
        kind: Kind,
        allowed: &[Algorithm],
    ) -> Result<Option<Algorithm>, &'static str> {
        let Some(name) = &self.alg else { return Ok(kind.default_algorithm(allowed)) };
        match Algorithm::parse(name) {
            Some(named) if !kind.algorithms().contains(&named) => {
                Err("has an alg that does not match its kty and crv")
            }
            named => Ok(named.filter(|named| allowed.contains(named))),
        }
    }

    /// The key's bytes, in the form [`Kind::decoding_key`] takes.
    fn material(&self, kind: Kind) -> Result<Vec<u8>, &'static str> {
        match kind {
            Kind::Rsa => rsa_info(&number(self.n.as_ref())?, &number(self.e.as_ref())?),
            Kind::Ed25519 => coordinate(self.x.as_ref(), kind),
            Kind::P256 | Kind::P384 => {
                let uncompressed = 0x04;
                let mut point = vec![uncompressed];
                point.extend(coordinate(self.x.as_ref(), kind)?);
                point.extend(coordinate(self.y.as_ref(), kind)?);
                Ok(point)
            }
        }
    }
}

fn number(member: Option<&String>) -> Result<Vec<u8>, &'static str> {
    let text = member.ok_or("lacks a member of the key itself (n, e, x or y)")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "has a member that is not unpadded base64url")
}

fn coordinate(member: Option<&String>, kind: Kind) -> Result<Vec<u8>, &'static str> {
    let bytes = number(member)?;
    if kind.coordinate() == Some(bytes.len()) {
        Ok(bytes)
    } else {
        Err("has a coordinate of the wrong length for its curve")
    }
}
