//! The committed OpenAPI document, and what generated clients need from it.

use std::collections::HashSet;
use std::path::Path;

use glance_revert::api::openapi::{self, Specification};
use serde_json::Value;

use crate::support::api::TestApi;

#[test]
fn the_committed_documents_are_what_the_code_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
    for (file, expected) in openapi::files() {
        let committed = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert!(committed == expected, "openapi/{file} is out of date: run `make openapi`");
    }
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let answer = TestApi::new().get_anonymously("/openapi.json").await;
    assert_eq!(answer.json(), openapi::document(Specification::V3_0));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn nothing_of_openapi_3_1_is_left() {
    let document = openapi::document(Specification::V3_0);
    assert_eq!(document["openapi"], "3.0.3");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let text = document.to_string();
    for word in [r#""type":["#, r#""type":"null""#, "propertyNames", "jsonSchemaDialect", "$defs"] {
        assert!(!text.contains(word), "{word}");
    }
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, of)| (format!("{method} {path}"), of))
    });
    operations.collect()
}

#[test]
fn every_operation_has_one_tag_a_unique_id_and_all_its_errors() {
    let document = openapi::document(Specification::V3_0);
    let mut ids = HashSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id) && id.chars().all(char::is_alphanumeric), "{name}: {id}");
        assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{name}");
        let responses = operation["responses"].as_object().unwrap();
        let guarded = operation["security"] != serde_json::json!([]);
        let common: &[&str] = &["400", "408", "414", "431", "500"];
        let admin: &[&str] = &["401", "403", "429", "503"];
        for status in common.iter().chain(if guarded { admin } else { &[] }) {
            let target = responses[*status]["$ref"].as_str().unwrap();
            let response = document.pointer(target.trim_start_matches('#')).unwrap();
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Error", "{name} {status}");
        }
        let success = &responses["200"]["headers"]["x-openstack-request-id"];
        assert!(success["description"].is_string(), "{name}");
    }
    assert_eq!(ids.len(), 21);
}

#[test]
fn only_the_open_routes_are_open() {
    let document = openapi::document(Specification::V3_0);
    let open: Vec<_> = operations(&document)
        .into_iter()
        .filter(|(_, operation)| operation.get("security").is_some())
        .map(|(name, _)| name)
        .collect();
    let known = ["get /", "get /openapi.json", "get /v2", "get /versions", "post /v2/login"];
    assert_eq!(open.into_iter().collect::<HashSet<_>>(), known.map(str::to_owned).into());
    assert_eq!(
        document["security"],
        serde_json::json!([{"bearerAuth": []}, {"keystoneToken": []}])
    );
}

#[test]
fn response_fields_may_grow_and_images_keep_their_properties() {
    let document = openapi::document(Specification::V3_0);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        if !["RevertRequest", "BulkRevertRequest", "RestoreOrSkip", "Verify"]
            .contains(&name.as_str())
        {
            let text = schema.to_string();
            for word in [r#""enum":"#, r#""maxLength":"#, r#""pattern":"#] {
                assert!(!text.contains(word), "{name}: {word}");
            }
        }
    }
    assert_eq!(schemas["Image"]["additionalProperties"]["type"], "string");
    assert_eq!(schemas["Image"]["properties"]["owner"]["nullable"], true);
}

/// The page at `/docs` fills its form with examples: with an old date the list would look empty.
#[test]
fn no_filter_of_the_list_has_an_example() {
    let document = openapi::document(Specification::V3_0);
    let parameters = &document["paths"]["/v2/pending-deletes"]["get"]["parameters"];
    let filled: Vec<_> = parameters
        .as_array()
        .unwrap()
        .iter()
        .filter(|parameter| {
            !parameter["example"].is_null() || !parameter["schema"]["example"].is_null()
        })
        .map(|parameter| &parameter["name"])
        .collect();
    assert_eq!(filled, ["sort"]);
}
