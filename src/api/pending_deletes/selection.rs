//! Parses which images a request selects: ids, or a project, a time window and a name pattern.

use std::fmt;

use super::query::{storable, time};
use crate::api::error::RequestError;
use crate::domain::image::ImageId;
use crate::domain::selection::{Filter, NamePattern, Selection, SelectionError};

/// Most ids per request.
pub(super) const MAX_IMAGES: usize = 1000;
/// Longest part of a selection shown in the audit record.
const MAX_SHOWN: usize = 300;

/// A parsed selection.
pub(super) struct Named {
    /// The images.
    pub(super) selection: Selection,
    /// Texts that are not possible image ids.
    pub(super) impossible: Vec<String>,
    shown: String,
}

/// For the audit record.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Parses the selection fields of a body.
pub(super) fn selection(
    image_ids: Option<Vec<String>>,
    owner: Option<&str>,
    name: Option<&str>,
    deleted_after: Option<&str>,
    deleted_before: Option<&str>,
) -> Result<Named, RequestError> {
    let shown = shown(image_ids.as_deref(), owner, name, deleted_after, deleted_before);
    let texts = image_ids.unwrap_or_default();
    if texts.len() > MAX_IMAGES {
        let text = format!(
            "image_ids may have at most {MAX_IMAGES} ids; send the others in another request."
        );
        return Err(RequestError::Invalid(text));
    }
    let name = name.map(NamePattern::parse).transpose().map_err(invalid)?;
    let filter = Filter {
        owner: storable("owner", owner.map(str::to_owned).as_ref())?,
        deleted_after: time("deleted_after", deleted_after)?,
        deleted_before: time("deleted_before", deleted_before)?,
        name,
    };
    let (mut ids, mut impossible) = (Vec::new(), Vec::new());
    for text in texts {
        match ImageId::parse(&text) {
            Ok(id) => ids.push(id),
            Err(_) => impossible.push(text),
        }
    }
    let by_id = ids.is_empty() && !impossible.is_empty();
    let selection = if by_id && filter.is_empty() {
        Selection::Images(ids)
    } else if by_id {
        return Err(invalid(SelectionError::Both));
    } else {
        Selection::new(ids, filter).map_err(invalid)?
    };
    Ok(Named { selection, impossible, shown })
}

#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
fn invalid(error: SelectionError) -> RequestError {
    let text = match error {
        SelectionError::Everything => {
            "Send image_ids, owner, deleted_after or deleted_before: without them the selection \
             would have every pending image."
        }
        SelectionError::Both => "Send either image_ids, or owner, times and name, not both.",
        SelectionError::EmptyWindow => "deleted_before must be later than deleted_after.",
        SelectionError::Pattern => "name must have 1 to 255 characters.",
    };
    RequestError::Invalid(text.to_owned())
}

fn shown(
    image_ids: Option<&[String]>,
    owner: Option<&str>,
    name: Option<&str>,
    deleted_after: Option<&str>,
    deleted_before: Option<&str>,
) -> String {
    let ids = image_ids.map(|ids| ids.len().to_string());
    let parts = [
        ("image_ids", ids.as_deref()),
        ("owner", owner),
        ("name", name),
        ("deleted_after", deleted_after),
        ("deleted_before", deleted_before),
    ];
    let given = parts.into_iter().filter_map(|(field, value)| Some((field, value?)));
    let short = |value: &str| value.chars().take(MAX_SHOWN).collect::<String>();
    let words: Vec<_> = given.map(|(field, value)| format!("{field}={}", short(value))).collect();
    words.join(" ")
}
