//! Destroying an image, in an order that leaves it whole wherever it is refused.
//!
//! `glance_store` takes the snapshot away and then learns that somebody has the image open. Here the
//! service has asked for watchers before, and for a group; what came in between makes the removal
//! fail. The snapshot is not made again then: the image may have been written to since its upload,
//! so that only a revert, which compares the hash, may do so.

use std::rc::Rc;

use super::super::ffi::{Errno, Image, Pool, Trashed};
use super::super::protocol::{End, Failure, Reply, Step, Target};
use super::session::{ENOENT, Names, Session, at};
use super::working;

const EPERM: Errno = Errno(1);
const EACCES: Errno = Errno(13);
const EBUSY: Errno = Errno(16);
const EINVAL: Errno = Errno(22);
const EROFS: Errno = Errno(30);
const EMLINK: Errno = Errno(31);
const ENOTEMPTY: Errno = Errno(39);

impl Session {
    pub(super) fn delete(&self, target: &Target) -> Result<Reply, Failure> {
        let (pool, names) = self.place(target)?;
        let end = match pool.open(&names.image) {
            Ok(image) if image.is_grouped().map_err(at(Step::Inspect))? => {
                End::InUse(Failure { step: Step::Grouped, errno: 0 })
            }
            Ok(image) => match free(&image, &names) {
                Ok(()) => {
                    // Our own watcher would be in the way.
                    drop(image);
                    remove(&pool, &names)
                }
                Err(end) => end,
            },
            // Gone between two looks, or begun by somebody who died: librbd finishes that.
            Err(ENOENT) => remove(&pool, &names),
            Err(errno) => return Err(at(Step::OpenImage)(errno)),
        };
        Ok(Reply::Ended(end))
    }
}

/// Takes away the snapshot that the location names.
fn free(image: &Image, names: &Names) -> Result<(), End> {
    let Some(snap) = names.snap.as_deref() else { return Ok(()) };
    match image.unprotect(snap) {
        // It was not protected, or is not there.
        Ok(()) | Err(EINVAL | ENOENT) => {}
        Err(errno) => return Err(refused(Step::Unprotect, errno)),
    }
    working();
    match image.remove_snap(snap) {
        Ok(()) | Err(ENOENT) => {}
        Err(errno) => return Err(refused(Step::RemoveSnap, errno)),
    }
    working();
    Ok(())
}

fn remove(pool: &Rc<Pool>, names: &Names) -> End {
    let before = kept(pool, names);
    match pool.remove(&names.image, &working) {
        // Where Ceph is told to (`rbd_move_to_trash_on_remove`), a removal ends in the trash.
        Ok(()) | Err(ENOENT) if kept(pool, names) > before => End::Trashed,
        Ok(()) | Err(ENOENT) => End::Removed,
        Err(ENOTEMPTY) => {
            working();
            // Snapshots are left, of users or of clones that need them: as glance_store does.
            match pool.trash_move(&names.image) {
                Ok(()) => End::Trashed,
                Err(errno) => freed(refused(Step::TrashMove, errno), names),
            }
        }
        Err(errno) => freed(refused(Step::Remove, errno), names),
    }
}

/// How many images of this name the trash keeps; none where it cannot be listed.
fn kept(pool: &Pool, names: &Names) -> usize {
    working();
    let name = names.image.to_string_lossy();
    let is_kept = |trashed: &&Trashed| trashed.name == name && !trashed.removing;
    pool.trash().map_or(0, |trash| trash.iter().filter(is_kept).count())
}

/// What an error of a step that changes something says of the data.
fn refused(step: Step, errno: Errno) -> End {
    let failure = at(step)(errno);
    match errno {
        EBUSY | EMLINK => End::InUse(failure),
        EPERM | EACCES | EROFS => End::Refused(failure),
        _ => End::Unknown(failure),
    }
}

/// The same once the snapshot was taken away, if the location names one.
fn freed(end: End, names: &Names) -> End {
    match end {
        End::InUse(why) | End::Refused(why) if names.snap.is_some() => End::SnapGone(why),
        End::Removed
        | End::Trashed
        | End::InUse(_)
        | End::Refused(_)
        | End::SnapGone(_)
        | End::Unknown(_) => end,
    }
}
