//! The one way in which this process speaks HTTP to others: to issuers of tokens, to Keystone, to
//! stores.
//!
//! A [`Client`] made here follows no redirect, takes no proxy from the environment, never retries
//! by itself and has an end to every wait. Bodies are read to a bound. No text made here holds a
//! URL, which may carry credentials. What the answers mean is for those who ask.

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

/// What the files of an [`Outbound`] are called where they are read.
const CA: &str = "ca_file";
const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";

/// How a server is reached and proven to be the one that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// For a connection to stand.
    pub connect_timeout: Duration,
    /// For the whole exchange, body included; `None` where bodies are streams of any length, and
    /// then each read has `connect_timeout`.
    pub timeout: Option<Duration>,
    /// Trusted in place of the system's certificates: PEM, one or more.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Believes every certificate. The caller says so loudly in the log.
    pub insecure: bool,
}

impl Outbound {
    /// The system's certificates, one time-out for connection and answer.
    pub fn within(timeout: Duration) -> Self {
        Self {
            connect_timeout: timeout,
            timeout: Some(timeout),
            ca_file: None,
            identity: None,
            insecure: false,
        }
    }

    /// The same, for bodies of any length, as images are.
    pub fn streaming(timeout: Duration) -> Self {
        Self { timeout: None, ..Self::within(timeout) }
    }

    /// Builds the client; reads the files now.
    pub fn client(&self) -> Result<Client, OutboundError> {
        self.build(&Contents::read(&self.sources())?)
    }

    /// The files that a client is built from.
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

/// A client cannot be built. No message holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// A file cannot be read.
    #[error("{} {}", .0.display(), .1)]
    File(PathBuf, String),
    /// The CA file has nothing in it.
    #[error("{} holds no PEM certificate", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key are not a pair in PEM.
    #[error("{} and {} are not a PEM certificate and its key", .0.display(), .1.display())]
    NoIdentity(PathBuf, PathBuf),
    /// The TLS library's own word.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// A header's value, where it is text.
pub fn header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// How long the body is said to be. Not [`Response::content_length`], which speaks of the body that
/// came: HEAD has none.
pub fn announced_length(response: &Response) -> Option<u64> {
    header(response.headers(), CONTENT_LENGTH)?.parse().ok()
}

/// A header's value that no log of the HTTP library shows; `None` where no header can hold it.
pub fn secret_header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer's body could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than it may be.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// The connection failed.
    #[error("{0}")]
    Cut(String),
}

/// Reads a body of at most `limit` bytes; stops reading where there are more.
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
