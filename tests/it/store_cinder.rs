//! The Cinder store, against a stub of Cinder's three calls behind a Keystone that is one too: a
//! real Cinder needs a message queue and volumes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use glance_revert::config::{CinderConfig, CinderCredentials, CinderLogin};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::cinder::CinderStore;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::proxy::closed_port;

const IMAGE: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const VOLUME: &str = "5d1c0000-0000-4000-8000-00000000000a";

/// What the stub does with a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Away,
    /// The volume is in this status after so many looks.
    Becomes(&'static str),
    Answers(u16),
}

#[derive(Debug)]
struct Cinder {
    /// By id: name and status.
    volumes: BTreeMap<String, (String, &'static str)>,
    ending: Ending,
    /// Looks at a volume that is being deleted, before the end.
    looks: usize,
    may_list: bool,
    deletes: usize,
    logins: usize,
    /// The token that was given last; others are refused.
    token: String,
}

type Shared = Arc<Mutex<Cinder>>;

fn answer(status: u16, body: &Value) -> Response<String> {
    Response::builder()
        .status(status)
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .unwrap()
}

async fn serve(
    State((cinder, base)): State<(Shared, String)>,
    request: Request,
) -> Response<String> {
    let mut cinder = cinder.lock().unwrap();
    let path = request.uri().path().to_owned();
    if path == "/identity/v3/auth/tokens" {
        cinder.logins += 1;
        cinder.token = format!("token-{}", cinder.logins);
        let endpoints = json!([{ "interface": "public", "region": "one", "url": format!("{base}/volume/v3/p") }]);
        let catalog = json!([{ "type": "volumev3", "endpoints": endpoints }]);
        let token = json!({ "expires_at": "2999-01-01T00:00:00.000000Z", "catalog": catalog, "project": { "id": "p" } });
        let mut answer = answer(201, &json!({ "token": token }));
        answer.headers_mut().insert("X-Subject-Token", cinder.token.parse().unwrap());
        return answer;
    }
    if request.headers().get("X-Auth-Token").is_none_or(|token| *token != *cinder.token) {
        return answer(401, &json!({}));
    }
    let Some(id) = path.strip_prefix("/volume/v3/p/volumes").map(|id| id.trim_start_matches('/'))
    else {
        return answer(404, &json!({}));
    };
    if id.is_empty() {
        return answer(if cinder.may_list { 200 } else { 403 }, &json!({ "volumes": [] }));
    }
    if request.method() == Method::DELETE {
        return cinder.delete(id);
    }
    cinder.look(id)
}

impl Cinder {
    fn delete(&mut self, id: &str) -> Response<String> {
        self.deletes += 1;
        if let Ending::Answers(status) = self.ending {
            return answer(status, &json!({ "badRequest": { "message": "Invalid volume" } }));
        }
        match self.volumes.get_mut(id) {
            Some((_, status)) => *status = "deleting",
            None => return answer(404, &json!({})),
        }
        answer(202, &json!({}))
    }

    fn look(&mut self, id: &str) -> Response<String> {
        if self.volumes.get(id).is_some_and(|(_, status)| *status == "deleting") {
            self.looks = self.looks.saturating_sub(1);
            match (self.looks, self.ending) {
                (0, Ending::Away) => drop(self.volumes.remove(id)),
                (0, Ending::Becomes(end)) => self.volumes.get_mut(id).unwrap().1 = end,
                (_, Ending::Away | Ending::Becomes(_) | Ending::Answers(_)) => {}
            }
        }
        match self.volumes.get(id) {
            Some((name, status)) => {
                let metadata = json!({ "image_size": "21", "glance_image_id": IMAGE });
                let volume = json!({ "id": id, "name": name, "status": status, "size": 1, "metadata": metadata });
                answer(200, &json!({ "volume": volume }))
            }
            None => answer(404, &json!({ "itemNotFound": {} })),
        }
    }
}

struct Place {
    cinder: Shared,
    store: CinderStore,
    uri: StoreUri,
}

fn config(auth_address: String) -> CinderConfig {
    let credentials = CinderCredentials::Password {
        user: "glance".to_owned(),
        user_domain: "Default".to_owned(),
        password: "pw".into(),
        project: "service".to_owned(),
        project_domain: "Default".to_owned(),
    };
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

fn store(config: &CinderConfig) -> CinderStore {
    CinderStore::new(StoreId("volumes".to_owned()), config, &StoreOptions::default()).unwrap()
}

/// A Cinder with one image's volume.
async fn place(status: &'static str, ending: Ending) -> Place {
    let volumes = BTreeMap::from([(VOLUME.to_owned(), (format!("image-{IMAGE}"), status))]);
    let cinder = Cinder {
        volumes,
        ending,
        looks: 2,
        may_list: true,
        deletes: 0,
        logins: 0,
        token: String::new(),
    };
    let cinder = Arc::new(Mutex::new(cinder));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let store = store(&config(format!("{base}/identity")));
    let router = Router::new().fallback(serve).with_state((Arc::clone(&cinder), base));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Place { cinder, store, uri: uri(&format!("cinder://volumes/{VOLUME}")) }
}

impl Place {
    async fn stat(&self) -> Result<Presence, StoreError> {
        self.store.stat(&image(), &self.uri).await
    }

    async fn delete(&self) -> Deletion {
        self.store.delete(&image(), &self.uri).await
    }

    fn with<T>(&self, look: impl FnOnce(&mut Cinder) -> T) -> T {
        look(&mut self.cinder.lock().unwrap())
    }
}

fn image() -> ImageId {
    ImageId::parse(IMAGE).unwrap()
}

fn uri(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap()
}

#[tokio::test]
async fn a_volume_is_seen_and_its_deletion_waited_for() {
    let place = place("available", Ending::Away).await;
    assert_eq!(place.store.health().await, Ok(()));
    assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
    assert_eq!(place.delete().await, Deletion::Deleted);
    assert!(place.with(|cinder| cinder.volumes.is_empty()), "it is away and not only accepted");
    assert_eq!(place.stat().await, Ok(Presence::Absent));
    assert_eq!(place.delete().await, Deletion::Gone);
    assert_eq!(place.with(|cinder| cinder.deletes), 1);
}

#[tokio::test]
async fn what_cinder_gives_back_is_held() {
    let place = place("available", Ending::Becomes("available")).await;
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Held(_)), "{deletion:?}");
    assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
}

#[tokio::test]
async fn a_deletion_that_fails_or_does_not_end_is_in_doubt() {
    for end in ["error_deleting", "deleting"] {
        let place = place("available", Ending::Becomes(end)).await;
        let deletion = place.delete().await;
        assert!(matches!(deletion, Deletion::Uncertain(_)), "{end}: {deletion:?}");
        assert!(matches!(place.stat().await, Ok(Presence::Damaged(_))), "{end}");
    }
}

#[tokio::test]
async fn each_refusal_says_what_became_of_the_data() {
    for (status, is_expected) in [
        (400, (|deletion| matches!(deletion, Deletion::Held(_))) as fn(&Deletion) -> bool),
        (403, |deletion| matches!(deletion, Deletion::Refused(_))),
        (413, |deletion| matches!(deletion, Deletion::Refused(_))),
        (500, |deletion| matches!(deletion, Deletion::Uncertain(_))),
        (503, |deletion| matches!(deletion, Deletion::Uncertain(_))),
    ] {
        let place = place("available", Ending::Answers(status)).await;
        let deletion = place.delete().await;
        assert!(is_expected(&deletion), "{status}: {deletion:?}");
        assert_eq!(place.with(|cinder| cinder.deletes), 1, "sent once");
        assert_eq!(place.stat().await, Ok(Presence::Present { size: 21 }));
    }
}

#[tokio::test]
async fn a_deletion_that_was_begun_is_waited_for_and_not_asked_for_again() {
    let place = place("deleting", Ending::Away).await;
    assert_eq!(place.delete().await, Deletion::Deleted);
    assert_eq!(place.with(|cinder| cinder.deletes), 0);
}

#[tokio::test]
async fn a_volume_that_is_not_named_after_the_image_is_not_touched() {
    let place = place("available", Ending::Away).await;
    let other = "root disk of a server".to_owned();
    place.with(|cinder| cinder.volumes.get_mut(VOLUME).unwrap().0 = other);
    assert!(matches!(place.stat().await, Err(StoreError::BadLocation(_))));
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.with(|cinder| (cinder.volumes.len(), cinder.deletes)), (1, 0));
}

#[tokio::test]
async fn absence_is_not_believed_where_the_volumes_cannot_be_listed() {
    let place = place("available", Ending::Away).await;
    place.with(|cinder| {
        cinder.volumes.clear();
        cinder.may_list = false;
    });
    assert!(matches!(place.stat().await, Err(StoreError::Refused(_))));
    let deletion = place.delete().await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed() {
    let place = place("available", Ending::Away).await;
    assert!(place.stat().await.is_ok());
    place.with(|cinder| cinder.token = "another".to_owned());
    assert!(place.stat().await.is_ok());
    assert_eq!(place.with(|cinder| cinder.logins), 2);
}

#[tokio::test]
async fn without_a_keystone_nothing_is_said_of_the_data() {
    let store = store(&config(format!("http://127.0.0.1:{}", closed_port())));
    let uri = uri(&format!("cinder://{VOLUME}"));
    assert!(matches!(store.health().await, Err(StoreError::Unreachable(_))));
    assert!(matches!(store.stat(&image(), &uri).await, Err(StoreError::Unreachable(_))));
    assert!(matches!(store.delete(&image(), &uri).await, Deletion::Refused(_)));
}

#[tokio::test]
async fn without_a_user_of_our_own_the_image_is_never_begun() {
    let config = CinderConfig { login: None, ..config(String::new()) };
    let store = store(&config);
    let uri = uri(&format!("cinder://{VOLUME}"));
    assert!(store.claims(&uri).is_some());
    let refused = store.accepts(&image(), &uri);
    assert!(
        matches!(&refused, Err(StoreError::NotVerifiable(what)) if what.contains("auth_address"))
    );
}

#[tokio::test]
async fn only_volumes_of_this_store_are_claimed() {
    let place = place("available", Ending::Away).await;
    assert!(place.store.claims(&uri(&format!("cinder://{VOLUME}"))).is_some());
    assert_eq!(place.store.claims(&uri(&format!("cinder://other/{VOLUME}"))), None);
    assert_eq!(place.store.claims(&uri("cinder://volumes/not-a-uuid")), None);
}
