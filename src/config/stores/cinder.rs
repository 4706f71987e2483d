//! The type `cinder`.

use std::path::PathBuf;
use std::time::Duration;

use super::super::keystone_auth::{Credentials, Domain, Named, Scope};
use super::super::reader::Section;

/// `cinder`: an image is a volume.
#[derive(Debug, Clone)]
pub struct CinderConfig {
    /// Where and how to log in; `None` where Glance uses its callers' own tokens, which this
    /// service does not have.
    pub login: Option<CinderLogin>,
    /// The service's type of `cinder_catalog_info`.
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

pub(super) fn read(section: &mut Section<'_, '_>) -> CinderConfig {
    let (service_type, interface) =
        section.read("cinder_catalog_info", catalog_info).unwrap_or_default();
    CinderConfig {
        login: login(section),
        service_type,
        interface,
        region: section.text("cinder_os_region_name").filter(|region| !region.is_empty()),
        ca_file: section.path("cinder_ca_certificates_file"),
        insecure: section.boolean("cinder_api_insecure"),
        transition_timeout: section.whole_seconds("cinder_state_transition_timeout"),
    }
}

/// All of them, or none: `glance_store` falls back to its caller's token.
fn login(section: &mut Section<'_, '_>) -> Option<CinderLogin> {
    let mut filled =
        |option: &str| section.text(&format!("cinder_store_{option}")).filter(|t| !t.is_empty());
    let auth_address = filled("auth_address")?;
    let id = filled("application_credential_id");
    let secret = filled("application_credential_secret");
    let credentials = if let (Some(id), Some(secret)) = (id, secret) {
        Credentials::ApplicationCredential { id, secret: secret.into() }
    } else {
        // A domain's option may hold an id, as some deployers write it.
        let mut named = |kind: &str| {
            let name = filled(&format!("{kind}_name"))?;
            let domain = Domain::NameOrId(filled(&format!("{kind}_domain_name"))?);
            Some(Named::Name { name, domain })
        };
        let (user, project) = (named("user")?, named("project")?);
        let password = filled("password")?.into();
        Credentials::Password { user, password, scope: Scope::Project(project) }
    };
    Some(CinderLogin { auth_address, credentials })
}

fn catalog_info(text: &str) -> Result<(String, String), String> {
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(service_type), Some(_), Some(interface), None) => {
            Ok((service_type.to_owned(), interface.to_owned()))
        }
        _ => Err(format!("{text:?} is not type:name:interface; write volumev3::publicURL")),
    }
}
