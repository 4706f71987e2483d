//! Glance's API as a user calls it. A failed call fails the test, with Glance's response.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

const COPY_TIMEOUT: Duration = Duration::from_mins(1);

/// Glance's API, called as one user.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// `token` is `user:project:role1,role2`.
    pub(super) fn new(base: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        Self { http: http.build().unwrap(), base: base.to_owned(), token: token.to_owned() }
    }

    /// Writes the header that identifies this user into a file for curl.
    pub(crate) fn write_header(&self, file: &Path) {
        std::fs::write(file, format!("X-Auth-Token: {}\n", self.token)).unwrap();
    }

    /// Any other request; `path` begins with `/v2`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.http.request(method, url).header("X-Auth-Token", &self.token)
    }

    pub(crate) async fn create_image(&self, image: &Value) -> Value {
        let response = done(self.request(Method::POST, "/v2/images").json(image)).await;
        response.json().await.unwrap()
    }

    pub(crate) async fn upload(&self, id: &str, data: &[u8]) {
        self.send_data(id, data, None).await;
    }

    pub(crate) async fn upload_to(&self, id: &str, store: &str, data: &[u8]) {
        self.send_data(id, data, Some(store)).await;
    }

    async fn send_data(&self, id: &str, data: &[u8], store: Option<&str>) {
        let mut request = self
            .request(Method::PUT, &format!("/v2/images/{id}/file"))
            .header("Content-Type", "application/octet-stream")
            .body(data.to_owned());
        if let Some(store) = store {
            request = request.header("X-Image-Meta-Store", store);
        }
        done(request).await;
    }

    /// Copies an image's data into another store, and waits until it is there.
    pub(crate) async fn copy_to(&self, id: &str, store: &str) {
        let body = json!({ "method": { "name": "copy-image" }, "stores": [store] });
        let request = self.request(Method::POST, &format!("/v2/images/{id}/import"));
        done(request.json(&body)).await;
        let began = Instant::now();
        loop {
            let (_, image) = self.show(id).await;
            let stores = image["stores"].as_str().unwrap_or_default();
            // The lock of the import task: while it exists, Glance answers a DELETE with 500.
            let is_busy = !image["os_glance_import_task"].is_null();
            if stores.split(',').any(|has| has == store) && !is_busy {
                return;
            }
            assert!(began.elapsed() < COPY_TIMEOUT, "not copied: {image}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `operations` as in RFC 6902.
    pub(crate) async fn patch(&self, id: &str, operations: &Value) -> Value {
        let request = self
            .request(Method::PATCH, &format!("/v2/images/{id}"))
            .header("Content-Type", "application/openstack-images-v2.1-json-patch")
            .body(operations.to_string());
        done(request).await.json().await.unwrap()
    }

    pub(crate) async fn add_tag(&self, id: &str, tag: &str) {
        done(self.request(Method::PUT, &format!("/v2/images/{id}/tags/{tag}"))).await;
    }

    pub(crate) async fn remove_tag(&self, id: &str, tag: &str) {
        done(self.request(Method::DELETE, &format!("/v2/images/{id}/tags/{tag}"))).await;
    }

    pub(crate) async fn add_member(&self, id: &str, member: &str) {
        let request = self.request(Method::POST, &format!("/v2/images/{id}/members"));
        done(request.json(&json!({ "member": member }))).await;
    }

    pub(crate) async fn remove_member(&self, id: &str, member: &str) {
        done(self.request(Method::DELETE, &format!("/v2/images/{id}/members/{member}"))).await;
    }

    /// The members, by name.
    pub(crate) async fn members(&self, id: &str) -> Vec<String> {
        let response = done(self.request(Method::GET, &format!("/v2/images/{id}/members"))).await;
        let body: Value = response.json().await.unwrap();
        let members = body["members"].as_array().unwrap().iter();
        let mut names: Vec<_> =
            members.map(|member| member["member_id"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    pub(crate) async fn delete(&self, id: &str) {
        done(self.request(Method::DELETE, &format!("/v2/images/{id}"))).await;
    }

    /// Status and document; `null` if the response is not JSON.
    pub(crate) async fn show(&self, id: &str) -> (u16, Value) {
        let response = self.request(Method::GET, &format!("/v2/images/{id}")).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Status and bytes.
    pub(crate) async fn download(&self, id: &str) -> (u16, Vec<u8>) {
        let path = format!("/v2/images/{id}/file");
        let response = self.request(Method::GET, &path).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    /// The images that this user sees, by id; `query` as in a URL.
    pub(crate) async fn list(&self, query: &str) -> Vec<String> {
        let response = done(self.request(Method::GET, &format!("/v2/images?{query}"))).await;
        let body: Value = response.json().await.unwrap();
        let images = body["images"].as_array().unwrap().iter();
        images.map(|image| image["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Sends a request; any response other than success fails the test.
async fn done(request: RequestBuilder) -> Response {
    let response = request.send().await.unwrap();
    let (status, url) = (response.status(), response.url().clone());
    if status.is_success() {
        return response;
    }
    panic!("{url} answered {status}: {}", response.text().await.unwrap_or_default())
}
