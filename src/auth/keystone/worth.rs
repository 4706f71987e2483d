//! What a token is worth, by what Keystone says of it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::domain::principal::{AuthMethod, Principal};
use crate::domain::time::Timestamp;

/// The role that Glance's own policy calls an admin (`context_is_admin`).
const ADMIN: &str = "admin";
/// How `allowed_projects` names the system scope.
const SYSTEM: &str = "system";

#[derive(Deserialize)]
struct Body {
    token: TokenBody,
}

#[derive(Deserialize)]
struct TokenBody {
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    audit_ids: Vec<String>,
    user: Named,
    project: Option<Id>,
    domain: Option<Id>,
    system: Option<System>,
    /// An unscoped token has none.
    #[serde(default)]
    roles: Vec<Role>,
    application_credential: Option<ApplicationCredential>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct Role {
    name: String,
    /// A role of one domain: whoever runs that domain names it as they like.
    domain_id: Option<String>,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    /// `null` and absent both mean that there are none; an empty list allows nothing.
    access_rules: Option<Vec<Value>>,
}

/// A caller, and until when.
pub(super) struct Worth {
    pub(super) principal: Principal,
    pub(super) expires_at: Timestamp,
}

/// Reads the body of a 200.
pub(super) fn of(body: &[u8], allowed: &[String], now: Timestamp) -> Result<Worth, Outcome> {
    let Body { token } = serde_json::from_slice(body)
        .map_err(|_| Outcome::unavailable("Keystone's answer is not the JSON that it should be"))?;
    // A token without an end could not be cached rightly, and no Keystone makes one.
    let expires_at = token.expires_at.ok_or(Outcome::Refused("no_expires_at"))?.naive_utc();
    if expires_at <= now {
        return Err(Outcome::Refused("expired"));
    }
    if token.application_credential.as_ref().is_some_and(|with| with.access_rules.is_some()) {
        return Err(Outcome::Refused("access_rules"));
    }
    if !token.is_printable() {
        return Err(Outcome::Refused("control_characters"));
    }
    let (scope, allowed) = scope(&token, allowed);
    let is_admin = allowed && token.roles.iter().any(Role::is_admin);
    let known = Principal::new("keystone", &token.user.id, AuthMethod::Keystone);
    let principal = Principal {
        is_admin,
        name: token.user.name,
        scope: Some(scope),
        token_ids: token.audit_ids,
        ..known
    };
    Ok(Worth { principal, expires_at })
}

/// The scope's name, and whether an admin of it is one here: a project's or the system's is, a
/// domain's is not, and without a scope there are no roles.
fn scope(token: &TokenBody, allowed: &[String]) -> (String, bool) {
    let listed = |name: &str| allowed.is_empty() || allowed.iter().any(|known| known == name);
    let project_listed = |id: &str| listed(id) && (allowed.is_empty() || id != SYSTEM);
    match (&token.project, &token.system, &token.domain) {
        (Some(project), None, None) => {
            (format!("project:{}", project.id), project_listed(&project.id))
        }
        (None, Some(system), None) if system.all => ("system:all".to_owned(), listed(SYSTEM)),
        (None, None, Some(domain)) => (format!("domain:{}", domain.id), false),
        (None, None, None) => ("unscoped".to_owned(), false),
        _ => ("unknown".to_owned(), false),
    }
}

impl TokenBody {
    /// Names and ids go into logs and the audit record, and must not be able to forge lines there.
    fn is_printable(&self) -> bool {
        let mut texts = self.audit_ids.iter().chain([&self.user.id]).chain(&self.user.name);
        !self.user.id.is_empty() && !texts.any(|text| text.chars().any(char::is_control))
    }
}

impl Role {
    /// Names compare without regard to case, as in oslo.policy and in Glance.
    fn is_admin(&self) -> bool {
        self.domain_id.is_none() && self.name.to_lowercase() == ADMIN
    }
}
