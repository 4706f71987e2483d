//! The environment of the parsers: one configuration with a store of each kind, the services that
//! it names, and a small database.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use glance_revert::app::{self, App};
use glance_revert::auth::{DemoIssuer, JwtAuthenticator, KeystoneAuthenticator};
use glance_revert::config::keystone_auth::Credentials;
use glance_revert::config::{
    Config, JwtAccess, JwtIssuerConfig, JwtKeyServer, JwtProof, JwtReviewer, Sources,
};
use glance_revert::db::demo::{self, DemoData, DemoImage};
use glance_revert::net::Outbound;
use glance_revert::net::keystone::{KeystoneApi, KeystoneUrl, Patience};
use glance_revert::store::{ConfiguredStores, StoreOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::peer::{self, Answers};

/// `metadata_encryption_key`.
pub(super) const KEY: &str = "thisisa16bytekey";

const LIMIT: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_hours(24);

/// Everything, on one thread.
pub(super) struct World {
    pub(super) runtime: Runtime,
    local: LocalSet,
    pub(super) folder: Folder,
    pub(super) stores: ConfiguredStores,
    pub(super) answers: Answers,
    pub(super) address: SocketAddr,
    /// `[revert_jwt:file]`, and the key of its tokens.
    pub(super) issuer: JwtIssuerConfig,
    pub(super) signer: EcdsaKeyPair,
    pub(super) jwt: JwtAuthenticator,
    pub(super) key_server: JwtAuthenticator,
    pub(super) reviewer: Box<JwtAuthenticator>,
    pub(super) keystone: Box<KeystoneAuthenticator>,
    pub(super) login: KeystoneApi,
    pub(super) credentials: Credentials,
    /// The token of an admin.
    pub(super) admin: String,
    router: Router,
}

/// The folder of all files.
pub(super) struct Folder(TempDir);

thread_local! {
    static WORLD: World = World::new();
}

/// Runs something with the thread's own world.
pub(super) fn with<T>(work: impl FnOnce(&World) -> T) -> T {
    WORLD.with(work)
}

impl Folder {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl World {
    /// Runs a future together with the services.
    pub(super) fn run<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(self.local.run_until(work))
    }

    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }

    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (local, folder) = (LocalSet::new(), Folder(tempfile::tempdir().unwrap()));
        let answers = Answers::default();
        let address = runtime.block_on(peer::listen(&local, answers.clone()));
        let signer = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        folder.write("jwks.json", key_set(&signer).as_bytes());
        let callers = DemoIssuer::generate("https://callers.example.org", "glance-revert").unwrap();
        folder.write("callers.json", callers.jwks().as_bytes());
        let roles = ["glance-revert-admin"];
        let admin = callers.token("admin", &roles, app::clock().now(), DAY).unwrap();
        let config = configure(&folder, address);
        let issuer = config.issuers.iter().find(|issuer| issuer.name == "file").unwrap().clone();
        let of = |proof: Option<JwtProof>| {
            let mut issuer = issuer.clone();
            issuer.proof = proof.unwrap_or(issuer.proof);
            JwtAuthenticator::new(&[issuer], app::clock()).unwrap()
        };
        let (server, access) = (format!("http://{address}"), JwtAccess::default());
        let jwks_uri = Some(format!("{server}/keys"));
        let key_server = of(Some(JwtProof::Server(JwtKeyServer { jwks_uri, access })));
        let (api_server, access) = (server.clone(), JwtAccess::default());
        let reviewer = of(Some(JwtProof::TokenReview(JwtReviewer { api_server, access })));
        let keystone = config.keystone.clone().unwrap();
        let url = KeystoneUrl::parse(&format!("{server}/v3")).unwrap();
        let patience = Patience { deadline: LIMIT, retries: 0 };
        let http = Outbound::within(LIMIT).client().unwrap();
        let options = StoreOptions {
            store_timeout: LIMIT,
            rbd_helper: folder.path("rbd-helper"),
            ..StoreOptions::default()
        };
        let key = Some(KEY.into());
        let stores = ConfiguredStores::new(&config.stores, &options, &app::clock(), key).unwrap();
        let router = runtime.block_on(api(&folder, config.clone()));
        Self {
            jwt: of(None),
            reviewer: Box::new(reviewer),
            keystone: Box::new(KeystoneAuthenticator::new(&keystone, &[], app::clock()).unwrap()),
            login: KeystoneApi::new(http, url, patience),
            credentials: keystone.login.unwrap(),
            admin: admin.expose().to_owned(),
            runtime,
            local,
            folder,
            stores,
            answers,
            address,
            issuer,
            signer,
            key_server,
            router,
        }
    }
}

fn key_set(signer: &EcdsaKeyPair) -> String {
    let (x, y) = signer.public_key().as_ref()[1..].split_at(32);
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    serde_json::json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "alg": "ES256", "x": part(x), "y": part(y) },
    ]})
    .to_string()
}

/// Writes the configuration, the images' folder and a stand-in for the helper of this binary.
fn configure(folder: &Folder, address: SocketAddr) -> Config {
    fs::create_dir(folder.path("images")).unwrap();
    let here = folder.0.path().display();
    let database = format!("[database]\nconnection = sqlite:///{here}/glance.db\n");
    folder.write("database.conf", database.as_bytes());
    let base = format!(
        "[DEFAULT]
delayed_delete = True
scrub_time = 3600
enabled_backends = fast:file, web:http, ceph:rbd, s3:s3, swift:swift, refs:swift, volumes:cinder
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadirs = {here}/images
[ceph]
rbd_store_pool = images
rados_connect_timeout = 1
[s3]
s3_store_host = http://{address}
s3_store_bucket = images
s3_store_access_key = AK
s3_store_secret_key = SK
[swift]
swift_store_auth_address = http://{address}/auth/v1.0
swift_store_auth_version = 1
swift_store_user = p:u
swift_store_key = k
swift_store_container = glance
[refs]
swift_store_config_file = {here}/accounts.conf
default_swift_reference = ref1
swift_store_container = glance
swift_store_multiple_containers_seed = 2
[volumes]
cinder_store_auth_address = http://{address}/good/v3
cinder_store_user_name = u
cinder_store_password = k
cinder_store_project_name = p
[keystone_authtoken]
auth_type = password
auth_url = http://{address}/good/v3
username = u
password = k
project_name = p
user_domain_id = default
project_domain_id = default
http_request_max_retries = 0
[revert]
auth_failures_per_minute = 1000000
[revert_jwt:file]
issuer = https://issuer.example.org
audiences = glance-revert
jwks_file = {here}/jwks.json
subjects = s
[revert_jwt:callers]
issuer = https://callers.example.org
audiences = glance-revert
jwks_file = {here}/callers.json
"
    );
    let accounts = format!(
        "[ref1]\nuser = p:u\nkey = k\nauth_address = http://{address}/good/v3\nauth_version = 3\n"
    );
    folder.write("accounts.conf", accounts.as_bytes());
    let helper = folder.write(
        "rbd-helper",
        // The input has two lines, settings and a request.
        b"#!/bin/sh\nread settings\nread question\nexec /bin/cat \"$0.reply\"\n",
    );
    fs::set_permissions(helper, fs::Permissions::from_mode(0o700)).unwrap();
    let base = folder.write("base.conf", format!("{database}{base}").as_bytes());
    Config::load(&Sources { config_files: vec![base], ..Sources::default() }).unwrap()
}

/// The API, over three images of which one is deleted.
async fn api(folder: &Folder, config: Config) -> Router {
    let image = |id, name, deleted| DemoImage {
        id,
        name,
        project: "p1",
        data: DemoData {
            location: format!("file://{}/{id}", folder.path("images").display()),
            size: 4,
            sha512: String::new(),
        },
        properties: &[("os_distro", "debian")],
        tags: &["golden"],
        members: &["p2"],
        deleted,
    };
    let ids = [
        "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c01",
        "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c02",
        "5b1d1c4e-0e0f-4a53-8f0a-2f6d1a7b9c03",
    ];
    for id in ids {
        folder.write(&format!("images/{id}"), b"data");
    }
    let ago = Some(Duration::from_mins(5));
    let images = [image(ids[0], "a", None), image(ids[1], "b", ago), image(ids[2], "c", ago)];
    demo::create(&folder.path("glance.db"), &images, app::clock().now()).await.unwrap();
    let app = App::new(config).unwrap();
    app.database.schema.sync().await.unwrap();
    glance_revert::api::router(app.api_state().unwrap())
}
