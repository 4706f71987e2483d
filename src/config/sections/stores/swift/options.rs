//! The options of a store of the type `swift`, and their allowed values.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::config::declare::options;
use crate::config::options::{
    Opt, boolean, integer, nonempty, optional_text, parsed, path, path_or, secret_text, some_text,
};

options! {
    /// The type `swift`, without options for writing.
    SWIFT_STORE: SwiftOptions {
        /// A file of accounts by reference, so that locations hold no credentials.
        swift_store_config_file: Option<PathBuf> = path().example("/etc/glance/glance-swift.conf");
        /// The account for new images.
        default_swift_reference: String = some_text("text", "ref1");
        /// Keystone's or tempauth's URL, if there is no swift_store_config_file.
        swift_store_auth_address: Option<String> =
            optional_text("URL").example("https://keystone.example.org/v3");
        /// The user that logs in.
        swift_store_user: Option<String> =
            optional_text("project:user").example("service:glance").secret();
        /// The user's password.
        swift_store_key: Option<SecretString> = secret_text();
        /// An application credential, instead of user and key.
        swift_store_application_credential_id: Option<String> = optional_text("text").secret();
        /// The application credential's secret.
        swift_store_application_credential_secret: Option<SecretString> = secret_text();
        /// The application credential's project: locations that name another one are skipped.
        swift_store_project_name: Option<String> = optional_text("text").example("service");
        /// 1 for Swift's own tempauth and RGW, 3 for Keystone; 2 is read as 3.
        swift_store_auth_version: String = version("3");
        /// Accepts any certificate of Keystone and Swift.
        swift_store_auth_insecure: bool = boolean(false);
        /// CA certificates for the servers, instead of the system's.
        swift_store_cacert: Option<PathBuf> = path_or("");
        /// The region in the catalog.
        swift_store_region: Option<String> = optional_text("text").example("RegionOne");
        /// The account's URL, instead of the catalog's.
        swift_store_endpoint: Option<String> =
            optional_text("URL").example("https://swift.example.org/v1/AUTH_service");
        /// Which of the catalog's URLs to use.
        swift_store_endpoint_type: String = endpoint_type("publicURL");
        /// Swift's type in the catalog.
        swift_store_service_type: String = some_text("text", "object-store");
        /// The container, or the prefix of the containers' names.
        swift_store_container: String = container("glance");
        /// How many characters of an image's id are appended to its container's name.
        swift_store_multiple_containers_seed: usize = integer(0, 32, "0");
        /// Images are in their owners' accounts; our user needs a reseller admin role.
        swift_store_multi_tenant: bool = boolean(false);
    }
}

const fn version(default: &'static str) -> Opt<String> {
    parsed("1, 2 or 3", Some(default), parse_version, String::new)
}

/// Parses `1`, `2`, `3` and the ways older files write them.
pub(super) fn parse_version(text: &str) -> Result<String, String> {
    match text.trim_start_matches('v').trim_end_matches(".0") {
        version @ ("1" | "2" | "3") => Ok(version.to_owned()),
        _ => Err(format!("{text:?} is none of 1, 2, 3")),
    }
}

const fn endpoint_type(default: &'static str) -> Opt<String> {
    let form = "publicURL, internalURL or adminURL";
    parsed(form, Some(default), parse_endpoint_type, String::new)
}

fn parse_endpoint_type(text: &str) -> Result<String, String> {
    match text.strip_suffix("URL").unwrap_or(text) {
        "public" | "internal" | "admin" => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is none of publicURL, internalURL, adminURL")),
    }
}

const fn container(default: &'static str) -> Opt<String> {
    parsed("text", Some(default), parse_container, String::new)
}

fn parse_container(text: &str) -> Result<String, String> {
    let name = nonempty(text)?;
    if name.contains(['/', '?', '#']) {
        return Err("must be the name of one container".to_owned());
    }
    Ok(name)
}
