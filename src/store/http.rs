//! The http store: `http(s)://` locations, read-only in Glance.
//!
//! Users choose these URIs, so a request could be abused (SSRF). This store contacts only hosts
//! that the operator lists in `http_verify_hosts`, and ignores redirects and proxy variables. A
//! pass never connects.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use reqwest::{Method, StatusCode, Url};

use super::http_client::{Trust, http_client};
use super::{StoreOptions, StoreSetupError, names};
use crate::config::HttpConfig;
use crate::domain::image::ImageId;
use crate::domain::store::{
    Deletion, Keeps, ObjectStream, Objects, Presence, Remains, Store, StoreError, StoreId, StoreUri,
};
use crate::net::{Client, Response, announced_length, root_cause};

/// `glance_store`'s prefix of this store, `http`.
const CLAIMED: usize = 4;

/// The `http` store; it exists even if the configuration has none.
#[derive(Debug)]
pub struct HttpStore {
    id: StoreId,
    /// `None` if no host is listed: then it cannot connect.
    asking: Option<Asking>,
}

#[derive(Debug)]
struct Asking {
    client: Client,
    hosts: Vec<String>,
    limit: Duration,
}

impl HttpStore {
    /// Builds the store, and a client if a host is listed.
    pub fn new(
        id: StoreId,
        config: &HttpConfig,
        options: &StoreOptions,
    ) -> Result<Self, StoreSetupError> {
        let hosts = options.http_verify_hosts.clone();
        if let Some(bad) = hosts.iter().find(|host| !is_host(host)) {
            return Err(StoreSetupError::VerifyHost(bad.clone()));
        }
        if hosts.is_empty() {
            return Ok(Self { id, asking: None });
        }
        let limit = options.store_timeout;
        let is_insecure = config.insecure && config.ca_file.is_none();
        let trust = Trust {
            ca_file: ("https_ca_certificates_file", config.ca_file.as_ref()),
            insecure: is_insecure.then_some("https_insecure"),
        };
        let client = http_client(&id, trust, limit)?;
        Ok(Self { id, asking: Some(Asking { client, hosts, limit }) })
    }

    /// Sends one request; `None` means that the server answered "not found".
    async fn ask(&self, method: Method, uri: &StoreUri) -> Result<Option<Response>, StoreError> {
        let url = parse(uri)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let Some(asking) = self.asking.as_ref().filter(|asking| asking.may_ask(&url)) else {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            return Err(StoreError::NotVerifiable(format!(
                "{host}{port} is not in [revert] http_verify_hosts; add it there, or revert with \
                 verify = none"
            )));
        };
        // The client takes user and password out of the URL and sends them as basic auth.
        let sent = tokio::time::timeout(asking.limit, asking.client.request(method, url).send());
        let response = sent
            .await
            .map_err(|_| StoreError::Unreachable(format!("{host} did not answer in time")))?
            .map_err(|error| no_answer(&host, error))?;
        answered(&host, response)
    }
}

impl Asking {
    fn may_ask(&self, url: &Url) -> bool {
        self.hosts.iter().any(|listed| names(listed, url))
    }
}

#[async_trait]
impl Store for HttpStore {
    fn id(&self) -> &StoreId {
        &self.id
    }

    fn claims(&self, uri: &StoreUri) -> Option<usize> {
        matches!(uri.scheme().as_str(), "http" | "https").then_some(CLAIMED)
    }

    /// It is never destroyed, so it does not matter which rows share it.
    fn objects(&self, _uri: &StoreUri) -> Objects {
        Objects::default()
    }

    fn accepts(&self, _image: &ImageId, _uri: &StoreUri) -> Result<(), StoreError> {
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Nothing is ever deleted there.
    async fn keeps(&self, _image: &ImageId, _uri: &StoreUri) -> Result<Keeps, StoreError> {
        Ok(Keeps::Remains(Remains::default()))
    }

    async fn stat(&self, _image: &ImageId, uri: &StoreUri) -> Result<Presence, StoreError> {
        let Some(response) = self.ask(Method::HEAD, uri).await? else {
            return Ok(Presence::Absent);
        };
        let size = announced_length(&response).ok_or_else(|| {
            StoreError::Unreachable("the server answers 200 without a Content-Length".to_owned())
        })?;
        Ok(Presence::Present { size })
    }

    async fn read(
        &self,
        _image: &ImageId,
        uri: &StoreUri,
    ) -> Result<Option<ObjectStream>, StoreError> {
        let Some(response) = self.ask(Method::GET, uri).await? else { return Ok(None) };
        let host = response.url().host_str().unwrap_or_default().to_owned();
        let chunks = response.bytes_stream().map_ok(|chunk| chunk.to_vec());
        Ok(Some(chunks.map_err(move |error| no_answer(&host, error)).boxed()))
    }

    async fn delete(&self, _image: &ImageId, uri: &StoreUri) -> Deletion {
        match self.claims(uri) {
            Some(_) => Deletion::NotOurs,
            None => Deletion::Uncertain("it is not an http:// or https:// URI".to_owned()),
        }
    }
}

fn parse(uri: &StoreUri) -> Result<Url, StoreError> {
    // The parser's own error could contain the URI.
    Url::parse(uri.as_str())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| StoreError::BadLocation("it is not an http:// or https:// URI".to_owned()))
}

fn answered(host: &str, response: Response) -> Result<Option<Response>, StoreError> {
    let status = response.status();
    match status {
        StatusCode::OK => Ok(Some(response)),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(StoreError::Refused(format!("{host} answers {status}")))
        }
        _ if status.is_redirection() => Err(StoreError::Unreachable(format!(
            "{host} answers {status}, and redirects are not followed"
        ))),
        _ => Err(StoreError::Unreachable(format!("{host} answers {status}"))),
    }
}

fn no_answer(host: &str, error: reqwest::Error) -> StoreError {
    StoreError::Unreachable(format!("{host}: {}", root_cause(error)))
}

/// Whether it is a host as URLs have them, with a port or without.
fn is_host(text: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/@?#*\\".contains(c);
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let has_good_port = port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0));
    let is_address = host.starts_with('[') && host.ends_with(']');
    !host.is_empty()
        && !text.contains(is_odd)
        && has_good_port
        && (is_address || !host.contains(':'))
}
