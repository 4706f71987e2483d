//! `POST /v2/scrubber/actions/accept`.

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, NoParameters, OptionalBody};
use crate::api::openapi::responses::{AdminErrors, BodyErrors};
use crate::api::state::ApiState;
use crate::domain::repo::RepoError;

/// The largest number that every database can store.
const MOST: u64 = i64::MAX.cast_unsigned();

/// How many images are accepted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// Maximum number of images that the next pass may destroy: `images` of the plan.
    #[schema(minimum = 1, nullable = false, required)]
    pub images: Option<u64>,
}

/// The acceptance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::acceptance)]
pub struct Acceptance {
    /// Maximum number of images that the next pass may destroy.
    pub images: u64,
}

/// Accept one scrub pass over its limit
///
/// A pass that would destroy more than `max_images_per_pass` or `max_bytes_per_pass` destroys
/// nothing until somebody accepts the number of images from the plan here. The next pass then
/// starts immediately. If more images are due by then, that pass is refused too. The acceptance is
/// stored in the service's own tables and applies to the next pass of any process; without these
/// tables, only to the process that answers.
#[utoipa::path(
    post,
    path = "/v2/scrubber/actions/accept",
    operation_id = "acceptScrub",
    tag = "scrubber",
    request_body(
        content = AcceptRequest,
        examples(("accept" = (summary = "The number of images in the plan",
            value = json!({"images": 5000}))))
    ),
    responses(
        (status = 200, description = "The next pass may destroy this many images.",
            body = Acceptance,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, BodyErrors
    )
)]
pub(crate) async fn accept_scrub(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    _: NoParameters,
    OptionalBody(body): OptionalBody<AcceptRequest>,
) -> Result<JsonAnswer<Acceptance>, ApiError> {
    let scrubber = state.scrubber()?;
    let images = body.images.filter(|images| (1..=MOST).contains(images)).ok_or_else(|| {
        RequestError::Invalid(
            "images must be the number of images that the next pass may destroy.".to_owned(),
        )
    })?;
    context.note(|case| case.options = Some(format!("images={images}")));
    match state.control.accept(&admin, images).await {
        Ok(()) => scrubber.tell_accepted(),
        Err(RepoError::TablesMissing) if state.scrubs => scrubber.accept(&admin, images),
        Err(RepoError::TablesMissing) => return Err(RequestError::ScrubberOff.into()),
        Err(error) => return Err(error.into()),
    }
    Ok(JsonAnswer(Acceptance { images }))
}
