//! `[keystone_authtoken]`: how Glance reaches its Keystone, and so how we do.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::environment::Environment;
use super::keystone_auth::{Credentials, Domain, Named, Scope};
use super::options::{self, KEYSTONE_AUTHTOKEN, KEYSTONE_AUTHTOKEN_GROUP};
use super::reader::{Reader, Section};

/// A revoked token must not be good for longer than this, whatever Glance's file says.
const LONGEST_CACHE: i64 = 60;

/// A call is given up long before so many, whatever Glance's file says.
const MOST_RETRIES: i64 = 100;

/// `[keystone_authtoken]`.
#[derive(Debug, Clone)]
pub struct KeystoneConfig {
    /// `auth_url`.
    pub auth_url: String,
    /// `auth_type`, and what belongs to it; `None` for `none`, a word of ours: a caller's token is
    /// asked about with itself.
    pub login: Option<Credentials>,
    /// `cafile`.
    pub cafile: Option<PathBuf>,
    /// `certfile` and `keyfile`, which may be one file.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `insecure`.
    pub insecure: bool,
    /// `token_cache_time`, at most 60 seconds; none for -1.
    pub token_cache_time: Duration,
    /// `http_connect_timeout` (10).
    pub connect_timeout: Duration,
    /// `http_request_max_retries` (3), at most 100.
    pub retries: u32,
    /// `service_token_roles` (service): who may pass on the calls of others.
    pub service_token_roles: Vec<String>,
    /// `service_token_roles_required` (true).
    pub service_token_roles_required: bool,
    /// `service_type`: what access rules of application credentials call this service.
    pub service_type: Option<String>,
    /// `www_authenticate_uri`.
    pub www_authenticate_uri: Option<String>,
    /// The options that are set and not used here, by name.
    pub unused: Vec<String>,
}

/// `None` where nothing says which Keystone.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<KeystoneConfig> {
    let unused = unused(reader);
    let group = KEYSTONE_AUTHTOKEN_GROUP;
    let other = reader.section(&[group], KEYSTONE_AUTHTOKEN).text("auth_section");
    let other = other.filter(|name| !name.is_empty()).unwrap_or_else(|| group.to_owned());
    let other = other.to_lowercase();
    let mut section = reader.section(&[&other], KEYSTONE_AUTHTOKEN);
    if other == group && !section.is_set("auth_url") && !section.is_set("auth_type") {
        return None;
    }
    let (auth_url, login) = (section.required_text("auth_url"), login(&mut section));
    let mut section = reader.section(&[group], KEYSTONE_AUTHTOKEN);
    // Without TLS nobody reads its files, so they need not be there.
    let is_plain = auth_url.starts_with("http://");
    Some(KeystoneConfig {
        auth_url,
        login,
        cafile: if is_plain { None } else { section.path("cafile") },
        identity: if is_plain { None } else { identity(&mut section) },
        insecure: section.boolean("insecure"),
        token_cache_time: cache_time(&mut section),
        connect_timeout: section.some_seconds("http_connect_timeout"),
        retries: retries(&mut section),
        service_token_roles: section.list("service_token_roles"),
        service_token_roles_required: section.boolean("service_token_roles_required"),
        service_type: filled(&mut section, "service_type"),
        www_authenticate_uri: filled(&mut section, "www_authenticate_uri"),
        unused,
    })
}

/// What the section's files and the environment set and nothing here reads.
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
        .filter(|name| options::find(&[KEYSTONE_AUTHTOKEN], name).is_none())
        .collect();
    unused.sort();
    unused.dedup();
    unused
}

fn login(section: &mut Section<'_, '_>) -> Option<Credentials> {
    match section.required_text("auth_type").as_str() {
        "none" => None,
        "password" | "v3password" => Some(Credentials::Password {
            user: named(section, &USER),
            password: secret(section, "password"),
            scope: scope(section),
        }),
        "v3applicationcredential" => Some(credential(section)),
        other => {
            if !other.is_empty() {
                let text = format!(
                    "{other:?} is not offered; use password, v3password, v3applicationcredential, \
                     or none (callers' tokens are asked about with themselves)"
                );
                section.problem("auth_type", text);
            }
            None
        }
    }
}

fn credential(section: &mut Section<'_, '_>) -> Credentials {
    let secret = secret(section, "application_credential_secret");
    match filled(section, "application_credential_id") {
        Some(id) => Credentials::ApplicationCredential { id, secret },
        None => Credentials::NamedApplicationCredential {
            name: section.required_text("application_credential_name"),
            user: named(section, &USER),
            secret,
        },
    }
}

fn scope(section: &mut Section<'_, '_>) -> Scope {
    match filled(section, "system_scope").as_deref() {
        None => Scope::Project(named(section, &PROJECT)),
        Some("all") => Scope::System,
        Some(_) => {
            section.problem("system_scope", "can only be all");
            Scope::System
        }
    }
}

/// The names of the options that name a user, or a project.
struct NameOptions {
    id: &'static str,
    name: &'static str,
    domain_id: &'static str,
    domain_name: &'static str,
}

const USER: NameOptions = NameOptions {
    id: "user_id",
    name: "username",
    domain_id: "user_domain_id",
    domain_name: "user_domain_name",
};

const PROJECT: NameOptions = NameOptions {
    id: "project_id",
    name: "project_name",
    domain_id: "project_domain_id",
    domain_name: "project_domain_name",
};

fn named(section: &mut Section<'_, '_>, options: &NameOptions) -> Named {
    if let Some(id) = filled(section, options.id) {
        return Named::Id(id);
    }
    let name = section.required_text(options.name);
    let domains =
        [(options.domain_id, options.domain_name), ("default_domain_id", "default_domain_name")];
    let found = domains.iter().find_map(|(id, name)| {
        let by_id = filled(section, id).map(Domain::Id);
        by_id.or_else(|| filled(section, name).map(Domain::NameOrId))
    });
    if found.is_none() && !name.is_empty() {
        section.problem(options.domain_name, format!("must be set beside {}", options.name));
    }
    let domain = found.unwrap_or(Domain::Id(String::new()));
    Named::Name { name, domain }
}

/// As keystoneauth has it: a certificate alone has its key in its own file, a key alone is nothing.
fn identity(section: &mut Section<'_, '_>) -> Option<(PathBuf, PathBuf)> {
    let certificate = section.path("certfile")?;
    let key = section.path("keyfile").unwrap_or_else(|| certificate.clone());
    Some((certificate, key))
}

fn cache_time(section: &mut Section<'_, '_>) -> Duration {
    let seconds: i64 = section.integer("token_cache_time", i64::MIN..=i64::MAX);
    Duration::from_secs(seconds.clamp(0, LONGEST_CACHE).unsigned_abs())
}

fn retries(section: &mut Section<'_, '_>) -> u32 {
    let retries: i64 = section.integer("http_request_max_retries", i64::MIN..=i64::MAX);
    u32::try_from(retries.clamp(0, MOST_RETRIES)).unwrap_or_default()
}

fn secret(section: &mut Section<'_, '_>, option: &str) -> SecretString {
    section.required_text(option).into()
}

fn filled(section: &mut Section<'_, '_>, option: &str) -> Option<String> {
    section.text(option).filter(|text| !text.is_empty())
}
