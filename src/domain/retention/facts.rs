//! The input of retention rules: an image as it was when it was deleted.

use std::collections::{HashMap, HashSet};

use crate::domain::image::{Image, Property, Tag};
use crate::domain::pending::ImageDeletion;

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
        let deletion = ImageDeletion::from(image);
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
    pub fn add_tag(&mut self, deletion: ImageDeletion, tag: &Tag) {
        if !tag.deleted || deletion.took(tag.deleted_at) {
            self.tags.insert(tag.value.clone());
        }
    }

    /// Adds a property if the image had it. A live one overrides a deleted one.
    pub fn add_property(&mut self, deletion: ImageDeletion, property: &Property) {
        let Property { name, value: Some(value), deleted, .. } = property else { return };
        if !deleted {
            self.properties.insert(name.clone(), value.clone());
        } else if deletion.took_property(property) {
            self.properties.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}
