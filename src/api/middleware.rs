//! What happens around every request: an id, a deadline, the error body, one log line, two
//! metrics.

use std::any::Any;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::error::{ApiError, RequestError};
use super::state::ApiState;
use crate::telemetry::metric;

/// OpenStack's header for request ids, both ways.
pub const X_OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// Longest path and query, in bytes.
const MAX_URI: usize = 8 * 1024;

/// Largest sum of header names and values, in bytes.
const MAX_HEADERS: usize = 32 * 1024;

/// What is known of a request while it runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Known>);

#[derive(Debug)]
struct Known {
    id: String,
    caller: OnceLock<String>,
    unhurried: AtomicBool,
}

impl RequestContext {
    fn new() -> Self {
        let id = format!("req-{}", Uuid::new_v4());
        Self(Arc::new(Known { id, caller: OnceLock::new(), unhurried: AtomicBool::new(false) }))
    }

    /// Notes who calls, for the log.
    pub(crate) fn set_caller(&self, caller: String) {
        // The extractor runs once a request; a second caller could only be the same.
        let _ = self.0.caller.set(caller);
    }

    /// Lifts the deadline: what follows takes as long as its data is large.
    pub(crate) fn take_your_time(&self) {
        self.0.unhurried.store(true, Ordering::Relaxed);
    }

    fn is_unhurried(&self) -> bool {
        self.0.unhurried.load(Ordering::Relaxed)
    }
}

/// The outermost layer.
pub async fn answer(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let context = RequestContext::new();
    let method = method_label(request.method());
    let matched = request.extensions().get::<MatchedPath>();
    let operation = matched.map_or("unmatched".to_owned(), |path| path.as_str().to_owned());
    let global_id = global_request_id(request.headers());
    request.extensions_mut().insert(context.clone());

    let mut response = match oversized(&request) {
        Some(error) => ApiError::from(error).into_response(),
        None => within(state.view.settings.request_timeout, &context, next.run(request)).await,
    };
    let error = take_error(&mut response);
    if let Some(error) = &error {
        response = error.render(response, &context.0.id);
    }
    let headers = response.headers_mut();
    if error.as_ref().is_some_and(|error| error.status == StatusCode::UNAUTHORIZED) {
        challenge(headers, state.www_authenticate.as_deref());
    }
    if let Ok(id) = HeaderValue::from_str(&context.0.id) {
        headers.insert(X_OPENSTACK_REQUEST_ID, id);
    }
    let line = Line { method, operation: &operation, status: response.status(), started };
    line.log(&context, global_id.as_deref(), error.as_ref());
    line.count();
    response
}

fn oversized(request: &Request) -> Option<RequestError> {
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
        None
    }
}

/// Waits for the answer until the deadline, and longer if the deadline was lifted meanwhile.
async fn within(
    limit: Duration,
    context: &RequestContext,
    answer: impl Future<Output = Response>,
) -> Response {
    let mut answer = std::pin::pin!(answer);
    if let Ok(response) = tokio::time::timeout(limit, &mut answer).await {
        return response;
    }
    if context.is_unhurried() {
        return answer.await;
    }
    ApiError::from(RequestError::Timeout).into_response()
}

/// The error behind a response: the handler's own, or one for a bare status of axum's.
fn take_error(response: &mut Response) -> Option<ApiError> {
    let status = response.status();
    let own = response.extensions_mut().remove::<ApiError>();
    let failed = status.is_client_error() || status.is_server_error();
    own.or_else(|| failed.then(|| ApiError::of_status(status)))
}

/// RFC 9110 11.6.1; the second is what keystonemiddleware sends.
fn challenge(headers: &mut HeaderMap, keystone: Option<&str>) {
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    let keystone = keystone.map(|uri| HeaderValue::from_str(&format!("Keystone uri=\"{uri}\"")));
    if let Some(Ok(value)) = keystone {
        headers.append(header::WWW_AUTHENTICATE, value);
    }
}

/// The answer to a handler that panicked.
#[expect(clippy::needless_pass_by_value, reason = "the shape that CatchPanicLayer asks for")]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::from(RequestError::Internal(format!("a handler panicked: {text}"))).into_response()
}

/// A global request id, if the header has the one form that oslo.middleware accepts.
fn global_request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(X_OPENSTACK_REQUEST_ID)?.to_str().ok()?;
    let uuid = text.strip_prefix("req-")?.as_bytes();
    let fits = uuid.len() == 36
        && uuid.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    fits.then(|| text.to_owned())
}

/// Method names come from callers; metrics must not grow with them.
fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// One answered request.
struct Line<'a> {
    method: &'static str,
    operation: &'a str,
    status: StatusCode,
    started: Instant,
}

impl Line<'_> {
    fn log(&self, context: &RequestContext, global_id: Option<&str>, error: Option<&ApiError>) {
        let request_id = context.0.id.as_str();
        let cause = error.and_then(|error| error.cause.as_deref());
        let failed = self.status.is_server_error();
        if let Some(cause) = cause.filter(|_| failed) {
            tracing::error!(request_id, cause, "request failed");
        }
        tracing::info!(
            method = self.method,
            path = self.operation,
            status = self.status.as_u16(),
            duration_ms = self.started.elapsed().as_secs_f64() * 1000.0,
            request_id,
            global_request_id = global_id,
            caller = context.0.caller.get().map(String::as_str),
            reason = error.map(|error| error.reason),
            cause = cause.filter(|_| !failed),
            "request"
        );
    }

    fn count(&self) {
        let operation = self.operation.to_owned();
        metrics::counter!(
            metric::HTTP_REQUESTS_TOTAL,
            "method" => self.method,
            "operation" => operation.clone(),
            "status" => self.status.as_str().to_owned()
        )
        .increment(1);
        metrics::histogram!(
            metric::HTTP_REQUEST_DURATION_SECONDS,
            "method" => self.method,
            "operation" => operation
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global_id(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(X_OPENSTACK_REQUEST_ID, HeaderValue::from_str(text).unwrap());
        global_request_id(&headers)
    }

    #[test]
    fn a_global_request_id_of_oslos_form_is_taken() {
        let id = "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a";
        assert_eq!(global_id(id).as_deref(), Some(id));
    }

    #[test]
    fn any_other_global_request_id_is_dropped() {
        for text in [
            "0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a",
            "req-0A3F8C1E-5f0b-4a43-9d2c-6f1f3c8d7b1a",
            "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a7",
            "req-0a3f8c1e05f0b-4a43-9d2c-6f1f3c8d7b1a",
            "req-",
        ] {
            assert_eq!(global_id(text), None, "{text}");
        }
    }

    #[test]
    fn made_up_methods_share_one_label() {
        assert_eq!(method_label(&Method::POST), "POST");
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
