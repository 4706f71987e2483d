//! Signing in on a person's behalf: exchanges a name and a password for that person's own token.
//! Neither is kept.

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::KeystoneAuthenticator;
use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use crate::domain::principal::{AuthError, Issued, PasswordLogin, SignIn};
use crate::net::keystone::{KeystoneApi, LoginError};

/// Passwords checked at the same time; hashing makes each one expensive for Keystone.
const IN_FLIGHT: usize = 4;

/// Forwards names and passwords to Keystone.
#[derive(Debug)]
pub struct KeystoneSignIn {
    api: KeystoneApi,
    turns: Semaphore,
}

impl KeystoneAuthenticator {
    /// Signing in at the same Keystone.
    pub fn sign_in(&self) -> KeystoneSignIn {
        KeystoneSignIn { api: self.validator.api.clone(), turns: Semaphore::new(IN_FLIGHT) }
    }
}

#[async_trait]
impl SignIn for KeystoneSignIn {
    async fn sign_in(&self, login: PasswordLogin) -> Result<Issued, AuthError> {
        let busy =
            || AuthError::Unavailable("too many logins are running at this moment".to_owned());
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

/// A name or domain that Keystone rejects as malformed is treated like an unknown one.
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
