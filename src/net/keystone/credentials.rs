//! With what to log in, and as which body that is sent.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// With what to log in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A user's password.
    Password(Password),
    /// An application credential; its scope is its own.
    ApplicationCredential(ApplicationCredential),
}

/// A user's password, and what the token is to be good for.
#[derive(Debug, Clone)]
pub struct Password {
    /// Who.
    pub user: User,
    /// The password.
    pub password: SecretString,
    /// For what.
    pub scope: Scope,
}

/// An application credential.
#[derive(Debug, Clone)]
pub enum ApplicationCredential {
    /// By its id.
    Id {
        /// `application_credential_id`.
        id: String,
        /// `application_credential_secret`.
        secret: SecretString,
    },
    /// By the name that its user gave it.
    Name {
        /// `application_credential_name`.
        name: String,
        /// Whose it is.
        user: User,
        /// `application_credential_secret`.
        secret: SecretString,
    },
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// By id.
    Id(String),
    /// By name, which is unique in a domain only.
    Name {
        /// The name.
        name: String,
        /// Where it is unique.
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

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The user's default project, if there is one; else nothing.
    Unscoped,
    /// A project.
    Project(Project),
    /// A domain.
    Domain(Domain),
    /// The whole system.
    System,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Project {
    /// By id.
    Id(String),
    /// By name, which is unique in a domain only.
    Name {
        /// The name.
        name: String,
        /// Where it is unique.
        domain: Domain,
    },
}

/// How a [`Domain::NameOrId`] is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Name,
    Id,
}

impl Credentials {
    /// The bodies of `POST /v3/auth/tokens` to be tried in turn: one, or two where a domain may be
    /// a name or an id. They hold the secret.
    pub(super) fn bodies(&self) -> Vec<Vec<u8>> {
        let mut bodies = vec![self.body(Reading::Name), self.body(Reading::Id)];
        bodies.dedup();
        bodies.iter().map(|body| body.to_string().into_bytes()).collect()
    }

    fn body(&self, reading: Reading) -> Value {
        let auth = match self {
            Self::Password(with) => {
                let mut user = with.user.json(reading);
                user["password"] = with.password.expose_secret().into();
                let identity = json!({ "methods": ["password"], "password": { "user": user } });
                json!({ "identity": identity, "scope": with.scope.json(reading) })
            }
            Self::ApplicationCredential(with) => {
                json!({ "identity": {
                    "methods": ["application_credential"],
                    "application_credential": with.json(reading),
                }})
            }
        };
        json!({ "auth": auth })
    }
}

impl ApplicationCredential {
    fn json(&self, reading: Reading) -> Value {
        match self {
            Self::Id { id, secret } => json!({ "id": id, "secret": secret.expose_secret() }),
            Self::Name { name, user, secret } => json!({
                "name": name,
                "user": user.json(reading),
                "secret": secret.expose_secret(),
            }),
        }
    }
}

impl User {
    fn json(&self, reading: Reading) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name { name, domain } => json!({ "name": name, "domain": domain.json(reading) }),
        }
    }
}

impl Domain {
    fn json(&self, reading: Reading) -> Value {
        match (self, reading) {
            (Self::Id(id), _) | (Self::NameOrId(id), Reading::Id) => json!({ "id": id }),
            (Self::Name(name), _) | (Self::NameOrId(name), Reading::Name) => {
                json!({ "name": name })
            }
        }
    }
}

impl Scope {
    fn json(&self, reading: Reading) -> Value {
        match self {
            // Said, not left out: without it, Keystone takes the user's default project.
            Self::Unscoped => json!("unscoped"),
            Self::Project(Project::Id(id)) => json!({ "project": { "id": id } }),
            Self::Project(Project::Name { name, domain }) => {
                json!({ "project": { "name": name, "domain": domain.json(reading) } })
            }
            Self::Domain(domain) => json!({ "domain": domain.json(reading) }),
            Self::System => json!({ "system": { "all": true } }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glance(domain: &Domain, scope: Scope) -> Credentials {
        let user = User::Name { name: "glance".to_owned(), domain: domain.clone() };
        Credentials::Password(Password { user, password: "pw".into(), scope })
    }

    fn service(domain: &Domain) -> Scope {
        Scope::Project(Project::Name { name: "service".to_owned(), domain: domain.clone() })
    }

    fn bodies(credentials: &Credentials) -> Vec<Value> {
        credentials.bodies().iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
    }

    #[test]
    fn a_password_is_sent_with_the_domains_of_user_and_project() {
        let domain = Domain::Name("Default".to_owned());
        let user = json!({ "name": "glance", "domain": { "name": "Default" }, "password": "pw" });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "service", "domain": { "name": "Default" } } },
        }});
        assert_eq!(bodies(&glance(&domain, service(&domain))), [body]);
    }

    #[test]
    fn a_domain_that_may_be_either_is_tried_as_a_name_and_then_as_an_id() {
        let domain = Domain::NameOrId("default".to_owned());
        let sent = bodies(&glance(&domain, service(&domain)));
        let domains = |body: &Value| {
            let auth = &body["auth"];
            let user = &auth["identity"]["password"]["user"]["domain"];
            (user.clone(), auth["scope"]["project"]["domain"].clone())
        };
        let both = |domain: Value| (domain.clone(), domain);
        assert_eq!(domains(&sent[0]), both(json!({ "name": "default" })));
        assert_eq!(domains(&sent[1]), both(json!({ "id": "default" })));
        assert_eq!(sent.len(), 2);
    }

    #[test]
    fn every_scope_has_its_form() {
        let domain = Domain::Id("default".to_owned());
        for (scope, form) in [
            (Scope::System, json!({ "system": { "all": true } })),
            (Scope::Domain(domain.clone()), json!({ "domain": { "id": "default" } })),
            (Scope::Project(Project::Id("p".to_owned())), json!({ "project": { "id": "p" } })),
            (Scope::Unscoped, json!("unscoped")),
        ] {
            assert_eq!(bodies(&glance(&domain, scope))[0]["auth"]["scope"], form);
        }
    }

    #[test]
    fn an_application_credential_names_no_scope() {
        let secret = SecretString::from("s");
        let by_id = ApplicationCredential::Id { id: "i".to_owned(), secret: secret.clone() };
        let user = User::Id("u".to_owned());
        let by_name = ApplicationCredential::Name { name: "n".to_owned(), user, secret };
        for (credential, form) in [
            (by_id, json!({ "id": "i", "secret": "s" })),
            (by_name, json!({ "name": "n", "user": { "id": "u" }, "secret": "s" })),
        ] {
            let identity = json!({
                "methods": ["application_credential"], "application_credential": form,
            });
            let sent = bodies(&Credentials::ApplicationCredential(credential));
            assert_eq!(sent, [json!({ "auth": { "identity": identity } })]);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let domain = Domain::Name("Default".to_owned());
        let text = format!("{:?}", glance(&domain, service(&domain)));
        assert!(text.contains("glance") && !text.contains("pw\""), "{text}");
    }
}
