//! Security headers for browsers.
//!
//! Set on every response of both listeners. There is no CORS header, so pages of other sites cannot
//! read responses, and no `Server` header.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

const COMMON: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// A year. Without `includeSubDomains`: other services under our name may not have TLS.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers that the response does not set itself; `tls`: it is sent over TLS.
pub(crate) fn guard(headers: &mut HeaderMap, tls: bool) {
    for (name, value) in COMMON {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
