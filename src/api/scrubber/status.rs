//! `GET /v2/scrubber`: the scrubber's state, pause and limits.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::auth::AdminCaller;
use crate::api::error::ApiError;
use crate::api::extract::{JsonAnswer, NoParameters};
use crate::api::openapi::responses::AdminErrors;
use crate::api::state::ApiState;
use crate::config::ScrubTime;
use crate::domain::control::{InForce, LastPass, Orders};
use crate::domain::scrub::Scrubber;
use crate::domain::time::{FAR_FUTURE, isotime};

/// The scrubber's status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::scrubber)]
pub struct ScrubberStatus {
    /// State of the process that answers: `on`, `off`, `paused`, `limited` (more is due than a pass
    /// may destroy), `scrub_time_unset`, `scrub_time_unknown` or `scrub_time_too_short`; more may
    /// be added.
    pub state: String,
    /// The pause of all processes that use the database; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pause: Option<TermInForce>,
    /// Number of held images; null without the service's own tables.
    #[schema(required)]
    pub held_images: Option<u64>,
    /// Images that the next pass may destroy although that is over the limit; null if nothing was
    /// accepted.
    #[schema(required)]
    pub accepted_images: Option<u64>,
    /// An image may be scrubbed this many seconds after its deletion; null if nothing is scrubbed.
    #[schema(required)]
    pub scrub_time: Option<u64>,
    /// The `scrub_time` in force: the longest one that a pass of any process used, until somebody
    /// accepts a shorter one. If it is longer than `scrub_time`, images that are due only by the
    /// shorter time are not destroyed until somebody accepts it. Null before the first pass, and
    /// without the service's own tables.
    #[schema(required)]
    pub kept_scrub_time: Option<u64>,
    /// The last pass of any process; absent before the first pass, and without the service's own
    /// tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_pass: Option<ScrubberPass>,
    /// Whether the service's own tables exist. Pauses and holds need them.
    pub has_tables: bool,
}

/// A pass of the scrubber.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScrubberPass {
    /// When it began, UTC.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When it ended, UTC; null if it is running, or if its process died.
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
    /// The host that ran it.
    pub host: String,
    /// `finished`, `limited`, `paused`, `interrupted` or `failed`; null if it has not ended. More
    /// may be added.
    #[schema(required)]
    pub outcome: Option<String>,
    /// Images that the pass looked at.
    pub images_seen: u64,
    /// Images that were completely scrubbed.
    pub images_scrubbed: u64,
    /// Locations whose data was deleted or already absent.
    pub locations_deleted: u64,
    /// Locations whose data was already absent.
    pub data_gone: u64,
    /// Claims that were released with the data untouched.
    pub claims_released: u64,
    /// Held images, which the pass left alone.
    pub images_held: u64,
    /// Images that failed.
    pub images_failed: u64,
    /// Number of alerts. For each, read the log of that host.
    pub alerts: u64,
}

impl From<LastPass> for ScrubberPass {
    fn from(pass: LastPass) -> Self {
        let outcome = pass.result.as_ref().map(|result| result.outcome.clone());
        let result = pass.result.unwrap_or_default();
        Self {
            started_at: isotime(pass.began),
            finished_at: pass.ended.map(isotime),
            host: pass.host,
            outcome,
            images_seen: result.seen,
            images_scrubbed: result.scrubbed,
            locations_deleted: result.locations_deleted,
            data_gone: result.data_gone,
            claims_released: result.claims_released,
            images_held: result.held,
            images_failed: result.failed,
            alerts: result.alerts,
        }
    }
}

/// A pause or a hold in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TermInForce {
    /// Its end, UTC; null if it has no end.
    #[schema(required, format = DateTime)]
    pub until: Option<String>,
    /// Since when, UTC.
    #[schema(format = DateTime)]
    pub since: String,
    /// Who set it: a user's id, the subject of a token, or the user of the command line.
    pub by: String,
    /// The reason that was given.
    #[schema(required)]
    pub reason: Option<String>,
}

impl From<InForce> for TermInForce {
    fn from(running: InForce) -> Self {
        let InForce { term, since, by } = running;
        Self {
            until: (term.until < FAR_FUTURE).then(|| isotime(term.until)),
            since: isotime(since),
            by,
            reason: term.reason,
        }
    }
}

impl ScrubberStatus {
    /// Builds the document; `orders` is `None` without our own tables.
    pub fn of(orders: Option<Orders>, standing: &str, scrub_time: Option<u64>) -> Self {
        let has_tables = orders.is_some();
        let Orders { pause, accepted, held, scrub_time: in_force, last_pass, .. } =
            orders.unwrap_or_default();
        let is_paused = pause.is_some() && standing != "off";
        Self {
            state: if is_paused { "paused" } else { standing }.to_owned(),
            pause: pause.map(TermInForce::from),
            held_images: has_tables.then_some(held),
            accepted_images: accepted.map(|accepted| accepted.images),
            scrub_time,
            kept_scrub_time: in_force.map(|time| time.as_secs()),
            last_pass: last_pass.map(ScrubberPass::from),
            has_tables,
        }
    }
}

/// The state of this process's scrubber, pauses aside.
pub fn standing(scrubs: bool, scrubber: Result<&Scrubber, ScrubTime>) -> &'static str {
    match scrubber {
        Err(ScrubTime::Unknown) => "scrub_time_unknown",
        Err(ScrubTime::TooShort { .. }) => "scrub_time_too_short",
        Err(ScrubTime::Unset | ScrubTime::Set(_)) => "scrub_time_unset",
        Ok(_) if !scrubs => "off",
        Ok(scrubber) if scrubber.is_limited() => "limited",
        Ok(_) => "on",
    }
}

/// Show the scrubber's status
///
/// Shows whether it scrubs, its pause (until when and by whom), and how many images are held.
/// Pauses and holds are stored in the database and apply to every process that uses it.
#[utoipa::path(
    get,
    path = "/v2/scrubber",
    operation_id = "getScrubber",
    tag = "scrubber",
    responses(
        (status = 200, description = "The scrubber's status.", body = ScrubberStatus,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors
    )
)]
pub(crate) async fn get_scrubber(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    _: NoParameters,
) -> Result<JsonAnswer<ScrubberStatus>, ApiError> {
    let orders = state.control.orders(&admin).await?;
    let scrub_time = state.view.settings.scrub_time.map(|time| time.as_secs());
    let scrubber = state.scrubber.as_deref().map_err(|time| *time);
    let standing = standing(state.scrubs, scrubber);
    Ok(JsonAnswer(ScrubberStatus::of(orders, standing, scrub_time)))
}
