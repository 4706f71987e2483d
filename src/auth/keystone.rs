//! The verifier of Keystone tokens.
//!
//! Every token is validated by Keystone, since the tokens do not carry roles. A good answer is
//! cached for `token_cache_time`, at most a minute; errors are never cached.
//!
//! A service that works for a user (a long upload, a workflow) forwards the user's token and adds
//! its own as `X-Service-Token`. The rules are keystonemiddleware's (`auth_token`): the user's
//! token may have expired meanwhile, and access rules, which limit what users call themselves, do
//! not apply.

mod access;
mod login;
mod setup;
mod token_info;
mod validator;

use std::sync::Arc;

use async_trait::async_trait;

use self::token_info::refused;
use self::validator::{Validator, check_form, in_time};
use crate::domain::principal::{AuthError, Authenticator, Call, Principal};
use crate::net::keystone::Age;

pub use self::setup::KeystoneReport;

/// Validates tokens with Keystone. Cheap to clone; clones share the cache.
#[derive(Debug, Clone)]
pub struct KeystoneAuthenticator {
    validator: Arc<Validator>,
    /// Whether an `X-Service-Token` without a service role is refused.
    service_token_roles_required: bool,
    /// This service's type in access rules. `None` refuses tokens that have access rules.
    service_type: Option<Arc<str>>,
}

#[async_trait]
impl Authenticator for KeystoneAuthenticator {
    async fn authenticate(&self, call: &Call<'_>) -> Result<Principal, AuthError> {
        in_time(self.caller(call)).await
    }

    fn needs_remote_call(&self, call: &Call<'_>) -> bool {
        call.tokens().all(|token| check_form(token).is_ok())
            && call.tokens().any(|token| self.validator.known(token).is_none())
    }
}

impl KeystoneAuthenticator {
    async fn caller(&self, call: &Call<'_>) -> Result<Principal, AuthError> {
        call.tokens().try_for_each(check_form)?;
        let service = self.service(call).await?;
        let age = if service.is_some() { Age::ExpiredToo } else { Age::Unexpired };
        let caller = self.validator.validate(&call.token, age).await?;
        if service.is_none() && !caller.may_make(call, self.service_type.as_deref()) {
            return Err(refused("access_rules"));
        }
        let service = service.map(|service| service.subject);
        Ok(Principal { service, ..caller.principal })
    }

    /// The service that forwards the call. `None` without an `X-Service-Token`, or if its holder
    /// has no service role and that is tolerated: such a token changes nothing.
    async fn service(&self, call: &Call<'_>) -> Result<Option<Principal>, AuthError> {
        let Some(token) = &call.service_token else { return Ok(None) };
        let info = self.validator.validate(token, Age::Unexpired).await;
        let info = info.map_err(|error| match error {
            AuthError::Invalid { .. } => refused("service_token"),
            AuthError::Unavailable(_) => error,
        })?;
        if !info.is_service && self.service_token_roles_required {
            return Err(refused("service_token_roles"));
        }
        Ok(info.is_service.then_some(info.principal))
    }
}
