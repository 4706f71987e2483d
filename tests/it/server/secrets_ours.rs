//! Our own secrets: tokens that we send to an API server and to a Swift, and credentials that users
//! put into http locations. Every server here repeats what it has received.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::canary;
use crate::support::daemon::Setup;
use crate::support::database::Kind;
use crate::support::fake_keystone::{FakeKeystone, Reply};
use crate::support::kubernetes::{self, OPERATOR};
use crate::support::rows::{DELETE_BEGAN, DELETED};
use crate::support::server::{Says, Server};
use crate::support::tokens::{Signer, token};
use crate::support::world::World;

const KEYS: &str = "/keys";

/// A token that never expires; only the API server can verify its signature.
fn callers_token(issuer: &str) -> String {
    let claims = json!({
        "iss": issuer, "aud": "glance-revert", "sub": OPERATOR, "exp": 4_070_908_800_u64,
    });
    token(r#"{"alg":"RS256","kid":"theirs"}"#, &claims.to_string(), Signer::RsaPkcs1)
}

/// Responses 403 and 201 that repeat everything that was received.
fn babble(token: &str) -> [Says; 2] {
    let told = format!("{token}: no such token, says {}", canary::SERVICE_ACCOUNT_TOKEN);
    let status = json!({"authenticated": true, "error": told, "user": {"username": told}});
    let refusal = json!({"kind": "Status", "message": told}).to_string();
    [Says::Text(403, "application/json", refusal), kubernetes::review(&status)]
}

#[tokio::test]
async fn our_secrets_for_other_servers_are_never_printed() {
    let world = World::new(Kind::Sqlite).await;
    let (server, keystone) = (Server::start().await, FakeKeystone::start().await);
    keystone.answer_logins(Reply::Json(
        401,
        json!({"error": {"message": canary::SWIFT_CREDENTIAL_SECRET}}),
    ));
    let elsewhere = server.url("/image").replace("http://", "");
    let password = canary::HTTP_PASSWORD.replace('=', "%3D");
    for (id, uri) in [
        ("segments", "swift+https://k.example/v3/glance/segments".to_owned()),
        ("object", format!("swift+{}/v3/glance/object", keystone.url)),
        ("web", format!("http://glance:{password}@{elsewhere}")),
    ] {
        world.rows().image(id, "pending_delete", 8, Some(DELETED)).await;
        world.rows().location(id, &uri, "pending_delete", Some(DELETE_BEGAN)).await;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let token_file = folder.path().join("token");
    fs::write(&token_file, canary::SERVICE_ACCOUNT_TOKEN).unwrap();
    let authority = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
    let ca_file = folder.path().join("ca.crt");
    fs::write(&ca_file, authority.cert.pem()).unwrap();
    let ours = format!("token_file = {}\nca_file = {}", token_file.display(), ca_file.display());
    let revert = format!(
        "scrubber = false\nauth_failures_per_minute = 1000\nhttp_verify_hosts = {web}\n\
         [DEFAULT]\ndebug = True\nenabled_backends = objects:swift,web:http\n\
         [objects]\nswift_store_auth_address = {keystone}/v3\nswift_store_container = glance\n\
         swift_store_application_credential_id = c3\n\
         swift_store_application_credential_secret = {secret}\n\
         [revert_jwt:cluster]\nissuer = {issuer}\naudiences = glance-revert\nmode = tokenreview\n\
         subjects = {OPERATOR}\napi_server = {url}\n{ours}\n\
         [revert_jwt:keys]\nissuer = https://keys.example\naudiences = glance-revert\n\
         jwks_uri = {url}{KEYS}\n{ours}\n",
        web = elsewhere.trim_end_matches("/image"),
        keystone = keystone.url,
        secret = canary::SWIFT_CREDENTIAL_SECRET,
        issuer = kubernetes::ISSUER,
        url = server.url(""),
    );
    let setup = Setup::new(&world, &world.db.url(), &revert);
    let token = callers_token(kubernetes::ISSUER);
    server.say("/image", Says::Text(403, "text/plain", password.clone()));
    let [refusal, review] = babble(&token);
    server.say(KEYS, refusal.clone());
    server.say(kubernetes::PATH, refusal);
    let service = setup.serve().await;
    let mut printed = Vec::new();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/v2/pending-deletes", service.api);
    for expected in [503, 401] {
        let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), expected);
        printed.push(format!("{:?} {}", answer.headers().clone(), answer.text().await.unwrap()));
        server.say(kubernetes::PATH, review.clone());
    }
    for id in ["segments", "object", "web"] {
        printed.push(service.revert(id).await.unwrap().text().await.unwrap());
    }
    for command in [&["check"][..], &["show", "web"], &["revert", "object"], &["revert", "web"]] {
        let output = setup.run(command).await;
        printed.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    // Each secret was sent to the server that it is for.
    let shown = Some(format!("Bearer {}", canary::SERVICE_ACCOUNT_TOKEN));
    for path in [KEYS, kubernetes::PATH] {
        assert_eq!(server.asked(path)[0].authorization, shown);
    }
    assert!(keystone.asked().concat().contains(canary::SWIFT_CREDENTIAL_SECRET));
    let basic = STANDARD.encode(format!("glance:{}", canary::HTTP_PASSWORD));
    assert_eq!(server.asked("/image")[0].authorization, Some(format!("Basic {basic}")));
    let log = service.log();
    assert!(log.contains("TRACE"), "the log is not at its most talkative");
    for text in printed.iter().chain([&log]) {
        for secret in [
            canary::SERVICE_ACCOUNT_TOKEN,
            canary::SWIFT_CREDENTIAL_SECRET,
            canary::HTTP_PASSWORD,
            &password,
            &basic,
            &token,
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
