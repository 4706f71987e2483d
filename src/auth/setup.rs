//! Why the configured issuers, or the configured Keystone, cannot be used.

use std::path::PathBuf;

use super::https_peer::PeerProblem;
use super::keys::KeyProblem;
use crate::net::EndpointProblem;

/// What is wrong with a `[revert_jwt:<name>]` section or with `[keystone_authtoken]`. Each message
/// names the section.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    /// The key file cannot be used.
    #[error("[revert_jwt:{section}] {option} = {}: {problem}", path.display())]
    Keys {
        /// The section's `<name>`.
        section: String,
        /// `jwks_file` or `public_key_file`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: KeyProblem,
    },
    /// A server's address is not valid.
    #[error("[revert_jwt:{section}] {option} {problem}")]
    Endpoint {
        /// The section's `<name>`.
        section: String,
        /// `issuer`, `jwks_uri` or `api_server`.
        option: &'static str,
        /// What is wrong with it.
        #[source]
        problem: EndpointProblem,
    },
    /// A file needed to call a server cannot be used.
    #[error("[revert_jwt:{section}] {problem}")]
    Peer {
        /// The section's `<name>`.
        section: String,
        /// Which file, and what is wrong with it.
        #[source]
        problem: PeerProblem,
    },
    /// The system returns no random bytes.
    #[error("no random key could be made; check that the system has a source of randomness")]
    NoRandomness,
    /// Two sections have the same issuer, so a token could not be assigned to one of them.
    #[error(
        "[revert_jwt:{first}] and [revert_jwt:{second}] have the same issuer, {issuer}: \
         put their keys into one file and remove one section"
    )]
    DuplicateIssuer {
        /// The section that came first.
        first: String,
        /// The section that repeats its issuer.
        second: String,
        /// The `issuer` of both.
        issuer: String,
    },
    /// `algorithms` names one that is not supported.
    #[error(
        "[revert_jwt:{section}] algorithms: {algorithm} is not accepted; \
         choose from RS256, PS256, ES256, ES384, EdDSA"
    )]
    Algorithm {
        /// The section's `<name>`.
        section: String,
        /// The name that was given.
        algorithm: String,
    },
    /// Keystone's section cannot be used.
    #[error("[keystone_authtoken] {option}: {problem}")]
    Keystone {
        /// The option, or several.
        option: &'static str,
        /// What is wrong.
        problem: String,
    },
}
