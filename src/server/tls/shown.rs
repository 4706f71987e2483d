//! Describes a client's certificate for the audit record.
//!
//! A trusted authority issued it, but its names are still outside text: they are limited, and
//! characters that could forge a field or line are removed.

use std::fmt::Write;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;

use super::clients;
use crate::config::{ClientTrust, SubjectName};
use crate::telemetry::audit::PeerCertificate;

/// At most this many names are shown, each cut to this many characters.
const MOST_NAMES: usize = 4;
const LONGEST_NAME: usize = 256;

/// Marks a cut name and omitted names.
const MORE: &str = "...";

/// The names that were allowed, or all of them if no names are configured.
pub(super) fn shown(certificate: &CertificateDer<'_>, trust: &ClientTrust) -> PeerCertificate {
    let mut names = clients::names(certificate).unwrap_or_default();
    if !trust.allowed.is_empty() {
        names.retain(|name| trust.allowed.contains(name));
    }
    PeerCertificate { names: told(&names), sha256: sha256(certificate) }
}

fn told(names: &[SubjectName]) -> String {
    let mut told: Vec<String> = names.iter().take(MOST_NAMES).map(name).collect();
    if names.len() > MOST_NAMES {
        told.push(MORE.to_owned());
    }
    told.join(" ")
}

fn name(name: &SubjectName) -> String {
    let (kind, text) = match name {
        SubjectName::Dns(text) => ("dns", text),
        SubjectName::Uri(text) => ("uri", text),
        SubjectName::Email(text) => ("email", text),
    };
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    let bounded: String = text.chars().take(LONGEST_NAME).map(visible).collect();
    let end = if text.chars().nth(LONGEST_NAME).is_some() { MORE } else { "" };
    format!("{kind}:{bounded}{end}")
}

fn sha256(certificate: &CertificateDer<'_>) -> String {
    let digest = digest::digest(&digest::SHA256, certificate);
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_hold_nothing_that_could_forge_a_line() {
        let long = SubjectName::Uri("a".repeat(LONGEST_NAME + 1));
        let odd = SubjectName::Email("a\n\u{7f}b dns:root\u{e4}".to_owned());
        let fits = SubjectName::Dns("b".repeat(LONGEST_NAME));
        let names = told(&[odd, long, fits.clone(), fits.clone(), fits]);
        let (a, b) = ("a".repeat(LONGEST_NAME), "b".repeat(LONGEST_NAME));
        assert_eq!(names, format!("email:a??b?dns:root? uri:{a}... dns:{b} dns:{b} ..."));
        assert_eq!(told(&[]), "");
    }
}
