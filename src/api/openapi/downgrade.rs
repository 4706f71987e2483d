//! Converts OpenAPI 3.1 to 3.0.3, as far as utoipa's output and plain JSON Schema need.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// JSON Schema 2020-12 keywords without an equivalent in OpenAPI 3.0 that only narrow or annotate:
/// without them the schema accepts a little more.
const DROPPED: [&str; 14] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "propertyNames",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "if",
    "contentSchema",
];

/// Converts a whole document to 3.0.3.
pub fn to_3_0(mut document: Value) -> Value {
    if let Value::Object(root) = &mut document {
        root.insert("openapi".to_owned(), json!("3.0.3"));
        root.remove("jsonSchemaDialect");
        root.remove("webhooks");
        if let Some(Value::Object(info)) = root.get_mut("info") {
            info.remove("summary");
            if let Some(Value::Object(license)) = info.get_mut("license") {
                license.remove("identifier");
            }
        }
        root.values_mut().for_each(walk);
    }
    document
}

/// Finds the schemas. Examples and the like are data and stay unchanged.
fn walk(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(parts) => {
            for (name, part) in parts.iter_mut() {
                match name.as_str() {
                    "schema" => schema(part),
                    "schemas" => each(part),
                    "example" | "examples" | "default" | "enum" => {}
                    _ => walk(part),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Converts every schema of a map or list.
fn each(schemas: &mut Value) {
    match schemas {
        Value::Object(named) => named.values_mut().for_each(schema),
        Value::Array(listed) => listed.iter_mut().for_each(schema),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn schema(value: &mut Value) {
    if *value == json!(true) {
        *value = json!({});
    }
    let Value::Object(parts) = value else {
        return;
    };
    parts.retain(|name, _| !DROPPED.contains(&name.as_str()));
    for (name, part) in parts.iter_mut() {
        match name.as_str() {
            "properties" | "allOf" | "oneOf" | "anyOf" | "prefixItems" => each(part),
            "items" | "not" => schema(part),
            "additionalProperties" if part.is_object() => schema(part),
            _ => {}
        }
    }
    types(parts);
    null_alternative(parts, "oneOf");
    null_alternative(parts, "anyOf");
    values(parts);
    limit(parts, "exclusiveMinimum", "minimum");
    limit(parts, "exclusiveMaximum", "maximum");
    content(parts);
    tuple(parts);
    reference(parts);
}

/// `type: [string, "null"]` becomes `type: string, nullable: true`; several types become `anyOf`.
fn types(parts: &mut Object) {
    let listed = match parts.get("type") {
        Some(Value::Array(listed)) => listed.clone(),
        Some(one) if one == "null" => vec![one.clone()],
        _ => return,
    };
    parts.remove("type");
    let (nulls, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|one| one == "null");
    if !nulls.is_empty() {
        parts.insert("nullable".to_owned(), json!(true));
    }
    match others.as_slice() {
        [] => {}
        [one] => {
            parts.insert("type".to_owned(), one.clone());
        }
        several => {
            let any: Vec<_> = several.iter().map(|one| json!({"type": one})).collect();
            parts.insert("anyOf".to_owned(), Value::Array(any));
        }
    }
}

/// `oneOf: [{type: "null"}, X]` becomes X, nullable. Runs after the alternatives were converted,
/// when a null type is `{nullable: true}`.
fn null_alternative(parts: &mut Object, keyword: &str) {
    let is_null = |one: &Value| *one == json!({"nullable": true});
    let Some(Value::Array(alternatives)) = parts.get_mut(keyword) else {
        return;
    };
    let before = alternatives.len();
    alternatives.retain(|one| !is_null(one));
    if alternatives.len() == before {
        return;
    }
    let only = if alternatives.len() == 1 { alternatives.pop() } else { None };
    parts.insert("nullable".to_owned(), json!(true));
    match only {
        Some(Value::Object(inner)) if !inner.contains_key("$ref") => {
            parts.remove(keyword);
            for (name, part) in inner {
                parts.entry(name).or_insert(part);
            }
        }
        Some(inner) => {
            parts.remove(keyword);
            parts.insert("allOf".to_owned(), json!([inner]));
        }
        None => {}
    }
}

/// `examples: [x, ..]` becomes `example: x`, `const: x` becomes `enum: [x]`.
fn values(parts: &mut Object) {
    if let Some(Value::Array(examples)) = parts.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        parts.entry("example").or_insert(first);
    }
    if let Some(only) = parts.remove("const") {
        parts.insert("enum".to_owned(), json!([only]));
    }
}

/// `exclusiveMinimum: 0` becomes `minimum: 0, exclusiveMinimum: true`.
fn limit(parts: &mut Object, exclusive: &str, inclusive: &str) {
    if let Some(bound) = parts.get(exclusive).filter(|bound| bound.is_number()).cloned() {
        parts.insert(inclusive.to_owned(), bound);
        parts.insert(exclusive.to_owned(), json!(true));
    }
}

/// `contentEncoding: base64` becomes `format: byte`, other binary content `format: binary`.
fn content(parts: &mut Object) {
    let encoding = parts.remove("contentEncoding");
    let media_type = parts.remove("contentMediaType");
    if encoding.is_some() || media_type.is_some() {
        let base64 = encoding == Some(json!("base64"));
        let format = if base64 { "byte" } else { "binary" };
        parts.insert("format".to_owned(), json!(format));
    }
}

/// `prefixItems: [A, B]` becomes `items: {anyOf: [A, B]}`.
fn tuple(parts: &mut Object) {
    if let Some(items) = parts.remove("prefixItems") {
        parts.insert("items".to_owned(), json!({"anyOf": items}));
    }
}

/// In 3.0 siblings of `$ref` are ignored, so it moves into `allOf`.
fn reference(parts: &mut Object) {
    if parts.len() > 1
        && let Some(target) = parts.remove("$ref")
    {
        parts.insert("allOf".to_owned(), json!([{"$ref": target}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(mut from: Value) -> Value {
        schema(&mut from);
        from
    }

    #[test]
    fn a_type_or_null_is_nullable() {
        assert_eq!(
            turned(json!({"type": ["string", "null"], "description": "d"})),
            json!({"type": "string", "nullable": true, "description": "d"})
        );
        assert_eq!(
            turned(json!({"type": ["string", "integer"]})),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}]})
        );
    }

    #[test]
    fn a_reference_or_null_is_all_of_it_nullable() {
        let reference = json!({"$ref": "#/components/schemas/A"});
        assert_eq!(
            turned(json!({"oneOf": [{"type": "null"}, reference]})),
            json!({"allOf": [reference], "nullable": true})
        );
    }

    #[test]
    fn a_schema_or_null_is_merged_and_several_stay() {
        assert_eq!(
            turned(json!({"anyOf": [{"type": "string"}, {"type": "null"}], "title": "t"})),
            json!({"type": "string", "nullable": true, "title": "t"})
        );
        assert_eq!(
            turned(json!({"oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]})),
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": true})
        );
    }

    #[test]
    fn keywords_next_to_a_reference_are_kept() {
        assert_eq!(
            turned(json!({"$ref": "#/a", "description": "d"})),
            json!({"allOf": [{"$ref": "#/a"}], "description": "d"})
        );
        assert_eq!(turned(json!({"$ref": "#/a"})), json!({"$ref": "#/a"}));
    }

    #[test]
    fn values_and_limits_take_their_old_form() {
        assert_eq!(
            turned(json!({"const": "a", "examples": ["x", "y"], "exclusiveMinimum": 0})),
            json!({"enum": ["a"], "example": "x", "minimum": 0, "exclusiveMinimum": true})
        );
        assert_eq!(
            turned(json!({"type": "string", "contentEncoding": "base64"})),
            json!({"type": "string", "format": "byte"})
        );
    }

    #[test]
    fn schemas_are_turned_at_every_depth() {
        assert_eq!(
            turned(json!({
                "type": "object",
                "propertyNames": {"type": "string"},
                "properties": {"const": {"type": ["integer", "null"]}},
                "additionalProperties": {"type": ["string", "null"]},
                "items": true
            })),
            json!({
                "type": "object",
                "properties": {"const": {"type": "integer", "nullable": true}},
                "additionalProperties": {"type": "string", "nullable": true},
                "items": {}
            })
        );
    }

    #[test]
    fn a_document_keeps_its_examples_and_loses_what_is_new() {
        let document = to_3_0(json!({
            "openapi": "3.1.0",
            "jsonSchemaDialect": "x",
            "info": {"summary": "s", "license": {"name": "n", "identifier": "i", "url": "u"}},
            "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {
                "schema": {"type": ["string", "null"]},
                "examples": {"one": {"value": {"type": ["a", "null"], "const": 1}}}
            }}}}}}}
        }));
        assert_eq!(
            document,
            json!({
                "openapi": "3.0.3",
                "info": {"license": {"name": "n", "url": "u"}},
                "paths": {"/a": {"get": {"responses": {"200": {"content": {"application/json": {
                    "schema": {"type": "string", "nullable": true},
                    "examples": {"one": {"value": {"type": ["a", "null"], "const": 1}}}
                }}}}}}}
            })
        );
    }
}
