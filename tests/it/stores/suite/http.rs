//! The http store: a server of static files, from which Glance only reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use glance_revert::config::{HttpConfig, StoreKind};
use glance_revert::domain::store::Stores;
use glance_revert::store::StoreOptions;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::stand::{only, options};
use super::{Stand, store_suite};
use crate::support::proxy::Proxy;

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

struct Web {
    files: Files,
    proxy: Proxy,
    stores: Arc<dyn Stores>,
}

async fn serve(State(files): State<Files>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    let path = percent_decode_str(uri.path().trim_start_matches('/')).decode_utf8().unwrap();
    files.lock().unwrap().get(&*path).cloned().ok_or(StatusCode::NOT_FOUND)
}

async fn start() -> Web {
    let files = Files::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(&listener.local_addr().unwrap().to_string()).await;
    let router = Router::new().route("/{name}", get(serve)).with_state(Arc::clone(&files));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let options = StoreOptions { http_verify_hosts: vec![proxy.address()], ..options() };
    Web { files, proxy, stores: only("web", StoreKind::Http(HttpConfig::default()), &options) }
}

#[async_trait]
impl Stand for Web {
    fn stores(&self) -> Arc<dyn Stores> {
        Arc::clone(&self.stores)
    }

    fn uri(&self, name: &str) -> String {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        format!("http://{}/{name}", self.proxy.address())
    }

    async fn put(&self, name: &str, data: &[u8]) {
        self.files.lock().unwrap().insert(name.to_owned(), data.to_vec());
    }

    async fn look(&self, name: &str) -> Option<Vec<u8>> {
        self.files.lock().unwrap().get(name).cloned()
    }

    async fn count(&self) -> usize {
        self.files.lock().unwrap().len()
    }

    fn network(&self) -> &Proxy {
        &self.proxy
    }

    fn odd_names(&self) -> &'static [&'static str] {
        &["a b", "a%20b", "%", "ü", "☃", "a+b", "a&b=c", "a?b#c"]
    }

    fn elsewhere(&self, name: &str) -> Vec<String> {
        vec![format!("ftp://{}/{name}", self.proxy.address())]
    }
}

store_suite! {
    [] start;
    runs
        an_object_is_seen_and_read,
        an_absent_object_is_proved_absent,
        a_server_that_is_down_is_said_to_be,
        a_slow_server_is_waited_for,
        a_body_cut_short_is_no_body,
        another_size_is_found_out,
        another_content_is_found_out,
        odd_names_are_taken_literally,
        a_store_without_a_name_or_renamed_is_found;
    lacks
        an_object_is_destroyed = "Glance only reads from it; `store_http` shows that we do too",
        several_objects_go_as_each_does_alone = "as above",
        a_large_object_is_read_and_destroyed_whole = "as above",
        absence_is_not_believed_where_the_root_is_missing = "404 and 410 are all that a server says",
        what_is_forbidden_stays = "nothing is ever asked for but HEAD and GET",
        what_is_in_use_stays = "as above",
        a_connection_that_fails_at_any_moment_tells_no_lie = "a deletion makes no connection",
        a_server_lost_from_any_moment_on_tells_no_lie = "as above",
        a_server_that_hangs_at_any_moment_is_given_up = "as above",
        an_answer_cut_short_is_no_answer = "a deletion makes no connection; see `a_body_cut_short..`",
        what_lies_elsewhere_is_not_touched = "every host is its own; `store_http` has the list of hosts",
        a_thousand_objects_go_and_nothing_is_left = "nothing is deleted",
        what_the_store_keeps_hidden_is_said_to_be = "nothing is deleted";
}
