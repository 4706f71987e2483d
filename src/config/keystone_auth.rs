//! Keystone credentials, shared by the token verifier, Swift and Cinder.

use secrecy::SecretString;

/// Credentials for a Keystone login.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A user's password, and the scope of the token.
    Password {
        /// The user.
        user: Identifier,
        /// The password.
        password: SecretString,
        /// The scope of the token.
        scope: Scope,
    },
    /// An application credential by id; it has its own scope.
    ApplicationCredential {
        /// `application_credential_id`.
        id: String,
        /// `application_credential_secret`.
        secret: SecretString,
    },
    /// An application credential by name and user.
    NamedApplicationCredential {
        /// `application_credential_name`.
        name: String,
        /// Its owner.
        user: Identifier,
        /// `application_credential_secret`.
        secret: SecretString,
    },
}

/// The scope of a token.
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
    /// From an option that is called a name but may hold an id (some deployers write `default`):
    /// tried as a name first, then as an id.
    NameOrId(String),
}
