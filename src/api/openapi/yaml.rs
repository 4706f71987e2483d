//! JSON values as YAML text that every YAML reader reads alike: strings are always quoted, so none
//! is taken for a time, a number or a truth value.

use std::fmt::Write;

use serde_json::Value;

/// Block style, two spaces a level, map entries in the order of the value.
#[must_use]
pub(super) fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    // Writing to a String cannot fail.
    match value {
        Value::Object(parts) => {
            for (name, part) in parts {
                let _ = write!(text, "{indent}{}:", key(name));
                nested(part, depth, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(text, "{indent}-");
                nested(item, depth, text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(text, "{indent}{value}");
        }
    }
}

/// What follows a key or a dash: a short value on the same line, another block below.
fn nested(value: &Value, depth: usize, text: &mut String) {
    let empty = value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty);
    if empty || !(value.is_array() || value.is_object()) {
        let _ = writeln!(text, " {value}");
    } else {
        text.push('\n');
        block(value, depth + 1, text);
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&name.to_ascii_lowercase().as_str());
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_left_to_guess() {
        let value = json!({
            "200": {"time": "2026-11-22T12:59:35Z", "on": true, "none": null},
            "list": ["a\n\"b\"", 1, [], {}, {"x": [2]}]
        });
        let expected = "\"200\":\n  none: null\n  \"on\": true\n  time: \"2026-11-22T12:59:35Z\"\n\
                        list:\n  - \"a\\n\\\"b\\\"\"\n  - 1\n  - []\n  - {}\n  -\n    x:\n      - 2\n";
        assert_eq!(to_yaml(&value), expected);
    }
}
