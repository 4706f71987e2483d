//! The verifier of JWT bearer tokens.
//!
//! Nothing in a token is believed before it is proved, but for `iss`, which only chooses the
//! issuer. The `jsonwebtoken` crate checks the signature and nothing else: its checks of claims
//! are lenient, and read the machine's clock.

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

/// Verifies JWTs of all configured issuers. Without any issuer it refuses every token.
#[derive(Debug)]
pub struct JwtAuthenticator {
    /// By `iss`.
    issuers: HashMap<String, Issuer>,
    clock: Arc<dyn Clock>,
}

/// What came of trying an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The section's `<name>`.
    pub section: String,
    /// What was seen, or what stands in the way, for people.
    pub result: Result<String, String>,
}

impl JwtAuthenticator {
    /// Reads the files of all sections; the first section that is wrong is the error. Asks no
    /// server: [`Authenticator::keep`] does.
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

    /// Tries every issuer: fetches keys, asks API servers. In the order of the sections' names.
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

    /// Most tokens are verified with keys that are here; an unknown key costs its issuer a fetch
    /// now and then. API servers are asked about each token that they did not just vouch for.
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
