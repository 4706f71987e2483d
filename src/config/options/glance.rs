//! The options of Glance's own that matter here, with Glance's names, types and defaults.

use super::OptionSpec;

/// `[DEFAULT]`.
pub const DEFAULT: &[OptionSpec] = &[
    OptionSpec::new(
        "delayed_delete",
        "boolean",
        "false",
        "Makes Glance keep the data of deleted images until they are scrubbed.",
    ),
    OptionSpec::unset(
        "scrub_time",
        "integer, seconds",
        "604800",
        "How long a deleted image can be reverted. Unset, nothing is scrubbed.",
    ),
    OptionSpec::new("scrub_pool_size", "integer, 1 or more", "1", "Images scrubbed at a time."),
    OptionSpec::new(
        "wakeup_time",
        "integer, seconds",
        "300",
        "The pause between two passes of the scrubber.",
    ),
    OptionSpec::unset(
        "metadata_encryption_key",
        "text of 16, 24 or 32 bytes",
        "",
        "The key with which Glance encrypts locations.",
    )
    .secret(),
    OptionSpec::unset(
        "enabled_backends",
        "dictionary name:type",
        "fast:file, web:http",
        "Glance's stores; each has a section of its own.",
    ),
    OptionSpec::new(
        "show_multiple_locations",
        "boolean",
        "false",
        "Whether image documents list locations.",
    ),
    OptionSpec::new(
        "show_image_direct_url",
        "boolean",
        "false",
        "Whether image documents have a direct_url.",
    ),
    OptionSpec::new("debug", "boolean", "false", "Whether debug lines are logged."),
];

/// `[database]`.
pub const DATABASE: &[OptionSpec] = &[
    OptionSpec::unset(
        "connection",
        "SQLAlchemy URL, required",
        "mysql+pymysql://glance:PASSWORD@database.example.org/glance",
        "Glance's database.",
    )
    .secret(),
    OptionSpec::new(
        "connection_parameters",
        "name=value&name=value",
        "",
        "Added to the connection's own parameters.",
    )
    .secret(),
];

/// `[oslo_middleware]`.
pub const OSLO_MIDDLEWARE: &[OptionSpec] = &[OptionSpec::new(
    "enable_proxy_headers_parsing",
    "boolean",
    "false",
    "Whether forwarding headers are looked at; here, those of [revert] trusted_proxies alone.",
)];

/// `[glance_store]`, beside a store's own options.
pub const GLANCE_STORE: &[OptionSpec] = &[OptionSpec::new(
    "stores",
    "list",
    "file,http",
    "The types of store, where enabled_backends is not set.",
)];

/// The options of a store of the type `file`.
pub const FILE_STORE: &[OptionSpec] = &[
    OptionSpec::new(
        "filesystem_store_datadir",
        "absolute path",
        "/var/lib/glance/images",
        "The folder with the images' data.",
    ),
    OptionSpec::unset(
        "filesystem_store_datadirs",
        "absolute path[:priority], may be repeated",
        "/var/lib/glance/images:100",
        "Several folders, the one with the highest priority first.",
    ),
    OptionSpec::new(
        "filesystem_store_timeout",
        "integer, seconds",
        "0",
        "How long one call may take; 0 for [revert] store_timeout.",
    ),
];
