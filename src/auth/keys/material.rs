//! The kinds of public keys, and which algorithm each may serve.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RsaPublicKeyComponents,
};
use jsonwebtoken::DecodingKey;

use crate::auth::algorithm::Algorithm;

const BAD_POINT: &str = "is not a point of its curve";

/// The kinds of keys that can verify tokens here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    /// The algorithms that a key of this kind can serve, the usual one first.
    pub(super) fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[Algorithm::Rs256, Algorithm::Ps256],
            Self::P256 => &[Algorithm::Es256],
            Self::P384 => &[Algorithm::Es384],
            Self::Ed25519 => &[Algorithm::EdDsa],
        }
    }

    /// The algorithm of a key that does not name its own: the first that the issuer may use. So an
    /// RSA key serves RS256, or PS256 if the issuer may not use RS256: one key is never good for
    /// both paddings.
    pub(super) fn default_algorithm(self, allowed: &[Algorithm]) -> Option<Algorithm> {
        self.algorithms().iter().copied().find(|algorithm| allowed.contains(algorithm))
    }

    /// Parses a key given as X.509 `SubjectPublicKeyInfo` or as a bare elliptic-curve point.
    pub(super) fn decoding_key(self, bytes: &[u8]) -> Result<DecodingKey, &'static str> {
        match self {
            Self::Rsa => PublicEncryptingKey::from_der(bytes)
                .map(|_| DecodingKey::from_rsa_der(bytes))
                .map_err(|_| "is not an RSA key of 2048 to 8192 bits: make a larger one"),
            Self::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes)
                .map(|_| DecodingKey::from_ec_der(bytes))
                .map_err(|_| BAD_POINT),
            Self::P384 => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, bytes)
                .map(|_| DecodingKey::from_ec_der(bytes))
                .map_err(|_| BAD_POINT),
            Self::Ed25519 => ParsedPublicKey::new(&ED25519, bytes)
                .map(|_| DecodingKey::from_ed_der(bytes))
                .map_err(|_| BAD_POINT),
        }
    }

    /// The length of a coordinate in bytes; RFC 7518 and RFC 8037 allow no other.
    pub(super) fn coordinate(self) -> Option<usize> {
        match self {
            Self::Rsa => None,
            Self::P256 | Self::Ed25519 => Some(32),
            Self::P384 => Some(48),
        }
    }
}

/// Wraps an RSA modulus and exponent (big-endian, no leading zeros) into `SubjectPublicKeyInfo`.
pub(super) fn rsa_info(n: &[u8], e: &[u8]) -> Result<Vec<u8>, &'static str> {
    RsaPublicKeyComponents { n, e }
        .as_der()
        .map(|der| der.as_ref().to_vec())
        .map_err(|_| "has an n or e that is not valid for RSA")
}
