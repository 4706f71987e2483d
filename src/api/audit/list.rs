//! `GET /v2/audit`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::AdminCaller;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, Parameters};
use crate::api::openapi::responses::{AdminErrors, TableErrors};
use crate::api::pending_deletes::query::{link, storable, time};
use crate::api::state::ApiState;
use crate::domain::audit::{AuditQuery, AuditRow};
use crate::domain::image::ImageId;
use crate::domain::time::Timestamp;

/// Largest page.
const MAX_LIMIT: u32 = 1000;

/// The parameters as they came.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditParameters {
    /// Entries in a page.
    #[param(minimum = 1, maximum = 1000, default = 100, value_type = Option<u32>,
        nullable = false)]
    pub limit: Option<String>,
    /// Start after this entry: an entry's id, as in a `next` link.
    #[param(
        nullable = false,
        pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
    )]
    pub marker: Option<String>,
    /// Only changes to this image.
    #[param(nullable = false, pattern = "^[!-~]{1,36}$")]
    pub image_id: Option<String>,
    /// Only changes by this caller: the `actor` of an entry; `scrubber` for passes.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub actor: Option<String>,
    /// Only this operation.
    #[param(nullable = false, pattern = r"^[^\x00]*$", example = "revertImage")]
    pub operation: Option<String>,
    /// Only entries of this time or later: RFC 3339 as in `2026-11-22T12:00:00Z`, UTC if no zone is
    /// given.
    #[param(nullable = false, format = DateTime)]
    pub after: Option<String>,
    /// Only entries before this time: RFC 3339 as in `2026-11-22T12:00:00Z`, UTC if no zone is
    /// given.
    #[param(nullable = false, format = DateTime)]
    pub before: Option<String>,
}

/// A page of audit entries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::audit)]
pub struct AuditPage {
    /// The entries, newest first.
    pub audit: Vec<AuditDocument>,
    /// Path and query of the first page.
    pub first: String,
    /// Path and query of the next page; not there on the last one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One change that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditDocument {
    /// Id; later entries have larger ids.
    pub id: String,
    /// When, UTC.
    #[schema(format = DateTime)]
    pub at: String,
    /// The operation: an `operationId` of this document, `scrubImage` for an image that a pass
    /// destroyed, `scrubRemovedLocations` for locations that had been removed from a living image,
    /// `purgeRetained` for what stores had kept of a scrubbed image.
    pub operation: String,
    /// Always `success`: an entry is written only with its change.
    pub outcome: String,
    /// The image that was changed; null if the change is not about an image.
    #[schema(required)]
    pub image_id: Option<String>,
    /// The image's project.
    #[schema(required)]
    pub owner: Option<String>,
    /// The image's name.
    #[schema(required)]
    pub name: Option<String>,
    /// Id of the caller, as given by the issuer of the token; `scrubber` for a pass.
    pub actor: String,
    /// Readable name of the caller.
    #[schema(required)]
    pub actor_name: Option<String>,
    /// Who identified the caller: an issuer's section, or Keystone.
    #[schema(required)]
    pub actor_issuer: Option<String>,
    /// How the caller was identified: `jwt`, `keystone`, `token_review` or `command_line`.
    #[schema(required)]
    pub actor_method: Option<String>,
    /// Scope of the caller's token.
    #[schema(required)]
    pub actor_scope: Option<String>,
    /// Where the change came from: `api`, `cli` or `scrubber`.
    pub source: String,
    /// The host that made the change.
    #[schema(required)]
    pub host: Option<String>,
    /// Id of the request, as in the log.
    #[schema(required)]
    pub request_id: Option<String>,
    /// Further details of the change.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
}

impl From<AuditRow> for AuditDocument {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: moment(row.at),
            operation: row.operation,
            outcome: row.outcome,
            image_id: row.image_id,
            owner: row.owner,
            name: row.name,
            actor: row.actor,
            actor_name: row.actor_name,
            actor_issuer: row.actor_issuer,
            actor_method: row.actor_method,
            actor_scope: row.actor_scope,
            source: row.source,
            host: row.host,
            request_id: row.request_id,
            details: row.details,
        }
    }
}

/// With microseconds: several entries can share a second.
fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// List changes, and who made them
///
/// Lists all recorded changes, newest first: reverts, destroyed images, holds, pauses and so on.
/// Each entry is written in the transaction of its change, for changes by the API, the command line
/// and the scrubber.
#[utoipa::path(
    get,
    path = "/v2/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(AuditParameters),
    responses(
        (status = 200, description = "A page of entries; the last page has no `next`.",
            body = AuditPage,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, TableErrors
    )
)]
pub(crate) async fn list_audit(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Parameters(parameters): Parameters<AuditParameters>,
) -> Result<JsonAnswer<AuditPage>, ApiError> {
    let query = parameters.to_query()?;
    let mut rows = state.tables.list_audit(&admin, &query).await?;
    let most = usize::try_from(query.limit).unwrap_or(usize::MAX).saturating_sub(1);
    let more = rows.len() > most;
    rows.truncate(most);
    let next = rows.last().filter(|_| more).map(|last| parameters.link(Some(&last.id)));
    let audit = rows.into_iter().map(AuditDocument::from).collect();
    Ok(JsonAnswer(AuditPage { audit, first: parameters.link(None), next }))
}

impl AuditParameters {
    /// The database query; asks for one entry more than the page holds.
    fn to_query(&self) -> Result<AuditQuery, RequestError> {
        let limit = match self.limit.as_deref() {
            None => Some(100),
            Some(text) => text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)),
        };
        let limit = limit.ok_or_else(|| {
            RequestError::Invalid(format!("limit must be a whole number from 1 to {MAX_LIMIT}."))
        })?;
        let image = self.image_id.as_deref().map(ImageId::parse).transpose().map_err(|_| {
            RequestError::Invalid("image_id must have 1 to 36 visible ASCII characters.".to_owned())
        })?;
        Ok(AuditQuery {
            image,
            actor: storable("actor", self.actor.as_ref())?,
            operation: storable("operation", self.operation.as_ref())?,
            after: time("after", self.after.as_deref())?,
            before: time("before", self.before.as_deref())?,
            marker: self.marker.as_deref().map(marker).transpose()?,
            limit: limit + 1,
        })
    }

    fn link(&self, marker: Option<&str>) -> String {
        let parameters = [
            ("limit", self.limit.as_deref()),
            ("image_id", self.image_id.as_deref()),
            ("actor", self.actor.as_deref()),
            ("operation", self.operation.as_deref()),
            ("after", self.after.as_deref()),
            ("before", self.before.as_deref()),
            ("marker", marker),
        ];
        link("/v2/audit", &parameters)
    }
}

/// Any well-formed id, even of an entry that was trimmed meanwhile.
fn marker(text: &str) -> Result<String, RequestError> {
    let refused = || RequestError::Invalid("marker must be the one of a next link.".to_owned());
    let id = uuid::Uuid::parse_str(text).ok().filter(|id| id.get_version_num() == 7);
    id.map(|id| id.to_string()).filter(|id| id == text).ok_or_else(refused)
}
