//! The S3 store: which keys it uses, and how it interprets responses of faulty services.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use glance_revert::config::{S3Config, S3Endpoint, S3Keys, UrlFormat};
use glance_revert::domain::image::ImageId;
use glance_revert::domain::store::{Deletion, Presence, Store, StoreError, StoreId, StoreUri};
use glance_revert::store::StoreOptions;
use glance_revert::store::s3::S3Store;

use crate::support::canary;
use crate::support::s3::Service;

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
const ACCESS: &str = "AKIDEXAMPLE";
const SECRET: &str = canary::S3_SECRET;

/// Status, a header or an empty text, body.
pub(super) type Answer = (u16, &'static str, &'static str);

/// The responses of a service, in order, and the requests that it received.
#[derive(Clone, Default)]
pub(super) struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Method>>>,
}

async fn play(State(script): State<Script>, method: Method) -> Response {
    script.asked.lock().unwrap().push(method);
    let (status, header, body) = script.answers.lock().unwrap().pop_front().unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    match header.split_once(": ") {
        Some((name, value)) => (status, [(name, value)], body).into_response(),
        None => (status, body).into_response(),
    }
}

/// A store whose service gives these responses.
pub(super) async fn scripted(answers: &[Answer]) -> (S3Store, StoreUri, Script) {
    let script = Script::default();
    script.answers.lock().unwrap().extend(answers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let router = Router::new().fallback(play).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let store = store(&config(&authority, Some((ACCESS, SECRET))), &[]);
    (store, uri(&format!("s3://{authority}/images/{ID}")), script)
}

fn config(authority: &str, keys: Option<(&str, &str)>) -> S3Config {
    S3Config {
        endpoint: S3Endpoint {
            https: false,
            authority: authority.to_owned(),
            prefix: String::new(),
        },
        region: "us-east-1".to_owned(),
        keys: keys.map(|(access, secret)| S3Keys { access: access.into(), secret: secret.into() }),
        bucket: "images".to_owned(),
        url_format: UrlFormat::Path,
        ca_file: None,
    }
}

fn store(config: &S3Config, trusted: &[&str]) -> S3Store {
    let options = StoreOptions {
        location_credentials_hosts: trusted.iter().map(|host| (*host).to_owned()).collect(),
        store_timeout: Duration::from_secs(10),
        ..StoreOptions::default()
    };
    S3Store::new(StoreId("bucket".to_owned()), config, &options).unwrap()
}

fn uri(text: &str) -> StoreUri {
    StoreUri::parse(text).unwrap()
}

pub(super) fn image() -> ImageId {
    ImageId::parse(ID).unwrap()
}

#[tokio::test]
async fn a_busy_service_gets_retries_but_never_of_a_delete() {
    let ok = (200, "content-length: 8", "");
    let (store, uri, script) = scripted(&[(503, "", ""), (500, "", ""), ok]).await;
    assert_eq!(store.stat(&image(), &uri).await, Ok(Presence::Present { size: 8 }));
    assert_eq!(script.asked.lock().unwrap().len(), 3);

    let slow_down = "<Error><Code>SlowDown</Code></Error>";
    let (store, uri, script) = scripted(&[ok, (503, "", slow_down)]).await;
    let deletion = store.delete(&image(), &uri).await;
    let Deletion::Uncertain(why) = deletion else { panic!("{deletion:?}") };
    assert!(why.contains("503") && why.contains("SlowDown"), "{why}");
    assert_eq!(*script.asked.lock().unwrap(), [Method::HEAD, Method::DELETE]);
}

#[tokio::test]
async fn a_service_that_stays_busy_is_given_up_before_anything_is_deleted() {
    let busy = (503, "", "");
    let (store, uri, script) = scripted(&[busy; 3]).await;
    assert!(matches!(store.delete(&image(), &uri).await, Deletion::Refused(_)));
    assert_eq!(*script.asked.lock().unwrap(), [Method::HEAD; 3]);
}

#[tokio::test]
async fn another_region_is_named() {
    let elsewhere = (301, "x-amz-bucket-region: eu-west-1", "");
    let (store, uri, _) = scripted(&[elsewhere]).await;
    let error = store.stat(&image(), &uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("the bucket is in eu-west-1"), "{error}");
}

#[tokio::test]
async fn a_service_that_contradicts_itself_proves_nothing() {
    const LISTED: &str = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated><Contents>\
        <Key>0a1b2c3d-0000-4000-8000-000000000001</Key><Size>8</Size><ETag>x</ETag>\
        <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>";
    let (store, uri, _) = scripted(&[(404, "", ""), (200, "", LISTED)]).await;
    assert!(matches!(store.stat(&image(), &uri).await, Err(StoreError::Unreachable(_))));

    for listing in ["", "<html>Welcome!</html>", "{}"] {
        let (store, uri, _) = scripted(&[(404, "", ""), (200, "", listing)]).await;
        let seen = store.stat(&image(), &uri).await;
        assert!(matches!(seen, Err(StoreError::Unreachable(_))), "{listing:?}: {seen:?}");
    }

    let there = (200, "content-length: 8", "");
    let (store, uri, _) = scripted(&[there, (204, "", ""), there]).await;
    assert!(matches!(store.delete(&image(), &uri).await, Deletion::Uncertain(_)));
}

#[tokio::test]
async fn a_confirmed_removal_that_cannot_be_checked_is_in_doubt() {
    let there = (200, "content-length: 8", "");
    for after in [400, 401, 403, 500, 503] {
        let error = (after, "", "");
        let (store, uri, _) = scripted(&[there, (204, "", ""), error, error, error]).await;
        let deletion = store.delete(&image(), &uri).await;
        assert!(matches!(deletion, Deletion::Uncertain(_)), "{after}: {deletion:?}");
        // The version that a marker was left for is no longer served.
        let marked = (204, "x-amz-delete-marker: true", "");
        let (store, uri, _) = scripted(&[there, marked, error, error, error]).await;
        let deletion = store.delete(&image(), &uri).await;
        let is_told = if after < 500 {
            matches!(deletion, Deletion::Retained(_))
        } else {
            matches!(deletion, Deletion::Uncertain(_))
        };
        assert!(is_told, "{after}: {deletion:?}");
    }
}

#[tokio::test]
async fn archived_objects_can_be_deleted_but_not_read() {
    let head = |header: &'static str| (200, header, "");
    for archived in [
        "x-amz-storage-class: GLACIER",
        "x-amz-storage-class: DEEP_ARCHIVE",
        "x-amz-archive-status: DEEP_ARCHIVE_ACCESS",
    ] {
        let (store, uri, _) = scripted(&[head(archived)]).await;
        let seen = store.stat(&image(), &uri).await;
        assert!(matches!(&seen, Ok(Presence::Damaged(why)) if why.contains("archive")), "{seen:?}");
        let (store, uri, _) = scripted(&[head(archived), (204, "", ""), (404, "", "")]).await;
        assert_eq!(store.delete(&image(), &uri).await, Deletion::Deleted, "{archived}");
    }
    for readable in ["x-amz-storage-class: GLACIER_IR", "x-amz-storage-class: STANDARD_IA"] {
        let (store, uri, _) = scripted(&[head(readable)]).await;
        assert_eq!(store.stat(&image(), &uri).await, Ok(Presence::Present { size: 0 }));
    }
}

#[tokio::test]
async fn keys_of_a_row_are_used_only_where_the_operator_lists_the_host() {
    let location = uri(&format!("s3://{ACCESS}:{SECRET}@s3.example.org:8080/images/{ID}"));
    let accepted = |keys, trusted: &[&str]| {
        let store = store(&config("s3.example.org:8080", keys), trusted);
        assert!(store.claims(&location).is_some());
        store.accepts(&image(), &location)
    };
    // A host without a port means the port of its scheme.
    let refused = accepted(None, &["other.example.org", "s3.example.org"]);
    let error = refused.unwrap_err();
    assert!(matches!(error, StoreError::NotVerifiable(_)), "{error:?}");
    assert!(error.to_string().contains("s3_store_access_key"), "{error}");
    for secret in [ACCESS, SECRET] {
        assert!(!format!("{error} {error:?} {location:?}").contains(secret));
    }
    assert_eq!(accepted(None, &["S3.EXAMPLE.ORG:8080"]), Ok(()));
    assert_eq!(accepted(Some((ACCESS, SECRET)), &[]), Ok(()), "the configuration's are used");
}

#[test]
fn a_bucket_in_front_of_the_host_needs_a_host_with_names() {
    let of_host = |authority| {
        let config = S3Config { url_format: UrlFormat::Virtual, ..config(authority, None) };
        S3Store::new(StoreId("bucket".to_owned()), &config, &StoreOptions::default())
    };
    assert!(of_host("s3.example.org:8080").is_ok());
    let error = of_host("127.0.0.1:8080").unwrap_err().to_string();
    assert!(error.contains("store bucket: s3_store_bucket"), "{error}");
}

#[tokio::test]
async fn an_object_that_is_not_named_after_its_image_is_not_destroyed_for_it() {
    let store = store(&config("s3.example.org", Some((ACCESS, SECRET))), &[]);
    let another = uri("s3://s3.example.org/images/0a1b2c3d-0000-4000-8000-000000000002");
    assert!(store.claims(&another).is_some());
    let error = store.accepts(&image(), &another).unwrap_err();
    assert!(error.to_string().contains("any_file_name"), "{error}");
}

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn the_keys_of_old_rows_work_and_wrong_ones_are_refused() {
    let service = Service::rgw().await;
    let bucket = service.bucket().await;
    let (host, access, secret) = (&service.authority, &service.access, &service.secret);
    let of_bucket = |keys| S3Config { keys, ..service.config(host, bucket.name()) };
    bucket.put(ID, b"contents").await;
    let location = |userinfo: &str| uri(&format!("s3://{userinfo}{host}/{}/{ID}", bucket.name()));

    let without_keys = store(&of_bucket(None), &[host]);
    assert_eq!(without_keys.health().await, Ok(()));
    let own = location(&format!("{access}:{secret}@"));
    assert_eq!(without_keys.stat(&image(), &own).await, Ok(Presence::Present { size: 8 }));

    let wrong_secret = S3Keys { access: access.as_str().into(), secret: "wrong".into() };
    let unknown = S3Keys { access: "NOBODY".into(), secret: secret.as_str().into() };
    for keys in [wrong_secret, unknown] {
        let stranger = store(&of_bucket(Some(keys)), &[host]);
        // The row's keys are not used, because the configuration has keys.
        let seen = stranger.stat(&image(), &own).await;
        assert!(matches!(seen, Err(StoreError::Refused(_))), "{seen:?}");
        let told = seen.unwrap_err().to_string();
        assert!(told.contains("s3_store_secret_key") && !told.contains(secret), "{told}");
        let health = stranger.health().await;
        assert!(matches!(health, Err(StoreError::Refused(_))), "{health:?}");
        assert!(matches!(stranger.delete(&image(), &own).await, Deletion::Refused(_)));
    }
    assert_eq!(bucket.get(ID).await.as_deref(), Some(&b"contents"[..]));
    assert_eq!(without_keys.delete(&image(), &own).await, Deletion::Deleted);
    assert_eq!(bucket.count().await, 0);
}

/// A gateway in front of the service: forwards requests below a path, without that path.
async fn below(path: &'static str, service: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let pass_on = move |request: axum::extract::Request| async move {
        let inside = request.uri().to_string();
        let Some(inside) = inside.strip_prefix(path) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let url = format!("http://{service}{inside}");
        let answer = http.request(request.method().clone(), url).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap()).into_response()
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(pass_on)).await });
    authority
}

/// The rows are those of Glance's driver, which treats everything before the bucket as the host.
#[tokio::test]
#[ignore = "needs moto; make test"]
async fn a_service_below_a_path_is_asked_there_for_everything() {
    let service = Service::moto().await;
    let bucket = service.bucket().await;
    let authority = below("/storage/v1/s3", service.authority.clone()).await;
    let mut config = service.config(&authority, bucket.name());
    config.endpoint.prefix = "storage/v1/s3".to_owned();
    let store = store(&config, &[]);
    let location = |path: &str| uri(&format!("s3://{authority}{path}/{}/{ID}", bucket.name()));
    let here = location("/storage/v1/s3");
    assert_eq!(store.claims(&location("")), None, "another service");

    assert_eq!(store.health().await, Ok(()));
    assert_eq!(store.stat(&image(), &here).await, Ok(Presence::Absent));
    bucket.put(ID, b"contents").await;
    assert_eq!(store.stat(&image(), &here).await, Ok(Presence::Present { size: 8 }));
    let read = store.read(&image(), &here).await.unwrap().unwrap();
    assert_eq!(read.try_collect::<Vec<_>>().await.unwrap().concat(), b"contents");
    assert_eq!(store.delete(&image(), &here).await, Deletion::Deleted);
    assert_eq!(bucket.get(ID).await, None);
    assert_eq!(store.delete(&image(), &here).await, Deletion::Gone);
    bucket.keep_versions().await;
    bucket.put(ID, b"contents").await;
    assert!(matches!(store.delete(&image(), &here).await, Deletion::Retained(_)));
}
