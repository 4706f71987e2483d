//! `GET /v2/scrubber/plan`.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, Parameters};
use crate::api::openapi::responses::{AdminErrors, ScrubErrors};
use crate::api::redacted::without_credentials;
use crate::api::state::ApiState;
use crate::domain::scrub::{Plan, PlanGroup, PlannedImage, Stopped, Tally};
use crate::domain::time::isotime;

/// The longest look-ahead, in seconds: a year.
const LONGEST: u64 = 31_536_000;

/// The parameters of the plan.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanParameters {
    /// How many seconds to look ahead; 0 shows what is due now.
    #[param(minimum = 0, maximum = 31_536_000, default = 0, value_type = Option<u64>,
        nullable = false)]
    pub within: Option<String>,
}

/// What the scrubber will destroy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::plan)]
pub struct ScrubPlan {
    /// When the plan was made, UTC.
    #[schema(format = DateTime)]
    pub now: String,
    /// End of the plan, UTC: it has the images that may be scrubbed until then.
    #[schema(format = DateTime)]
    pub until: String,
    /// Images that would be destroyed.
    pub images: u64,
    /// Sum of the images' sizes in bytes. An image with several copies counts once.
    pub bytes: u64,
    /// False if the tables are so large that some leftovers of interrupted deletions were not searched
    /// for in time. Passes find them later, a few at a time.
    pub complete: bool,
    /// Whether this is over the limit of a pass: a pass would destroy nothing.
    pub limited: bool,
    /// The reason, in words; null if it is not limited.
    #[schema(required)]
    pub message: Option<String>,
    /// The images by project and store, the group with the next image to be scrubbed first; at most
    /// 1000.
    pub groups: Vec<ScrubPlanGroup>,
    /// Number of images in groups that are not listed.
    pub other_images: u64,
    /// The images to be scrubbed next, at most 100.
    pub next: Vec<ScrubPlanImage>,
    /// Images that are due, but that a pass leaves alone.
    pub stopped: Vec<ScrubPlanStopped>,
}

/// One project's images in one store.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScrubPlanGroup {
    /// Project that owns the images.
    #[schema(required)]
    pub project: Option<String>,
    /// Store of the images; null for images that have no data left.
    #[schema(required)]
    pub store: Option<String>,
    /// Images.
    pub images: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// When the first image of the group may be scrubbed, UTC.
    #[schema(format = DateTime)]
    pub first_scrub_at: String,
}

/// An image that would be destroyed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScrubPlanImage {
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
    /// Stores that have the data.
    pub stores: Vec<String>,
    /// The scrubber may destroy the data from this time on, UTC.
    #[schema(format = DateTime)]
    pub scrub_at: String,
    /// The retention rule that decides `scrub_at`; null if `scrub_time` decides.
    #[schema(required)]
    pub retention_rule: Option<String>,
    /// Whether the image itself stays, and only locations that were removed from it are scrubbed.
    pub removed_locations: bool,
}

/// Images that a pass would leave alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScrubPlanStopped {
    /// The reason: `unreadable`, `no_store`, `not_acceptable`, `store_unavailable`, `failed_lately`
    /// or `held`; more may be added.
    pub reason: String,
    /// Images.
    pub images: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// The first few of them.
    pub examples: Vec<ScrubPlanExample>,
}

/// One image that a pass would leave alone.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScrubPlanExample {
    /// Id.
    pub id: String,
    /// Why a pass leaves it alone, in words.
    pub message: String,
}

impl From<Plan> for ScrubPlan {
    fn from(plan: Plan) -> Self {
        let Tally { images, bytes } = plan.total;
        Self {
            now: isotime(plan.now),
            until: isotime(plan.until),
            images,
            bytes,
            complete: plan.is_complete,
            limited: plan.limited.is_some(),
            message: plan.limited.map(|limited| format!("{limited}.")),
            groups: plan.groups.into_iter().map(Into::into).collect(),
            other_images: plan.other_groups.images,
            next: plan.next.into_iter().map(Into::into).collect(),
            stopped: plan.stopped.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<PlanGroup> for ScrubPlanGroup {
    fn from(group: PlanGroup) -> Self {
        let Tally { images, bytes } = group.tally;
        let first_scrub_at = isotime(group.first_at);
        Self { project: group.project, store: group.store, images, bytes, first_scrub_at }
    }
}

impl From<PlannedImage> for ScrubPlanImage {
    fn from(image: PlannedImage) -> Self {
        Self {
            id: image.id,
            name: image.name,
            owner: image.project,
            size: image.size,
            stores: image.stores,
            scrub_at: isotime(image.scrub_at),
            retention_rule: image.rule,
            removed_locations: image.leftovers,
        }
    }
}

impl From<Stopped> for ScrubPlanStopped {
    fn from(stopped: Stopped) -> Self {
        let Tally { images, bytes } = stopped.tally;
        let example = |(id, why): (String, String)| ScrubPlanExample {
            id,
            message: without_credentials(&why),
        };
        let examples = stopped.examples.into_iter().map(example).collect();
        Self { reason: stopped.obstacle.word().to_owned(), images, bytes, examples }
    }
}

/// Show what the scrubber will destroy
///
/// Decides for each image as a scrub pass would, and writes nothing. Reads the rows of all images
/// that will be due by then, so it is slow if there are many.
#[utoipa::path(
    get,
    path = "/v2/scrubber/plan",
    operation_id = "getScrubPlan",
    tag = "scrubber",
    params(PlanParameters),
    responses(
        (status = 200, description = "The plan.", body = ScrubPlan,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, ScrubErrors
    )
)]
pub(crate) async fn get_scrub_plan(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    Parameters(parameters): Parameters<PlanParameters>,
) -> Result<JsonAnswer<ScrubPlan>, ApiError> {
    let within = parameters.within()?;
    let scrubber = state.scrubber()?;
    context.lift_deadline();
    Ok(JsonAnswer(scrubber.plan(&admin, within).await?.into()))
}

impl PlanParameters {
    fn within(&self) -> Result<Duration, RequestError> {
        let text = self.within.as_deref().unwrap_or("0");
        let seconds = text.parse().ok().filter(|seconds| *seconds <= LONGEST);
        let refused =
            || RequestError::Invalid(format!("within must be whole seconds from 0 to {LONGEST}."));
        seconds.map(Duration::from_secs).ok_or_else(refused)
    }
}
