//! Signing in for somebody else: a name and a password for a token of that person's own. Nothing of
//! either is kept.

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::KeystoneAuthenticator;
use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use crate::domain::principal::{AuthError, Issued, PasswordLogin, SignIn};
use crate::net::keystone::{KeystoneApi, LoginError};

/// So many passwords are tried at a time; Keystone works long on each.
const IN_FLIGHT: usize = 4;

/// Passes passwords on to Keystone.
#[derive(Debug)]
pub struct KeystoneSignIn {
    api: KeystoneApi,
    turns: Semaphore,
}

impl KeystoneAuthenticator {
    /// At the same Keystone.
    pub fn sign_in(&self) -> KeystoneSignIn {
        KeystoneSignIn { api: self.validator.api.clone(), turns: Semaphore::new(IN_FLIGHT) }
    }
}

#[async_trait]
impl SignIn for KeystoneSignIn {
    async fn sign_in(&self, login: PasswordLogin) -> Result<Issued, AuthError> {
        let busy = || AuthError::Unavailable("many are signing in at this moment".to_owned());
        let _turn = self.turns.try_acquire().map_err(|_| busy())?;
        let session = self.api.login(&credentials(login), false).await;
        let session = session.map_err(|error| refusal(&error))?;
        Ok(Issued { token: session.token, expires_at: session.expires_at })
    }
}

fn credentials(login: PasswordLogin) -> Credentials {
    let named = |name, domain| Identifier::Name { name, domain: Domain::Name(domain) };
    Credentials::Password {
        user: named(login.user, login.user_domain),
        password: login.password,
        scope: Scope::Project(named(login.project, login.project_domain)),
    }
}

/// A name or a domain that Keystone does not take in its form is as wrong as one that it does not know.
fn refusal(error: &LoginError) -> AuthError {
    match error {
        LoginError::Refused(_) | LoginError::Unexpected(400) => {
            AuthError::Invalid { reason: "login_refused" }
        }
        LoginError::Call(_)
        | LoginError::NotKeystone(_)
        | LoginError::Unavailable(_)
        | LoginError::Unexpected(_)
        | LoginError::BadAnswer(_) => AuthError::Unavailable(error.to_string()),
    }
}
