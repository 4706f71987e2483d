//! Authentication: verifiers of the tokens that requests carry.
//!
//! The header chooses the verifier; a token that one refuses is never tried by another. There is no
//! way to run without authentication. Calls to other servers go through [`crate::net`].

mod algorithm;
mod answer;
mod claims;
mod https_peer;
mod issuer;
mod json;
mod jwt;
mod key_file;
mod keys;
mod keystone;
mod mint;
mod refusal;
mod remote;
mod review;
mod setup;
mod token;
mod token_cache;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use https_peer::PeerProblem;
pub use jwt::{JwtAuthenticator, Trial};
pub use keys::KeyProblem;
pub use keystone::{KeystoneAuthenticator, KeystoneReport};
pub use mint::{DemoIssuer, MintError};
pub use setup::AuthSetupError;

use crate::domain::principal::Authenticator;

/// The verifiers, one per header.
#[derive(Debug, Clone)]
pub struct Authenticators {
    /// For `Authorization: Bearer`.
    pub bearer: Arc<dyn Authenticator>,
    /// For `X-Auth-Token`; `None` if no Keystone is configured, and the header is then refused.
    pub keystone: Option<Arc<dyn Authenticator>>,
}
