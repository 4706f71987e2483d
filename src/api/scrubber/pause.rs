//! `POST /v2/scrubber/actions/pause` and `../resume`.

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::status::TermInForce;
use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, NoParameters, OptionalBody, present};
use crate::api::openapi::responses::{AdminErrors, BodyErrors};
use crate::api::pending_deletes::query::time;
use crate::api::state::ApiState;
use crate::domain::control::LONGEST_REASON;
use crate::domain::time::Timestamp;

/// The end of a pause or hold, and its reason.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TermRequest {
    /// The end: RFC 3339; UTC if no zone is given. Without it a pause lasts 24 hours, and a hold
    /// lasts until it is released.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
    /// The reason, shown to other operators; at most 1000 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

impl TermRequest {
    /// Parses the end and the reason.
    pub(crate) fn read(self) -> Result<(Option<Timestamp>, Option<String>), RequestError> {
        Ok((time("until", self.until.as_deref())?, reason(self.reason)?))
    }
}

/// Checks that a reason can be stored.
pub(crate) fn reason(text: Option<String>) -> Result<Option<String>, RequestError> {
    let fits = |text: &String| text.chars().count() <= LONGEST_REASON && !text.contains('\0');
    match text {
        Some(text) if !fits(&text) => Err(RequestError::Invalid(format!(
            "reason must have at most {LONGEST_REASON} characters, and no NUL."
        ))),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// A scrubber that is paused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::pause)]
pub struct ScrubberPause {
    /// The pause in force. It is an earlier one if that lasts longer than the requested one.
    pub pause: TermInForce,
    /// Images that were still claimed when the response was sent; their data is being destroyed.
    /// Normally 0.
    pub claims_in_hand: u64,
}

/// The end of a pause.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::resumption)]
pub struct ScrubberResumption {
    /// Whether the scrubber was paused.
    pub was_paused: bool,
}

/// Pause the scrubber
///
/// Pauses the scrubber of every process that uses the database, also of the command line and of
/// processes started later. After the response no image is claimed. A running pass stops and
/// releases the claims of images that it has not touched yet; the response waits up to 10 seconds
/// for that. A request never shortens an existing pause: resume first.
#[utoipa::path(
    post,
    path = "/v2/scrubber/actions/pause",
    operation_id = "pauseScrubber",
    tag = "scrubber",
    request_body(
        content = TermRequest,
        examples(("pause" = (summary = "Until the next day",
            value = json!({"reason": "images of project web were deleted by mistake"}))))
    ),
    responses(
        (status = 200, description = "The scrubber is paused.", body = ScrubberPause,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, BodyErrors
    )
)]
pub(crate) async fn pause_scrubber(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    _: NoParameters,
    OptionalBody(body): OptionalBody<TermRequest>,
) -> Result<JsonAnswer<ScrubberPause>, ApiError> {
    let (until, reason) = body.read()?;
    context.lift_deadline();
    let paused = state.control.pause(&admin, until, reason).await?;
    let pause = TermInForce::from(paused.pause);
    context.note(|case| case.options = pause.until.as_ref().map(|until| format!("until={until}")));
    Ok(JsonAnswer(ScrubberPause { pause, claims_in_hand: paused.in_hand }))
}

/// End the pause of the scrubber
///
/// The next pass starts within `wakeup_time`. Holds stay in force.
#[utoipa::path(
    post,
    path = "/v2/scrubber/actions/resume",
    operation_id = "resumeScrubber",
    tag = "scrubber",
    responses(
        (status = 200, description = "The scrubber is not paused.", body = ScrubberResumption,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, BodyErrors
    )
)]
pub(crate) async fn resume_scrubber(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    _: NoParameters,
    _: OptionalBody<Nothing>,
) -> Result<JsonAnswer<ScrubberResumption>, ApiError> {
    let was_paused = state.control.resume(&admin).await?;
    Ok(JsonAnswer(ScrubberResumption { was_paused }))
}

/// An empty object.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
