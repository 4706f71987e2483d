//! `X-Auth-Token` with tokens of a real Keystone, of both kinds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use glance_revert::auth::KeystoneAuthenticator;
use glance_revert::config::KeystoneConfig;
use glance_revert::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use glance_revert::domain::principal::{
    AuthError, AuthMethod, Authenticator, PasswordLogin, SignIn,
};
use glance_revert::net::Outbound;
use glance_revert::net::keystone::{Interface, KeystoneApi, KeystoneUrl, Patience};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::support::api::TestApi;
use crate::support::binary::ConfigFile;
use crate::support::canary;
use crate::support::clock::ShiftedClock;
use crate::support::daemon::Setup;
use crate::support::database::Kind;
use crate::support::keystone::{
    ADMIN_PASSWORD, Keystone, Provider, USER_PASSWORD, User, password_of,
};
use crate::support::verifier::call_with;
use crate::support::world::World;

/// Runs each test with Fernet and with JWS tokens.
macro_rules! for_each_provider {
    ($($name:ident)*) => {
        mod fernet { $(
            #[tokio::test]
            #[ignore = "needs a Keystone; make test"]
            async fn $name() {
                super::$name(super::Provider::Fernet).await;
            }
        )* }
        mod jws { $(
            #[tokio::test]
            #[ignore = "needs a Keystone; make test"]
            async fn $name() {
                super::$name(super::Provider::Jws).await;
            }
        )* }
    };
}

for_each_provider! {
    an_admin_of_a_project_is_let_in_and_told_apart
    an_admin_of_the_system_is_let_in
    a_name_and_a_password_become_a_token_that_lets_an_admin_in
    only_admins_of_a_project_or_the_system_are_allowed
    the_role_s_case_does_not_matter
    a_role_of_a_domain_makes_no_admin
    malformed_tokens_are_refused
    a_revoked_token_is_good_for_a_minute_at_most
    a_token_of_a_disabled_user_is_refused
    without_our_own_user_tokens_of_every_scope_validate_themselves
    a_user_of_ours_that_keystone_refuses_is_no_caller_s_fault
    our_own_token_is_replaced_when_it_was_revoked
    access_rules_are_kept_where_the_service_has_a_type
    we_can_log_in_with_an_application_credential
    a_trust_has_only_the_roles_that_it_carries
    an_expired_token_is_refused_unless_a_service_passes_the_call_on
}

/// Our own user, with the role that Keystone requires.
async fn service_user(keystone: &Keystone) -> (User, Credentials) {
    let (user, project) = keystone.user_with("service").await;
    let login = password_of(&user, &project);
    (user, login)
}

fn verifier_of(
    keystone: &Keystone,
    login: impl Into<Option<Credentials>>,
) -> KeystoneAuthenticator {
    let clock = Arc::new(ShiftedClock::default());
    KeystoneAuthenticator::new(&keystone.config(login), &[], clock).unwrap()
}

async fn verifier(keystone: &Keystone) -> KeystoneAuthenticator {
    verifier_of(keystone, service_user(keystone).await.1)
}

/// The result for callers with this token: `200`, or status and reason.
async fn told(verifier: &KeystoneAuthenticator, token: &str) -> String {
    told_with(verifier, token, None).await
}

/// The same for a call that a service forwards.
async fn told_with(
    verifier: &KeystoneAuthenticator,
    token: &str,
    service_token: Option<&str>,
) -> String {
    let api = TestApi::with(|state| state.keystone = Some(Arc::new(verifier.clone())));
    let mut request = Request::get("/v2/pending-deletes").header("X-Auth-Token", token);
    if let Some(service_token) = service_token {
        request = request.header("X-Service-Token", service_token);
    }
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    if answer.status.is_success() {
        return answer.status.as_u16().to_string();
    }
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    assert!(!text.contains(token), "the answer repeats the token");
    let reason = answer.json()["error"]["reason"].as_str().unwrap().to_owned();
    answer.assert_error(answer.status.as_u16(), &reason);
    format!("{} {reason}", answer.status.as_u16())
}

const FORBIDDEN: &str = "403 auth.not_admin";
const REFUSED: &str = "401 auth.token_invalid";
const UNAVAILABLE: &str = "503 auth.unavailable";

fn project(id: &str) -> Value {
    json!({ "project": { "id": id } })
}

fn system() -> Value {
    json!({ "system": { "all": true } })
}

async fn an_admin_of_a_project_is_let_in_and_told_apart(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    let (user, id) = keystone.user_with("admin").await;
    let token = keystone.token(&user, project(&id)).await;
    assert_eq!(told(&verifier, &token).await, "200");
    let principal = verifier.authenticate(&call_with(&token)).await.unwrap();
    assert_eq!((principal.subject, principal.name), (user.id, Some(user.name)));
    assert_eq!((principal.method, principal.issuer.as_str()), (AuthMethod::Keystone, "keystone"));
    assert_eq!(principal.scope, Some(format!("project:{id}")));
    assert_eq!(principal.token_ids.len(), 1);
    assert!(principal.is_admin);
}

async fn an_admin_of_the_system_is_let_in(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let (user, login) = service_user(keystone).await;
    drop(user);
    let token = keystone.bootstrap_token(system()).await;
    assert_eq!(told(&verifier_of(keystone, login.clone()), &token).await, "200");
    let (_, id) = keystone.user_with("admin").await;
    let clock = Arc::new(ShiftedClock::default());
    let pinned = KeystoneAuthenticator::new(&keystone.config(login), &[id], clock).unwrap();
    assert_eq!(told(&pinned, &token).await, FORBIDDEN, "pinned to a project");
}

async fn a_name_and_a_password_become_a_token_that_lets_an_admin_in(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    let sign_in = verifier.sign_in();
    let login = |password: &str, project: &str| PasswordLogin {
        user: "admin".to_owned(),
        password: SecretString::from(password),
        user_domain: "Default".to_owned(),
        project: project.to_owned(),
        project_domain: "Default".to_owned(),
    };
    let issued = sign_in.sign_in(login(ADMIN_PASSWORD, "admin")).await.unwrap();
    assert_eq!(told(&verifier, issued.token.expose_secret()).await, "200");
    for (password, project) in [("wrong", "admin"), (ADMIN_PASSWORD, "nothing"), ("", "admin")] {
        let refused = sign_in.sign_in(login(password, project)).await.unwrap_err();
        assert_eq!(refused, AuthError::Invalid { reason: "login_refused" }, "{project}");
    }
}

async fn only_admins_of_a_project_or_the_system_are_allowed(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    for role in ["reader", "member", "manager", "service"] {
        let (user, id) = keystone.user_with(role).await;
        let token = keystone.token(&user, project(&id)).await;
        assert_eq!(told(&verifier, &token).await, FORBIDDEN, "{role}");
    }
    let (user, _) = keystone.user_with("admin").await;
    let token = keystone.token(&user, json!("unscoped")).await;
    assert_eq!(told(&verifier, &token).await, FORBIDDEN, "unscoped");
    let admin = keystone.role("admin").await;
    keystone.assign(&user, &admin, "domains/default").await;
    let token = keystone.token(&user, json!({ "domain": { "id": "default" } })).await;
    assert_eq!(told(&verifier, &token).await, FORBIDDEN, "domain");
    let reader = keystone.role("reader").await;
    keystone.assign(&user, &reader, "system").await;
    let token = keystone.token(&user, system()).await;
    assert_eq!(told(&verifier, &token).await, FORBIDDEN, "reader of the system");
}

async fn the_role_s_case_does_not_matter(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    let role = keystone.create("roles", json!({ "name": "AdMiN" })).await;
    let (user, id) = (keystone.user().await, keystone.project().await);
    keystone.assign(&user, &role, &format!("projects/{id}")).await;
    let token = keystone.token(&user, project(&id)).await;
    assert_eq!(told(&verifier, &token).await, "200");
}

/// Keystone grants such a role only by implying others, and omits it from tokens.
async fn a_role_of_a_domain_makes_no_admin(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    let domain = keystone.create("domains", json!({ "name": keystone.name("domain") })).await;
    let role = keystone.create("roles", json!({ "name": "admin", "domain_id": domain })).await;
    let reader = keystone.role("reader").await;
    keystone.admin(Method::PUT, &format!("/roles/{role}/implies/{reader}"), None).await;
    let body = json!({ "name": keystone.name("project"), "domain_id": domain });
    let id = keystone.create("projects", body).await;
    let user = keystone.user().await;
    keystone.assign(&user, &role, &format!("projects/{id}")).await;
    let token = keystone.token(&user, project(&id)).await;
    assert_eq!(told(&verifier, &token).await, FORBIDDEN);
}

async fn malformed_tokens_are_refused(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let own = verifier_of(keystone, None);
    let token = keystone.admin_token().await;
    let mut changed = token.clone();
    changed.replace_range(20..24, "AAAA");
    for verifier in [verifier(keystone).await, own] {
        for garbage in ["x", "0123456789abcdef0123456789abcdef", "a.b.c", "../v3", &changed] {
            assert_eq!(told(&verifier, garbage).await, REFUSED, "{garbage}");
        }
    }
}

async fn a_revoked_token_is_good_for_a_minute_at_most(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let (_, login) = service_user(keystone).await;
    let clock = Arc::new(ShiftedClock::default());
    let verifier = KeystoneAuthenticator::new(&keystone.config(login), &[], clock.clone()).unwrap();
    let token = keystone.admin_token().await;
    assert_eq!(told(&verifier, &token).await, "200");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let revoke = client.delete(format!("{}/v3/auth/tokens", keystone.url));
    let revoke = revoke.header("X-Auth-Token", &token).header("X-Subject-Token", &token);
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    clock.advance(Duration::from_secs(61));
    assert_eq!(told(&verifier, &token).await, REFUSED);
    assert_eq!(told(&verifier_of(keystone, None), &token).await, REFUSED);
}

async fn a_token_of_a_disabled_user_is_refused(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    let (user, id) = keystone.user_with("admin").await;
    let token = keystone.token(&user, project(&id)).await;
    set_enabled(keystone, &user, false).await;
    assert_eq!(told(&verifier, &token).await, REFUSED);
}

async fn set_enabled(keystone: &Keystone, user: &User, enabled: bool) {
    let body = json!({ "user": { "enabled": enabled } });
    keystone.admin(Method::PATCH, &format!("/users/{}", user.id), Some(&body)).await;
}

async fn without_our_own_user_tokens_of_every_scope_validate_themselves(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier_of(keystone, None);
    let (user, id) = keystone.user_with("member").await;
    for (scope, expected) in [(project(&id), FORBIDDEN), (json!("unscoped"), FORBIDDEN)] {
        let token = keystone.token(&user, scope.clone()).await;
        assert_eq!(told(&verifier, &token).await, expected, "{scope}");
    }
    assert_eq!(told(&verifier, &keystone.admin_token().await).await, "200");
    assert_eq!(told(&verifier, &keystone.bootstrap_token(system()).await).await, "200");
}

async fn a_user_of_ours_that_keystone_refuses_is_no_caller_s_fault(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let token = keystone.admin_token().await;
    let (user, id) = keystone.user_with("service").await;
    let Credentials::Password { user: who, scope, .. } = password_of(&user, &id) else {
        panic!("a password")
    };
    let wrong = Credentials::Password { user: who, password: "wrong".into(), scope };
    let verifier = verifier_of(keystone, wrong);
    assert_eq!(told(&verifier, &token).await, UNAVAILABLE);
    let cause = verifier.authenticate(&call_with(&token)).await.unwrap_err();
    assert!(cause.to_string().contains("refuses this service's credentials (401)"), "{cause}");
    let (user, id) = keystone.user_with("member").await;
    let verifier = verifier_of(keystone, password_of(&user, &id));
    assert_eq!(told(&verifier, &token).await, UNAVAILABLE);
    let cause = verifier.authenticate(&call_with(&token)).await.unwrap_err();
    assert!(cause.to_string().contains("give it the role service"), "{cause}");
}

async fn our_own_token_is_replaced_when_it_was_revoked(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let (user, login) = service_user(keystone).await;
    let verifier = verifier_of(keystone, login);
    assert_eq!(told(&verifier, &keystone.admin_token().await).await, "200");
    set_enabled(keystone, &user, false).await;
    set_enabled(keystone, &user, true).await;
    // Keystone treats tokens issued in the second of a revocation as revoked, so even a new token
    // of ours may be refused for that long.
    let token = keystone.admin_token().await;
    let replaced = async {
        while told(&verifier, &token).await != "200" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced).await.unwrap();
}

/// Creates an application credential of the user; returns its id.
async fn credential(
    keystone: &Keystone,
    user: &User,
    id: &str,
    rules: Option<Value>,
) -> Credential {
    let token = keystone.token(user, project(id)).await;
    let name = keystone.name("credential");
    let mut body = json!({ "name": name, "secret": canary::APPLICATION_CREDENTIAL_SECRET });
    if let Some(rules) = rules {
        body["access_rules"] = rules;
    }
    let path = format!("/users/{}/application_credentials", user.id);
    let body = json!({ "application_credential": body });
    let (status, answer) = keystone.call(&token, Method::POST, &path, Some(&body)).await;
    assert_eq!(status, 201, "{answer}");
    let id = answer["application_credential"]["id"].as_str().unwrap().to_owned();
    Credential { id, name }
}

struct Credential {
    id: String,
    name: String,
}

impl Credential {
    fn secret() -> SecretString {
        canary::APPLICATION_CREDENTIAL_SECRET.into()
    }

    async fn token(&self, keystone: &Keystone) -> String {
        let auth = json!({ "identity": {
            "methods": ["application_credential"],
            "application_credential": { "id": self.id, "secret": canary::APPLICATION_CREDENTIAL_SECRET },
        }});
        keystone.log_in(&auth).await.unwrap()
    }
}

async fn access_rules_are_kept_where_the_service_has_a_type(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let (user, id) = keystone.user_with("admin").await;
    let free = credential(keystone, &user, &id, None).await.token(keystone).await;
    let rule = |path: &str| Some(json!([{ "service": "image", "method": "GET", "path": path }]));
    let fits = credential(keystone, &user, &id, rule("/v2/*")).await.token(keystone).await;
    let other = credential(keystone, &user, &id, rule("/v2/images")).await.token(keystone).await;
    let (_, service) = service_user(keystone).await;
    for login in [Some(service), None] {
        let verifier = verifier_of(keystone, login.clone());
        assert_eq!(told(&verifier, &free).await, "200");
        for bound in [&fits, &other] {
            assert_eq!(told(&verifier, bound).await, REFUSED);
            let error = verifier.authenticate(&call_with(bound)).await.unwrap_err();
            assert_eq!(error, AuthError::Invalid { reason: "access_rules" });
        }
        let config = keystone.config(login);
        let config = KeystoneConfig { service_type: Some("image".to_owned()), ..config };
        let clock = Arc::new(ShiftedClock::default());
        let verifier = KeystoneAuthenticator::new(&config, &[], clock).unwrap();
        assert_eq!(told(&verifier, &free).await, "200");
        assert_eq!(told(&verifier, &fits).await, "200");
        assert_eq!(told(&verifier, &other).await, REFUSED);
    }
}

async fn we_can_log_in_with_an_application_credential(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let (user, id) = keystone.user_with("service").await;
    let ours = credential(keystone, &user, &id, None).await;
    let domain = Domain::NameOrId("Default".to_owned());
    let by_name = Credentials::NamedApplicationCredential {
        name: ours.name.clone(),
        user: Identifier::Name { name: user.name.clone(), domain },
        secret: Credential::secret(),
    };
    let by_id = Credentials::ApplicationCredential { id: ours.id, secret: Credential::secret() };
    let token = keystone.admin_token().await;
    for login in [by_id, by_name] {
        assert_eq!(told(&verifier_of(keystone, login), &token).await, "200");
    }
}

async fn a_trust_has_only_the_roles_that_it_carries(provider: Provider) {
    let keystone = Keystone::shared(provider).await;
    let verifier = verifier(keystone).await;
    let (trustor, id) = keystone.user_with("admin").await;
    let (trustee, other) = keystone.user_with("member").await;
    let token = keystone.token(&trustor, project(&id)).await;
    for (role, expected) in [("admin", "200"), ("reader", FORBIDDEN)] {
        let trust = json!({ "trust": {
            "trustor_user_id": trustor.id, "trustee_user_id": trustee.id, "project_id": id,
            "impersonation": false, "roles": [{ "id": keystone.role(role).await }],
        }});
        let path = "/OS-TRUST/trusts";
        let (status, trust) = keystone.call(&token, Method::POST, path, Some(&trust)).await;
        assert_eq!(status, 201, "{trust}");
        let scope = json!({ "OS-TRUST:trust": { "id": trust["trust"]["id"] } });
        let delegated = keystone.token(&trustee, scope).await;
        assert_eq!(told(&verifier, &delegated).await, expected, "{role}");
    }
    let own = keystone.token(&trustee, project(&other)).await;
    assert_eq!(told(&verifier, &own).await, FORBIDDEN);
}

async fn an_expired_token_is_refused_unless_a_service_passes_the_call_on(provider: Provider) {
    // Long enough for two logins and two validations on a busy machine.
    let keystone = Keystone::start(provider, Duration::from_secs(6)).await;
    let domain = Domain::NameOrId("Default".to_owned());
    let admin = Credentials::Password {
        user: Identifier::Name { name: "admin".to_owned(), domain: domain.clone() },
        password: ADMIN_PASSWORD.into(),
        scope: Scope::Project(Identifier::Name { name: "admin".to_owned(), domain }),
    };
    let verifier = verifier_of(&keystone, admin);
    let own = verifier_of(&keystone, None);
    let (service, project_of_service) = keystone.user_with("service").await;
    let (member, project_of_member) = keystone.user_with("member").await;
    let token = keystone.admin_token().await;
    let expired = async {
        while told(&verifier, &token).await != REFUSED || told(&own, &token).await != REFUSED {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), expired).await.unwrap();

    let service = keystone.token(&service, project(&project_of_service)).await;
    assert_eq!(told_with(&verifier, &token, Some(&service)).await, "200");
    assert_eq!(told_with(&own, &token, Some(&service)).await, REFUSED, "it cannot show itself");
    let member = keystone.token(&member, project(&project_of_member)).await;
    assert_eq!(told_with(&verifier, &token, Some(&member)).await, REFUSED);
    assert_eq!(told(&verifier, &token).await, REFUSED);
}

#[tokio::test]
#[ignore = "needs a Keystone; make test"]
async fn check_tries_the_keystone_and_says_what_our_user_may() {
    let keystone = Keystone::shared(Provider::Fernet).await;
    let world = World::new(Kind::Sqlite).await;
    let check = |auth: &str| {
        let text = format!(
            "[database]\nconnection = {}\n[keystone_authtoken]\nauth_url = {}/v3\n{auth}",
            world.db.url(),
            keystone.url
        );
        let run = ConfigFile::new(&text).run(&["check"]);
        let line = run.stdout.lines().find(|line| line.contains("keystone"));
        line.unwrap_or_else(|| panic!("{run:?}")).to_owned()
    };
    for (role, verdict) in [("service", "ok"), ("member", "warning")] {
        let (user, project) = keystone.user_with(role).await;
        let line = check(&format!(
            "auth_type = password\nuser_id = {}\npassword = {USER_PASSWORD}\n\
             project_id = {project}\n",
            user.id
        ));
        assert!(line.contains(verdict), "{line}");
        assert!(line.contains(&format!("logged in as {}", user.name)), "{line}");
    }
    assert!(check("auth_type = none\n").contains("Keystone v3 answers"));
    let wrong = "auth_type = password\nuser_id = nobody\npassword = wrong\nproject_id = none\n";
    let line = check(wrong);
    assert!(
        line.contains("BROKEN") && line.contains("refuses this service's credentials"),
        "{line}"
    );
}

#[tokio::test]
#[ignore = "needs a Keystone; make test"]
async fn glances_own_section_is_enough_to_serve() {
    let keystone = Keystone::shared(Provider::Fernet).await;
    let world = World::new(Kind::Sqlite).await;
    world.deleted_image("a").await;
    let (user, project) = keystone.user_with("service").await;
    let sections = format!(
        "scrubber = false\n[keystone_authtoken]\nauth_url = {}\nauth_type = password\n\
         username = {}\nuser_domain_id = default\npassword = {USER_PASSWORD}\n\
         project_id = {project}\nwww_authenticate_uri = https://keystone.example.org\n\
         insecure = true\nmemcached_servers = 10.0.0.1:11211\ninclude_service_catalog = true\n",
        keystone.url, user.name
    );
    let setup = Setup::with_callers(&world, &sections);
    let service = setup.serve().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let revert = format!("http://{}/v2/images/a/actions/revert", service.api);
    let refused = client.post(&revert).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenges: Vec<_> = refused.headers().get_all("www-authenticate").iter().collect();
    assert!(
        challenges.contains(&&"Keystone uri=\"https://keystone.example.org\"".parse().unwrap())
    );
    let refused = client.post(&revert).bearer_auth("a.b.c").send().await.unwrap();
    assert_eq!(refused.status(), 401, "no issuer of JWTs is configured");
    let token = keystone.admin_token().await;
    let reverted = client.post(&revert).header("X-Auth-Token", &token).send().await.unwrap();
    assert_eq!(reverted.status(), 200);
    let image: Value = reverted.json().await.unwrap();
    assert_eq!(image["status"], "active");
    let unused = service.said("these options of [keystone_authtoken] are not used").await;
    assert_eq!(unused["options"], "include_service_catalog, memcached_servers");
    let lines = service.lines();
    let loud =
        |line: &Value| line["message"].as_str().is_some_and(|m| m.contains("insecure is on"));
    assert!(lines.iter().any(loud), "{lines:?}");
    let text = format!("{lines:?}");
    assert!(!text.contains(USER_PASSWORD) && !text.contains(&token));
}

#[tokio::test]
#[ignore = "needs a Keystone; make test"]
async fn the_catalog_says_where_another_service_is() {
    let keystone = Keystone::shared(Provider::Fernet).await;
    keystone.publish("catalog-test", "http://elsewhere.example/v1/AUTH_$(project_id)s").await;
    let (user, project) = keystone.user_with("member").await;
    let http = Outbound::within(Duration::from_secs(10)).client().unwrap();
    let patience = Patience { deadline: Duration::from_secs(10), retries: 0 };
    let url = KeystoneUrl::parse(&keystone.url).unwrap();
    let credentials = Credentials::Password {
        user: Identifier::Id(user.id),
        password: USER_PASSWORD.into(),
        scope: Scope::Project(Identifier::Id(project.clone())),
    };
    let api = KeystoneApi::new(http, url, patience);
    let session = api.login(&credentials, true).await.unwrap();
    let found = session.catalog.endpoint("catalog-test", Interface::Public, None);
    assert_eq!(found, Some(format!("http://elsewhere.example/v1/AUTH_{project}").as_str()));
    assert_eq!(session.project_id, Some(project));
    assert!(api.login(&credentials, false).await.unwrap().catalog.is_empty());
}
