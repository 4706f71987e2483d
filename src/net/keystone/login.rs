//! One login, and parsing its response.

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;

use super::login_body::bodies;
use super::{CallError, Catalog, KeystoneAnswer, KeystoneApi};
use crate::config::keystone_auth::Credentials;
use crate::domain::time::Timestamp;

/// A token of our own, and its context.
#[derive(Clone)]
pub struct Session {
    /// For `X-Auth-Token`.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The catalog; empty if none was requested.
    pub catalog: Catalog,
    /// The project of the token's scope, if it is a project.
    pub project_id: Option<String>,
}

/// Why the login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No response.
    #[error(transparent)]
    Call(#[from] CallError),
    /// 401 or 403.
    #[error(
        "Keystone refuses this service's credentials ({0}): check user, domain, project and \
         password, or the application credential; also check whether the account is locked or its \
         password expired"
    )]
    Refused(u16),
    /// The server is not a Keystone.
    #[error("the server at auth_url is not a Keystone v3 ({0}): check its host, port and path")]
    NotKeystone(u16),
    /// 5xx or 429.
    #[error("Keystone reports that it is unavailable ({0})")]
    Unavailable(u16),
    /// Any other status.
    #[error("Keystone answered the service's login with {0}: it may not support this login method")]
    Unexpected(u16),
    /// A success without the required fields.
    #[error("Keystone's answer to the service's login {0}")]
    BadAnswer(&'static str),
}

#[derive(Deserialize)]
struct Body {
    token: TokenBody,
}

#[derive(Deserialize)]
struct TokenBody {
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    catalog: Catalog,
    project: Option<ProjectBody>,
}

#[derive(Deserialize)]
struct ProjectBody {
    id: String,
}

impl KeystoneApi {
    /// Logs in, with the catalog if wanted.
    pub async fn login(
        &self,
        credentials: &Credentials,
        catalog: bool,
    ) -> Result<Session, LoginError> {
        let mut outcome = Err(LoginError::BadAnswer("was not asked for"));
        for body in bodies(credentials) {
            outcome = session(self.log_in(&body, catalog).await?);
            if !matches!(outcome, Err(LoginError::Refused(_))) {
                break;
            }
        }
        outcome
    }
}

fn session(answer: KeystoneAnswer) -> Result<Session, LoginError> {
    match answer.status {
        200 | 201 if answer.is_json => {}
        401 | 403 if answer.is_json => return Err(LoginError::Refused(answer.status)),
        429 | 500.. => return Err(LoginError::Unavailable(answer.status)),
        status if !answer.is_json || status == 404 => return Err(LoginError::NotKeystone(status)),
        status => return Err(LoginError::Unexpected(status)),
    }
    let token = answer.subject_token.ok_or(LoginError::BadAnswer("has no X-Subject-Token"))?;
    let body: Body = serde_json::from_slice(&answer.body)
        .map_err(|_| LoginError::BadAnswer("is not the expected JSON"))?;
    let expires_at = body.token.expires_at.ok_or(LoginError::BadAnswer("has no expires_at"))?;
    Ok(Session {
        token,
        expires_at: expires_at.naive_utc(),
        catalog: body.token.catalog,
        project_id: body.token.project.map(|project| project.id),
    })
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("expires_at", &self.expires_at)
            .field("project_id", &self.project_id)
            .finish_non_exhaustive()
    }
}
