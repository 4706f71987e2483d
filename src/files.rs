//! Files that the configuration names and that others replace under a running service: what is
//! read of them, and when again.
//!
//! Only regular files of a bounded size are read. A pipe, a device or a folder in the place of a
//! file is an error that says so, and never a wait; what is made of a file is for those who ask.

mod reloaded;

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};

pub use reloaded::{Contents, Look, Reloaded};

/// The largest file with keys or credentials that is read, in bytes.
const LARGEST_OF_KEYS: u64 = 256 * 1024;
/// The same of certificates: all that a system trusts are some 500 KiB with their descriptions.
const LARGEST_OF_CERTIFICATES: u64 = 4 * 1024 * 1024;
/// The same of options: Glance's sample, with all that it says of each, has some 200 KiB.
const LARGEST_OF_OPTIONS: u64 = 1024 * 1024;

/// Why a file gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It is not there, or may not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// More than what it is for ever needs; so many bytes are read.
    #[error("is larger than {} KiB, which is more than any such file needs", .0 / 1024)]
    TooLarge(u64),
}

/// One file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its option.
    pub option: &'static str,
    /// Where it is.
    pub path: PathBuf,
    largest: u64,
}

/// Which file gives nothing, and why.
#[derive(Debug, thiserror::Error)]
#[error("{option} = {} {problem}", path.display())]
pub struct FileError {
    /// Its option.
    pub option: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: FileProblem,
}

impl Source {
    /// A file with keys or credentials.
    pub fn of_keys(option: &'static str, path: &Path) -> Self {
        Self { option, path: path.to_owned(), largest: LARGEST_OF_KEYS }
    }

    /// A file with certificates.
    pub fn of_certificates(option: &'static str, path: &Path) -> Self {
        Self { option, path: path.to_owned(), largest: LARGEST_OF_CERTIFICATES }
    }

    fn read(&self) -> Result<Vec<u8>, FileError> {
        read(&self.path, self.largest).map_err(|problem| self.error(problem))
    }

    fn version(&self) -> Result<FileVersion, FileError> {
        FileVersion::of(&self.path).map_err(|problem| self.error(problem))
    }

    fn error(&self, problem: FileProblem) -> FileError {
        FileError { option: self.option, path: self.path.clone(), problem }
    }
}

/// What changes when a file does. The inode tells of a file renamed over the old one, and of a
/// symbolic link that leads elsewhere now, as in Kubernetes volumes; the time of the inode's own
/// change, which nobody can set, of a file written over by a tool that keeps the content's time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileVersion {
    modified: Option<SystemTime>,
    length: u64,
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl FileVersion {
    fn of(path: &Path) -> Result<Self, FileProblem> {
        let metadata = regular(fs::metadata(path)?)?;
        Ok(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

fn regular(metadata: Metadata) -> Result<Metadata, FileProblem> {
    if metadata.is_file() { Ok(metadata) } else { Err(FileProblem::NotAFile) }
}

/// Reads a file with options, once.
///
/// # Errors
/// It is not there, no regular file, too large or not UTF-8.
pub fn read_options(path: &Path) -> Result<String, FileProblem> {
    let text = String::from_utf8(read(path, LARGEST_OF_OPTIONS)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8").into())
}

/// Reads a regular file of at most so many bytes.
fn read(path: &Path, largest: u64) -> Result<Vec<u8>, FileProblem> {
    // What is no file is not even opened: that alone can do something to a device.
    regular(fs::metadata(path)?)?;
    // A pipe that takes the file's place now is opened without waiting for who writes into it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?;
    let file = File::from(opened);
    if regular(file.metadata()?)?.len() > largest {
        return Err(FileProblem::TooLarge(largest));
    }
    let mut text = Vec::new();
    file.take(largest + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > largest) {
        return Err(FileProblem::TooLarge(largest));
    }
    Ok(text)
}
