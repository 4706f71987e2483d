//! The S3 store: a bucket in Ceph's object gateway, and one in moto.

use std::sync::Arc;

use async_trait::async_trait;
use glance_revert::config::StoreKind;
use glance_revert::domain::store::Stores;

use super::stand::{self, only, options};
use super::{Stand, store_suite};
use crate::support::proxy::Proxy;
use crate::support::s3::{ALL, S3Bucket, Service};

struct S3 {
    bucket: S3Bucket,
    proxy: Proxy,
    stores: Arc<dyn Stores>,
}

async fn rgw() -> S3 {
    start(Service::rgw().await).await
}

async fn moto() -> S3 {
    start(Service::moto().await).await
}

async fn start(service: Service) -> S3 {
    let bucket = service.bucket().await;
    let proxy = Proxy::before(&service.authority).await;
    let kind = StoreKind::S3(service.config(&proxy.address(), bucket.name()));
    let stores = only("bucket", kind, &options());
    S3 { bucket, proxy, stores }
}

#[async_trait]
impl Stand for S3 {
    fn stores(&self) -> Arc<dyn Stores> {
        Arc::clone(&self.stores)
    }

    fn uri(&self, name: &str) -> String {
        format!("s3://{}/{}/{name}", self.proxy.address(), self.bucket.name())
    }

    async fn put(&self, name: &str, data: &[u8]) {
        self.bucket.put(name, data).await;
    }

    async fn put_large(&self, name: &str) -> Vec<u8> {
        self.bucket.put_in_parts(name).await
    }

    async fn look(&self, name: &str) -> Option<Vec<u8>> {
        self.bucket.get(name).await
    }

    async fn count(&self) -> usize {
        self.bucket.count().await
    }

    async fn take_root_away(&self) {
        self.bucket.delete().await;
    }

    async fn set_allowed(&self, allowed: bool) {
        if allowed { self.bucket.allow().await } else { self.bucket.deny(&ALL).await }
    }

    async fn keep_versions(&self) {
        self.bucket.keep_versions().await;
    }

    fn network(&self) -> &Proxy {
        &self.proxy
    }

    fn odd_names(&self) -> &'static [&'static str] {
        &stand::ODD_NAMES
    }

    fn elsewhere(&self, name: &str) -> Vec<String> {
        let (here, bucket) = (self.proxy.address(), self.bucket.name());
        vec![
            format!("s3://127.0.0.1:1/{bucket}/{name}"),
            format!("s3://{here}/{bucket}2/{name}"),
            format!("s3://{here}/other/{name}"),
            format!("s3://{here}/prefix/{bucket}/{name}"),
            format!("s3://evil.example.org/{here}/{bucket}/{name}"),
            format!("s3://{here}/{bucket}/folder/{name}"),
            format!("s3://{here}/{bucket}/"),
            format!("s3://{here}/{bucket}/.."),
            format!("s3://{here}/{bucket}/{name}?versionId=1"),
            format!("s3://{here}/{bucket}/{name}#x"),
        ]
    }
}

mod on_rgw {
    super::store_suite! {
        [#[ignore = "needs Ceph; make test"]] super::rgw;
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
            what_is_in_use_stays = "S3 knows no use of an object";
    }
}

mod on_moto {
    super::store_suite! {
        [#[ignore = "needs moto; make test"]] super::moto;
        runs
            an_object_is_seen_and_read,
            an_object_is_destroyed,
            several_objects_go_as_each_does_alone,
            a_large_object_is_read_and_destroyed_whole,
            an_absent_object_is_proved_absent,
            absence_is_not_believed_where_the_root_is_missing,
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
            what_the_store_keeps_hidden_is_said_to_be;
        lacks
            what_is_forbidden_stays = "moto allows everything; RGW does not",
            what_is_in_use_stays = "S3 knows no use of an object",
            a_thousand_objects_go_and_nothing_is_left = "slow here, and the same as on RGW";
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto; make test"]
async fn several_objects_fail_at_any_moment_and_no_lie_is_told() {
    super::cases::several_objects_fail_at_any_moment_and_no_lie_is_told(moto).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Ceph; make test"]
async fn several_objects_in_ceph_fail_at_any_moment_and_no_lie_is_told() {
    super::cases::several_objects_fail_at_any_moment_and_no_lie_is_told(rgw).await;
}
