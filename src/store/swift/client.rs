//! Requests to Swift, each with its account's token, and parsing of the responses.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;

use super::access::{Access, Account};
use super::uri::Address;
use crate::net::{self, Client, RequestBuilder, Response, header, retried};
use crate::store::http_client::RETRIES;
use crate::store::http_fault::{Fault, is_busy};

/// Quotes everything that RFC 3986 reserves, so that a name is always one path segment.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Limits the body of a response: a page of a listing has at most 10,000 objects, and the manifest
/// of a static large object 8 MiB.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// Sends requests to all accounts of a store.
#[derive(Debug, Clone)]
pub(super) struct SwiftClient {
    pub(super) http: Client,
    /// The time limit of one request.
    pub(super) limit: Duration,
}

/// One object, as a location names it.
#[derive(Debug, Clone)]
pub(in crate::store) struct Target {
    pub(super) account: Arc<Account>,
    /// The URL of the owner's account, if it is not the configured account.
    pub(super) owner: Option<Address>,
    pub(super) container: String,
    pub(super) object: String,
}

/// The path and query of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'p> {
    pub(super) container: &'p str,
    pub(super) object: Option<&'p str>,
    /// The part after the `?`, quoted.
    pub(super) query: &'p str,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Listed {
    pub(super) name: String,
    #[serde(default)]
    pub(super) bytes: u64,
    #[serde(default)]
    pub(super) hash: String,
    #[serde(default)]
    pub(super) content_type: String,
    #[serde(default)]
    pub(super) last_modified: String,
    /// Only of the manifest of a static large object, whose `bytes` are those of its segments.
    #[serde(default)]
    pub(super) slo_etag: Option<String>,
    /// Only in listings of versions, like the next one.
    #[serde(default)]
    pub(super) version_id: Option<String>,
    /// Whether a GET would find it.
    #[serde(default)]
    pub(super) is_latest: bool,
}

/// The needed fields of `/info`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    pub(super) bulk_delete: Option<BulkDelete>,
}

#[derive(Debug, Deserialize)]
pub(super) struct BulkDelete {
    #[serde(rename = "max_deletes_per_request")]
    pub(super) most: Option<usize>,
}

impl Target {
    pub(super) fn path(&self) -> Path<'_> {
        Path { container: &self.container, object: Some(&self.object), query: "" }
    }

    /// The account's URL. An owner's account must be at the Swift that our credentials are for:
    /// a row names an account, never a server.
    fn base(&self, access: &Access) -> Result<String, Fault> {
        let Some(owner) = &self.owner else { return Ok(access.storage_url.clone()) };
        let ours = Address::of_url(&access.storage_url);
        let account = match (ours.split_account(), owner.split_account()) {
            (Some((here, _)), Some((there, account))) if here == there => Some(account),
            _ => None,
        };
        let base = access.storage_url.rsplit_once('/').map(|(base, _)| base);
        base.zip(account)
            .map(|(base, account)| format!("{base}/{account}"))
            .ok_or_else(|| Fault::Location("it is at another Swift than our account".to_owned()))
    }
}

impl Path<'_> {
    fn append_to(self, mut url: String) -> String {
        for part in [Some(self.container), self.object].into_iter().flatten() {
            if !part.is_empty() {
                url.push('/');
                url.push_str(&quoted(part));
            }
        }
        if !self.query.is_empty() {
            url.push('?');
            url.push_str(self.query);
        }
        url
    }
}

impl SwiftClient {
    /// Sends an idempotent request, with retries.
    pub(super) async fn ask(
        &self,
        method: Method,
        target: &Target,
        path: Path<'_>,
    ) -> Result<Response, Fault> {
        let ask = || async {
            let answer = self.send(method.clone(), target, path).await?;
            if is_busy(answer.status()) { Err(answered(&answer)) } else { Ok(answer) }
        };
        retried(RETRIES, ask, Fault::may_pass).await
    }

    /// Sends once; a second time with a new token if Swift no longer accepts the first one.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &Target,
        path: Path<'_>,
    ) -> Result<Response, Fault> {
        let request = |access: &Access| {
            let url = path.append_to(target.base(access)?);
            let mut request = self.http.request(method.clone(), url);
            if method != Method::DELETE && path.object.is_some() {
                request = request.header("X-Newest", "true");
            }
            Ok(request)
        };
        self.send_with_token(target, request).await
    }

    /// Deletes many objects, one quoted path per line. Sent once, like every deletion.
    pub(super) async fn bulk_delete(
        &self,
        target: &Target,
        lines: &str,
    ) -> Result<Response, Fault> {
        let request = |access: &Access| {
            let url = format!("{}?bulk-delete", target.base(access)?);
            let request = self.http.post(url).header("Content-Type", "text/plain");
            Ok(request.body(lines.to_owned()))
        };
        self.send_with_token(target, request).await
    }

    /// The capabilities that this Swift reports.
    pub(super) async fn info(&self, target: &Target) -> Result<Info, Fault> {
        let access = self.access(target).await?;
        let Some(url) =
            target.base(&access)?.rsplit_once("/v1").map(|(root, _)| format!("{root}/info"))
        else {
            return Ok(Info::default());
        };
        let answer = self.sent(self.http.get(url)).await?;
        match answer.status() {
            status if status.is_success() => json(answer, self.limit).await,
            status if is_busy(status) => Err(answered(&answer)),
            _ => Ok(Info::default()),
        }
    }

    async fn access(&self, target: &Target) -> Result<Access, Fault> {
        let late = || Fault::Login("no answer to our login in time".to_owned());
        timeout(self.limit, target.account.access()).await.map_err(|_| late())?
    }

    async fn send_with_token(
        &self,
        target: &Target,
        request: impl Fn(&Access) -> Result<RequestBuilder, Fault>,
    ) -> Result<Response, Fault> {
        let with_token = |access: &Access| {
            let request = request(access)?.header("X-Auth-Token", access.token.clone());
            Ok(request.header("Accept", "application/json"))
        };
        let access = self.access(target).await?;
        let answer = self.sent(with_token(&access)?).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        target.account.forget(&access);
        let access = self.access(target).await?;
        self.sent(with_token(&access)?).await
    }

    async fn sent(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let sent = timeout(self.limit, request.send()).await.map_err(|_| late())?;
        sent.map_err(Fault::unanswered)
    }

    /// Creates an object from data that Swift already has; sent once. Restoring a version requires
    /// that no object exists. A copy cannot require that, because Swift applies the condition to
    /// the copy's source.
    pub(super) async fn put(
        &self,
        target: &Target,
        query: &str,
        copy_from: Option<String>,
    ) -> Result<Response, Fault> {
        let access = self.access(target).await?;
        let path = Path { query, ..target.path() };
        let mut request = self.http.request(Method::PUT, path.append_to(target.base(&access)?));
        request = request.header("X-Auth-Token", access.token.clone());
        request = request.header("Content-Length", "0");
        let (header, value) = match copy_from {
            Some(from) => ("X-Copy-From", from),
            None => ("If-None-Match", "*".to_owned()),
        };
        self.sent(request.header(header, value)).await
    }

    /// All objects of a container that begin with `prefix`, page by page.
    pub(super) async fn list(
        &self,
        target: &Target,
        container: &str,
        prefix: &str,
        versions: bool,
    ) -> Result<Vec<Listed>, Fault> {
        let mut all: Vec<Listed> = Vec::new();
        let versions = if versions { "&versions" } else { "" };
        loop {
            let marker = all.last().map_or("", |last| &last.name);
            let (prefix, marker) = (quoted(prefix), quoted(marker));
            let query = format!("format=json&prefix={prefix}&marker={marker}{versions}");
            let path = Path { container, object: None, query: &query };
            let page = self.page(success(self.ask(Method::GET, target, path).await?)?).await?;
            // If one name has several versions, a marker by name skips the rest of them.
            let Some(first) = page.first() else { return Ok(all) };
            if all.last().is_some_and(|last| first.name <= last.name) {
                return Err(Fault::Unclear("a page of a listing repeats earlier names".to_owned()));
            }
            all.extend(page);
        }
    }

    /// A page of a listing; an empty page may have no body.
    pub(super) async fn page(&self, answer: Response) -> Result<Vec<Listed>, Fault> {
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(Vec::new()),
            _ => json(answer, self.limit).await,
        }
    }
}

/// A header that names objects, quoted or not, decoded as Swift decodes it.
pub(super) fn named(headers: &HeaderMap, header: &str) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    let name = percent_decode(value.as_bytes()).decode_utf8();
    let unreadable = || Fault::Unclear(format!("the value of {header} is not UTF-8"));
    Ok(Some(name.map_err(|_| unreadable())?.into_owned()))
}

/// Turns a response other than success into a fault.
pub(super) fn success(answer: Response) -> Result<Response, Fault> {
    if answer.status().is_success() { Ok(answer) } else { Err(answered(&answer)) }
}

pub(super) fn answered(answer: &Response) -> Fault {
    let transaction = header(answer.headers(), "x-trans-id").unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let transaction: String = transaction.chars().filter(|c| is_name(*c)).take(64).collect();
    Fault::Answered(answer.status(), words(answer.status(), &transaction))
}

/// The status with Swift's transaction id, and advice.
fn words(status: StatusCode, transaction: &str) -> String {
    let named = if transaction.is_empty() { String::new() } else { format!(" ({transaction})") };
    let hint = match status.as_u16() {
        401 => "; check the credentials, and that Swift asks the same Keystone",
        403 => "; the user may not touch this account or container",
        301 | 302 | 307 | 308 => "; redirects are not followed: check the endpoint",
        404 => "; check swift_store_container, the account and the endpoint",
        507 => "; its disks are full or away",
        _ => "",
    };
    format!("Swift answers {status}{named}{hint}")
}

fn late() -> Fault {
    Fault::Late("Swift did not answer in time".to_owned())
}

/// Reads a body as JSON.
pub(super) async fn json<T: for<'d> Deserialize<'d>>(
    answer: Response,
    limit: Duration,
) -> Result<T, Fault> {
    let body = timeout(limit, net::body(answer, LONGEST_BODY)).await.map_err(|_| late())?;
    let body = body.map_err(|error| Fault::Cut(error.to_string()))?;
    serde_json::from_slice(&body)
        .map_err(|_| Fault::Unclear("Swift's answer is not the expected JSON".to_owned()))
}

/// Quotes one path segment or one query value.
pub(super) fn quoted(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_header_of_any_name_is_read_or_said_to_be_unreadable() {
        let read = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-object-manifest", HeaderValue::from_bytes(value).unwrap());
            named(&headers, "x-object-manifest")
        };
        for value in ["c/\u{fc}-", "c/%C3%BC-"] {
            assert_eq!(read(value.as_bytes()), Ok(Some("c/\u{fc}-".to_owned())), "{value}");
        }
        for value in [&b"c/\xfc-"[..], b"c/%FC-"] {
            assert!(matches!(read(value), Err(Fault::Unclear(_))), "{value:?}");
        }
        assert_eq!(named(&HeaderMap::new(), "x-object-manifest"), Ok(None));
    }

    #[test]
    fn a_message_names_the_transaction_and_what_to_look_at() {
        assert_eq!(
            words(StatusCode::FORBIDDEN, "tx1"),
            "Swift answers 403 Forbidden (tx1); the user may not touch this account or container"
        );
    }
}
