//! The document's examples, sent to the binary.

use glance_revert::api::openapi::{self, Specification};
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use crate::support::demo::{Demo, GOLDEN, KERNEL, LOST};

fn resolved<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    let target = node.get("$ref").and_then(Value::as_str);
    target.map_or(node, |target| document.pointer(target.trim_start_matches('#')).unwrap())
}

/// An operation's example bodies, or one request without a body.
fn bodies(operation: &Value) -> Vec<Option<Value>> {
    let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
    let shown = examples.as_object().into_iter().flat_map(|named| named.values());
    // Dry runs first, while their images are still pending.
    let mut shown: Vec<_> = shown.map(|example| Some(example["value"].clone())).collect();
    shown.sort_by_key(|body| body.as_ref().is_none_or(|body| body["dry_run"] != true));
    if shown.is_empty() { vec![None] } else { shown }
}

/// The examples of query parameters.
fn query(operation: &Value) -> Vec<(String, String)> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters
        .filter(|one| one["in"] == "query")
        .filter_map(|one| Some((one["name"].as_str()?, one["example"].as_str()?)))
        .map(|(name, example)| (name.to_owned(), example.to_owned()))
        .collect()
}

#[tokio::test]
async fn every_operation_answers_its_own_examples_as_the_document_says() {
    let document = openapi::document(Specification::V3_0);
    let demo = Demo::start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut images = [GOLDEN, GOLDEN, KERNEL, LOST].into_iter();
    let mut replayed = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["operationId"] == "logIn" {
                // Needs a Keystone: `api::login` tests it.
                continue;
            }
            for body in bodies(operation) {
                let image = if body.is_some() && path.contains("{image_id}") {
                    images.next().unwrap()
                } else {
                    GOLDEN
                };
                let url = format!("{}{}", demo.url, path.replace("{image_id}", image));
                let url = reqwest::Url::parse_with_params(&url, query(operation)).unwrap();
                let method = method.to_uppercase().parse().unwrap();
                let mut request = client.request(method, url.clone());
                if operation["security"] != serde_json::json!([]) {
                    request = request.header(AUTHORIZATION, demo.authorization());
                }
                if let Some(body) = &body {
                    request = request.json(body);
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200, "{url} {body:?}");
                let success = &operation["responses"]["200"];
                for header in success["headers"].as_object().unwrap().keys() {
                    let always = header == "x-openstack-request-id";
                    assert!(!always || answer.headers().contains_key(header), "{url}: {header}");
                }
                let schema = &success["content"]["application/json"]["schema"];
                let answer: Value = answer.json().await.unwrap();
                check(&document, schema, &answer, url.path());
                replayed += 1;
            }
        }
    }
    assert_eq!(replayed, 24);
}

/// Checks that required fields exist, that other fields are known or of the type of additional
/// ones, and that the schema's own example has the same shape.
fn check(document: &Value, schema: &Value, answer: &Value, place: &str) {
    let schema = resolved(document, schema);
    let properties = schema["properties"].as_object().unwrap();
    let example = schema["example"].as_object().unwrap();
    let answer = answer.as_object().unwrap();
    for name in schema["required"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(answer.contains_key(name), "{place}: no {name}");
        assert!(example.contains_key(name), "{place}: the example has no {name}");
    }
    let additional = &schema["additionalProperties"];
    for name in answer.keys().chain(example.keys()).filter(|name| !properties.contains_key(*name)) {
        assert!(additional.is_object(), "{place}: {name} is not in the document");
    }
}
