//! The type `http`.

use std::path::PathBuf;

use crate::config::declare::options;
use crate::config::options::{boolean, path};
use crate::config::reader::Section;

options! {
    /// The type `http`, without options for proxies, which are not used.
    HTTP_STORE: HttpOptions {
        /// CA certificates for the servers, instead of the system's.
        https_ca_certificates_file: Option<PathBuf> = path();
        /// Accepts any certificate if https_ca_certificates_file is not set. Glance's own default
        /// is true.
        https_insecure: bool = boolean(false);
    }
}

/// `http`: `http(s)` locations added by users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// `https_ca_certificates_file`.
    pub ca_file: Option<PathBuf>,
    /// `https_insecure`, if set. Glance accepts any certificate by default; here a server whose
    /// answer makes an image active must be verified.
    pub insecure: bool,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> HttpConfig {
    HttpConfig {
        ca_file: section.get(&HTTP_STORE.https_ca_certificates_file),
        insecure: section.get(&HTTP_STORE.https_insecure),
    }
}
