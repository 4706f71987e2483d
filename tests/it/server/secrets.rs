//! A service with every kind of secret, in every kind of trouble.
//!
//! The output and responses of this and all other tests are also searched for these secrets in
//! other encodings: `tests/harness/secrets.py`.

use std::fs;

use reqwest::{Certificate, Client, Method};
use serde_json::json;
use tempfile::TempDir;

use crate::support::canary;
use crate::support::daemon::{Service, Setup};
use crate::support::database::Kind;
use crate::support::fake_keystone::{FakeKeystone, Reply, admin_body, login_body};
use crate::support::output;
use crate::support::pki::Authority;
use crate::support::proxy::closed_port;
use crate::support::rows::{DELETE_BEGAN, DELETED};
use crate::support::world::World;

const PASSWORD: &str = "auth_type = password\nusername = glance\nuser_domain_id = default\n\
                        project_name = service\nproject_domain_id = default\npassword =";
const CREDENTIAL: &str = "auth_type = v3applicationcredential\napplication_credential_id = c1\n\
                          application_credential_secret =";
const CINDER_USER: &str = "cinder_store_user_name = glance\ncinder_store_project_name = service\n\
                           cinder_store_password =";
const CINDER_CREDENTIAL: &str = "cinder_store_application_credential_id = c2\n\
                                 cinder_store_application_credential_secret =";
const SECRETS: [&str; 10] = [
    canary::ENCRYPTION_KEY,
    canary::KEYSTONE_PASSWORD,
    canary::APPLICATION_CREDENTIAL_SECRET,
    canary::SERVICE_TOKEN,
    canary::CALLER_TOKEN,
    canary::PASSING_TOKEN,
    canary::S3_SECRET,
    canary::CINDER_PASSWORD,
    canary::CINDER_CREDENTIAL_SECRET,
    "PRIVATE KEY",
];

const VOLUME: &str = "cinder://volumes/5d1c0000-0000-4000-8000-00000000000a";

/// A service over TLS, with a Keystone, and images in an S3 and a Cinder that are unavailable.
struct Cloud {
    setup: Setup,
    service: Service,
    keystone: FakeKeystone,
    client: Client,
    printed: Vec<String>,
    _world: World,
    _folder: TempDir,
}

impl Cloud {
    async fn start(login: &str, cinder: &str, default: &str) -> Self {
        let world = World::new(Kind::Sqlite).await;
        let s3 = format!("127.0.0.1:{}", closed_port());
        let secret = canary::S3_SECRET;
        for (id, place) in [("with-keys", format!("AK:{secret}@{s3}")), ("without", s3.clone())] {
            world.rows().image(id, "pending_delete", 8, Some(DELETED)).await;
            let uri = format!("s3://{place}/bucket/{id}");
            world.rows().location(id, &uri, "pending_delete", Some(DELETE_BEGAN)).await;
        }
        world.rows().image("volume", "pending_delete", 8, Some(DELETED)).await;
        world.rows().location("volume", VOLUME, "pending_delete", Some(DELETE_BEGAN)).await;
        let keystone = FakeKeystone::start().await;
        let later = |mut body: serde_json::Value| {
            body["token"]["expires_at"] = json!("2099-01-01T00:00:00.000000Z");
            body
        };
        keystone.answer_logins(Reply::Token(canary::SERVICE_TOKEN, later(login_body())));
        keystone.answer_validations(Reply::Json(200, later(admin_body())));
        let (authority, folder) = (Authority::new("the tests"), TempDir::new().unwrap());
        let pair = authority.server();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (cert, key) = (file("cert.pem", &pair.cert), file("key.pem", &pair.key));
        let revert = format!(
            "scrubber = false\ntls_cert_file = {cert}\ntls_key_file = {key}\n\
             [DEFAULT]\ndebug = True\nenabled_backends = far:s3,volumes:cinder\n{default}\
             [far]\ns3_store_host = http://{s3}\ns3_store_access_key = AK\n\
             s3_store_secret_key = {secret}\ns3_store_bucket = bucket\n\
             [volumes]\ncinder_store_auth_address = {url}\n{cinder}\n\
             [keystone_authtoken]\nauth_url = {url}\nservice_token_roles = admin\n{login}\n",
            url = keystone.url
        );
        let setup = Setup::new(&world, &world.db.url(), &revert);
        let service = setup.serve().await;
        let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
        let printed = Vec::new();
        Self { setup, service, keystone, client, printed, _world: world, _folder: folder }
    }

    /// Sends a request as a user of Keystone; returns the status.
    async fn ask(&mut self, method: Method, path: &str, token: &str) -> u16 {
        let url = format!("https://{}{path}", self.service.api);
        let request = self.client.request(method, url).header("X-Auth-Token", token);
        let request = request.header("X-Service-Token", canary::PASSING_TOKEN);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        output::answer(&headers, &body);
        self.printed.push(format!("{headers:?} {}", String::from_utf8_lossy(&body)));
        status
    }

    /// Uses a Keystone that repeats every secret it has received.
    async fn ask_while_keystone_babbles(&mut self) {
        let babble = |status, token: &str| {
            let told = format!("Could not find token: {token}, {}", canary::SERVICE_TOKEN);
            Reply::Json(status, json!({"error": {"code": status, "message": told}}))
        };
        for (status, told) in [(404, 401), (500, 503), (401, 503)] {
            let token = format!("{}-{status}", canary::CALLER_TOKEN);
            self.keystone.answer_validations(babble(status, &token));
            assert_eq!(self.ask(Method::GET, "/v2/pending-deletes", &token).await, told);
        }
        self.keystone.answer_logins(babble(401, canary::CALLER_TOKEN));
        let token = format!("{}-last", canary::CALLER_TOKEN);
        assert_eq!(self.ask(Method::GET, "/v2/pending-deletes", &token).await, 503);
    }

    /// The commands that an operator runs when things go wrong.
    async fn look_around(&mut self) {
        for command in [
            &["check"][..],
            &["list"],
            &["show", "with-keys"],
            &["revert", "with-keys"],
            &["revert", "volume"],
        ] {
            let output = self.setup.run(command).await;
            let both = [output.stdout, output.stderr].concat();
            self.printed.push(String::from_utf8_lossy(&both).into_owned());
        }
    }

    fn assert_no_secret(&self) {
        let log = self.service.log();
        assert!(log.contains("TRACE"), "the log is not at its most talkative");
        for text in self.printed.iter().chain([&log]) {
            for secret in SECRETS {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_service_in_trouble_keeps_its_secrets() {
    let password = format!("{PASSWORD} {}", canary::KEYSTONE_PASSWORD);
    let cinder = format!("{CINDER_USER} {}", canary::CINDER_PASSWORD);
    let mut cloud = Cloud::start(&password, &cinder, "").await;
    assert_eq!(cloud.ask(Method::GET, "/v2/pending-deletes", canary::CALLER_TOKEN).await, 200);
    let asked = cloud.keystone.asked().concat();
    let presented = [canary::KEYSTONE_PASSWORD, canary::CALLER_TOKEN, canary::PASSING_TOKEN];
    assert!(presented.iter().all(|secret| asked.contains(secret)));
    for id in ["with-keys", "without", "volume"] {
        let revert = format!("/v2/images/{id}/actions/revert");
        assert_eq!(cloud.ask(Method::POST, &revert, canary::CALLER_TOKEN).await, 503);
        let show = format!("/v2/pending-deletes/{id}");
        assert_eq!(cloud.ask(Method::GET, &show, canary::CALLER_TOKEN).await, 200);
    }
    cloud.ask_while_keystone_babbles().await;
    cloud.look_around().await;
    assert!(cloud.keystone.asked().concat().contains(canary::CINDER_PASSWORD));
    cloud.assert_no_secret();
}

/// With a key configured, rows with plain locations are unreadable.
#[tokio::test]
async fn a_service_that_cannot_read_its_rows_keeps_its_secrets() {
    let credential = format!("{CREDENTIAL} {}", canary::APPLICATION_CREDENTIAL_SECRET);
    let key = format!("metadata_encryption_key = {}\n", canary::ENCRYPTION_KEY);
    let cinder = format!("{CINDER_CREDENTIAL} {}", canary::CINDER_CREDENTIAL_SECRET);
    let mut cloud = Cloud::start(&credential, &cinder, &key).await;
    assert_eq!(cloud.ask(Method::GET, "/v2/pending-deletes", canary::CALLER_TOKEN).await, 200);
    assert!(cloud.keystone.asked().concat().contains(canary::APPLICATION_CREDENTIAL_SECRET));
    for id in ["with-keys", "without", "volume"] {
        let revert = format!("/v2/images/{id}/actions/revert");
        assert_ne!(cloud.ask(Method::POST, &revert, canary::CALLER_TOKEN).await, 200);
        let show = format!("/v2/pending-deletes/{id}");
        cloud.ask(Method::GET, &show, canary::CALLER_TOKEN).await;
    }
    cloud.ask_while_keystone_babbles().await;
    cloud.look_around().await;
    assert!(cloud.keystone.asked().concat().contains(canary::CINDER_CREDENTIAL_SECRET));
    cloud.assert_no_secret();
}
