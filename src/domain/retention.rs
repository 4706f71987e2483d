//! Retention rules: how long a deleted image waits until it may be scrubbed.
//!
//! The first rule that matches decides; if none does, Glance's `scrub_time` does. Everything that
//! reports when an image is due uses [`Retention::due_at`].

mod facts;
mod kept;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

pub use self::facts::{Facts, Labels};
pub use self::kept::{InForce, KeptText};

use super::selection::{NamePattern, SelectionError};
use super::time::Timestamp;

/// A name pattern, as written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    text: String,
    pattern: NamePattern,
}

impl Glob {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        Ok(Self { text: text.to_owned(), pattern: NamePattern::parse(text)? })
    }
}

impl TryFrom<String> for Glob {
    type Error = SelectionError;

    fn try_from(text: String) -> Result<Self, SelectionError> {
        Self::parse(&text)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

/// The conditions of a rule. An image must meet all of them; an unset condition matches every
/// image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The project.
    pub owner: Option<String>,
    /// The visibility.
    pub visibility: Option<String>,
    /// A pattern of the name.
    pub name: Option<Glob>,
    /// A tag.
    pub tag: Option<String>,
    /// A property and its value.
    pub property: Option<(String, String)>,
    /// The minimum size in bytes.
    pub min_size: Option<u64>,
    /// The maximum size in bytes.
    pub max_size: Option<u64>,
}

impl Conditions {
    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an image meets all conditions.
    fn fit(&self, image: &Facts) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        // an image without a size matches no condition on sizes
        let size = image.size.and_then(|size| u64::try_from(size).ok());
        is(&self.owner, image.owner.as_deref())
            && is(&self.visibility, Some(&image.visibility))
            && self
                .name
                .as_ref()
                .is_none_or(|glob| glob.pattern.fits(image.name.as_deref().unwrap_or_default()))
            && self.min_size.is_none_or(|least| size.is_some_and(|size| size >= least))
            && self.max_size.is_none_or(|most| size.is_some_and(|size| size <= most))
            && self.tag.as_ref().is_none_or(|tag| image.tags.contains(tag))
            && self.property.as_ref().is_none_or(|(name, value)| {
                image.properties.get(name).is_some_and(|found| found == value)
            })
    }
}

/// `[revert_retention:<name>]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The section's `<name>`.
    pub name: String,
    /// Which images it applies to.
    pub conditions: Conditions,
    /// How long they wait.
    pub scrub_time: Duration,
}

/// Rules, in the order in which they are tried. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Rule>", into = "Vec<Rule>")]
pub struct Rules(Arc<[Rule]>);

impl From<Vec<Rule>> for Rules {
    fn from(rules: Vec<Rule>) -> Self {
        Self(rules.into())
    }
}

impl From<Rules> for Vec<Rule> {
    fn from(rules: Rules) -> Self {
        rules.0.to_vec()
    }
}

impl Rules {
    /// Whether `scrub_time` alone decides.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// The first rule that matches.
    pub fn first(&self, image: &Facts) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.conditions.fit(image))
    }

    /// The tags and properties that the rules refer to.
    pub fn labels(&self) -> Labels {
        let mut labels = Labels::default();
        for Conditions { tag, property, .. } in self.0.iter().map(|rule| &rule.conditions) {
            labels.tags.extend(tag.clone());
            labels.properties.extend(property.iter().map(|(name, _)| name.clone()));
        }
        labels
    }
}

/// Rules, and `scrub_time` for images that no rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How long all others wait.
    pub scrub_time: Duration,
    /// The rules.
    pub rules: Rules,
}

impl Retention {
    /// The same time for all images.
    pub fn plain(scrub_time: Duration) -> Self {
        Self { scrub_time, rules: Rules::default() }
    }

    /// How long an image waits.
    pub fn wait(&self, image: &Facts) -> Duration {
        self.rules.first(image).map_or(self.scrub_time, |rule| rule.scrub_time)
    }

    /// The time from which an image deleted at `since` may be scrubbed.
    pub fn due_at(&self, image: &Facts, since: Timestamp) -> Timestamp {
        later(since, self.wait(image))
    }

    /// No image waits less.
    pub fn shortest(&self) -> Duration {
        self.times().min().unwrap_or(self.scrub_time)
    }

    /// No image waits longer.
    pub fn longest(&self) -> Duration {
        self.times().max().unwrap_or(self.scrub_time)
    }

    fn times(&self) -> impl Iterator<Item = Duration> {
        std::iter::once(self.scrub_time).chain(self.rules.iter().map(|rule| rule.scrub_time))
    }

    /// Whether every image waits at least as long as under `other`, as far as the rules alone can
    /// show it.
    pub fn covers(&self, other: &Self) -> bool {
        let pairs = || self.rules.iter().zip(other.rules.iter());
        let is_same_shape = self.rules.iter().count() == other.rules.iter().count()
            && pairs().all(|(ours, theirs)| ours.conditions == theirs.conditions);
        let is_longer = self.scrub_time >= other.scrub_time
            && pairs().all(|(ours, theirs)| ours.scrub_time >= theirs.scrub_time);
        self.shortest() >= other.longest() || (is_same_shape && is_longer)
    }
}

/// A time after another one, or the last representable time.
pub fn later(since: Timestamp, wait: Duration) -> Timestamp {
    let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
    since.checked_add_signed(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
