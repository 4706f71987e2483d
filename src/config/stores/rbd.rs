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
        /// Whose keyring is used, without `client.`; client.admin's where it is not set.
        rbd_store_user: Option<String> = optional_text("text").example("glance");
        /// The cluster's ceph.conf; where it is not set, /etc/ceph/ceph.conf.
        rbd_store_ceph_conf: Option<PathBuf> = path_or("");
        /// How long Ceph may take for one operation, store_timeout at most; 0 or less for just
        /// that.
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
    /// `rbd_store_ceph_conf`; `None` for where Ceph looks.
    pub ceph_conf: Option<PathBuf>,
    /// `rados_connect_timeout`; `None` for our own. Glance's own default is to wait for ever.
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
