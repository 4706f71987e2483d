//! The input of retention rules: an image as it was when it was deleted.

use std::collections::{HashMap, HashSet};

use crate::domain::image::{Image, ImageStatus, Property, Tag};
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// Prefix of properties that belong to Glance's import tasks and never come back.
const RESERVED_PROPERTIES: &str = "os_glance_";

/// An image as it was when it was deleted; a living image, as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `images.owner`.
    pub owner: Option<String>,
    /// `images.visibility`.
    pub visibility: String,
    /// `images.name`.
    pub name: Option<String>,
    /// `images.size`.
    pub size: Option<i64>,
    /// Its tags, possibly only the requested ones.
    pub tags: HashSet<String>,
    /// Its properties, possibly only the requested ones; without those that have no value.
    pub properties: HashMap<String, String>,
}

/// The tags and property names that rules refer to. A tenant can create any number of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Tags.
    pub tags: HashSet<String>,
    /// Names of properties.
    pub properties: HashSet<String>,
}

impl Labels {
    /// Whether the rules refer to none.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.properties.is_empty()
    }

    /// Adds others.
    pub fn add(&mut self, others: Self) {
        self.tags.extend(others.tags);
        self.properties.extend(others.properties);
    }
}

/// The columns of an image that decide which children were deleted with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// `images.status`.
    pub status: ImageStatus,
    /// `images.deleted`.
    pub deleted: bool,
    /// `images.deleted_at`.
    pub deleted_at: Option<Timestamp>,
}

impl From<&Image> for Deletion {
    fn from(image: &Image) -> Self {
        Self { status: image.status, deleted: image.deleted, deleted_at: image.deleted_at }
    }
}

impl Deletion {
    /// Whether a tag or member with this time was deleted with the image: at exactly its time.
    pub fn is_moment(self, at: Option<Timestamp>) -> bool {
        at.is_some() && at == self.deleted_at
    }

    /// The last time at which a property can have been deleted with the image. The DELETE stamps
    /// all properties again when it changes the status, before it stamps the image itself; a DELETE
    /// that died earlier has deleted none.
    pub fn properties_until(self) -> Option<Timestamp> {
        let is_active = self.status == ImageStatus::Active;
        match self.deleted_at {
            Some(at) if self.deleted || is_active => Some(at),
            Some(_) | None if is_active => None,
            Some(_) | None => Some(FAR_FUTURE),
        }
    }

    /// Whether a revert would bring the property back.
    pub fn took(self, property: &Property) -> bool {
        let until = self.properties_until();
        let stamped = property.deleted_at.is_some() && property.deleted_at <= until;
        property.deleted && stamped && !property.name.starts_with(RESERVED_PROPERTIES)
    }
}

impl Facts {
    /// The facts that a revert of the image would restore; of a living image, its present ones.
    pub fn of(image: &Image) -> Self {
        let mut facts = Self {
            owner: image.owner.clone(),
            visibility: image.visibility.clone(),
            name: image.name.clone(),
            size: image.size,
            ..Self::default()
        };
        let deletion = Deletion::from(image);
        image.tags.iter().for_each(|tag| facts.add_tag(deletion, tag));
        image.properties.iter().for_each(|property| facts.add_property(deletion, property));
        facts
    }

    /// Drops all other tags and properties.
    pub fn keep(&mut self, wanted: &Labels) {
        self.tags.retain(|tag| wanted.tags.contains(tag));
        self.properties.retain(|name, _| wanted.properties.contains(name));
    }

    /// Adds a tag if the image had it.
    pub fn add_tag(&mut self, deletion: Deletion, tag: &Tag) {
        if !tag.deleted || deletion.is_moment(tag.deleted_at) {
            self.tags.insert(tag.value.clone());
        }
    }

    /// Adds a property if the image had it. A live one overrides a deleted one.
    pub fn add_property(&mut self, deletion: Deletion, property: &Property) {
        let Property { name, value: Some(value), deleted, .. } = property else { return };
        if !deleted {
            self.properties.insert(name.clone(), value.clone());
        } else if deletion.took(property) {
            self.properties.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}
