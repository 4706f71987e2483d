//! The type `http`.

use std::path::PathBuf;

use crate::config::declare::options;
use crate::config::options::{boolean, path};
use crate::config::reader::Section;

options! {
    /// The type `http`, but for proxies, which are not used.
    HTTP_STORE: HttpOptions {
        /// Certificates that the servers' ones must come from, in place of the system's.
        https_ca_certificates_file: Option<PathBuf> = path();
        /// Believes every certificate, where no file of certificates is set. Glance does so by
        /// default.
        https_insecure: bool = boolean(false);
    }
}

/// `http`: what users' `http(s)` locations name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// `https_ca_certificates_file`.
    pub ca_file: Option<PathBuf>,
    /// `https_insecure`, where it is written. Glance believes every certificate by default; an answer
    /// that makes an image active is believed only of a server that is known.
    pub insecure: bool,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> HttpConfig {
    HttpConfig {
        ca_file: section.get(&HTTP_STORE.https_ca_certificates_file),
        insecure: section.get(&HTTP_STORE.https_insecure),
    }
}
