//! The OpenAPI document, generated from the handlers.
//!
//! utoipa generates OpenAPI 3.1; the published form is 3.0.3, which every client generator reads
//! (some fail on 3.1's `type: [string, "null"]`). See [`downgrade`]. The 3.1 form is published too.

pub mod downgrade;
pub mod examples;
pub mod responses;

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi as Document};
use utoipa::{Modify, OpenApi};

use super::error::ErrorBody;

/// What handlers do not define: title, licence, authentication, shared responses.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "glance-revert",
        description = "Brings back OpenStack Glance images that were deleted with \
            `delayed_delete` and are not scrubbed yet. For admins only.\n\n\
            Every response has the header `x-openstack-request-id`; every error has the body \
            `Error`.",
        license(name = "Apache-2.0", url = "https://www.apache.org/licenses/LICENSE-2.0"),
        contact(name = "The operators of this service")
    ),
    servers((url = "/", description = "The service that served this document")),
    tags(
        (name = "images", description = "Bring a deleted image back."),
        (name = "pending deletes", description = "Deleted images that can still be reverted."),
        (name = "scrubber", description = "What the scrubber will destroy, and how to pause or \
            accept it."),
        (name = "audit", description = "Recorded changes, and who made them."),
        (name = "versions", description = "Versions and documents of this service; no token \
            needed.")
    ),
    components(schemas(ErrorBody)),
    modifiers(&Shared)
)]
struct Base;

struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("bearerAuth", bearer());
        components.add_security_scheme("keystoneToken", keystone());
        components.responses.extend(responses::shared());
        let no_scopes: [&str; 0] = [];
        document.security = Some(vec![
            SecurityRequirement::new("bearerAuth", no_scopes),
            SecurityRequirement::new("keystoneToken", no_scopes),
        ]);
    }
}

fn bearer() -> SecurityScheme {
    let about = "A JWT of a configured issuer.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(scheme.description(Some(about)).build())
}

fn keystone() -> SecurityScheme {
    let about = "A Keystone token with the admin role, if Keystone is configured. A service that \
        forwards a call adds its own token as X-Service-Token.";
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-Auth-Token", about)))
}

/// The document without operations; the router adds each with its route.
pub(crate) fn base() -> Document {
    Base::openapi()
}

/// The published OpenAPI versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Specification {
    /// The served version, which every generator reads.
    V3_0,
    /// The same document for tools that want the newer version.
    V3_1,
}

/// The document.
#[must_use]
pub fn document(specification: Specification) -> Value {
    let (_, generated) = super::operations().split_for_parts();
    // Plain data with text keys: serialising it cannot fail.
    let mut document = serde_json::to_value(&generated).unwrap_or_default();
    no_body_is_needed(&mut document);
    match specification {
        Specification::V3_0 => downgrade::to_3_0(document),
        Specification::V3_1 => document,
    }
}

/// Operations whose body fields all have defaults.
const WITHOUT_BODY: [&str; 3] = ["revertImage", "holdImage", "pauseScrubber"];

/// utoipa marks a body as required unless it may be `null`; these are optional.
fn no_body_is_needed(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    let is_one = |operation: &&mut Value| {
        let id = operation.get("operationId").and_then(Value::as_str);
        id.is_some_and(|id| WITHOUT_BODY.contains(&id))
    };
    for operation in operations.flat_map(Map::values_mut).filter(is_one) {
        if let Some(body) = operation.get_mut("requestBody").and_then(Value::as_object_mut) {
            body.insert("required".to_owned(), Value::Bool(false));
        }
    }
}

/// The id of the operation at a route; HEAD is GET without its body.
pub(crate) fn operation_id(method: &Method, path: &str) -> Option<&'static str> {
    static IDS: LazyLock<HashMap<(String, String), String>> = LazyLock::new(operation_ids);
    let method = if method == Method::HEAD { &Method::GET } else { method };
    IDS.get(&(method.as_str().to_lowercase(), path.to_owned())).map(String::as_str)
}

/// Operation ids by method and path.
fn operation_ids() -> HashMap<(String, String), String> {
    let document = document(Specification::V3_0);
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods.filter_map(move |(method, operation)| {
            let id = operation.get("operationId")?.as_str()?;
            Some(((method.clone(), path.clone()), id.to_owned()))
        })
    });
    operations.collect()
}

/// The document as JSON text, in a stable order, with a newline at its end.
#[must_use]
pub fn to_json(specification: Specification) -> String {
    let text = serde_json::to_string_pretty(&Ordered(document(specification))).unwrap_or_default();
    format!("{text}\n")
}

/// The document as YAML text, in a stable order.
#[must_use]
pub fn to_yaml(specification: Specification) -> String {
    let text = yaml_serde::to_string(&Ordered(document(specification))).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(with_time_as_text).collect();
    lines.join("\n") + "\n"
}

/// The files of `openapi/`, by name.
#[must_use]
pub fn files() -> [(&'static str, String); 4] {
    use Specification::{V3_0, V3_1};
    [
        ("openapi.json", to_json(V3_0)),
        ("openapi.yaml", to_yaml(V3_0)),
        ("openapi-3.1.json", to_json(V3_1)),
        ("openapi-3.1.yaml", to_yaml(V3_1)),
    ]
}

/// Quotes times, which YAML 1.1 parsers (`PyYAML`) would not read as text.
fn with_time_as_text(line: &str) -> String {
    match line.split_once(": ") {
        Some((key, value)) if chrono::DateTime::parse_from_rfc3339(value).is_ok() => {
            format!("{key}: '{value}'")
        }
        Some(_) | None => line.to_owned(),
    }
}

/// The order of the document's top-level parts; everything below is sorted by name.
const READING_ORDER: [&str; 7] =
    ["openapi", "info", "servers", "tags", "security", "paths", "components"];

struct Ordered(Value);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = READING_ORDER.iter().filter_map(|part| self.0.get(part).map(|of| (part, of)));
        serializer.collect_map(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_yaml_are_text_for_every_reader() {
        assert_eq!(with_time_as_text("  a: 2026-11-22T12:59:35Z"), "  a: '2026-11-22T12:59:35Z'");
        assert_eq!(with_time_as_text("  a: text"), "  a: text");
    }

    #[test]
    fn every_part_of_the_document_is_written() {
        for specification in [Specification::V3_0, Specification::V3_1] {
            let document = document(specification);
            let mut parts = document.as_object().unwrap().keys();
            assert!(parts.all(|part| READING_ORDER.contains(&part.as_str())));
            let json = serde_json::from_str::<Value>(&to_json(specification)).unwrap();
            let yaml = yaml_serde::from_str::<Value>(&to_yaml(specification)).unwrap();
            assert_eq!((&json, &yaml), (&document, &document));
        }
    }
}
