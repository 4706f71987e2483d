//! The stores of image data: one file per store, with the URI grammar of its scheme, and
//! [`ConfiguredStores`], which finds a location's store.
//!
//! Implements [`crate::domain::store`]; knows no HTTP API, no SQL and no rule of revert or scrub. A
//! store never reports a bare "not found": it reports absence only if it is itself healthy.

pub mod cinder;
pub mod file;
pub mod http;
pub mod rbd;
pub mod s3;
pub mod swift;

mod crypt;
mod http_client;
mod http_fault;
mod logged;
mod registry;
mod together;

use std::path::PathBuf;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use reqwest::Url;

use crate::config::RevertConfig;
use crate::domain::store::{ObjectStream, StoreError};
use crate::net::{Response, root_cause};

pub use registry::ConfiguredStores;

/// The options of `[revert]` for the stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// `any_file_name`: allows a pass to delete objects that are not named after their image.
    pub any_file_name: bool,
    /// `http_verify_hosts`: `host:port`, or `host` for the scheme's own port; IPv6 addresses in
    /// brackets.
    pub http_verify_hosts: Vec<String>,
    /// `location_credentials_hosts`, as above.
    pub location_credentials_hosts: Vec<String>,
    /// `store_timeout`: how long one call to a store may take.
    pub store_timeout: Duration,
    /// This binary, which also runs the helper processes of rbd stores.
    pub rbd_helper: PathBuf,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            any_file_name: false,
            http_verify_hosts: Vec::new(),
            location_credentials_hosts: Vec::new(),
            store_timeout: Duration::from_secs(30),
            rbd_helper: rbd::OWN_BINARY.into(),
        }
    }
}

impl From<&RevertConfig> for StoreOptions {
    fn from(config: &RevertConfig) -> Self {
        Self {
            any_file_name: config.any_file_name,
            http_verify_hosts: config.http_verify_hosts.clone(),
            location_credentials_hosts: config.location_credentials_hosts.clone(),
            store_timeout: config.store_timeout,
            ..Self::default()
        }
    }
}

impl StoreOptions {
    /// Whether credentials in a location may be used at this URL, if the configuration has none.
    pub(crate) fn trusts_credentials_for(&self, url: &Url) -> bool {
        self.location_credentials_hosts.iter().any(|listed| names(listed, url))
    }
}

/// Whether a listed `host` or `host:port` is the server of a URL. Without a port only the scheme's
/// default port matches, so that a user who chooses a URL cannot choose any port of the host.
fn names(listed: &str, url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    if listed.eq_ignore_ascii_case(host) {
        return url.port().is_none();
    }
    let port = url.port_or_known_default().unwrap_or_default();
    listed.eq_ignore_ascii_case(&format!("{host}:{port}"))
}

/// The body of a response as a stream of object bytes.
fn streamed(response: Response) -> ObjectStream {
    let cut = |error| StoreError::Unreachable(root_cause(error));
    response.bytes_stream().map_ok(Vec::from).map_err(cut).boxed()
}

/// Why the stores cannot be built as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreSetupError {
    /// The length of the key is not that of an AES key.
    #[error(
        "metadata_encryption_key has {0} bytes; set the 16, 24 or 32 bytes that glance-api is set to"
    )]
    KeyLength(usize),
    /// A file store has no data directory.
    #[error("store {0}: set filesystem_store_datadir or filesystem_store_datadirs")]
    NoDataDir(String),
    /// A data directory cannot confine files.
    #[error("store {store}: the data directory {path:?} {reason}")]
    DataDir {
        /// The store's name.
        store: String,
        /// The directory as configured.
        path: PathBuf,
        /// The problem, as the end of a sentence.
        reason: &'static str,
    },
    /// Its options are wrong.
    #[error("{0}")]
    Misconfigured(String),
    /// A service's address cannot be used.
    #[error("store {store}: {reason}")]
    Endpoint {
        /// The store's name.
        store: String,
        /// The option and what is wrong with it.
        reason: String,
    },
    /// An entry of `http_verify_hosts` is not a host.
    #[error("http_verify_hosts: {0:?} is neither a host nor host:port; leave out scheme and path")]
    VerifyHost(String),
}

/// Netloc and path as Python's `urlparse` returns them: without query and fragment, and without
/// characters that are invalid in a URL.
fn as_python_reads(after_scheme: &str) -> String {
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
    path.replace(['\t', '\r', '\n'], "")
}

impl StoreSetupError {
    /// Whether only this store is unusable.
    fn is_of_one_store(&self) -> bool {
        match self {
            Self::NoDataDir(_)
            | Self::DataDir { .. }
            | Self::Misconfigured(_)
            | Self::Endpoint { .. } => true,
            Self::KeyLength(_) | Self::VerifyHost(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_a_port_means_only_the_schemes_default_port() {
        let is_named = |listed: &str, url: &str| names(listed, &Url::parse(url).unwrap());
        for (listed, url) in [
            ("host", "http://host/x"),
            ("host", "https://HOST:443/x"),
            ("Host", "http://host:80/x"),
            ("host:80", "http://host/x"),
            ("host:8080", "http://user:pass@host:8080/x"),
            ("host:80", "https://host:80/x"),
            ("[::1]", "http://[::1]/x"),
            ("[::1]:8080", "http://[::1]:8080/x"),
        ] {
            assert!(is_named(listed, url), "{listed} {url}");
        }
        for (listed, url) in [
            ("host", "http://host:8080/x"),
            ("host", "http://host:443/x"),
            ("host", "https://host:80/x"),
            ("host:80", "https://host/x"),
            ("host:8080", "http://host/x"),
            ("host", "http://host.example/x"),
            ("host", "http://host@other/x"),
            ("[::1]", "http://[::1]:8080/x"),
        ] {
            assert!(!is_named(listed, url), "{listed} {url}");
        }
    }
}
