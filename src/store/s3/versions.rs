//! A key's versions, the delete markers that hide them, and the lifecycle rules that expire them.

use chrono::{DateTime, TimeDelta};
use instant_xml::FromXml;
use reqwest::{Method, StatusCode};
use rusty_s3::actions::{DeleteObject, GetObject, S3Action};

use super::client::{Call, S3Client, SIGNED_FOR, answered, unreadable};
use crate::domain::time::Timestamp;
use crate::store::http_fault::Fault;

/// Versions per page. A version with a long key takes about 2 KiB.
const VERSIONS: &str = "50";

/// The newest data of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) version: String,
    pub(super) size: u64,
    pub(super) is_archived: bool,
    /// The version id of the latest delete marker; `None` if nothing hides the data.
    pub(super) mark: Option<String>,
    /// When the first delete marker came to hide it, as far as the times can be read.
    pub(super) hidden_since: Option<Timestamp>,
}

/// One thing that a bucket has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) version: String,
    /// Bytes; `None` for a mark of a deletion.
    pub(super) size: Option<u64>,
    /// Whether a GET would find it.
    pub(super) is_latest: bool,
}

/// What expires noncurrent versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// A lifecycle rule, this number of days after they became noncurrent.
    After(i64),
    Never,
    /// Unknown: reading the rules is not permitted.
    Unseen,
}

/// Whether deletions leave versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioned {
    On,
    /// Versioning was enabled before.
    Suspended,
    Never,
}

impl S3Client {
    /// The older data of the key that the bucket keeps; `is_marked` says that a delete marker,
    /// which has no data itself, was seen. Without a marker, nothing is kept by a service that does not
    /// implement versions, or by a bucket that never enabled them.
    pub(super) async fn older(
        &self,
        key: &str,
        is_marked: bool,
        call: &Call,
    ) -> Result<Option<Newest>, Fault> {
        match self.newest(key, call).await {
            Ok(newest) => Ok(newest),
            Err(fault) if is_marked => Err(fault),
            Err(fault) if knows_no_versions(&fault) => Ok(None),
            Err(fault) if fault.is_refusal() => match self.versioning(call).await {
                Ok(Versioned::Never) => Ok(None),
                Ok(Versioned::On | Versioned::Suspended) => Err(unseen(fault)),
                Err(other) if other.is_refusal() => Err(unseen(fault)),
                Err(other) => Err(other),
            },
            Err(fault) => Err(fault),
        }
    }

    /// The newest data of a key, hidden or not. The listing has the key's own versions before those
    /// of longer keys, the newest first.
    pub(super) async fn newest(&self, key: &str, call: &Call) -> Result<Option<Newest>, Fault> {
        let (mut from, mut marks) = (None, Vec::new());
        loop {
            let mut page = self.versions(key, from.as_ref(), call).await?;
            let of_key = std::mem::take(&mut page.marks).into_iter().filter(|mark| mark.key == key);
            marks.extend(of_key);
            let kept = std::mem::take(&mut page.kept);
            if let Some(kept) = kept.into_iter().find(|kept| kept.key == key) {
                return Ok(Some(kept.under(marks)));
            }
            let next = page.next(key);
            if next.is_none() {
                return Ok(None);
            }
            if next == from {
                return Err(Fault::Unclear("a listing of versions does not go on".to_owned()));
            }
            from = next;
        }
    }

    /// All that the bucket has under exactly this key.
    pub(super) async fn history(&self, key: &str, call: &Call) -> Result<Vec<Kept>, Fault> {
        let (mut from, mut all) = (None, Vec::new());
        loop {
            let mut page = self.versions(key, from.as_ref(), call).await?;
            let kept = std::mem::take(&mut page.kept).into_iter().filter(|kept| kept.key == key);
            all.extend(kept.map(|KeptVersion { version, is_latest, size, .. }| Kept {
                version,
                size: Some(size),
                is_latest,
            }));
            let marks = std::mem::take(&mut page.marks).into_iter().filter(|mark| mark.key == key);
            all.extend(marks.map(|DeleteMark { version, is_latest, .. }| Kept {
                version,
                size: None,
                is_latest,
            }));
            let next = page.next(key);
            if next.is_none() {
                return Ok(all);
            }
            if next == from {
                return Err(Fault::Unclear("a listing of versions does not go on".to_owned()));
            }
            from = next;
        }
    }

    /// Removes one version, or a mark of a deletion, for good; sent once.
    pub(super) async fn remove_version(
        &self,
        key: &str,
        version: &str,
        call: &Call,
    ) -> Result<(), Fault> {
        let mut action = DeleteObject::new(&self.bucket, call.keys.as_ref(), key);
        action.query_mut().insert("versionId", version.to_owned());
        let answer = self.send(Method::DELETE, action.sign(SIGNED_FOR), call).await?;
        if answer.status().is_success() { Ok(()) } else { Err(answered(answer, call).await) }
    }

    /// What expires the noncurrent versions of a key.
    pub(super) async fn ends(&self, key: &str, call: &Call) -> Result<Ends, Fault> {
        let mut action = GetObject::new(&self.bucket, call.keys.as_ref(), "");
        action.query_mut().insert("lifecycle", "");
        let body = match self.listing(action.sign(SIGNED_FOR), call).await {
            Ok(body) => body,
            Err(Fault::Answered(StatusCode::NOT_FOUND, _)) => return Ok(Ends::Never),
            Err(Fault::Answered(..)) => return Ok(Ends::Unseen),
            Err(fault) => return Err(fault),
        };
        let Ok(lifecycle) = instant_xml::from_str::<Lifecycle>(&body) else {
            return Ok(Ends::Unseen);
        };
        let days = lifecycle.rules.into_iter().filter(|rule| rule.is_for(key));
        let days = days.filter_map(|rule| rule.noncurrent?.days).min();
        Ok(days.map_or(Ends::Never, Ends::After))
    }

    /// Whether versioning is, or ever was, enabled.
    pub(super) async fn versioning(&self, call: &Call) -> Result<Versioned, Fault> {
        let mut action = GetObject::new(&self.bucket, call.keys.as_ref(), "");
        action.query_mut().insert("versioning", "");
        let body = match self.listing(action.sign(SIGNED_FOR), call).await {
            Err(fault) if knows_no_versions(&fault) => return Ok(Versioned::Never),
            body => body?,
        };
        let status = instant_xml::from_str::<Versioning>(&body)
            .map(|versioning| versioning.status)
            .or_else(|_| instant_xml::from_str::<MotosVersioning>(&body).map(|other| other.status))
            .map_err(|error| unreadable(&error))?;
        Ok(match status.as_deref() {
            None => Versioned::Never,
            Some("Suspended") => Versioned::Suspended,
            Some(_) => Versioned::On,
        })
    }

    /// One page of the versions of all keys that begin with this one, after the given version.
    async fn versions(
        &self,
        key: &str,
        from: Option<&String>,
        call: &Call,
    ) -> Result<Versions, Fault> {
        let mut action = GetObject::new(&self.bucket, call.keys.as_ref(), "");
        let query = action.query_mut();
        for (name, value) in [("max-keys", VERSIONS), ("prefix", key), ("versions", "")] {
            query.insert(name, value);
        }
        if let Some(version) = from {
            query.insert("key-marker", key);
            query.insert("version-id-marker", version.as_str());
        }
        let body = self.listing(action.sign(SIGNED_FOR), call).await?;
        instant_xml::from_str(&body).map_err(|error| unreadable(&error))
    }
}

/// Whether data of this storage class must be restored before it can be read.
pub(super) fn is_archive(class: &str) -> bool {
    ["GLACIER", "DEEP_ARCHIVE"].contains(&class)
}

/// Parses a time as S3 writes it.
fn time(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.naive_utc())
}

/// The earliest moment at which a rule may expire data that has been hidden since then.
pub(super) fn end(since: Timestamp, days: i64) -> Option<Timestamp> {
    since.checked_add_signed(TimeDelta::try_days(days)?)
}

/// The needed fields of a `ListObjectVersions` response.
#[derive(Debug, FromXml)]
#[xml(rename = "ListVersionsResult", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Versions {
    kept: Vec<KeptVersion>,
    marks: Vec<DeleteMark>,
    #[xml(rename = "IsTruncated")]
    is_truncated: Option<bool>,
    #[xml(rename = "NextKeyMarker")]
    next_key: Option<String>,
    #[xml(rename = "NextVersionIdMarker")]
    next_version: Option<String>,
}

impl Versions {
    /// Where the next page begins, if the key may have more versions.
    fn next(self, key: &str) -> Option<String> {
        let is_more = self.is_truncated == Some(true) && self.next_key.as_deref() == Some(key);
        self.next_version.filter(|_| is_more)
    }
}

#[derive(Debug, FromXml)]
#[xml(rename = "Version", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct KeptVersion {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "VersionId")]
    version: String,
    #[xml(rename = "IsLatest")]
    is_latest: bool,
    #[xml(rename = "LastModified")]
    at: Option<String>,
    #[xml(rename = "Size")]
    size: u64,
    #[xml(rename = "StorageClass")]
    class: Option<String>,
}

impl KeptVersion {
    /// With the markers that were listed. Their order cannot be relied on (moto lists all markers
    /// after the versions), so the times say which of them are above the version and which below.
    fn under(self, marks: Vec<DeleteMark>) -> Newest {
        let written = self.at.as_deref().and_then(time);
        let times = marks.iter().filter_map(|mark| time(&mark.at));
        let hidden_since = times.filter(|at| written.is_some_and(|written| *at >= written)).min();
        Newest {
            version: self.version,
            size: self.size,
            is_archived: self.class.as_deref().is_some_and(is_archive),
            mark: marks.into_iter().find(|mark| mark.is_latest).map(|mark| mark.version),
            hidden_since,
        }
    }
}

#[derive(Debug, FromXml)]
#[xml(rename = "DeleteMarker", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct DeleteMark {
    #[xml(rename = "Key")]
    key: String,
    #[xml(rename = "VersionId")]
    version: String,
    #[xml(rename = "IsLatest")]
    is_latest: bool,
    #[xml(rename = "LastModified")]
    at: String,
}

/// A `GetBucketVersioning` response: no status if versioning was never enabled.
#[derive(Debug, FromXml)]
#[xml(rename = "VersioningConfiguration", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Versioning {
    #[xml(rename = "Status")]
    status: Option<String>,
}

/// The same response as moto names it.
#[derive(Debug, FromXml)]
#[xml(rename = "GetBucketVersioningResponse", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct MotosVersioning {
    #[xml(rename = "Status")]
    status: Option<String>,
}

/// The rules of a `GetBucketLifecycleConfiguration` response that expire versions.
#[derive(Debug, FromXml)]
#[xml(rename = "LifecycleConfiguration", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Lifecycle {
    rules: Vec<LifecycleRule>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "Rule", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct LifecycleRule {
    #[xml(rename = "Status")]
    status: String,
    #[xml(rename = "Prefix")]
    prefix: Option<String>,
    filter: Option<RuleFilter>,
    noncurrent: Option<Noncurrent>,
}

impl LifecycleRule {
    /// Whether the rule may apply to this key. Filters other than prefixes are ignored, so a rule
    /// for tagged objects, which Glance's are not, may apply too.
    fn is_for(&self, key: &str) -> bool {
        let of_filter = self.filter.as_ref().and_then(|filter| filter.prefix.as_ref());
        let mut prefixes = self.prefix.iter().chain(of_filter);
        self.status == "Enabled" && prefixes.all(|prefix| key.starts_with(prefix.as_str()))
    }
}

#[derive(Debug, FromXml)]
#[xml(rename = "Filter", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct RuleFilter {
    #[xml(rename = "Prefix")]
    prefix: Option<String>,
}

#[derive(Debug, FromXml)]
#[xml(rename = "NoncurrentVersionExpiration", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Noncurrent {
    #[xml(rename = "NoncurrentDays")]
    days: Option<i64>,
}

/// Whether this is the answer of a service that does not implement versions.
fn knows_no_versions(fault: &Fault) -> bool {
    matches!(fault, Fault::Answered(status, _) if [400, 405, 501].contains(&status.as_u16()))
}

/// The fault if the bucket may have versions but listing them is denied.
fn unseen(fault: Fault) -> Fault {
    let Fault::Answered(status, text) = fault else { return fault };
    let text = format!(
        "whether the bucket keeps older versions cannot be seen: {text}; allow \
         s3:ListBucketVersions"
    );
    Fault::Answered(status, text)
}
