//! TLS of the API's listener, a part of `[revert]`.

use std::path::PathBuf;

use super::reader::Section;

/// The certificate of the API's listener, and whom it asks for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `tls_cert_file`: PEM, our certificate first, then the intermediate ones.
    pub cert_file: PathBuf,
    /// `tls_key_file`: PEM, the private key.
    pub key_file: PathBuf,
    /// `tls_client_auth` (off), and what belongs to it.
    pub clients: ClientCertificates,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    Off,
    /// One that is shown must be good.
    Optional(ClientTrust),
    /// One must be shown, and be good.
    Required(ClientTrust),
}

/// What makes a client's certificate good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTrust {
    /// `tls_client_ca_file`: PEM, the authorities that issue them.
    pub ca_file: PathBuf,
    /// `tls_client_allowed_sans`: one of them must be in the certificate; empty for any.
    pub allowed: Vec<SubjectName>,
}

/// A name in a certificate's subjectAltName, told apart by its form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SubjectName {
    /// Lower case.
    Dns(String),
    /// `spiffe://cluster.local/ns/ops/sa/undo`.
    Uri(String),
    /// `ops@example.org`.
    Email(String),
}

impl ClientCertificates {
    /// What makes a certificate good, where any are asked for.
    pub fn trust(&self) -> Option<&ClientTrust> {
        match self {
            Self::Off => None,
            Self::Optional(trust) | Self::Required(trust) => Some(trust),
        }
    }
}

/// `None` where nothing of TLS is set.
pub(super) fn read(section: &mut Section<'_, '_>) -> Option<TlsConfig> {
    let (cert, key) = (section.path("tls_cert_file"), section.path("tls_key_file"));
    let clients = clients(section);
    match (cert, key) {
        (Some(cert_file), Some(key_file)) => Some(TlsConfig { cert_file, key_file, clients }),
        (None, None) => {
            if clients != ClientCertificates::Off {
                section.problem("tls_client_auth", "needs tls_cert_file and tls_key_file");
            }
            None
        }
        (Some(_), None) => {
            section.problem("tls_key_file", "must be set where tls_cert_file is");
            None
        }
        (None, Some(_)) => {
            section.problem("tls_cert_file", "must be set where tls_key_file is");
            None
        }
    }
}

fn clients(section: &mut Section<'_, '_>) -> ClientCertificates {
    let ca_file = section.path("tls_client_ca_file");
    let allowed = names(section);
    let mode = section.read("tls_client_auth", mode).unwrap_or(Mode::Off);
    match (mode, ca_file) {
        (Mode::Off, ca_file) => {
            let useless = "has no effect while tls_client_auth is off";
            if ca_file.is_some() {
                section.problem("tls_client_ca_file", useless);
            }
            if !allowed.is_empty() {
                section.problem("tls_client_allowed_sans", useless);
            }
            ClientCertificates::Off
        }
        (Mode::Optional, Some(ca_file)) => {
            ClientCertificates::Optional(ClientTrust { ca_file, allowed })
        }
        (Mode::Required, Some(ca_file)) => {
            ClientCertificates::Required(ClientTrust { ca_file, allowed })
        }
        (Mode::Optional | Mode::Required, None) => {
            section.problem("tls_client_ca_file", "must be set where tls_client_auth is not off");
            ClientCertificates::Off
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Off,
    Optional,
    Required,
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "off" => Ok(Mode::Off),
        "optional" => Ok(Mode::Optional),
        "required" => Ok(Mode::Required),
        _ => Err(format!("{text:?} is none of off, optional, required")),
    }
}

fn names(section: &mut Section<'_, '_>) -> Vec<SubjectName> {
    let option = "tls_client_allowed_sans";
    let words = section.words(option);
    if words.iter().any(|word| word.contains('*') || word.contains(char::is_whitespace)) {
        section.problem(option, "must be whole names, without wildcards");
    }
    words.into_iter().map(SubjectName::of).collect()
}

impl SubjectName {
    fn of(word: String) -> Self {
        if word.contains("://") {
            Self::Uri(word)
        } else if word.contains('@') {
            Self::Email(word)
        } else {
            Self::Dns(word.to_ascii_lowercase())
        }
    }
}
