//! The type `cinder`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::declare::options;
use crate::config::keystone_auth::{Credentials, Domain, Identifier, Scope};
use crate::config::options::{
    Opt, boolean, optional_text, parsed, path_or, secret_text, text_or, whole_seconds,
};
use crate::config::reader::Section;

options! {
    /// The type `cinder`, without options for writing and reading.
    #[expect(clippy::struct_field_names, reason = "they are Glance's names")]
    CINDER_STORE: CinderOptions {
        /// Keystone's URL. Without a user of its own, this service cannot call Cinder.
        cinder_store_auth_address: Option<String> =
            optional_text("URL").example("https://keystone.example.org/v3");
        /// The user that logs in.
        cinder_store_user_name: Option<String> = optional_text("text").example("glance");
        /// The user's password.
        cinder_store_password: Option<SecretString> = secret_text();
        /// The project that owns the volumes.
        cinder_store_project_name: Option<String> = optional_text("text").example("service");
        /// The user's domain, as name or id.
        cinder_store_user_domain_name: Option<String> = text_or("text", "Default");
        /// The project's domain, as name or id.
        cinder_store_project_domain_name: Option<String> = text_or("text", "Default");
        /// An application credential, instead of user, password and project.
        cinder_store_application_credential_id: Option<String> = optional_text("text").secret();
        /// The application credential's secret.
        cinder_store_application_credential_secret: Option<SecretString> = secret_text();
        /// Cinder's endpoint in the catalog.
        cinder_catalog_info: Endpoint = catalog_info("volumev3::publicURL");
        /// The region in the catalog.
        cinder_os_region_name: Option<String> =
            optional_text("text").example("RegionOne").was(&["os_region_name"]);
        /// CA certificates for the servers, instead of the system's.
        cinder_ca_certificates_file: Option<PathBuf> = path_or("");
        /// Accepts any certificate of Keystone and Cinder.
        cinder_api_insecure: bool = boolean(false);
        /// How long the deletion of a volume may take.
        cinder_state_transition_timeout: Duration = whole_seconds("300");
    }
}

/// `cinder`: an image is a volume.
#[derive(Debug, Clone)]
pub struct CinderConfig {
    /// Where and how to log in; `None` if Glance uses its callers' tokens, which this service does
    /// not have.
    pub login: Option<CinderLogin>,
    /// The service type in `cinder_catalog_info`.
    pub service_type: String,
    /// The interface of `cinder_catalog_info`, as written.
    pub interface: String,
    /// `cinder_os_region_name`.
    pub region: Option<String>,
    /// `cinder_ca_certificates_file`.
    pub ca_file: Option<PathBuf>,
    /// `cinder_api_insecure`.
    pub insecure: bool,
    /// `cinder_state_transition_timeout`.
    pub transition_timeout: Duration,
}

/// Where and how to log in.
#[derive(Debug, Clone)]
pub struct CinderLogin {
    /// `cinder_store_auth_address`: a URL.
    pub auth_address: String,
    /// Who logs in.
    pub credentials: Credentials,
}

/// The type of a service in the catalog, and one of its interfaces.
pub(in crate::config) type Endpoint = (String, String);

pub(super) fn read(section: &mut Section<'_, '_>) -> CinderConfig {
    let (service_type, interface) = section.get(&CINDER_STORE.cinder_catalog_info);
    CinderConfig {
        login: login(section),
        service_type,
        interface,
        region: section.get(&CINDER_STORE.cinder_os_region_name),
        ca_file: section.get(&CINDER_STORE.cinder_ca_certificates_file),
        insecure: section.get(&CINDER_STORE.cinder_api_insecure),
        transition_timeout: section.get(&CINDER_STORE.cinder_state_transition_timeout),
    }
}

/// Requires all options or none: without them `glance_store` uses its caller's token.
fn login(section: &mut Section<'_, '_>) -> Option<CinderLogin> {
    let auth_address = section.get(&CINDER_STORE.cinder_store_auth_address)?;
    let id = section.get(&CINDER_STORE.cinder_store_application_credential_id);
    let secret = section.get(&CINDER_STORE.cinder_store_application_credential_secret);
    let credentials = if let (Some(id), Some(secret)) = (id, secret) {
        Credentials::ApplicationCredential { id, secret }
    } else {
        // Some deployers write an id into a domain's name option.
        let mut named = |name: &Opt<Option<String>>, domain: &Opt<Option<String>>| {
            let name = section.get(name)?;
            let domain = Domain::NameOrId(section.get(domain)?);
            Some(Identifier::Name { name, domain })
        };
        let user = named(
            &CINDER_STORE.cinder_store_user_name,
            &CINDER_STORE.cinder_store_user_domain_name,
        )?;
        let project = named(
            &CINDER_STORE.cinder_store_project_name,
            &CINDER_STORE.cinder_store_project_domain_name,
        )?;
        let password = section.get(&CINDER_STORE.cinder_store_password)?;
        Credentials::Password { user, password, scope: Scope::Project(project) }
    };
    Some(CinderLogin { auth_address, credentials })
}

const fn catalog_info(default: &'static str) -> Opt<Endpoint> {
    parsed("type:name:interface", Some(default), parse_catalog_info, Endpoint::default)
}

fn parse_catalog_info(text: &str) -> Result<Endpoint, String> {
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(service_type), Some(_), Some(interface), None) => {
            Ok((service_type.to_owned(), interface.to_owned()))
        }
        _ => Err(format!("{text:?} is not type:name:interface; write volumev3::publicURL")),
    }
}
