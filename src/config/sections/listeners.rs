//! `[revert]`: where the API listens, its TLS, and its trusted proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::declare::options;
use crate::config::options::{Choice, Opt, boolean, choice, nonempty_words, parsed, path};
use crate::config::reader::Section;

options! {
    /// `[oslo_middleware]`.
    MIDDLEWARE: MiddlewareOptions {
        /// Whether forwarding headers are read; here, only those from [revert] trusted_proxies.
        enable_proxy_headers_parsing: bool = boolean(false);
    }
}

options! {
    /// `[revert]`: where the API listens.
    LISTENERS: ListenerOptions {
        /// Where the API listens. An address other than loopback needs TLS or allow_plaintext.
        bind: SocketAddr = address("127.0.0.1:9393");
        /// Where probes and metrics listen, without authentication. Do not expose it.
        ops_bind: SocketAddr = address("127.0.0.1:9394");
        /// Allows bind to be a non-loopback address without TLS. Tokens can then be read in
        /// transit.
        allow_plaintext: bool = boolean(false);
        /// The API's certificate and its intermediates, in PEM. Read again when it changes.
        tls_cert_file: Option<PathBuf> = path().example("/etc/glance/tls/tls.crt");
        /// The certificate's private key in PEM. Read again when it changes.
        tls_key_file: Option<PathBuf> = path().example("/etc/glance/tls/tls.key");
        /// Whether clients must show certificates, in addition to their tokens.
        tls_client_auth: ClientAuth = choice("off").example("required");
        /// CA certificates that must have issued clients' certificates, in PEM. Read again when it
        /// changes.
        tls_client_ca_file: Option<PathBuf> = path().example("/etc/glance/tls/clients-ca.crt");
        /// A client's certificate must have one of these names. Empty: any valid certificate.
        tls_client_allowed_sans: Vec<SubjectName> = subject_names();
        /// Proxies whose X-Forwarded-For or Forwarded header is trusted. Needs [oslo_middleware]
        /// enable_proxy_headers_parsing.
        trusted_proxies: Vec<IpNet> = networks();
    }
}

/// Where the API listens, and which proxies it trusts.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// `bind`: the API.
    pub bind: SocketAddr,
    /// `ops_bind`: probes and metrics.
    pub ops_bind: SocketAddr,
    /// `tls_*`: TLS of `bind`; `None` without `tls_cert_file`.
    pub tls: Option<TlsConfig>,
    /// `trusted_proxies`: peers whose forwarding headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
}

/// The API's certificate, and which client certificates it requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `tls_cert_file`: PEM, our certificate first, then the intermediates.
    pub cert_file: PathBuf,
    /// `tls_key_file`: PEM, the private key.
    pub key_file: PathBuf,
    /// `tls_client_auth` and its options.
    pub clients: ClientCertificates,
}

/// Whether clients must present certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Not requested.
    Off,
    /// Optional, but checked if presented.
    Optional(ClientTrust),
    /// Required.
    Required(ClientTrust),
}

/// Which client certificates are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTrust {
    /// `tls_client_ca_file`: PEM, the issuing authorities.
    pub ca_file: PathBuf,
    /// `tls_client_allowed_sans`: names of which the certificate must have one; empty for any.
    pub allowed: Vec<SubjectName>,
}

/// A name in a certificate's subjectAltName; its form gives its type.
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
    /// Which client certificates are accepted, if any are requested.
    pub fn trust(&self) -> Option<&ClientTrust> {
        match self {
            Self::Off => None,
            Self::Optional(trust) | Self::Required(trust) => Some(trust),
        }
    }
}

/// The values of `tls_client_auth`.
#[derive(Clone, Copy, Default)]
pub(in crate::config) enum ClientAuth {
    #[default]
    Off,
    Optional,
    Required,
}

impl Choice for ClientAuth {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

/// `proxy_headers` is `[oslo_middleware] enable_proxy_headers_parsing`.
pub(in crate::config) fn read(
    section: &mut Section<'_, '_>,
    proxy_headers: bool,
) -> ListenerConfig {
    let listeners = ListenerConfig {
        bind: section.get(&LISTENERS.bind),
        ops_bind: section.get(&LISTENERS.ops_bind),
        tls: tls(section),
        trusted_proxies: section.get(&LISTENERS.trusted_proxies),
    };
    let tls_is_meant =
        section.is_set(&LISTENERS.tls_cert_file) || section.is_set(&LISTENERS.tls_key_file);
    let allow_plaintext = section.get(&LISTENERS.allow_plaintext);
    if !listeners.bind.ip().is_loopback() && !tls_is_meant && !allow_plaintext {
        section.problem(
            &LISTENERS.bind,
            format!(
                "{} is not loopback and there is no TLS: tokens would be sent unencrypted. Set \
                 tls_cert_file and tls_key_file, or listen on 127.0.0.1 behind a TLS proxy, or \
                 set allow_plaintext = true if the network is trusted",
                listeners.bind
            ),
        );
    }
    if listeners.bind == listeners.ops_bind && listeners.bind.port() != 0 {
        section.problem(&LISTENERS.ops_bind, "must differ from bind");
    }
    if !listeners.trusted_proxies.is_empty() && !proxy_headers {
        section.problem(
            &LISTENERS.trusted_proxies,
            "has no effect while [oslo_middleware] enable_proxy_headers_parsing is false; set it \
             to true, or remove trusted_proxies",
        );
    }
    listeners
}

/// `None` if no TLS option is set.
fn tls(section: &mut Section<'_, '_>) -> Option<TlsConfig> {
    let (cert, key) = (section.get(&LISTENERS.tls_cert_file), section.get(&LISTENERS.tls_key_file));
    let clients = clients(section);
    match (cert, key) {
        (Some(cert_file), Some(key_file)) => Some(TlsConfig { cert_file, key_file, clients }),
        (None, None) => {
            if clients != ClientCertificates::Off {
                let needs = "needs tls_cert_file and tls_key_file";
                section.problem(&LISTENERS.tls_client_auth, needs);
            }
            None
        }
        (Some(_), None) => {
            section.problem(&LISTENERS.tls_key_file, "must be set if tls_cert_file is set");
            None
        }
        (None, Some(_)) => {
            section.problem(&LISTENERS.tls_cert_file, "must be set if tls_key_file is set");
            None
        }
    }
}

fn clients(section: &mut Section<'_, '_>) -> ClientCertificates {
    let ca_file = section.get(&LISTENERS.tls_client_ca_file);
    let allowed = section.get(&LISTENERS.tls_client_allowed_sans);
    let auth = section.get(&LISTENERS.tls_client_auth);
    match (auth, ca_file) {
        (ClientAuth::Off, ca_file) => {
            let useless = "has no effect while tls_client_auth is off";
            if ca_file.is_some() {
                section.problem(&LISTENERS.tls_client_ca_file, useless);
            }
            if !allowed.is_empty() {
                section.problem(&LISTENERS.tls_client_allowed_sans, useless);
            }
            ClientCertificates::Off
        }
        (ClientAuth::Optional, Some(ca_file)) => {
            ClientCertificates::Optional(ClientTrust { ca_file, allowed })
        }
        (ClientAuth::Required, Some(ca_file)) => {
            ClientCertificates::Required(ClientTrust { ca_file, allowed })
        }
        (ClientAuth::Optional | ClientAuth::Required, None) => {
            let needed = "must be set unless tls_client_auth is off";
            section.problem(&LISTENERS.tls_client_ca_file, needed);
            ClientCertificates::Off
        }
    }
}

const fn address(default: &'static str) -> Opt<SocketAddr> {
    let nowhere = || SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    parsed("address and port", Some(default), parse_address, nowhere)
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address and a port; write 127.0.0.1:9393 or [::1]:9393")
    })
}

const fn networks() -> Opt<Vec<IpNet>> {
    parsed("list of addresses and networks", Some(""), parse_networks, Vec::new)
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |word: &String| {
        let network = word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            format!("{word:?} is neither an address nor a network; write 10.0.0.7 or 10.0.0.0/24")
        })
    };
    nonempty_words(text)?.iter().map(network).collect()
}

const fn subject_names() -> Opt<Vec<SubjectName>> {
    let form = "list of DNS names, URIs, email addresses";
    parsed(form, Some(""), parse_subject_names, Vec::new)
}

fn parse_subject_names(text: &str) -> Result<Vec<SubjectName>, String> {
    let words = nonempty_words(text)?;
    if words.iter().any(|word| word.contains('*') || word.contains(char::is_whitespace)) {
        return Err("must be whole names, without wildcards".to_owned());
    }
    Ok(words.into_iter().map(SubjectName::of).collect())
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
