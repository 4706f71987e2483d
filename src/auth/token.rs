//! A JWT taken apart, with nothing in it believed yet.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json::parse_object;
use super::refusal::Refusal;

/// The longest token that is looked at, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// The names in a header that change what the token means, and that are not supported. `jku`,
/// `jwk`, `x5u` and `x5c` are not among them: they are never read, so they change nothing.
const UNSUPPORTED: [(&str, Refusal); 4] = [
    ("crit", Refusal::HeaderCrit),
    ("enc", Refusal::HeaderEnc),
    ("zip", Refusal::HeaderZip),
    ("b64", Refusal::HeaderB64),
];

/// A token in the compact form of RFC 7515, before its signature is checked.
pub(super) struct Unverified<'a> {
    /// All of it.
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

/// What is read of a header.
pub(super) struct Header {
    /// `alg`, whatever it says.
    pub(super) algorithm: String,
    /// `kid`.
    pub(super) kid: Option<String>,
    /// `typ` in lower case.
    typ: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart. The cheap checks come first: what fails them is never decoded.
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

    /// `iss`, only good for finding the keys that will prove it.
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

    /// Refuses what is no access token by its `typ`. RFC 9068 makes `at+jwt` (or its long form)
    /// the mark of one; older issuers say `JWT` or nothing, which `at_jwt_only` refuses.
    pub(super) fn check_typ(&self, at_jwt_only: bool) -> Result<(), Refusal> {
        match self.typ.as_deref() {
            Some("at+jwt" | "application/at+jwt") => Ok(()),
            None | Some("jwt") if !at_jwt_only => Ok(()),
            _ => Err(Refusal::HeaderTyp),
        }
    }
}

/// Unpadded base64url with no stray bits at the end: one spelling for one content.
fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Base64)
}
