//! The verifier of Keystone's tokens.
//!
//! Keystone is always asked: its tokens do not say which roles their holders have. What it says is
//! believed for `token_cache_time`, a minute at most; what went wrong is never kept.
//!
//! A service that works for a user (a long upload, a workflow) passes the user's token on and adds
//! its own as `X-Service-Token`. What that allows is keystonemiddleware's (`auth_token`): the
//! user's token may have expired meanwhile, and access rules, which are about what users call
//! themselves, do not count.

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

/// Asks Keystone who makes a call. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct KeystoneAuthenticator {
    validator: Arc<Validator>,
    /// Refuses a call that comes with the token of somebody who is no service.
    service_token_roles_required: bool,
    /// What access rules call this service. `None` refuses tokens that have rules.
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

    /// The service that passes the call on. None where nobody says so, or somebody who is no
    /// service and is tolerated: that one's token changes nothing.
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
