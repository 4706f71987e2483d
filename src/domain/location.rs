//! Locations of image data: Glance's `image_locations` rows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::time::Timestamp;

/// `image_locations.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocationStatus {
    /// The data serves the image.
    Active,
    /// The data waits to be scrubbed.
    PendingDelete,
    /// The data is gone.
    Deleted,
}

impl LocationStatus {
    /// Parses Glance's spelling; `None` for an unknown status.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "pending_delete" => Some(Self::PendingDelete),
            "deleted" => Some(Self::Deleted),
            _ => None,
        }
    }

    /// Glance's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PendingDelete => "pending_delete",
            Self::Deleted => "deleted",
        }
    }
}

/// `image_locations.value` as stored: a URI, or its cipher text if `metadata_encryption_key` is
/// set. May contain credentials, so it is never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LocationValue(String);

impl LocationValue {
    /// Wraps a column's text.
    pub fn new(stored: String) -> Self {
        Self(stored)
    }

    /// The column's text.
    pub fn as_stored(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LocationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocationValue(..)")
    }
}

/// `image_locations.meta_data`. Users can write it, so an unreadable value names no store and is no
/// error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocationMetadata {
    text: String,
    store: Option<String>,
}

impl LocationMetadata {
    /// Reads the column. `store` names the store (multi-store Glance writes it; Stein wrote
    /// `backend`).
    pub fn read(text: Option<String>) -> Self {
        let text = text.unwrap_or_default();
        let names = serde_json::from_str::<StoreNames>(&text)
            .or_else(|_| serde_json::from_str(&without_nan(&text)))
            .unwrap_or_default();
        Self { text, store: names.0 }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the column is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The object as JSON; empty if it is not an object.
    pub fn shown(&self) -> Map<String, Value> {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// The only member that is read. All others are skipped, however deeply nested.
#[derive(Default)]
struct StoreNames(Option<String>);

impl<'de> Deserialize<'de> for StoreNames {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(StoreNamesVisitor)
    }
}

struct StoreNamesVisitor;

impl<'de> Visitor<'de> for StoreNamesVisitor {
    type Value = StoreNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<StoreNames, M::Error> {
        let (mut store, mut backend) = (None, None);
        while let Some(Name(name)) = members.next_key()? {
            match name.as_slice() {
                b"store" => store = members.next_value::<Value>()?.as_str().map(str::to_owned),
                b"backend" => backend = members.next_value::<Value>()?.as_str().map(str::to_owned),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(StoreNames(store.or(backend)))
    }
}

/// The name of a member, which may have half of a surrogate pair.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
        Ok(Name(name.to_owned()))
    }
}

/// Replaces `NaN` and `Infinity`, which Python writes and JSON does not allow, by `null`.
fn without_nan(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (index, part) in outside_and_inside_of_strings(text).enumerate() {
        if index % 2 == 0 {
            let part = part.replace("-Infinity", "null").replace("Infinity", "null");
            plain.push_str(&part.replace("NaN", "null"));
        } else {
            plain.push_str(part);
        }
    }
    plain
}

/// Splits the text into parts outside and inside strings, quotation marks included.
fn outside_and_inside_of_strings(text: &str) -> impl Iterator<Item = &str> {
    let (mut rest, mut inside) = (text, false);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if inside { end_of_string(rest) } else { rest.find('"').unwrap_or(rest.len()) };
        let (part, after) = rest.split_at(end);
        rest = after;
        inside = !inside;
        Some(part)
    })
}

/// The end of the string that begins here.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    let closing = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    closing.map_or(text.len(), |(at, _)| at + 1)
}

/// One row of `image_locations`.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// `image_locations.id`.
    pub id: i32,
    /// `image_locations.value`.
    pub value: LocationValue,
    /// `image_locations.meta_data`.
    pub metadata: LocationMetadata,
    /// `image_locations.status`.
    pub status: LocationStatus,
    /// `image_locations.deleted`.
    pub deleted: bool,
    /// `image_locations.deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

impl Location {
    /// The store that the row names.
    pub fn store(&self) -> Option<&str> {
        self.metadata.store.as_deref()
    }

    /// Whether the row serves its image now.
    pub fn is_live(&self) -> bool {
        self.status == LocationStatus::Active && !self.deleted
    }

    /// Whether a scrubber has claimed the data: `pending_delete` without a time, which Glance never
    /// writes.
    pub fn is_claimed(&self) -> bool {
        self.status == LocationStatus::PendingDelete && self.deleted_at.is_none()
    }

    /// When the data began to wait: at a DELETE, or when the location was removed.
    pub fn stamp(&self) -> Option<Timestamp> {
        self.deleted_at.filter(|_| self.status == LocationStatus::PendingDelete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_read_from_metadata_that_only_python_accepts() {
        let deep = format!(r#"{{"x": {}1{}, "store": "fast"}}"#, "[".repeat(500), "]".repeat(500));
        for (text, store) in [
            (r#"{"store": "fast"}"#, Some("fast")),
            (r#"{"backend": "old"}"#, Some("old")),
            (r#"{"backend": "old", "store": "fast"}"#, Some("fast")),
            (r#"{"store": "slow", "store": "fast"}"#, Some("fast")),
            (r#"{"x": NaN, "y": [-Infinity, Infinity], "store": "fast"}"#, Some("fast")),
            (r#"{"x": "NaN \" NaN", "y": NaN, "store": "NaN"}"#, Some("NaN")),
            (r#"{"x": 1e400, "store": "fast"}"#, Some("fast")),
            (r#"{"x": "\ud800", "store": "fast"}"#, Some("fast")),
            (r#"{"\ud800": "x", "store": "fast"}"#, Some("fast")),
            (r#"{"\u0073tore": "fast"}"#, Some("fast")),
            (&deep, Some("fast")),
            (r#"{"store": 5}"#, None),
            (r#"{"store": null}"#, None),
            ("[1]", None),
            ("null", None),
            ("", None),
            ("{", None),
        ] {
            let metadata = LocationMetadata::read(Some(text.to_owned()));
            assert_eq!(metadata.store.as_deref(), store, "{text}");
        }
        assert_eq!(LocationMetadata::read(None).store, None);
    }
}
