//! A configured account: how to get its token and URL.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::uri::Address;
use crate::config::{SwiftAccount, SwiftConfig, SwiftLogin};
use crate::domain::time::Clock;
use crate::net::keystone::{Interface, ServiceUser, Session};
use crate::net::{Client, header, root_cause, secret_header};
use crate::store::http_client::service_user;
use crate::store::http_fault::Fault;

/// A configured account and its login.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) reference: String,
    pub(super) address: Address,
    /// The project (of tempauth: the account) that owns the data, if known.
    pub(super) project: Option<String>,
    /// How many objects its Swift deletes with one request, once known; 1 if it has no bulk delete.
    pub(super) bulk: OnceCell<usize>,
    login: Login,
}

#[derive(Debug)]
enum Login {
    Keystone { user: ServiceUser, endpoint: Endpoint },
    V1(V1),
}

/// How the account's URL is found.
#[derive(Debug)]
struct Endpoint {
    fixed: Option<String>,
    service_type: String,
    interface: Interface,
    region: Option<String>,
}

/// Swift's own login (v1).
#[derive(Debug)]
struct V1 {
    http: Client,
    url: String,
    user: String,
    key: SecretString,
    endpoint: Option<String>,
    kept: Mutex<Option<Arc<V1Session>>>,
}

struct V1Session {
    token: HeaderValue,
    storage_url: String,
}

/// A token and the URL of its account.
pub(super) struct Access {
    pub(super) token: HeaderValue,
    /// Without a trailing slash.
    pub(super) storage_url: String,
    session: Kept,
}

enum Kept {
    Keystone(Arc<Session>),
    V1(Arc<V1Session>),
}

impl std::fmt::Debug for V1Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("V1Session").finish_non_exhaustive()
    }
}

impl Account {
    /// Connects to nothing. The error says what is wrong with the address.
    pub(super) fn new(
        account: &SwiftAccount,
        config: &SwiftConfig,
        http: &Client,
        limit: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let (login, project) = match &account.login {
            SwiftLogin::V1 { user, key } => {
                let project = user.split(':').next().map(str::to_owned);
                (Login::V1(V1::new(account, user, key, config, http.clone())), project)
            }
            SwiftLogin::Keystone { credentials, project } => {
                let user = service_user(http, &account.auth_address, credentials, limit, clock);
                let user = user.map_err(|error| {
                    format!("the auth_address of {}: {error}", account.reference)
                })?;
                let login = Login::Keystone { user, endpoint: Endpoint::new(config)? };
                (login, project.clone())
            }
        };
        let address = Address::of_url(&account.auth_address);
        let (reference, bulk) = (account.reference.clone(), OnceCell::new());
        Ok(Self { reference, address, project, bulk, login })
    }

    /// The current token, or a new one.
    pub(super) async fn access(&self) -> Result<Access, Fault> {
        match &self.login {
            Login::Keystone { user, endpoint } => {
                let session = user.session().await.map_err(|e| Fault::Login(e.to_string()))?;
                let storage_url = endpoint.of(&session)?;
                let token = credential(session.token.expose_secret())?;
                Ok(Access { token, storage_url, session: Kept::Keystone(session) })
            }
            Login::V1(v1) => {
                let session = v1.session().await?;
                let storage_url = v1.endpoint.as_ref().unwrap_or(&session.storage_url).clone();
                Ok(Access { token: session.token.clone(), storage_url, session: Kept::V1(session) })
            }
        }
    }

    /// Discards a token that Swift refused.
    pub(super) fn forget(&self, refused: &Access) {
        match (&self.login, &refused.session) {
            (Login::Keystone { user, .. }, Kept::Keystone(session)) => user.forget(session),
            (Login::V1(v1), Kept::V1(session)) => v1.forget(session),
            // Unreachable: a session is of the same kind as its account's login.
            (Login::Keystone { .. }, Kept::V1(_)) | (Login::V1(_), Kept::Keystone(_)) => {}
        }
    }
}

impl Endpoint {
    fn new(config: &SwiftConfig) -> Result<Self, String> {
        let interface = Interface::parse(&config.endpoint_type)
            .ok_or_else(|| "swift_store_endpoint_type is no type of endpoint".to_owned())?;
        Ok(Self {
            fixed: config.endpoint.as_deref().map(without_slash),
            service_type: config.service_type.clone(),
            interface,
            region: config.region.clone(),
        })
    }

    fn of(&self, session: &Session) -> Result<String, Fault> {
        let of_catalog =
            || session.catalog.endpoint(&self.service_type, self.interface, self.region.as_deref());
        let url = self.fixed.as_deref().or_else(of_catalog);
        url.map(without_slash).ok_or_else(|| {
            Fault::Login(format!(
                "Keystone's catalog has no {} endpoint of this interface and region: check \
                 swift_store_endpoint_type, swift_store_region and swift_store_service_type, or \
                 set swift_store_endpoint",
                self.service_type
            ))
        })
    }
}

impl V1 {
    fn new(
        account: &SwiftAccount,
        user: &str,
        key: &SecretString,
        config: &SwiftConfig,
        http: Client,
    ) -> Self {
        Self {
            http,
            url: account.auth_address.clone(),
            user: user.to_owned(),
            key: key.clone(),
            endpoint: config.endpoint.as_deref().map(without_slash),
            kept: Mutex::default(),
        }
    }

    async fn session(&self) -> Result<Arc<V1Session>, Fault> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(session) = kept {
            return Ok(session);
        }
        let session = Arc::new(self.log_in().await?);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        Ok(session)
    }

    fn forget(&self, refused: &Arc<V1Session>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|known| Arc::ptr_eq(known, refused)) {
            *kept = None;
        }
    }

    async fn log_in(&self) -> Result<V1Session, Fault> {
        let request = self
            .http
            .get(&self.url)
            .header("X-Auth-User", credential(&self.user)?)
            .header("X-Auth-Key", credential(self.key.expose_secret())?);
        let answer = request.send().await.map_err(|error| {
            Fault::Login(format!("the auth address does not answer: {}", root_cause(error)))
        })?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(Fault::Login(format!("the auth address answers {status} to our login")));
        }
        let of_answer = |name| header(answer.headers(), name);
        let (Some(token), Some(storage_url)) =
            (of_answer("x-auth-token"), of_answer("x-storage-url"))
        else {
            let text = "the server at the auth address is not Swift: it returned no token";
            return Err(Fault::Login(text.to_owned()));
        };
        Ok(V1Session { token: credential(token)?, storage_url: without_slash(storage_url) })
    }
}

fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn credential(secret: &str) -> Result<HeaderValue, Fault> {
    secret_header(secret).ok_or_else(|| {
        Fault::Login("a credential has characters that a header cannot have".to_owned())
    })
}
