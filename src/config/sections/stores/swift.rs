//! The type `swift`.

mod file;
mod options;

use std::path::PathBuf;

use secrecy::SecretString;

use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use crate::config::options::find;
use crate::config::reader::Section;
use crate::files::read_options;

pub(super) use options::SWIFT_STORE;
pub(in crate::config) use options::SwiftOptions;
use options::parse_version;

/// `swift`: one or several accounts.
#[derive(Debug, Clone)]
pub struct SwiftConfig {
    /// Accounts: the sections of `swift_store_config_file`, or the one from the options.
    pub accounts: Vec<SwiftAccount>,
    /// `default_swift_reference`: the account for new images.
    pub default_account: String,
    /// `swift_store_container`.
    pub container: String,
    /// `swift_store_multiple_containers_seed`: how many characters of an image's id its container's
    /// name ends with; 0 for a single container.
    pub container_seed: usize,
    /// `swift_store_multi_tenant`: images are in their owners' accounts.
    pub multi_tenant: bool,
    /// `swift_store_endpoint`: the account's URL, instead of the catalog's.
    pub endpoint: Option<String>,
    /// `swift_store_endpoint_type`, as written.
    pub endpoint_type: String,
    /// `swift_store_service_type`.
    pub service_type: String,
    /// `swift_store_region`.
    pub region: Option<String>,
    /// `swift_store_auth_insecure`: accepts any certificate.
    pub insecure: bool,
    /// `swift_store_cacert`.
    pub ca_file: Option<PathBuf>,
}

/// How to log in to one account.
#[derive(Debug, Clone)]
pub struct SwiftAccount {
    /// Its reference: as in `swift+config://<reference>/..`.
    pub reference: String,
    /// Where to log in: a URL.
    pub auth_address: String,
    /// The credentials.
    pub login: SwiftLogin,
}

/// The credentials and their protocol.
#[derive(Debug, Clone)]
pub enum SwiftLogin {
    /// Swift's own auth v1: `X-Auth-User: account:user`.
    V1 {
        /// `account:user`.
        user: String,
        /// The password.
        key: SecretString,
    },
    /// A Keystone.
    Keystone {
        /// The Keystone credentials.
        credentials: Credentials,
        /// The project's name, if configured: locations that name a project belong to this account
        /// only if it is this one.
        project: Option<String>,
    },
}

/// `glance_store`'s default.
fn default_domain() -> Domain {
    Domain::Id("default".to_owned())
}

/// The values that define an account, whatever their source.
#[derive(Default)]
struct Parts {
    auth_address: Option<String>,
    user: Option<String>,
    key: Option<SecretString>,
    credential_id: Option<String>,
    credential_secret: Option<SecretString>,
    project_name: Option<String>,
    project_domain: Option<Domain>,
    user_domain: Option<Domain>,
    version: String,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> SwiftConfig {
    let config_file = section.get(&SWIFT_STORE.swift_store_config_file);
    let multi_tenant = section.get(&SWIFT_STORE.swift_store_multi_tenant);
    let default_account = section.get(&SWIFT_STORE.default_swift_reference);
    let accounts = match &config_file {
        Some(path) => accounts_of_file(section, path),
        None => account_of_options(section, &default_account).into_iter().collect(),
    };
    if config_file.is_some() && accounts.iter().all(|known| known.reference != default_account) {
        let text = format!("{default_account:?} is not a section of swift_store_config_file");
        section.problem(&SWIFT_STORE.default_swift_reference, text);
    }
    if multi_tenant && config_file.is_some() {
        let text = "cannot be used together with swift_store_multi_tenant = true";
        section.problem(&SWIFT_STORE.swift_store_config_file, text);
    }
    SwiftConfig {
        accounts,
        default_account,
        container: section.get(&SWIFT_STORE.swift_store_container),
        container_seed: section.get(&SWIFT_STORE.swift_store_multiple_containers_seed),
        multi_tenant,
        endpoint: section.get(&SWIFT_STORE.swift_store_endpoint),
        endpoint_type: section.get(&SWIFT_STORE.swift_store_endpoint_type),
        service_type: section.get(&SWIFT_STORE.swift_store_service_type),
        region: section.get(&SWIFT_STORE.swift_store_region),
        insecure: section.get(&SWIFT_STORE.swift_store_auth_insecure),
        ca_file: section.get(&SWIFT_STORE.swift_store_cacert),
    }
}

fn account_of_options(section: &mut Section<'_, '_>, reference: &str) -> Option<SwiftAccount> {
    let parts = Parts {
        auth_address: section.get(&SWIFT_STORE.swift_store_auth_address),
        user: section.get(&SWIFT_STORE.swift_store_user),
        key: section.get(&SWIFT_STORE.swift_store_key),
        credential_id: section.get(&SWIFT_STORE.swift_store_application_credential_id),
        credential_secret: section.get(&SWIFT_STORE.swift_store_application_credential_secret),
        project_name: section.get(&SWIFT_STORE.swift_store_project_name),
        version: section.get(&SWIFT_STORE.swift_store_auth_version),
        ..Parts::default()
    };
    match parts.account(reference) {
        Ok(account) => Some(account),
        Err((key, text)) => {
            if let Some(option) = find(&[SwiftOptions::ALL], &format!("swift_store_{key}")) {
                section.problem(option, text);
            }
            None
        }
    }
}

fn accounts_of_file(section: &mut Section<'_, '_>, path: &std::path::Path) -> Vec<SwiftAccount> {
    let option = &SWIFT_STORE.swift_store_config_file;
    let text = match read_options(path) {
        Ok(text) => text,
        Err(error) => {
            section.problem(option, format!("{} {error}", path.display()));
            return Vec::new();
        }
    };
    let sections = file::parse(&text).unwrap_or_else(|error| {
        section.problem(option, format!("{}: {error}", path.display()));
        Vec::new()
    });
    let mut accounts = Vec::new();
    for file::Reference { name, values } in sections {
        match Parts::of_file(values).account(&name) {
            Ok(account) => accounts.push(account),
            Err((key, text)) => {
                section.problem(option, format!("{}: [{name}] {key} {text}", path.display()));
            }
        }
    }
    accounts
}

impl Parts {
    fn of_file(mut values: std::collections::BTreeMap<String, String>) -> Self {
        let mut take = |key: &str| values.remove(key).filter(|value| !value.is_empty());
        let mut domain = |name: &str, id: &str| {
            let id = take(id).map(Domain::Id);
            id.or_else(|| take(name).map(Domain::Name))
        };
        let project_domain = domain("project_domain_name", "project_domain_id");
        let user_domain = domain("user_domain_name", "user_domain_id");
        Self {
            project_domain,
            user_domain,
            auth_address: take("auth_address"),
            user: take("user"),
            key: take("key").map(Into::into),
            credential_id: take("application_credential_id"),
            credential_secret: take("application_credential_secret").map(Into::into),
            project_name: take("project_name"),
            version: take("auth_version")
                .and_then(|text| parse_version(&text).ok())
                .unwrap_or_default(),
        }
    }

    /// The account, or the value that is wrong, by its name without `swift_store_`.
    fn account(self, reference: &str) -> Result<SwiftAccount, (&'static str, &'static str)> {
        let auth_address = self.auth_address.clone().ok_or(("auth_address", "must be set"))?;
        if !auth_address.starts_with("http://") && !auth_address.starts_with("https://") {
            return Err(("auth_address", "must begin with https:// or http://"));
        }
        let login = self.login(&auth_address)?;
        Ok(SwiftAccount { reference: reference.to_owned(), auth_address, login })
    }

    fn login(self, auth_address: &str) -> Result<SwiftLogin, (&'static str, &'static str)> {
        match (self.credential_id, self.credential_secret) {
            (Some(id), Some(secret)) => {
                let credentials = Credentials::ApplicationCredential { id, secret };
                return Ok(SwiftLogin::Keystone { credentials, project: self.project_name });
            }
            (Some(_), None) => return Err(("application_credential_secret", "must be set")),
            (None, Some(_)) => return Err(("application_credential_id", "must be set")),
            (None, None) => {}
        }
        let user = self.user.ok_or(("user", "must be set"))?;
        let key = self.key.ok_or(("key", "must be set"))?;
        // Glance treats any version as 3, so an old 1 may stand next to a Keystone URL.
        let address = auth_address.trim_end_matches('/');
        let is_keystone = address.ends_with("/v3") || address.ends_with("/v2.0");
        let parts = user.split_once(':').filter(|(project, _)| !project.is_empty());
        let Some((project, name)) = parts else {
            return Err(("user", "must be project:user"));
        };
        Ok(if self.version == "1" && !is_keystone {
            SwiftLogin::V1 { user, key }
        } else {
            let named = |name: &str, domain: Option<Domain>| Identifier::Name {
                name: name.to_owned(),
                domain: domain.unwrap_or_else(default_domain),
            };
            let scope = Scope::Project(named(project, self.project_domain));
            let user = named(name, self.user_domain);
            let credentials = Credentials::Password { user, password: key, scope };
            SwiftLogin::Keystone { credentials, project: Some(project.to_owned()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::{Config, Environment, Sources, StoreKind};

    /// Loads `[glance_store]` with these lines; `FILE` in them is a glance-swift.conf of this text.
    fn load(lines: &str, swift_conf: &str) -> Result<SwiftConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let (glance, swift) = (folder.path().join("glance.conf"), folder.path().join("swift.conf"));
        std::fs::write(&swift, swift_conf).unwrap();
        let lines = lines.replace("FILE", &swift.display().to_string());
        let text = format!(
            "[database]\nconnection = sqlite:////glance.sqlite\n[glance_store]\nstores = swift\n\
             {lines}\n"
        );
        std::fs::write(&glance, text).unwrap();
        let environment = Environment::from_iter::<[(&str, &str); 0]>([]);
        let sources = Sources { config_files: vec![glance], config_dirs: vec![], environment };
        let config = Config::load(&sources).map_err(|problems| format!("{problems:?}"))?;
        match config.stores.into_iter().next().map(|store| store.kind) {
            Some(StoreKind::Swift(swift)) => Ok(swift),
            Some(StoreKind::Misconfigured { problems, .. }) => Err(format!("{problems:?}")),
            other => Err(format!("{other:?}")),
        }
    }

    /// The user, password, scope and configured project of an account.
    fn password(account: &SwiftAccount) -> (Identifier, String, Scope, Option<String>) {
        let SwiftLogin::Keystone {
            credentials: Credentials::Password { user, password, scope },
            project,
        } = account.login.clone()
        else {
            panic!("{account:?}")
        };
        (user, password.expose_secret().to_owned(), scope, project)
    }

    const LOGIN: &str = "swift_store_user = service:glance\nswift_store_key = pw";

    #[test]
    fn the_options_make_one_account() {
        let read =
            load(&format!("{LOGIN}\nswift_store_auth_address = http://k:5000/v3"), "").unwrap();
        assert_eq!((read.container.as_str(), read.container_seed), ("glance", 0));
        assert_eq!(read.accounts.len(), 1);
        assert_eq!(read.accounts[0].reference, "ref1");
        let (user, key, scope, project) = password(&read.accounts[0]);
        let named =
            |name: &str| Identifier::Name { name: name.to_owned(), domain: default_domain() };
        assert_eq!((user, scope), (named("glance"), Scope::Project(named("service"))));
        assert_eq!((key.as_str(), project.as_deref()), ("pw", Some("service")));
        assert_eq!(default_domain(), Domain::Id("default".to_owned()));
    }

    #[test]
    fn version_1_is_swift_s_own_login_unless_the_address_is_a_keystone_s() {
        for (address, is_v1) in
            [("http://s/auth/v1.0", true), ("http://k/v3", false), ("http://k/v2.0/", false)]
        {
            let lines = format!(
                "{LOGIN}\nswift_store_auth_version = 1\nswift_store_auth_address = {address}"
            );
            let login = &load(&lines, "").unwrap().accounts[0].login;
            assert_eq!(matches!(login, SwiftLogin::V1 { .. }), is_v1, "{address}");
        }
    }

    #[test]
    fn the_file_has_an_account_for_each_section() {
        let file = "[ref1]\nauth_address = https://k/v3\nuser = 'service:glance'\nkey = p%%w\n\
                    project_domain_name = Default\n\
                    [ref2]\nauth_address = https://k/v3\napplication_credential_id = i\n\
                    application_credential_secret = s\nproject_name = images\n";
        let read = load("swift_store_config_file = FILE", file).unwrap();
        let (user, key, scope, _) = password(&read.accounts[0]);
        assert_eq!(key, "p%w");
        let domain = Domain::Name("Default".to_owned());
        assert_eq!(scope, Scope::Project(Identifier::Name { name: "service".to_owned(), domain }));
        let domain = Domain::Id("default".to_owned());
        assert_eq!(user, Identifier::Name { name: "glance".to_owned(), domain });
        let SwiftLogin::Keystone {
            credentials: Credentials::ApplicationCredential { id, .. },
            project,
        } = &read.accounts[1].login
        else {
            panic!("{:?}", read.accounts[1])
        };
        assert_eq!((id.as_str(), project.as_deref()), ("i", Some("images")));
    }

    #[test]
    fn problems_are_reported_with_their_place_and_without_secrets() {
        for (lines, file, told) in [
            ("swift_store_config_file = FILE", "[ref1]\nkey = hunter2%", "[ref1] key"),
            ("swift_store_config_file = FILE", "[ref1]\nkey = hunter2", "auth_address must be set"),
            ("swift_store_config_file = /no/such/file", "", "/no/such/file"),
            ("swift_store_config_file = FILE", "", "is not a section"),
            ("swift_store_auth_address = http://k/v3", "", "swift_store_user"),
            ("swift_store_auth_address = k/v3", "", "must begin with"),
        ] {
            let error = load(lines, file).unwrap_err();
            assert!(error.contains(told) && !error.contains("hunter2"), "{lines}: {error}");
        }
    }

    #[test]
    fn a_type_of_which_nothing_is_configured_is_no_store() {
        assert_eq!(load("", "").unwrap_err(), "None");
    }
}
