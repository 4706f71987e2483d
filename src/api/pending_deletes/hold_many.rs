//! `POST /v2/pending-deletes/actions/hold` and `../release`.

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::selection::selection;
use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::ApiError;
use crate::api::extract::{JsonAnswer, NoParameters, OptionalBody, present};
use crate::api::openapi::responses::{AdminErrors, BodyErrors};
use crate::api::pending_deletes::query::time;
use crate::api::scrubber::pause::reason;
use crate::api::state::ApiState;
use crate::domain::control::{ControlError, HoldOutcome, Tended};
use crate::domain::image::ImageId;

/// Which images to hold, until when, and for what reason.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// These images. Cannot be combined with other filters.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_items = 1000)]
    pub image_ids: Option<Vec<String>>,
    /// Images of this project. Without `image_ids`, one of `owner`, `deleted_after` and
    /// `deleted_before` is required.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub owner: Option<String>,
    /// Images deleted at this time or later: RFC 3339; UTC if no zone is given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime)]
    pub deleted_after: Option<String>,
    /// Images deleted before this time: RFC 3339; UTC if no zone is given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime)]
    pub deleted_before: Option<String>,
    /// Only images whose whole name matches: `*` stands for any characters, `?` for one character.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// End of the hold: RFC 3339; UTC if no zone is given. By default until the images are
    /// released.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
    /// The reason, shown to other operators; at most 1000 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// Which images to release.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// These images. Cannot be combined with other filters.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_items = 1000)]
    pub image_ids: Option<Vec<String>>,
    /// Images of this project. Without `image_ids`, one of `owner`, `deleted_after` and
    /// `deleted_before` is required.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub owner: Option<String>,
    /// Images deleted at this time or later: RFC 3339; UTC if no zone is given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime)]
    pub deleted_after: Option<String>,
    /// Images deleted before this time: RFC 3339; UTC if no zone is given.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime)]
    pub deleted_before: Option<String>,
    /// Only images whose whole name matches: `*` stands for any characters, `?` for one character.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub name: Option<String>,
}

/// The result for a selection of images.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::tended)]
pub struct HoldResult {
    /// Number of images in the selection.
    pub images: u64,
    /// How many of them are held now; for a release, how many were held before.
    pub done: u64,
    /// The first 100 images that could not be held.
    pub failures: Vec<HoldFailure>,
}

/// An image that could not be held.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoldFailure {
    /// Id.
    pub image_id: String,
    /// The reason: the `reason` of an error.
    pub reason: String,
    /// The reason, in words.
    pub message: String,
}

impl HoldResult {
    /// The result as a document; `impossible` lists texts that are not possible image ids.
    pub fn of(tended: Tended, impossible: &[String]) -> Self {
        let known = tended.failures.into_iter().map(|(id, outcome)| failure(&id, outcome));
        let unknown = impossible.iter().map(|id| HoldFailure {
            image_id: id.clone(),
            reason: "image.not_found".to_owned(),
            message: "No image can have this id.".to_owned(),
        });
        Self {
            images: tended.images + impossible.len() as u64,
            done: tended.done,
            failures: known.chain(unknown).collect(),
        }
    }
}

fn failure(id: &ImageId, outcome: HoldOutcome) -> HoldFailure {
    let error = match outcome {
        HoldOutcome::Refused(why) => ControlError::NotPending(id.clone(), why),
        HoldOutcome::NotFound | HoldOutcome::Held => ControlError::NotFound(id.clone()),
    };
    let ApiError { reason, message, .. } = ApiError::from(error);
    HoldFailure { image_id: id.to_string(), reason: reason.to_owned(), message }
}

/// Hold many images
///
/// Holds all pending images that match, in the order of their deletion. If one image cannot be
/// held, the others still are. Safe to repeat.
#[utoipa::path(
    post,
    path = "/v2/pending-deletes/actions/hold",
    operation_id = "holdImages",
    tag = "pending deletes",
    request_body(
        content = HoldRequest,
        examples(("hold" = (summary = "All images of a project that were deleted since then",
            value = json!({"deleted_after": "2026-11-22T12:00:00Z", "reason": "deleted by mistake?"}))))
    ),
    responses(
        (status = 200, description = "The result.", body = HoldResult,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, BodyErrors
    )
)]
pub(crate) async fn hold_images(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    _: NoParameters,
    OptionalBody(body): OptionalBody<HoldRequest>,
) -> Result<JsonAnswer<HoldResult>, ApiError> {
    let HoldRequest { image_ids, owner, deleted_after, deleted_before, name, .. } = body;
    let (after, before) = (deleted_after.as_deref(), deleted_before.as_deref());
    let (owner, name) = (owner.as_deref(), name.as_deref());
    let named = selection(image_ids, owner, name, after, before)?;
    let until = time("until", body.until.as_deref())?;
    let why = reason(body.reason)?;
    context.note(|case| case.options = Some(named.to_string()));
    context.lift_deadline();
    let tended = if named.impossible.is_empty() || !named.selection.is_empty() {
        state.control.hold_all(&admin, &named.selection, until, why).await?
    } else {
        Tended::default()
    };
    Ok(JsonAnswer(HoldResult::of(tended, &named.impossible)))
}

/// Release many held images
///
/// After that the scrubber may claim them. Safe to repeat.
#[utoipa::path(
    post,
    path = "/v2/pending-deletes/actions/release",
    operation_id = "releaseImages",
    tag = "pending deletes",
    request_body(
        content = ReleaseRequest,
        examples(("release" = (summary = "All images of a project that were deleted since then",
            value = json!({"deleted_after": "2026-11-22T12:00:00Z"}))))
    ),
    responses(
        (status = 200, description = "The result.", body = HoldResult,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, BodyErrors
    )
)]
pub(crate) async fn release_images(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    _: NoParameters,
    OptionalBody(body): OptionalBody<ReleaseRequest>,
) -> Result<JsonAnswer<HoldResult>, ApiError> {
    let ReleaseRequest { image_ids, owner, deleted_after, deleted_before, name } = body;
    let (after, before) = (deleted_after.as_deref(), deleted_before.as_deref());
    let (owner, name) = (owner.as_deref(), name.as_deref());
    let named = selection(image_ids, owner, name, after, before)?;
    context.note(|case| case.options = Some(named.to_string()));
    context.lift_deadline();
    let tended = if named.impossible.is_empty() || !named.selection.is_empty() {
        state.control.release_all(&admin, &named.selection).await?
    } else {
        Tended::default()
    };
    Ok(JsonAnswer(HoldResult::of(tended, &named.impossible)))
}
