//! Who calls, and the proof that the caller is an admin.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::time::Timestamp;

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The issuer's name for the caller: a JWT `sub`, a Keystone user id.
    pub subject: String,
    /// The configured issuer that vouches for the caller.
    pub issuer: String,
    /// Whether the issuer's rules make the caller an admin.
    pub is_admin: bool,
    /// How that was proven.
    pub method: AuthMethod,
    /// The caller's name for people, where the issuer tells one. No control characters.
    pub name: Option<String>,
    /// What the token is good for: `project:<id>`, `system:all`; `None` where tokens have no scope.
    pub scope: Option<String>,
    /// What the issuer's own records call the token: a JWT's `jti`, Keystone's `audit_ids`. Never
    /// the token itself.
    pub token_ids: Vec<String>,
    /// The service that passed the call on, by the issuer's name for it.
    pub service: Option<String>,
    /// The roles of which any would have made an admin of one who is none; empty where it is not for
    /// want of a role.
    pub lacks: Vec<String>,
}

/// How a caller was proven to be who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A JWT, verified here.
    Jwt,
    /// A token that Keystone was asked about.
    Keystone,
    /// A Kubernetes token that the API server was asked about.
    TokenReview,
    /// No token: a person at the command line.
    CommandLine,
}

impl AuthMethod {
    /// A stable word, for records.
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
    /// A caller of whom nothing more is known, and no admin.
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

/// A principal shown to be an admin. Nothing can be reverted, listed or shown without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    principal: Principal,
    request_id: Option<String>,
}

/// The caller is known, and is no admin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an admin")]
pub struct NotAdmin(pub Principal);

impl NotAdmin {
    /// What to do, in words.
    pub fn advice(&self) -> String {
        let remedy = match self.0.lacks.as_slice() {
            [] => "Use one of somebody who is: of an allowed project, or a subject that is listed."
                .to_owned(),
            roles => format!("It lacks the role {}: use one that has it.", roles.join(" or ")),
        };
        format!("The token is good, but its holder is not an admin here. {remedy}")
    }
}

impl Admin {
    /// The operator at the command line: whoever can read the database's password from Glance's
    /// configuration has no further door to pass.
    pub fn local_operator() -> Self {
        let operator = Principal::new("command line", "operator", AuthMethod::CommandLine);
        Self { principal: Principal { is_admin: true, ..operator }, request_id: None }
    }

    /// With a name for people.
    #[must_use]
    pub fn named(mut self, name: Option<String>) -> Self {
        self.principal.name = name;
        self
    }

    /// In this request, by our id of it.
    #[must_use]
    pub fn in_request(self, id: &str) -> Self {
        Self { request_id: Some(id.to_owned()), ..self }
    }

    /// Our id of the request, where there is one.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Who it is.
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

/// What a caller presented; never printed.
#[derive(Debug)]
pub struct Token(SecretString);

impl Token {
    /// Wraps a header's value.
    pub fn new(presented: &str) -> Self {
        Self(SecretString::from(presented))
    }

    /// The token itself, for the verifier alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A call, and what it brings to show who makes it.
#[derive(Debug)]
pub struct Call<'a> {
    /// HTTP's method, in upper case.
    pub method: &'a str,
    /// The path as it came, without a query.
    pub path: &'a str,
    /// The caller's token.
    pub token: Token,
    /// The token of the service that passes the call on for the caller.
    pub service_token: Option<Token>,
}

impl<'a> Call<'a> {
    /// A call that comes from its caller.
    pub fn new(method: &'a str, path: &'a str, token: Token) -> Self {
        Self { method, path, token, service_token: None }
    }

    /// All of its tokens.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        [&self.token].into_iter().chain(&self.service_token)
    }
}

/// Why a caller is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The token is not good. The reason is for the log: callers all get the same answer.
    #[error("the token was refused: {reason}")]
    Invalid {
        /// A stable word, such as `expired` or `unknown_issuer`.
        reason: &'static str,
    },
    /// The verifier cannot be asked now.
    #[error("tokens cannot be verified now: {0}")]
    Unavailable(String),
}

/// A name and a password, and what a token is to be good for.
#[derive(Debug)]
pub struct PasswordLogin {
    /// The user's name.
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

/// A token that was made for somebody.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// From when on it is no good.
    pub expires_at: Timestamp,
}

/// Where people sign in.
#[async_trait]
pub trait SignIn: Debug + Send + Sync {
    /// A token of the person's own; [`AuthError::Invalid`] where the password is not.
    async fn sign_in(&self, login: PasswordLogin) -> Result<Issued, AuthError>;
}

/// Tells who makes a call.
#[async_trait]
pub trait Authenticator: Debug + Send + Sync {
    /// Verifies the call's tokens; never panics, whatever it is given.
    async fn authenticate(&self, call: &Call<'_>) -> Result<Principal, AuthError>;

    /// Whether verifying this call now makes another service work. A client whose tokens were
    /// refused too often may not cause that; what is verified here costs nobody else anything.
    fn needs_remote_call(&self, _call: &Call<'_>) -> bool {
        true
    }

    /// Keeps fresh what tokens are verified with, until `stop`. Most verifiers have nothing to do.
    async fn keep(&self, stop: CancellationToken) {
        drop(stop);
    }
}
