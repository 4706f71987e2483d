//! `GET /v2/pending-deletes/summary`.

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{invalid, storable, time, truth, visibility};
use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, Parameters};
use crate::api::openapi::responses::AdminErrors;
use crate::api::state::{ApiState, View};
use crate::domain::repo::PendingQuery;
use crate::domain::summary::{Group, GroupBy, Span, Summary};
use crate::domain::time::{Timestamp, isotime};

/// The parameters of the summary.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SummaryParameters {
    /// How to group, one or several values separated by commas: `project` (the default), `burst`
    /// (deletions of one project with no gap over 60 seconds), `store`.
    #[param(
        nullable = false,
        example = "burst,store",
        pattern = "^(project|burst|store)(,(project|burst|store)){0,2}$"
    )]
    pub group_by: Option<String>,
    /// Only images of this project.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub owner: Option<String>,
    /// Only images of exactly this name.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub name: Option<String>,
    /// Only images of this visibility: `public`, `private`, `shared` or `community`.
    #[param(nullable = false, pattern = "^(public|private|shared|community)$")]
    pub visibility: Option<String>,
    /// Only images that are held (`true`), or not held (`false`).
    #[param(nullable = false, pattern = "^(true|false)$")]
    pub held: Option<String>,
    /// Only images deleted at this time or later: RFC 3339, UTC if no zone is given.
    #[param(nullable = false, format = DateTime)]
    pub deleted_after: Option<String>,
    /// Only images deleted before this time: RFC 3339, UTC if no zone is given.
    #[param(nullable = false, format = DateTime)]
    pub deleted_before: Option<String>,
}

/// Pending images, in groups.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::summary)]
pub struct PendingDeletesSummary {
    /// Number of pending images.
    pub images: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// When the first image was deleted, UTC; null if no image is pending.
    #[schema(required, format = DateTime)]
    pub first_deleted_at: Option<String>,
    /// When the last image was deleted, UTC; null if no image is pending.
    #[schema(required, format = DateTime)]
    pub last_deleted_at: Option<String>,
    /// When the first image of the group may be scrubbed, UTC; null if nothing is scrubbed.
    #[schema(required, format = DateTime)]
    pub first_scrub_at: Option<String>,
    /// The groups, largest first, at most 1000. Grouped by store, an image with copies in several
    /// stores is in several groups.
    pub groups: Vec<PendingDeletesGroup>,
    /// Number of groups that are not listed.
    pub other_groups: u64,
    /// Number of images in groups that are not listed.
    pub other_images: u64,
}

/// A group of pending images.
#[derive(Debug, Serialize, ToSchema)]
pub struct PendingDeletesGroup {
    /// Project that owns the images; null if the groups are not by project or burst.
    #[schema(required)]
    pub project: Option<String>,
    /// Store of the data; null if the groups are not by store, or if no configured store has the
    /// data.
    #[schema(required)]
    pub store: Option<String>,
    /// Images.
    pub images: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
    /// When the first image of the group was deleted, UTC.
    #[schema(format = DateTime)]
    pub first_deleted_at: String,
    /// When the last image of the group was deleted, UTC.
    #[schema(format = DateTime)]
    pub last_deleted_at: String,
    /// When the first image of the group may be scrubbed, UTC; null if nothing is scrubbed.
    #[schema(required, format = DateTime)]
    pub first_scrub_at: Option<String>,
    /// Seconds until `first_scrub_at`; 0 if it has passed; null if `first_scrub_at` is null.
    #[schema(required)]
    pub seconds_left: Option<i64>,
}

impl PendingDeletesSummary {
    /// The summary as a document.
    pub fn of(summary: Summary, view: &View) -> Self {
        let Summary { all, first_due, groups, other_groups, others } = summary;
        let tally = all.map(|all| all.tally).unwrap_or_default();
        let due = all.and_then(|all| first_due_of(all, first_due, view));
        Self {
            images: tally.images,
            bytes: tally.bytes,
            first_deleted_at: all.map(|all| isotime(all.first)),
            last_deleted_at: all.map(|all| isotime(all.last)),
            first_scrub_at: due.map(|(at, _)| isotime(at)),
            groups: groups.into_iter().map(|one| PendingDeletesGroup::of(one, view)).collect(),
            other_groups,
            other_images: others.images,
        }
    }
}

/// When the first image of a span is due, and the seconds left.
fn first_due_of(span: Span, due: Option<Timestamp>, view: &View) -> Option<(Timestamp, i64)> {
    let first = view.scrub_at(span.first, None)?;
    Some(due.map_or(first, |due| view.left_until(due)))
}

impl PendingDeletesGroup {
    fn of(group: Group, view: &View) -> Self {
        let Group { project, store, span, first_due } = group;
        let Span { tally, first, last } = span;
        let due = first_due_of(span, first_due, view);
        Self {
            project,
            store,
            images: tally.images,
            bytes: tally.bytes,
            first_deleted_at: isotime(first),
            last_deleted_at: isotime(last),
            first_scrub_at: due.map(|(at, _)| isotime(at)),
            seconds_left: due.map(|(_, seconds)| seconds),
        }
    }
}

impl SummaryParameters {
    fn group_by(&self) -> Result<GroupBy, RequestError> {
        let mut by = GroupBy::default();
        for word in self.group_by.as_deref().unwrap_or("project").split(',') {
            match word {
                "project" => by.project = true,
                "burst" => by.burst = true,
                "store" => by.store = true,
                _ => {
                    let text =
                        "group_by must be project, burst or store, or several separated by commas.";
                    return Err(invalid(text.to_owned()));
                }
            }
        }
        Ok(by)
    }

    fn to_query(&self) -> Result<PendingQuery, RequestError> {
        Ok(PendingQuery {
            owner: storable("owner", self.owner.as_ref())?,
            name: storable("name", self.name.as_ref())?,
            visibility: visibility(self.visibility.as_deref())?,
            held: truth("held", self.held.as_deref())?,
            deleted_after: time("deleted_after", self.deleted_after.as_deref())?,
            deleted_before: time("deleted_before", self.deleted_before.as_deref())?,
            ..PendingQuery::default()
        })
    }
}

/// Summarize the images that can still be reverted
///
/// Counts pending images by project, burst of deletions or store: number, bytes, when they were
/// deleted, and when the first of them may be scrubbed. Reads the rows of all pending images, so it
/// is slow if there are many.
#[utoipa::path(
    get,
    path = "/v2/pending-deletes/summary",
    operation_id = "summarizePendingDeletes",
    tag = "pending deletes",
    params(SummaryParameters),
    responses(
        (status = 200, description = "The summary.", body = PendingDeletesSummary,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors
    )
)]
pub(crate) async fn summarize_pending_deletes(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    Parameters(parameters): Parameters<SummaryParameters>,
) -> Result<JsonAnswer<PendingDeletesSummary>, ApiError> {
    let (query, by) = (parameters.to_query()?, parameters.group_by()?);
    context.lift_deadline();
    let summary = state.reverter.summary(&admin, &query, by).await?;
    Ok(JsonAnswer(PendingDeletesSummary::of(summary, &state.view)))
}
