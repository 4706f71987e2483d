//! Builds a rustls configuration from the files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

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
use crate::files::{Contents, FileError, FileProblem, Reloaded, Source};

const CERT: &str = "tls_cert_file";
const KEY: &str = "tls_key_file";
const CLIENT_CA: &str = "tls_client_ca_file";

/// Why the files of `[revert] tls_*` cannot be used. No message holds a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("[revert] {option} = {}: {problem}", path.display())]
    File {
        /// Its option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        problem: FileProblem,
    },
    /// A file lacks the expected content.
    #[error("[revert] {option} = {}: has no {what} in PEM", path.display())]
    Nothing {
        /// Its option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// Certificate and key do not match, or one is invalid.
    #[error(
        "[revert] tls_cert_file, tls_key_file: {0}; the first certificate must be that of the key"
    )]
    Pair(rustls::Error),
    /// A CA certificate is invalid.
    #[error("[revert] tls_client_ca_file: {0}")]
    Authority(String),
}

impl From<FileError> for TlsError {
    fn from(FileError { option, path, problem }: FileError) -> Self {
        Self::File { option, path, problem }
    }
}

fn nothing(option: &'static str, path: &Path, what: &'static str) -> TlsError {
    TlsError::Nothing { option, path: path.to_owned(), what }
}

/// The result of reading good files.
#[derive(Debug, Clone)]
pub(super) struct UsableFiles {
    pub(super) server: Arc<ServerConfig>,
    /// When our certificate expires; `None` if that cannot be read.
    pub(super) expires: Option<Timestamp>,
}

/// The rustls configuration, reloaded when a file changes.
pub(super) type TlsFiles = Reloaded<UsableFiles, TlsError>;

/// Reads the files for the first time.
pub(super) fn load(config: &TlsConfig) -> Result<TlsFiles, TlsError> {
    let ca = config.clients.trust().map(|trust| Source::of_certificates(CLIENT_CA, &trust.ca_file));
    let pair =
        [Source::of_certificates(CERT, &config.cert_file), Source::of_keys(KEY, &config.key_file)];
    let config = config.clone();
    Reloaded::load(pair.into_iter().chain(ca).collect(), move |contents| {
        Files { config: &config, contents }.judge()
    })
}

/// The contents of the files, and the configuration that names them.
struct Files<'a> {
    config: &'a TlsConfig,
    contents: &'a Contents,
}

impl Files<'_> {
    fn certificates(
        &self,
        option: &'static str,
        path: &Path,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let pem = self.contents.of(option);
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.ok().filter(|found| !found.is_empty());
        found.ok_or_else(|| nothing(option, path, "certificate"))
    }

    /// The rustls configuration: TLS 1.2 and 1.3, HTTP/1.1 only.
    fn judge(&self) -> Result<UsableFiles, TlsError> {
        let chain = self.certificates(CERT, &self.config.cert_file)?;
        let key = PrivateKeyDer::from_pem_slice(self.contents.of(KEY));
        let key = key.map_err(|_| nothing(KEY, &self.config.key_file, "private key"))?;
        let expires = expiry(&chain);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let verifier = self.verifier()?;
        let asks = verifier.is_some();
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if asks {
            // No resumption: a client certificate is presented on every connection.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(UsableFiles { server: Arc::new(server), expires })
    }

    fn verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let clients = &self.config.clients;
        let Some(trust) = clients.trust() else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(CLIENT_CA, &trust.ca_file)? {
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

/// When the first certificate expires; `None` if that cannot be read.
fn expiry(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    let seconds = i64::try_from(not_after.as_secs()).ok()?;
    Some(DateTime::from_timestamp(seconds, 0)?.naive_utc())
}
