//! Selects pending images: by id, or by project, deletion time and name.

use std::collections::HashSet;

use regex::Regex;

use super::image::{Image, ImageId};
use super::time::Timestamp;

/// Why a selection cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// It selects nothing.
    #[error("select images by ids, by project, or by the time of their deletion")]
    Everything,
    /// Ids combined with other criteria.
    #[error("select images either by ids, or by project, times and names, not both")]
    Both,
    /// Its window ends before it begins.
    #[error("the end of the selected time is not later than its start")]
    EmptyWindow,
    /// No name can match.
    #[error("a pattern of names has 1 to {} characters", NamePattern::LONGEST)]
    Pattern,
}

/// A name pattern: `*` matches any characters, `?` one, `\` escapes the next character.
/// Case-sensitive, and the whole name must match.
#[derive(Debug, Clone)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Longest name that Glance's column holds.
    const LONGEST: usize = 255;

    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        if !(1..=Self::LONGEST).contains(&text.chars().count()) {
            return Err(SelectionError::Pattern);
        }
        let mut pattern = "(?s)^".to_owned();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' => pattern.push_str(".*"),
                '?' => pattern.push('.'),
                '\\' => pattern.push_str(&literal(characters.next().unwrap_or('\\'))),
                other => pattern.push_str(&literal(other)),
            }
        }
        pattern.push('$');
        Regex::new(&pattern).map(Self).map_err(|_| SelectionError::Pattern)
    }

    /// Whether a name matches.
    pub fn fits(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

fn literal(character: char) -> String {
    regex::escape(character.encode_utf8(&mut [0; 4]))
}

/// Pending images with these properties.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this project.
    pub owner: Option<String>,
    /// Only those deleted at this time or later.
    pub deleted_after: Option<Timestamp>,
    /// Only those deleted before this time.
    pub deleted_before: Option<Timestamp>,
    /// Only those whose name matches.
    pub name: Option<NamePattern>,
}

impl Filter {
    /// Whether it has no criteria.
    pub fn is_empty(&self) -> bool {
        let Self { owner, deleted_after, deleted_before, name } = self;
        owner.is_none() && deleted_after.is_none() && deleted_before.is_none() && name.is_none()
    }

    /// Whether an image with this owner and name matches. Databases differ in what they call equal;
    /// here the comparison is exact.
    pub fn fits(&self, owner: Option<&str>, name: Option<&str>) -> bool {
        self.owner.as_deref().is_none_or(|wanted| owner == Some(wanted))
            && self.name.as_ref().is_none_or(|wanted| wanted.fits(name.unwrap_or_default()))
    }
}

/// The selected images. Never all of them: ids, a project or a time must be given.
#[derive(Debug, Clone)]
pub enum Selection {
    /// These images, each once, in this order.
    Images(Vec<ImageId>),
    /// The pending images that match.
    Waiting(Filter),
}

impl Selection {
    /// Whether images are selected by id.
    pub fn is_by_id(&self) -> bool {
        matches!(self, Self::Images(_))
    }

    /// Whether it selects nothing at all.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Images(ids) if ids.is_empty())
    }

    /// Builds a selection from a caller's criteria.
    pub fn new(ids: Vec<ImageId>, filter: Filter) -> Result<Self, SelectionError> {
        if !ids.is_empty() {
            if !filter.is_empty() {
                return Err(SelectionError::Both);
            }
            let mut seen = HashSet::new();
            let ids = ids.into_iter().filter(|id| seen.insert(id.clone()));
            return Ok(Self::Images(ids.collect()));
        }
        let (after, before) = (filter.deleted_after, filter.deleted_before);
        if filter.owner.is_none() && after.is_none() && before.is_none() {
            return Err(SelectionError::Everything);
        }
        if before.is_some_and(|before| Some(before) <= after) {
            return Err(SelectionError::EmptyWindow);
        }
        Ok(Self::Waiting(filter))
    }
}

/// A selected image, according to its row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Glance's columns")]
pub struct Candidate {
    pub id: ImageId,
    pub name: Option<String>,
    pub owner: Option<String>,
    pub size: Option<i64>,
    /// `None` for an image that is not deleted or does not exist.
    pub deleted_at: Option<Timestamp>,
}

impl Candidate {
    /// An image of which only the id is known.
    pub fn unknown(id: ImageId) -> Self {
        Self { id, name: None, owner: None, size: None, deleted_at: None }
    }
}

impl From<Image> for Candidate {
    fn from(image: Image) -> Self {
        let deleted_at = image.deleted_at.filter(|_| image.deleted);
        Self { id: image.id, name: image.name, owner: image.owner, size: image.size, deleted_at }
    }
}

/// Receives one candidate at a time, so that many are never in memory.
pub type TakeCandidate<'a> = &'a mut (dyn FnMut(Candidate) + Send);

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        NamePattern::parse(pattern).unwrap().fits(name)
    }

    #[test]
    fn a_pattern_is_a_whole_name_with_stars_and_question_marks() {
        for (pattern, name) in [
            ("debian-13", "debian-13"),
            ("debian-*", "debian-"),
            ("debian-*", "debian-13\nsecond line"),
            ("*-1?", "debian-13"),
            ("h?wdy", "höwdy"),
            (r"50\*", "50*"),
            (r"a\", r"a\"),
            ("a.b(c)[d]^$", "a.b(c)[d]^$"),
            ("*", ""),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("debian-13", "debian-130"),
            ("debian", "Debian"),
            ("a.b", "axb"),
            ("?", ""),
            (r"50\*", "501"),
            ("a", "b\na"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_complicated_pattern_is_matched_quickly() {
        let name = "a".repeat(255);
        assert!(!fits(&format!("{}b", "*a".repeat(127)), &name));
        assert!(NamePattern::parse("").is_err());
        assert!(NamePattern::parse(&"é".repeat(256)).is_err());
        assert!(fits(&"é".repeat(255), &"é".repeat(255)));
    }

    fn ids(texts: &[&str]) -> Vec<ImageId> {
        texts.iter().map(|text| ImageId::parse(text).unwrap()).collect()
    }

    fn at(hour: u32) -> Timestamp {
        chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(hour, 0, 0).unwrap()
    }

    #[test]
    fn a_selection_is_never_everything_by_mistake() {
        let refused = |ids, filter| Selection::new(ids, filter).unwrap_err();
        let name = NamePattern::parse("*").ok();
        assert_eq!(refused(vec![], Filter::default()), SelectionError::Everything);
        let named = Filter { name: name.clone(), ..Filter::default() };
        assert_eq!(refused(vec![], named.clone()), SelectionError::Everything);
        assert_eq!(refused(ids(&["a"]), named), SelectionError::Both);
        let window = |deleted_after, deleted_before| Filter {
            deleted_after,
            deleted_before,
            ..Filter::default()
        };
        let (three, four) = (Some(at(3)), Some(at(4)));
        assert_eq!(refused(vec![], window(three, three)), SelectionError::EmptyWindow);
        for filter in [window(three, four), window(three, None), window(None, three)] {
            assert!(Selection::new(vec![], filter).is_ok());
        }
        let owned = Filter { owner: Some("p1".to_owned()), ..Filter::default() };
        assert!(Selection::new(vec![], owned).is_ok());
    }

    #[test]
    fn a_repeated_id_counts_once() {
        let selection = Selection::new(ids(&["b", "a", "b", "B"]), Filter::default()).unwrap();
        let Selection::Images(found) = selection else { panic!("{selection:?}") };
        assert_eq!(found, ids(&["b", "a", "B"]));
    }

    #[test]
    fn every_character_of_an_owner_counts() {
        let filter = Filter { owner: Some("p1".to_owned()), ..Filter::default() };
        assert!(filter.fits(Some("p1"), None));
        for other in [None, Some("P1"), Some("p1 "), Some("p")] {
            assert!(!filter.fits(other, None), "{other:?}");
        }
    }
}
