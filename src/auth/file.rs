//! Files that others replace under a running service: what is read of them, and when again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 256 * 1024;

/// Why a file gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It is not there, or may not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// More than keys or credentials ever need.
    #[error("is larger than 256 KiB, which neither keys nor credentials need to be")]
    TooLarge,
}

/// What changes when a file does. The inode tells of a file renamed over the old one, and of a
/// symbolic link that leads elsewhere now, as in Kubernetes volumes; the time of the inode's own
/// change, which nobody can set, of a file written over by a tool that keeps the content's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Version {
    /// Asked of the path, not of an open file: opening a pipe could wait for ever.
    pub(super) fn of(path: &Path) -> Result<Self, FileProblem> {
        let metadata: Metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(FileProblem::NotAFile);
        }
        let modified = metadata.modified().ok();
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Ok(Self { modified, length: metadata.len(), inode: metadata.ino(), changed })
    }
}

/// Reads a regular file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileProblem> {
    Version::of(path)?;
    let mut text = Vec::new();
    File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_SIZE) {
        return Err(FileProblem::TooLarge);
    }
    Ok(text)
}
