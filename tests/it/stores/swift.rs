//! Behaviour that only the Swift store has. The rest is in `suite`.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use futures::TryStreamExt;
use glance_revert::config::{SwiftConfig, SwiftLogin};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::swift::SwiftStore;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::clock;
use crate::support::swift::{self, Container, KEY, PRODUCT, Project, Swift};

const DATA: &[u8] = b"every bit of an image";

pub(crate) fn image() -> ImageId {
    ImageId::parse(&uuid::Uuid::new_v4().to_string()).unwrap()
}

fn store(config: &SwiftConfig) -> SwiftStore {
    SwiftStore::new(
        StoreId("objects".to_owned()),
        config,
        &StoreOptions::default(),
        &clock::machine(),
    )
    .unwrap()
}

/// A container and a store for it.
pub(crate) struct Place {
    pub(crate) container: Container,
    authority: String,
    config: SwiftConfig,
    pub(crate) store: SwiftStore,
}

pub(crate) async fn place() -> Place {
    let server = Swift::shared().await;
    over(server.container().await, &server.authority)
}

/// A store that reaches the container through `authority`.
pub(crate) fn over(container: Container, authority: &str) -> Place {
    let authority = authority.to_owned();
    let config = swift::config(&authority, &container.name);
    Place { container, authority, store: store(&config), config }
}

impl Place {
    pub(crate) fn uri(&self, id: &ImageId) -> StoreUri {
        self.uri_in(&self.container.name, id)
    }

    fn uri_in(&self, container: &str, id: &ImageId) -> StoreUri {
        uri(&format!("swift+http://test%3Au:k@{}/auth/v1.0/{container}/{id}", self.authority))
    }

    pub(crate) async fn stat(&self, id: &ImageId) -> Result<Presence, StoreError> {
        self.store.stat(id, &self.uri(id)).await
    }

    pub(crate) async fn delete(&self, id: &ImageId) -> Deletion {
        self.store.delete(id, &self.uri(id)).await
    }

    pub(crate) async fn read(&self, id: &ImageId) -> Vec<u8> {
        let stream = self.store.read(id, &self.uri(id)).await.unwrap().unwrap();
        stream.try_collect::<Vec<_>>().await.unwrap().concat()
    }
}

fn uri(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap()
}

pub(crate) fn present(data: &[u8]) -> Presence {
    Presence::Present { size: u64::try_from(data.len()).unwrap() }
}

fn is_damaged(seen: Result<Presence, StoreError>, segment: &str) -> bool {
    matches!(seen, Ok(Presence::Damaged(what)) if what.contains(segment))
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_static_large_object_is_seen_read_and_destroyed_whole() {
    let (place, id) = (place().await, image());
    let data = place.container.put_static(id.as_str()).await;
    assert_eq!(place.stat(&id).await, Ok(present(&data)));
    assert_eq!(place.read(&id).await, data);
    assert_eq!(place.delete(&id).await, Deletion::Deleted);
    assert_eq!(place.container.names().await, Vec::<String>::new());
    assert_eq!(place.delete(&id).await, Deletion::Gone);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_damaged_static_large_object_is_detected_although_its_head_looks_good() {
    let (place, id) = (place().await, image());
    let data = place.container.put_static(id.as_str()).await;
    let segment = format!("{id}_2");
    let head = place.container.object(Method::HEAD, id.as_str(), "");

    place.container.put(&segment, b"part X;").await;
    assert!(is_damaged(place.stat(&id).await, &segment), "another content of the same size");
    place.container.delete(&segment).await;
    assert!(is_damaged(place.stat(&id).await, &segment));
    let answer = place.container.account.done(head).await;
    assert_eq!(answer.headers()["content-length"], data.len().to_string().as_str());

    assert_eq!(place.delete(&id).await, Deletion::Deleted);
    assert_eq!(place.container.names().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_damaged_dynamic_large_object_is_detected() {
    let (place, id) = (place().await, image());
    let data = place.container.put_dynamic(id.as_str(), 3).await;
    assert_eq!(place.stat(&id).await, Ok(present(&data)));
    place.container.delete(&format!("{id}-00003")).await;
    let Ok(Presence::Present { size }) = place.stat(&id).await else { panic!("not present") };
    assert!(size < u64::try_from(data.len()).unwrap(), "the end is missing: another size");
    place.container.delete(&format!("{id}-00001")).await;
    assert!(is_damaged(place.stat(&id).await, &format!("{id}-00001")));
    place.container.delete(&format!("{id}-00002")).await;
    assert_eq!(place.stat(&id).await, Ok(present(b"")), "all is missing: another size");
    assert_eq!(place.delete(&id).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn an_image_of_no_bytes_is_a_manifest_of_no_segments() {
    let (place, id) = (place().await, image());
    let data = place.container.put_dynamic(id.as_str(), 0).await;
    assert_eq!(place.stat(&id).await, Ok(present(&data)));
    assert_eq!(place.read(&id).await, data);
    assert_eq!(place.delete(&id).await, Deletion::Deleted);
    assert_eq!(place.container.names().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_manifest_that_names_other_objects_is_not_followed() {
    let (place, id, other) = (place().await, image(), image());
    place.container.put_dynamic(other.as_str(), 2).await;
    let manifest = format!("{}/{other}-", place.container.name);
    let request = place.container.object(Method::PUT, id.as_str(), "");
    let request = request.header("X-Object-Manifest", manifest).header("Content-Length", "0");
    place.container.account.done(request).await;
    let before = place.container.names().await;

    assert!(matches!(place.stat(&id).await, Err(StoreError::BadLocation(_))));
    assert!(place.store.read(&id, &place.uri(&id)).await.is_err());
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.container.names().await, before);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_foreign_object_among_the_segments_stops_the_deletion() {
    let (place, id) = (place().await, image());
    place.container.put_dynamic(id.as_str(), 2).await;
    place.container.put(&format!("{id}-notes"), DATA).await;
    let before = place.container.names().await;
    assert!(is_damaged(place.stat(&id).await, "notes"));
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.container.names().await, before);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn a_refusal_in_the_body_of_a_200_is_a_refusal() {
    let (place, id) = (place().await, image());
    let data = place.container.put_static(id.as_str()).await;
    place.container.post("X-Container-Write", "test:nobody").await;
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.stat(&id).await, Ok(present(&data)), "it can be reverted");
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn segments_that_may_not_be_deleted_make_it_partial() {
    let (place, id) = (place().await, image());
    let elsewhere = Swift::shared().await.container().await;
    elsewhere.put("segment", DATA).await;
    let lines = json!([{ "path": format!("/{}/segment", elsewhere.name) }]);
    let request = place.container.object(Method::PUT, id.as_str(), "?multipart-manifest=put");
    place.container.account.done(request.body(lines.to_string())).await;
    assert_eq!(place.stat(&id).await, Ok(present(DATA)));
    elsewhere.post("X-Container-Write", "test:nobody").await;
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Partial(_)), "{deletion:?}");
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn segments_of_which_nothing_may_be_deleted_leave_all_as_it_was() {
    let (place, id) = (place().await, image());
    let data = place.container.put_dynamic(id.as_str(), 3).await;
    place.container.post("X-Container-Write", "test:nobody").await;
    let deletion = place.delete(&id).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.stat(&id).await, Ok(present(&data)));
    place.container.post("X-Container-Write", PRODUCT).await;
    assert_eq!(place.delete(&id).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn segments_that_glance_left_behind_are_deleted() {
    let (place, id, other) = (place().await, image(), image());
    place.container.put_dynamic(id.as_str(), 3).await;
    place.container.put_dynamic(other.as_str(), 2).await;
    place.container.delete(id.as_str()).await;
    assert_eq!(place.stat(&id).await, Ok(Presence::Absent));
    assert_eq!(place.delete(&id).await, Deletion::Deleted);
    assert_eq!(place.delete(&id).await, Deletion::Gone);
    assert_eq!(place.container.names().await.len(), 3, "the other image is whole");
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn segments_belong_only_to_objects_named_after_their_image() {
    let (place, id) = (place().await, image());
    place.container.put("golden-00001", DATA).await;
    let golden = uri(&place.uri(&id).as_str().replace(id.as_str(), "golden"));
    let options = StoreOptions { any_file_name: true, ..StoreOptions::default() };
    let store =
        SwiftStore::new(StoreId("o".to_owned()), &place.config, &options, &clock::machine())
            .unwrap();
    assert_eq!(store.delete(&id, &golden).await, Deletion::Gone);
    assert_eq!(place.container.get("golden-00001").await.as_deref(), Some(DATA), "another image");
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn older_ways_to_keep_versions_are_seen_too() {
    let archive = Swift::shared().await.container().await;
    let (place, id) = (place().await, image());
    place.container.post("X-History-Location", &archive.name).await;
    place.container.put(id.as_str(), DATA).await;
    let deletion = place.delete(&id).await;
    assert!(matches!(&deletion, Deletion::Retained(how) if how.contains(&archive.name)));
    assert!(matches!(place.stat(&id).await, Ok(Presence::Hidden(_))));
    assert_eq!(place.stat(&image()).await, Ok(Presence::Absent));
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn only_objects_named_after_their_image_are_touched_unless_that_is_allowed() {
    let (place, id) = (place().await, image());
    place.container.put("golden", DATA).await;
    let golden = uri(&place.uri(&id).as_str().replace(id.as_str(), "golden"));
    assert!(matches!(place.store.accepts(&id, &golden), Err(StoreError::BadLocation(_))));
    let deletion = place.store.delete(&id, &golden).await;
    assert!(matches!(deletion, Deletion::Refused(_)), "{deletion:?}");
    assert_eq!(place.container.get("golden").await.as_deref(), Some(DATA));

    let options = StoreOptions { any_file_name: true, ..StoreOptions::default() };
    let store =
        SwiftStore::new(StoreId("o".to_owned()), &place.config, &options, &clock::machine())
            .unwrap();
    assert_eq!(store.delete(&id, &golden).await, Deletion::Deleted);
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn images_in_many_containers_are_found_in_theirs() {
    let (place, id) = (place().await, image());
    let config = SwiftConfig { container_seed: 2, ..place.config.clone() };
    let name = format!("{}_{}", config.container, &id.as_str()[..2]);
    let seeded = Container { name: name.clone(), account: place.container.account.clone() };
    seeded.make().await;
    seeded.put(id.as_str(), DATA).await;
    let store = store(&config);
    let uri = place.uri_in(&name, &id);
    assert_eq!(store.stat(&id, &uri).await, Ok(present(DATA)));
    assert_eq!(store.delete(&id, &uri).await, Deletion::Deleted);
    let missing = place.uri_in(&format!("{}_{}", config.container, &id.as_str()[..3]), &id);
    // Swift answers 403 for a missing container to a user who may not create containers.
    assert!(matches!(store.stat(&id, &missing).await, Err(StoreError::Refused(_))));
    for other in ["zz", ""] {
        assert_eq!(
            store.claims(&place.uri_in(&format!("{}_{other}", config.container), &id)),
            None
        );
    }
    seeded.destroy().await;
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn many_containers_are_each_looked_at_for_a_second_chance() {
    let place = place().await;
    let mut config = SwiftConfig { container_seed: 1, ..place.config.clone() };
    config.accounts[0].login = SwiftLogin::V1 { user: "test:glance".to_owned(), key: KEY.into() };
    let store = store(&config);
    assert_eq!(store.second_chance().await, Ok(None), "there is no container yet");
    let mut all = Vec::new();
    for suffix in ["0", "1", "a"] {
        let name = format!("{}_{suffix}", config.container);
        let container = Container { name, account: place.container.account.clone() };
        container.make().await;
        all.push(container);
    }
    assert_eq!(store.second_chance().await, Ok(None));
    all[0].post("X-Versions-Enabled", "true").await;
    all[2].post("X-Versions-Enabled", "true").await;
    let told = store.second_chance().await.unwrap().unwrap();
    assert!(told.contains("of 3 containers") && told.contains(": 2 versioned"), "{told}");
    for container in all {
        container.destroy().await;
    }
    let own = SwiftConfig { multi_tenant: true, ..config };
    let told = self::store(&own).second_chance().await.unwrap().unwrap();
    assert!(told.starts_with("none, unless") && told.contains("swift_store_multi_tenant"));
}

#[tokio::test]
#[ignore = "needs Swift; make test"]
async fn an_owner_s_account_is_left_without_object_and_container() {
    let (place, id) = (place().await, image());
    let mut config = SwiftConfig { multi_tenant: true, ..place.config.clone() };
    config.accounts[0].login =
        SwiftLogin::V1 { user: "reseller:admin".to_owned(), key: KEY.into() };
    let store = store(&config);
    let account = Swift::shared().await.account("other:glance").await;
    let owned = Container { account, name: format!("{}_{id}", config.container) };
    owned.make().await;
    let data = owned.put_dynamic(id.as_str(), 2).await;

    let location = |host: &str| {
        uri(&format!("swift+http://{host}/v1/AUTH_other/{}_{id}/{id}", config.container))
    };
    let here = location(&place.authority);
    assert_eq!(store.health().await, Ok(()));
    assert_eq!(store.stat(&id, &here).await, Ok(present(&data)));
    for elsewhere in ["127.0.0.1:1", "evil.example.org"] {
        let elsewhere = location(elsewhere);
        assert!(matches!(store.stat(&id, &elsewhere).await, Err(StoreError::BadLocation(_))));
        assert!(matches!(store.delete(&id, &elsewhere).await, Deletion::Refused(_)));
    }
    assert_eq!(store.delete(&id, &here).await, Deletion::Deleted);
    assert!(!owned.account.list("").await.contains(&owned.name), "the container is away too");
    assert_eq!(store.stat(&id, &here).await, Ok(Presence::Absent));
    assert_eq!(store.delete(&id, &here).await, Deletion::Gone);
}

#[tokio::test]
#[ignore = "needs Swift and Keystone; make test"]
async fn an_account_is_reached_by_way_of_a_real_keystone_and_its_catalog() {
    let (project, id) = (Project::create().await, image());
    let data = project.container.put_dynamic(id.as_str(), 2).await;
    let store = store(&project.config());
    let Project { name, keystone, .. } = &project;
    // As older versions of Glance wrote it: another user, another key, another version.
    let here = uri(&format!("swift+http://{name}%3Aglance:old@{keystone}/v2.0/glance/{id}"));
    assert_eq!(store.health().await, Ok(()));
    assert_eq!(store.stat(&id, &here).await, Ok(present(&data)));
    assert_eq!(store.delete(&id, &here).await, Deletion::Deleted);
    assert_eq!(project.container.names().await, Vec::<String>::new());
    let foreign = uri(&here.as_str().replace(name, "another"));
    assert_eq!(store.claims(&foreign), None);
}

/// A Swift that accepts no token twice, and counts logins.
async fn forgetful(State(logins): State<Arc<AtomicUsize>>, request: Request) -> Response<String> {
    let header = |headers: &HeaderMap, name: &str| {
        headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let host = header(request.headers(), "host");
    if request.uri().path() == "/auth/v1.0" {
        let login = logins.fetch_add(1, Ordering::SeqCst) + 1;
        return Response::builder()
            .header("X-Auth-Token", format!("token-{login}"))
            .header("X-Storage-Url", format!("http://{host}/v1/AUTH_test"))
            .body(String::new())
            .unwrap();
    }
    let good = format!("token-{}", logins.load(Ordering::SeqCst));
    let is_good = header(request.headers(), "x-auth-token") == good && good != "token-1";
    let status = if is_good { 204 } else { 401 };
    Response::builder().status(status).body(String::new()).unwrap()
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let logins = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = swift::config(&listener.local_addr().unwrap().to_string(), "glance");
    let router = Router::new().fallback(forgetful).with_state(Arc::clone(&logins));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let store = store(&config);
    assert_eq!(store.health().await, Ok(()));
    assert_eq!(logins.load(Ordering::SeqCst), 2);
    assert_eq!(store.health().await, Ok(()));
    assert_eq!(logins.load(Ordering::SeqCst), 2, "the second one is kept");
}

/// A Swift that returns the first page of every listing again and again.
async fn stuck(request: Request) -> Response<String> {
    let host = request.headers()["host"].to_str().unwrap();
    let answer = Response::builder()
        .header("X-Auth-Token", "token")
        .header("X-Storage-Url", format!("http://{host}/v1/AUTH_test"));
    let is_listing = request.uri().query().is_some_and(|query| query.contains("marker="));
    let (answer, body) = match request.uri().path().rsplit_once('/') {
        _ if is_listing => {
            let page = json!([{ "name": "image-00001", "bytes": 1, "hash": "" }]);
            (answer, page.to_string())
        }
        Some((_, "image")) => (answer.header("X-Object-Manifest", "glance/image-"), String::new()),
        _ => (answer, String::new()),
    };
    answer.body(body).unwrap()
}

#[tokio::test]
async fn a_listing_that_makes_no_progress_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(stuck)).await });
    let here = uri(&format!("swift+http://test%3Au:k@{authority}/auth/v1.0/glance/image"));
    let options = StoreOptions { any_file_name: true, ..StoreOptions::default() };
    let config = swift::config(&authority, "glance");
    let store =
        SwiftStore::new(StoreId("o".to_owned()), &config, &options, &clock::machine()).unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(5), store.stat(&image(), &here)).await;
    assert!(matches!(seen, Ok(Err(StoreError::Unreachable(_)))), "{seen:?}");
}
