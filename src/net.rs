//! All outgoing HTTP: to token issuers, Keystone, stores and the alert webhook.
//!
//! A [`Client`] made here follows no redirects, ignores proxy variables, never retries by itself
//! and has a time-out for every wait. Bodies are read up to a limit. No message made here holds a
//! URL, which may carry credentials. Interpreting responses is the caller's job.

mod endpoint;
mod error_chain;
mod fresh_client;
pub mod keystone;
mod retry;
pub mod single_flight;

use std::path::PathBuf;
use std::time::Duration;

pub use endpoint::{Endpoint, EndpointProblem};
pub use error_chain::root_cause;
pub use fresh_client::FreshClient;
pub use reqwest::{Client, RequestBuilder, Response, StatusCode};
pub use retry::retried;

use reqwest::header::{AsHeaderName, CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Certificate, Identity};

use crate::files::{Contents, FileError, Source};

/// The names of an [`Outbound`]'s files in errors.
const CA: &str = "ca_file";
const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";

/// How to connect to a server and verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Limit for establishing a connection.
    pub connect_timeout: Duration,
    /// Limit for the whole exchange including the body; `None` for bodies of any length, where each
    /// read is limited by `connect_timeout`.
    pub timeout: Option<Duration>,
    /// CA certificates trusted instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Our client certificate and key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Accepts any certificate. The caller must warn about it in the log.
    pub insecure: bool,
}

impl Outbound {
    /// The system's CAs, and one time-out for the whole exchange.
    pub fn within(timeout: Duration) -> Self {
        Self {
            connect_timeout: timeout,
            timeout: Some(timeout),
            ca_file: None,
            identity: None,
            insecure: false,
        }
    }

    /// The same for bodies of any length, such as images.
    pub fn streaming(timeout: Duration) -> Self {
        Self { timeout: None, ..Self::within(timeout) }
    }

    /// Builds the client, reading the files.
    pub fn client(&self) -> Result<Client, OutboundError> {
        self.build(&Contents::read(&self.sources())?)
    }

    /// The files that the client is built from.
    fn sources(&self) -> Vec<Source> {
        let ca = self.ca_file.as_ref().map(|path| Source::of_certificates(CA, path));
        let identity = self.identity.iter().flat_map(|(certificate, key)| {
            [Source::of_certificates(CERTIFICATE, certificate), Source::of_keys(KEY, key)]
        });
        ca.into_iter().chain(identity).collect()
    }

    fn build(&self, contents: &Contents) -> Result<Client, OutboundError> {
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("glance-revert/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout);
        builder = match self.timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder.read_timeout(self.connect_timeout),
        };
        if let Some(path) = &self.ca_file {
            let pem = contents.of(CA);
            let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(OutboundError::NoCertificate(path.clone()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let Some((certificate, key)) = &self.identity {
            let pem = [contents.of(CERTIFICATE), b"\n", contents.of(KEY)].concat();
            let identity = Identity::from_pem(&pem)
                .map_err(|_| OutboundError::NoIdentity(certificate.clone(), key.clone()))?;
            builder = builder.identity(identity);
        }
        builder
            .tls_danger_accept_invalid_certs(self.insecure)
            .build()
            .map_err(|error| OutboundError::Client(root_cause(error)))
    }
}

impl From<FileError> for OutboundError {
    fn from(error: FileError) -> Self {
        Self::File(error.path, error.problem.to_string())
    }
}

/// Why a client cannot be built. No message holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// A file cannot be read.
    #[error("{} {}", .0.display(), .1)]
    File(PathBuf, String),
    /// The CA file holds no certificate.
    #[error("{} holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key are not a pair in PEM.
    #[error("{} and {} are not a PEM certificate and its key", .0.display(), .1.display())]
    NoIdentity(PathBuf, PathBuf),
    /// The TLS library's own error.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// A header's value, if it is text.
pub fn header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The announced length of the body. Unlike [`Response::content_length`], which is the length of
/// the received body, it works for HEAD.
pub fn announced_length(response: &Response) -> Option<u64> {
    header(response.headers(), CONTENT_LENGTH)?.parse().ok()
}

/// A header value that the HTTP library does not log; `None` if it is not a valid header value.
pub fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Why a response body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It exceeds the limit.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// The connection failed.
    #[error("{0}")]
    Cut(String),
}

/// Reads a body of at most `limit` bytes; stops reading beyond that.
pub async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| BodyError::Cut(root_cause(e)))? {
        if chunk.len() > limit - body.len() {
            return Err(BodyError::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
