//! `[keystone_authtoken]`: keystonemiddleware's and keystoneauth's names, and what is read of them.

use super::OptionSpec;

/// `[keystone_authtoken]`. Options that are set and are not here are accepted, and named in the
/// log.
pub const KEYSTONE_AUTHTOKEN: &[OptionSpec] = &[
    OptionSpec::unset(
        "auth_type",
        "password, v3password, v3applicationcredential or none",
        "password",
        "How we log in at Keystone; none asks Keystone with the caller's own token.",
    )
    .was(&["auth_plugin"]),
    OptionSpec::unset(
        "auth_section",
        "name of a section",
        "",
        "Another section that has the options of the login.",
    ),
    OptionSpec::unset(
        "auth_url",
        "URL",
        "http://keystone.example.org:5000",
        "Keystone, with or without /v3.",
    ),
    OptionSpec::unset("username", "text", "glance", "Our user, with a user_domain.")
        .was(&["user-name", "user_name"]),
    OptionSpec::unset("user_id", "text", "", "Our user, by id."),
    OptionSpec::unset("password", "text", "", "Our user's password.").secret(),
    OptionSpec::unset("user_domain_name", "text", "Default", "The user's domain."),
    OptionSpec::unset("user_domain_id", "text", "default", "The user's domain, by id."),
    OptionSpec::unset("default_domain_name", "text", "", "For user and project, where not said."),
    OptionSpec::unset("default_domain_id", "text", "", "The same, by id."),
    OptionSpec::unset("project_name", "text", "service", "Our project, with a project_domain.")
        .was(&["tenant-name", "tenant_name"]),
    OptionSpec::unset("project_id", "text", "", "Our project, by id.")
        .was(&["tenant-id", "tenant_id"]),
    OptionSpec::unset("project_domain_name", "text", "Default", "The project's domain."),
    OptionSpec::unset("project_domain_id", "text", "default", "The project's domain, by id."),
    OptionSpec::unset("system_scope", "all", "", "Logs in for the whole system."),
    OptionSpec::unset("application_credential_id", "text", "", "An application credential."),
    OptionSpec::unset("application_credential_name", "text", "", "The same by name, with a user."),
    OptionSpec::unset("application_credential_secret", "text", "", "Its secret.").secret(),
    OptionSpec::unset("cafile", "absolute path", "", "Certificates that Keystone is trusted by."),
    OptionSpec::unset("certfile", "absolute path", "", "Our own certificate."),
    OptionSpec::unset("keyfile", "absolute path", "", "Its key."),
    OptionSpec::new("insecure", "boolean", "false", "Believes every certificate."),
    OptionSpec::new(
        "token_cache_time",
        "integer, seconds",
        "300",
        "How long an answer of Keystone's is believed; 60 at most, -1 for not at all.",
    ),
    OptionSpec::new(
        "http_connect_timeout",
        "seconds, more than 0",
        "10",
        "For a connection to stand.",
    ),
    OptionSpec::new(
        "http_request_max_retries",
        "integer",
        "3",
        "How often a connection that could not be made is tried again.",
    ),
    OptionSpec::new(
        "service_token_roles",
        "list",
        "service",
        "The roles, one of which makes an X-Service-Token one.",
    ),
    OptionSpec::new(
        "service_token_roles_required",
        "boolean",
        "true",
        "Refuses an X-Service-Token without such a role; else it changes nothing.",
    ),
    OptionSpec::unset(
        "service_type",
        "text",
        "image",
        "What access rules of application credentials call this service; else they are refused.",
    ),
    OptionSpec::unset(
        "www_authenticate_uri",
        "URL",
        "https://keystone.example.org",
        "Told to callers without a good token.",
    ),
];
