//! The audit record: one structured line for each decision, on a target of its own.
//!
//! Field names follow CADF where it has one (`initiator_id`, `target_id`, `outcome`). There is no
//! secret among them: tokens are named by the ids that their issuers' own records have.

use std::net::IpAddr;

use super::metric;
use crate::domain::image::ImageId;
use crate::domain::principal::Principal;
use crate::domain::scrub::{Destroyed, WorkKind};
use crate::domain::time::isotime;

/// The tracing target of the records. The log's filter lets them through whatever its level is,
/// unless it names this target.
pub const TARGET: &str = "glance_revert::audit";

/// How a decision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for is done.
    Success,
    /// It is not.
    Failure,
    /// The caller was gone before the end; it may be done or not.
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

/// The certificate that the other end of the connection showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its names that count, `dns:undo.example.org uri:spiffe://a/b` for example; bounded, and
    /// without control characters. Empty where it has none.
    pub names: String,
    /// SHA-256 of the whole certificate, in hex.
    pub sha256: String,
}

/// One decision: who asked for what, from where, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Id of the operation, `revertImage` for example.
    pub operation: &'a str,
    /// Whether the caller may do this at all.
    pub allowed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The stable word of the error; `None` for a success.
    pub reason: Option<&'a str>,
    /// For a refused token, the word for why.
    pub cause: Option<&'a str>,
    /// The HTTP status; `None` where there was no HTTP, or no answer.
    pub status: Option<u16>,
    /// Who asked, if that could be told.
    pub initiator: Option<&'a Principal>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The certificate that it showed, where clients show any.
    pub certificate: Option<&'a PeerCertificate>,
    /// The client that a trusted proxy spoke for.
    pub forwarded: Option<IpAddr>,
    /// Our id of the request.
    pub request_id: Option<&'a str>,
    /// The caller's id of all that it does.
    pub global_request_id: Option<&'a str>,
    /// The image that it was about.
    pub target: Option<&'a ImageId>,
    /// Whether nothing was to be written.
    pub dry_run: Option<bool>,
    /// The other options, `verify=exists protect=false` for example.
    pub options: Option<&'a str>,
}

impl Record<'_> {
    /// Writes the record; it is on its way when this returns.
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

/// Writes the record of a destroyed image. There is one for each, from the service and the command
/// line alike: nothing else says afterwards what it was.
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
