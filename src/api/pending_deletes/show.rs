//! `GET /v2/pending-deletes/{image_id}`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::auth::AdminCaller;
use crate::api::error::ApiError;
use crate::api::extract::{ImageIdPath, JsonAnswer, NoParameters};
use crate::api::openapi::responses::{AdminErrors, ImageErrors};
use crate::api::redacted::without_credentials;
use crate::api::scrubber::status::TermInForce;
use crate::api::state::{ApiState, View};
use crate::domain::control::InForce;
use crate::domain::evidence::Finding;
use crate::domain::image::State as ImageState;
use crate::domain::revert::{Judged, Preview};
use crate::domain::store::Retained;
use crate::domain::time::isotime;

/// What a revert of an image would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::preview)]
pub struct PendingDeletePreview {
    /// Id.
    pub id: String,
    /// Name; not unique.
    #[schema(required)]
    pub name: Option<String>,
    /// Project that owns the image.
    #[schema(required)]
    pub owner: Option<String>,
    /// Current status, such as `pending_delete`.
    pub status: String,
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
    /// When the image was created, UTC.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When the image was deleted, UTC; null if it is not deleted.
    #[schema(required, format = DateTime)]
    pub deleted_at: Option<String>,
    /// Whether a revert would succeed now.
    pub revertible: bool,
    /// Why the image cannot be reverted: the `reason` that a revert would answer; null if it can.
    #[schema(required)]
    pub reason: Option<String>,
    /// Why the image cannot be reverted, and what to do, in words; null if it can.
    #[schema(required)]
    pub message: Option<String>,
    /// The scrubber may destroy the data from this time on, UTC; null if it will not.
    #[schema(required, format = DateTime)]
    pub scrub_at: Option<String>,
    /// Seconds until `scrub_at`; 0 if it has passed; null if `scrub_at` is null.
    #[schema(required)]
    pub seconds_left: Option<i64>,
    /// The retention rule that decides `scrub_at`; null if `scrub_time` decides or nothing is scrubbed.
    #[schema(required)]
    pub retention_rule: Option<String>,
    /// The image's hold: until when, by whom and why; absent if it is not held.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hold: Option<TermInForce>,
    /// The locations that are not scrubbed yet.
    pub locations: Vec<LocationPreview>,
    /// Names of the properties that would come back. They include properties that a user removed
    /// before the delete.
    pub properties: Vec<String>,
    /// Tags that would come back.
    pub tags: Vec<String>,
    /// Members that would come back.
    pub members: Vec<String>,
}

/// One location, and the state of its data.
#[derive(Debug, Serialize, ToSchema)]
pub struct LocationPreview {
    /// Id of the row in Glance's `image_locations`.
    pub id: i32,
    /// Store of the location; null if it belongs to no configured store.
    #[schema(required)]
    pub store: Option<String>,
    /// Scheme of its URL, such as `file` or `rbd`; null if the URL cannot be decrypted.
    #[schema(required)]
    pub scheme: Option<String>,
    /// Whether it was deleted with the image (`true`), or removed from the image before that
    /// (`false`).
    pub deleted_with_image: bool,
    /// Whether it would come back.
    pub comes_back: bool,
    /// State of the data: `present`, `missing`, `wrong_size`, `wrong_checksum`, `hidden` (the store
    /// keeps it, but it cannot be read), `retained` (the same, and a revert with `verify` =
    /// `checksum` can bring it back), `unproved` (there is data although it was recorded as
    /// destroyed; only `checksum` can prove it), `damaged`, `repairable` (a revert repairs it),
    /// `not_verifiable` (this service can never check it), `unknown` or `not_checked`; more may be
    /// added.
    pub data: String,
    /// The problem, in words; null if there is none.
    #[schema(required)]
    pub problem: Option<String>,
    /// Data that the store kept after it was deleted; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retained: Option<RetainedData>,
}

/// Data that a store kept after it was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetainedData {
    /// Bytes.
    pub size: u64,
    /// When it was deleted in the store, UTC; null if the store does not report it.
    #[schema(required, format = DateTime)]
    pub since: Option<String>,
    /// The store keeps it at least until this time, UTC; null if there is no end, or it is unknown.
    #[schema(required, format = DateTime)]
    pub until: Option<String>,
}

impl From<&Retained> for RetainedData {
    fn from(kept: &Retained) -> Self {
        Self { size: kept.size, since: kept.since.map(isotime), until: kept.until.map(isotime) }
    }
}

impl PendingDeletePreview {
    /// The preview as a document, with the image's hold if there is one.
    pub fn of(preview: &Preview, hold: Option<InForce>, view: &View) -> Self {
        let image = &preview.image;
        let obstacle = preview.obstacle.as_ref().map(ApiError::from);
        let waits = image.waits_since().filter(|_| image.state() != ImageState::Claimed);
        let due = waits.and_then(|at| view.scrub_at(at, preview.rule.as_ref()));
        let comes_back = |judged: &Judged| {
            LocationPreview::of(judged, preview.chosen.contains(&judged.location.id), view)
        };
        Self {
            id: image.id.to_string(),
            name: image.name.clone(),
            owner: image.owner.clone(),
            status: image.status.to_string(),
            size: image.size,
            visibility: image.visibility.clone(),
            disk_format: image.disk_format.clone(),
            container_format: image.container_format.clone(),
            created_at: isotime(image.created_at),
            deleted_at: image.deleted_at.map(isotime),
            revertible: obstacle.is_none(),
            reason: obstacle.as_ref().map(|error| error.reason.to_owned()),
            message: obstacle.map(|error| error.message),
            scrub_at: due.map(|(at, _)| isotime(at)),
            seconds_left: due.map(|(_, seconds)| seconds),
            retention_rule: due.and(preview.rule.as_ref()).map(|rule| rule.name.clone()),
            hold: hold.map(TermInForce::from),
            locations: preview.locations.iter().map(comes_back).collect(),
            properties: preview.properties.clone(),
            tags: preview.tags.clone(),
            members: preview.members.clone(),
        }
    }
}

impl LocationPreview {
    /// A location that was looked at.
    pub(super) fn of(judged: &Judged, comes_back: bool, view: &View) -> Self {
        let row = &judged.location;
        let placed = view.stores.place(row).ok().map(|placed| placed.store.id().to_string());
        let (data, problem) = words(&judged.finding);
        Self {
            id: row.id,
            store: placed.or_else(|| row.store().map(str::to_owned)),
            scheme: view.stores.uri(&row.value).map(|uri| uri.scheme()),
            deleted_with_image: judged.together(),
            comes_back,
            data: data.to_owned(),
            problem: problem.or_else(|| judged.left_behind().filter(|_| !comes_back)),
            retained: judged.finding.kept().map(RetainedData::from),
        }
    }
}

fn words(finding: &Finding) -> (&'static str, Option<String>) {
    match finding {
        Finding::Present => ("present", None),
        Finding::Unchecked => ("not_checked", None),
        Finding::Missing => ("missing", Some("The store has no data there.".to_owned())),
        Finding::Hidden(how) => ("hidden", Some(without_credentials(how))),
        Finding::Kept(kept) | Finding::Recoverable(kept) | Finding::Recovered(kept) => {
            ("retained", Some(without_credentials(&kept.to_string())))
        }
        Finding::Destroyed => ("missing", Some("It was destroyed.".to_owned())),
        Finding::Unproved(what) => ("unproved", Some(without_credentials(what))),
        Finding::Repairable { why } | Finding::Repaired(why) => {
            ("repairable", Some(without_credentials(why)))
        }
        Finding::Damaged(how) => ("damaged", Some(without_credentials(how))),
        Finding::WrongSize { found, expected } => {
            ("wrong_size", Some(format!("It has {found} bytes instead of {expected}.")))
        }
        Finding::WrongChecksum => {
            ("wrong_checksum", Some("Its data has a different hash than the image.".to_owned()))
        }
        Finding::NotVerifiable(why) => ("not_verifiable", Some(without_credentials(why))),
        Finding::Unknown(problem) => ("unknown", Some(without_credentials(problem))),
    }
}

/// Show what a revert would do
///
/// Shows whether the image can be reverted, the reason if not, what would come back, and whether
/// its data is in the store. Queries the stores; changes nothing.
#[utoipa::path(
    get,
    path = "/v2/pending-deletes/{image_id}",
    operation_id = "getPendingDelete",
    tag = "pending deletes",
    params(("image_id" = String, Path, description = "The image's id.",
        example = "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222")),
    responses(
        (status = 200, description = "The preview. Works for any image in Glance's database, whatever its status.",
            body = PendingDeletePreview,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors, ImageErrors
    )
)]
pub(crate) async fn get_pending_delete(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    ImageIdPath(id): ImageIdPath,
    _: NoParameters,
) -> Result<JsonAnswer<PendingDeletePreview>, ApiError> {
    let preview = state.reverter.preview(&admin, &id).await?;
    let hold = state.control.holds_of(&admin, std::slice::from_ref(&id)).await?.remove(&id);
    Ok(JsonAnswer(PendingDeletePreview::of(&preview, hold, &state.view)))
}
