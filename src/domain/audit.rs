//! Audit entries: each is written in the transaction of the change itself, if our own tables exist.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::image::{Image, ImageId};
use super::principal::{Admin, AuthMethod};
use super::time::Timestamp;

/// Size limit of an entry's details, in bytes.
const MOST_DETAILS: usize = 8 << 10;

/// The API's operation id of a revert.
pub const REVERT_IMAGE: &str = "revertImage";
/// The operation that removes for good what stores have kept of an image.
pub const PURGE_RETAINED: &str = "purgeRetained";
/// The operation that ends a hold.
pub const RELEASE_IMAGE: &str = "releaseImage";

/// The origin of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The HTTP API.
    Api,
    /// The command line.
    Cli,
    /// A scrub pass.
    Scrubber,
}

impl Source {
    /// Its name in rows and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Scrubber => "scrubber",
        }
    }
}

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The issuer's id of the caller; `scrubber` for a pass.
    pub subject: String,
    /// The caller's display name.
    pub name: Option<String>,
    /// The issuer that authenticated the caller.
    pub issuer: Option<String>,
    /// How the caller was authenticated.
    pub method: Option<&'static str>,
    /// The token's scope.
    pub scope: Option<String>,
    /// Where the change came from.
    pub source: Source,
    /// This service's request id.
    pub request_id: Option<String>,
}

impl Actor {
    /// The scrubber itself.
    pub fn scrubber() -> Self {
        Self {
            subject: "scrubber".to_owned(),
            name: None,
            issuer: None,
            method: None,
            scope: None,
            source: Source::Scrubber,
            request_id: None,
        }
    }
}

impl From<&Admin> for Actor {
    fn from(admin: &Admin) -> Self {
        let who = admin.principal();
        let source = match who.method {
            AuthMethod::CommandLine => Source::Cli,
            AuthMethod::Jwt | AuthMethod::Keystone | AuthMethod::TokenReview => Source::Api,
        };
        Self {
            subject: who.subject.clone(),
            name: who.name.clone(),
            issuer: Some(who.issuer.clone()),
            method: Some(who.method.as_str()),
            scope: who.scope.clone(),
            source,
            request_id: admin.request_id().map(str::to_owned),
        }
    }
}

/// An image as recorded in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedImage {
    /// Its id.
    pub id: ImageId,
    /// Its project.
    pub owner: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

impl From<&Image> for AuditedImage {
    fn from(image: &Image) -> Self {
        Self { id: image.id.clone(), owner: image.owner.clone(), name: image.name.clone() }
    }
}

/// One change that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The API's operation id, or `scrubImage`.
    pub operation: &'static str,
    /// Who.
    pub actor: Actor,
    /// The image, if it concerns one.
    pub image: Option<AuditedImage>,
    /// Further details.
    details: Map<String, Value>,
}

impl AuditEntry {
    /// An entry without an image; [`Self::about`] sets one.
    pub fn new(at: Timestamp, operation: &'static str, actor: Actor) -> Self {
        Self { at, operation, actor, image: None, details: Map::new() }
    }

    /// Sets the image.
    #[must_use]
    pub fn about(self, image: impl Into<AuditedImage>) -> Self {
        Self { image: Some(image.into()), ..self }
    }

    /// The entry for the end of the image's hold, which this change causes. It comes a moment
    /// earlier, so that the change itself is the image's last entry.
    #[must_use]
    pub fn release_of_hold(&self) -> Self {
        let at = self.at - TimeDelta::microseconds(1);
        let entry = Self::new(at, RELEASE_IMAGE, self.actor.clone());
        Self { image: self.image.clone(), ..entry.with("because", self.operation) }
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The details as JSON text; if too long, the longest ones are replaced.
    pub fn details(&self) -> String {
        let text =
            |details: &Map<String, Value>| serde_json::to_string(details).unwrap_or_default();
        let (mut details, mut all) = (self.details.clone(), text(&self.details));
        while all.len() > MOST_DETAILS {
            let longest = details.iter().max_by_key(|(_, value)| value.to_string().len());
            let Some(longest) = longest.map(|(name, _)| name.clone()) else { break };
            details.insert(longest, json!("too long"));
            let shorter = text(&details);
            if shorter.len() >= all.len() {
                return "{}".to_owned();
            }
            all = shorter;
        }
        all
    }
}

/// Which entries to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Only those about this image.
    pub image: Option<ImageId>,
    /// Only those of this actor.
    pub actor: Option<String>,
    /// Only those of this operation.
    pub operation: Option<String>,
    /// Only those at this time or later.
    pub after: Option<Timestamp>,
    /// Only those before this time.
    pub before: Option<Timestamp>,
    /// Only those that follow this entry's id in the list.
    pub marker: Option<String>,
    /// At most this many.
    pub limit: u32,
}

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct AuditRow {
    pub id: String,
    pub at: Timestamp,
    pub operation: String,
    pub outcome: String,
    pub image_id: Option<String>,
    pub owner: Option<String>,
    pub name: Option<String>,
    pub actor: String,
    pub actor_name: Option<String>,
    pub actor_issuer: Option<String>,
    pub actor_method: Option<String>,
    pub actor_scope: Option<String>,
    pub source: String,
    pub host: Option<String>,
    pub request_id: Option<String>,
    pub details: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_that_are_too_long_lose_the_longest_of_them() {
        let at = "2026-11-22T12:00:00".parse().unwrap();
        let entry = AuditEntry::new(at, REVERT_IMAGE, Actor::scrubber());
        let entry = entry.with("warnings", "x".repeat(MOST_DETAILS)).with("updated_at", "then");
        assert_eq!(entry.details(), r#"{"updated_at":"then","warnings":"too long"}"#);
    }
}
