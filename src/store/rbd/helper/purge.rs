//! Permanently removes an image in the trash, with its snapshots.

use std::ffi::{CStr, CString};

use super::super::ffi::{Image, Pool};
use super::super::protocol::{End, Failure, Reply, Step, Target};
use super::delete::{EBUSY, EINVAL, ENOTEMPTY, refused};
use super::session::{ENOENT, Remains, Session, at};
use super::working;

impl Session {
    /// Refuses if an image still has this name; if none is in the trash, all is removed already.
    pub(super) fn purge(&self, target: &Target) -> Result<Reply, Failure> {
        let (pool, names) = self.place(target)?;
        match pool.open_read_only(&names.image, None) {
            Err(ENOENT) => {}
            Ok(_) => return Err(Failure { step: Step::TrashRemove, errno: EEXIST }),
            Err(errno) => return Err(at(Step::OpenImage)(errno)),
        }
        let id = match self.remains(target)? {
            Remains::Trashed(trashed) => trashed.id,
            Remains::Nothing => return Ok(Reply::Ended(End::Removed)),
            Remains::Removing => return Err(at(Step::OpenImage)(ENOENT)),
        };
        // Ceph itself says first whether it would: not before the trash lets it go, nor while
        // somebody has it open. Snapshots are removed only for an image that goes with them.
        if let Some(end) = remove(&pool, &id) {
            return Ok(Reply::Ended(end));
        }
        let seen = pool.open_trashed(&id, None).map_err(at(Step::OpenImage))?;
        if !seen.watchers().map_err(at(Step::Inspect))?.is_empty() {
            return Ok(Reply::Ended(End::InUse(at(Step::TrashRemove)(EBUSY))));
        }
        drop(seen);
        let image = pool.open_trashed_to_write(&id).map_err(at(Step::OpenImage))?;
        let snaps = image.snaps().map_err(at(Step::Inspect))?;
        for snap in &snaps {
            let has_clones = match pool.open_trashed(&id, Some(snap)) {
                // removed already, and kept for its clones
                Err(ENOENT) => Ok(true),
                of_snap => of_snap.map_err(at(Step::OpenImage))?.has_clones(),
            };
            if has_clones.map_err(at(Step::Inspect))? {
                return Ok(Reply::Ended(End::InUse(at(Step::RemoveSnap)(ENOTEMPTY))));
            }
        }
        if let Err(end) = free(&image, &snaps) {
            return Ok(Reply::Ended(end));
        }
        // the watcher of this process would block the removal
        drop(image);
        let still_needed = || End::InUse(at(Step::TrashRemove)(ENOTEMPTY));
        Ok(Reply::Ended(remove(&pool, &id).unwrap_or_else(still_needed)))
    }
}

/// Removes an image from the trash; `None` if it has snapshots.
fn remove(pool: &Pool, id: &CStr) -> Option<End> {
    match pool.trash_remove(id, &working) {
        Ok(()) | Err(ENOENT) => Some(End::Removed),
        Err(ENOTEMPTY) => None,
        Err(errno) => Some(refused(Step::TrashRemove, errno)),
    }
}

const EEXIST: i32 = 17;

/// Removes all snapshots, or none if one has clones.
fn free(image: &Image, snaps: &[CString]) -> Result<(), End> {
    let mut unprotected: Vec<&CString> = Vec::new();
    for snap in snaps {
        match image.unprotect(snap) {
            Ok(()) => unprotected.push(snap),
            // it was not protected, or is kept only for clones (v2)
            Err(EINVAL | ENOENT) => {}
            Err(errno) => {
                for snap in unprotected {
                    // without protection, a revert has to compare the hash
                    let _ = image.protect(snap);
                }
                return Err(refused(Step::Unprotect, errno));
            }
        }
        working();
    }
    for snap in snaps {
        match image.remove_snap(snap) {
            Ok(()) | Err(ENOENT) => working(),
            Err(errno) => return Err(refused(Step::RemoveSnap, errno)),
        }
    }
    Ok(())
}
