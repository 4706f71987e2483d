//! Removing an image from the trash for good, with its snapshots.

use std::ffi::CString;

use super::super::ffi::Image;
use super::super::protocol::{End, Failure, Reply, Step, Target};
use super::delete::{EINVAL, ENOTEMPTY, refused};
use super::session::{ENOENT, Remains, Session, at};
use super::working;

impl Session {
    /// Nothing of an image that still has its name.
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
        let image = pool.open_trashed_to_write(&id).map_err(at(Step::OpenImage))?;
        if let Err(end) = free(&image) {
            return Ok(Reply::Ended(end));
        }
        // This process's own watcher would block the removal.
        drop(image);
        Ok(Reply::Ended(match pool.trash_remove(&id, &working) {
            Ok(()) | Err(ENOENT) => End::Removed,
            // Clones of the new kind still need it.
            Err(errno @ ENOTEMPTY) => End::InUse(at(Step::TrashRemove)(errno)),
            Err(errno) => refused(Step::TrashRemove, errno),
        }))
    }
}

const EEXIST: i32 = 17;

/// Removes all snapshots, or none where one has clones.
fn free(image: &Image) -> Result<(), End> {
    let snaps = image.snaps().map_err(|errno| End::Unknown(at(Step::Inspect)(errno)))?;
    let mut unprotected: Vec<&CString> = Vec::new();
    for snap in &snaps {
        match image.unprotect(snap) {
            Ok(()) => unprotected.push(snap),
            // It was not protected, or is one that clones keep.
            Err(EINVAL | ENOENT) => {}
            Err(errno) => {
                for snap in unprotected {
                    // Without protection a revert compares the hash.
                    let _ = image.protect(snap);
                }
                return Err(refused(Step::Unprotect, errno));
            }
        }
        working();
    }
    for snap in &snaps {
        match image.remove_snap(snap) {
            Ok(()) | Err(ENOENT) => working(),
            Err(errno) => return Err(refused(Step::RemoveSnap, errno)),
        }
    }
    Ok(())
}
