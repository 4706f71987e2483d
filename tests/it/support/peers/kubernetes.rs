//! A Kubernetes API server's responses about `ServiceAccount` tokens, and a pod's mounted files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::canary;
use crate::support::server::{Says, Server};
use crate::support::tokens::{Signer, merged, token};
use crate::support::verifier::{AUDIENCE, Verifier, claims};

pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
pub(crate) const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
pub(crate) const OPERATOR: &str = "system:serviceaccount:openstack:operator";

/// A token of the cluster; only the API server can verify its signature.
pub(crate) fn account(more: &Value) -> String {
    let good = json!({"sub": OPERATOR, "aud": [AUDIENCE], "roles": null, "jti": "id-1"});
    let more = merged(&good, more);
    token(r#"{"alg":"RS256","kid":"theirs"}"#, &claims(ISSUER, &more), Signer::RsaPkcs1)
}

pub(crate) fn review(status: &Value) -> Says {
    let review = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "spec": {"token": "echo"}, "status": status,
    });
    Says::Text(201, "application/json", review.to_string())
}

pub(crate) fn good(username: &str) -> Value {
    json!({"authenticated": true, "user": {"username": username}, "audiences": [AUDIENCE]})
}

/// An API server that accepts the operator's token, a verifier, and the folder with our token.
pub(crate) async fn running() -> (Server, Verifier, TempDir) {
    let server = Server::start().await;
    server.say(PATH, review(&good(OPERATOR)));
    let folder = TempDir::new().unwrap();
    let ours = format!("{}\n", canary::SERVICE_ACCOUNT_TOKEN);
    fs::write(folder.path().join("token"), ours).unwrap();
    let authority = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    fs::write(folder.path().join("ca.crt"), authority.cert.pem()).unwrap();
    let verifier = Verifier::start(&section(&server, &folder));
    (server, verifier, folder)
}

/// The section of a verifier that uses this server, with the credentials in the folder.
pub(crate) fn section(server: &Server, folder: &TempDir) -> String {
    format!(
        "[revert_jwt:cluster]\nissuer = {ISSUER}\naudiences = {AUDIENCE}\nmode = tokenreview\n\
         subjects = openstack:operator\napi_server = {}\ntoken_file = {}\nca_file = {}\n",
        server.url(""),
        folder.path().join("token").display(),
        folder.path().join("ca.crt").display()
    )
}

/// A volume in a pod as the kubelet maintains it: each file is a link through `..data`, which
/// points to the folder of the latest version and is switched to the next one atomically.
#[derive(Debug)]
pub(crate) struct Volume {
    folder: TempDir,
    version: usize,
}

impl Volume {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut volume = Self { folder: TempDir::new().unwrap(), version: 0 };
        volume.put(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.path(name)).unwrap();
        }
        volume
    }

    /// The path of a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the next version of all files.
    pub(crate) fn put(&mut self, files: &[(&str, &str)]) {
        let old = self.version_folder();
        self.version += 1;
        let new = self.version_folder();
        fs::create_dir(&new).unwrap();
        for (name, text) in files {
            fs::write(new.join(name), text).unwrap();
        }
        let link = self.path("..data_tmp");
        symlink(new.file_name().unwrap(), &link).unwrap();
        fs::rename(link, self.path("..data")).unwrap();
        if self.version > 1 {
            fs::remove_dir_all(old).unwrap();
        }
    }

    fn version_folder(&self) -> PathBuf {
        self.path(&format!("..2026_11_22_{}", self.version))
    }
}
