//! What stores keep of deleted data: versions, the newest of which can come back.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use glance_revert::domain::store::{ObjectStream, Remains, Retained};

use crate::objects::{Content, Objects, SIZE};

/// A deleted version.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) content: Content,
    /// When it was deleted.
    pub(crate) since: Duration,
}

impl Content {
    /// What is left of an object that was destroyed in part.
    pub(crate) const DAMAGED: &'static str = "damaged";

    pub(crate) fn stream(&self) -> ObjectStream {
        stream::iter([Ok(bytes(&self.of))]).boxed()
    }
}

/// The bytes of an image.
pub(crate) fn bytes(image: &str) -> Vec<u8> {
    image.bytes().chain(std::iter::repeat(b'.')).take(usize::try_from(SIZE).unwrap()).collect()
}

impl Objects {
    /// Whether the store of an object keeps what is deleted.
    pub(crate) fn is_keeper(&self, object: &str) -> bool {
        let store = object.split('/').next().unwrap_or_default();
        self.keepers.contains(&store)
    }

    /// What is kept of an object, the oldest first.
    pub(crate) fn versions(&self, name: &str) -> &[Version] {
        self.kept.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version that would come back.
    pub(crate) fn newest(&self, name: &str) -> Option<&Version> {
        self.versions(name).last().filter(|_| !self.has(name))
    }

    /// Whether there is an object, whole or damaged.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.whole.contains_key(name) || self.damaged.contains(name)
    }

    /// New data.
    pub(crate) fn put(&mut self, name: &str, of: &str) {
        self.last_version += 1;
        let content = Content { of: of.to_owned(), version: self.last_version };
        self.whole.insert(name.to_owned(), content);
        self.damaged.remove(name);
    }

    /// Removes an object, which its store may keep.
    pub(crate) fn remove(&mut self, name: &str, since: Duration) {
        let whole = self.whole.remove(name);
        let is_damaged = self.damaged.remove(name);
        self.last_version += 1;
        let of = Content::DAMAGED.to_owned();
        let damaged = is_damaged.then_some(Content { of, version: self.last_version });
        if let Some(content) = whole.or(damaged).filter(|_| self.is_keeper(name)) {
            self.kept.entry(name.to_owned()).or_default().push(Version { content, since });
        }
    }

    /// Makes the newest version current again, if it is this one.
    pub(crate) fn uncover(&mut self, name: &str, version: u64) -> Result<(), &'static str> {
        if self.has(name) {
            return Err("another object came to its place");
        }
        let kept = self.kept.entry(name.to_owned()).or_default();
        if kept.last().is_none_or(|newest| newest.content.version != version) {
            return Err("the store does not keep it any more");
        }
        let newest = kept.pop().map(|newest| newest.content);
        self.whole.extend(newest.map(|content| (name.to_owned(), content)));
        Ok(())
    }

    /// Removes a version for good, also if it is the current one: a request names only the version.
    pub(crate) fn forget(&mut self, name: &str, version: u64) {
        self.whole.retain(|other, content| other != name || content.version != version);
        if let Some(kept) = self.kept.get_mut(name) {
            kept.retain(|one| one.content.version != version);
        }
    }

    pub(crate) fn remains(&self, name: &str) -> Remains {
        let pieces = self.versions(name).len() as u64;
        Remains { pieces, bytes: pieces * SIZE }
    }

    pub(crate) fn retained(&self, name: &str) -> Option<Retained> {
        let newest = self.newest(name)?;
        Some(Retained {
            version: newest.content.version.to_string(),
            size: SIZE,
            since: None,
            until: None,
            how: "as an older version".to_owned(),
        })
    }
}
