//! The protocol between service and helper: one line of JSON per message over the helper's standard
//! input and output; the bytes of a [`Reply::Chunk`] follow its line.
//!
//! One request is in progress at a time. While it works, the helper sends [`Reply::Working`]
//! between its steps, so that silence means that it hangs.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Maximum size of a chunk; Glance's own pieces are twice as large.
pub(super) const CHUNK: usize = 4 * 1024 * 1024;

/// The first line: the cluster and the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// `rbd_store_ceph_conf`; `None` for Ceph's default places.
    pub(super) conf: Option<PathBuf>,
    /// `rbd_store_user`; `None` for client.admin.
    pub(super) user: Option<String>,
    /// How long one operation of Ceph's may take.
    pub(super) timeout: Duration,
}

/// An image in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    /// The cluster that it must be in; `None` in the oldest form of locations.
    pub(super) fsid: Option<String>,
    /// The pool.
    pub(super) pool: String,
    /// The image's name.
    pub(super) image: String,
    /// The snapshot that Glance's location names; `None` in the oldest form.
    pub(super) snap: Option<String>,
}

/// A request of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Checks that the pool exists and can be listed.
    Health { pool: String },
    /// Reports what the pool's trash has, and what moves there.
    Trash { pool: String },
    /// Reports what exists. Changes nothing.
    Inspect(Target),
    /// Destroys it in the safe order; only after `Inspect`.
    Delete(Target),
    /// Reads the next bytes.
    Read { target: Target, offset: u64 },
    /// Recreates a lost snapshot of an image that kept its name, without protecting it.
    Pin(Target),
    /// Removes from the trash, for good, what had this name.
    Purge(Target),
    /// Restores from the trash and protects the snapshot, as needed.
    Repair(Target),
}

/// A reply of the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Still working; another reply follows.
    Working,
    /// To `Health`, `Pin` and `Repair`.
    Done,
    /// To `Trash`.
    Trash(Trash),
    /// To `Inspect`.
    Found(Found),
    /// To `Delete` and `Purge`.
    Ended(End),
    /// To `Read`: this number of bytes follow, 0 at the end of the image.
    Chunk(usize),
    /// To `Read`: there is no such image.
    Absent,
    /// It failed, and nothing was changed.
    Failed(Failure),
}

/// A pool's trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trash {
    /// Whether each removed image moves there, and for how many seconds it must stay at least.
    pub(super) takes_all: Option<u64>,
    /// Number of images in it, without those whose removal has begun.
    pub(super) images: usize,
    /// The first moment at which one of them may be removed that had to stay for a time, in seconds.
    pub(super) until: Option<i64>,
}

/// What the pool has under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Found {
    /// An image.
    Image {
        size: u64,
        snap: Snap,
        /// Addresses of clients that have it open for writing.
        watchers: Vec<String>,
    },
    /// No image, but the trash has one that had this name.
    Trash {
        size: u64,
        /// Since when, in seconds.
        since: i64,
        /// Until when at the least; not after `since` where nobody said so.
        until: i64,
    },
    /// No image, but the trash has one with an unfinished removal.
    Removing,
    /// No image, in a pool that could be listed.
    Absent,
}

/// The snapshot that a location names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Snap {
    /// It names none.
    None,
    Protected,
    Unprotected,
    Lost,
}

/// How a deletion ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// It is gone, or was already gone.
    Removed,
    /// It is in the trash, because a part of it is still needed.
    Trashed,
    /// In use; image and snapshot are unchanged.
    InUse(Failure),
    /// Not allowed; image and snapshot are unchanged.
    Refused(Failure),
    /// Neither image nor snapshot could be removed; the snapshot is no longer protected.
    Unprotected(Failure),
    /// The image could not be removed; its snapshot is gone.
    SnapGone(Failure),
    /// Unknown.
    Unknown(Failure),
}

/// What failed, and the system's error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) step: Step,
    /// An error number of the system, positive; 0 if there is none.
    pub(super) errno: i32,
}

/// The steps that can fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Loading the libraries; what the loader says.
    Load(String),
    /// Reading ceph.conf, setting options.
    Configure,
    Connect,
    /// The cluster is another one: its id.
    OtherCluster(String),
    /// A name that cannot be one of Ceph's.
    Name,
    OpenPool,
    ListPool,
    ListTrash,
    ListOptions,
    /// The trash has several of this name.
    SeveralInTrash,
    OpenImage,
    Inspect,
    Read,
    /// It is in a group.
    Grouped,
    Unprotect,
    RemoveSnap,
    Remove,
    TrashMove,
    TrashRemove,
    TrashRestore,
    CreateSnap,
    Protect,
}
