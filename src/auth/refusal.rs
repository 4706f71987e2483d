//! Every reason for which a JWT is refused, and its word in the log.

use super::json::JsonFault;
use crate::domain::principal::AuthError;

/// Why a JWT is refused. Callers all get the same response; the word is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// More than 8 KiB.
    TooLong,
    /// A character outside of base64url and the dot: spaces, padding, anything not ASCII.
    Characters,
    /// Not three non-empty parts separated by dots.
    Parts,
    /// A part is not canonical base64url.
    Base64,
    /// The header is not one strict JSON object.
    Header(JsonFault),
    /// The payload is not one strict JSON object.
    Payload(JsonFault),
    /// `crit`: an extension that must be understood; none is supported.
    HeaderCrit,
    /// `enc`: an encrypted token.
    HeaderEnc,
    /// `zip`: a compressed token.
    HeaderZip,
    /// `b64`: another way to sign the payload.
    HeaderB64,
    /// The header's `typ` is not that of an access token.
    HeaderTyp,
    /// No `alg`, or not a string.
    AlgMissing,
    /// `alg` is not among the issuer's algorithms.
    AlgNotAllowed,
    /// `kid` is not a string.
    KidInvalid,
    /// No `kid`, and several keys would fit.
    KidMissing,
    /// No key fits.
    KeyUnknown,
    /// The key that `kid` names belongs to another algorithm than `alg`.
    KeyAlgorithm,
    /// The signature is not this key's, or not in the form the algorithm prescribes.
    Signature,
    /// No `iss`.
    IssMissing,
    /// `iss` is not one string.
    IssInvalid,
    /// `iss` is none of the configured issuers.
    IssUnknown,
    /// No `aud`.
    AudMissing,
    /// `aud` is neither a string nor an array of strings.
    AudInvalid,
    /// `aud` names none of our audiences.
    AudOther,
    /// No `sub`.
    SubMissing,
    /// `sub` is not a string, is empty, or has control characters.
    SubInvalid,
    /// No `exp`.
    ExpMissing,
    /// `exp` is not a plausible date.
    ExpInvalid,
    /// `exp` has passed.
    Expired,
    /// `nbf` is not a plausible date.
    NbfInvalid,
    /// `nbf` is in the future.
    NotYetValid,
    /// `iat` is not a plausible date.
    IatInvalid,
    /// `iat` is in the future.
    IssuedInFuture,
    /// The payload's `typ` is not `Bearer`: an ID token or a refresh token.
    PayloadTyp,
    /// `cnf`: the token is bound to a key, and possession of it is not checked here.
    CnfPresent,
    /// The API server does not accept the token.
    ReviewRefused,
    /// The API server accepts the token but reports an error.
    ReviewError,
    /// The API server accepts the token, but for none of our audiences.
    ReviewAudience,
    /// The API server accepts the token but gives no printable user name.
    ReviewUsername,
}

impl Refusal {
    /// The stable word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Characters => "bad_characters",
            Self::Parts => "not_three_parts",
            Self::Base64 => "bad_base64",
            Self::Header(JsonFault::Syntax) => "header_not_json",
            Self::Header(JsonFault::Duplicate) => "header_duplicate_name",
            Self::Header(JsonFault::Deep) => "header_too_deep",
            Self::Payload(JsonFault::Syntax) => "payload_not_json",
            Self::Payload(JsonFault::Duplicate) => "payload_duplicate_name",
            Self::Payload(JsonFault::Deep) => "payload_too_deep",
            Self::HeaderCrit => "header_crit",
            Self::HeaderEnc => "header_enc",
            Self::HeaderZip => "header_zip",
            Self::HeaderB64 => "header_b64",
            Self::HeaderTyp => "header_typ",
            Self::AlgMissing => "alg_missing",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::KidInvalid => "kid_invalid",
            Self::KidMissing => "kid_missing",
            Self::KeyUnknown => "unknown_key",
            Self::KeyAlgorithm => "key_of_other_algorithm",
            Self::Signature => "bad_signature",
            Self::IssMissing => "iss_missing",
            Self::IssInvalid => "iss_invalid",
            Self::IssUnknown => "unknown_issuer",
            Self::AudMissing => "aud_missing",
            Self::AudInvalid => "aud_invalid",
            Self::AudOther => "wrong_audience",
            Self::SubMissing => "sub_missing",
            Self::SubInvalid => "sub_invalid",
            Self::ExpMissing => "exp_missing",
            Self::ExpInvalid => "exp_invalid",
            Self::Expired => "expired",
            Self::NbfInvalid => "nbf_invalid",
            Self::NotYetValid => "not_yet_valid",
            Self::IatInvalid => "iat_invalid",
            Self::IssuedInFuture => "issued_in_future",
            Self::PayloadTyp => "payload_typ",
            Self::CnfPresent => "cnf_present",
            Self::ReviewRefused => "review_refused",
            Self::ReviewError => "review_error",
            Self::ReviewAudience => "review_audience",
            Self::ReviewUsername => "review_username",
        }
    }
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        Self::Invalid { reason: refusal.word() }
    }
}
