//! Permanently removes an image in the trash, with its snapshots.

use std::ffi::CString;

use super::super::ffi::Image;
use super::super::protocol::{End, Failure, Reply, Step, Target};
use super::delete::{EINVAL, ENOTEMPTY, refused};
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
        let image = pool.open_trashed_to_write(&id).map_err(at(Step::OpenImage))?;
        if let Err(end) = free(&image) {
            return Ok(Reply::Ended(end));
        }
        // the watcher of this process would block the removal
        drop(image);
        Ok(Reply::Ended(match pool.trash_remove(&id, &working) {
            Ok(()) | Err(ENOENT) => End::Removed,
            // clones (v2) still need it
            Err(errno @ ENOTEMPTY) => End::InUse(at(Step::TrashRemove)(errno)),
            Err(errno) => refused(Step::TrashRemove, errno),
        }))
    }
}

const EEXIST: i32 = 17;

/// Removes all snapshots, or none if one has clones.
fn free(image: &Image) -> Result<(), End> {
    let snaps = image.snaps().map_err(|errno| End::Unknown(at(Step::Inspect)(errno)))?;
    let mut unprotected: Vec<&CString> = Vec::new();
    for snap in &snaps {
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
    for snap in &snaps {
        match image.remove_snap(snap) {
            Ok(()) | Err(ENOENT) => working(),
            Err(errno) => return Err(refused(Step::RemoveSnap, errno)),
        }
    }
    Ok(())
}
