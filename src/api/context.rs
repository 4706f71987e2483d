//! The context of a request while it runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::Request;
use axum::http::{Extensions, HeaderMap, HeaderName};
use tracing::Span;
use uuid::Uuid;

use super::client::Client;
use super::error::RequestError;
use crate::domain::image::ImageId;
use crate::domain::principal::Principal;
use crate::telemetry::audit::PeerCertificate;

/// OpenStack's header for request ids, both ways.
pub const X_OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// What a guarded request's audit record needs.
#[derive(Debug, Default)]
pub(crate) struct Case {
    /// The image, if it concerns one.
    pub(crate) image: Option<ImageId>,
    /// The caller, once authenticated.
    pub(crate) caller: Option<Principal>,
    /// Whether the caller is authorized.
    pub(crate) allowed: bool,
    /// Whether it is a dry run, for operations that have one.
    pub(crate) dry_run: Option<bool>,
    /// The other options, once parsed: `name=value name=value`.
    pub(crate) options: Option<String>,
}

/// The context of a request. Cheap to clone; clones share their state.
#[derive(Debug, Clone)]
pub struct RequestContext(Arc<Known>);

#[derive(Debug)]
struct Known {
    id: String,
    global_id: Option<String>,
    traceparent: Option<String>,
    client: Client,
    certificate: Option<Arc<PeerCertificate>>,
    case: Mutex<Option<Case>>,
    unhurried: AtomicBool,
}

impl RequestContext {
    pub(super) fn new(request: &Request, client: Client) -> Self {
        Self(Arc::new(Known {
            id: new_request_id(),
            global_id: global_request_id(request.headers()),
            traceparent: traceparent(request.headers()),
            client,
            certificate: request.extensions().get().cloned(),
            case: Mutex::default(),
            unhurried: AtomicBool::new(false),
        }))
    }

    /// The context of a request that came through [`super::middleware::answer`].
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, RequestError> {
        let context = extensions.get::<Self>().cloned();
        context.ok_or_else(|| RequestError::Internal("a request has no context".to_owned()))
    }

    /// The request's own id.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The caller's global request id, if it has the accepted form.
    pub(crate) fn global_id(&self) -> Option<&str> {
        self.0.global_id.as_deref()
    }

    /// The caller's W3C `traceparent`, if valid.
    pub(crate) fn traceparent(&self) -> Option<&str> {
        self.0.traceparent.as_deref()
    }

    /// The span of every log line of this request.
    pub(super) fn span(&self, operation: &'static str) -> Span {
        tracing::info_span!(
            "request",
            request_id = self.id(),
            operation,
            traceparent = self.traceparent()
        )
    }

    /// The client's address.
    pub(crate) fn client(&self) -> Client {
        self.0.client
    }

    /// The client certificate; only for the audit record.
    pub(super) fn certificate(&self) -> Option<&PeerCertificate> {
        self.0.certificate.as_deref()
    }

    /// The data for the audit record; `None` for a public operation.
    pub(crate) fn case(&self) -> MutexGuard<'_, Option<Case>> {
        self.0.case.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the audit record, and makes sure that one is written.
    pub(crate) fn note(&self, note: impl FnOnce(&mut Case)) {
        note(self.case().get_or_insert_default());
    }

    /// Lifts the deadline: what follows may take as long as the data is large.
    pub(crate) fn lift_deadline(&self) {
        self.0.unhurried.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_unhurried(&self) -> bool {
        self.0.unhurried.load(Ordering::Relaxed)
    }
}

/// A new request id.
pub(super) fn new_request_id() -> String {
    format!("req-{}", Uuid::new_v4())
}

/// The global request id, if it has the only form that oslo.middleware accepts.
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

/// W3C Trace Context's `traceparent`, version 00: `00-<32>-<16>-<2>` in lower-case hexadecimal.
/// All-zero ids are invalid.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all("traceparent").into_iter();
    let text = all.next()?.to_str().ok().filter(|_| all.next().is_none())?;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = *parts.as_slice() else { return None };
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let fits = version == "00"
        && [(trace, 32), (parent, 16), (flags, 2)]
            .iter()
            .all(|(part, length)| part.len() == *length && is_hex(part))
        && is_set(trace)
        && is_set(parent);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn global_id(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(X_OPENSTACK_REQUEST_ID, HeaderValue::from_str(text).unwrap());
        global_request_id(&headers)
    }

    #[test]
    fn a_global_request_id_in_oslos_form_is_accepted() {
        let id = "req-0a3f8c1e-5f0b-4a43-9d2c-6f1f3c8d7b1a";
        assert_eq!(global_id(id).as_deref(), Some(id));
    }

    #[test]
    fn any_other_global_request_id_is_ignored() {
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
    fn a_traceparent_is_taken_only_in_the_form_of_trace_context() {
        let parent = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
            traceparent(&headers)
        };
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(parent(good).as_deref(), Some(good));
        for bad in [
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "",
        ] {
            assert_eq!(parent(bad), None, "{bad}");
        }
    }
}
