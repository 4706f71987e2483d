//! One configured issuer: its rules, and how it verifies signatures.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::algorithm::Algorithm;
use super::claims;
use super::https_peer::HttpsPeer;
use super::key_file::{self, KeyFile};
use super::keys::KeySet;
use super::refusal::Refusal;
use super::remote::{RemoteKeys, Source};
use super::review::{self, Reviewer};
use super::setup::AuthSetupError;
use super::token::Unverified;
use crate::config::{JwtIssuerConfig, JwtKeyFile, JwtKeyServer, JwtProof, JwtReviewer};
use crate::domain::principal::{AuthError, AuthMethod, Principal};
use crate::domain::time::{Clock, Timestamp};
use crate::net::Endpoint;

/// An issuer, ready to verify tokens.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) config: JwtIssuerConfig,
    algorithms: Vec<Algorithm>,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    File(KeyFile),
    Remote(Box<RemoteKeys>),
    Review(Reviewer),
}

impl Issuer {
    /// Reads the files of the section; connects to no server yet.
    pub(super) fn new(
        section: &JwtIssuerConfig,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, AuthSetupError> {
        let algorithms = algorithms(section)?;
        let proof = match &section.proof {
            JwtProof::File(file) => Proof::File(key_file(section, file, &algorithms, clock)?),
            JwtProof::Server(server) => {
                Proof::Remote(Box::new(remote(section, server, &algorithms, clock)?))
            }
            JwtProof::TokenReview(reviewer) => Proof::Review(review(section, reviewer, clock)?),
        };
        Ok(Self { config: section.clone(), algorithms, proof })
    }

    /// The caller, if the token is good. The order matters: no claim is trusted before the
    /// signature is verified, and hopeless claims are refused before an API server is asked.
    pub(super) async fn verify(
        &self,
        token: &Unverified<'_>,
        now: Timestamp,
    ) -> Result<Principal, AuthError> {
        token.header.check_typ(self.config.require_at_jwt)?;
        let algorithm = Algorithm::parse(&token.header.algorithm)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(Refusal::AlgNotAllowed)?;
        match &self.proof {
            Proof::File(keys) => prove(&*keys.current(now).await, algorithm, token)?,
            Proof::Remote(keys) => {
                let held = keys.current(now).map_err(|problem| self.unavailable(&problem))?;
                match prove(&held, algorithm, token) {
                    Err(Refusal::KeyUnknown) => {
                        let newer = keys.after_unknown_key(now).await;
                        prove(newer.as_ref().ok_or(Refusal::KeyUnknown)?, algorithm, token)?;
                    }
                    proved => proved?,
                }
            }
            Proof::Review(reviewer) => {
                let claimed = claims::check(&token.claims, &self.config, now)?;
                return self.reviewed(reviewer, token, now, claimed).await;
            }
        }
        Ok(claims::check(&token.claims, &self.config, now)?)
    }

    /// The API server's user name becomes the subject, and it alone decides who is an admin.
    async fn reviewed(
        &self,
        reviewer: &Reviewer,
        token: &Unverified<'_>,
        now: Timestamp,
        claimed: Principal,
    ) -> Result<Principal, AuthError> {
        let end = claims::end(&token.claims).ok_or(Refusal::ExpMissing)?;
        let answer = reviewer.review(token.text, now, end).await;
        let subject = answer.map_err(|problem| self.unavailable(&problem.to_string()))??;
        let is_admin = self.config.subjects.contains(&subject);
        let (method, lacks) = (AuthMethod::TokenReview, Vec::new());
        Ok(Principal { subject, is_admin, method, lacks, ..claimed })
    }

    /// Whether verifying this token now needs a call to an API server.
    pub(super) fn needs_remote_call(&self, token: &Unverified<'_>, now: Timestamp) -> bool {
        match &self.proof {
            Proof::File(_) | Proof::Remote(_) => false,
            Proof::Review(reviewer) => !reviewer.knows(token.text, now),
        }
    }

    /// Fetches keys until `stop`, if they come from a server.
    pub(super) async fn keep(&self, stop: CancellationToken) {
        match &self.proof {
            Proof::File(_) | Proof::Review(_) => {}
            Proof::Remote(keys) => keys.keep(stop).await,
        }
    }

    /// Tests once whether tokens can be verified; returns what was seen, or why not.
    pub(super) async fn trial(&self) -> Result<String, String> {
        match &self.proof {
            Proof::File(_) => Ok("its keys are read".to_owned()),
            Proof::Remote(keys) => match keys.fetch().await {
                Ok(0) => Err("its key set has no usable key".to_owned()),
                Ok(number) => Ok(format!("its keys are fetched: {number}")),
                Err(problem) => Err(problem.to_string()),
            },
            Proof::Review(reviewer) => match reviewer.trial().await {
                Ok(()) => Ok("its API server validates tokens".to_owned()),
                Err(problem) => Err(problem.to_string()),
            },
        }
    }

    fn unavailable(&self, problem: &str) -> AuthError {
        AuthError::Unavailable(format!("[revert_jwt:{}]: {problem}", self.config.name))
    }
}

fn prove(keys: &KeySet, algorithm: Algorithm, token: &Unverified<'_>) -> Result<(), Refusal> {
    let key = keys.select(algorithm, token.header.kid.as_deref())?;
    if key.verifies(token.message, token.signature) { Ok(()) } else { Err(Refusal::Signature) }
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

fn key_file(
    section: &JwtIssuerConfig,
    file: &JwtKeyFile,
    algorithms: &[Algorithm],
    clock: &Arc<dyn Clock>,
) -> Result<KeyFile, AuthSetupError> {
    KeyFile::load(&section.name, file, algorithms, clock.now()).map_err(|problem| {
        AuthSetupError::Keys {
            section: section.name.clone(),
            option: key_file::option(file),
            path: key_file::path(file).to_owned(),
            problem,
        }
    })
}

fn remote(
    section: &JwtIssuerConfig,
    server: &JwtKeyServer,
    algorithms: &[Algorithm],
    clock: &Arc<dyn Clock>,
) -> Result<RemoteKeys, AuthSetupError> {
    let name = &section.name;
    let source = Source::new(&section.issuer, server).map_err(|(option, problem)| {
        AuthSetupError::Endpoint { section: name.clone(), option, problem }
    })?;
    let peer = HttpsPeer::new(name, &server.access)
        .map_err(|problem| AuthSetupError::Peer { section: name.clone(), problem })?;
    Ok(RemoteKeys::new(name, source, algorithms, peer, Arc::clone(clock)))
}

fn review(
    section: &JwtIssuerConfig,
    reviewer: &JwtReviewer,
    clock: &Arc<dyn Clock>,
) -> Result<Reviewer, AuthSetupError> {
    let name = &section.name;
    let endpoint = Endpoint::below(&reviewer.api_server, review::PATH).map_err(|problem| {
        AuthSetupError::Endpoint { section: name.clone(), option: "api_server", problem }
    })?;
    let peer = HttpsPeer::new(name, &reviewer.access)
        .map_err(|problem| AuthSetupError::Peer { section: name.clone(), problem })?;
    Reviewer::new(name, &section.audiences, endpoint, peer, Arc::clone(clock))
        .map_err(|_| AuthSetupError::NoRandomness)
}
