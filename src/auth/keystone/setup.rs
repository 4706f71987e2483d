//! Builds the verifier from `[keystone_authtoken]` and tests whether it works.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Deserialize;

use super::KeystoneAuthenticator;
use super::token_info::TokenRules;
use super::validator::{DEADLINE, Validator};
use crate::auth::AuthSetupError;
use crate::auth::token_cache::TokenCache;
use crate::config::KeystoneConfig;
use crate::domain::principal::AuthError;
use crate::domain::time::Clock;
use crate::net::keystone::{Age, KeystoneApi, KeystoneUrl, Patience, ServiceUser};
use crate::net::{FreshClient, Outbound};

/// The result of testing Keystone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoneReport {
    /// What works, in words.
    pub works: String,
    /// What probably does not work.
    pub warning: Option<String>,
}

/// The roles that Keystone's default policy lets validate others' tokens; `reader` in the system
/// scope may too.
const MAY_ASK: [&str; 2] = ["service", "admin"];
const MAY_ASK_OF_THE_SYSTEM: &str = "reader";

impl KeystoneAuthenticator {
    /// Reads the certificates; connects to nothing yet. `allowed_projects` as in `[revert]`.
    pub fn new(
        config: &KeystoneConfig,
        allowed_projects: &[String],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuthSetupError> {
        let wrong = |option, problem: String| AuthSetupError::Keystone { option, problem };
        let url = KeystoneUrl::parse(&config.auth_url)
            .map_err(|error| wrong("auth_url", error.to_string()))?;
        let outbound = Outbound {
            connect_timeout: config.connect_timeout,
            ca_file: config.cafile.clone(),
            identity: config.identity.clone(),
            insecure: config.insecure,
            ..Outbound::within(DEADLINE)
        };
        let http = FreshClient::new("keystone_authtoken", outbound)
            .map_err(|error| wrong("cafile, certfile", error.to_string()))?;
        let patience = Patience { deadline: DEADLINE, retries: config.retries };
        let api = KeystoneApi::new(http, url, patience);
        let asker = config
            .login
            .clone()
            .map(|with| ServiceUser::new(api.clone(), with, false, Arc::clone(&clock)));
        let keep = TimeDelta::from_std(config.token_cache_time).unwrap_or_default();
        let cache = TokenCache::new(keep)
            .ok_or_else(|| wrong("token_cache_time", "the machine has no randomness".to_owned()))?;
        let rules = TokenRules {
            allowed_projects: allowed_projects.to_vec(),
            service_roles: config.service_token_roles.clone(),
        };
        Ok(Self {
            validator: Arc::new(Validator::new(api, asker, rules, cache, clock)),
            service_token_roles_required: config.service_token_roles_required,
            service_type: config.service_type.as_deref().map(Arc::from),
        })
    }

    /// Tests Keystone: logs in and validates the token this returns.
    pub async fn probe(&self) -> Result<KeystoneReport, String> {
        let Some(user) = &self.validator.asker else {
            if !self.validator.api.version().await.map_err(|error| error.to_string())? {
                return Err("the server at auth_url is not a Keystone v3".to_owned());
            }
            let works = "Keystone v3 answers; each caller's token is validated with itself";
            return Ok(KeystoneReport { works: works.to_owned(), warning: None });
        };
        let session = user.session().await.map_err(|error| error.to_string())?;
        let body =
            self.validator.ask(&session.token, Age::Unexpired).await.map_err(
                |error| match error {
                    AuthError::Invalid { .. } => {
                        "Keystone does not accept the token that it issued to this service"
                            .to_owned()
                    }
                    AuthError::Unavailable(cause) => cause,
                },
            )?;
        report(&body).ok_or_else(|| "Keystone's answer is not the expected JSON".to_owned())
    }
}

#[derive(Deserialize)]
struct Body {
    token: Own,
}

#[derive(Deserialize)]
struct Own {
    user: OwnUser,
    #[serde(default)]
    roles: Vec<OwnRole>,
    system: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct OwnUser {
    name: String,
}

#[derive(Deserialize)]
struct OwnRole {
    name: String,
}

/// Any token may validate itself, so only its roles tell whether it may validate others.
fn report(body: &[u8]) -> Option<KeystoneReport> {
    let Body { token } = serde_json::from_slice(body).ok()?;
    let roles: Vec<&str> = token.roles.iter().map(|role| role.name.as_str()).collect();
    let may_ask = roles.iter().map(|role| role.to_lowercase()).any(|role| {
        MAY_ASK.contains(&role.as_str()) || token.system.is_some() && role == MAY_ASK_OF_THE_SYSTEM
    });
    let works = format!("logged in as {} with the roles: {}", token.user.name, roles.join(", "));
    let warning = (!may_ask).then(|| {
        "neither service nor admin is among them: Keystone's default policy requires one of them \
         to validate callers' tokens"
            .to_owned()
    });
    Some(KeystoneReport { works, warning })
}
