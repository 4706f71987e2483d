//! What happens around every request: id, deadline, error body, common headers, one log line, two
//! metrics, audit record.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::audit::Pending;
use super::client::Client;
use super::context::{RequestContext, X_OPENSTACK_REQUEST_ID};
use super::error::{ApiError, RequestError};
use super::openapi::operation_id;
use super::state::ApiState;
use super::{head, headers};
use crate::telemetry::metric;

/// Stands for the operation's id if no operation matches.
const UNMATCHED: &str = "unmatched";

/// The outermost layer.
pub async fn answer(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let client = Client::of(peer(&request), request.headers(), &state.trusted_proxies);
    let context = RequestContext::new(&request, client);
    let method = method_label(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let operation = operation_id(request.method(), path).unwrap_or(UNMATCHED);
    let audit = Pending::new(context.clone(), operation);
    request.extensions_mut().insert(context.clone());

    let mut response = if let Some(error) = head::fault(&request) {
        ApiError::from(error).into_response()
    } else {
        let answer = next.run(request).instrument(context.span(operation));
        within(state.view.settings.request_timeout, &context, answer).await
    };
    let error = take_error(&mut response);
    if let Some(error) = &error {
        response = error.render(response, context.id());
    }
    let headers = response.headers_mut();
    if error.as_ref().is_some_and(|error| error.status == StatusCode::UNAUTHORIZED) {
        challenge(headers, state.www_authenticate.as_deref());
    }
    headers::guard(headers, state.view.settings.tls);
    if let Ok(id) = HeaderValue::from_str(context.id()) {
        headers.insert(X_OPENSTACK_REQUEST_ID, id);
    }
    let line = Line { method, path, operation, status: response.status(), started };
    line.log(&context, error.as_ref());
    line.count();
    audit.settle(response.status(), error.as_ref());
    response
}

/// The connection's peer. The listener always sets it; otherwise all share one address.
fn peer(request: &Request) -> IpAddr {
    let known = request.extensions().get::<ConnectInfo<SocketAddr>>();
    known.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip())
}

/// Waits for the response until the deadline, which may be lifted meanwhile.
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

/// The error of a response: the handler's own, or one for axum's bare status.
fn take_error(response: &mut Response) -> Option<ApiError> {
    let status = response.status();
    let own = response.extensions_mut().remove::<ApiError>();
    let failed = status.is_client_error() || status.is_server_error();
    own.or_else(|| failed.then(|| ApiError::of_status(status)))
}

/// Adds `WWW-Authenticate` (RFC 9110 11.6.1); the second value is keystonemiddleware's.
fn challenge(headers: &mut HeaderMap, keystone: Option<&str>) {
    headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    let keystone = keystone.map(|uri| HeaderValue::from_str(&format!("Keystone uri=\"{uri}\"")));
    if let Some(Ok(value)) = keystone {
        headers.append(header::WWW_AUTHENTICATE, value);
    }
}

/// The response for a handler that panicked.
#[expect(clippy::needless_pass_by_value, reason = "the shape that CatchPanicLayer asks for")]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
    ApiError::from(RequestError::Internal(format!("a handler panicked: {text}"))).into_response()
}

/// Callers choose method names; unknown ones must not create metric series.
fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// The log line of one request.
struct Line<'a> {
    method: &'static str,
    path: &'a str,
    operation: &'static str,
    status: StatusCode,
    started: Instant,
}

impl Line<'_> {
    fn log(&self, context: &RequestContext, error: Option<&ApiError>) {
        let request_id = context.id();
        let client = context.client();
        let caller =
            context.case().as_ref().and_then(|case| Some(case.caller.as_ref()?.to_string()));
        let cause = error.and_then(|error| error.cause.as_deref());
        let failed = self.status.is_server_error();
        if let Some(cause) = cause.filter(|_| failed) {
            tracing::error!(request_id, cause, "request failed");
        }
        tracing::info!(
            method = self.method,
            path = self.path,
            operation = self.operation,
            status = self.status.as_u16(),
            seconds = (self.started.elapsed().as_secs_f64() * 1e6).round() / 1e6,
            request_id,
            global_request_id = context.global_id(),
            traceparent = context.traceparent(),
            peer = %client.peer,
            forwarded = client.forwarded.map(tracing::field::display),
            caller = caller.as_deref(),
            reason = error.map(|error| error.reason),
            cause = cause.filter(|_| !failed),
            "request"
        );
    }

    fn count(&self) {
        metrics::counter!(
            metric::HTTP_REQUESTS_TOTAL,
            "method" => self.method,
            "operation" => self.operation,
            "status" => self.status.as_str().to_owned()
        )
        .increment(1);
        metrics::histogram!(
            metric::HTTP_REQUEST_DURATION_SECONDS,
            "method" => self.method,
            "operation" => self.operation
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_methods_share_one_label() {
        assert_eq!(method_label(&Method::POST), "POST");
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
