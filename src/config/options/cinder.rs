//! The options of a store of the type `cinder`.

use super::OptionSpec;

/// As `glance_store` has them; those that only matter for writing and reading are left out.
pub const CINDER_STORE: &[OptionSpec] = &[
    OptionSpec::unset(
        "cinder_store_auth_address",
        "URL",
        "https://keystone.example.org/v3",
        "Where to log in. Without a user of its own, this service cannot ask Cinder.",
    ),
    OptionSpec::unset("cinder_store_user_name", "text", "glance", "Who logs in."),
    OptionSpec::unset("cinder_store_password", "text", "", "The user's password.").secret(),
    OptionSpec::unset(
        "cinder_store_project_name",
        "text",
        "service",
        "The project that owns the volumes.",
    ),
    OptionSpec::new(
        "cinder_store_user_domain_name",
        "text",
        "Default",
        "The user's domain; its id will do.",
    ),
    OptionSpec::new(
        "cinder_store_project_domain_name",
        "text",
        "Default",
        "The project's domain; its id will do.",
    ),
    OptionSpec::unset(
        "cinder_store_application_credential_id",
        "text",
        "",
        "An application credential, in place of user, password and project.",
    )
    .secret(),
    OptionSpec::unset(
        "cinder_store_application_credential_secret",
        "text",
        "",
        "The application credential's secret.",
    )
    .secret(),
    OptionSpec::new(
        "cinder_catalog_info",
        "type:name:interface",
        "volumev3::publicURL",
        "Which endpoint of the catalog is Cinder's.",
    ),
    OptionSpec::unset("cinder_os_region_name", "text", "RegionOne", "The region in the catalog.")
        .was(&["os_region_name"]),
    OptionSpec::new(
        "cinder_ca_certificates_file",
        "absolute path",
        "",
        "Certificates that the servers' ones must come from, in place of the system's.",
    ),
    OptionSpec::new(
        "cinder_api_insecure",
        "boolean",
        "false",
        "Believes every certificate, of Keystone and of Cinder.",
    ),
    OptionSpec::new(
        "cinder_state_transition_timeout",
        "integer, seconds",
        "300",
        "How long the deletion of a volume may take.",
    ),
];
