//! Signed requests to one bucket, and parsing of the responses.

use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use rusty_s3::actions::{DeleteObjectsResponse, ListObjectsV2, ObjectIdentifier, S3Action};
use rusty_s3::{Bucket, Credentials};
use tokio::time::{Instant, timeout_at};

use crate::net::{self, Client, RequestBuilder, Response, header, retried};
use crate::store::http_client::RETRIES;
use crate::store::http_fault::{Fault, is_busy};

/// How long a signature is valid; requests are sent immediately.
pub(super) const SIGNED_FOR: Duration = Duration::from_mins(5);
/// Not every listing or HEAD tells of it (Amazon's `INTELLIGENT_TIERING`, Ceph's tiers in a cloud).
const IN_ARCHIVE: &str = "the service answers that it is in an archive (InvalidObjectState): \
    restore it permanently, then revert";
/// Limits the body of a response: a page of one key's versions, or an error.
const LONGEST_BODY: usize = 256 * 1024;

/// Sends requests to one bucket.
#[derive(Debug)]
pub(super) struct S3Client {
    pub(super) http: Client,
    pub(super) bucket: Bucket,
}

/// The credentials and the deadline of one call.
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

    /// HEAD of a version of an object.
    pub(super) async fn head_version(
        &self,
        key: &str,
        version: &str,
        call: &Call,
    ) -> Result<Response, Fault> {
        let mut action = self.bucket.head_object(call.keys.as_ref(), key);
        action.query_mut().insert("versionId", version.to_owned());
        self.ask(Method::HEAD, action.sign(SIGNED_FOR), call).await
    }

    /// GET of an object.
    pub(super) async fn get(&self, key: &str, call: &Call) -> Result<Response, Fault> {
        let url = self.bucket.get_object(call.keys.as_ref(), key).sign(SIGNED_FOR);
        self.ask(Method::GET, url, call).await
    }

    /// GET of a version of an object.
    pub(super) async fn get_version(
        &self,
        key: &str,
        version: &str,
        call: &Call,
    ) -> Result<Response, Fault> {
        let mut action = self.bucket.get_object(call.keys.as_ref(), key);
        action.query_mut().insert("versionId", version.to_owned());
        self.ask(Method::GET, action.sign(SIGNED_FOR), call).await
    }

    /// DELETE of an object; sent once.
    pub(super) async fn delete(&self, key: &str, call: &Call) -> Result<Response, Fault> {
        let url = self.bucket.delete_object(call.keys.as_ref(), key).sign(SIGNED_FOR);
        self.send(Method::DELETE, url, call).await
    }

    /// `DeleteObjects`; sent once.
    pub(super) async fn delete_objects(
        &self,
        keys: &[ObjectIdentifier],
        call: &Call,
    ) -> Result<DeleteObjectsResponse, Fault> {
        let action = self.bucket.delete_objects(call.keys.as_ref(), keys.iter());
        let url = action.sign(SIGNED_FOR);
        let (body, digest) = action.body_with_md5();
        let request = self.http.request(Method::POST, url).header("Content-MD5", digest);
        let response = sent(request.body(body), call).await?;
        if response.status() != StatusCode::OK {
            return Err(answered(response, call).await);
        }
        let body = text(response, call).await?;
        DeleteObjectsResponse::parse(&body).map_err(|error| unreadable(&error))
    }

    /// Whether the bucket lists the key. A successful listing proves that the bucket exists.
    pub(super) async fn lists(&self, key: &str, call: &Call) -> Result<bool, Fault> {
        let mut action = self.bucket.list_objects_v2(call.keys.as_ref());
        action.with_prefix(key);
        action.with_max_keys(1);
        let body = self.listing(action.sign(SIGNED_FOR), call).await?;
        let listed = ListObjectsV2::parse_response(&body).map_err(|error| unreadable(&error))?;
        // Of all keys that begin with this one, the key itself is listed first.
        Ok(listed.contents.first().is_some_and(|object| object.key == key))
    }

    pub(super) async fn listing(&self, url: Url, call: &Call) -> Result<String, Fault> {
        let response = self.ask(Method::GET, url, call).await?;
        if response.status() != StatusCode::OK {
            return Err(answered(response, call).await);
        }
        text(response, call).await
    }

    /// Sends an idempotent request, with retries.
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

    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        call: &Call,
    ) -> Result<Response, Fault> {
        sent(self.http.request(method, url), call).await
    }
}

async fn sent(request: RequestBuilder, call: &Call) -> Result<Response, Fault> {
    let answer = timeout_at(call.until, request.send()).await.map_err(|_| late())?;
    answer.map_err(Fault::unanswered)
}

/// Turns an error response into a fault, with the error code from its body.
pub(super) async fn answered(response: Response, call: &Call) -> Fault {
    let status = response.status();
    let region = header(response.headers(), "x-amz-bucket-region").map(|region| {
        let region = word(region);
        format!("the bucket is in {region}")
    });
    let body = text(response, call).await.unwrap_or_default();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _)| word(code));
    if code.as_deref() == Some("InvalidObjectState") {
        return Fault::NotAble(IN_ARCHIVE.to_owned());
    }
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

/// Sanitizes a service's text for display.
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

pub(super) fn unreadable(error: &instant_xml::Error) -> Fault {
    Fault::Unclear(format!("the service's listing cannot be read: {error}"))
}
