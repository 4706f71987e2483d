//! `POST /v2/pending-deletes/actions/revert`.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::query::{MAX_LIMIT, marker_text, position};
use super::selection::{MAX_IMAGES, Named, selection};
use crate::api::audit;
use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, NoParameters, OptionalBody, present};
use crate::api::openapi::responses::{AdminErrors, BodyErrors};
use crate::api::revert::{ChildrenWord, RevertBody, VerifyWord, of_done};
use crate::api::state::ApiState;
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::repo::{PendingMarker, RepoError};
use crate::domain::revert::{Many, RevertError, RevertRequest, Reverted, Selected, Verify};
use crate::telemetry::metric;

/// Images verified in parallel.
const JOBS: usize = 16;

/// Which images to revert, and how.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkRevertRequest)]
pub struct BulkRevertBody {
    /// These images. Cannot be combined with other filters.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, max_items = 1000)]
    pub image_ids: Option<Vec<String>>,
    /// Images of this project. This, `deleted_after`, `deleted_before` or `image_ids` is required.
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
    /// Only images whose whole name matches: `*` stands for any characters, `?` for one character;
    /// a backslash makes the next character literal.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    pub name: Option<String>,
    /// Maximum number of images to revert in this request, in the order of their deletion.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, minimum = 1, maximum = 1000, default = 1000)]
    pub limit: Option<u32>,
    /// Continue after the response that had this `marker`, with images that were not tried yet.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    pub marker: Option<String>,
    /// How many images the selection had: `results` plus `remaining` of a dry run, or `remaining`
    /// of the response before. If it is different now, nothing is done.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, minimum = 0)]
    pub expected_count: Option<u64>,
    /// Show what would happen; write nothing.
    #[serde(default)]
    #[schema(default = false)]
    pub dry_run: bool,
    /// How to verify the data before anything is written. The service's configuration sets the
    /// default, normally `exists`.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, value_type = Option<VerifyWord>)]
    pub verify: Option<VerifyWord>,
    /// Whether properties come back.
    #[serde(default)]
    #[schema(default = "restore")]
    pub properties: ChildrenWord,
    /// Whether tags come back.
    #[serde(default)]
    #[schema(default = "restore")]
    pub tags: ChildrenWord,
    /// Whether members come back.
    #[serde(default)]
    #[schema(default = "restore")]
    pub members: ChildrenWord,
    /// Make the images protected, so that Glance refuses to delete them again.
    #[serde(default)]
    #[schema(default = false)]
    pub protect: bool,
}

/// The result for each image.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::bulk_revert)]
pub struct BulkRevert {
    /// Whether this was a dry run: nothing was written, and the results say what would happen.
    pub dry_run: bool,
    /// The images that were tried, in the order of their deletion.
    pub results: Vec<BulkRevertResult>,
    /// The results, counted.
    pub counts: BulkRevertCounts,
    /// Images of the selection that were not tried yet: send the request again, with `marker`,
    /// until this is 0.
    pub remaining: u64,
    /// Marker for the next request; null if no image is left, or if the request named ids.
    #[schema(required)]
    pub marker: Option<String>,
}

/// The result for one image.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkRevertResult {
    /// The image's id.
    pub image_id: String,
    /// `reverted`; `already_reverted` (by an earlier request); `already_active`; `failed` (nothing
    /// was changed); or `unknown` (no answer of the database: read the image, or repeat the
    /// request).
    pub outcome: String,
    /// Why it was not reverted: the `reason` that a single revert of this image would answer; null
    /// if it was reverted.
    #[schema(required)]
    pub reason: Option<String>,
    /// The result in words.
    #[schema(required)]
    pub message: Option<String>,
    /// How many rows came back with the image; absent if it did not come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub restored: Option<BulkRevertRestored>,
    /// Warnings about this image.
    pub warnings: Vec<String>,
}

/// How many rows came back.
#[derive(Debug, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct BulkRevertRestored {
    pub locations: usize,
    pub properties: usize,
    pub tags: usize,
    pub members: usize,
}

/// Results, counted.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct BulkRevertCounts {
    /// Images that this request brought back, or would bring back in a dry run.
    pub reverted: u64,
    /// Images that an earlier request brought back.
    pub already_reverted: u64,
    /// Images that were active already.
    pub already_active: u64,
    /// Images that could not be reverted.
    pub failed: u64,
    /// Images whose result is unknown.
    pub unknown: u64,
    /// Number of images by `reason`.
    pub reasons: BTreeMap<String, u64>,
}

/// Bring many deleted images back
///
/// Each image is reverted by the rules of a single revert, independently of the others, in the
/// order of their deletion. One request tries at most 1000 images, and ends early if it
/// takes long: send it again, with the `marker` of its response, until `remaining` is 0. An image
/// that is already active does not count as a failure, so every request may be repeated. First send
/// `{"dry_run": true}`, then send the number that it counted as `expected_count`. If the client
/// disconnects, the request stops after its current images; the log has each image.
#[utoipa::path(
    post,
    path = "/v2/pending-deletes/actions/revert",
    operation_id = "bulkRevert",
    tag = "pending deletes",
    request_body(
        content = BulkRevertBody,
        examples(
            ("plan" = (summary = "Show what would come back of a project since a time",
                value = json!({"owner": "6c2d9f0e8b7a4d5c9e1f3a2b4c6d8e0f",
                    "deleted_after": "2026-11-22T13:00:00Z", "dry_run": true}))),
            ("project" = (summary = "Bring them back, and protect them from further deletes",
                value = json!({"owner": "6c2d9f0e8b7a4d5c9e1f3a2b4c6d8e0f",
                    "deleted_after": "2026-11-22T13:00:00Z", "name": "debian-*", "protect": true}))),
            ("ids" = (summary = "Bring these images back",
                value = json!({"image_ids": ["bfc6e7ec-f6cf-4f92-8276-f2f6afe31222"]})))
        )
    ),
    responses(
        (status = 200, description = "A result for each image that was tried.",
            body = BulkRevert,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, BodyErrors
    )
)]
pub(crate) async fn bulk_revert(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    _: NoParameters,
    OptionalBody(body): OptionalBody<BulkRevertBody>,
) -> Result<JsonAnswer<BulkRevert>, ApiError> {
    let work = UnderstoodRevert::read(body, state.view.settings.default_verify)?;
    context.note(|case| {
        case.dry_run = Some(work.request.dry_run);
        case.options = Some(work.to_string());
    });
    if work.request.verify == Verify::Checksum {
        context.lift_deadline();
    }
    // In its own task, so that a disconnect or the deadline stops it only between images.
    let stop = CancellationToken::new();
    let _left = stop.clone().drop_guard();
    let budget = state.view.settings.request_timeout / 2;
    let (soon, in_time) = (stop.clone(), tokio::time::sleep(budget));
    let task = tokio::spawn(async move {
        tokio::pin!(in_time);
        let done = work.carry_out(&admin, &state, &context, &stop);
        tokio::pin!(done);
        tokio::select! {
            done = &mut done => done,
            () = &mut in_time => {
                soon.cancel();
                done.await
            }
        }
    });
    let done = task.await.map_err(|error| RequestError::Internal(error.to_string()))?;
    done.map(JsonAnswer)
}

/// A parsed request.
struct UnderstoodRevert {
    named: Named,
    request: RevertRequest,
    limit: usize,
    marker: Option<PendingMarker>,
    expected: Option<u64>,
}

impl std::fmt::Display for UnderstoodRevert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} limit={} {}", self.named, self.limit, self.request)
    }
}

impl UnderstoodRevert {
    fn read(body: BulkRevertBody, default_verify: Verify) -> Result<Self, ApiError> {
        let invalid = |text: String| RequestError::Invalid(text);
        let limit = body.limit.unwrap_or(MAX_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(
                invalid(format!("limit must be a whole number from 1 to {MAX_LIMIT}.")).into()
            );
        }
        let marker = body.marker.as_deref().map(|text| {
            position(text)
                .ok_or_else(|| invalid("marker must be the one of an earlier answer.".to_owned()))
        });
        let named = selection(
            body.image_ids,
            body.owner.as_deref(),
            body.name.as_deref(),
            body.deleted_after.as_deref(),
            body.deleted_before.as_deref(),
        )?;
        let of_one = RevertBody {
            dry_run: body.dry_run,
            verify: body.verify,
            properties: body.properties,
            tags: body.tags,
            members: body.members,
            protect: body.protect,
        };
        Ok(Self {
            named,
            request: of_one.into_request(default_verify),
            limit: usize::try_from(limit).unwrap_or(MAX_IMAGES),
            marker: marker.transpose()?,
            expected: body.expected_count,
        })
    }

    async fn carry_out(
        &self,
        admin: &Admin,
        state: &ApiState,
        context: &RequestContext,
        stop: &CancellationToken,
    ) -> Result<BulkRevert, ApiError> {
        let reverter = &state.reverter;
        let chosen =
            reverter.select(admin, &self.named.selection, self.marker.as_ref(), self.limit).await?;
        let count = chosen.tally.images + self.named.impossible.len() as u64;
        if let Some(expected) = self.expected.filter(|expected| *expected != count) {
            return Err(RequestError::SelectionChanged { expected, found: count }.into());
        }
        let ids: Vec<_> = chosen.first.iter().take(self.limit).map(|one| one.id.clone()).collect();
        let mut results: Vec<Option<BulkRevertResult>> = ids.iter().map(|_| None).collect();
        let mut tell = |at: usize, result: Result<Reverted, RevertError>| {
            let Some((id, place)) = ids.get(at).zip(results.get_mut(at)) else { return };
            let error = result.as_ref().err().map(ApiError::from);
            audit::of_image(context, "bulkRevert", id, error.as_ref());
            let outcome = result.as_ref().map_or_else(RevertError::reason, of_done);
            metrics::counter!(metric::REVERTS_TOTAL, "outcome" => outcome).increment(1);
            *place = Some(BulkRevertResult::of(id, &result, error));
        };
        let many = Many { ids: &ids, request: self.request, jobs: JOBS };
        let end = reverter.revert_many(admin, &many, stop, &mut tell).await;
        if let Err(error @ RepoError::Unavailable(_)) = &end
            && results.iter().all(Option::is_none)
        {
            return Err(error.into());
        }
        Ok(self.answer(&chosen, count, results))
    }

    fn answer(
        &self,
        chosen: &Selected,
        count: u64,
        tried: Vec<Option<BulkRevertResult>>,
    ) -> BulkRevert {
        let before = tried.iter().take_while(|result| result.is_some()).count();
        let last = before.checked_sub(1).map(|at| chosen.place(at));
        let last = last.unwrap_or_else(|| self.marker.clone());
        let impossible = self.named.impossible.iter().map(|id| BulkRevertResult::impossible(id));
        let results: Vec<_> = impossible.chain(tried.into_iter().flatten()).collect();
        let remaining = count.saturating_sub(results.len() as u64);
        let goes_on = remaining > 0 && !self.named.selection.is_by_id();
        BulkRevert {
            dry_run: self.request.dry_run,
            counts: BulkRevertCounts::of(&results),
            results,
            remaining,
            marker: last.filter(|_| goes_on).map(|marker| marker_text(&marker)),
        }
    }
}

impl BulkRevertResult {
    fn of(id: &ImageId, result: &Result<Reverted, RevertError>, error: Option<ApiError>) -> Self {
        let outcome = match result {
            Ok(done) if done.repeated => "already_reverted",
            Ok(_) => "reverted",
            Err(error) if error.is_back() => "already_active",
            Err(RevertError::Repo(RepoError::Unavailable(_))) => "unknown",
            Err(_) => "failed",
        };
        let done = result.as_ref().ok();
        Self {
            image_id: id.to_string(),
            outcome: outcome.to_owned(),
            reason: error.as_ref().map(|error| error.reason.to_owned()),
            message: error.map(|error| error.message),
            restored: done.map(|done| BulkRevertRestored {
                locations: done.restored.locations,
                properties: done.restored.properties,
                tags: done.restored.tags,
                members: done.restored.members,
            }),
            warnings: done.map_or_else(Vec::new, |done| done.warnings.clone()),
        }
    }

    fn impossible(id: &str) -> Self {
        let error = ApiError::from(RequestError::ImpossibleImageId);
        Self {
            image_id: id.to_owned(),
            outcome: "failed".to_owned(),
            reason: Some(error.reason.to_owned()),
            message: Some(error.message),
            restored: None,
            warnings: Vec::new(),
        }
    }
}

impl BulkRevertCounts {
    fn of(results: &[BulkRevertResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            *match result.outcome.as_str() {
                "reverted" => &mut counts.reverted,
                "already_reverted" => &mut counts.already_reverted,
                "already_active" => &mut counts.already_active,
                "unknown" => &mut counts.unknown,
                _ => &mut counts.failed,
            } += 1;
            if let Some(reason) = &result.reason {
                *counts.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        counts
    }
}
