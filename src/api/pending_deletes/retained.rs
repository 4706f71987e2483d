//! `GET /v2/retained-images`.

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{invalid, link, marker_text, position, storable, time};
use super::show::LocationPreview;
use crate::api::auth::AdminCaller;
use crate::api::context::RequestContext;
use crate::api::error::{ApiError, RequestError};
use crate::api::extract::{JsonAnswer, Parameters};
use crate::api::openapi::responses::AdminErrors;
use crate::api::state::{ApiState, View};
use crate::domain::repo::{PendingMarker, ScrubbedMarker, ScrubbedQuery};
use crate::domain::revert::{Chance, SecondChance};
use crate::domain::time::isotime;

/// Largest page: a store is asked about each image.
const MAX_LIMIT: u32 = 200;

/// The parameters as they came.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RetainedParameters {
    /// Scrubbed images to look at; the page has those of them that could come back.
    #[param(minimum = 1, maximum = 200, default = 50, value_type = Option<u32>,
        nullable = false)]
    pub limit: Option<String>,
    /// Where to continue: the marker of a `next` link.
    #[param(
        nullable = false,
        pattern = "^[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))\
        T([01][0-9]|2[0-3])(:[0-5][0-9]){2}[.][0-9]{6}_[!-~]{1,36}$"
    )]
    pub marker: Option<String>,
    /// Only images of this project.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub owner: Option<String>,
    /// Only images of exactly this name.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub name: Option<String>,
    /// Only images deleted at this time or later: RFC 3339 as in `2026-11-22T12:00:00Z`, UTC if no
    /// zone is given.
    #[param(nullable = false, format = DateTime)]
    pub deleted_after: Option<String>,
    /// Only images deleted before this time: RFC 3339 as in `2026-11-22T12:00:00Z`, UTC if no zone
    /// is given.
    #[param(nullable = false, format = DateTime)]
    pub deleted_before: Option<String>,
}

/// Scrubbed images that could come back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::api::openapi::examples::retained)]
pub struct RetainedImages {
    /// Those of the scrubbed images of this page that could come back, the last scrubbed one first.
    pub retained_images: Vec<RetainedImage>,
    /// How many scrubbed images this page looked at.
    pub examined: u64,
    /// How many of these have rows that cannot be read.
    pub unreadable: u64,
    /// Path and query of the first page.
    pub first: String,
    /// Path and query of the next page; not there on the last one. A page without images can have
    /// a next page.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A scrubbed image that could come back.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetainedImage {
    /// Id.
    pub id: String,
    /// Name; not unique.
    #[schema(required)]
    pub name: Option<String>,
    /// Project that owns the image.
    #[schema(required)]
    pub owner: Option<String>,
    /// Size of the image in bytes.
    #[schema(required)]
    pub size: Option<i64>,
    /// When the image was deleted, UTC.
    #[schema(required, format = DateTime)]
    pub deleted_at: Option<String>,
    /// What could bring it back: `revert` (any revert), `checksum` (a revert with `verify` =
    /// `checksum`), `by_hand` (only an operator, in the store: the service cannot restore the data,
    /// or Glance has no hash to compare it with) or `unknown` (a store cannot tell now); more may
    /// be added.
    pub chance: String,
    /// Bytes that stores kept of it.
    pub kept_bytes: u64,
    /// Stores keep it at least until this time, UTC; null if there is no end, or it is unknown.
    #[schema(required, format = DateTime)]
    pub kept_until: Option<String>,
    /// Its locations that could come back.
    pub locations: Vec<LocationPreview>,
}

impl RetainedImage {
    /// The document of an image that could come back.
    pub fn of(found: &SecondChance, view: &View) -> Self {
        let SecondChance { image, chance, locations } = found;
        let comes_back = matches!(chance, Chance::Revert | Chance::Checksum);
        Self {
            id: image.id.to_string(),
            name: image.name.clone(),
            owner: image.owner.clone(),
            size: image.size,
            deleted_at: image.deleted_at.map(isotime),
            chance: chance.as_str().to_owned(),
            kept_bytes: found.kept().map(|kept| kept.size).sum(),
            kept_until: found.kept_until().map(isotime),
            locations: locations
                .iter()
                .map(|one| LocationPreview::of(one, comes_back, view))
                .collect(),
        }
    }
}

/// List scrubbed images that could come back
///
/// Looks at deleted images whose data was destroyed, a page at a time, and asks their stores what
/// they have kept: older versions, a trash. Lists those that could come back, what is kept of them,
/// and until when. This is slow: every page asks stores about `limit` images.
#[utoipa::path(
    get,
    path = "/v2/retained-images",
    operation_id = "listRetainedImages",
    tag = "pending deletes",
    params(RetainedParameters),
    responses(
        (status = 200, description = "What was found among the images of this page; the last page has no `next`.",
            body = RetainedImages,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        AdminErrors
    )
)]
pub(crate) async fn list_retained_images(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    Parameters(parameters): Parameters<RetainedParameters>,
) -> Result<JsonAnswer<RetainedImages>, ApiError> {
    let query = parameters.to_query()?;
    context.lift_deadline();
    let page = state.reverter.list_retained(&admin, &query).await?;
    let next = page.next.map(|ScrubbedMarker { changed_at, id }| {
        marker_text(&PendingMarker { deleted_at: changed_at, id })
    });
    Ok(JsonAnswer(RetainedImages {
        retained_images: page
            .images
            .iter()
            .map(|one| RetainedImage::of(one, &state.view))
            .collect(),
        examined: page.examined as u64,
        unreadable: page.unreadable as u64,
        first: parameters.link(None),
        next: next.map(|marker| parameters.link(Some(&marker))),
    }))
}

impl RetainedParameters {
    fn to_query(&self) -> Result<ScrubbedQuery, RequestError> {
        let limit = match self.limit.as_deref() {
            None => Some(50),
            Some(text) => text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)),
        };
        let limit = limit.ok_or_else(|| {
            invalid(format!("limit must be a whole number from 1 to {MAX_LIMIT}."))
        })?;
        let marker = self.marker.as_deref().map(|text| {
            let refused = || invalid("marker must be the one of a next link.".to_owned());
            let PendingMarker { deleted_at, id } = position(text).ok_or_else(refused)?;
            Ok(ScrubbedMarker { changed_at: deleted_at, id })
        });
        Ok(ScrubbedQuery {
            owner: storable("owner", self.owner.as_ref())?,
            name: storable("name", self.name.as_ref())?,
            deleted_after: time("deleted_after", self.deleted_after.as_deref())?,
            deleted_before: time("deleted_before", self.deleted_before.as_deref())?,
            marker: marker.transpose()?,
            limit,
        })
    }

    fn link(&self, marker: Option<&str>) -> String {
        let parameters = [
            ("limit", self.limit.as_deref()),
            ("owner", self.owner.as_deref()),
            ("name", self.name.as_deref()),
            ("deleted_after", self.deleted_after.as_deref()),
            ("deleted_before", self.deleted_before.as_deref()),
            ("marker", marker),
        ];
        link("/v2/retained-images", &parameters)
    }
}
