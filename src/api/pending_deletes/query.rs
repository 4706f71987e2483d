//! Parsing of list parameters, and the page links that carry them on.

use std::fmt::Write;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::RequestError;
use crate::domain::image::ImageId;
use crate::domain::repo::{PendingMarker, PendingQuery, PendingSort, PendingSummary};
use crate::domain::store::StoreId;
use crate::domain::time::Timestamp;

/// Path of the list.
const PATH: &str = "/v2/pending-deletes";

/// Encodes all but RFC 3986's unreserved characters.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Time format in markers; sorts as text and keeps the databases' full precision.
const MARKER_TIME: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// Largest page.
pub(super) const MAX_LIMIT: u32 = 1000;

/// The parameters as they came.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Images in a page.
    #[param(minimum = 1, maximum = 1000, default = 100, value_type = Option<u32>,
        nullable = false)]
    pub limit: Option<String>,
    /// Start after this image: the marker of a `next` link, or an image's id. If that image is no
    /// longer deleted, the list starts from the beginning, so that no image is missed.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 63,
        pattern = "^([!-~]{1,36}|\
        [1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))\
        T([01][0-9]|2[0-3])(:[0-5][0-9]){2}[.][0-9]{6}_[!-~]{1,36})$"
    )]
    pub marker: Option<String>,
    /// Only images of this project.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub owner: Option<String>,
    /// Only images of exactly this name.
    #[param(nullable = false, pattern = r"^[^\x00]*$")]
    pub name: Option<String>,
    /// Only images of this visibility: `public`, `private`, `shared` or `community`.
    #[param(nullable = false, pattern = "^(public|private|shared|community)$")]
    pub visibility: Option<String>,
    /// Only images with data in this store; an unknown name is refused. The service must read the
    /// locations to know the store, so this is slow if the store has few of many images.
    #[param(nullable = false)]
    pub store: Option<String>,
    /// Only images that can be reverted (`true`), or cannot (`false`), judged by their rows alone.
    #[param(nullable = false, pattern = "^(true|false)$")]
    pub revertible: Option<String>,
    /// Only images that are held (`true`), or not held (`false`).
    #[param(nullable = false, pattern = "^(true|false)$")]
    pub held: Option<String>,
    /// Only images deleted at this time or later: RFC 3339 as in `2026-11-22T12:00:00Z`, UTC if no
    /// zone is given.
    #[param(nullable = false, format = DateTime)]
    pub deleted_after: Option<String>,
    /// Only images deleted before this time: RFC 3339 as in `2026-11-22T12:00:00Z`, UTC if no zone
    /// is given.
    #[param(nullable = false, format = DateTime)]
    pub deleted_before: Option<String>,
    /// Order: `deleted_at:desc` (the default; also `deleted_at`) shows the last deleted image
    /// first, `deleted_at:asc` the image that will be scrubbed first.
    #[param(nullable = false, example = "deleted_at:desc", pattern = "^deleted_at(:(asc|desc))?$")]
    pub sort: Option<String>,
}

/// Where a page starts, as given by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// A marker from a `next` link.
    Position(PendingMarker),
    /// An image's id, as openstacksdk sends the last one of a page.
    Image(ImageId),
}

impl ListParameters {
    /// Images in a page.
    pub fn limit(&self) -> Result<u32, RequestError> {
        let Some(text) = &self.limit else {
            return Ok(100);
        };
        let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| invalid(format!("limit must be a whole number from 1 to {MAX_LIMIT}.")))
    }

    /// Where the page starts.
    pub fn marker(&self) -> Result<Option<Marker>, RequestError> {
        let Some(text) = &self.marker else {
            return Ok(None);
        };
        let marker = position(text).map(Marker::Position);
        let marker = marker.or_else(|| ImageId::parse(text).map(Marker::Image).ok());
        let refused =
            || invalid("marker must be the one of a next link, or an image id.".to_owned());
        marker.map(Some).ok_or_else(refused)
    }

    /// The database query except its start; asks for one image more than the page holds, to know
    /// whether there is another page.
    pub fn to_query(&self) -> Result<PendingQuery, RequestError> {
        Ok(PendingQuery {
            owner: storable("owner", self.owner.as_ref())?,
            name: storable("name", self.name.as_ref())?,
            visibility: visibility(self.visibility.as_deref())?,
            store: self.store.clone().map(StoreId),
            revertible: truth("revertible", self.revertible.as_deref())?,
            held: truth("held", self.held.as_deref())?,
            deleted_after: time("deleted_after", self.deleted_after.as_deref())?,
            deleted_before: time("deleted_before", self.deleted_before.as_deref())?,
            sort: match self.sort.as_deref() {
                None | Some("deleted_at" | "deleted_at:desc") => PendingSort::NewestFirst,
                Some("deleted_at:asc") => PendingSort::OldestFirst,
                Some(_) => {
                    return Err(invalid(
                        "sort must be deleted_at:desc or deleted_at:asc.".to_owned(),
                    ));
                }
            },
            marker: None,
            limit: self.limit()? + 1,
        })
    }

    /// The link to the first page.
    #[must_use]
    pub fn first_link(&self) -> String {
        self.link(None)
    }

    /// The link to the page after this image.
    #[must_use]
    pub fn next_link(&self, last: &PendingSummary) -> String {
        self.link(Some(&marker_text(&PendingMarker::from(last))))
    }

    fn link(&self, marker: Option<&str>) -> String {
        let parameters = [
            ("limit", self.limit.as_deref()),
            ("owner", self.owner.as_deref()),
            ("name", self.name.as_deref()),
            ("visibility", self.visibility.as_deref()),
            ("store", self.store.as_deref()),
            ("revertible", self.revertible.as_deref()),
            ("held", self.held.as_deref()),
            ("deleted_after", self.deleted_after.as_deref()),
            ("deleted_before", self.deleted_before.as_deref()),
            ("sort", self.sort.as_deref()),
            ("marker", marker),
        ];
        link(PATH, &parameters)
    }
}

/// Path and query of a page, with those of these parameters that were given.
pub(crate) fn link(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut link = path.to_owned();
    let given = parameters.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    for (at, (name, value)) in given.enumerate() {
        let separator = if at == 0 { '?' } else { '&' };
        let value = utf8_percent_encode(value, QUERY_VALUE);
        // Writing to a String cannot fail.
        let _ = write!(link, "{separator}{name}={value}");
    }
    link
}

/// An error, since an empty page would tell a client that it has seen everything.
pub(super) fn unknown_marker() -> RequestError {
    invalid("marker is not an image in Glance; follow the next link of a page.".to_owned())
}

pub(super) fn truth(parameter: &str, text: Option<&str>) -> Result<Option<bool>, RequestError> {
    match text {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(invalid(format!("{parameter} must be true or false."))),
    }
}

/// Refuses other words, which would match nothing.
pub(super) fn visibility(text: Option<&str>) -> Result<Option<String>, RequestError> {
    match text {
        None | Some("public" | "private" | "shared" | "community") => Ok(text.map(str::to_owned)),
        Some(_) => {
            Err(invalid("visibility must be public, private, shared or community.".to_owned()))
        }
    }
}

pub(super) fn invalid(message: String) -> RequestError {
    RequestError::Invalid(message)
}

/// Writes a marker.
pub(super) fn marker_text(marker: &PendingMarker) -> String {
    format!("{}_{}", marker.deleted_at.format(MARKER_TIME), marker.id)
}

/// Parses a marker.
pub(super) fn position(text: &str) -> Option<PendingMarker> {
    let (time, id) = text.split_once('_')?;
    let deleted_at = NaiveDateTime::parse_from_str(time, MARKER_TIME).ok()?;
    let id = ImageId::parse(id).ok()?;
    // The parser is not strict: it takes signs, spaces and missing zeros.
    let ours = year_is_usual(deleted_at) && deleted_at.format(MARKER_TIME).to_string() == time;
    ours.then_some(PendingMarker { deleted_at, id })
}

/// Refuses NUL, which PostgreSQL does not allow in text; no name has one.
pub(crate) fn storable(
    parameter: &str,
    value: Option<&String>,
) -> Result<Option<String>, RequestError> {
    match value {
        Some(value) if value.contains('\0') => {
            Err(invalid(format!("{parameter} must not contain a NUL character.")))
        }
        value => Ok(value.cloned()),
    }
}

pub(crate) fn time(parameter: &str, text: Option<&str>) -> Result<Option<Timestamp>, RequestError> {
    let Some(text) = text else {
        return Ok(None);
    };
    // A `+` that was not percent-encoded arrives as a space.
    let zoned = text.replace(' ', "+");
    // Without a zone; and as openapi-generator's clients write it: `12:00:00+0000` in Python,
    // `12:00:00 +00:00` in Rust.
    let parsed = DateTime::parse_from_rfc3339(&zoned)
        .or_else(|_| DateTime::parse_from_rfc3339(&format!("{zoned}Z")))
        .or_else(|_| text.parse::<DateTime<FixedOffset>>());
    let parsed = parsed.ok().map(|time| time.naive_utc()).filter(|time| year_is_usual(*time));
    let refused = || invalid(format!("{parameter} must be a time such as 2026-11-22T12:59:35Z."));
    parsed.map(Some).ok_or_else(refused)
}

/// Databases cannot store other years.
fn year_is_usual(time: Timestamp) -> bool {
    (1..=9999).contains(&time.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        time("deleted_after", Some(text)).ok().flatten().map(|time| time.to_string())
    }

    #[test]
    fn times_are_rfc_3339_and_utc_where_no_zone_is_given() {
        let noon = Some("2026-11-22 12:00:00".to_owned());
        assert_eq!(parsed("2026-11-22T12:00:00Z"), noon);
        assert_eq!(parsed("2026-11-22T12:00:00"), noon);
        assert_eq!(parsed("2026-11-22T14:00:00+02:00"), noon);
        assert_eq!(parsed("2026-11-22T14:00:00 02:00"), noon, "an unencoded plus");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "yesterday", "2026-11-22", "2026-13-01T00:00:00Z", "12026-11-22T12:00:00Z"]
        {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert_eq!(parsed("0001-01-01T00:00:00+23:00"), None, "before year 1");
    }

    #[test]
    fn a_marker_of_ours_is_a_position_and_anything_else_an_image() {
        let marker = |text: &str| {
            ListParameters { marker: Some(text.to_owned()), ..Default::default() }.marker()
        };
        let ours = marker("2026-11-22T12:59:35.123456_a_b").unwrap();
        assert!(matches!(ours, Some(Marker::Position(p)) if p.id.as_str() == "a_b"));
        let image = marker("bfc6e7ec-f6cf-4f92-8276-f2f6afe31222").unwrap();
        assert!(matches!(image, Some(Marker::Image(_))));
        for neither in [
            "",
            "2026-11-22T12:59:35.123456_a b",
            "2026-11-22T25:59:35.123456_a0123456789",
            "+2026-11-22T12:59:35.123456_a0123456789",
            "2026-11-22T 2:59:35.123456_a0123456789",
            "2026-11-22T12:59:35.1234567_a0123456789",
            "2026-11-22T12%3A59%3A35.123456_a0123456789",
        ] {
            assert!(marker(neither).is_err(), "{neither}");
        }
    }

    #[test]
    fn links_keep_the_query_and_encode_it() {
        let parameters = ListParameters {
            name: Some("a&b=c d+höwdy".to_owned()),
            limit: Some("2".to_owned()),
            marker: Some("x".to_owned()),
            ..Default::default()
        };
        assert_eq!(
            parameters.first_link(),
            "/v2/pending-deletes?limit=2&name=a%26b%3Dc%20d%2Bh%C3%B6wdy"
        );
    }
}
