//! What Keystone reports about a token, and how the token rules interpret it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::access::AccessRule;
use crate::domain::principal::{AuthError, AuthMethod, Call, Principal};
use crate::domain::time::Timestamp;
use crate::net::keystone::Age;

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
    /// Empty for an unscoped token.
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
    /// Set for a domain-specific role, whose name the domain's admins choose.
    domain_id: Option<String>,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    /// `null` and absent both mean unrestricted; an empty list allows nothing.
    access_rules: Option<Arc<[AccessRule]>>,
}

/// The token is refused; `reason` is for the log.
pub(super) fn refused(reason: &'static str) -> AuthError {
    AuthError::Invalid { reason }
}

/// Keystone, or our own login there, does not work right now.
pub(super) fn unavailable(cause: impl fmt::Display) -> AuthError {
    AuthError::Unavailable(cause.to_string())
}

/// The configured rules: who is an admin, and who is a service.
#[derive(Debug)]
pub(super) struct TokenRules {
    /// `[revert] allowed_projects`.
    pub(super) allowed_projects: Vec<String>,
    /// `service_token_roles`.
    pub(super) service_roles: Vec<String>,
}

/// A token's holder, its expiry, and what it may be used for.
#[derive(Debug, Clone)]
pub(super) struct TokenInfo {
    pub(super) principal: Principal,
    pub(super) expires_at: Timestamp,
    /// Whether it may forward the calls of others.
    pub(super) is_service: bool,
    access_rules: Option<Arc<[AccessRule]>>,
}

impl TokenInfo {
    /// Whether the access rules, if any, allow this call to the service they know as
    /// `service_type`.
    pub(super) fn may_make(&self, call: &Call<'_>, service_type: Option<&str>) -> bool {
        let Some(rules) = &self.access_rules else { return true };
        service_type.is_some_and(|service| rules.iter().any(|rule| rule.allows(call, service)))
    }
}

/// Parses the body of a 200.
pub(super) fn read(
    body: &[u8],
    rules: &TokenRules,
    now: Timestamp,
    age: Age,
) -> Result<TokenInfo, AuthError> {
    let Body { token } = serde_json::from_slice(body)
        .map_err(|_| unavailable("Keystone's answer is not the expected JSON"))?;
    // A token without an expiry cannot be cached safely, and no Keystone issues one.
    let expires_at = token.expires_at.ok_or(refused("no_expires_at"))?.naive_utc();
    if expires_at <= now && age == Age::Unexpired {
        return Err(refused("expired"));
    }
    if !token.is_printable() {
        return Err(refused("control_characters"));
    }
    let (scope, allowed) = scope(&token, &rules.allowed_projects);
    let has_role = token.roles.iter().any(Role::is_admin);
    let is_admin = allowed && has_role;
    let access_rules = token.application_credential.and_then(|with| with.access_rules);
    // A restricted token must not escape its access rules by acting as a service.
    let is_service = access_rules.is_none()
        && token.roles.iter().any(|role| role.is_one_of(&rules.service_roles));
    let known = Principal::new("keystone", &token.user.id, AuthMethod::Keystone);
    let principal = Principal {
        is_admin,
        lacks: (!has_role).then(|| ADMIN.to_owned()).into_iter().collect(),
        name: token.user.name,
        scope: Some(scope),
        token_ids: token.audit_ids,
        ..known
    };
    Ok(TokenInfo { principal, expires_at, is_service, access_rules })
}

/// The scope's name, and whether an admin of it is an admin here: yes for a listed project or the
/// system, no for a domain; an unscoped token has no roles.
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
    /// Names and ids go into logs and the audit record, so they must not be able to forge lines.
    fn is_printable(&self) -> bool {
        let mut texts = self.audit_ids.iter().chain([&self.user.id]).chain(&self.user.name);
        !self.user.id.is_empty() && !texts.any(|text| text.chars().any(char::is_control))
    }
}

impl Role {
    /// Case-insensitive, as in oslo.policy and Glance.
    fn is_admin(&self) -> bool {
        self.domain_id.is_none() && self.name.to_lowercase() == ADMIN
    }

    /// Case-sensitive, as in keystonemiddleware.
    fn is_one_of(&self, names: &[String]) -> bool {
        self.domain_id.is_none() && names.contains(&self.name)
    }
}
