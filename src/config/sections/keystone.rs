//! `[keystone_authtoken]`: Glance's own connection to Keystone, which this service shares.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::declare::options;
use crate::config::environment::Environment;
use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use crate::config::options::{
    KEYSTONE_AUTHTOKEN_GROUP, Opt, boolean, clamped, find, list, optional_text, parsed, path,
    secret_text, some_seconds,
};
use crate::config::reader::{Reader, Section};

/// A revoked token is accepted at most this long, whatever Glance's file says.
const LONGEST_CACHE: i64 = 60;

/// More retries than any request's time allows.
const MOST_RETRIES: i64 = 100;

options! {
    /// `[keystone_authtoken]`: the option names of keystonemiddleware and keystoneauth. Options set
    /// there but not listed here are accepted and named in the log.
    KEYSTONE_AUTHTOKEN: KeystoneOptions {
        /// How this service logs in at Keystone; none validates each token with itself.
        auth_type: Option<AuthType> = auth_type().example("password").was(&["auth_plugin"]);
        /// Another section that holds the login options.
        auth_section: Option<String> = optional_text("name of a section");
        /// Keystone's URL, with or without /v3.
        auth_url: Option<String> = optional_text("URL").example("http://keystone.example.org:5000");
        /// Our user; needs a user_domain.
        username: Option<String> =
            optional_text("text").example("glance").was(&["user-name", "user_name"]);
        /// Our user, by id.
        user_id: Option<String> = optional_text("text");
        /// Our user's password.
        password: Option<SecretString> = secret_text();
        /// The user's domain.
        user_domain_name: Option<String> = optional_text("text").example("Default");
        /// The user's domain, by id.
        user_domain_id: Option<String> = optional_text("text").example("default");
        /// The domain of user and project, where theirs is not set.
        default_domain_name: Option<String> = optional_text("text");
        /// The same, by id.
        default_domain_id: Option<String> = optional_text("text");
        /// Our project; needs a project_domain.
        project_name: Option<String> =
            optional_text("text").example("service").was(&["tenant-name", "tenant_name"]);
        /// Our project, by id.
        project_id: Option<String> = optional_text("text").was(&["tenant-id", "tenant_id"]);
        /// The project's domain.
        project_domain_name: Option<String> = optional_text("text").example("Default");
        /// The project's domain, by id.
        project_domain_id: Option<String> = optional_text("text").example("default");
        /// Scopes the login to the whole system.
        system_scope: Option<Scope> = parsed("all", None, system_scope, || None);
        /// An application credential.
        application_credential_id: Option<String> = optional_text("text");
        /// The same by name, with a user.
        application_credential_name: Option<String> = optional_text("text");
        /// Its secret.
        application_credential_secret: Option<SecretString> = secret_text();
        /// CA certificates for Keystone.
        cafile: Option<PathBuf> = path();
        /// Our client certificate.
        certfile: Option<PathBuf> = path();
        /// Its key.
        keyfile: Option<PathBuf> = path();
        /// Accepts any certificate.
        insecure: bool = boolean(false);
        /// How long Keystone's answer about a token is cached; at most 60, -1 for not at all.
        token_cache_time: Duration = clamped::<_, 0, LONGEST_CACHE>("seconds", "300");
        /// How long connecting to Keystone may take.
        http_connect_timeout: Duration = some_seconds("10");
        /// How often a failed connection attempt is repeated.
        http_request_max_retries: u32 = clamped::<_, 0, MOST_RETRIES>("", "3");
        /// Roles that make the holder of an X-Service-Token a service.
        service_token_roles: Vec<String> = list("service");
        /// Refuses an X-Service-Token without such a role; if false, it is ignored.
        service_token_roles_required: bool = boolean(true);
        /// This service's type in access rules. Unset: tokens with access rules are refused.
        service_type: Option<String> = optional_text("text").example("image");
        /// Keystone's public URL, sent to callers without a valid token.
        www_authenticate_uri: Option<String> =
            optional_text("URL").example("https://keystone.example.org");
    }
}

/// The values of `auth_type`.
#[derive(Clone, Copy)]
pub(in crate::config) enum AuthType {
    None,
    Password,
    ApplicationCredential,
}

const fn auth_type() -> Opt<Option<AuthType>> {
    let form = "password, v3password, v3applicationcredential or none";
    parsed(form, None, parse_auth_type, || None)
}

fn parse_auth_type(text: &str) -> Result<Option<AuthType>, String> {
    match text {
        "" => Ok(None),
        "none" => Ok(Some(AuthType::None)),
        "password" | "v3password" => Ok(Some(AuthType::Password)),
        "v3applicationcredential" => Ok(Some(AuthType::ApplicationCredential)),
        other => Err(format!(
            "{other:?} is not supported; use password, v3password, v3applicationcredential, or none \
             (each caller's token is validated with itself)"
        )),
    }
}

fn system_scope(text: &str) -> Result<Option<Scope>, String> {
    match text {
        "" => Ok(None),
        "all" => Ok(Some(Scope::System)),
        _ => Err("can only be all".to_owned()),
    }
}

/// `[keystone_authtoken]`.
#[derive(Debug, Clone)]
pub struct KeystoneConfig {
    /// `auth_url`.
    pub auth_url: String,
    /// `auth_type` and its options; `None` for `none`, a value of ours: each token is validated
    /// with itself.
    pub login: Option<Credentials>,
    /// `cafile`.
    pub cafile: Option<PathBuf>,
    /// `certfile` and `keyfile`, which may be one file.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `insecure`.
    pub insecure: bool,
    /// `token_cache_time`, at most 60 seconds; zero for -1.
    pub token_cache_time: Duration,
    /// `http_connect_timeout` (10).
    pub connect_timeout: Duration,
    /// `http_request_max_retries` (3), at most 100.
    pub retries: u32,
    /// `service_token_roles` (service): who may forward the calls of others.
    pub service_token_roles: Vec<String>,
    /// `service_token_roles_required` (true).
    pub service_token_roles_required: bool,
    /// `service_type`: what access rules of application credentials call this service.
    pub service_type: Option<String>,
    /// `www_authenticate_uri`.
    pub www_authenticate_uri: Option<String>,
    /// Options that are set but not used here.
    pub unused: Vec<String>,
}

/// `None` if no Keystone is configured.
pub(in crate::config) fn read(reader: &mut Reader<'_>) -> Option<KeystoneConfig> {
    let unused = unused(reader);
    let group = KEYSTONE_AUTHTOKEN_GROUP;
    let other = reader.section(&[group]).get(&KEYSTONE_AUTHTOKEN.auth_section);
    let other = other.unwrap_or_else(|| group.to_owned()).to_lowercase();
    let mut section = reader.section(&[&other]);
    let is_told = section.is_set(&KEYSTONE_AUTHTOKEN.auth_url)
        || section.is_set(&KEYSTONE_AUTHTOKEN.auth_type);
    if other == group && !is_told {
        return None;
    }
    let auth_url = section.required(&KEYSTONE_AUTHTOKEN.auth_url).unwrap_or_default();
    let login = login(&mut section);
    let mut section = reader.section(&[group]);
    // Without TLS nobody reads the certificate files, so they need not exist.
    let is_plain = auth_url.starts_with("http://");
    Some(KeystoneConfig {
        auth_url,
        login,
        cafile: if is_plain { None } else { section.get(&KEYSTONE_AUTHTOKEN.cafile) },
        identity: if is_plain { None } else { identity(&mut section) },
        insecure: section.get(&KEYSTONE_AUTHTOKEN.insecure),
        token_cache_time: section.get(&KEYSTONE_AUTHTOKEN.token_cache_time),
        connect_timeout: section.get(&KEYSTONE_AUTHTOKEN.http_connect_timeout),
        retries: section.get(&KEYSTONE_AUTHTOKEN.http_request_max_retries),
        service_token_roles: section.get(&KEYSTONE_AUTHTOKEN.service_token_roles),
        service_token_roles_required: section.get(&KEYSTONE_AUTHTOKEN.service_token_roles_required),
        service_type: section.get(&KEYSTONE_AUTHTOKEN.service_type),
        www_authenticate_uri: section.get(&KEYSTONE_AUTHTOKEN.www_authenticate_uri),
        unused,
    })
}

/// The options that files and environment set in the section and that are not read here.
fn unused(reader: &Reader<'_>) -> Vec<String> {
    let settings = reader.settings();
    let of_files = settings.options(KEYSTONE_AUTHTOKEN_GROUP).map(|(name, _)| name.to_owned());
    let group = Environment::variable(KEYSTONE_AUTHTOKEN_GROUP, "");
    let of_environment = settings
        .environment()
        .options()
        .filter(|(variable, _, _)| variable.starts_with(&group))
        .map(|(_, _, name)| name.to_lowercase());
    let mut unused: Vec<String> = of_files
        .chain(of_environment)
        .filter(|name| find(&[KeystoneOptions::ALL], name).is_none())
        .collect();
    unused.sort();
    unused.dedup();
    unused
}

fn login(section: &mut Section<'_, '_>) -> Option<Credentials> {
    match section.required(&KEYSTONE_AUTHTOKEN.auth_type)? {
        AuthType::None => None,
        AuthType::Password => Some(Credentials::Password {
            user: named(section, &USER),
            password: section.required(&KEYSTONE_AUTHTOKEN.password).unwrap_or_default(),
            scope: scope(section),
        }),
        AuthType::ApplicationCredential => Some(credential(section)),
    }
}

fn credential(section: &mut Section<'_, '_>) -> Credentials {
    let secret = section.required(&KEYSTONE_AUTHTOKEN.application_credential_secret);
    let secret = secret.unwrap_or_default();
    match section.get(&KEYSTONE_AUTHTOKEN.application_credential_id) {
        Some(id) => Credentials::ApplicationCredential { id, secret },
        None => Credentials::NamedApplicationCredential {
            name: section
                .required(&KEYSTONE_AUTHTOKEN.application_credential_name)
                .unwrap_or_default(),
            user: named(section, &USER),
            secret,
        },
    }
}

fn scope(section: &mut Section<'_, '_>) -> Scope {
    match section.get(&KEYSTONE_AUTHTOKEN.system_scope) {
        Some(scope) => scope,
        // A misspelled `system_scope` (noted already) is treated as `all`.
        None if section.has_problem(&KEYSTONE_AUTHTOKEN.system_scope) => Scope::System,
        None => Scope::Project(named(section, &PROJECT)),
    }
}

/// The options that name a user or a project.
struct NameOptions {
    id: &'static Opt<Option<String>>,
    name: &'static Opt<Option<String>>,
    domain_id: &'static Opt<Option<String>>,
    domain_name: &'static Opt<Option<String>>,
}

const USER: NameOptions = NameOptions {
    id: &KEYSTONE_AUTHTOKEN.user_id,
    name: &KEYSTONE_AUTHTOKEN.username,
    domain_id: &KEYSTONE_AUTHTOKEN.user_domain_id,
    domain_name: &KEYSTONE_AUTHTOKEN.user_domain_name,
};

const PROJECT: NameOptions = NameOptions {
    id: &KEYSTONE_AUTHTOKEN.project_id,
    name: &KEYSTONE_AUTHTOKEN.project_name,
    domain_id: &KEYSTONE_AUTHTOKEN.project_domain_id,
    domain_name: &KEYSTONE_AUTHTOKEN.project_domain_name,
};

fn named(section: &mut Section<'_, '_>, options: &NameOptions) -> Identifier {
    if let Some(id) = section.get(options.id) {
        return Identifier::Id(id);
    }
    let name = section.required(options.name).unwrap_or_default();
    let domains = [
        (options.domain_id, options.domain_name),
        (&KEYSTONE_AUTHTOKEN.default_domain_id, &KEYSTONE_AUTHTOKEN.default_domain_name),
    ];
    let found = domains.iter().find_map(|(id, name)| {
        let by_id = section.get(id).map(Domain::Id);
        by_id.or_else(|| section.get(name).map(Domain::NameOrId))
    });
    if found.is_none() && !name.is_empty() {
        let text = format!("must be set together with {}", options.name.spec.name);
        section.problem(options.domain_name, text);
    }
    let domain = found.unwrap_or(Domain::Id(String::new()));
    Identifier::Name { name, domain }
}

/// As in keystoneauth: a certificate alone holds its own key; a key alone is ignored.
fn identity(section: &mut Section<'_, '_>) -> Option<(PathBuf, PathBuf)> {
    let certificate = section.get(&KEYSTONE_AUTHTOKEN.certfile)?;
    let key = section.get(&KEYSTONE_AUTHTOKEN.keyfile).unwrap_or_else(|| certificate.clone());
    Some((certificate, key))
}
