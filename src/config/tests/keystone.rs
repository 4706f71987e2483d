//! `[keystone_authtoken]`, from the files to the value.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{DATABASE, load, load_with, refused};
use crate::config::KeystoneConfig;
use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};

fn keystone(options: &str) -> KeystoneConfig {
    load(&format!("[keystone_authtoken]\nauth_url = http://k:5000\n{options}")).keystone.unwrap()
}

fn keystone_refused(options: &str) -> String {
    refused(&format!("[keystone_authtoken]\nauth_url = https://k:5000\n{options}"))
}

/// As kolla-ansible writes it.
const KOLLA: &str = "\
service_type = image
www_authenticate_uri = https://public:5000
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = glance
password = pw
cafile =
memcache_security_strategy = ENCRYPT
memcache_secret_key = mk
memcached_servers = 10.0.0.1:11211
";

#[test]
fn a_deployers_keystone_section_works_unchanged() {
    let keystone = keystone(KOLLA);
    let Some(Credentials::Password { user, password, scope }) = &keystone.login else {
        panic!("{:?}", keystone.login);
    };
    let named = |name: &str| Identifier::Name {
        name: name.to_owned(),
        domain: Domain::Id("default".to_owned()),
    };
    assert_eq!((user, password.expose_secret()), (&named("glance"), "pw"));
    assert_eq!(scope, &Scope::Project(named("service")));
    assert_eq!(keystone.cafile, None);
    assert_eq!(keystone.www_authenticate_uri.as_deref(), Some("https://public:5000"));
    assert_eq!(keystone.token_cache_time, Duration::from_mins(1), "300 is Glance's own default");
    assert_eq!((keystone.retries, keystone.connect_timeout), (3, Duration::from_secs(10)));
    assert_eq!(keystone.service_type.as_deref(), Some("image"));
    assert_eq!(keystone.service_token_roles, ["service"], "Glance's own default");
    assert!(keystone.service_token_roles_required);
    let unused = ["memcache_secret_key", "memcache_security_strategy", "memcached_servers"];
    assert_eq!(keystone.unused, unused);
}

#[test]
fn the_service_roles_are_read() {
    let keystone = keystone(
        "auth_type = none\nservice_token_roles = service, nova\nservice_token_roles_required = False\n",
    );
    assert_eq!(keystone.service_token_roles, ["service", "nova"]);
    assert!(!keystone.service_token_roles_required);
    assert_eq!(keystone.service_type, None);
}

#[test]
fn an_application_credential_and_a_caller_s_own_token_are_ways_to_ask() {
    let by_id = keystone(
        "auth_type = v3applicationcredential\napplication_credential_id = i\n\
         application_credential_secret = s\n",
    );
    let Some(Credentials::ApplicationCredential { id, .. }) = &by_id.login else {
        panic!("{:?}", by_id.login);
    };
    assert_eq!(id, "i");
    let by_name = keystone(
        "auth_type = v3applicationcredential\napplication_credential_name = n\nuser_id = u\n\
         application_credential_secret = s\n",
    );
    let Some(Credentials::NamedApplicationCredential { name, user, .. }) = &by_name.login else {
        panic!("{:?}", by_name.login);
    };
    assert_eq!((name.as_str(), user), ("n", &Identifier::Id("u".to_owned())));
    assert!(keystone("auth_type = none\n").login.is_none());
}

#[test]
fn a_keystone_section_with_only_old_or_foreign_options_is_ignored() {
    assert!(load("[keystone_authtoken]\nwww_authenticate_uri = http://k\n").keystone.is_none());
    assert!(load("").keystone.is_none());
}

#[test]
fn the_login_may_stand_in_another_section_and_in_the_environment() {
    let file = "[keystone_authtoken]\nauth_section = Login\ninsecure = true\n\
                [login]\nauth_type = v3password\nauth_url = http://k\nuser_id = u\n\
                system_scope = all\n";
    let environment = [
        ("OS_LOGIN__PASSWORD", "pw"),
        ("OS_KEYSTONE_AUTHTOKEN__TOKEN_CACHE_TIME", "-1"),
        ("OS_KEYSTONE_AUTHTOKEN__REGION_NAME", "one"),
    ];
    let keystone = load_with(&[DATABASE, file], &environment).unwrap().keystone.unwrap();
    assert!(keystone.insecure);
    assert_eq!(keystone.token_cache_time, Duration::ZERO);
    assert_eq!(keystone.unused, ["region_name"]);
    let Some(Credentials::Password { password, scope, .. }) = &keystone.login else {
        panic!("{:?}", keystone.login);
    };
    assert_eq!((password.expose_secret(), scope), ("pw", &Scope::System));
}

#[test]
fn each_gap_in_a_keystone_section_is_named() {
    let user = "auth_type = password\nuser_id = u\n";
    let named = "auth_type = password\nusername = u\nproject_id = p\npassword = x\n";
    for (options, option, message) in [
        ("", "auth_type", "must be set"),
        ("auth_type = v2password\n", "auth_type", "\"v2password\" is not supported"),
        (&format!("{user}project_id = p\n"), "password", "must be set"),
        (named, "user_domain_name", "must be set together with username"),
        (&format!("{user}password = x\n"), "project_name", "must be set"),
        (&format!("{user}password = x\nsystem_scope = some\n"), "system_scope", "can only be all"),
        ("auth_type = v3applicationcredential\n", "application_credential_secret", "must be set"),
        ("auth_type = none\ncafile = ca.pem\n", "cafile", "must be an absolute path"),
        (
            "auth_type = none\ntoken_cache_time = soon\n",
            "token_cache_time",
            "is not a whole number",
        ),
    ] {
        let told = keystone_refused(options);
        let line = told.lines().find(|line| line.contains(&format!("] {option} (")));
        assert!(line.is_some_and(|line| line.contains(message)), "{option} in {told}");
    }
}

#[test]
fn old_option_names_still_work() {
    for [user, project] in [["user_name", "tenant_name"], ["user-name", "tenant-name"]] {
        let old = keystone(&format!(
            "auth_plugin = password\n{user} = glance\npassword = pw\n{project} = service\n\
             default_domain_id = default\n"
        ));
        let domain = || Domain::Id("default".to_owned());
        let named = |name: &str| Identifier::Name { name: name.to_owned(), domain: domain() };
        let Some(Credentials::Password { user, scope, .. }) = &old.login else {
            panic!("{:?}", old.login);
        };
        assert_eq!((user, scope), (&named("glance"), &Scope::Project(named("service"))));
        assert!(old.unused.is_empty(), "{:?}", old.unused);
    }
    let told = keystone_refused("auth_plugin = v2password\n");
    assert!(told.contains("1.conf line 3"), "an old name's own line: {told}");
}

#[test]
fn numbers_that_glance_accepts_are_accepted_within_limits() {
    let keystone = keystone(
        "auth_type = none\nhttp_request_max_retries = 1000\ntoken_cache_time = -5\n\
         cafile = /nowhere\ncertfile = /nowhere\n",
    );
    assert_eq!((keystone.retries, keystone.token_cache_time), (100, Duration::ZERO));
    assert_eq!((keystone.cafile, keystone.identity), (None, None), "nobody reads them for http");
}

#[test]
fn a_certificate_alone_has_its_key_in_its_own_file() {
    let text = "[keystone_authtoken]\nauth_url = https://k\nauth_type = none\ncertfile = /c\n";
    let both = Some(("/c".into(), "/c".into()));
    assert_eq!(load(text).keystone.unwrap().identity, both);
    let text = "[keystone_authtoken]\nauth_url = https://k\nauth_type = none\nkeyfile = /k\n";
    assert_eq!(load(text).keystone.unwrap().identity, None);
}

#[test]
fn an_unusable_keystone_is_skipped_if_there_is_an_issuer() {
    let text = "[keystone_authtoken]\nauth_url = http://k\n";
    let issuer = "[revert_jwt:x]\nissuer = x\naudiences = a\npublic_key_file = /k.pem\n";
    let config = load(&format!("{text}{issuer}"));
    assert!(config.keystone.is_none());
    let told: Vec<_> = config.keystone_problems.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("auth_type"), "{told:?}");
    assert!(refused(text).contains("auth_type"), "nobody else could call");
}
