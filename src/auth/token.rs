//! Parses a JWT; nothing in it is trusted yet.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json::parse_object;
use super::refusal::Refusal;

/// The longest token that is parsed, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// Header members that change what the token means and are not supported. `jku`, `jwk`, `x5u` and
/// `x5c` are missing here because they are never read, so they change nothing.
const UNSUPPORTED: [(&str, Refusal); 4] = [
    ("crit", Refusal::HeaderCrit),
    ("enc", Refusal::HeaderEnc),
    ("zip", Refusal::HeaderZip),
    ("b64", Refusal::HeaderB64),
];

/// A token in the compact form of RFC 7515, before its signature is checked.
pub(super) struct Unverified<'a> {
    /// The whole token.
    pub(super) text: &'a str,
    /// What is signed: the first two parts as they came.
    pub(super) message: &'a str,
    /// The third part, still base64url.
    pub(super) signature: &'a str,
    /// The header.
    pub(super) header: Header,
    /// The claims, an object.
    pub(super) claims: Value,
}

/// The header members that are read.
pub(super) struct Header {
    /// `alg`, unchecked.
    pub(super) algorithm: String,
    /// `kid`.
    pub(super) kid: Option<String>,
    /// `typ` in lower case.
    typ: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Splits and decodes a token. Cheap checks come first, so what fails them is never decoded.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_LENGTH {
            return Err(Refusal::TooLong);
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !text.bytes().all(known) {
            return Err(Refusal::Characters);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Parts);
        };
        if [header, payload, signature].iter().any(|part| part.is_empty()) {
            return Err(Refusal::Parts);
        }
        decode(signature)?;
        let message = &text[..header.len() + 1 + payload.len()];
        let header = Header::read(parse_object(&decode(header)?).map_err(Refusal::Header)?)?;
        let claims = parse_object(&decode(payload)?).map_err(Refusal::Payload)?;
        Ok(Self { text, message, signature, header, claims: Value::Object(claims) })
    }

    /// `iss`, used only to find the keys that verify the token.
    pub(super) fn issuer(&self) -> Result<&str, Refusal> {
        match self.claims.get("iss") {
            None => Err(Refusal::IssMissing),
            Some(Value::String(issuer)) => Ok(issuer),
            Some(_) => Err(Refusal::IssInvalid),
        }
    }
}

impl Header {
    fn read(mut names: Map<String, Value>) -> Result<Self, Refusal> {
        for (name, refusal) in UNSUPPORTED {
            if names.contains_key(name) {
                return Err(refusal);
            }
        }
        let mut text = |name: &str, refusal| match names.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refusal),
        };
        Ok(Self {
            algorithm: text("alg", Refusal::AlgMissing)?.ok_or(Refusal::AlgMissing)?,
            kid: text("kid", Refusal::KidInvalid)?,
            typ: text("typ", Refusal::HeaderTyp)?.map(|typ| typ.to_ascii_lowercase()),
        })
    }

    /// Refuses a `typ` that is not an access token's. RFC 9068 prescribes `at+jwt` (or its long
    /// form); older issuers send `JWT` or nothing, which `at_jwt_only` refuses.
    pub(super) fn check_typ(&self, at_jwt_only: bool) -> Result<(), Refusal> {
        match self.typ.as_deref() {
            Some("at+jwt" | "application/at+jwt") => Ok(()),
            None | Some("jwt") if !at_jwt_only => Ok(()),
            _ => Err(Refusal::HeaderTyp),
        }
    }
}

/// Unpadded base64url without stray trailing bits: one encoding per content.
fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Base64)
}
