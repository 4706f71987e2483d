//! How the tokens of an issuer are verified: with keys from a file, with keys from a server, or by
//! a Kubernetes API server.

use std::path::PathBuf;

use super::options::{Mode, REVERT_JWT};
use crate::config::options::OptionSpec;
use crate::config::reader::Section;

/// Where Kubernetes mounts a pod's credentials for the API server.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The options for the keys' source; at most one may be set.
const KEYS: [&OptionSpec; 3] =
    [&REVERT_JWT.jwks_uri.spec, &REVERT_JWT.jwks_file.spec, &REVERT_JWT.public_key_file.spec];

/// The options that define roles.
const ROLES: [&OptionSpec; 2] = [&REVERT_JWT.role_claims.spec, &REVERT_JWT.admin_roles.spec];

/// The options for reaching a server.
const ACCESS: [&OptionSpec; 2] = [&REVERT_JWT.ca_file.spec, &REVERT_JWT.token_file.spec];

const NO_KEYS: &str =
    "is not a URL, so discovery cannot find its keys; set jwks_uri, jwks_file or public_key_file";

/// How the tokens of an issuer are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtProof {
    /// `jwks_file` or `public_key_file`.
    File(JwtKeyFile),
    /// `jwks_uri` or, if no key option is set, `OpenID` Connect Discovery.
    Server(JwtKeyServer),
    /// `mode = tokenreview`.
    TokenReview(JwtReviewer),
}

/// A file with keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtKeyFile {
    /// `jwks_file`.
    Jwks(PathBuf),
    /// `public_key_file`: one PEM public key.
    PublicKey(PathBuf),
}

/// A server with keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtKeyServer {
    /// `jwks_uri`; `None` for discovery from `issuer`.
    pub jwks_uri: Option<String>,
    /// How it is reached.
    pub access: JwtAccess,
}

/// A Kubernetes API server that validates tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtReviewer {
    /// `api_server` (`https://kubernetes.default.svc`).
    pub api_server: String,
    /// How it is reached; both files are set, by default to those of the pod.
    pub access: JwtAccess,
}

/// How a server is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwtAccess {
    /// `ca_file`: trusted in place of the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// `token_file`: a bearer token for that server.
    pub token_file: Option<PathBuf>,
}

pub(super) fn read(section: &mut Section<'_, '_>, issuer: &str) -> JwtProof {
    let access = JwtAccess {
        ca_file: section.get(&REVERT_JWT.ca_file),
        token_file: section.get(&REVERT_JWT.token_file),
    };
    match section.get(&REVERT_JWT.mode) {
        Mode::TokenReview => {
            let unused = [&KEYS[..], &ROLES[..]].concat();
            refuse(section, &unused, "has no effect with mode = tokenreview; remove it");
            let in_cluster = |name: &str| Some(PathBuf::from(IN_CLUSTER).join(name));
            JwtProof::TokenReview(JwtReviewer {
                api_server: section.get(&REVERT_JWT.api_server).unwrap_or_default(),
                access: JwtAccess {
                    ca_file: access.ca_file.or_else(|| in_cluster("ca.crt")),
                    token_file: access.token_file.or_else(|| in_cluster("token")),
                },
            })
        }
        Mode::Jwks => {
            let unused = "is for mode = tokenreview; remove it, or set mode";
            refuse(section, &[&REVERT_JWT.api_server.spec], unused);
            keys(section, issuer, access)
        }
    }
}

fn keys(section: &mut Section<'_, '_>, issuer: &str, access: JwtAccess) -> JwtProof {
    let set: Vec<_> = KEYS.into_iter().filter(|option| section.says(option)).collect();
    if let [first, second, ..] = set.as_slice() {
        section.problem(second, format!("set this or {}, not both", first.name));
    }
    let files = (section.get(&REVERT_JWT.jwks_file), section.get(&REVERT_JWT.public_key_file));
    let file = match files {
        (Some(path), _) => JwtKeyFile::Jwks(path),
        (None, Some(path)) => JwtKeyFile::PublicKey(path),
        (None, None) => {
            let jwks_uri = section.get(&REVERT_JWT.jwks_uri);
            if jwks_uri.is_none() && !issuer.starts_with("http") && !issuer.is_empty() {
                section.problem(&REVERT_JWT.issuer, NO_KEYS);
            }
            return JwtProof::Server(JwtKeyServer { jwks_uri, access });
        }
    };
    let unused = "is for keys from a server; remove it, or name the server with jwks_uri";
    refuse(section, &ACCESS, unused);
    JwtProof::File(file)
}

/// An option without effect is a mistake.
fn refuse(section: &mut Section<'_, '_>, options: &[&OptionSpec], message: &str) {
    for option in options {
        if section.says(option) {
            section.problem(option, message);
        }
    }
}
