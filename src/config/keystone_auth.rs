//! With what to log in at a Keystone, whoever asks: the verifier of tokens, Swift, Cinder.

use secrecy::SecretString;

/// With what to log in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A user's password, and what the token is to be good for.
    Password {
        /// Who.
        user: Identifier,
        /// The password.
        password: SecretString,
        /// For what.
        scope: Scope,
    },
    /// An application credential by its id; its scope is its own.
    ApplicationCredential {
        /// `application_credential_id`.
        id: String,
        /// `application_credential_secret`.
        secret: SecretString,
    },
    /// The same by the name that its user gave it.
    NamedApplicationCredential {
        /// `application_credential_name`.
        name: String,
        /// Whose it is.
        user: Identifier,
        /// `application_credential_secret`.
        secret: SecretString,
    },
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A project.
    Project(Identifier),
    /// The whole system.
    System,
}

/// A user or a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// By its id.
    Id(String),
    /// By its name.
    Name {
        /// The name.
        name: String,
        /// The domain in which it is unique.
        domain: Domain,
    },
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
    /// An option that is called a name and may hold an id (some deployers write `default`): tried
    /// as a name first, then as an id.
    NameOrId(String),
}
