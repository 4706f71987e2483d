//! Explains why a server could not be reached, for whoever has to fix it.

use std::error::Error;
use std::io;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, InvalidMessage};

/// At most this many of a certificate's names are shown, each cut to this many characters.
const MOST_NAMES: usize = 3;
const LONGEST_NAME: usize = 100;

/// The innermost cause, without the URL; the outer ones only say "error sending request".
pub fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &(dyn Error + 'static) = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    of_tls(cause).unwrap_or_else(|| cause.to_string())
}

/// A clearer message where the TLS library's own needs explaining.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's own words do for all others")]
fn of_tls(cause: &(dyn Error + 'static)) -> Option<String> {
    let mut inner = cause;
    // An `io::Error` displays its inner error, and does not return it as `source`.
    while let Some(error) = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        inner = error;
    }
    match inner.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some("the server there does not use TLS".to_owned())
        }
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's own words do for all others")]
fn of_certificate(problem: &CertificateError) -> Option<String> {
    let told = match problem {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired at {}", date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid before {}; check this host's clock",
            date(*not_before)
        ),
        // A CA with the right name but another key yields a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate was issued by an authority that is not trusted here; check \
             the server and the CA file"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is not for {}, but for {}",
            expected.to_str(),
            names(presented)
        ),
        _ => return None,
    };
    Some(told)
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let date = DateTime::from_timestamp(seconds, 0);
    date.map_or("a date too far away".to_owned(), |date| {
        date.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    })
}

/// Entries look like `DnsName("other.example")`, escaped; the server controls their text.
fn names(presented: &[String]) -> String {
    let name = |text: &String| -> String {
        text.split('"').nth(1).unwrap_or(text).chars().take(LONGEST_NAME).collect()
    };
    let mut told: Vec<String> = presented.iter().take(MOST_NAMES).map(name).collect();
    match presented.len().saturating_sub(MOST_NAMES) {
        0 if told.is_empty() => "no name at all".to_owned(),
        0 => told.join(", "),
        more => {
            told.push(format!("and {more} more"));
            told.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: rustls::Error) -> Option<String> {
        of_tls(&io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    #[test]
    fn a_mismatched_certificate_is_explained() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let expected = "keys.example".try_into().unwrap();
        let not_for = |presented| CertificateError::NotValidForNameContext { expected, presented };
        let long = format!("DnsName(\"{}\")", "a".repeat(300));
        let many = vec![long, "IpAddress(10.0.0.1)".to_owned(), String::new(), String::new()];
        for (problem, words) in [
            (
                CertificateError::ExpiredContext { time: at(9), not_after: at(86_400) },
                "expired at 1970-01-02T00:00:00Z",
            ),
            (
                CertificateError::NotValidYetContext { time: at(9), not_before: at(86_400) },
                "not valid before 1970-01-02T00:00:00Z",
            ),
            (CertificateError::BadSignature, "issued by an authority that is not trusted here"),
            (
                not_for(many),
                &format!(
                    "not for keys.example, but for {}, IpAddress(10.0.0.1), , and 1 more",
                    "a".repeat(100)
                ),
            ),
        ] {
            let told = told(rustls::Error::InvalidCertificate(problem)).unwrap();
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(names(&[]), "no name at all");
    }

    #[test]
    fn other_causes_keep_their_own_message() {
        assert_eq!(told(rustls::Error::DecryptError), None);
        assert_eq!(of_tls(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        assert_eq!(of_tls(&std::fmt::Error), None);
    }
}
