//! Audit records: one structured log line per decision, with its own target.
//!
//! Field names follow CADF where it has one (`initiator_id`, `target_id`, `outcome`). No field is
//! secret: tokens are named by the ids that their issuers' own records use.

use std::net::IpAddr;

use super::metric;
use crate::domain::image::ImageId;
use crate::domain::principal::Principal;
use crate::domain::scrub::{Destroyed, WorkKind};
use crate::domain::time::isotime;

/// The tracing target of the records. Every log level lets them through, unless the filter names
/// this target.
pub const TARGET: &str = "glance_revert::audit";

/// The outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Not done.
    Failure,
    /// The caller disconnected before the end; done or not.
    Unknown,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// The client certificate of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its relevant names, for example `dns:undo.example.org uri:spiffe://a/b`; limited, without
    /// control characters. Empty if it has none.
    pub names: String,
    /// SHA-256 of the whole certificate, in hex.
    pub sha256: String,
}

/// One decision: who asked for what, from where, and the result.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Id of the operation, `revertImage` for example.
    pub operation: &'a str,
    /// Whether the caller may do this at all.
    pub allowed: bool,
    /// The result.
    pub outcome: Outcome,
    /// The error's stable reason; `None` for a success.
    pub reason: Option<&'a str>,
    /// For a refused token, the log's word for why.
    pub cause: Option<&'a str>,
    /// The HTTP status; `None` without HTTP, or without a response.
    pub status: Option<u16>,
    /// The caller, if known.
    pub initiator: Option<&'a Principal>,
    /// The peer's address.
    pub peer: Option<IpAddr>,
    /// The client certificate, if any.
    pub certificate: Option<&'a PeerCertificate>,
    /// The client's address according to a trusted proxy.
    pub forwarded: Option<IpAddr>,
    /// This service's request id.
    pub request_id: Option<&'a str>,
    /// The caller's global request id.
    pub global_request_id: Option<&'a str>,
    /// The image.
    pub target: Option<&'a ImageId>,
    /// Whether it was a dry run.
    pub dry_run: Option<bool>,
    /// The other options, `verify=exists protect=false` for example.
    pub options: Option<&'a str>,
}

impl Record<'_> {
    /// Writes the record before returning.
    pub fn write(&self) {
        count(self.operation.to_owned(), self.outcome);
        let (initiator, certificate) = (self.initiator, self.certificate);
        let token_ids = initiator.map(|who| who.token_ids.join(" "));
        tracing::info!(
            target: TARGET,
            event_type = "activity",
            operation = self.operation,
            decision = if self.allowed { "allowed" } else { "denied" },
            outcome = self.outcome.as_str(),
            reason = self.reason,
            cause = self.cause,
            status = self.status,
            initiator_id = initiator.map(|who| who.subject.as_str()),
            initiator_name = initiator.and_then(|who| who.name.as_deref()),
            initiator_issuer = initiator.map(|who| who.issuer.as_str()),
            initiator_method = initiator.map(|who| who.method.as_str()),
            initiator_scope = initiator.and_then(|who| who.scope.as_deref()),
            initiator_token_ids = token_ids.filter(|ids| !ids.is_empty()),
            initiator_service = initiator.and_then(|who| who.service.as_deref()),
            peer = self.peer.map(tracing::field::display),
            peer_certificate_names = certificate.map(|c| c.names.as_str()).filter(|n| !n.is_empty()),
            peer_certificate_sha256 = certificate.map(|c| c.sha256.as_str()),
            forwarded = self.forwarded.map(tracing::field::display),
            request_id = self.request_id,
            global_request_id = self.global_request_id,
            target_id = self.target.map(ImageId::as_str),
            dry_run = self.dry_run,
            options = self.options,
            "audit"
        );
    }
}

fn count(operation: String, outcome: Outcome) {
    let labels = [("operation", operation), ("outcome", outcome.as_str().to_owned())];
    metrics::counter!(metric::AUDIT_RECORDS_TOTAL, &labels).increment(1);
}

/// Writes the audit record of a destroyed image, for the service and the command line alike. It is
/// the only trace of what the image was.
pub fn destroyed(destroyed: &Destroyed<'_>) {
    let image = destroyed.image;
    let stores = destroyed.stores.iter().map(|store| store.0.as_str()).collect::<Vec<_>>();
    let operation = match destroyed.kind {
        WorkKind::Due | WorkKind::Resumed => "scrubImage",
        WorkKind::Leftovers => "scrubRemovedLocations",
    };
    count(operation.to_owned(), Outcome::Success);
    tracing::info!(
        target: TARGET,
        event_type = "activity",
        operation,
        outcome = Outcome::Success.as_str(),
        target_id = image.id.as_str(),
        target_name = image.name,
        target_project_id = image.owner,
        bytes = image.size,
        stores = stores.join(" "),
        deleted_at = image.deleted_at.map(isotime),
        pass = destroyed.pass,
        "destroyed"
    );
}
