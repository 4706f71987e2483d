//! The signature algorithms that can be accepted at all.
//!
//! Our own enum, so that HMAC and `none` cannot even be expressed.

use jsonwebtoken::Algorithm as Crate;

/// A signature algorithm of RFC 7518 or RFC 8037, with public keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519. Ed448 has the same registered name but is not supported.
    EdDsa,
}

impl Algorithm {
    /// Parses the registered name, case-sensitively: `es256` is not one.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }

    /// Its name in the `jsonwebtoken` crate.
    pub(super) fn of_crate(self) -> Crate {
        match self {
            Self::Rs256 => Crate::RS256,
            Self::Ps256 => Crate::PS256,
            Self::Es256 => Crate::ES256,
            Self::Es384 => Crate::ES384,
            Self::EdDsa => Crate::EdDSA,
        }
    }
}
