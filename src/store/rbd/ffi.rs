//! Ceph's C libraries, loaded at run time: safe wrappers of the used functions of librados and
//! librbd.
//!
//! The only `unsafe` code of the product. The declarations are those of `rados/librados.h` and
//! `rbd/librbd.h`; libraries of these names (`.so.2`, `.so.1`) have kept them since Ceph 13.

mod image;
mod library;

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::rc::Rc;

use self::library::{ConfigOption, Handle, Rbd, SOURCE_REMOVING, Text, TrashInfo};

pub(super) use self::image::Image;
pub(super) use self::library::{Ceph, LoadError};

/// A positive error number of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

/// A handle of a cluster, perhaps not connected yet.
pub(super) struct Cluster {
    ceph: Rc<Ceph>,
    handle: Handle,
}

impl Cluster {
    /// For the user `client.<user>`, or `client.admin`.
    pub(super) fn new(ceph: &Rc<Ceph>, user: Option<&CStr>) -> Result<Self, Errno> {
        let mut handle = null_mut();
        // SAFETY: `handle` is a place to write to; the user is a C text or null, as allowed.
        check(unsafe { (ceph.rados.rados_create)(&raw mut handle, pointer(user)) })?;
        Ok(Self { ceph: Rc::clone(ceph), handle })
    }

    /// Reads a configuration file; `None` for Ceph's default places.
    pub(super) fn read_file(&self, path: Option<&CStr>) -> Result<(), Errno> {
        // SAFETY: the handle lives as long as `self`; the path is a C text or null, as allowed.
        check(unsafe { (self.ceph.rados.rados_conf_read_file)(self.handle, pointer(path)) })?;
        Ok(())
    }

    /// Sets an option.
    pub(super) fn set(&self, option: &CStr, value: &CStr) -> Result<(), Errno> {
        // SAFETY: the handle lives as long as `self`; both are C texts, which are copied.
        check(unsafe {
            (self.ceph.rados.rados_conf_set)(self.handle, option.as_ptr(), value.as_ptr())
        })?;
        Ok(())
    }

    /// Connects.
    pub(super) fn connect(&self) -> Result<(), Errno> {
        // SAFETY: the handle lives as long as `self`.
        check(unsafe { (self.ceph.rados.rados_connect)(self.handle) })?;
        Ok(())
    }

    /// The cluster's id, once connected.
    pub(super) fn fsid(&self) -> Result<String, Errno> {
        let mut text = [0; 64];
        // SAFETY: the buffer has the length that is passed, is longer than an id with its NUL, and
        // is zeroed.
        check(unsafe {
            (self.ceph.rados.rados_cluster_fsid)(self.handle, text.as_mut_ptr(), text.len())
        })?;
        // SAFETY: both the written text and the buffer end with NUL.
        Ok(unsafe { copied(text.as_ptr()) })
    }

    /// Gets the cluster's newest map: a pool may have been deleted since the last call.
    pub(super) fn refresh(&self) -> Result<(), Errno> {
        // SAFETY: the handle lives as long as `self` and is connected.
        check(unsafe { (self.ceph.rados.rados_wait_for_latest_osdmap)(self.handle) })?;
        Ok(())
    }

    /// Opens a pool, once connected.
    pub(super) fn pool(self: Rc<Self>, name: &CStr) -> Result<Rc<Pool>, Errno> {
        let mut handle = null_mut();
        // SAFETY: the cluster is connected; `handle` is a place to write to; the name is a C text.
        check(unsafe {
            (self.ceph.rados.rados_ioctx_create)(self.handle, name.as_ptr(), &raw mut handle)
        })?;
        Ok(Rc::new(Pool { cluster: self, handle }))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: the handle was made by rados_create and is not used again: pools keep the cluster
        // alive.
        unsafe { (self.ceph.rados.rados_shutdown)(self.handle) }
    }
}

/// An entry of a pool's trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trashed {
    /// The image's id, which identifies it.
    pub(super) id: CString,
    /// The image's name before it was moved to the trash.
    pub(super) name: String,
    /// When it was moved there, in seconds since the epoch.
    pub(super) since: i64,
    /// It stays at least until then, in seconds since the epoch.
    pub(super) until: i64,
    /// The image is in the trash because its removal has begun, so parts of it may be gone.
    pub(super) removing: bool,
}

/// A pool of a connected cluster.
pub(super) struct Pool {
    cluster: Rc<Cluster>,
    handle: Handle,
}

impl Pool {
    fn rbd(&self) -> &Rbd {
        &self.cluster.ceph.rbd
    }

    /// Opens an image for writing, which registers a watcher.
    pub(super) fn open(self: &Rc<Self>, name: &CStr) -> Result<Image, Errno> {
        self.opened(|handle| {
            // SAFETY: the pool lives; the name is a C text; `handle` is a place to write to.
            unsafe { (self.rbd().rbd_open)(self.handle, name.as_ptr(), handle, null()) }
        })
    }

    /// Opens an image, or a snapshot of it, for reading; registers no watcher.
    pub(super) fn open_read_only(
        self: &Rc<Self>,
        name: &CStr,
        snap: Option<&CStr>,
    ) -> Result<Image, Errno> {
        self.opened(|handle| {
            // SAFETY: as above; the snapshot is a C text or null, as allowed.
            unsafe {
                (self.rbd().rbd_open_read_only)(self.handle, name.as_ptr(), handle, pointer(snap))
            }
        })
    }

    /// Opens an image by its id: images in the trash have no name.
    pub(super) fn open_trashed(
        self: &Rc<Self>,
        id: &CStr,
        snap: Option<&CStr>,
    ) -> Result<Image, Errno> {
        self.opened(|handle| {
            // SAFETY: as above.
            unsafe {
                let open = self.rbd().rbd_open_by_id_read_only;
                open(self.handle, id.as_ptr(), handle, pointer(snap))
            }
        })
    }

    /// The same for writing, which registers a watcher.
    pub(super) fn open_trashed_to_write(self: &Rc<Self>, id: &CStr) -> Result<Image, Errno> {
        self.opened(|handle| {
            // SAFETY: as above.
            unsafe { (self.rbd().rbd_open_by_id)(self.handle, id.as_ptr(), handle, null()) }
        })
    }

    fn opened(self: &Rc<Self>, open: impl FnOnce(*mut Handle) -> c_int) -> Result<Image, Errno> {
        let mut handle = null_mut();
        check(open(&raw mut handle))?;
        Ok(Image { pool: Rc::clone(self), handle })
    }

    /// The names of all images.
    pub(super) fn images(&self) -> Result<Vec<String>, Errno> {
        let names = grown(|names: &mut Vec<u8>, size| {
            names.resize(*size, 0);
            // SAFETY: the buffer has `size` bytes; the names are written into it, NUL after each.
            unsafe { (self.rbd().rbd_list)(self.handle, names.as_mut_ptr().cast(), size) }
        })?;
        let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// The images in the trash.
    pub(super) fn trash(&self) -> Result<Vec<Trashed>, Errno> {
        const EMPTY: TrashInfo = TrashInfo {
            id: null_mut(),
            name: null_mut(),
            source: 0,
            deletion_time: 0,
            deferment_end_time: 0,
        };
        let mut entries = grown(|entries: &mut Vec<TrashInfo>, size| {
            entries.resize(*size, EMPTY);
            // SAFETY: the buffer has `size` entries, and `size` says how many were written.
            unsafe { (self.rbd().rbd_trash_list)(self.handle, entries.as_mut_ptr(), size) }
        })?;
        // SAFETY: both texts of each entry were allocated by the list and end with NUL.
        let copy = |entry: &TrashInfo| unsafe {
            Trashed {
                id: CStr::from_ptr(entry.id).to_owned(),
                name: copied(entry.name),
                since: entry.deletion_time,
                until: entry.deferment_end_time,
                removing: entry.source == SOURCE_REMOVING,
            }
        };
        let trash = entries.iter().map(copy).collect();
        // SAFETY: these entries were written by the list; their texts are freed once, here.
        unsafe { (self.rbd().rbd_trash_list_cleanup)(entries.as_mut_ptr(), entries.len()) };
        Ok(trash)
    }

    /// librbd's options for this client in this pool: the pool's own values override those of the
    /// monitors and of ceph.conf. Empty before Ceph 14.
    pub(super) fn options(&self) -> Result<HashMap<String, String>, Errno> {
        const EMPTY: ConfigOption = ConfigOption { name: null_mut(), value: null_mut(), source: 0 };
        let Some(config) = &self.cluster.ceph.config else { return Ok(HashMap::new()) };
        let mut found = grown(|found: &mut Vec<ConfigOption>, size| {
            found.resize(*size, EMPTY);
            let mut count = c_int::try_from(*size).unwrap_or(c_int::MAX);
            // SAFETY: the buffer has `count` entries, and `count` says how many were written.
            let answer = unsafe {
                (config.rbd_config_pool_list)(self.handle, found.as_mut_ptr(), &raw mut count)
            };
            *size = usize::try_from(count).unwrap_or_default();
            answer
        })?;
        // SAFETY: both texts of each entry were allocated by the list and end with NUL.
        let copy = |one: &ConfigOption| unsafe { (copied(one.name), copied(one.value)) };
        let options = found.iter().map(copy).collect();
        let count = c_int::try_from(found.len()).unwrap_or(c_int::MAX);
        // SAFETY: these entries were written by the list; their texts are freed once, here.
        unsafe { (config.rbd_config_pool_list_cleanup)(found.as_mut_ptr(), count) };
        Ok(options)
    }

    /// Moves an image into the trash, from where it may be purged at once.
    pub(super) fn trash_move(&self, name: &CStr) -> Result<(), Errno> {
        // SAFETY: the pool lives; the name is a C text.
        check(unsafe { (self.rbd().rbd_trash_move)(self.handle, name.as_ptr(), 0) })?;
        Ok(())
    }

    /// Takes an image out of the trash.
    pub(super) fn trash_restore(&self, id: &CStr, name: &CStr) -> Result<(), Errno> {
        // SAFETY: the pool lives; both are C texts.
        check(unsafe { (self.rbd().rbd_trash_restore)(self.handle, id.as_ptr(), name.as_ptr()) })?;
        Ok(())
    }

    /// Removes an image and its data. `progress` is called now and then, from any thread.
    pub(super) fn remove(&self, name: &CStr, progress: &(dyn Fn() + Sync)) -> Result<(), Errno> {
        let progress = &raw const progress;
        // SAFETY: the pool lives; the name is a C text; the call is synchronous, so nobody uses
        // `progress` after it, and `tell` only reads it.
        check(unsafe {
            let remove = self.rbd().rbd_remove_with_progress;
            remove(self.handle, name.as_ptr(), tell, progress.cast_mut().cast())
        })?;
        Ok(())
    }
}

impl Pool {
    /// Removes an image that is in the trash, unless it is to stay there for a time. `progress` as above.
    pub(super) fn trash_remove(
        &self,
        id: &CStr,
        progress: &(dyn Fn() + Sync),
    ) -> Result<(), Errno> {
        let progress = &raw const progress;
        // SAFETY: as for `remove`.
        check(unsafe {
            let remove = self.rbd().rbd_trash_remove_with_progress;
            remove(self.handle, id.as_ptr(), false, tell, progress.cast_mut().cast())
        })?;
        Ok(())
    }
}

/// Calls the function at this address.
unsafe extern "C" fn tell(_done: u64, _all: u64, progress: *mut c_void) -> c_int {
    // SAFETY: this is the address that was handed over, of a reference that lives until the call
    // returns; a panic ends the process at this border.
    let progress = unsafe { *progress.cast::<&(dyn Fn() + Sync)>() };
    progress();
    0
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: the handle was made by rados_ioctx_create and is not used again: images keep the
        // pool alive.
        unsafe { (self.cluster.ceph.rados.rados_ioctx_destroy)(self.handle) }
    }
}

fn pointer(text: Option<&CStr>) -> Text {
    text.map_or(null(), CStr::as_ptr)
}

/// A copy of a C string.
///
/// # Safety
///
/// `text` points to a text that ends with NUL.
unsafe fn copied(text: *const c_char) -> String {
    // SAFETY: required of the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn check(answer: c_int) -> Result<c_int, Errno> {
    if answer < 0 { Err(Errno(answer.saturating_neg())) } else { Ok(answer) }
}

/// Calls a list function with a growing buffer until it suffices; returns the entries.
fn grown<T>(mut list: impl FnMut(&mut Vec<T>, &mut usize) -> c_int) -> Result<Vec<T>, Errno> {
    const ERANGE: i32 = 34;
    let mut entries = Vec::new();
    let mut size = 64;
    loop {
        match check(list(&mut entries, &mut size)) {
            Ok(_) => {
                entries.truncate(size);
                return Ok(entries);
            }
            Err(Errno(ERANGE)) => {}
            Err(errno) => return Err(errno),
        }
    }
}
