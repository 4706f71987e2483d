//! Recovers a large object in a versioned container, where the manifest and each segment have versions
//! of their own. A static manifest identifies its segments by their hashes. For a dynamic one the
//! newest version of each segment is used, and the hash of the whole image verifies the choice.

use std::collections::BTreeMap;

use futures::stream::{StreamExt, TryStreamExt, iter};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::client::{Listed, Path, Target, answered, json, quoted, success};
use super::segments::{Line, is_segment_of, segment_name};
use super::versions::is_mark;
use super::{SwiftStore, streamed};
use crate::domain::store::{ObjectStream, StoreError};
use crate::net::header;
use crate::store::http_fault::Fault;

/// One version of the manifest and one of each segment, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Large {
    pub(super) manifest: String,
    segments: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Piece {
    object: String,
    version: String,
    bytes: u64,
    hash: String,
}

impl Piece {
    fn of(listed: &Listed) -> Option<Self> {
        let version = listed.version_id.clone()?;
        let (object, hash) = (listed.name.clone(), listed.hash.clone());
        Some(Self { object, version, bytes: listed.bytes, hash })
    }
}

impl Large {
    /// Reads the form that [`Self::text`] writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As JSON, which no version id of Swift looks like.
    pub(super) fn text(&self) -> String {
        // serializing plain data cannot fail
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn size(&self) -> u64 {
        self.segments.iter().fold(0, |sum, one| one.bytes.saturating_add(sum))
    }
}

impl SwiftStore {
    /// The versions of the segments that a static manifest names; `None` if one is missing.
    pub(super) async fn fixed_kept(
        &self,
        target: &Target,
        manifest: &str,
    ) -> Result<Option<Large>, Fault> {
        let query = format!("multipart-manifest=get&version-id={}", quoted(manifest));
        let path = Path { query: &query, ..target.path() };
        let answer = success(self.client.ask(Method::GET, target, path).await?)?;
        let lines: Vec<Line> = json(answer, self.client.limit).await?;
        let listed = self.client.list(target, &target.container, &target.object, true).await?;
        let of = |line: &Line| {
            let name = line.name.trim_start_matches('/').split_once('/');
            let (_, object) = name.filter(|(c, _)| !line.sub_slo && *c == target.container)?;
            let fits = |one: &&Listed| {
                one.name == object && one.hash == line.hash && one.bytes == line.bytes
            };
            listed.iter().filter(|one| !is_mark(one)).find(fits).and_then(Piece::of)
        };
        let segments: Option<Vec<_>> = lines.iter().map(of).collect();
        let manifest = manifest.to_owned();
        Ok(segments.map(|segments| Large { manifest, segments }))
    }

    /// The newest version of each segment of a dynamic large object; `None` if one is missing.
    pub(super) async fn dynamic_kept(
        &self,
        target: &Target,
        manifest: &str,
    ) -> Result<Option<Large>, Fault> {
        let prefix = format!("{}-", target.object);
        let listed = self.client.list(target, &target.container, &prefix, true).await?;
        let mut newest: BTreeMap<&str, &Listed> = BTreeMap::new();
        let data = listed.iter().filter(|one| !is_mark(one) && is_segment_of(target, &one.name));
        for one in data {
            let known = newest.entry(&one.name).or_insert(one);
            if one.last_modified > known.last_modified {
                *known = one;
            }
        }
        let is_run = newest.keys().zip(1..).all(|(name, at)| *name == segment_name(target, at));
        let segments: Option<Vec<_>> = newest.values().map(|one| Piece::of(one)).collect();
        let manifest = manifest.to_owned();
        let segments = segments.filter(|some| is_run && !some.is_empty());
        Ok(segments.map(|segments| Large { manifest, segments }))
    }

    /// Streams the segments in order; `None` if the first one is missing.
    pub(super) async fn read_large(
        &self,
        target: &Target,
        large: Large,
    ) -> Result<Option<ObjectStream>, Fault> {
        let mut segments = large.segments.into_iter();
        let Some(first) = segments.next() else { return Ok(None) };
        let (client, target) = (self.client.clone(), target.clone());
        let open = move |piece: Piece| {
            let (client, target) = (client.clone(), target.clone());
            async move {
                let query = format!("version-id={}", quoted(&piece.version));
                let (container, object) = (target.container.as_str(), Some(&*piece.object));
                let path = Path { container, object, query: &query };
                client.ask(Method::GET, &target, path).await
            }
        };
        let begun = open(first).await?;
        if begun.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let begun = streamed(success(begun)?);
        let rest = iter(segments).then(open).map(|answer| {
            let answer = answer.and_then(success).map_err(StoreError::from)?;
            Ok::<_, StoreError>(streamed(answer))
        });
        Ok(Some(begun.chain(rest.try_flatten()).boxed()))
    }

    /// Restores each segment that is missing. Fails if a segment exists with other data.
    pub(super) async fn bring_segments_back(
        &self,
        target: &Target,
        large: &Large,
    ) -> Result<(), Fault> {
        for piece in &large.segments {
            let segment = Target { object: piece.object.clone(), ..target.clone() };
            let there = self.client.ask(Method::HEAD, &segment, segment.path()).await?;
            match there.status() {
                StatusCode::NOT_FOUND => {
                    let query = format!("version-id={}", quoted(&piece.version));
                    success(self.client.put(&segment, &query, None).await?)?;
                }
                status if status.is_success() => {
                    let etag = header(there.headers(), "etag").map(|etag| etag.trim_matches('"'));
                    if etag != Some(&piece.hash) {
                        let text = "a segment exists again, with other data";
                        return Err(Fault::Unclear(text.to_owned()));
                    }
                }
                _ => return Err(answered(&there)),
            }
        }
        Ok(())
    }
}
