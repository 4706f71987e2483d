//! The caller, and the proof that it is an admin.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::time::Timestamp;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The issuer's id of the caller: a JWT's `sub`, a Keystone user id.
    pub subject: String,
    /// The configured issuer that authenticated the caller.
    pub issuer: String,
    /// Whether the issuer's rules make the caller an admin.
    pub is_admin: bool,
    /// How the caller was authenticated.
    pub method: AuthMethod,
    /// The display name, if the issuer provides one. No control characters.
    pub name: Option<String>,
    /// The token's scope: `project:<id>`, `system:all`; `None` if tokens have no scope.
    pub scope: Option<String>,
    /// The token's id in the issuer's records: a JWT's `jti`, Keystone's `audit_ids`. Never the
    /// token itself.
    pub token_ids: Vec<String>,
    /// The issuer's id of the service that forwarded the call.
    pub service: Option<String>,
    /// The roles of which any one would make the caller an admin; empty if it is an admin, or if
    /// roles are not the reason.
    pub lacks: Vec<String>,
}

/// How a caller was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A JWT, verified here.
    Jwt,
    /// A token validated by Keystone.
    Keystone,
    /// A Kubernetes token validated by the API server.
    TokenReview,
    /// None: a person at the command line.
    CommandLine,
}

impl AuthMethod {
    /// Its stable name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Keystone => "keystone",
            Self::TokenReview => "token_review",
            Self::CommandLine => "command_line",
        }
    }
}

impl Principal {
    /// A caller with these properties only, not an admin.
    pub fn new(issuer: &str, subject: &str, method: AuthMethod) -> Self {
        Self {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            is_admin: false,
            method,
            name: None,
            scope: None,
            token_ids: Vec::new(),
            service: None,
            lacks: Vec::new(),
        }
    }
}

/// A principal proven to be an admin; reverting, listing and showing require one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    principal: Principal,
    request_id: Option<String>,
}

/// The caller is authenticated, but not an admin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an admin")]
pub struct NotAdmin(pub Principal);

impl NotAdmin {
    /// What the caller can do about it.
    pub fn advice(&self) -> String {
        let remedy = match self.0.lacks.as_slice() {
            [] => "Use the token of an admin: of an allowed project, or of a listed subject."
                .to_owned(),
            roles => format!("It lacks the role {}: use a token that has it.", roles.join(" or ")),
        };
        format!("The token is valid, but its holder is not an admin here. {remedy}")
    }
}

impl Admin {
    /// The operator at the command line, trusted because whoever can read the database's password
    /// from Glance's configuration needs no further permission.
    pub fn local_operator() -> Self {
        let operator = Principal::new("command line", "operator", AuthMethod::CommandLine);
        Self { principal: Principal { is_admin: true, ..operator }, request_id: None }
    }

    /// Sets the display name.
    #[must_use]
    pub fn named(mut self, name: Option<String>) -> Self {
        self.principal.name = name;
        self
    }

    /// Sets the request id.
    #[must_use]
    pub fn in_request(self, id: &str) -> Self {
        Self { request_id: Some(id.to_owned()), ..self }
    }

    /// The request id, if there is one.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The principal.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl TryFrom<Principal> for Admin {
    type Error = NotAdmin;

    fn try_from(principal: Principal) -> Result<Self, NotAdmin> {
        if principal.is_admin {
            Ok(Self { principal, request_id: None })
        } else {
            Err(NotAdmin(principal))
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.subject, self.issuer)
    }
}

/// A token presented by a caller; never printed.
#[derive(Debug)]
pub struct Token(SecretString);

impl Token {
    /// Wraps a header's value.
    pub fn new(presented: &str) -> Self {
        Self(SecretString::from(presented))
    }

    /// The token's text, for verifiers only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A call and its tokens.
#[derive(Debug)]
pub struct Call<'a> {
    /// The HTTP method, in upper case.
    pub method: &'a str,
    /// The path as received, without the query.
    pub path: &'a str,
    /// The caller's token.
    pub token: Token,
    /// The token of the service that passes the call on.
    pub service_token: Option<Token>,
}

impl<'a> Call<'a> {
    /// A call made directly by the caller.
    pub fn new(method: &'a str, path: &'a str, token: Token) -> Self {
        Self { method, path, token, service_token: None }
    }

    /// All of its tokens.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        [&self.token].into_iter().chain(&self.service_token)
    }
}

/// Why a caller is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The token is not valid. The reason is for the log; callers all get the same response.
    #[error("the token was refused: {reason}")]
    Invalid {
        /// A stable reason, such as `expired` or `unknown_issuer`.
        reason: &'static str,
    },
    /// The verifier is not available now.
    #[error("tokens cannot be verified now: {0}")]
    Unavailable(String),
}

/// Credentials of a person, and the scope of the token.
#[derive(Debug)]
pub struct PasswordLogin {
    /// Name of the user.
    pub user: String,
    /// The password.
    pub password: SecretString,
    /// The name of the user's domain.
    pub user_domain: String,
    /// The project's name.
    pub project: String,
    /// The name of the project's domain.
    pub project_domain: String,
}

/// A token issued for a person.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Signs people in with a password.
#[async_trait]
pub trait SignIn: Debug + Send + Sync {
    /// Returns a token of that person; [`AuthError::Invalid`] if the password is wrong.
    async fn sign_in(&self, login: PasswordLogin) -> Result<Issued, AuthError>;
}

/// Authenticates callers.
#[async_trait]
pub trait Authenticator: Debug + Send + Sync {
    /// Verifies the call's tokens; never panics on any input.
    async fn authenticate(&self, call: &Call<'_>) -> Result<Principal, AuthError>;

    /// Whether verifying this call requires a request to another server. A client whose tokens were
    /// refused too often must not cause any; local verification is always allowed.
    fn needs_remote_call(&self, _call: &Call<'_>) -> bool {
        true
    }

    /// Keeps the verifier's keys up to date until `stop`. Most verifiers have none to update.
    async fn keep(&self, stop: CancellationToken) {
        drop(stop);
    }
}
