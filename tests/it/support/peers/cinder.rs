//! A stub of Cinder's four calls and of a Keystone: a real Cinder would need a message queue and
//! volumes.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use glance_revert::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use glance_revert::config::{CinderConfig, CinderLogin};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::canary;

/// How the stub handles a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Away,
    /// The volume gets this status after some polls.
    Becomes(&'static str),
    Answers(u16),
}

/// How a volume can be in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Attached,
    Snapshots,
    /// Known only to the driver, which notices during the deletion.
    Clones,
}

/// How the stub handles requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Kind,
    /// The user may see single volumes, but not list them.
    ForbidsLists,
    /// The user may do nothing.
    Forbids,
    /// The project's URL is unknown.
    Lost,
    /// Accepts requests but never answers.
    Silent,
}

#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) status: &'static str,
    pub(crate) data: Vec<u8>,
    pub(crate) used: Option<Use>,
    /// In another project than our user's, so only admins see it.
    pub(crate) foreign: bool,
    /// Whether its metadata has the image's size, which Glance writes and Cinder does not.
    pub(crate) tells_size: bool,
}

#[derive(Debug)]
pub(crate) struct Cinder {
    /// By id.
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) ending: Ending,
    /// How often a volume that is being deleted is still shown.
    pub(crate) looks: usize,
    pub(crate) mood: Mood,
    /// The mood after the first look at a volume, or from a deletion on.
    pub(crate) mood_after_look: Option<Mood>,
    pub(crate) mood_after_deletion: Option<Mood>,
    /// Whether our user is an admin.
    pub(crate) admin: bool,
    /// Number of requests with the right token.
    pub(crate) requests: usize,
    pub(crate) deletes: usize,
    pub(crate) logins: usize,
    /// The last issued token; others are refused.
    pub(crate) token: String,
}

pub(crate) type Shared = Arc<Mutex<Cinder>>;

/// Listens before the address is known by which it will be reached, and which its catalog needs.
pub(crate) struct Listening(TcpListener);

impl Listening {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// `host:port`
    pub(crate) fn authority(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Serves a Cinder without volumes that is reached at `authority`.
    pub(crate) fn serve(self, authority: &str) -> Shared {
        let cinder = Arc::new(Mutex::new(Cinder {
            volumes: BTreeMap::new(),
            ending: Ending::Away,
            looks: 1,
            mood: Mood::Kind,
            mood_after_look: None,
            mood_after_deletion: None,
            admin: true,
            requests: 0,
            deletes: 0,
            logins: 0,
            token: String::new(),
        }));
        let state = (Arc::clone(&cinder), format!("http://{authority}"));
        let router = Router::new().fallback(answer_one).with_state(state);
        tokio::spawn(async move { axum::serve(self.0, router).await });
        cinder
    }
}

/// The store's configuration for a stub that is reached at `authority`.
pub(crate) fn config(authority: &str) -> CinderConfig {
    let named = |name: &str| Identifier::Name {
        name: name.to_owned(),
        domain: Domain::NameOrId("Default".to_owned()),
    };
    let credentials = Credentials::Password {
        user: named("glance"),
        password: canary::CINDER_PASSWORD.into(),
        scope: Scope::Project(named("service")),
    };
    let auth_address = format!("http://{authority}/identity");
    CinderConfig {
        login: Some(CinderLogin { auth_address, credentials }),
        service_type: "volumev3".to_owned(),
        interface: "publicURL".to_owned(),
        region: None,
        ca_file: None,
        insecure: false,
        transition_timeout: Duration::from_secs(2),
    }
}

fn answer(status: u16, body: &Value) -> Response<String> {
    Response::builder()
        .status(status)
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .unwrap()
}

async fn answer_one(
    State((cinder, base)): State<(Shared, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<String> {
    if uri.path() == "/identity/v3/auth/tokens" {
        return cinder.lock().unwrap().log_in(&base, &String::from_utf8_lossy(&body));
    }
    let (silent, answer) = {
        let mut cinder = cinder.lock().unwrap();
        (cinder.mood == Mood::Silent, cinder.answer(&method, uri.path(), &headers))
    };
    if silent { pending().await } else { answer }
}

impl Cinder {
    /// A refused login is answered with everything that it contained.
    fn log_in(&mut self, base: &str, body: &str) -> Response<String> {
        let known = [canary::CINDER_PASSWORD, canary::CINDER_CREDENTIAL_SECRET];
        if !known.iter().any(|secret| body.contains(secret)) {
            return answer(401, &json!({ "error": { "message": body } }));
        }
        self.logins += 1;
        self.token = format!("token-{}", self.logins);
        let url = format!("{base}/volume/v3/p");
        let endpoints = json!([{ "interface": "public", "region": "one", "url": url }]);
        let catalog = json!([{ "type": "volumev3", "endpoints": endpoints }]);
        let expiry = "2999-01-01T00:00:00.000000Z";
        let token = json!({ "expires_at": expiry, "catalog": catalog, "project": { "id": "p" } });
        let mut answer = answer(201, &json!({ "token": token }));
        answer.headers_mut().insert("X-Subject-Token", self.token.parse().unwrap());
        answer
    }

    fn answer(&mut self, method: &Method, path: &str, headers: &HeaderMap) -> Response<String> {
        if headers.get("X-Auth-Token").is_none_or(|token| *token != *self.token) {
            return answer(401, &json!({}));
        }
        self.requests += 1;
        if path == "/volume/v3/p/os-services"
            && matches!(self.mood, Mood::Kind | Mood::ForbidsLists)
        {
            let status = if self.admin { 200 } else { 403 };
            return answer(status, &json!({ "services": [] }));
        }
        let id = path.strip_prefix("/volume/v3/p/volumes").filter(|_| self.mood != Mood::Lost);
        let Some(id) = id.map(|id| id.trim_start_matches('/')) else {
            return answer(404, &json!({}));
        };
        let forbidden = match self.mood {
            Mood::Kind | Mood::Lost | Mood::Silent => false,
            Mood::ForbidsLists => id.is_empty(),
            Mood::Forbids => true,
        };
        if forbidden {
            return answer(403, &json!({ "forbidden": {} }));
        }
        if id.is_empty() {
            return answer(200, &json!({ "volumes": [] }));
        }
        let (answer, mood) = if *method == Method::DELETE {
            (self.delete(id), self.mood_after_deletion)
        } else {
            (self.look(id), self.mood_after_look)
        };
        self.mood = mood.unwrap_or(self.mood);
        answer
    }

    fn delete(&mut self, id: &str) -> Response<String> {
        self.deletes += 1;
        let admin = self.admin;
        let shown = |volume: &&mut Volume| admin || !volume.foreign;
        let Some(volume) = self.volumes.get_mut(id).filter(shown) else {
            return answer(404, &json!({}));
        };
        let refused = match (self.ending, volume.used) {
            (Ending::Answers(status), _) => Some(status),
            (_, Some(Use::Attached | Use::Snapshots)) => Some(400),
            (Ending::Away | Ending::Becomes(_), Some(Use::Clones) | None) => None,
        };
        if let Some(status) = refused {
            let text = "Invalid volume: Volume status must be available or error and must not be \
                        attached, have snapshots or be disassociated from snapshots.";
            return answer(status, &json!({ "badRequest": { "message": text } }));
        }
        volume.status = "deleting";
        answer(202, &json!({}))
    }

    fn look(&mut self, id: &str) -> Response<String> {
        if let Some(volume) = self.volumes.get_mut(id).filter(|volume| volume.status == "deleting")
        {
            self.looks = self.looks.saturating_sub(1);
            match (self.looks, self.ending, volume.used) {
                (0, _, Some(Use::Clones)) => volume.status = "available",
                (0, Ending::Away, _) => drop(self.volumes.remove(id)),
                (0, Ending::Becomes(end), _) => volume.status = end,
                (_, Ending::Away | Ending::Becomes(_) | Ending::Answers(_), _) => {}
            }
        }
        match self.volumes.get(id).filter(|volume| self.admin || !volume.foreign) {
            Some(Volume { name, status, data, tells_size, .. }) => {
                let size = data.len().to_string();
                let metadata = if *tells_size { json!({ "image_size": size }) } else { json!({}) };
                let volume = json!({ "id": id, "name": name, "status": status, "size": 1, "metadata": metadata });
                answer(200, &json!({ "volume": volume }))
            }
            None => answer(404, &json!({ "itemNotFound": {} })),
        }
    }
}
