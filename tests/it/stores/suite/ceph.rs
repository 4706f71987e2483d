//! The RBD store: a pool of a real Ceph.

use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::config::{RbdConfig, StoreKind};
use glance_revert::domain::store::Stores;
use glance_revert::store::StoreOptions;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::cases::LIMIT;
use super::stand::{Held, only};
use super::{Stand, store_suite};
use crate::support::ceph::{Beside, Ceph, Shared, encoded};

struct Pool {
    ceph: Shared,
    name: String,
    beside: Beside,
    stores: Arc<dyn Stores>,
}

async fn start() -> Pool {
    let ceph = Ceph::shared().await;
    let name = format!("suite {}", uuid::Uuid::new_v4());
    ceph.run(&["ceph", "osd", "pool", "create", &name, "1"]).await;
    ceph.run(&["rbd", "pool", "init", &name]).await;
    let kind = StoreKind::Rbd(RbdConfig {
        pool: name.clone(),
        user: Some("keeper".to_owned()),
        ceph_conf: Some(ceph.conf()),
        connect_timeout: Some(LIMIT),
    });
    let options = StoreOptions {
        any_file_name: true,
        rbd_helper: env!("CARGO_BIN_EXE_glance-revert").into(),
        ..StoreOptions::default()
    };
    let stores = only("ceph", kind, &options);
    let beside = ceph.beside();
    Pool { ceph, name, beside, stores }
}

#[async_trait]
impl Stand for Pool {
    fn stores(&self) -> Arc<dyn Stores> {
        Arc::clone(&self.stores)
    }

    fn uri(&self, name: &str) -> String {
        let quoted = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        format!("rbd://{}/{}/{}/snap", self.ceph.fsid(), quoted(&self.name), quoted(name))
    }

    async fn put(&self, name: &str, data: &[u8]) {
        self.beside.call(&json!(["put", self.name, name, encoded(data)]));
    }

    async fn put_large(&self, name: &str) -> Vec<u8> {
        let data: Vec<u8> = (0..=250_u8).cycle().take(20_000_003).collect();
        self.put(name, &data).await;
        data
    }

    async fn look(&self, name: &str) -> Option<Vec<u8>> {
        self.beside.bytes(&json!(["look", self.name, name]))
    }

    async fn count(&self) -> usize {
        let lists = ["names", "trash"].map(|list| self.beside.call(&json!([list, self.name])));
        lists.iter().map(|list| list.as_array().unwrap().len()).sum()
    }

    async fn take_root_away(&self) {
        let name = self.name.as_str();
        let sure = "--yes-i-really-really-mean-it";
        self.ceph.run(&["ceph", "osd", "pool", "delete", name, name, sure]).await;
    }

    async fn hold(&self, name: &str) -> Held {
        let holder = self.ceph.beside();
        holder.call(&json!(["hold", self.name, name, false]));
        Box::new(holder)
    }

    fn odd_names(&self) -> &'static [&'static str] {
        &[
            "a b", "a%20b", "%", "ü", "☃", "a+b", "a&b=c", "'\"`$(x)", "a;b", "a:b", "~", "a/b",
            "a@b", "a?b#c",
        ]
    }

    fn elsewhere(&self, name: &str) -> Vec<String> {
        let fsid = self.ceph.fsid();
        vec![
            format!("rbd://{fsid}/volumes/{name}/snap"),
            format!("rbd://{fsid}/{name}/snap"),
            format!("rbd://{fsid}/suite/{name}/snap"),
            format!("rbd://{fsid}/{}/{name}", self.name),
            format!("RBD://{fsid}/{}/{name}/snap", self.name),
        ]
    }
}

store_suite! {
    [#[ignore = "needs Ceph; make test"]] start;
    runs
        an_object_is_seen_and_read,
        an_object_is_destroyed,
        several_objects_go_as_each_does_alone,
        a_large_object_is_read_and_destroyed_whole,
        an_absent_object_is_proved_absent,
        absence_is_not_believed_where_the_root_is_missing,
        what_is_in_use_stays,
        another_size_is_found_out,
        another_content_is_found_out,
        odd_names_are_taken_literally,
        a_store_without_a_name_or_renamed_is_found,
        what_lies_elsewhere_is_not_touched,
        a_thousand_objects_go_and_nothing_is_left;
    lacks
        what_is_forbidden_stays = "a session keeps the rights that it began with: `ceph_rbd` has users with few",
        a_server_that_is_down_is_said_to_be = "daemons tell their own addresses, so no proxy fits: `ceph_faults` freezes them",
        a_connection_that_fails_at_any_moment_tells_no_lie = "as above",
        a_server_lost_from_any_moment_on_tells_no_lie = "as above",
        a_server_that_hangs_at_any_moment_is_given_up = "as above",
        a_slow_server_is_waited_for = "as above",
        an_answer_cut_short_is_no_answer = "as above",
        a_body_cut_short_is_no_body = "as above",
        what_the_store_keeps_hidden_is_said_to_be = "what is in the trash is brought back: `ceph_rbd`";
}
