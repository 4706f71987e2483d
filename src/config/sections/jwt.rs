//! `[revert_jwt:<name>]`: whose tokens are accepted.

mod options;
mod proof;

use std::time::Duration;

use crate::config::named::{check_name, names, spelled};
use crate::config::options::REVERT_JWT_PREFIX;
use crate::config::reader::{Reader, Section};

pub(in crate::config) use options::JwtOptions;
use options::REVERT_JWT;

pub use proof::{JwtAccess, JwtKeyFile, JwtKeyServer, JwtProof, JwtReviewer};

/// `[revert_jwt:<name>]`.
#[derive(Debug, Clone)]
pub struct JwtIssuerConfig {
    /// The section's `<name>`, lower case.
    pub name: String,
    /// `issuer`: compared with `iss`, byte by byte.
    pub issuer: String,
    /// `audiences`: one of them must be in `aud`. At least one.
    pub audiences: Vec<String>,
    /// `mode`, and where the keys are.
    pub proof: JwtProof,
    /// `algorithms` (RS256, PS256, ES256, ES384, EdDSA): never `HS*`, never `none`.
    pub algorithms: Vec<String>,
    /// `role_claims` (`/roles`, `/realm_access/roles`): JSON pointers to arrays of strings. Empty
    /// for `mode = tokenreview`, which does not use roles.
    pub role_claims: Vec<String>,
    /// `admin_roles` (`glance-revert-admin`).
    pub admin_roles: Vec<String>,
    /// `subjects`: callers who are admins by their `sub` alone. `NS:NAME` adds both the text itself
    /// and the `ServiceAccount` that it stands for.
    pub subjects: Vec<String>,
    /// `leeway` (30): how far clocks may differ, at most 300.
    pub leeway: Duration,
    /// `require_at_jwt` (false): refuse a header `typ` other than `at+jwt`.
    pub require_at_jwt: bool,
}

pub(in crate::config) fn read(reader: &mut Reader<'_>) -> Vec<JwtIssuerConfig> {
    let mut issuers: Vec<JwtIssuerConfig> = Vec::new();
    for name in names(reader.settings(), REVERT_JWT_PREFIX) {
        let group = format!("{REVERT_JWT_PREFIX}{name}");
        let mut section = reader.section(&[&group]);
        let issuer = issuer(&mut section, &name);
        for other in &issuers {
            if other.issuer == issuer.issuer && !issuer.issuer.is_empty() {
                section
                    .problem(&REVERT_JWT.issuer, format!("is also the issuer of {:?}", other.name));
            }
            if spelled(REVERT_JWT_PREFIX, &other.name) == spelled(REVERT_JWT_PREFIX, &name) {
                let text =
                    format!("{:?} and this name are the same in the environment", other.name);
                section.problem_of_all(text);
            }
        }
        issuers.push(issuer);
    }
    issuers
}

fn issuer(section: &mut Section<'_, '_>, name: &str) -> JwtIssuerConfig {
    check_name(section, name, "issuer");
    let issuer = section.get(&REVERT_JWT.issuer);
    let proof = proof::read(section, &issuer);
    let (role_claims, admin_roles) = match proof {
        JwtProof::TokenReview(_) => (Vec::new(), Vec::new()),
        JwtProof::File(_) | JwtProof::Server(_) => {
            (section.get(&REVERT_JWT.role_claims), section.get(&REVERT_JWT.admin_roles))
        }
    };
    let issuer = JwtIssuerConfig {
        name: name.to_owned(),
        issuer,
        audiences: section.get(&REVERT_JWT.audiences),
        proof,
        algorithms: section.get(&REVERT_JWT.algorithms),
        role_claims,
        admin_roles,
        subjects: section.get(&REVERT_JWT.subjects),
        leeway: section.get(&REVERT_JWT.leeway),
        require_at_jwt: section.get(&REVERT_JWT.require_at_jwt),
    };
    check_admins(section, &issuer);
    issuer
}

fn check_admins(section: &mut Section<'_, '_>, issuer: &JwtIssuerConfig) {
    let has_roles = !issuer.role_claims.is_empty() && !issuer.admin_roles.is_empty();
    if issuer.subjects.is_empty() && !has_roles && !section.has_problem(&REVERT_JWT.subjects) {
        let message = match issuer.proof {
            JwtProof::TokenReview(_) => {
                "no caller could be an admin: list ServiceAccounts as NS:NAME; roles do not count \
                 with mode = tokenreview"
            }
            JwtProof::File(_) | JwtProof::Server(_) => {
                "no caller could be an admin: set subjects, or both role_claims and admin_roles"
            }
        };
        section.problem(&REVERT_JWT.subjects, message);
    }
}
