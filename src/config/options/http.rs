//! The options of a store of the type `http`.

use super::OptionSpec;

/// As `glance_store` has them, but for proxies, which are not used.
pub const HTTP_STORE: &[OptionSpec] = &[
    OptionSpec::unset(
        "https_ca_certificates_file",
        "absolute path",
        "",
        "Certificates that the servers' ones must come from, in place of the system's.",
    ),
    OptionSpec::new(
        "https_insecure",
        "boolean",
        "false",
        "Believes every certificate, where no file of certificates is set. Glance does so by default.",
    ),
];
