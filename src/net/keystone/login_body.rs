//! The body of a login request.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};

/// How to read a [`Domain::NameOrId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Name,
    Id,
}

/// The bodies of `POST /v3/auth/tokens` to try in turn: one, or two if a domain may be a name or an
/// id. They hold the secret.
pub(super) fn bodies(credentials: &Credentials) -> Vec<Vec<u8>> {
    let mut bodies = vec![body(credentials, Reading::Name), body(credentials, Reading::Id)];
    bodies.dedup();
    bodies.iter().map(|body| body.to_string().into_bytes()).collect()
}

fn body(credentials: &Credentials, reading: Reading) -> Value {
    let auth = match credentials {
        Credentials::Password { user, password, scope } => {
            let mut user = named(user, reading);
            user["password"] = password.expose_secret().into();
            let identity = json!({ "methods": ["password"], "password": { "user": user } });
            let scope = match scope {
                Scope::Project(project) => json!({ "project": named(project, reading) }),
                Scope::System => json!({ "system": { "all": true } }),
            };
            json!({ "identity": identity, "scope": scope })
        }
        Credentials::ApplicationCredential { id, secret } => {
            application_credential(&json!({ "id": id, "secret": secret.expose_secret() }))
        }
        Credentials::NamedApplicationCredential { name, user, secret } => {
            application_credential(&json!({
                "name": name,
                "user": named(user, reading),
                "secret": secret.expose_secret(),
            }))
        }
    };
    json!({ "auth": auth })
}

fn application_credential(credential: &Value) -> Value {
    json!({ "identity": {
        "methods": ["application_credential"],
        "application_credential": credential,
    }})
}

fn named(named: &Identifier, reading: Reading) -> Value {
    match named {
        Identifier::Id(id) => json!({ "id": id }),
        Identifier::Name { name, domain: of } => {
            json!({ "name": name, "domain": domain(of, reading) })
        }
    }
}

fn domain(domain: &Domain, reading: Reading) -> Value {
    match (domain, reading) {
        (Domain::Id(id), _) | (Domain::NameOrId(id), Reading::Id) => json!({ "id": id }),
        (Domain::Name(name), _) | (Domain::NameOrId(name), Reading::Name) => {
            json!({ "name": name })
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn glance(domain: &Domain, scope: Scope) -> Credentials {
        let user = Identifier::Name { name: "glance".to_owned(), domain: domain.clone() };
        Credentials::Password { user, password: "pw".into(), scope }
    }

    fn service(domain: &Domain) -> Scope {
        Scope::Project(Identifier::Name { name: "service".to_owned(), domain: domain.clone() })
    }

    fn sent(credentials: &Credentials) -> Vec<Value> {
        bodies(credentials).iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
    }

    #[test]
    fn a_password_is_sent_with_the_domains_of_user_and_project() {
        let domain = Domain::Name("Default".to_owned());
        let user = json!({ "name": "glance", "domain": { "name": "Default" }, "password": "pw" });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "service", "domain": { "name": "Default" } } },
        }});
        assert_eq!(sent(&glance(&domain, service(&domain))), [body]);
    }

    #[test]
    fn a_domain_that_may_be_either_is_tried_as_a_name_and_then_as_an_id() {
        let domain = Domain::NameOrId("default".to_owned());
        let sent = sent(&glance(&domain, service(&domain)));
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
            (Scope::Project(Identifier::Id("p".to_owned())), json!({ "project": { "id": "p" } })),
        ] {
            assert_eq!(sent(&glance(&domain, scope))[0]["auth"]["scope"], form);
        }
    }

    #[test]
    fn an_application_credential_names_no_scope() {
        let secret = SecretString::from("s");
        let (id, user) = ("i".to_owned(), Identifier::Id("u".to_owned()));
        let by_id = Credentials::ApplicationCredential { id, secret: secret.clone() };
        let name = "n".to_owned();
        let by_name = Credentials::NamedApplicationCredential { name, user, secret };
        for (credential, form) in [
            (by_id, json!({ "id": "i", "secret": "s" })),
            (by_name, json!({ "name": "n", "user": { "id": "u" }, "secret": "s" })),
        ] {
            let identity = json!({
                "methods": ["application_credential"], "application_credential": form,
            });
            assert_eq!(sent(&credential), [json!({ "auth": { "identity": identity } })]);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let domain = Domain::Name("Default".to_owned());
        let text = format!("{:?}", glance(&domain, service(&domain)));
        assert!(text.contains("glance") && !text.contains("pw\""), "{text}");
    }
}
