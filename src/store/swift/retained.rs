//! Retained data of a versioned container: finding it, reading it, restoring it.

use reqwest::{Method, StatusCode};

use super::client::{Path, Target, answered, quoted, success};
use super::large::Large;
use super::versions::{Keeping, is_mark};
use super::{Shape, SwiftStore, shape};
use crate::domain::store::{ObjectStream, Retained};
use crate::domain::time::Timestamp;
use crate::net::Response;
use crate::store::http_fault::Fault;
use crate::store::streamed;

/// Which version of an object, and where it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Version<'v> {
    /// Beside the object, by its own id.
    Id(&'v str),
    /// In another container, under this name.
    In(&'v str, &'v str),
}

impl<'v> Version<'v> {
    /// Parses [`Version::text`].
    fn parse(text: &'v str) -> Self {
        text.split_once('/').map_or(Self::Id(text), |(container, name)| Self::In(container, name))
    }

    /// Ids and names of containers contain no slash.
    fn text(&self) -> String {
        match self {
            Self::Id(id) => (*id).to_owned(),
            Self::In(container, name) => format!("{container}/{name}"),
        }
    }
}

impl SwiftStore {
    /// The newest version with data of a deleted object.
    pub(super) async fn kept(&self, target: &Target) -> Result<Option<Retained>, Fault> {
        let keeping = Keeping::of(success(self.head_container(target).await?)?.headers())?;
        let (listed, how) = keeping.versions(&self.client, target).await?;
        let newest = |marks: bool| {
            let some = listed.iter().filter(move |one| is_mark(one) == marks);
            some.max_by(|a, b| a.last_modified.cmp(&b.last_modified))
        };
        let Some(data) = newest(false) else { return Ok(None) };
        let version = match (&keeping, &data.version_id) {
            (Keeping::Archive { container, .. }, _) => Version::In(container, &data.name),
            (_, Some(id)) => Version::Id(id),
            (_, None) => return Ok(None),
        };
        let head = self.version(Method::HEAD, target, &version).await?;
        let large = match (shape(&success(head)?, target)?, &version) {
            (Shape::Plain { size }, _) => {
                let since = newest(true).or(Some(data)).and_then(|one| time(&one.last_modified));
                let version = version.text();
                return Ok(Some(Retained { version, size, since, until: None, how }));
            }
            (Shape::Fixed { .. }, Version::Id(id)) => self.fixed_kept(target, id).await?,
            (Shape::Dynamic, Version::Id(id)) => self.dynamic_kept(target, id).await?,
            // copying a manifest would copy the data of its segments
            (Shape::Fixed { .. } | Shape::Dynamic, Version::In(..)) => None,
        };
        let since = newest(true).or(Some(data)).and_then(|one| time(&one.last_modified));
        let how = format!("{how} and of its segments");
        Ok(large.map(|large| Retained {
            version: large.text(),
            size: large.size(),
            since,
            until: None,
            how,
        }))
    }

    pub(super) async fn read_kept(
        &self,
        target: &Target,
        version: &str,
    ) -> Result<Option<ObjectStream>, Fault> {
        if let Some(large) = Large::parse(version) {
            return self.read_large(target, large).await;
        }
        let answer = self.version(Method::GET, target, &Version::parse(version)).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            _ => Ok(Some(streamed(success(answer)?))),
        }
    }

    /// Restores this version as the object, unless there is one.
    pub(super) async fn bring_back(&self, target: &Target, version: &str) -> Result<(), Fault> {
        let there = self.client.ask(Method::HEAD, target, target.path()).await?;
        match there.status() {
            StatusCode::NOT_FOUND => {}
            status if status.is_success() => {
                return Err(Fault::Unclear("another object came to its place".to_owned()));
            }
            _ => return Err(answered(&there)),
        }
        let large = Large::parse(version);
        if let Some(large) = &large {
            self.bring_segments_back(target, large).await?;
        }
        let version = large.as_ref().map_or(version, |large| &large.manifest);
        let (query, copy_from) = match Version::parse(version) {
            Version::Id(id) => (format!("version-id={}", quoted(id)), None),
            Version::In(container, name) => {
                (String::new(), Some(format!("/{}/{}", quoted(container), quoted(name))))
            }
        };
        success(self.client.put(target, &query, copy_from).await?)?;
        Ok(())
    }

    async fn version(
        &self,
        method: Method,
        target: &Target,
        version: &Version<'_>,
    ) -> Result<Response, Fault> {
        match version {
            Version::Id(id) => {
                let query = format!("version-id={}", quoted(id));
                let (container, object) = (target.container.as_str(), Some(&*target.object));
                self.client.ask(method, target, Path { container, object, query: &query }).await
            }
            Version::In(container, name) => {
                let path = Path { container, object: Some(*name), query: "" };
                self.client.ask(method, target, path).await
            }
        }
    }
}

/// A time as Swift lists it, in UTC.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()
}
