//! How the tokens of an issuer are proved: keys from a file, keys from a server, or the word of a
//! Kubernetes API server.

use std::path::PathBuf;

use crate::config::reader::Section;

/// Where Kubernetes puts what a pod needs to talk to the API server.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The options that say where keys are; at most one of them is set.
const KEYS: [&str; 3] = ["jwks_uri", "jwks_file", "public_key_file"];

const NO_KEYS: &str = "is no URL that its keys could be found from; set jwks_uri, jwks_file or \
                       public_key_file";

/// How the tokens of an issuer are proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtProof {
    /// `jwks_file` or `public_key_file`.
    File(JwtKeyFile),
    /// `jwks_uri` or, where no option says where the keys are, `OpenID` Connect Discovery.
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

/// A Kubernetes API server that tells whether a token is good.
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Jwks,
    TokenReview,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> JwtProof {
    let mode = section.read("mode", mode).unwrap_or_default();
    let access =
        JwtAccess { ca_file: section.path("ca_file"), token_file: section.path("token_file") };
    match mode {
        Mode::TokenReview => {
            let unused = [&KEYS[..], &["role_claims", "admin_roles"]].concat();
            refuse(section, &unused, "has no meaning with mode = tokenreview; remove it");
            let in_cluster = |name: &str| Some(PathBuf::from(IN_CLUSTER).join(name));
            JwtProof::TokenReview(JwtReviewer {
                api_server: section.text("api_server").unwrap_or_default(),
                access: JwtAccess {
                    ca_file: access.ca_file.or_else(|| in_cluster("ca.crt")),
                    token_file: access.token_file.or_else(|| in_cluster("token")),
                },
            })
        }
        Mode::Jwks => {
            refuse(section, &["api_server"], "is for mode = tokenreview; remove it, or set mode");
            keys(section, access)
        }
    }
}

fn keys(section: &mut Section<'_, '_>, access: JwtAccess) -> JwtProof {
    let set: Vec<_> = KEYS.into_iter().filter(|option| says(section, option)).collect();
    if let [first, second, ..] = set.as_slice() {
        section.problem(*second, format!("set this or {first}, not both"));
    }
    let file = match (section.path("jwks_file"), section.path("public_key_file")) {
        (Some(path), _) => JwtKeyFile::Jwks(path),
        (None, Some(path)) => JwtKeyFile::PublicKey(path),
        (None, None) => {
            let jwks_uri = section.text("jwks_uri").filter(|uri| !uri.is_empty());
            let issuer = section.text("issuer").unwrap_or_default();
            if jwks_uri.is_none() && !issuer.starts_with("http") && !issuer.is_empty() {
                section.problem("issuer", NO_KEYS);
            }
            return JwtProof::Server(JwtKeyServer { jwks_uri, access });
        }
    };
    let unused = "is for keys from a server; remove it, or name the server with jwks_uri";
    refuse(section, &["ca_file", "token_file"], unused);
    JwtProof::File(file)
}

/// What has no effect was meant to have one.
fn refuse(section: &mut Section<'_, '_>, options: &[&str], message: &str) {
    for option in options {
        if says(section, option) {
            section.problem(*option, message);
        }
    }
}

/// Whether an option is set to something.
fn says(section: &mut Section<'_, '_>, option: &str) -> bool {
    section.is_set(option) && section.text(option).is_some_and(|text| !text.is_empty())
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "jwks" => Ok(Mode::Jwks),
        "tokenreview" => Ok(Mode::TokenReview),
        _ => Err(format!("{text:?} is neither jwks nor tokenreview")),
    }
}
