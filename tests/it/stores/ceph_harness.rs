//! Tests of the Ceph that other tests use.

use crate::support::canary;
use crate::support::ceph::Ceph;

#[tokio::test]
#[ignore = "needs Ceph; make test"]
async fn a_ceph_answers_over_rbd_and_over_s3() {
    let ceph = Ceph::alone().await;
    ceph.run(&["rbd", "--id", "glance", "ls", "images"]).await;
    drop(ceph);

    let ceph = Ceph::shared().await;
    let rgw = ceph.rgw().await;
    assert_eq!((rgw.access_key.len(), &*rgw.secret_key), (20, canary::S3_SECRET));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(&rgw.endpoint).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("ListAllMyBucketsResult"));
}
