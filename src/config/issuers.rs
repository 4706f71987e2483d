//! `[revert_jwt:<name>]`: whose tokens are accepted.

mod proof;

use std::time::Duration;

use super::environment::Environment;
use super::options::{self, REVERT_JWT_PREFIX};
use super::oslo::Settings;
use super::reader::{Reader, Section};

pub use proof::{JwtAccess, JwtKeyFile, JwtKeyServer, JwtProof, JwtReviewer};

/// Asymmetric signatures only: a secret shared by signer and verifier (`HS*`) is no proof of the
/// issuer, and `none` is no signature.
const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// More leeway than this makes `exp` mean little.
const MOST_LEEWAY: Duration = Duration::from_mins(5);

/// What stands before `NS:NAME` in the name of a Kubernetes `ServiceAccount`.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

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
    /// for `mode = tokenreview`, where roles make nobody an admin.
    pub role_claims: Vec<String>,
    /// `admin_roles` (`glance-revert-admin`).
    pub admin_roles: Vec<String>,
    /// `subjects`: callers who are admins by their `sub` alone. Of `NS:NAME` both the text itself
    /// and the `ServiceAccount` that it is short for.
    pub subjects: Vec<String>,
    /// `leeway` (30): how far clocks may differ, at most 300.
    pub leeway: Duration,
    /// `require_at_jwt` (false): refuse a header `typ` other than `at+jwt`.
    pub require_at_jwt: bool,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Vec<JwtIssuerConfig> {
    let mut issuers: Vec<JwtIssuerConfig> = Vec::new();
    for name in names(reader.settings()) {
        let group = format!("{REVERT_JWT_PREFIX}{name}");
        let mut section = reader.section(&[&group], options::REVERT_JWT);
        let issuer = issuer(&mut section, &name);
        for other in &issuers {
            if other.issuer == issuer.issuer && !issuer.issuer.is_empty() {
                section.problem("issuer", format!("is also the issuer of {:?}", other.name));
            }
            if spelled(&other.name) == spelled(&name) {
                let text = format!("{:?} and this name are one in the environment", other.name);
                section.problem("", text);
            }
        }
        issuers.push(issuer);
    }
    issuers
}

/// The names of the files' sections, then those that only the environment knows.
fn names(settings: &Settings) -> Vec<String> {
    let of_section = |(group, _)| str::strip_prefix(group, REVERT_JWT_PREFIX);
    let mut names: Vec<String> =
        settings.groups().filter_map(of_section).map(str::to_owned).collect();
    for (_, group, _) in settings.environment().options() {
        let Some(name) = group.strip_prefix("REVERT_JWT_").filter(|name| !name.is_empty()) else {
            continue;
        };
        if !names.iter().any(|known| spelled(known) == spelled(name)) {
            names.push(name.to_lowercase());
        }
    }
    names
}

/// The name as the environment has it.
fn spelled(name: &str) -> String {
    Environment::variable(&format!("{REVERT_JWT_PREFIX}{name}"), "")
}

fn issuer(section: &mut Section<'_, '_>, name: &str) -> JwtIssuerConfig {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(allowed) {
        section.problem("", "name the issuer with letters, digits, `-`, `_` and `.`");
    }
    let leeway = section.seconds("leeway");
    if leeway > MOST_LEEWAY {
        section.problem("leeway", format!("must be at most {} seconds", MOST_LEEWAY.as_secs()));
    }
    let proof = proof::read(section);
    let (role_claims, admin_roles) = match proof {
        JwtProof::TokenReview(_) => (Vec::new(), Vec::new()),
        JwtProof::File(_) | JwtProof::Server(_) => {
            (pointers(section), section.words("admin_roles"))
        }
    };
    let issuer = JwtIssuerConfig {
        name: name.to_owned(),
        issuer: section.required_text("issuer"),
        audiences: required_words(section, "audiences"),
        proof,
        algorithms: algorithms(section),
        role_claims,
        admin_roles,
        subjects: subjects(section),
        leeway,
        require_at_jwt: section.boolean("require_at_jwt"),
    };
    check_admins(section, &issuer);
    issuer
}

fn check_admins(section: &mut Section<'_, '_>, issuer: &JwtIssuerConfig) {
    let has_roles = !issuer.role_claims.is_empty() && !issuer.admin_roles.is_empty();
    if issuer.subjects.is_empty() && !has_roles && !section.has_problem("subjects") {
        let message = match issuer.proof {
            JwtProof::TokenReview(_) => {
                "nobody could be an admin: list ServiceAccounts as NS:NAME; roles do not count \
                 with mode = tokenreview"
            }
            JwtProof::File(_) | JwtProof::Server(_) => {
                "nobody could be an admin: set subjects, or both role_claims and admin_roles"
            }
        };
        section.problem("subjects", message);
    }
}

fn required_words(section: &mut Section<'_, '_>, option: &str) -> Vec<String> {
    let words = section.words(option);
    if words.is_empty() && section.list(option).is_empty() {
        section.problem(option, "must name at least one");
    }
    words
}

fn algorithms(section: &mut Section<'_, '_>) -> Vec<String> {
    let algorithms = required_words(section, "algorithms");
    let refused: Vec<&str> = algorithms
        .iter()
        .map(String::as_str)
        .filter(|algorithm| !ALGORITHMS.contains(algorithm))
        .collect();
    if !refused.is_empty() {
        let (refused, known) = (refused.join(", "), ALGORITHMS.join(", "));
        section.problem("algorithms", format!("{refused}: not accepted; choose from {known}"));
    }
    algorithms
}

/// RFC 6901; the empty pointer would be the whole token.
fn pointers(section: &mut Section<'_, '_>) -> Vec<String> {
    let pointers = section.words("role_claims");
    let escaped = |part: &str| part.starts_with(['0', '1']);
    let valid =
        |pointer: &String| pointer.starts_with('/') && pointer.split('~').skip(1).all(escaped);
    if !pointers.iter().all(valid) {
        section.problem("role_claims", "must be JSON pointers, such as /realm_access/roles");
    }
    pointers
}

fn subjects(section: &mut Section<'_, '_>) -> Vec<String> {
    let mut subjects = section.words("subjects");
    for subject in &subjects {
        if subject.contains('*') {
            section.problem("subjects", "must be whole subjects; there are no wildcards");
            break;
        }
        let account = subject.strip_prefix(SERVICE_ACCOUNT);
        if account.is_some_and(|account| !is_account(account)) {
            let text = format!("{subject}: write a ServiceAccount as {SERVICE_ACCOUNT}NS:NAME");
            section.problem("subjects", text);
        }
    }
    let short: Vec<_> = subjects.iter().filter(|subject| is_account(subject)).cloned().collect();
    subjects.extend(short.into_iter().map(|account| format!("{SERVICE_ACCOUNT}{account}")));
    subjects
}

/// Whether a text is `NS:NAME`, both of them names as Kubernetes allows.
fn is_account(text: &str) -> bool {
    let named = |name: &str, more: &[u8]| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte);
        !name.is_empty() && name.bytes().all(allowed)
    };
    text.split_once(':').is_some_and(|(space, name)| named(space, b"-") && named(name, b"-."))
}
