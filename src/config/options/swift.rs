//! The options of a store of the type `swift`.

use super::OptionSpec;

/// As `glance_store` has them; those that only matter for writing are left out.
pub const SWIFT_STORE: &[OptionSpec] = &[
    OptionSpec::unset(
        "swift_store_config_file",
        "absolute path",
        "/etc/glance/glance-swift.conf",
        "Accounts by reference, so that no location has credentials; read as Glance reads it.",
    ),
    OptionSpec::new(
        "default_swift_reference",
        "text",
        "ref1",
        "The account that new images go to.",
    ),
    OptionSpec::unset(
        "swift_store_auth_address",
        "URL",
        "https://keystone.example.org/v3",
        "Where to log in, where there is no swift_store_config_file.",
    ),
    OptionSpec::unset("swift_store_user", "project:user", "service:glance", "Who logs in.")
        .secret(),
    OptionSpec::unset("swift_store_key", "text", "", "The user's password.").secret(),
    OptionSpec::unset(
        "swift_store_application_credential_id",
        "text",
        "",
        "An application credential, in place of user and key.",
    )
    .secret(),
    OptionSpec::unset(
        "swift_store_application_credential_secret",
        "text",
        "",
        "The application credential's secret.",
    )
    .secret(),
    OptionSpec::unset(
        "swift_store_project_name",
        "text",
        "service",
        "The application credential's project: locations that name another one are not touched.",
    ),
    OptionSpec::new(
        "swift_store_auth_version",
        "1, 2 or 3",
        "3",
        "1 for Swift's own tempauth and RGW; 2 is read as 3, Keystone has no other any more.",
    ),
    OptionSpec::new(
        "swift_store_auth_insecure",
        "boolean",
        "false",
        "Believes every certificate, of Keystone and of Swift.",
    ),
    OptionSpec::new(
        "swift_store_cacert",
        "absolute path",
        "",
        "Certificates that the servers' ones must come from, in place of the system's.",
    ),
    OptionSpec::unset("swift_store_region", "text", "RegionOne", "The region in the catalog."),
    OptionSpec::unset(
        "swift_store_endpoint",
        "URL",
        "https://swift.example.org/v1/AUTH_service",
        "The account's URL, in place of the catalog's.",
    ),
    OptionSpec::new(
        "swift_store_endpoint_type",
        "publicURL, internalURL or adminURL",
        "publicURL",
        "Which of the catalog's URLs.",
    ),
    OptionSpec::new(
        "swift_store_service_type",
        "text",
        "object-store",
        "Swift's type in the catalog.",
    ),
    OptionSpec::new(
        "swift_store_container",
        "text",
        "glance",
        "The container, or the beginning of the containers' names.",
    ),
    OptionSpec::new(
        "swift_store_multiple_containers_seed",
        "integer, 0 to 32",
        "0",
        "So many characters of an image's id are added to its container's name.",
    ),
    OptionSpec::new(
        "swift_store_multi_tenant",
        "boolean",
        "false",
        "Images are in their owners' accounts; our user needs the role of a reseller admin.",
    ),
];
