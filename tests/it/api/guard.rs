//! Every operation of the served document, against every kind of caller.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use glance_revert::auth::{DemoIssuer, JwtAuthenticator};
use glance_revert::config::{Config, Environment, Sources};
use glance_revert::domain::time::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::api::{Answer, TestApi};
use crate::support::clock::FixedClock;
use crate::support::images::{ID, seed};

const HOUR: Duration = Duration::from_hours(1);
const OURS: &str = "glance-revert";

type Header = (&'static str, String);

/// The API with the real JWT verifier, and a header for each kind of caller.
struct Callers {
    api: TestApi,
    kinds: Vec<(&'static str, Option<Header>, Expected)>,
    _folder: TempDir,
}

/// What a guarded operation must answer.
#[derive(Clone, Copy)]
enum Expected {
    Refused(u16, &'static str),
    Served,
}

impl Callers {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = FixedClock::default().now() + Duration::from_mins(80);
        let issuer = DemoIssuer::generate("https://good.test", OURS).unwrap();
        // A trusted issuer whose tokens are for another service.
        let careless = DemoIssuer::generate("https://careless.test", "another-service").unwrap();
        let config = config(&folder, &[("good", &issuer), ("careless", &careless)]);
        let api = TestApi::with(|state| {
            let clock = Arc::clone(&state.view.clock);
            state.bearer = Arc::new(JwtAuthenticator::new(&config.issuers, clock).unwrap());
        });
        api.repo.put(seed());
        let admin = ["glance-revert-admin"];
        let jwt = |issuer: &DemoIssuer, roles: &[&str], issued| {
            let token = issuer.token("someone", roles, issued, HOUR).unwrap();
            Some(("authorization", format!("Bearer {}", token.expose())))
        };
        let keystone = |token: &str| Some(("x-auth-token", token.to_owned()));
        let invalid = Expected::Refused(401, "auth.token_invalid");
        let not_admin = Expected::Refused(403, "auth.not_admin");
        let kinds = vec![
            ("no token", None, Expected::Refused(401, "auth.token_missing")),
            ("garbage", Some(("authorization", "Bearer a.b.c".to_owned())), invalid),
            ("expired", jwt(&issuer, &admin, clock - HOUR * 2), invalid),
            ("wrong audience", jwt(&careless, &admin, clock), invalid),
            ("not admin", jwt(&issuer, &["reader"], clock), not_admin),
            ("admin", jwt(&issuer, &admin, clock), Expected::Served),
            ("Keystone, garbage", keystone("gAAAA"), invalid),
            ("Keystone, expired", keystone("keystone-expired"), invalid),
            ("Keystone, not admin", keystone("keystone-reader"), not_admin),
            ("Keystone, admin", keystone("keystone-admin"), Expected::Served),
        ];
        Self { api, kinds, _folder: folder }
    }
}

fn config(folder: &TempDir, issuers: &[(&str, &DemoIssuer)]) -> Config {
    let mut text = format!("[database]\nconnection = sqlite:///{}/db\n", folder.path().display());
    for (name, issuer) in issuers {
        let jwks = folder.path().join(name);
        std::fs::write(&jwks, issuer.jwks()).unwrap();
        let section = format!(
            "[revert_jwt:{name}]\nissuer = https://{name}.test\naudiences = {OURS}\njwks_file = {}\n",
            jwks.display()
        );
        text.push_str(&section);
    }
    let file = folder.path().join("test.conf");
    std::fs::write(&file, text).unwrap();
    let environment = Environment::default();
    Config::load(&Sources { config_files: vec![file], config_dirs: vec![], environment }).unwrap()
}

/// Each operation: its method, its path with parameters filled in, and its document.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let uri = path.replace("{image_id}", ID);
        assert!(!uri.contains('{'), "the walk has no value for a parameter of {path}");
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, of)| (method.to_uppercase(), uri.clone(), of))
    });
    operations.collect()
}

/// Sends the operation's first example, if it has a body.
async fn call(
    api: &TestApi,
    method: &str,
    uri: &str,
    operation: &Value,
    token: Option<&Header>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
    let first = examples.as_object().and_then(|named| named.values().next());
    let body = first.map_or_else(Body::empty, |example| example["value"].to_string().into());
    if let Some((header, token)) = token {
        request = request.header(*header, token);
    }
    api.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn every_operation_knows_its_caller_before_it_does_anything() {
    let callers = Callers::new();
    let document = callers.api.get_anonymously("/openapi.json").await.json();
    let mut guarded = 0;
    for (method, uri, operation) in operations(&document) {
        let open = operation["security"] == json!([]);
        guarded += usize::from(!open);
        for (kind, token, expected) in &callers.kinds {
            let what = format!("{method} {uri} by {kind}");
            let before = *callers.api.repo.calls.lock().unwrap();
            let answer = call(&callers.api, &method, &uri, operation, token.as_ref()).await;
            let status = answer.status.as_u16();
            assert!(operation["responses"][status.to_string()].is_object(), "{what}: {status}");
            match expected {
                _ if operation["operationId"] == "logIn" => assert_eq!(status, 404, "{what}: off"),
                _ if open => assert_eq!(status, 200, "{what}"),
                Expected::Served => assert!([200, 409].contains(&status), "{what}: {status}"),
                Expected::Refused(status, reason) => {
                    answer.assert_error(*status, reason);
                    let after = *callers.api.repo.calls.lock().unwrap();
                    assert_eq!(after, before, "{what} reached the database");
                }
            }
        }
    }
    assert!(guarded >= 3, "only {guarded} guarded operations were found");
}
