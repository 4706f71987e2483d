//! The type `rbd`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::declare::options;
use crate::config::options::{clamped, optional_text, path_or, some_text};
use crate::config::reader::Section;

options! {
    /// The type `rbd`.
    RBD_STORE: RbdOptions {
        /// The pool with the images.
        rbd_store_pool: String = some_text("text", "images");
        /// The Ceph user without `client.`; default: client.admin's.
        rbd_store_user: Option<String> = optional_text("text").example("glance");
        /// The cluster's ceph.conf; default: /etc/ceph/ceph.conf.
        rbd_store_ceph_conf: Option<PathBuf> = path_or("");
        /// How long one Ceph operation may take, at most store_timeout; 0 or less means
        /// store_timeout.
        rados_connect_timeout: u64 = clamped::<_, 0, { i64::MAX }>("seconds", "-1");
    }
}

/// `rbd`: a pool of a Ceph cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RbdConfig {
    /// `rbd_store_pool`.
    pub pool: String,
    /// `rbd_store_user`, without `client.`; `None` for client.admin.
    pub user: Option<String>,
    /// `rbd_store_ceph_conf`; `None` for Ceph's default places.
    pub ceph_conf: Option<PathBuf>,
    /// `rados_connect_timeout`; `None` for our own. Glance's default is to wait forever.
    pub connect_timeout: Option<Duration>,
}

pub(super) fn read(section: &mut Section<'_, '_>) -> RbdConfig {
    let seconds = section.get(&RBD_STORE.rados_connect_timeout);
    RbdConfig {
        pool: section.get(&RBD_STORE.rbd_store_pool),
        user: section.get(&RBD_STORE.rbd_store_user),
        ceph_conf: section.get(&RBD_STORE.rbd_store_ceph_conf),
        connect_timeout: (seconds > 0).then(|| Duration::from_secs(seconds)),
    }
}
