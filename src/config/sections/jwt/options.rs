//! The options of `[revert_jwt:<name>]` and their allowed values.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::declare::options;
use crate::config::options::{
    Choice, Opt, boolean, choice, nonempty_words, optional_text, parsed, path, required_text,
    seconds_up_to, text_or, words,
};

/// With more leeway `exp` would mean little.
const MOST_LEEWAY: i64 = 300;

/// Asymmetric algorithms only: a secret shared with the verifier (`HS*`) proves nothing about the
/// signer, and `none` is no signature.
const ALGORITHMS: [&str; 5] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// Prefix of the user name of a Kubernetes `ServiceAccount`.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

options! {
    /// `[revert_jwt:<name>]`.
    REVERT_JWT: JwtOptions {
        /// The token's iss must equal this, byte by byte.
        issuer: String =
            required_text("text").example("https://keycloak.example.org/realms/cloud");
        /// One of them must be in the token's aud.
        audiences: Vec<String> =
            parsed("list", None, some_words, Vec::new).required().example("glance-revert");
        /// How tokens are verified: by the issuer's keys, or by asking a Kubernetes API server.
        mode: Mode = choice("jwks");
        /// URL of the issuer's JSON Web Key Set. Default, without a key file: found by discovery.
        jwks_uri: Option<String> = optional_text("https URL").example(
            "https://keycloak.example.org/realms/cloud/protocol/openid-connect/certs",
        );
        /// In place of jwks_uri: the issuer's keys as a JSON Web Key Set. Read again when it
        /// changes.
        jwks_file: Option<PathBuf> = path().example("/etc/glance/automation.jwks.json");
        /// In place of jwks_uri: the issuer's one public key in PEM. Read again when it changes.
        public_key_file: Option<PathBuf> = path().example("/etc/glance/automation.pub.pem");
        /// The API server to ask, with mode = tokenreview.
        api_server: Option<String> = text_or("https URL", "https://kubernetes.default.svc");
        /// CA certificates (PEM) of the server with the keys, instead of the system's. With
        /// tokenreview, of the API server; default: the pod's own.
        ca_file: Option<PathBuf> =
            path().example("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
        /// A bearer token for the server with the keys, such as a Kubernetes API server requires.
        /// With tokenreview, for the API server; default: the pod's own.
        token_file: Option<PathBuf> =
            path().example("/var/run/secrets/kubernetes.io/serviceaccount/token");
        /// Accepted signature algorithms. No others can be chosen.
        algorithms: Vec<String> = algorithms("RS256, PS256, ES256, ES384, EdDSA");
        /// JSON pointers to the arrays of strings that hold a token's roles. Not with tokenreview.
        role_claims: Vec<String> = pointers("/roles, /realm_access/roles");
        /// Roles that make a caller an admin. Not with tokenreview.
        admin_roles: Vec<String> = words("list", "glance-revert-admin");
        /// Callers that are admins by their sub. NS:NAME stands for system:serviceaccount:NS:NAME.
        /// No wildcards.
        subjects: Vec<String> = parsed("list", Some(""), parse_subjects, Vec::new);
        /// Allowed difference between the issuer's clock and ours.
        leeway: Duration = seconds_up_to(MOST_LEEWAY, "30");
        /// Refuses tokens whose header typ is not at+jwt.
        require_at_jwt: bool = boolean(false);
    }
}

/// The values of `mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::config) enum Mode {
    #[default]
    Jwks,
    TokenReview,
}

impl Choice for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("jwks", Self::Jwks), ("tokenreview", Self::TokenReview)];
}

fn some_words(text: &str) -> Result<Vec<String>, String> {
    let words = nonempty_words(text)?;
    if words.is_empty() { Err("must name at least one".to_owned()) } else { Ok(words) }
}

const fn algorithms(default: &'static str) -> Opt<Vec<String>> {
    parsed("list", Some(default), parse_algorithms, Vec::new)
}

fn parse_algorithms(text: &str) -> Result<Vec<String>, String> {
    let algorithms = some_words(text)?;
    let refused: Vec<&str> = algorithms
        .iter()
        .map(String::as_str)
        .filter(|algorithm| !ALGORITHMS.contains(algorithm))
        .collect();
    if refused.is_empty() {
        return Ok(algorithms);
    }
    let (refused, known) = (refused.join(", "), ALGORITHMS.join(", "));
    Err(format!("{refused}: not accepted; choose from {known}"))
}

const fn pointers(default: &'static str) -> Opt<Vec<String>> {
    parsed("list of JSON pointers", Some(default), parse_pointers, Vec::new)
}

/// RFC 6901; the empty pointer, which is the whole token, is refused.
fn parse_pointers(text: &str) -> Result<Vec<String>, String> {
    let pointers = nonempty_words(text)?;
    let escaped = |part: &str| part.starts_with(['0', '1']);
    let valid =
        |pointer: &String| pointer.starts_with('/') && pointer.split('~').skip(1).all(escaped);
    if !pointers.iter().all(valid) {
        return Err("must be JSON pointers, such as /realm_access/roles".to_owned());
    }
    Ok(pointers)
}

/// `NS:NAME` becomes both the text itself and the `ServiceAccount` that it stands for.
fn parse_subjects(text: &str) -> Result<Vec<String>, String> {
    let mut subjects = nonempty_words(text)?;
    for subject in &subjects {
        if subject.contains('*') {
            return Err("must be whole subjects; there are no wildcards".to_owned());
        }
        let account = subject.strip_prefix(SERVICE_ACCOUNT);
        if account.is_some_and(|account| !is_account(account)) {
            return Err(format!("{subject}: write a ServiceAccount as {SERVICE_ACCOUNT}NS:NAME"));
        }
    }
    let short: Vec<_> = subjects.iter().filter(|subject| is_account(subject)).cloned().collect();
    subjects.extend(short.into_iter().map(|account| format!("{SERVICE_ACCOUNT}{account}")));
    Ok(subjects)
}

/// Whether a text is `NS:NAME` with names that Kubernetes allows.
fn is_account(text: &str) -> bool {
    let named = |name: &str, more: &[u8]| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte);
        !name.is_empty() && name.bytes().all(allowed)
    };
    text.split_once(':').is_some_and(|(space, name)| named(space, b"-") && named(name, b"-."))
}
