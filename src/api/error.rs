//! Errors as callers see them: one body for every status.
//!
//! Handlers return an [`ApiError`]; [`super::middleware::answer`] renders the body, since it knows
//! the request id, and gives the errors of axum and its layers the same form.

mod request;
mod table;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

pub use request::RequestError;

use crate::telemetry::printable;

/// An error response.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable reason, for programs.
    pub reason: &'static str,
    /// What the caller should do now.
    pub message: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// For the log only.
    pub cause: Option<String>,
}

impl ApiError {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), retry_after: None, cause: None }
    }

    fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    fn cause(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The error for a bare status set by axum or a layer.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let known = [
            (StatusCode::NOT_FOUND, RequestError::UnknownUri),
            (StatusCode::METHOD_NOT_ALLOWED, RequestError::Method),
            (StatusCode::REQUEST_TIMEOUT, RequestError::Timeout),
            (StatusCode::PAYLOAD_TOO_LARGE, RequestError::TooLarge),
            (StatusCode::URI_TOO_LONG, RequestError::UriTooLong),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, RequestError::MediaType),
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, RequestError::HeadersTooLarge),
        ];
        let found = known.into_iter().find(|(of, _)| *of == status).map(|(_, error)| error);
        match found {
            Some(error) => error.into(),
            None if status.is_server_error() => {
                RequestError::Internal(format!("a layer answered {status}")).into()
            }
            None => RequestError::Invalid("The request cannot be read.".into()).into(),
        }
    }

    /// Renders the body. Headers that the response already has (`Allow`) are kept.
    pub(crate) fn render(&self, response: Response, request_id: &str) -> Response {
        let (mut parts, _) = response.into_parts();
        parts.status = self.status;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_ENCODING);
        let json = HeaderValue::from_static("application/json");
        parts.headers.insert(header::CONTENT_TYPE, json);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        Response::from_parts(parts, Body::from(self.body(request_id)))
    }

    /// The body, as JSON.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.status.as_u16(),
                title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
                message: self.message.clone(),
                reason: self.reason.to_owned(),
                request_id: request_id.to_owned(),
            },
        };
        // Plain data: serialising it cannot fail.
        let body = serde_json::to_string(&body).unwrap_or_default();
        printable(&body).into_owned().into_bytes()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The body of every error response.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// The error, for programs and for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// The HTTP status.
    #[schema(example = 409)]
    pub code: u16,
    /// The HTTP status in words.
    #[schema(example = "Conflict")]
    pub title: String,
    /// What happened and what to do, for people. The wording may change.
    pub message: String,
    /// A stable identifier for programs, such as `image.already_scrubbed`; more may be added.
    #[schema(example = "image.already_scrubbed")]
    pub reason: String,
    /// The request's id, as in the header `x-openstack-request-id` and in the service's log.
    #[schema(example = "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a")]
    pub request_id: String,
}
