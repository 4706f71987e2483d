//! The real router over fakes, and requests to it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use glance_revert::api::state::{ApiSettings, ApiState, View};
use glance_revert::api::throttle::Throttle;
use glance_revert::domain::control::Control;
use glance_revert::domain::revert::{RevertSettings, Reverter, Verify};
use glance_revert::domain::scrub::{PassLimits, ScrubSettings, Scrubber};
use glance_revert::domain::store::Stores;
use glance_revert::domain::time::Clock;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::support::clock::FixedClock;
use crate::support::fake_authenticator::FakeAuthenticator;
use crate::support::fake_control::FakeControl;
use crate::support::fake_tables::FakeTables;
use crate::support::fakes::{FakeLock, FakeRepo, FakeStore};
use crate::support::images::{DATA, SIZE};
use crate::support::output;

pub(crate) const KEYSTONE: &str = "http://keystone.example:5000";

/// The API, and the fakes behind it.
pub(crate) struct TestApi {
    pub(crate) router: Router,
    pub(crate) repo: Arc<FakeRepo>,
    pub(crate) lock: Arc<FakeLock>,
    pub(crate) control: Arc<FakeControl>,
    pub(crate) store: FakeStore,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) tables: Arc<FakeTables>,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn request_id(&self) -> &str {
        self.header("x-openstack-request-id").unwrap()
    }

    /// Checks the complete error body, with this status and reason.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, reason: &str) {
        let body: Value = serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!("{} without JSON: {error}", self.status);
        });
        assert_eq!((self.status.as_u16(), &body["error"]["reason"]), (status, &reason.into()));
        let outer: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(outer, ["error"]);
        let inner: Vec<_> = body["error"].as_object().unwrap().keys().collect();
        assert_eq!(inner, ["code", "message", "reason", "request_id", "title"]);
        assert_eq!(body["error"]["code"], status);
        assert_eq!(body["error"]["title"], self.status.canonical_reason().unwrap());
        assert!(body["error"]["message"].as_str().unwrap().len() > 20, "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let id = self.request_id();
        assert!(id.starts_with("req-") && id.len() == 40, "{id}");
        assert_eq!(body["error"]["request_id"], id);
    }
}

impl TestApi {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// An API with settings that differ from the defaults of a multi-store Glance.
    pub(crate) fn with(change: impl FnOnce(&mut ApiState)) -> Self {
        crate::support::log::install();
        let repo = Arc::new(FakeRepo::default());
        let lock = Arc::new(FakeLock::default());
        let store = FakeStore::default();
        store.put(DATA, &[b'x'; SIZE]);
        let clock = Arc::new(FixedClock::default());
        // 13:20:01.5, ten minutes after the image of `images::seed` was deleted.
        clock.advance(Duration::from_mins(80) + Duration::from_millis(1500));
        let delete_grace = Duration::from_mins(1);
        let stores: Arc<dyn Stores> = Arc::new(store.clone());
        *repo.clock.lock().unwrap() = Some(Arc::clone(&clock));
        let shared_clock: Arc<dyn Clock> = clock.clone();
        let reverter = Reverter::new(
            repo.clone(),
            lock.clone(),
            Arc::clone(&stores),
            Arc::clone(&shared_clock),
            RevertSettings {
                lock_wait: Duration::from_millis(10),
                delete_grace,
                delayed_delete: true,
            },
        );
        let reverter = Arc::new(reverter);
        let control = Arc::new(FakeControl::new(repo.clone(), clock.clone()));
        let settings = ApiSettings {
            scrub_time: Some(Duration::from_hours(1)),
            default_verify: Verify::Exists,
            multi_store: true,
            show_multiple_locations: false,
            show_image_direct_url: false,
            request_timeout: Duration::from_mins(1),
            tls: false,
            ui: true,
        };
        let scrubber = Scrubber::new(
            repo.clone(),
            lock.clone(),
            Arc::clone(&stores),
            Arc::clone(&shared_clock),
            ScrubSettings {
                scrub_time: Duration::from_hours(1),
                pool_size: 1,
                absent_limit: 20,
                limits: PassLimits { images: 2, bytes: None },
                delayed_delete: true,
            },
        );
        let tables = Arc::new(FakeTables::default());
        let mut state = ApiState {
            tables: tables.clone(),
            scrubber: Ok(Arc::new(scrubber)),
            scrubs: true,
            control: Arc::new(Control::new(control.clone(), lock.clone(), Arc::clone(&reverter))),
            reverter,
            view: View { clock: shared_clock, stores, settings },
            bearer: Arc::new(FakeAuthenticator("jwt")),
            keystone: Some(Arc::new(FakeAuthenticator("keystone"))),
            sign_in: None,
            www_authenticate: Some(KEYSTONE.to_owned()),
            throttle: Arc::new(Throttle::new(NonZeroU32::MAX)),
            trusted_proxies: Arc::new([]),
        };
        change(&mut state);
        let router = glance_revert::api::router(state);
        Self { router, repo, lock, control, store, clock, tables }
    }

    /// Sends a request as a client on a connection does: with a Host, unless the request has its
    /// own.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let host = HeaderValue::from_static("glance-revert.example:9393");
        request.headers_mut().entry(header::HOST).or_insert(host);
        self.send_as_it_is(request).await
    }

    pub(crate) async fn send_as_it_is(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        output::answer(&parts.headers, &bytes);
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    /// GET as an admin.
    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(admin(Method::GET, uri).body(Body::empty()).unwrap()).await
    }

    /// GET without a token.
    pub(crate) async fn get_anonymously(&self, uri: &str) -> Answer {
        self.send(Request::get(uri).body(Body::empty()).unwrap()).await
    }

    /// Revert as an admin, without a body.
    pub(crate) async fn revert(&self, id: &str) -> Answer {
        self.send(admin(Method::POST, &revert_uri(id)).body(Body::empty()).unwrap()).await
    }

    /// Revert as an admin, with a JSON body.
    pub(crate) async fn revert_with(&self, id: &str, body: impl Into<Body>) -> Answer {
        let request = admin(Method::POST, &revert_uri(id));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }
}

pub(crate) fn revert_uri(id: &str) -> String {
    format!("/v2/images/{id}/actions/revert")
}

/// A request with a good token.
pub(crate) fn admin(method: Method, uri: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(uri);
    request.header(header::AUTHORIZATION, "Bearer jwt-admin")
}
