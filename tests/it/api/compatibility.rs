//! Clients of the last release keep working.
//!
//! `openapi/released.json` is the document of that release; a release replaces it.

use std::collections::BTreeSet;

use glance_revert::api::openapi::{self, Specification};
use serde_json::{Value, json};

use crate::support::source::folder;

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flat_map(|o| o.keys().map(String::as_str)).collect()
}

fn texts(array: &Value) -> BTreeSet<&str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Every guarantee of `old` that `new` breaks.
fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut gone = |what: String, old: BTreeSet<&str>, new: BTreeSet<&str>| {
        found.extend(old.difference(&new).map(|name| format!("{what}: {name} is gone")));
    };
    gone("paths".into(), names(&old["paths"]), names(&new["paths"]));
    for path in names(&old["paths"]) {
        let (old, new) = (&old["paths"][path], &new["paths"][path]);
        gone(path.to_owned(), names(old), names(new));
        for method in names(old) {
            let (old, new) = (&old[method], &new[method]);
            let id = |of: &'_ Value| of["operationId"].as_str().map(str::to_owned);
            let place = format!("{method} {path}");
            let (was, is) = (id(old), id(new));
            gone(
                format!("{place} id"),
                was.as_deref().into_iter().collect(),
                is.as_deref().into_iter().collect(),
            );
            gone(format!("{place} answers"), names(&old["responses"]), names(&new["responses"]));
            gone(format!("{place} parameters"), parameters(old, false), parameters(new, false));
            gone(format!("{place} demands"), parameters(new, true), parameters(old, true));
        }
    }
    let (responses, schemas) = ("/components/responses", "/components/schemas");
    let at = |document: &Value, place: &str| document.pointer(place).cloned().unwrap_or_default();
    let (was, is) = (at(old, responses), at(new, responses));
    for name in names(&was) {
        let reasons = |of: &'_ Value| {
            texts(&of[name]["x-reasons"]).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let (was, is) = (reasons(&was), reasons(&is));
        gone(
            format!("{name} reasons"),
            was.iter().map(String::as_str).collect(),
            is.iter().map(String::as_str).collect(),
        );
    }
    let (was, is) = (at(old, schemas), at(new, schemas));
    gone("schemas".into(), names(&was), names(&is));
    for name in names(&was) {
        let (was, is) = (&was[name], &is[name]);
        gone(format!("{name} fields"), names(&was["properties"]), names(&is["properties"]));
        gone(format!("{name} words"), texts(&was["enum"]), texts(&is["enum"]));
        // A newly required request field breaks old clients, as does a response field that becomes
        // optional.
        let (asked, told) = if name == "RevertRequest" { (is, was) } else { (was, is) };
        gone(format!("{name} required"), texts(&asked["required"]), texts(&told["required"]));
        for field in names(&was["properties"]) {
            let kind = |of: &Value| of["properties"][field]["type"].as_str().map(str::to_owned);
            let (was, is) = (kind(was), kind(is));
            gone(
                format!("{name}.{field} type"),
                was.as_deref().into_iter().collect(),
                is.as_deref().into_iter().collect(),
            );
        }
    }
    found
}

fn parameters(operation: &Value, required: bool) -> BTreeSet<&str> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let wanted = parameters.filter(|one| !required || one["required"] == true);
    wanted.filter_map(|one| one["name"].as_str()).collect()
}

#[test]
fn nothing_of_the_last_release_was_removed() {
    let text = std::fs::read_to_string(folder("openapi").join("released.json")).unwrap();
    let released: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(broken(&released, &openapi::document(Specification::V3_0)), Vec::<String>::new());
}

#[test]
fn each_way_to_break_a_client_is_seen() {
    let old = openapi::document(Specification::V3_0);
    let seen = |pointer: &str, value: Option<Value>| {
        let mut new = old.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => parent.insert(name.replace("~1", "/"), value),
            None => parent.remove(&name.replace("~1", "/")),
        };
        broken(&old, &new)
    };
    let schemas = "/components/schemas";
    let revert = "/paths/~1v2~1images~1{image_id}~1actions~1revert/post";
    for (pointer, value) in [
        ("/paths/~1v2".to_owned(), None),
        (format!("{revert}/operationId"), Some(json!("undelete"))),
        (format!("{revert}/responses/409"), None),
        ("/paths/~1v2~1pending-deletes/get/parameters".to_owned(), Some(json!([]))),
        (format!("{schemas}/Image/properties/checksum"), None),
        (format!("{schemas}/Image/properties/size/type"), Some(json!("string"))),
        (format!("{schemas}/Image/required"), Some(json!(["id"]))),
        (format!("{schemas}/RevertRequest/required"), Some(json!(["verify"]))),
        (format!("{schemas}/Verify/enum"), Some(json!(["exists"]))),
        ("/components/responses/Conflict/x-reasons".to_owned(), Some(json!([]))),
    ] {
        assert!(!seen(&pointer, value).is_empty(), "{pointer}");
    }
    assert!(seen(&format!("{schemas}/Image/properties/new"), Some(json!({}))).is_empty());
}
