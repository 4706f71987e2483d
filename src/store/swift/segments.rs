//! Large objects: which objects are their segments, and whether they are complete.
//!
//! A HEAD shows a static large object as whole even if segments are lost, and a dynamic one with
//! the size of its remaining segments.

use futures::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::client::{Listed, Path, SwiftClient, Target, answered, json, success};
use crate::domain::store::Presence;
use crate::net::{announced_length, header};
use crate::store::http_fault::Fault;

/// Segments checked or deleted concurrently.
pub(super) const AT_A_TIME: usize = 8;
/// Minimum number of digits in a segment's number: `<object>-00001`.
const DIGITS: usize = 5;
/// Maximum nesting of static large objects; Swift has the same limit.
const DEEPEST: usize = 10;

/// An object that is part of another one.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) container: String,
    pub(super) object: String,
    bytes: u64,
    /// MD5, in hexadecimal; empty if Swift does not report it.
    hash: String,
}

/// A line of a static large object's manifest.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    /// `/container/object`; empty if the data is in the manifest itself.
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) bytes: u64,
    #[serde(default)]
    pub(super) hash: String,
    #[serde(default)]
    pub(super) sub_slo: bool,
}

/// The objects that the manifest of a dynamic large object covers.
pub(super) struct Parts {
    /// In order.
    pub(super) segments: Vec<Segment>,
    /// An object with the same prefix that is not named like one of Glance's segments.
    pub(super) stranger: Option<String>,
}

impl Parts {
    /// The segments up to the first gap. Without a manifest, only consecutive numbers prove that
    /// segments belong together.
    pub(super) fn run(self, target: &Target) -> Vec<Segment> {
        let numbered = self.segments.into_iter().zip(1..);
        let is_next =
            |(segment, number): &(Segment, usize)| segment.object == segment_name(target, *number);
        numbered.take_while(is_next).map(|(segment, _)| segment).collect()
    }
}

/// The name that Glance gives a segment.
pub(super) fn segment_name(target: &Target, number: usize) -> String {
    format!("{}-{number:0DIGITS$}", target.object)
}

/// Whether Glance gives this name to a segment of the object.
pub(super) fn is_segment_of(target: &Target, name: &str) -> bool {
    let number = name.strip_prefix(&target.object).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| {
        number.len() >= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Lists the objects of a dynamic large object.
pub(super) async fn parts(client: &SwiftClient, target: &Target) -> Result<Parts, Fault> {
    let prefix = format!("{}-", target.object);
    let listed = client.list(target, &target.container, &prefix, false).await?;
    // An interrupted deletion leaves gaps only among the segments that it deleted concurrently. A
    // number far above the count of objects is a date, or somebody else's object.
    let highest = listed.len() + AT_A_TIME;
    let is_segment = |listed: &str| {
        let number = listed.strip_prefix(&prefix).and_then(|number| number.parse().ok());
        number.is_some_and(|n| (1..=highest).contains(&n) && listed == segment_name(target, n))
    };
    let (own, strangers): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|listed| is_segment(&listed.name));
    let segment = |listed: Listed| Segment {
        container: target.container.clone(),
        object: listed.name,
        bytes: listed.bytes,
        hash: listed.hash,
    };
    Ok(Parts {
        segments: own.into_iter().map(segment).collect(),
        stranger: strangers.into_iter().next().map(|listed| listed.name),
    })
}

/// Whether a dynamic large object is complete, and its size.
pub(super) async fn dynamic(client: &SwiftClient, target: &Target) -> Result<Presence, Fault> {
    let Parts { segments, stranger } = parts(client, target).await?;
    if let Some(stranger) = stranger {
        return Ok(Presence::Damaged(format!("{stranger:?} is not one of its segments")));
    }
    // An image without data has no segments; a missing segment of another image shows in its size.
    for (segment, number) in segments.iter().zip(1_usize..) {
        let expected = segment_name(target, number);
        if segment.object != expected {
            return Ok(Presence::Damaged(format!("segment {expected} is missing")));
        }
    }
    let mut sizes = segments.iter().map(|segment| segment.bytes);
    let size = sizes.try_fold(0_u64, u64::checked_add).ok_or_else(|| {
        Fault::Unclear("the reported size of its segments is impossible".to_owned())
    })?;
    whole(client, target, segments, size).await
}

/// Whether a static large object of `size` bytes is complete.
pub(super) async fn fixed(
    client: &SwiftClient,
    target: &Target,
    size: u64,
) -> Result<Presence, Fault> {
    let mut segments = Vec::new();
    let mut manifests = vec![(target.container.clone(), target.object.clone(), 0)];
    while let Some((container, object, depth)) = manifests.pop() {
        let query = "multipart-manifest=get";
        let path = Path { container: &container, object: Some(&object), query };
        let answer = client.ask(Method::GET, target, path).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(missing(&container, &object));
        }
        let lines: Vec<Line> = json(success(answer)?, client.limit).await?;
        for line in lines.into_iter().filter(|line| !line.name.is_empty()) {
            let name = line.name.trim_start_matches('/').split_once('/');
            let (container, object) = name.ok_or_else(|| {
                Fault::Unclear("a segment of the manifest names no object".to_owned())
            })?;
            let (container, object) = (container.to_owned(), object.to_owned());
            if !line.sub_slo {
                let (bytes, hash) = (line.bytes, line.hash);
                segments.push(Segment { container, object, bytes, hash });
            } else if depth < DEEPEST {
                manifests.push((container, object, depth + 1));
            } else {
                return Err(Fault::Unclear("manifests are nested too deep".to_owned()));
            }
        }
    }
    whole(client, target, segments, size).await
}

/// Checks each segment itself, because a listing can name lost objects.
async fn whole(
    client: &SwiftClient,
    target: &Target,
    segments: Vec<Segment>,
    size: u64,
) -> Result<Presence, Fault> {
    let looks = segments.into_iter().map(|segment| look(client, target, segment));
    let mut looks = stream::iter(looks).buffered(AT_A_TIME);
    while let Some(seen) = looks.next().await {
        if let Some(damage) = seen? {
            return Ok(damage);
        }
    }
    Ok(Presence::Present { size })
}

/// What is wrong with a segment, if anything.
async fn look(
    client: &SwiftClient,
    target: &Target,
    segment: Segment,
) -> Result<Option<Presence>, Fault> {
    let Segment { container, object, bytes, hash } = segment;
    let path = Path { container: &container, object: Some(&object), query: "" };
    let answer = client.ask(Method::HEAD, target, path).await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(Some(missing(&container, &object)));
    }
    if !answer.status().is_success() {
        return Err(answered(&answer));
    }
    let same_size = announced_length(&answer) == Some(bytes);
    let etag = header(answer.headers(), "etag").map(|etag| etag.trim_matches('"'));
    if same_size && (hash.is_empty() || etag == Some(&hash)) {
        return Ok(None);
    }
    Ok(Some(Presence::Damaged(format!("segment {container}/{object} is another one by now"))))
}

fn missing(container: &str, object: &str) -> Presence {
    Presence::Damaged(format!("segment {container}/{object} is missing"))
}
