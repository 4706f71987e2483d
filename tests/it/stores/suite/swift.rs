//! The Swift store: a container in a real Swift.

use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::config::StoreKind;
use glance_revert::domain::store::Stores;

use super::stand::{self, only, options};
use super::{Stand, store_suite};
use crate::support::proxy::Proxy;
use crate::support::swift::{self, Container, Swift};

struct SwiftStand {
    container: Container,
    proxy: Proxy,
    stores: Arc<dyn Stores>,
    /// Segments of a large object: more than a page of a listing has.
    segments: usize,
}

async fn start() -> SwiftStand {
    let server = Swift::shared().await;
    let container = server.container().await;
    let proxy = Proxy::before(&server.authority).await;
    let kind = StoreKind::Swift(swift::config(&proxy.address(), &container.name));
    let stores = only("objects", kind, &options());
    SwiftStand { container, proxy, stores, segments: 23 }
}

#[async_trait]
impl Stand for SwiftStand {
    fn stores(&self) -> Arc<dyn Stores> {
        Arc::clone(&self.stores)
    }

    fn uri(&self, name: &str) -> String {
        let (here, container) = (self.proxy.address(), &self.container.name);
        format!("swift+http://test%3Areader:old%20key@{here}/auth/v1.0/{container}/{name}")
    }

    async fn put(&self, name: &str, data: &[u8]) {
        self.container.put(name, data).await;
    }

    async fn put_large(&self, name: &str) -> Vec<u8> {
        self.container.put_dynamic(name, self.segments).await
    }

    async fn look(&self, name: &str) -> Option<Vec<u8>> {
        self.container.get(name).await
    }

    /// Under load, a list may still have what is gone.
    async fn count(&self) -> usize {
        let mut count = 0;
        for name in self.container.names().await {
            count += usize::from(self.container.get(&name).await.is_some());
        }
        count
    }

    async fn take_root_away(&self) {
        self.container.destroy().await;
    }

    async fn set_allowed(&self, allowed: bool) {
        self.container.set_allowed(allowed).await;
    }

    async fn keep_versions(&self) {
        self.container.post("X-Versions-Enabled", "true").await;
    }

    fn network(&self) -> &Proxy {
        &self.proxy
    }

    fn odd_names(&self) -> &'static [&'static str] {
        &stand::ODD_NAMES
    }

    fn elsewhere(&self, name: &str) -> Vec<String> {
        let (here, container) = (self.proxy.address(), &self.container.name);
        let auth = format!("{here}/auth/v1.0");
        vec![
            format!("swift+http://test%3Areader:k@127.0.0.1:1/auth/v1.0/{container}/{name}"),
            format!("swift+http://other%3Areader:k@{auth}/{container}/{name}"),
            format!("swift+http://test%3Areader:k@{auth}/{container}2/{name}"),
            format!("swift+http://test%3Areader:k@{auth}/other/{name}"),
            format!("swift+http://test%3Areader:k@{here}/{container}/{name}"),
            format!("swift+http://test%3Areader:k@evil.example.org/{auth}/{container}/{name}"),
            format!("swift+http://test%3Areader:k@{auth}/{container}/folder/{name}"),
            format!("swift+http://test%3Areader:k@{auth}/{container}/"),
            format!("swift+http://test%3Areader:k@{auth}/{container}/.."),
            format!("swift+http://test%3Areader:k@{auth}/{container}/{name}?x"),
            format!("swift+http://test%3Areader:k@{auth}/{container}/{name}#x"),
            format!("swift+http://{here}/v1/AUTH_test/{container}/{name}"),
            format!("swift+config://ref2/{container}/{name}"),
        ]
    }
}

store_suite! {
    [#[ignore = "needs Swift; make test"]] start;
    runs
        an_object_is_seen_and_read,
        an_object_is_destroyed,
        several_objects_go_as_each_does_alone,
        a_large_object_is_read_and_destroyed_whole,
        an_absent_object_is_proved_absent,
        absence_is_not_believed_where_the_root_is_missing,
        what_is_forbidden_stays,
        a_server_that_is_down_is_said_to_be,
        a_connection_that_fails_at_any_moment_tells_no_lie,
        a_server_lost_from_any_moment_on_tells_no_lie,
        a_server_that_hangs_at_any_moment_is_given_up,
        a_slow_server_is_waited_for,
        an_answer_cut_short_is_no_answer,
        a_body_cut_short_is_no_body,
        another_size_is_found_out,
        another_content_is_found_out,
        odd_names_are_taken_literally,
        a_store_without_a_name_or_renamed_is_found,
        what_lies_elsewhere_is_not_touched,
        a_thousand_objects_go_and_nothing_is_left,
        what_the_store_keeps_hidden_is_said_to_be;
    lacks
        what_is_in_use_stays = "Swift knows no use of an object";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn a_large_object_fails_at_any_moment_and_no_lie_is_told() {
    let stand = SwiftStand { segments: 3, ..start().await };
    super::cases::a_large_object_fails_at_any_moment_and_no_lie_is_told(&stand).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Swift; make test"]
async fn several_objects_fail_at_any_moment_and_no_lie_is_told() {
    super::cases::several_objects_fail_at_any_moment_and_no_lie_is_told(start).await;
}
