//! The verifier of JWT bearer tokens.
//!
//! Nothing in a token is trusted before its signature is verified, except `iss`, which selects the
//! issuer. The `jsonwebtoken` crate checks the signature only: its claim checks are lenient and
//! read the system clock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::issuer::Issuer;
use super::refusal::Refusal;
use super::setup::AuthSetupError;
use super::token::Unverified;
use crate::config::JwtIssuerConfig;
use crate::domain::principal::{AuthError, Authenticator, Call, Principal};
use crate::domain::time::Clock;

/// Verifies JWTs of all configured issuers. Without issuers it refuses every token.
#[derive(Debug)]
pub struct JwtAuthenticator {
    /// By `iss`.
    issuers: HashMap<String, Issuer>,
    clock: Arc<dyn Clock>,
}

/// The result of testing one issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The section's `<name>`.
    pub section: String,
    /// What was seen, or why the issuer cannot be used.
    pub result: Result<String, String>,
}

impl JwtAuthenticator {
    /// Reads the files of all sections and returns the first error. Connects to no server:
    /// [`Authenticator::keep`] does.
    pub fn new(
        sections: &[JwtIssuerConfig],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthSetupError> {
        let mut issuers = HashMap::new();
        for section in sections {
            match issuers.entry(section.issuer.clone()) {
                Entry::Vacant(place) => {
                    place.insert(Issuer::new(section, &clock)?);
                }
                Entry::Occupied(first) => return Err(duplicate(first.get(), section)),
            }
        }
        Ok(Self { issuers, clock })
    }

    /// Tests every issuer (fetches keys, calls API servers), in the order of section names.
    pub async fn trials(&self) -> Vec<Trial> {
        let one = async |issuer: &Issuer| Trial {
            section: issuer.config.name.clone(),
            result: issuer.trial().await,
        };
        let mut trials = join_all(self.issuers.values().map(one)).await;
        trials.sort_by(|a, b| a.section.cmp(&b.section));
        trials
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, call: &Call<'_>) -> Result<Principal, AuthError> {
        let token = Unverified::parse(call.token.expose())?;
        let issuer = self.issuers.get(token.issuer()?).ok_or(Refusal::IssUnknown)?;
        issuer.verify(&token, self.clock.now()).await
    }

    /// Most tokens are verified with keys already here; an unknown key rarely costs a fetch. API
    /// servers are called for each token that they did not just validate.
    fn needs_remote_call(&self, call: &Call<'_>) -> bool {
        let Ok(token) = Unverified::parse(call.token.expose()) else { return false };
        let issuer = token.issuer().ok().and_then(|issuer| self.issuers.get(issuer));
        issuer.is_some_and(|issuer| issuer.needs_remote_call(&token, self.clock.now()))
    }

    async fn keep(&self, stop: CancellationToken) {
        join_all(self.issuers.values().map(|issuer| issuer.keep(stop.clone()))).await;
    }
}

fn duplicate(first: &Issuer, second: &JwtIssuerConfig) -> AuthSetupError {
    AuthSetupError::DuplicateIssuer {
        first: first.config.name.clone(),
        second: second.name.clone(),
        issuer: second.issuer.clone(),
    }
}
