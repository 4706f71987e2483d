//! Checks of a request's head that come before authentication.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, header};

use super::error::RequestError;

/// Longest path and query, in bytes.
const MAX_URI: usize = 8 * 1024;

/// Largest sum of header names and values, in bytes.
const MAX_HEADERS: usize = 32 * 1024;

/// The first rule that a request breaks: size limits, then exactly one Host.
pub(super) fn fault(request: &Request) -> Option<RequestError> {
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    let headers: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.as_bytes().len())
        .sum();
    if uri > MAX_URI {
        Some(RequestError::UriTooLong)
    } else if headers > MAX_HEADERS {
        Some(RequestError::HeadersTooLarge)
    } else {
        host_fault(request.headers())
    }
}

/// No Host, several or an invalid one is 400 (RFC 9112 3.2). hyper lets all three pass, and a proxy
/// in front may have acted on another one than we would see.
fn host_fault(headers: &HeaderMap) -> Option<RequestError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let told = match (hosts.next(), hosts.next()) {
        (None, _) => "There is no Host header; HTTP/1.1 needs one.",
        (Some(_), Some(_)) => "There are several Host headers; send one.",
        (Some(host), None) if !is_host(host) => {
            "The Host header is no host name or address, with or without a port."
        }
        (Some(_), None) => return None,
    };
    Some(RequestError::Invalid(told.to_owned()))
}

/// `uri-host [ ":" port ]`. `Authority` also accepts user names and invalid ports.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else {
        return false;
    };
    let host = authority.host();
    let rest = authority.as_str().strip_prefix(host);
    let port = rest.map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    !host.is_empty() && port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(hosts: &[&str]) -> Option<RequestError> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        host_fault(&headers)
    }

    #[test]
    fn hosts_of_every_usual_form_pass() {
        for host in ["x", "glance.example.org:9393", "127.0.0.1:9393", "[::1]:9393", "[::1]", "x:"]
        {
            assert_eq!(fault_of(&[host]), None, "{host}");
        }
    }

    #[test]
    fn anything_but_a_single_host_is_refused() {
        for hosts in [
            &[][..],
            &["a", "b"],
            &["a", "a"],
            &[""],
            &["a b"],
            &["user@a"],
            &["a/b"],
            &["a:port"],
            &["a:65536"],
            &["http://a"],
            &[":80"],
        ] {
            assert!(fault_of(hosts).is_some(), "{hosts:?}");
        }
    }
}
