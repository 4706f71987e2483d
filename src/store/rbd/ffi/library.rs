//! Loads Ceph's libraries and looks up the functions by name.

use std::error::Error as _;
use std::ffi::{c_char, c_int, c_void};
use std::rc::Rc;

use libloading::Library;

/// One of the libraries is missing, or lacks a function.
#[derive(Debug, thiserror::Error)]
#[error("{text}", text = said(.0))]
pub(in super::super) struct LoadError(#[from] libloading::Error);

/// Shows the loader's own message after libloading's.
fn said(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

pub(super) type Handle = *mut c_void;
pub(super) type Text = *const c_char;
pub(super) type Progress = unsafe extern "C" fn(u64, u64, *mut c_void) -> c_int;

/// `rbd_trash_image_info_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct TrashInfo {
    pub(super) id: *mut c_char,
    pub(super) name: *mut c_char,
    pub(super) source: c_int,
    pub(super) deletion_time: i64,
    pub(super) deferment_end_time: i64,
}

/// `rbd_snap_info_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct SnapInfo {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) name: *mut c_char,
}

/// `rbd_image_watcher_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct WatcherInfo {
    pub(super) addr: *mut c_char,
    pub(super) id: i64,
    pub(super) cookie: u64,
}

/// `rbd_config_option_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct ConfigOption {
    pub(super) name: *mut c_char,
    pub(super) value: *mut c_char,
    pub(super) source: c_int,
}

/// `rbd_group_info_t`.
#[repr(C)]
pub(super) struct GroupInfo {
    pub(super) name: *mut c_char,
    pub(super) pool: i64,
}

/// `RBD_GROUP_INVALID_POOL`: no group.
pub(super) const NO_POOL: i64 = -1;

/// `RBD_TRASH_IMAGE_SOURCE_REMOVING`.
pub(super) const SOURCE_REMOVING: c_int = 3;

macro_rules! functions {
    (
        $(#[$lint:meta])*
        $name:ident of $file:literal { $( $function:ident($($argument:ty),*) $(-> $result:ty)?; )+ }
    ) => {
        $(#[$lint])*
        pub(super) struct $name {
            $( pub(super) $function: unsafe extern "C" fn($($argument),*) $(-> $result)?, )+
        }

        impl $name {
            fn load() -> Result<Self, libloading::Error> {
                // SAFETY: Ceph's initialisers have no preconditions. Each type follows the header's
                // declaration of the function with that name. The library is never closed, so the
                // addresses stay valid until the process ends.
                unsafe {
                    let library: &'static Library = Box::leak(Box::new(Library::new($file)?));
                    Ok(Self { $( $function: *library.get(stringify!($function))?, )+ })
                }
            }
        }
    };
}

functions!(#[expect(clippy::struct_field_names, reason = "the names of the header")] Rados of "librados.so.2" {
    rados_create(*mut Handle, Text) -> c_int;
    rados_conf_read_file(Handle, Text) -> c_int;
    rados_conf_set(Handle, Text, Text) -> c_int;
    rados_connect(Handle) -> c_int;
    rados_wait_for_latest_osdmap(Handle) -> c_int;
    rados_cluster_fsid(Handle, *mut c_char, usize) -> c_int;
    rados_shutdown(Handle);
    rados_ioctx_create(Handle, Text, *mut Handle) -> c_int;
    rados_ioctx_destroy(Handle);
});

functions!(#[expect(clippy::struct_field_names, reason = "the names of the header")] Rbd of "librbd.so.1" {
    rbd_list(Handle, *mut c_char, *mut usize) -> c_int;
    rbd_trash_list(Handle, *mut TrashInfo, *mut usize) -> c_int;
    rbd_trash_list_cleanup(*mut TrashInfo, usize);
    rbd_trash_move(Handle, Text, u64) -> c_int;
    rbd_trash_restore(Handle, Text, Text) -> c_int;
    rbd_trash_remove_with_progress(Handle, Text, bool, Progress, *mut c_void) -> c_int;
    rbd_remove_with_progress(Handle, Text, Progress, *mut c_void) -> c_int;
    rbd_open(Handle, Text, *mut Handle, Text) -> c_int;
    rbd_open_read_only(Handle, Text, *mut Handle, Text) -> c_int;
    rbd_open_by_id(Handle, Text, *mut Handle, Text) -> c_int;
    rbd_open_by_id_read_only(Handle, Text, *mut Handle, Text) -> c_int;
    rbd_close(Handle) -> c_int;
    rbd_get_size(Handle, *mut u64) -> c_int;
    rbd_read(Handle, u64, usize, *mut c_char) -> isize;
    rbd_watchers_list(Handle, *mut WatcherInfo, *mut usize) -> c_int;
    rbd_watchers_list_cleanup(*mut WatcherInfo, usize);
    rbd_get_group(Handle, *mut GroupInfo, usize) -> c_int;
    rbd_group_info_cleanup(*mut GroupInfo, usize) -> c_int;
    rbd_snap_list(Handle, *mut SnapInfo, *mut c_int) -> c_int;
    rbd_snap_list_end(*mut SnapInfo);
    rbd_snap_exists(Handle, Text, *mut bool) -> c_int;
    rbd_snap_set(Handle, Text) -> c_int;
    rbd_snap_is_protected(Handle, Text, *mut c_int) -> c_int;
    rbd_snap_create(Handle, Text) -> c_int;
    rbd_snap_protect(Handle, Text) -> c_int;
    rbd_snap_unprotect(Handle, Text) -> c_int;
    rbd_snap_remove(Handle, Text) -> c_int;
    rbd_list_children(Handle, *mut c_char, *mut usize, *mut c_char, *mut usize) -> isize;
});

functions!(RbdConfig of "librbd.so.1" {
    rbd_config_pool_list(Handle, *mut ConfigOption, *mut c_int) -> c_int;
    rbd_config_pool_list_cleanup(*mut ConfigOption, c_int);
});

/// Both libraries.
pub(in super::super) struct Ceph {
    pub(super) rados: Rados,
    pub(super) rbd: Rbd,
    /// `None` before Ceph 14, whose pools had no options.
    pub(super) config: Option<RbdConfig>,
}

impl Ceph {
    /// Loads both for the life of the process.
    pub(in super::super) fn load() -> Result<Rc<Self>, LoadError> {
        let (rados, rbd) = (Rados::load()?, Rbd::load()?);
        Ok(Rc::new(Self { rados, rbd, config: RbdConfig::load().ok() }))
    }
}
