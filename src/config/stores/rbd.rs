//! The type `rbd`.

use std::path::PathBuf;
use std::time::Duration;

use super::super::reader::Section;

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
    let seconds = section.integer::<i64>("rados_connect_timeout", i64::MIN..=i64::MAX);
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    RbdConfig {
        pool: section.required_text("rbd_store_pool"),
        user: section.text("rbd_store_user").filter(|user| !user.is_empty()),
        ceph_conf: section.path("rbd_store_ceph_conf"),
        connect_timeout: seconds.map(Duration::from_secs),
    }
}
