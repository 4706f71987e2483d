//! A URL that may be contacted: https, or plain http on this machine.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// The URL of a server. Displayed as its origin only: paths and queries may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is not an [`Endpoint`]. No message quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointProblem {
    /// Not a URL with a host.
    #[error("is not a URL; write https://host/path")]
    NotUrl,
    /// Neither https nor http.
    #[error("must begin with https://")]
    Scheme,
    /// Plain http to another machine: tokens could be read and keys exchanged in transit.
    #[error("must be https; plain http is allowed for localhost, 127.0.0.0/8 and [::1] only")]
    Plaintext,
    /// `user:password@`.
    #[error("must not contain a user or a password")]
    Credentials,
    /// `#..`.
    #[error("must not have a fragment (#)")]
    Fragment,
    /// `?..` where a path is to be appended.
    #[error("must not have a query (?)")]
    Query,
}

impl Endpoint {
    /// Parses a URL.
    pub fn parse(text: &str) -> Result<Self, EndpointProblem> {
        let url = Url::parse(text).map_err(|_| EndpointProblem::NotUrl)?;
        match (url.scheme(), url.host_str()) {
            ("https", Some(_)) => {}
            ("http", Some(host)) if is_loopback(host) => {}
            ("http", Some(_)) => return Err(EndpointProblem::Plaintext),
            ("http" | "https", None) => return Err(EndpointProblem::NotUrl),
            _ => return Err(EndpointProblem::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointProblem::Credentials);
        }
        if url.fragment().is_some() {
            return Err(EndpointProblem::Fragment);
        }
        Ok(Self(url))
    }

    /// Parses a base URL and appends a path that begins with a slash; a slash at the base's end is
    /// ignored.
    pub fn below(base: &str, path: &str) -> Result<Self, EndpointProblem> {
        if Self::parse(base)?.0.query().is_some() {
            return Err(EndpointProblem::Query);
        }
        Self::parse(&format!("{}{path}", base.strip_suffix('/').unwrap_or(base)))
    }

    /// The URL, for use in requests only.
    pub fn url(&self) -> Url {
        self.0.clone()
    }

    /// Whether scheme, host and port are equal.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_taken_and_http_only_on_this_machine() {
        for text in [
            "https://issuer.example/keys?p=policy",
            "HTTPS://issuer.example:8443",
            "http://localhost:8080/keys",
            "http://127.0.0.9/keys",
            "http://[::1]:8080/keys",
        ] {
            assert!(Endpoint::parse(text).is_ok(), "{text}");
        }
        for (text, problem) in [
            ("http://issuer.example/keys", EndpointProblem::Plaintext),
            ("http://localhost.evil.example/keys", EndpointProblem::Plaintext),
            ("http://127.0.0.1.evil.example/keys", EndpointProblem::Plaintext),
            ("http://10.0.0.1/keys", EndpointProblem::Plaintext),
            ("file:///etc/passwd", EndpointProblem::Scheme),
            ("ftp://issuer.example", EndpointProblem::Scheme),
            ("issuer.example/keys", EndpointProblem::NotUrl),
            ("https://", EndpointProblem::NotUrl),
            ("", EndpointProblem::NotUrl),
            ("https://me@issuer.example", EndpointProblem::Credentials),
            ("https://:secret@issuer.example", EndpointProblem::Credentials),
            ("https://issuer.example/#a", EndpointProblem::Fragment),
        ] {
            assert_eq!(Endpoint::parse(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn a_path_goes_below_a_base_with_or_without_its_slash() {
        for base in ["https://a.example/realms/x", "https://a.example/realms/x/"] {
            let below = Endpoint::below(base, "/.well-known/y").unwrap();
            assert_eq!(below.url().as_str(), "https://a.example/realms/x/.well-known/y");
        }
        let query = Endpoint::below("https://a.example/?x=", "/y");
        assert_eq!(query, Err(EndpointProblem::Query));
    }

    #[test]
    fn an_endpoint_is_printed_as_its_origin() {
        let endpoint = Endpoint::parse("https://a.example:8443/path?key=secret").unwrap();
        assert_eq!(format!("{endpoint} {endpoint:?}").matches("secret").count(), 0);
        assert_eq!(endpoint.to_string(), "https://a.example:8443");
        let same = Endpoint::parse("https://a.example:8443/other").unwrap();
        assert!(endpoint.same_origin(&same));
        assert!(!endpoint.same_origin(&Endpoint::parse("https://a.example/path").unwrap()));
    }
}
