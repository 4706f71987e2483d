//! `PUT` and `DELETE /v2/pending-deletes/{image_id}/hold`.

use axum::Extension;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::ApiError;
use crate::api::extract::{ImageIdPath, JsonAnswer, NoParameters, OptionalBody};
use crate::api::openapi::responses::{AdminErrors, BodyErrors, ImageErrors};
use crate::api::scrubber::pause::TermRequest;
use crate::api::scrubber::status::TermInForce;
use crate::api::state::ApiState;

/// An image that is held.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::hold)]
pub struct ImageHold {
    /// Id.
    pub image_id: String,
    /// The hold in force. It is an earlier one if that lasts longer than the requested one.
    pub hold: TermInForce,
}

/// An image that is no longer held.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::release)]
pub struct ImageRelease {
    /// Id.
    pub image_id: String,
    /// Whether it was held.
    pub was_held: bool,
}

/// Hold an image
///
/// No scrubber of any process claims a held image. It can be reverted as usual. A request never
/// shortens an existing hold: release the image first. 409 `image.scrub_in_progress` if a pass has
/// already claimed the image.
#[utoipa::path(
    put,
    path = "/v2/pending-deletes/{image_id}/hold",
    operation_id = "holdImage",
    tag = "pending deletes",
    params(("image_id" = String, Path, description = "The image's id.",
        example = "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222")),
    request_body(
        content = TermRequest,
        examples(("hold" = (summary = "Until it is released",
            value = json!({"reason": "the owner is asked whether it is still needed"}))))
    ),
    responses(
        (status = 200, description = "The image is held.", body = ImageHold,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, ImageErrors, BodyErrors
    )
)]
pub(crate) async fn hold_image(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    ImageIdPath(id): ImageIdPath,
    _: NoParameters,
    OptionalBody(body): OptionalBody<TermRequest>,
) -> Result<JsonAnswer<ImageHold>, ApiError> {
    context.note(|case| case.image = Some(id.clone()));
    let (until, reason) = body.read()?;
    let held = state.control.hold(&admin, &id, until, reason).await?;
    Ok(JsonAnswer(ImageHold { image_id: id.to_string(), hold: held.hold.into() }))
}

/// Release a held image
///
/// After that the scrubber may claim it, immediately if it is due.
#[utoipa::path(
    delete,
    path = "/v2/pending-deletes/{image_id}/hold",
    operation_id = "releaseImage",
    tag = "pending deletes",
    params(("image_id" = String, Path, description = "The image's id.",
        example = "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222")),
    responses(
        (status = 200, description = "The image is not held.", body = ImageRelease,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, ImageErrors
    )
)]
pub(crate) async fn release_image(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    ImageIdPath(id): ImageIdPath,
    _: NoParameters,
) -> Result<JsonAnswer<ImageRelease>, ApiError> {
    context.note(|case| case.image = Some(id.clone()));
    let was_held = state.control.release(&admin, &id).await?;
    Ok(JsonAnswer(ImageRelease { image_id: id.to_string(), was_held }))
}
