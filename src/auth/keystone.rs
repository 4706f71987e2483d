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
mod cache;
mod inquiry;
mod setup;
mod worth;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::inquiry::{Inquiry, check_form, in_time};
use crate::domain::principal::{AuthError, Authenticator, Call, Principal};
use crate::net::keystone::Age;

pub use self::setup::KeystoneReport;

/// For one call, with all that it takes: a login, waiting for a turn, retries.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks Keystone who makes a call. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct KeystoneAuthenticator {
    inquiry: Arc<Inquiry>,
    /// Refuses a call that comes with the token of somebody who is no service.
    service_token_roles_required: bool,
    /// What access rules call this service. `None` refuses tokens that have rules.
    service_type: Option<Arc<str>>,
}

/// Why there is no principal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The token is not good; a word for the log.
    Refused(&'static str),
    /// Keystone, or our own user there, is in no state to tell.
    Unavailable(String),
}

impl Outcome {
    fn unavailable(cause: impl fmt::Display) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

impl From<Outcome> for AuthError {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Refused(reason) => Self::Invalid { reason },
            Outcome::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}

#[async_trait]
impl Authenticator for KeystoneAuthenticator {
    async fn authenticate(&self, call: &Call<'_>) -> Result<Principal, AuthError> {
        Ok(in_time(self.caller(call)).await?)
    }

    fn needs_remote_call(&self, call: &Call<'_>) -> bool {
        call.tokens().all(|token| check_form(token).is_ok())
            && call.tokens().any(|token| self.inquiry.known(token).is_none())
    }
}

impl KeystoneAuthenticator {
    async fn caller(&self, call: &Call<'_>) -> Result<Principal, Outcome> {
        call.tokens().try_for_each(check_form)?;
        let service = self.service(call).await?;
        let age = if service.is_some() { Age::ExpiredToo } else { Age::Unexpired };
        let caller = self.inquiry.worth(&call.token, age).await?;
        if service.is_none() && !caller.may_make(call, self.service_type.as_deref()) {
            return Err(Outcome::Refused("access_rules"));
        }
        let service = service.map(|service| service.subject);
        Ok(Principal { service, ..caller.principal })
    }

    /// The service that passes the call on. None where nobody says so, or somebody who is no
    /// service and is tolerated: that one's token changes nothing.
    async fn service(&self, call: &Call<'_>) -> Result<Option<Principal>, Outcome> {
        let Some(token) = &call.service_token else { return Ok(None) };
        let worth = self.inquiry.worth(token, Age::Unexpired).await;
        let worth = worth.map_err(|outcome| match outcome {
            Outcome::Refused(_) => Outcome::Refused("service_token"),
            unavailable @ Outcome::Unavailable(_) => unavailable,
        })?;
        if !worth.is_service && self.service_token_roles_required {
            return Err(Outcome::Refused("service_token_roles"));
        }
        Ok(worth.is_service.then_some(worth.principal))
    }
}
