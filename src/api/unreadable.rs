//! The response to a request whose head cannot be parsed: it never reaches the router, but is
//! answered, logged and counted all the same.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};

use super::context::{X_OPENSTACK_REQUEST_ID, new_request_id};
use super::error::ApiError;
use super::headers;
use crate::telemetry::metric;

/// The operation in log and metrics.
const OPERATION: &str = "unreadable";

/// The complete response for a connection that is closed afterwards. `date` is the value of the
/// `Date` header.
pub(crate) fn answer(error: &ApiError, peer: IpAddr, tls: bool, date: Option<&str>) -> Vec<u8> {
    let request_id = new_request_id();
    let body = error.body(&request_id);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let texts = [(header::DATE, date), (X_OPENSTACK_REQUEST_ID, Some(request_id.as_str()))];
    for (name, text) in texts {
        if let Some(Ok(value)) = text.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
    headers::guard(&mut headers, tls);
    tell(error, peer, &request_id);
    let mut answer = format!("HTTP/1.1 {}\r\n", error.status).into_bytes();
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer
}

fn tell(error: &ApiError, peer: IpAddr, request_id: &str) {
    let status = error.status.as_u16();
    tracing::info!(path = OPERATION, status, request_id, %peer, reason = error.reason, "request");
    metrics::counter!(
        metric::HTTP_REQUESTS_TOTAL,
        "method" => "other",
        "operation" => OPERATION,
        "status" => error.status.as_str().to_owned()
    )
    .increment(1);
}
