//! The type `http`.

use std::path::PathBuf;

use super::super::reader::Section;

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
        ca_file: section.path("https_ca_certificates_file"),
        insecure: section.boolean("https_insecure"),
    }
}
