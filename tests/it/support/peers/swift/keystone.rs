//! A Swift that uses a real Keystone, and accounts in it.

use std::time::Duration;

use glance_revert::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use glance_revert::config::{SwiftConfig, SwiftLogin};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{Account, Container, Swift};
use crate::support::canary;
use crate::support::keystone::{Keystone, Provider, USER_PASSWORD, User};
use crate::support::proxy::closed_port;

const PASSWORD: &str = canary::SWIFT_PASSWORD;
const SIZES: &str = "swift_store_large_object_size = 1\nswift_store_large_object_chunk_size = 1\n";

/// Both servers, for all tests of this binary.
struct Cloud {
    keystone: Keystone,
    _swift: Swift,
    /// Swift's URL, with its version.
    url: String,
}

static CLOUD: OnceCell<Cloud> = OnceCell::const_new();

impl Cloud {
    async fn shared() -> &'static Self {
        CLOUD.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let keystone = Keystone::start(Provider::Fernet, Duration::from_hours(1)).await;
        // Swift's filter finds the Keystone for tokens in the catalog.
        keystone.publish("identity", &keystone.url).await;
        let (asker, project) = keystone.user_with("admin").await;
        let project = name_of(&keystone, &project).await;
        let port = closed_port().to_string();
        let arguments = [&port, &keystone.url, &asker.name, USER_PASSWORD, &project];
        let swift = Swift::start(&arguments.map(str::to_owned)).await;
        let url = format!("http://127.0.0.1:{port}/v1");
        keystone.publish("object-store", &format!("{url}/KEY_%(project_id)s")).await;
        Self { keystone, _swift: swift, url }
    }
}

async fn name_of(keystone: &Keystone, project: &str) -> String {
    let answer = keystone.admin(Method::GET, &format!("/projects/{project}"), None).await;
    answer["project"]["name"].as_str().unwrap().to_owned()
}

/// A project with a container `glance`, and its user, who has all rights in it.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) name: String,
    user: String,
    pub(crate) container: Container,
    /// `host:port` of Keystone; plain HTTP.
    pub(crate) keystone: String,
    /// The folder of `glance-swift.conf`.
    folder: TempDir,
}

impl Project {
    pub(crate) async fn create() -> Self {
        let cloud = Cloud::shared().await;
        let keystone = &cloud.keystone;
        let (name, project) = (keystone.name("glance"), keystone.project().await);
        let body = json!({ "name": name, "domain_id": "default", "password": PASSWORD });
        let user = User { id: keystone.create("users", body).await, name };
        let role = keystone.role("member").await;
        keystone.assign(&user, &role, &format!("projects/{project}")).await;
        let password = json!({ "user": { "id": user.id, "password": PASSWORD } });
        let identity = json!({ "methods": ["password"], "password": password });
        let scope = json!({ "project": { "id": project } });
        let token = keystone.log_in(&json!({ "identity": identity, "scope": scope })).await;
        let url = format!("{}/KEY_{project}", cloud.url);
        let account = Account { http: super::http(), token: token.unwrap(), url };
        let container = Container { account, name: "glance".to_owned() };
        container.make().await;
        let name = name_of(keystone, &project).await;
        let keystone = keystone.url.strip_prefix("http://").unwrap().to_owned();
        let folder = TempDir::new().unwrap();
        Self { name, user: user.name, container, keystone, folder }
    }

    /// The configuration of a store over the container.
    pub(crate) fn config(&self) -> SwiftConfig {
        let mut config = super::config("unused", &self.container.name);
        let account = config.accounts.first_mut().unwrap();
        account.auth_address = format!("http://{}/v3", self.keystone);
        let named = |name: &str| Identifier::Name {
            name: name.to_owned(),
            domain: Domain::Id("default".to_owned()),
        };
        let credentials = Credentials::Password {
            user: named(&self.user),
            password: PASSWORD.into(),
            scope: Scope::Project(named(&self.name)),
        };
        account.login = SwiftLogin::Keystone { credentials, project: Some(self.name.clone()) };
        config
    }

    /// Glance's options for a store over the container, with the login in locations. Large objects
    /// start at a segment's 1,024,000 bytes.
    pub(crate) fn options(&self) -> String {
        let Self { name, user, container, keystone, .. } = self;
        format!(
            "swift_store_auth_address = http://{keystone}/v3\nswift_store_user = {name}:{user}\n\
             swift_store_key = {PASSWORD}\nswift_store_container = {}\n{SIZES}",
            container.name
        )
    }

    /// The same with the login in a file, and a reference to it in locations. In a multi-store
    /// configuration, glance_store 5.7 has no default reference.
    pub(crate) fn options_by_reference(&self) -> String {
        let Self { name, user, container, keystone, .. } = self;
        let text = format!(
            "[ref1]\nauth_version = 3\nauth_address = http://{keystone}/v3\n\
             user = {name}:{user}\nkey = {PASSWORD}\n"
        );
        let file = self.folder.path().join("glance-swift.conf");
        std::fs::write(&file, text).unwrap();
        let (file, container) = (file.display(), &container.name);
        format!(
            "swift_store_config_file = {file}\ndefault_swift_reference = ref1\n\
             swift_store_container = {container}\n{SIZES}"
        )
    }
}
