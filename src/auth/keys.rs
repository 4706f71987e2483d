//! Public keys, each bound to exactly one algorithm, and how a token's key is selected.

pub(super) mod jwks;
mod material;
pub(super) mod pem;

use std::fmt;

use jsonwebtoken::DecodingKey;

use super::algorithm::Algorithm;
use super::json::JsonFault;
use super::refusal::Refusal;
use crate::files::{FileError, FileProblem};

/// Why a key file or fetched key set is refused. The messages name the key but show none of it.
#[derive(Debug, thiserror::Error)]
pub enum KeyProblem {
    /// The file cannot be read.
    #[error(transparent)]
    File(FileProblem),
    /// Not the JSON of RFC 7517.
    #[error("is not a JWKS document: {0}")]
    NotJwks(String),
    /// Too many keys.
    #[error("has more than 64 keys")]
    TooManyKeys,
    /// Not one PEM block with a public key.
    #[error("is not one PEM public key: {0}")]
    NotPem(&'static str),
    /// One key is dangerous or broken.
    #[error("{key} {problem}")]
    BadKey {
        /// Which key.
        key: KeyLabel,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It has no key that could ever verify a token.
    #[error(
        "has no key that could verify a token: it must hold a signature key for one of the \
         section's algorithms"
    )]
    NoneUsable,
}

/// The caller already knows which file it is.
impl From<FileError> for KeyProblem {
    fn from(error: FileError) -> Self {
        Self::File(error.problem)
    }
}

/// How messages name a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLabel {
    /// By its `kid`.
    Kid(String),
    /// By its place in the document, from 1.
    Place(usize),
    /// The only one.
    Only,
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kid(kid) => write!(f, "key {kid:?}"),
            Self::Place(place) => write!(f, "key number {place}"),
            Self::Only => f.write_str("the key"),
        }
    }
}

impl From<JsonFault> for KeyProblem {
    fn from(fault: JsonFault) -> Self {
        Self::NotJwks(fault.to_string())
    }
}

/// A public key and the one algorithm it may be used with.
#[derive(Debug, Clone)]
pub(super) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl Key {
    /// Whether `signature` (base64url) is a valid signature of `message` by this key.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        let algorithm = self.algorithm.of_crate();
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.decoding, algorithm)
            .unwrap_or(false)
    }
}

/// The keys of one issuer; no two have the same `kid`.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// Whether there is no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether both have the same key ids in the same order.
    pub(super) fn same_names(&self, other: &Self) -> bool {
        self.0.iter().map(|key| &key.kid).eq(other.0.iter().map(|key| &key.kid))
    }

    fn add(&mut self, key: Key, label: KeyLabel) -> Result<(), KeyProblem> {
        if key.kid.is_some() && self.0.iter().any(|known| known.kid == key.kid) {
            let problem = "occurs twice: give each key a kid of its own";
            return Err(KeyProblem::BadKey { key: label, problem });
        }
        self.0.push(key);
        Ok(())
    }

    /// Selects the key for a token: the one with its `kid`, or the only one that fits. A key
    /// without a `kid` matches any `kid` only if it is the whole set, as with a PEM file.
    pub(super) fn select(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&Key, Refusal> {
        let Some(kid) = kid else {
            let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(key),
                (Some(_), Some(_)) => Err(Refusal::KidMissing),
                (None, _) => Err(Refusal::KeyUnknown),
            };
        };
        let named = self.0.iter().find(|key| key.kid.as_deref() == Some(kid));
        let key = match (named, self.0.as_slice()) {
            (Some(key), _) => key,
            (None, [only]) if only.kid.is_none() => only,
            (None, _) => return Err(Refusal::KeyUnknown),
        };
        if key.algorithm == algorithm { Ok(key) } else { Err(Refusal::KeyAlgorithm) }
    }
}
