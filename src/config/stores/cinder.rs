//! The type `cinder`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

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
    pub credentials: CinderCredentials,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub enum CinderCredentials {
    /// A user with a password.
    Password {
        /// The user's name.
        user: String,
        /// The user's domain: a name, or an id as some deployers write it.
        user_domain: String,
        /// The password.
        password: SecretString,
        /// The project's name.
        project: String,
        /// The project's domain, as above.
        project_domain: String,
    },
    /// An application credential.
    Application {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
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
        CinderCredentials::Application { id, secret: secret.into() }
    } else {
        CinderCredentials::Password {
            user: filled("user_name")?,
            user_domain: filled("user_domain_name")?,
            password: filled("password")?.into(),
            project: filled("project_name")?,
            project_domain: filled("project_domain_name")?,
        }
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
