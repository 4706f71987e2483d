//! The options of Glance's own that matter here, with Glance's names, types and defaults.

use super::OptionSpec;

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
