//! From the files to a rustls configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use chrono::DateTime;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::clients::NamedClients;
use crate::config::{ClientCertificates, ClientTrust, TlsConfig};
use crate::domain::time::Timestamp;

/// Why the files of `[revert] tls_*` cannot be used. No message holds a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("[revert] {option} = {}: cannot be read: {error}", path.display())]
    File {
        /// Its option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A file has none of what it is for.
    #[error("[revert] {option} = {}: holds no {what} in PEM", path.display())]
    Nothing {
        /// Its option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// The certificate and the key do not fit, or one of them is of no use.
    #[error(
        "[revert] tls_cert_file, tls_key_file: {0}; the first certificate must be that of the key"
    )]
    Pair(rustls::Error),
    /// An authority's certificate is of no use.
    #[error("[revert] tls_client_ca_file: {0}")]
    Authority(String),
}

/// Files that can be used.
pub(super) struct Judged {
    pub(super) server: Arc<ServerConfig>,
    /// When our certificate expires; `None` where that cannot be read.
    pub(super) expires: Option<Timestamp>,
}

/// The contents of the files.
pub(super) struct Files {
    cert: File,
    key: File,
    client_ca: Option<File>,
}

struct File {
    option: &'static str,
    path: PathBuf,
    pem: Vec<u8>,
}

impl File {
    fn read(option: &'static str, path: &Path) -> Result<Self, TlsError> {
        match std::fs::read(path) {
            Ok(pem) => Ok(Self { option, path: path.to_owned(), pem }),
            Err(error) => Err(TlsError::File { option, path: path.to_owned(), error }),
        }
    }

    fn nothing(&self, what: &'static str) -> TlsError {
        TlsError::Nothing { option: self.option, path: self.path.clone(), what }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.pem).collect();
        found.ok().filter(|found| !found.is_empty()).ok_or_else(|| self.nothing("certificate"))
    }
}

impl Files {
    pub(super) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let ca = config.clients.trust().map(|trust| &trust.ca_file);
        Ok(Self {
            cert: File::read("tls_cert_file", &config.cert_file)?,
            key: File::read("tls_key_file", &config.key_file)?,
            client_ca: ca.map(|path| File::read("tls_client_ca_file", path)).transpose()?,
        })
    }

    /// Changes when a file does.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut all = digest::Context::new(&digest::SHA256);
        for file in
            [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten()
        {
            all.update(digest::digest(&digest::SHA256, &file.pem).as_ref());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(all.finish().as_ref());
        bytes
    }

    /// What rustls makes of the files: TLS 1.2 and 1.3, HTTP/1.1 alone.
    pub(super) fn judge(&self, clients: &ClientCertificates) -> Result<Judged, TlsError> {
        let chain = self.cert.certificates()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key.pem);
        let key = key.map_err(|_| self.key.nothing("private key"))?;
        let expires = expiry(&chain);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let verifier = self.verifier(clients)?;
        let asks = verifier.is_some();
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if asks {
            // Who shows a certificate shows it on each connection.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Judged { server: Arc::new(server), expires })
    }

    fn verifier(
        &self,
        clients: &ClientCertificates,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (Some(ca), Some(trust)) = (&self.client_ca, clients.trust()) else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for certificate in ca.certificates()? {
            roots.add(certificate).map_err(|error| TlsError::Authority(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match clients {
            ClientCertificates::Optional(_) => builder.allow_unauthenticated(),
            ClientCertificates::Required(_) | ClientCertificates::Off => builder,
        };
        let verifier = builder.build().map_err(|error| TlsError::Authority(error.to_string()))?;
        Ok(Some(named(verifier, trust)))
    }
}

fn named(
    verifier: Arc<dyn ClientCertVerifier>,
    trust: &ClientTrust,
) -> Arc<dyn ClientCertVerifier> {
    if trust.allowed.is_empty() {
        verifier
    } else {
        Arc::new(NamedClients::new(verifier, trust.allowed.iter().cloned().collect()))
    }
}

/// When the first certificate expires; `None` where that cannot be read.
fn expiry(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    let seconds = i64::try_from(not_after.as_secs()).ok()?;
    Some(DateTime::from_timestamp(seconds, 0)?.naive_utc())
}
