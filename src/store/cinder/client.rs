//! Cinder's four calls: show a volume, list volumes, delete a volume, and one for admins only.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use tokio::time::timeout;

use crate::config::CinderConfig;
use crate::domain::time::Clock;
use crate::net::keystone::{Interface, ServiceUser, Session};
use crate::net::{self, Client, Response, retried, secret_header};
use crate::store::http_client::{RETRIES, service_user};
use crate::store::http_fault::{Fault, is_busy};

/// Limits the body of a response: a volume, or one page of volumes.
const LONGEST_BODY: usize = 1024 * 1024;
/// The newer name of the type, which catalogs have beside or instead of `volumev3`.
const BLOCK_STORAGE: &str = "block-storage";

/// Speaks to Cinder as one user.
#[derive(Debug)]
pub(super) struct CinderClient {
    http: Client,
    user: ServiceUser,
    service_type: String,
    interface: Interface,
    region: Option<String>,
    limit: Duration,
}

/// The fields of a volume that are needed.
#[derive(Debug, Deserialize)]
pub(super) struct Volume {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) status: String,
    /// GiB.
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) metadata: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct VolumeBody {
    volume: Volume,
}

impl CinderClient {
    /// Connects to nothing. `Ok(None)` without a login; `Err` is the problem.
    pub(super) fn new(
        config: &CinderConfig,
        http: Client,
        limit: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, String> {
        let Some(login) = &config.login else { return Ok(None) };
        let user = service_user(&http, &login.auth_address, &login.credentials, limit, clock)
            .map_err(|error| format!("cinder_store_auth_address: {error}"))?;
        let interface = Interface::parse(&config.interface)
            .ok_or_else(|| "cinder_catalog_info must end with a type of endpoint".to_owned())?;
        let (service_type, region) = (config.service_type.clone(), config.region.clone());
        Ok(Some(Self { http, user, service_type, interface, region, limit }))
    }

    /// A volume; `None` if Cinder does not know it, or does not show it to this user.
    pub(super) async fn volume(&self, id: &str) -> Result<Option<Volume>, Fault> {
        let answer = self.ask(&format!("/volumes/{id}")).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let body = timeout(self.limit, net::body(answer, LONGEST_BODY)).await;
                let body = body.map_err(|_| late())?.map_err(|e| Fault::Cut(e.to_string()))?;
                let body: VolumeBody = serde_json::from_slice(&body).map_err(|_| {
                    Fault::Unclear("Cinder's answer is not the expected JSON".to_owned())
                })?;
                Ok(Some(body.volume))
            }
            status => Err(answered(status)),
        }
    }

    /// Whether our user may list the project's volumes.
    pub(super) async fn look(&self) -> Result<(), Fault> {
        match self.ask("/volumes?limit=1").await?.status() {
            StatusCode::OK => Ok(()),
            status => Err(answered(status)),
        }
    }

    /// Whether this user sees the volumes of all projects. Cinder shows them only to admins; for
    /// other users a list of all projects' volumes silently has only their own. Only admins can
    /// list Cinder's services, so this tests that.
    pub(super) async fn sees_all(&self) -> Result<bool, Fault> {
        match self.ask("/os-services").await?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(false),
            status => Err(answered(status)),
        }
    }

    /// Asks for a volume's deletion, once: the status.
    pub(super) async fn delete(&self, id: &str) -> Result<StatusCode, Fault> {
        Ok(self.send(Method::DELETE, &format!("/volumes/{id}")).await?.status())
    }

    /// Retries while there is time, but not if Cinder hangs.
    async fn ask(&self, path: &str) -> Result<Response, Fault> {
        let ask = || async {
            let answer = self.send(Method::GET, path).await?;
            if is_busy(answer.status()) { Err(answered(answer.status())) } else { Ok(answer) }
        };
        timeout(self.limit, retried(RETRIES, ask, Fault::may_pass)).await.map_err(|_| late())?
    }

    /// Retries with a new token if the first one is no longer valid.
    async fn send(&self, method: Method, path: &str) -> Result<Response, Fault> {
        let session = self.session().await?;
        let answer = self.send_as(&session, method.clone(), path).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.user.forget(&session);
        let session = self.session().await?;
        self.send_as(&session, method, path).await
    }

    async fn session(&self) -> Result<Arc<Session>, Fault> {
        self.user.session().await.map_err(|error| Fault::Unreached(error.to_string()))
    }

    async fn send_as(
        &self,
        session: &Session,
        method: Method,
        path: &str,
    ) -> Result<Response, Fault> {
        let region = self.region.as_deref();
        let endpoint = |kind| session.catalog.endpoint(kind, self.interface, region);
        let base = endpoint(&self.service_type).or_else(|| endpoint(BLOCK_STORAGE));
        let base = base.ok_or_else(|| {
            Fault::Unreached(
                "Keystone's catalog has no Cinder of this interface and region: check \
                 cinder_catalog_info and cinder_os_region_name"
                    .to_owned(),
            )
        })?;
        let token = secret_header(session.token.expose_secret()).ok_or_else(|| {
            Fault::Login("the token has characters that a header cannot have".to_owned())
        })?;
        let request = self.http.request(method, format!("{base}{path}"));
        let request = request.header("X-Auth-Token", token).header("Accept", "application/json");
        let sent = timeout(self.limit, request.send()).await.map_err(|_| late())?;
        sent.map_err(Fault::unanswered)
    }
}

pub(super) fn answered(status: StatusCode) -> Fault {
    Fault::Answered(status, format!("Cinder answers {status}"))
}

fn late() -> Fault {
    Fault::Late("Cinder did not answer in time".to_owned())
}
