//! `GET /v2/pending-deletes`.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::{ListParameters, Marker, unknown_marker};
use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, Parameters};
use crate::api::openapi::responses::AdminErrors;
use crate::api::scrubber::status::TermInForce;
use crate::api::state::{ApiState, View};
use crate::domain::control::InForce;
use crate::domain::image::ImageId;
use crate::domain::repo::{PendingSummary, Position};
use crate::domain::retention::Rule;
use crate::domain::store::{StoreId, Stores};
use crate::domain::time::isotime;

/// A page of images that can still be reverted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::page)]
pub struct PendingDeletes {
    /// The images, in the order asked for.
    pub pending_deletes: Vec<PendingDeleteSummary>,
    /// Path and query of the first page.
    pub first: String,
    /// Path and query of the next page; not there on the last one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A pending image.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingDeleteSummary {
    /// Id.
    pub id: String,
    /// Name; not unique.
    #[schema(required)]
    pub name: Option<String>,
    /// Project that owns the image.
    #[schema(required)]
    pub owner: Option<String>,
    /// Size of the data in bytes.
    #[schema(required)]
    pub size: Option<i64>,
    /// Visibility of the image: `public`, `private`, `shared` or `community`.
    pub visibility: String,
    /// Format of the disk, such as `qcow2` or `raw`.
    #[schema(required)]
    pub disk_format: Option<String>,
    /// Format of the container, such as `bare`.
    #[schema(required)]
    pub container_format: Option<String>,
    /// When the image was created, UTC; null if the database has no time.
    #[schema(required, format = DateTime)]
    pub created_at: Option<String>,
    /// When the image was deleted, UTC.
    #[schema(format = DateTime)]
    pub deleted_at: String,
    /// The scrubber may destroy the data from this time on, UTC; null if nothing is scrubbed
    /// because `scrub_time` is not set or too short.
    #[schema(required, format = DateTime)]
    pub scrub_at: Option<String>,
    /// Seconds until `scrub_at`; 0 if it has passed; null if `scrub_at` is null.
    #[schema(required)]
    pub seconds_left: Option<i64>,
    /// The retention rule that decides `scrub_at`; null if `scrub_time` decides.
    #[schema(required)]
    pub retention_rule: Option<String>,
    /// Whether the image can be reverted, judged by its rows alone: the store is not queried.
    pub revertible: bool,
    /// Why the image cannot be reverted: the `reason` that a revert would answer; null if it can.
    #[schema(required)]
    pub reason: Option<String>,
    /// The image's hold: until when, by whom and why; absent if it is not held.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hold: Option<TermInForce>,
}

impl PendingDeleteSummary {
    /// The document of a listed image, with its hold and its rule if there are any.
    pub fn of(
        image: &PendingSummary,
        holds: &HashMap<ImageId, InForce>,
        rules: &HashMap<ImageId, Rule>,
        view: &View,
    ) -> Self {
        let rule = rules.get(&image.id);
        let due = view.scrub_at(image.deleted_at, rule);
        let reason = image.obstacle().map(|obstacle| ApiError::from(obstacle).reason.to_owned());
        Self {
            id: image.id.to_string(),
            name: image.name.clone(),
            owner: image.owner.clone(),
            size: image.size,
            visibility: image.visibility.clone(),
            disk_format: image.disk_format.clone(),
            container_format: image.container_format.clone(),
            created_at: image.created_at.map(isotime),
            deleted_at: isotime(image.deleted_at),
            scrub_at: due.map(|(at, _)| isotime(at)),
            seconds_left: due.map(|(_, seconds)| seconds),
            retention_rule: rule.map(|rule| rule.name.clone()),
            revertible: reason.is_none(),
            reason,
            hold: holds.get(&image.id).cloned().map(TermInForce::from),
        }
    }
}

/// List the images that can still be reverted
///
/// Lists the pending images of all projects and visibilities, a page at a time. An image whose rows
/// cannot be read is listed with `revertible: false` and the fields that can be read.
#[utoipa::path(
    get,
    path = "/v2/pending-deletes",
    operation_id = "listPendingDeletes",
    tag = "pending deletes",
    params(ListParameters),
    responses(
        (status = 200, description = "A page of images; the last page has no `next`.",
            body = PendingDeletes,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors
    )
)]
pub(crate) async fn list_pending_deletes(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<JsonAnswer<PendingDeletes>, ApiError> {
    let mut query = parameters.to_query()?;
    let limit = usize::try_from(parameters.limit()?).unwrap_or(usize::MAX);
    query.marker = match parameters.marker()? {
        None => None,
        Some(Marker::Position(marker)) => Some(marker),
        Some(Marker::Image(id)) => match state.reverter.position(&admin, &id).await? {
            Position::At(marker) => Some(marker),
            // The image was reverted meanwhile: starting over repeats some but misses none.
            Position::Nowhere => None,
            Position::Unknown => return Err(unknown_marker().into()),
        },
    };
    if let Some(store) = &query.store {
        let known = must_be_known(store, &*state.view.stores);
        known.map_err(|problem| RequestError::Invalid(format!("{problem}.")))?;
        context.lift_deadline();
    }
    let found = state.reverter.list(&admin, &query).await?;
    let (shown, more) = found.split_at(found.len().min(limit));
    let ids: Vec<_> = shown.iter().map(|one| one.id.clone()).collect();
    let holds = state.control.holds_of(&admin, &ids).await?;
    let rules = state.reverter.rules_of(&admin, &ids).await?;
    let last = shown.last().filter(|_| !more.is_empty());
    Ok(JsonAnswer(PendingDeletes {
        first: parameters.first_link(),
        next: last.map(|last| parameters.next_link(last)),
        pending_deletes: shown
            .iter()
            .map(|one| PendingDeleteSummary::of(one, &holds, &rules, &state.view))
            .collect(),
    }))
}

/// Refuses an unknown store, which would otherwise seem empty.
pub fn must_be_known(store: &StoreId, stores: &dyn Stores) -> Result<(), String> {
    let mut known: Vec<_> = stores.all().iter().map(|one| one.id().to_string()).collect();
    known.sort();
    if known.contains(&store.0) {
        return Ok(());
    }
    Err(format!("there is no store {store}; there are {}", known.join(", ")))
}
