//! Destroys an image, in an order that leaves the image whole if any step is refused.
//!
//! `glance_store` removes the snapshot before it learns that somebody has the image open. Here the
//! service has checked for watchers and for a group before; if either appears later, the removal
//! fails. The snapshot is not recreated then: the image may have been written to since its upload,
//! so only a revert, which compares the hash, may recreate it. A snapshot that could not be removed
//! is protected again.

use std::ffi::CStr;
use std::rc::Rc;

use super::super::ffi::{Errno, Image, Pool, Trashed};
use super::super::protocol::{End, Failure, Reply, Step, Target};
use super::session::{ENOENT, Names, Session, at};
use super::working;

const EPERM: Errno = Errno(1);
const EACCES: Errno = Errno(13);
pub(super) const EBUSY: Errno = Errno(16);
pub(super) const EINVAL: Errno = Errno(22);
const EROFS: Errno = Errno(30);
const EMLINK: Errno = Errno(31);
pub(super) const ENOTEMPTY: Errno = Errno(39);

impl Session {
    pub(super) fn delete(&self, target: &Target) -> Result<Reply, Failure> {
        let (pool, names) = self.place(target)?;
        // Counted first: a count afterwards would not tell whether this removal moved the image to
        // the trash.
        let before = kept(&pool, &names).map_err(at(Step::ListTrash))?;
        let end = match pool.open(&names.image) {
            Ok(image) if image.is_grouped().map_err(at(Step::Inspect))? => {
                End::InUse(Failure { step: Step::Grouped, errno: 0 })
            }
            Ok(image) => match free(&image, &names) {
                Ok(()) => {
                    // This process's own watcher would block the removal.
                    drop(image);
                    remove(&pool, &names, before)
                }
                Err(end) => end,
            },
            // The image disappeared since the last call, or its removal was interrupted: librbd
            // finishes that.
            Err(ENOENT) => remove(&pool, &names, before),
            Err(errno) => return Err(at(Step::OpenImage)(errno)),
        };
        Ok(Reply::Ended(end))
    }
}

/// Removes the snapshot that the location names.
fn free(image: &Image, names: &Names) -> Result<(), End> {
    let Some(snap) = names.snap.as_deref() else { return Ok(()) };
    let was_protected = match image.unprotect(snap) {
        Ok(()) => true,
        // The snapshot was not protected, or does not exist.
        Err(EINVAL | ENOENT) => false,
        Err(errno) => return Err(refused(Step::Unprotect, errno)),
    };
    working();
    match image.remove_snap(snap) {
        Ok(()) | Err(ENOENT) => {}
        Err(errno) => {
            let end = refused(Step::RemoveSnap, errno);
            return Err(if was_protected { protected_again(image, snap, end) } else { end });
        }
    }
    working();
    Ok(())
}

/// The result if the snapshot stays: the image is unchanged, or the result says otherwise.
fn protected_again(image: &Image, snap: &CStr, end: End) -> End {
    match end {
        End::InUse(why) | End::Refused(why) if image.protect(snap).is_err() => {
            End::Unprotected(why)
        }
        End::Removed
        | End::Trashed
        | End::InUse(_)
        | End::Refused(_)
        | End::Unprotected(_)
        | End::SnapGone(_)
        | End::Unknown(_) => end,
    }
}

fn remove(pool: &Rc<Pool>, names: &Names, before: usize) -> End {
    match pool.remove(&names.image, &working) {
        Ok(()) | Err(ENOENT) => match kept(pool, names) {
            // With `rbd_move_to_trash_on_remove` a removal moves the image to the trash.
            Ok(after) if after > before => End::Trashed,
            Ok(_) => End::Removed,
            Err(errno) => End::Unknown(at(Step::ListTrash)(errno)),
        },
        Err(ENOTEMPTY) => {
            working();
            // Snapshots remain, of users or of clones that need them: do what glance_store does.
            match pool.trash_move(&names.image) {
                Ok(()) => End::Trashed,
                Err(errno) => freed(refused(Step::TrashMove, errno), names),
            }
        }
        Err(errno) => freed(refused(Step::Remove, errno), names),
    }
}

/// Number of images with this name in the trash.
fn kept(pool: &Pool, names: &Names) -> Result<usize, Errno> {
    working();
    let name = names.image.to_string_lossy();
    let is_kept = |trashed: &&Trashed| trashed.name == name && !trashed.removing;
    Ok(pool.trash()?.iter().filter(is_kept).count())
}

/// What an error of a changing step means for the data.
pub(super) fn refused(step: Step, errno: Errno) -> End {
    let failure = at(step)(errno);
    match errno {
        EBUSY | EMLINK => End::InUse(failure),
        EPERM | EACCES | EROFS => End::Refused(failure),
        _ => End::Unknown(failure),
    }
}

/// The result of a step that fails after the snapshot, if the location names one, was removed.
fn freed(end: End, names: &Names) -> End {
    match end {
        End::InUse(why) | End::Refused(why) if names.snap.is_some() => End::SnapGone(why),
        End::Removed
        | End::Trashed
        | End::InUse(_)
        | End::Refused(_)
        | End::Unprotected(_)
        | End::SnapGone(_)
        | End::Unknown(_) => end,
    }
}
