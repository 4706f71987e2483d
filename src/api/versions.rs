//! The version document that OpenStack clients request first.
//!
//! Formatted like Glance's (`glance/api/versions.py`), with two differences: `/` also answers 200,
//! which every client accepts, and the link is a path, which is right behind any proxy
//! (keystoneauth joins it with the address it requested).

use axum::Router;
use axum::routing::get;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::JsonAnswer;
use super::openapi::responses::OpenErrors;
use super::state::ApiState;

/// The versions of the API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = super::openapi::examples::versions)]
pub struct Versions {
    /// One for each version.
    pub versions: Vec<Version>,
}

/// A version of the API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    /// Version, such as `v2.0`.
    pub id: String,
    /// `CURRENT` for the newest one.
    pub status: String,
    /// Links to the version.
    pub links: Vec<VersionLink>,
}

/// A link to a version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionLink {
    /// Relation of the link: `self`.
    pub rel: String,
    /// Path of the version, relative to the address of this service.
    pub href: String,
}

fn document() -> JsonAnswer<Versions> {
    let link = VersionLink { rel: "self".to_owned(), href: "/v2/".to_owned() };
    let version =
        Version { id: "v2.0".to_owned(), status: "CURRENT".to_owned(), links: vec![link] };
    JsonAnswer(Versions { versions: vec![version] })
}

/// Show the versions of the API
///
/// No token needed, because OpenStack clients request it without one.
#[utoipa::path(
    get, path = "/", operation_id = "getVersions", tag = "versions", security(),
    responses(
        (status = 200, description = "The versions.", body = Versions,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        OpenErrors
    )
)]
pub(crate) async fn get_versions() -> JsonAnswer<Versions> {
    document()
}

/// List the versions of the API
///
/// The same as `/`; Glance has this path too.
#[utoipa::path(
    get, path = "/versions", operation_id = "listVersions", tag = "versions", security(),
    responses(
        (status = 200, description = "The versions.", body = Versions,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        OpenErrors
    )
)]
pub(crate) async fn list_versions() -> JsonAnswer<Versions> {
    document()
}

/// Show the version of an endpoint that ends in `/v2`
///
/// The same as `/`; also at `/v2/`.
#[utoipa::path(
    get, path = "/v2", operation_id = "getV2", tag = "versions", security(),
    responses(
        (status = 200, description = "The versions.", body = Versions,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        OpenErrors
    )
)]
pub(crate) async fn get_v2() -> JsonAnswer<Versions> {
    document()
}

/// `/v2/`, which OpenAPI tools would report as a duplicate of `/v2`.
pub(crate) fn undocumented() -> Router<ApiState> {
    Router::new().route("/v2/", get(get_v2))
}
