//! The options of stores of the type `rbd`.

use super::OptionSpec;

/// The options of a store of the type `rbd`.
pub const RBD_STORE: &[OptionSpec] = &[
    OptionSpec::new("rbd_store_pool", "text", "images", "The pool with the images."),
    OptionSpec::unset(
        "rbd_store_user",
        "text",
        "glance",
        "Whose keyring is used, without `client.`; client.admin's where it is not set.",
    ),
    OptionSpec::new(
        "rbd_store_ceph_conf",
        "absolute path",
        "",
        "The cluster's ceph.conf; where it is not set, /etc/ceph/ceph.conf.",
    ),
    OptionSpec::new(
        "rados_connect_timeout",
        "integer, seconds",
        "-1",
        "How long Ceph may take for one operation, store_timeout at most; 0 or less for just that.",
    ),
];
