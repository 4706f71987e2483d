//! Reading files that the configuration names and that may be replaced under a running service.
//!
//! Only regular files of bounded size are read. A pipe, device or folder is reported as an error
//! and never blocks. Interpreting the content is the caller's job.

mod reloaded;

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};

pub use reloaded::{Contents, Look, Reloaded};

/// Size limit of files with keys or credentials, in bytes.
const LARGEST_OF_KEYS: u64 = 256 * 1024;
/// The same for certificates: all that a system trusts have some 500 KiB with descriptions.
const LARGEST_OF_CERTIFICATES: u64 = 4 * 1024 * 1024;
/// The same for options: Glance's sample with all its descriptions has some 200 KiB.
const LARGEST_OF_OPTIONS: u64 = 1024 * 1024;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// Missing, or permission denied.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder, a pipe or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Larger than any such file needs to be; the limit in bytes.
    #[error("is larger than {} KiB, the limit for such a file", .0 / 1024)]
    TooLarge(u64),
}

/// One file of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The option that names it.
    pub option: &'static str,
    /// Its path.
    pub path: PathBuf,
    largest: u64,
}

/// Which file cannot be used, and why.
#[derive(Debug, thiserror::Error)]
#[error("{option} = {} {problem}", path.display())]
pub struct FileError {
    /// The option that names it.
    pub option: &'static str,
    /// Its path.
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

/// What changes when a file does. The inode detects a file renamed over the old one and a
/// redirected symbolic link, as in Kubernetes volumes; the inode's change time, which nobody can
/// set, detects a file overwritten by a tool that preserves the modification time.
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

/// Reads a file with options once.
///
/// # Errors
/// It does not exist, is not a regular file, is too large or is not UTF-8.
pub fn read_options(path: &Path) -> Result<String, FileProblem> {
    let text = String::from_utf8(read(path, LARGEST_OF_OPTIONS)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8").into())
}

/// Reads a regular file of at most `largest` bytes.
fn read(path: &Path, largest: u64) -> Result<Vec<u8>, FileProblem> {
    // Check before opening: opening alone can have an effect on a device.
    regular(fs::metadata(path)?)?;
    // If a pipe takes the file's place now, do not wait for a writer.
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
