//! The verifier of JWT bearer tokens.
//!
//! The order is the rule: nothing in a token is believed before its signature is found good, but
//! for `iss`, which only chooses the keys. The `jsonwebtoken` crate checks the signature and
//! nothing else: its checks of claims are lenient, and read the machine's clock.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;

use super::algorithm::Algorithm;
use super::claims;
use super::keyfile::{self, KeyFile};
use super::refusal::Refusal;
use super::setup::AuthSetupError;
use super::token::Unverified;
use crate::config::{JwtIssuerConfig, JwtKeys};
use crate::domain::principal::{AuthError, Authenticator, Principal, Token};
use crate::domain::time::Clock;

/// Verifies JWTs of all configured issuers. Without any issuer it refuses every token.
#[derive(Debug)]
pub struct JwtAuthenticator {
    /// By `iss`.
    issuers: HashMap<String, Issuer>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Issuer {
    config: JwtIssuerConfig,
    algorithms: Vec<Algorithm>,
    keys: KeyFile,
}

impl JwtAuthenticator {
    /// Reads the key files of all sections; the first section that is wrong is the error.
    pub fn new(
        sections: &[JwtIssuerConfig],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthSetupError> {
        let mut issuers = HashMap::new();
        for section in sections {
            match issuers.entry(section.issuer.clone()) {
                Entry::Vacant(place) => {
                    place.insert(Issuer::new(section, clock.as_ref())?);
                }
                Entry::Occupied(first) => return Err(duplicate(first.get(), section)),
            }
        }
        Ok(Self { issuers, clock })
    }

    async fn verify(&self, text: &str) -> Result<Principal, Refusal> {
        let token = Unverified::parse(text)?;
        let issuer = self.issuers.get(token.issuer()?).ok_or(Refusal::IssUnknown)?;
        token.header.check_typ(issuer.config.require_at_jwt)?;
        let algorithm = issuer.algorithm(&token.header.algorithm)?;
        let now = self.clock.now();
        let keys = issuer.keys.current(now).await;
        let key = keys.select(algorithm, token.header.kid.as_deref())?;
        if !key.verifies(token.message, token.signature) {
            return Err(Refusal::Signature);
        }
        claims::check(&token.claims, &issuer.config, now)
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &Token) -> Result<Principal, AuthError> {
        Ok(self.verify(token.expose()).await?)
    }

    /// The keys are here.
    fn asks_others(&self, _: &Token) -> bool {
        false
    }
}

impl Issuer {
    fn new(section: &JwtIssuerConfig, clock: &dyn Clock) -> Result<Self, AuthSetupError> {
        let algorithms = algorithms(section)?;
        let keys = KeyFile::load(&section.name, &section.keys, &algorithms, clock.now()).map_err(
            |problem| AuthSetupError::Keys {
                section: section.name.clone(),
                option: option(&section.keys),
                path: keyfile::path(&section.keys).to_owned(),
                problem,
            },
        )?;
        Ok(Self { config: section.clone(), algorithms, keys })
    }

    fn algorithm(&self, name: &str) -> Result<Algorithm, Refusal> {
        Algorithm::parse(name)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(Refusal::AlgNotAllowed)
    }
}

fn algorithms(section: &JwtIssuerConfig) -> Result<Vec<Algorithm>, AuthSetupError> {
    let read = |name: &String| {
        Algorithm::parse(name).ok_or_else(|| AuthSetupError::Algorithm {
            section: section.name.clone(),
            algorithm: name.clone(),
        })
    };
    section.algorithms.iter().map(read).collect()
}

fn option(keys: &JwtKeys) -> &'static str {
    match keys {
        JwtKeys::JwksFile(_) => "jwks_file",
        JwtKeys::PublicKeyFile(_) => "public_key_file",
    }
}

fn duplicate(first: &Issuer, second: &JwtIssuerConfig) -> AuthSetupError {
    AuthSetupError::DuplicateIssuer {
        first: first.config.name.clone(),
        second: second.name.clone(),
        issuer: second.issuer.clone(),
    }
}
