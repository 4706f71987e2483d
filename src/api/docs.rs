//! The OpenAPI document and the page that displays it, both compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::openapi::responses::OpenErrors;
use super::openapi::{self, Specification};
use super::state::ApiState;

/// The page needs its own scripts and inline styles, and nothing from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// An OpenAPI document.
#[derive(ToSchema)]
#[schema(as = OpenapiDocument, example = openapi::examples::openapi)]
#[expect(dead_code, reason = "only describes what is served; the text itself is made elsewhere")]
struct OpenapiDocument {
    /// Version of the OpenAPI specification.
    openapi: String,
    /// Title, version, licence.
    info: BTreeMap<String, Value>,
    /// The operations, by path.
    paths: BTreeMap<String, Value>,
    /// Schemas, responses and security schemes that operations share.
    components: BTreeMap<String, Value>,
    /// All other parts.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Show this document
///
/// The API described in OpenAPI 3.0.3. `/docs` shows it as a page.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenapi", tag = "versions", security(),
    responses(
        (status = 200, description = "The document.", body = OpenapiDocument,
            headers(("x-openstack-request-id" = String, description = "The request's id."))),
        OpenErrors
    )
)]
pub(crate) async fn get_openapi() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::to_json(Specification::V3_0));
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// `/docs`: Swagger UI.
pub(crate) fn router() -> Router<ApiState> {
    // Without a validator: by default the page sends the document to another site.
    let config = Config::from("/openapi.json").validator_url("none");
    Router::from(SwaggerUi::new("/docs").config(config)).layer(map_response(guarded))
}

async fn guarded(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}
