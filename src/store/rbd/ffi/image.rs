//! An image, and its snapshots.

use std::ffi::{CStr, CString, c_int};
use std::ptr::null_mut;
use std::rc::Rc;

use super::library::{GroupInfo, Handle, NO_POOL, Rbd, SnapInfo, Text, WatcherInfo};
use super::{Errno, Pool, check, copied, grown};

const ERANGE: isize = 34;

/// An open image.
pub(in super::super) struct Image {
    pub(super) pool: Rc<Pool>,
    pub(super) handle: Handle,
}

impl Image {
    fn rbd(&self) -> &Rbd {
        self.pool.rbd()
    }

    /// Size in bytes, of the selected snapshot.
    pub(in super::super) fn size(&self) -> Result<u64, Errno> {
        let mut size = 0;
        // SAFETY: the image is open; `size` is a place to write to.
        check(unsafe { (self.rbd().rbd_get_size)(self.handle, &raw mut size) })?;
        Ok(size)
    }

    /// Fills the buffer from `offset` on; returns less only at the end.
    pub(in super::super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: the image is open; the buffer has the length that is passed.
        let read = unsafe {
            let target = buffer.as_mut_ptr().cast();
            (self.rbd().rbd_read)(self.handle, offset, buffer.len(), target)
        };
        usize::try_from(read).map_err(|_| Errno(i32::try_from(-read).unwrap_or(i32::MAX)))
    }

    /// Addresses of clients that have it open for writing.
    pub(in super::super) fn watchers(&self) -> Result<Vec<String>, Errno> {
        const EMPTY: WatcherInfo = WatcherInfo { addr: null_mut(), id: 0, cookie: 0 };
        let mut found = grown(|found: &mut Vec<WatcherInfo>, size| {
            found.resize(*size, EMPTY);
            // SAFETY: the buffer has `size` entries, and `size` says how many were written.
            unsafe { (self.rbd().rbd_watchers_list)(self.handle, found.as_mut_ptr(), size) }
        })?;
        // SAFETY: the address of each entry was allocated by the list and ends with NUL.
        let watchers = found.iter().map(|one| unsafe { copied(one.addr) }).collect();
        // SAFETY: these entries were written by the list; their texts are freed once, here.
        unsafe { (self.rbd().rbd_watchers_list_cleanup)(found.as_mut_ptr(), found.len()) };
        Ok(watchers)
    }

    /// Whether it belongs to a group, which prevents its removal.
    pub(in super::super) fn is_grouped(&self) -> Result<bool, Errno> {
        let mut group = GroupInfo { name: null_mut(), pool: NO_POOL };
        let size = size_of::<GroupInfo>();
        // SAFETY: the image is open; `group` is a place to write to, of the size that is passed.
        check(unsafe { (self.rbd().rbd_get_group)(self.handle, &raw mut group, size) })?;
        // SAFETY: the previous call wrote it; its text is freed once, here.
        check(unsafe { (self.rbd().rbd_group_info_cleanup)(&raw mut group, size) })?;
        Ok(group.pool != NO_POOL)
    }

    /// Whether images were cloned from the selected snapshot, in any pool.
    pub(in super::super) fn has_clones(&self) -> Result<bool, Errno> {
        let (mut pools, mut images) = (0, 0);
        // SAFETY: the image is open; there is no place for names, which the sizes say.
        let found = unsafe {
            let list = self.rbd().rbd_list_children;
            list(self.handle, null_mut(), &raw mut pools, null_mut(), &raw mut images)
        };
        match usize::try_from(found) {
            Ok(count) => Ok(count > 0),
            // there are names, for which there is no place
            Err(_) if found == -ERANGE => Ok(true),
            Err(_) => Err(Errno(i32::try_from(-found).unwrap_or(i32::MAX))),
        }
    }

    /// Whether it has this snapshot, made by a user.
    pub(in super::super) fn has_snap(&self, snap: &CStr) -> Result<bool, Errno> {
        let mut exists = false;
        // SAFETY: the image is open; the name is a C text; C's bool is Rust's.
        check(unsafe {
            (self.rbd().rbd_snap_exists)(self.handle, snap.as_ptr(), &raw mut exists)
        })?;
        Ok(exists)
    }

    /// The names of its snapshots.
    pub(in super::super) fn snaps(&self) -> Result<Vec<CString>, Errno> {
        const ERANGE: i32 = 34;
        const EMPTY: SnapInfo = SnapInfo { id: 0, size: 0, name: null_mut() };
        let mut size: c_int = 16;
        loop {
            let mut found = vec![EMPTY; usize::try_from(size).unwrap_or_default().max(1)];
            // SAFETY: the image is open; the buffer has `size` entries, one of which ends the list.
            let count = unsafe {
                (self.rbd().rbd_snap_list)(self.handle, found.as_mut_ptr(), &raw mut size)
            };
            match check(count) {
                Ok(_) => {}
                // `size` is now what is needed
                Err(Errno(ERANGE)) => continue,
                Err(errno) => return Err(errno),
            }
            let filled = found.iter().take_while(|one| !one.name.is_null());
            // SAFETY: each name was allocated by the list and ends with NUL.
            let names = filled.map(|one| unsafe { CStr::from_ptr(one.name) }.to_owned()).collect();
            // SAFETY: the names of the list, which ends with one that is null, are freed once, here.
            unsafe { (self.rbd().rbd_snap_list_end)(found.as_mut_ptr()) };
            return Ok(names);
        }
    }

    /// Selects a snapshot for the following calls.
    pub(in super::super) fn set_snap(&self, snap: &CStr) -> Result<(), Errno> {
        self.snap(self.rbd().rbd_snap_set, snap)
    }

    /// Whether the snapshot is protected from removal.
    pub(in super::super) fn is_protected(&self, snap: &CStr) -> Result<bool, Errno> {
        let mut protected = 0;
        // SAFETY: the image is open; the name is a C text; `protected` is a place to write to.
        check(unsafe {
            (self.rbd().rbd_snap_is_protected)(self.handle, snap.as_ptr(), &raw mut protected)
        })?;
        Ok(protected != 0)
    }

    /// Makes a snapshot.
    pub(in super::super) fn create_snap(&self, snap: &CStr) -> Result<(), Errno> {
        self.snap(self.rbd().rbd_snap_create, snap)
    }

    /// Protects a snapshot: it can be cloned, but not removed.
    pub(in super::super) fn protect(&self, snap: &CStr) -> Result<(), Errno> {
        self.snap(self.rbd().rbd_snap_protect, snap)
    }

    /// Ends the protection of a snapshot; refused while it has clones of the old kind.
    pub(in super::super) fn unprotect(&self, snap: &CStr) -> Result<(), Errno> {
        self.snap(self.rbd().rbd_snap_unprotect, snap)
    }

    /// Removes a snapshot.
    pub(in super::super) fn remove_snap(&self, snap: &CStr) -> Result<(), Errno> {
        self.snap(self.rbd().rbd_snap_remove, snap)
    }

    fn snap(
        &self,
        call: unsafe extern "C" fn(Handle, Text) -> c_int,
        snap: &CStr,
    ) -> Result<(), Errno> {
        // SAFETY: `call` is one of the functions above that take an open image and a C text.
        check(unsafe { call(self.handle, snap.as_ptr()) })?;
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: the handle was made by one of the open functions and is not used again. The
        // result does not matter: a read-only image has nothing to write, and each change to a
        // writable one was confirmed by its own call.
        unsafe { (self.rbd().rbd_close)(self.handle) };
    }
}
