//! `POST /v2/images/{image_id}/actions/revert`.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::auth::AdminCaller;
use super::context::RequestContext;
use super::document::ImageDocument;
use super::error::ApiError;
use super::extract::{ImageIdPath, JsonAnswer, NoParameters, OptionalBody, present};
use super::openapi::responses::{AdminErrors, ImageErrors, RevertErrors};
use super::state::ApiState;
use crate::domain::pending::Children;
use crate::domain::revert::{RevertRequest, Reverted, Verify};
use crate::telemetry::metric;

const RESTORED: HeaderName = HeaderName::from_static("openstack-image-revert-restored");
const WARNINGS: HeaderName = HeaderName::from_static("openstack-image-revert-warnings");
const DRY_RUN: HeaderName = HeaderName::from_static("openstack-image-revert-dry-run");

/// Size limit of the warnings header in bytes; proxies cut or refuse larger ones.
const MAX_WARNINGS: usize = 4096;

/// Options of a revert. All fields are optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RevertRequest)]
pub struct RevertBody {
    /// Show what would happen; write nothing.
    #[serde(default)]
    #[schema(default = false)]
    pub dry_run: bool,
    /// How to verify the data before anything is written. The service's configuration sets the
    /// default, normally `exists`.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false, value_type = Option<VerifyWord>)]
    pub verify: Option<VerifyWord>,
    /// Whether properties come back. They include properties that a user removed before the delete:
    /// Glance's rows do not distinguish them.
    #[serde(default)]
    #[schema(default = "restore")]
    pub properties: ChildrenWord,
    /// Whether tags come back.
    #[serde(default)]
    #[schema(default = "restore")]
    pub tags: ChildrenWord,
    /// Whether members come back. A member that was revoked before the delete never comes back.
    #[serde(default)]
    #[schema(default = "restore")]
    pub members: ChildrenWord,
    /// Make the image protected, so that Glance refuses to delete it again.
    #[serde(default)]
    #[schema(default = false)]
    pub protect: bool,
}

/// How to verify the data: `exists` queries the store for the size, `checksum` reads all of it and
/// compares the hash, `none` does not check.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "String", rename_all = "snake_case")]
#[schema(as = Verify)]
pub enum VerifyWord {
    /// Ask the store for the size.
    Exists,
    /// Read it all and compare the hash.
    Checksum,
    /// Do not look.
    None,
}

/// Whether to restore rows of one kind: `restore`, or `skip` to leave them deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "String", rename_all = "snake_case")]
#[schema(as = RestoreOrSkip)]
pub enum ChildrenWord {
    /// They come back.
    #[default]
    Restore,
    /// They stay deleted.
    Skip,
}

// From a string: serde would also accept `{"exists": null}` as a variant.
impl TryFrom<String> for VerifyWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "exists" => Ok(Self::Exists),
            "checksum" => Ok(Self::Checksum),
            "none" => Ok(Self::None),
            _ => Err(format!("verify must be exists, checksum or none, not {word:?}")),
        }
    }
}

impl TryFrom<String> for ChildrenWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "restore" => Ok(Self::Restore),
            "skip" => Ok(Self::Skip),
            _ => Err(format!("properties, tags and members must be restore or skip, not {word:?}")),
        }
    }
}

impl RevertBody {
    pub(crate) fn into_request(self, default_verify: Verify) -> RevertRequest {
        let verify = match self.verify {
            None => default_verify,
            Some(VerifyWord::Exists) => Verify::Exists,
            Some(VerifyWord::Checksum) => Verify::Checksum,
            Some(VerifyWord::None) => Verify::None,
        };
        RevertRequest {
            dry_run: self.dry_run,
            verify,
            children: Children {
                properties: self.properties == ChildrenWord::Restore,
                tags: self.tags == ChildrenWord::Restore,
                members: self.members == ChildrenWord::Restore,
            },
            protect: self.protect,
        }
    }
}

/// Bring a deleted image back
///
/// Makes a deleted image `active` again, with its locations, properties, tags and members. The
/// service first verifies that the data is in the store. The response is the image document as
/// Glance shows it; headers say how many rows came back. With any other status nothing was changed,
/// except after 408 and `db.unavailable`: then read the image before you try again. If the service
/// has its own tables and the response got lost, the same request returns it again.
#[utoipa::path(
    post,
    path = "/v2/images/{image_id}/actions/revert",
    operation_id = "revertImage",
    tag = "images",
    params(("image_id" = String, Path, description = "The image's id.",
        example = "bfc6e7ec-f6cf-4f92-8276-f2f6afe31222")),
    request_body(
        content = RevertBody,
        description = "Options. Without a body the defaults apply.",
        examples(
            ("defaults" = (summary = "Everything comes back", value = json!({}))),
            ("dry_run" = (summary = "Only show what would happen, after reading all of the data",
                value = json!({"dry_run": true, "verify": "checksum"}))),
            ("protect" = (summary = "Do not restore members; protect the image",
                value = json!({"members": "skip", "protect": true})))
        )
    ),
    responses(
        (status = 200, description = "The image is active again; in a dry run, it would be.",
            body = ImageDocument,
            headers(
                ("x-openstack-request-id" = String, description = "The request's id."),
                ("OpenStack-Image-Revert-Restored" = String, description =
                    "Number of rows that came back: `locations=1, properties=4, tags=2, \
                     members=1`."),
                ("OpenStack-Image-Revert-Warnings" = String, description =
                    "Warnings, joined by `; `. Absent if there is none."),
                ("OpenStack-Image-Revert-Dry-Run" = String, description =
                    "`true` in a dry run; otherwise absent.")
            )),
        AdminErrors, ImageErrors, RevertErrors
    )
)]
pub(crate) async fn revert_image(
    AdminCaller(admin): AdminCaller,
    State(state): State<ApiState>,
    Extension(context): Extension<RequestContext>,
    ImageIdPath(id): ImageIdPath,
    _: NoParameters,
    OptionalBody(body): OptionalBody<RevertBody>,
) -> Result<Response, ApiError> {
    let request = body.into_request(state.view.settings.default_verify);
    context.note(|case| {
        case.dry_run = Some(request.dry_run);
        case.options = Some(request.to_string());
    });
    if request.verify == Verify::Checksum {
        context.lift_deadline();
    }
    let result = state.reverter.revert(&admin, &id, &request).await.map_err(ApiError::from);
    let outcome = result.as_ref().map_or_else(|error| error.reason, of_done);
    metrics::counter!(metric::REVERTS_TOTAL, "outcome" => outcome).increment(1);
    let reverted = result?;
    let headers = headers(&reverted, request.dry_run);
    Ok((headers, JsonAnswer(ImageDocument::of(&reverted.image, &state.view))).into_response())
}

/// The metric's outcome of a successful revert.
pub(crate) fn of_done(reverted: &Reverted) -> &'static str {
    if reverted.repeated { "repeated" } else { "reverted" }
}

fn headers(reverted: &Reverted, dry_run: bool) -> HeaderMap {
    let counts = reverted.restored;
    let restored = format!(
        "locations={}, properties={}, tags={}, members={}",
        counts.locations, counts.properties, counts.tags, counts.members
    );
    let mut headers = HeaderMap::new();
    headers.insert(RESTORED, header_value(&restored));
    if !reverted.warnings.is_empty() {
        headers.insert(WARNINGS, header_value(&reverted.warnings.join("; ")));
    }
    if dry_run {
        headers.insert(DRY_RUN, HeaderValue::from_static("true"));
    }
    headers
}

/// Replaces everything but visible ASCII and spaces by `?`.
fn header_value(text: &str) -> HeaderValue {
    let safe = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let text: String = text.chars().map(safe).take(MAX_WARNINGS).collect();
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_visible_ascii() {
        assert_eq!(header_value("höwdy\r\nX: y").to_str().unwrap(), "h?wdy??X: y");
    }
}
