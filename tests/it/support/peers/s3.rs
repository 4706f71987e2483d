//! Direct access to S3, without the product: two real services, and buckets in them.

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use glance_revert::config::{S3Config, S3Endpoint, S3Keys, UrlFormat};
use md5::{Digest, Md5};
use reqwest::{Client, Method, Response, Url};
use rusty_s3::actions::{
    AbortMultipartUpload, CreateMultipartUpload, GetObject, ListObjectsV2, PutObject, S3Action,
};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::support::ceph::{Ceph, Shared};
use crate::support::process::Process;
use crate::support::{canary, env, log};

const SIGNED_FOR: Duration = Duration::from_hours(1);
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// S3's minimum size of a part, except the last one.
const PART: usize = 5 * 1024 * 1024;

/// A service and an account in it.
#[derive(Debug)]
pub(crate) struct Service {
    /// `host:port`; plain HTTP.
    pub(crate) authority: String,
    pub(crate) access: String,
    pub(crate) secret: String,
    /// Keeps the service running.
    ceph: Option<Arc<Shared>>,
}

static MOTO: OnceCell<(Process, String)> = OnceCell::const_new();

impl Service {
    /// Ceph's object gateway.
    pub(crate) async fn rgw() -> Self {
        let ceph = Ceph::shared().await;
        let rgw = ceph.rgw().await;
        let authority = rgw.endpoint.strip_prefix("http://").unwrap().to_owned();
        let (access, secret) = (rgw.access_key.clone(), rgw.secret_key.clone());
        Self { authority, access, secret, ceph: Some(Arc::new(ceph)) }
    }

    /// moto, which emulates Amazon's S3; it accepts every signature.
    pub(crate) async fn moto() -> Self {
        let (_, authority) = MOTO.get_or_init(start_moto).await;
        let (access, secret) = ("ACCESSKEY".to_owned(), canary::S3_SECRET.to_owned());
        Self { authority: authority.clone(), access, secret, ceph: None }
    }

    /// Lets Ceph itself apply the rules of a bucket, with a second for each day.
    pub(crate) async fn apply_rules(&self, bucket: &S3Bucket) {
        let process = ["radosgw-admin", "-n", "client.rgw", "--rgw-lc-debug-interval", "1", "lc"];
        let process = [&process[..], &["process", "--bucket", bucket.name()]].concat();
        self.ceph.as_ref().unwrap().run(&process).await;
    }

    /// A new bucket with a unique name.
    pub(crate) async fn bucket(&self) -> S3Bucket {
        self.bucket_with(false).await
    }

    /// Whose versions can be locked.
    pub(crate) async fn locked_bucket(&self) -> S3Bucket {
        self.bucket_with(true).await
    }

    async fn bucket_with(&self, object_lock: bool) -> S3Bucket {
        log::install();
        let name = format!("b-{}", uuid::Uuid::new_v4().simple());
        let url = Url::parse(&format!("http://{}", self.authority)).unwrap();
        let bucket = Bucket::new(url, UrlStyle::Path, name, "us-east-1").unwrap();
        let keys = Credentials::new(self.access.as_str(), self.secret.as_str());
        let http = Client::builder().no_proxy().build().unwrap();
        let bucket = S3Bucket { bucket, keys, http, _ceph: self.ceph.clone() };
        let url = bucket.bucket.create_bucket(&bucket.keys).sign(SIGNED_FOR);
        let mut request = bucket.http.put(url).header("Content-Length", "0");
        if object_lock {
            request = request.header("x-amz-bucket-object-lock-enabled", "true");
        }
        bucket.answer(request).await;
        bucket
    }

    /// Glance's options for a store over a bucket; multipart uploads start at 5 MiB.
    pub(crate) fn options(&self, bucket: &str) -> String {
        format!(
            "s3_store_host = http://{}\ns3_store_access_key = {}\ns3_store_secret_key = {}\n\
             s3_store_bucket = {bucket}\ns3_store_large_object_size = 5\n\
             s3_store_large_object_chunk_size = 5\n",
            self.authority, self.access, self.secret
        )
    }

    /// The configuration of a store that reaches a bucket through `authority`.
    pub(crate) fn config(&self, authority: &str, bucket: &str) -> S3Config {
        let authority = authority.to_owned();
        S3Config {
            endpoint: S3Endpoint { https: false, authority, prefix: String::new() },
            region: "us-east-1".to_owned(),
            keys: Some(S3Keys {
                access: self.access.clone().into(),
                secret: self.secret.clone().into(),
            }),
            bucket: bucket.to_owned(),
            url_format: UrlFormat::Path,
            ca_file: None,
        }
    }
}

async fn start_moto() -> (Process, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = env::moto().display().to_string();
    let process = Process::start(&program, move |command| {
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    });
    let (process, authority) = (process.unwrap(), format!("127.0.0.1:{port}"));
    let client = Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    while client.get(format!("http://{authority}/")).send().await.is_err() {
        assert!(process.exit_status().is_none(), "moto ended");
        assert!(began.elapsed() < START_TIMEOUT, "moto does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (process, authority)
}

/// Every action that the product needs.
pub(crate) const ALL: [&str; 4] =
    ["s3:GetObject", "s3:DeleteObject", "s3:ListBucket", "s3:ListBucketVersions"];

/// A bucket, with all rights in it. Its service runs as long as this lives.
#[derive(Debug)]
pub(crate) struct S3Bucket {
    bucket: Bucket,
    keys: Credentials,
    http: Client,
    _ceph: Option<Arc<Shared>>,
}

impl S3Bucket {
    pub(crate) fn name(&self) -> &str {
        self.bucket.name()
    }

    pub(crate) async fn put(&self, key: &str, data: &[u8]) {
        let action = self.bucket.put_object(Some(&self.keys), key);
        self.send(&action, Method::PUT, data.to_vec()).await;
    }

    /// Uploads an object to an archive: a GET is refused until it was restored.
    pub(crate) async fn put_archived(&self, key: &str, data: &[u8]) {
        let url = self.bucket.put_object(Some(&self.keys), key).sign(SIGNED_FOR);
        let request = self.http.put(url).header("x-amz-storage-class", "GLACIER");
        self.answer(request.body(data.to_vec())).await;
    }

    /// Uploads an object in three parts, as Glance does with large ones.
    pub(crate) async fn put_in_parts(&self, key: &str) -> Vec<u8> {
        let data: Vec<u8> = (0..=250).cycle().take(2 * PART + 12345).collect();
        let upload = self.begin_upload(key).await;
        let mut tags = Vec::new();
        for (number, part) in (1..).zip(data.chunks(PART)) {
            let action = self.bucket.upload_part(Some(&self.keys), key, number, &upload);
            let answer = self.send(&action, Method::PUT, part.to_vec()).await;
            tags.push(answer.headers()["etag"].to_str().unwrap().to_owned());
        }
        let tags = tags.iter().map(String::as_str);
        let action = self.bucket.complete_multipart_upload(Some(&self.keys), key, &upload, tags);
        let url = action.sign(SIGNED_FOR);
        let body = action.body().into_bytes();
        self.answer(self.http.request(Method::POST, url).body(body)).await;
        data
    }

    /// Begins an upload that is never finished; returns its id.
    pub(crate) async fn begin_upload(&self, key: &str) -> String {
        let action = self.bucket.create_multipart_upload(Some(&self.keys), key);
        let body = self.send(&action, Method::POST, Vec::new()).await.text().await.unwrap();
        CreateMultipartUpload::parse_response(&body).unwrap().upload_id().to_owned()
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let url = self.bucket.get_object(Some(&self.keys), key).sign(SIGNED_FOR);
        let answer = self.http.get(url).send().await.unwrap();
        match answer.status().as_u16() {
            200 => Some(answer.bytes().await.unwrap().to_vec()),
            404 => None,
            status => panic!("GET of {key} answers {status}"),
        }
    }

    /// Every key.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let (mut keys, mut token) = (Vec::new(), None);
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.keys));
            if let Some(token) = token {
                action.with_continuation_token(token);
            }
            let body = self.send(&action, Method::GET, Vec::new()).await.text().await.unwrap();
            let page = ListObjectsV2::parse_response(&body).unwrap();
            keys.extend(page.contents.into_iter().map(|object| object.key));
            token = page.next_continuation_token;
            if token.is_none() {
                return keys;
            }
        }
    }

    /// The number of objects and unfinished uploads.
    pub(crate) async fn count(&self) -> usize {
        let body = self.of_bucket("uploads", Method::GET, "").await;
        self.keys().await.len() + body.matches("<Upload>").count()
    }

    /// Deletes the bucket and everything in it.
    pub(crate) async fn delete(&self) {
        for key in self.keys().await {
            self.delete_object(&key).await;
        }
        let action = self.bucket.delete_bucket(&self.keys);
        self.send(&action, Method::DELETE, Vec::new()).await;
    }

    /// Enables versioning, so that a DELETE only hides data.
    pub(crate) async fn keep_versions(&self) {
        self.set_versioning("Enabled").await;
    }

    /// `Enabled`, or `Suspended`: existing versions stay, new objects have none.
    pub(crate) async fn set_versioning(&self, status: &str) {
        let text = format!(
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Status>{status}</Status></VersioningConfiguration>"
        );
        self.of_bucket("versioning", Method::PUT, &text).await;
    }

    /// Sends one DELETE, as Glance does.
    pub(crate) async fn delete_object(&self, key: &str) {
        let action = self.bucket.delete_object(Some(&self.keys), key);
        self.send(&action, Method::DELETE, Vec::new()).await;
    }

    /// Adds a lifecycle rule that removes hidden versions after this many days.
    pub(crate) async fn end_versions_after(&self, days: u32) {
        let text = format!(
            "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule>\
             <ID>end</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>\
             <NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays>\
             </NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"
        );
        self.of_bucket("lifecycle", Method::PUT, &text).await;
    }

    /// The versions of a key that have data, and its delete markers.
    pub(crate) async fn versions(&self, key: &str) -> (Vec<String>, Vec<String>) {
        let list = self.of_bucket("versions", Method::GET, "").await;
        let of = |element: &str| {
            let (element, end) = (format!("<{element}>"), format!("</{element}>"));
            let all = list.split(&element).skip(1).filter_map(|rest| rest.split(&end).next());
            let of_key = all.filter(|one| one.contains(&format!("<Key>{key}</Key>")));
            let version = |one: &str| {
                let (_, rest) = one.split_once("<VersionId>").unwrap();
                rest.split_once('<').unwrap().0.to_owned()
            };
            of_key.map(version).collect::<Vec<_>>()
        };
        (of("Version"), of("DeleteMarker"))
    }

    /// Locks the object for years: nobody may remove this version.
    pub(crate) async fn lock(&self, key: &str) {
        let text = "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <Mode>COMPLIANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z\
                    </RetainUntilDate></Retention>";
        let url = with(PutObject::new(&self.bucket, Some(&self.keys), key), "retention");
        let digest = BASE64_STANDARD.encode(Md5::digest(text.as_bytes()));
        let request = self.http.put(url).body(text).header("Content-MD5", digest);
        self.answer(request).await;
    }

    /// Removes one version, or delete marker, of a key for good.
    pub(crate) async fn remove_version(&self, key: &str, version: &str) {
        let mut action = self.bucket.delete_object(Some(&self.keys), key);
        action.query_mut().insert("versionId", version.to_owned());
        self.send(&action, Method::DELETE, Vec::new()).await;
    }

    /// Removes every version of a key that has data, as a lifecycle rule would.
    pub(crate) async fn end_versions(&self, key: &str) {
        for version in self.versions(key).await.0 {
            self.remove_version(key, &version).await;
        }
    }

    /// Removes a key's delete markers.
    pub(crate) async fn remove_marks(&self, key: &str) {
        for version in self.versions(key).await.1 {
            self.remove_version(key, &version).await;
        }
    }

    /// Denies everybody these actions (`s3:DeleteObject`, ..).
    pub(crate) async fn deny(&self, actions: &[&str]) {
        let bucket = format!("arn:aws:s3:::{}", self.name());
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": actions,
            "Resource": [bucket, format!("{bucket}/*")],
        }]});
        self.of_bucket("policy", Method::PUT, &policy.to_string()).await;
    }

    /// Ends [`S3Bucket::deny`].
    pub(crate) async fn allow(&self) {
        self.of_bucket("policy", Method::DELETE, "").await;
    }

    /// A sub-resource of the bucket.
    async fn of_bucket(&self, name: &'static str, method: Method, body: &str) -> String {
        // The actions differ only in their method.
        let url = match method.as_str() {
            "GET" => with(GetObject::new(&self.bucket, Some(&self.keys), ""), name),
            "PUT" => with(PutObject::new(&self.bucket, Some(&self.keys), ""), name),
            _ => with(AbortMultipartUpload::new(&self.bucket, Some(&self.keys), "", ""), name),
        };
        let request = self.http.request(method, url).body(body.to_owned());
        let request = request.header("Content-Length", body.len());
        let digest = BASE64_STANDARD.encode(Md5::digest(body.as_bytes()));
        let request = request.header("Content-MD5", digest);
        self.answer(request).await.text().await.unwrap()
    }

    async fn send<'a>(
        &self,
        action: &impl S3Action<'a>,
        method: Method,
        body: Vec<u8>,
    ) -> Response {
        let url = action.sign(SIGNED_FOR);
        let length = body.len();
        let request = self.http.request(method, url).body(body);
        self.answer(request.header("Content-Length", length)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Response {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        if status.is_success() {
            return answer;
        }
        panic!("S3 answers {status}: {}", answer.text().await.unwrap())
    }
}

fn with<'a>(mut action: impl S3Action<'a>, name: &'static str) -> Url {
    action.query_mut().insert(name, "");
    action.sign(SIGNED_FOR)
}
