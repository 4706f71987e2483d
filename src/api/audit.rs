//! The audit record of a request: collected while it runs, written before its response is sent.

pub mod list;

use axum::http::StatusCode;

use super::context::RequestContext;
use super::error::ApiError;
use crate::domain::image::ImageId;
use crate::telemetry::audit::{Outcome, Record};

/// A record that is always written: at the latest on drop, when the client disconnects and the
/// request's future is dropped.
pub(super) struct Pending {
    context: RequestContext,
    operation: &'static str,
    written: bool,
}

impl Pending {
    /// `operation` is the `operationId`.
    pub(super) fn new(context: RequestContext, operation: &'static str) -> Self {
        Self { context, operation, written: false }
    }

    /// Writes the record of an answered request. Public operations have none.
    pub(super) fn settle(mut self, status: StatusCode, error: Option<&ApiError>) {
        let outcome = if error.is_none() { Outcome::Success } else { Outcome::Failure };
        self.write(outcome, Some(status), error);
    }

    fn write(&mut self, outcome: Outcome, status: Option<StatusCode>, error: Option<&ApiError>) {
        self.written = true;
        let end = End { outcome, status, error };
        record(&self.context, self.operation, None, end);
    }
}

/// The outcome of a request.
struct End<'a> {
    outcome: Outcome,
    status: Option<StatusCode>,
    error: Option<&'a ApiError>,
}

/// Writes the record of one image of a bulk request at once: the request may still be cut off.
pub(crate) fn of_image(
    context: &RequestContext,
    operation: &'static str,
    image: &ImageId,
    error: Option<&ApiError>,
) {
    let away = error.is_some_and(|error| error.reason == "db.unavailable");
    let outcome = match error {
        None => Outcome::Success,
        Some(_) if away => Outcome::Unknown,
        Some(_) => Outcome::Failure,
    };
    record(context, operation, Some(image), End { outcome, status: None, error });
}

fn record(
    context: &RequestContext,
    operation: &'static str,
    image: Option<&ImageId>,
    End { outcome, status, error }: End<'_>,
) {
    let client = context.client();
    let case = context.case();
    let Some(case) = case.as_ref() else { return };
    Record {
        operation,
        allowed: case.allowed,
        outcome,
        reason: error.map(|error| error.reason),
        cause: error.and_then(|e| e.cause.as_deref()).filter(|_| !case.allowed),
        status: status.map(|status| status.as_u16()),
        initiator: case.caller.as_ref(),
        peer: Some(client.peer),
        certificate: context.certificate(),
        forwarded: client.forwarded,
        request_id: Some(context.id()),
        global_request_id: context.global_id(),
        target: image.or(case.image.as_ref()),
        dry_run: case.dry_run,
        options: case.options.as_deref(),
    }
    .write();
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.written {
            self.write(Outcome::Unknown, None, None);
        }
    }
}
