//! Signed requests to one bucket, and what of the answers is needed.

use std::time::Duration;

use instant_xml::FromXml;
use reqwest::{Method, StatusCode, Url};
use rusty_s3::actions::{GetObject, ListObjectsV2, S3Action};
use rusty_s3::{Bucket, Credentials};
use tokio::time::{Instant, timeout_at};

use crate::net::{self, Client, Response, header, retried};
use crate::store::http_client::RETRIES;
use crate::store::http_fault::{Fault, is_busy};

/// How long a signature is good for; a request is sent at once.
const SIGNED_FOR: Duration = Duration::from_mins(5);
/// A listing of some versions of one key, or an error.
const LONGEST_BODY: usize = 256 * 1024;
/// Versions asked for at a time; one has some 2 KiB where its key is a long one.
const VERSIONS: &str = "50";

/// Speaks to one bucket.
#[derive(Debug)]
pub(super) struct S3Client {
    pub(super) http: Client,
    pub(super) bucket: Bucket,
}

/// Where one call stands: who asks, and until when.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) keys: Option<Credentials>,
    pub(super) until: Instant,
}

impl S3Client {
    /// HEAD of the bucket.
    pub(super) async fn head_bucket(&self, call: &Call) -> Result<Response, Fault> {
        let url = self.bucket.head_bucket(call.keys.as_ref()).sign(SIGNED_FOR);
        self.ask(Method::HEAD, url, call).await
    }

    /// HEAD of an object.
    pub(super) async fn head(&self, key: &str, call: &Call) -> Result<Response, Fault> {
        let url = self.bucket.head_object(call.keys.as_ref(), key).sign(SIGNED_FOR);
        self.ask(Method::HEAD, url, call).await
    }

    /// GET of an object.
    pub(super) async fn get(&self, key: &str, call: &Call) -> Result<Response, Fault> {
        let url = self.bucket.get_object(call.keys.as_ref(), key).sign(SIGNED_FOR);
        self.ask(Method::GET, url, call).await
    }

    /// DELETE of an object; sent once.
    pub(super) async fn delete(&self, key: &str, call: &Call) -> Result<Response, Fault> {
        let url = self.bucket.delete_object(call.keys.as_ref(), key).sign(SIGNED_FOR);
        self.send(Method::DELETE, url, call).await
    }

    /// Whether the bucket lists the key. That it can be listed at all shows that it is there.
    pub(super) async fn lists(&self, key: &str, call: &Call) -> Result<bool, Fault> {
        let mut action = self.bucket.list_objects_v2(call.keys.as_ref());
        action.with_prefix(key);
        action.with_max_keys(1);
        let body = self.listing(action.sign(SIGNED_FOR), call).await?;
        let listed = ListObjectsV2::parse_response(&body).map_err(|error| unreadable(&error))?;
        // The key itself is the first of those that begin with it.
        Ok(listed.contents.first().is_some_and(|object| object.key == key))
    }

    /// Whether the bucket keeps older versions of the key; a mark of its deletion, if one was seen,
    /// holds no data. Without a mark, a service that knows no versions keeps none, nor does a bucket
    /// that never had them on.
    pub(super) async fn keeps_versions(
        &self,
        key: &str,
        is_marked: bool,
        call: &Call,
    ) -> Result<bool, Fault> {
        let mut from = None;
        loop {
            let page = match self.versions(key, from.as_ref(), call).await {
                Ok(page) => page,
                Err(fault) if is_marked => return Err(fault),
                Err(fault) if knows_no_versions(&fault) => return Ok(false),
                Err(fault) if fault.is_refusal() => {
                    return match self.had_versions(call).await {
                        Ok(false) => Ok(false),
                        Ok(true) => Err(unseen(fault)),
                        Err(other) if other.is_refusal() => Err(unseen(fault)),
                        Err(other) => Err(other),
                    };
                }
                Err(fault) => return Err(fault),
            };
            if page.kept.iter().any(|kept| kept.key == key) {
                return Ok(true);
            }
            // The key's own come first of all that begin with it.
            let next = page.next(key);
            if next.is_none() {
                return Ok(false);
            }
            if next == from {
                return Err(Fault::Unclear("a listing of versions does not go on".to_owned()));
            }
            from = next;
        }
    }

    /// One page of what is kept of all that begins with the key, behind that version of it.
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

    /// Whether versions are, or once were, on.
    async fn had_versions(&self, call: &Call) -> Result<bool, Fault> {
        let mut action = GetObject::new(&self.bucket, call.keys.as_ref(), "");
        action.query_mut().insert("versioning", "");
        let body = self.listing(action.sign(SIGNED_FOR), call).await?;
        let versioning: Versioning =
            instant_xml::from_str(&body).map_err(|error| unreadable(&error))?;
        Ok(versioning.status.is_some())
    }

    async fn listing(&self, url: Url, call: &Call) -> Result<String, Fault> {
        let response = self.ask(Method::GET, url, call).await?;
        if response.status() != StatusCode::OK {
            return Err(answered(response, call).await);
        }
        text(response, call).await
    }

    /// Asks what changes nothing, again if need be.
    async fn ask(&self, method: Method, url: Url, call: &Call) -> Result<Response, Fault> {
        let ask = || async {
            let response = self.send(method.clone(), url.clone(), call).await?;
            if is_busy(response.status()) {
                return Err(answered(response, call).await);
            }
            Ok(response)
        };
        retried(RETRIES, ask, Fault::may_pass).await
    }

    async fn send(&self, method: Method, url: Url, call: &Call) -> Result<Response, Fault> {
        let sent = timeout_at(call.until, self.http.request(method, url).send());
        let answer = sent.await.map_err(|_| late())?;
        answer.map_err(Fault::unanswered)
    }
}

/// `ListObjectVersions`, as far as it matters.
#[derive(Debug, FromXml)]
#[xml(rename = "ListVersionsResult", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Versions {
    kept: Vec<Version>,
    #[xml(rename = "IsTruncated")]
    is_truncated: Option<bool>,
    #[xml(rename = "NextKeyMarker")]
    next_key: Option<String>,
    #[xml(rename = "NextVersionIdMarker")]
    next_version: Option<String>,
}

impl Versions {
    /// Where the rest of the key's own versions begin, if there may be more.
    fn next(self, key: &str) -> Option<String> {
        let is_more = self.is_truncated == Some(true) && self.next_key.as_deref() == Some(key);
        self.next_version.filter(|_| is_more)
    }
}

#[derive(Debug, FromXml)]
#[xml(rename = "Version", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Version {
    #[xml(rename = "Key")]
    key: String,
}

/// `GetBucketVersioning`: no status where versions were never on.
#[derive(Debug, FromXml)]
#[xml(rename = "VersioningConfiguration", ns("http://s3.amazonaws.com/doc/2006-03-01/"))]
struct Versioning {
    #[xml(rename = "Status")]
    status: Option<String>,
}

/// The answers of services that have no versions.
fn knows_no_versions(fault: &Fault) -> bool {
    matches!(fault, Fault::Answered(status, _) if [400, 405, 501].contains(&status.as_u16()))
}

/// A refusal of the question after versions, in a bucket that may have some.
fn unseen(fault: Fault) -> Fault {
    let Fault::Answered(status, text) = fault else { return fault };
    let text = format!(
        "whether the bucket keeps older versions cannot be seen: {text}; allow \
         s3:ListBucketVersions"
    );
    Fault::Answered(status, text)
}

/// The answer as a fault, with the word in its body that says which.
pub(super) async fn answered(response: Response, call: &Call) -> Fault {
    let status = response.status();
    let region = header(response.headers(), "x-amz-bucket-region").map(|region| {
        let region = word(region);
        format!("the bucket is in {region}")
    });
    let body = text(response, call).await.unwrap_or_default();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _)| word(code));
    let notes: Vec<String> = code.into_iter().chain(region).filter(|n| !n.is_empty()).collect();
    let note = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    Fault::Answered(status, format!("the service answers {status}{note}{}", hint(status)))
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => {
            "; check s3_store_access_key, s3_store_secret_key, the bucket's policy and the clock"
        }
        400 => "; check s3_store_region_name",
        301 | 307 => "; redirects are not followed: check s3_store_host and s3_store_region_name",
        404 => "; check s3_store_bucket and s3_store_host",
        _ => "",
    }
}

/// What may be shown of a text that a service made.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect()
}

async fn text(response: Response, call: &Call) -> Result<String, Fault> {
    let body = timeout_at(call.until, net::body(response, LONGEST_BODY)).await;
    let body = body.map_err(|_| late())?.map_err(|error| Fault::Cut(error.to_string()))?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn late() -> Fault {
    Fault::Late("the service did not answer in time".to_owned())
}

fn unreadable(error: &instant_xml::Error) -> Fault {
    Fault::Unclear(format!("the service's listing cannot be read: {error}"))
}
