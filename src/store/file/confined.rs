//! The kernel's part of the confinement: a file is opened relative to its data directory's
//! descriptor, never through a symbolic link. The data directory itself may be one: that is the
//! operator's choice.
//!
//! All of this blocks; [`super::workers`] keeps it off the runtime.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, open, openat, openat2, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::fault::Fault;
use super::path::Target;
use super::workers::Turn;

const FOLDER: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The result of a successful removal call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The file existed and is removed.
    Removed,
    /// The data directory is healthy and the file is not in it.
    Absent,
}

/// A file with its data directory and folder open.
#[derive(Debug)]
pub(super) struct Confined<'t> {
    target: &'t Target,
    datadir: OwnedFd,
    /// `None` if the file is in the data directory itself.
    folder: Option<OwnedFd>,
}

impl<'t> Confined<'t> {
    /// Opens the data directory and the folder of the file.
    pub(super) fn open(target: &'t Target) -> Result<Self, Fault> {
        let datadir = open_datadir(&target.datadir)?;
        let folder = if target.folder.as_os_str().is_empty() {
            None
        } else {
            let opened = open_beneath(datadir.as_fd(), &target.folder);
            Some(opened.map_err(|errno| Fault::Entry(target.path(), errno))?)
        };
        Ok(Self { target, datadir, folder })
    }

    /// The file's size in bytes; `None` is proof of absence.
    pub(super) fn size(&self) -> Result<Option<u64>, Fault> {
        match statat(self.parent(), &self.target.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                self.require_regular(stat.st_mode)?;
                u64::try_from(stat.st_size).map(Some).map_err(|_| self.fault(Errno::OVERFLOW))
            }
            Err(Errno::NOENT) => self.prove_listable().map(|()| None),
            Err(errno) => Err(self.fault(errno)),
        }
    }

    /// Opens the file for reading; `None` is proof of absence.
    pub(super) fn file(&self) -> Result<Option<File>, Fault> {
        // Checked before it is opened, because opening a device can have effects.
        if self.size()?.is_none() {
            return Ok(None);
        }
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match openat(self.parent(), &self.target.name, flags, Mode::empty()) {
            Ok(file) => {
                let stat = fstat(&file).map_err(|errno| self.fault(errno))?;
                self.require_regular(stat.st_mode)?;
                Ok(Some(file.into()))
            }
            Err(Errno::NOENT) => self.prove_listable().map(|()| None),
            Err(errno) => Err(self.fault(errno)),
        }
    }

    /// Removes the file, if the caller has not given up by then.
    pub(super) fn remove(&self, turn: &Turn) -> Result<Removal, Fault> {
        if self.size()?.is_none() {
            return Ok(Removal::Absent);
        }
        if !turn.take() {
            return Err(self.fault(Errno::TIMEDOUT));
        }
        match unlinkat(self.parent(), &self.target.name, AtFlags::empty()) {
            // It existed a moment ago; an NFS server that gets a repeated request answers this.
            Ok(()) | Err(Errno::NOENT) => Ok(Removal::Removed),
            Err(errno) => Err(self.fault(errno)),
        }
    }

    fn parent(&self) -> BorrowedFd<'_> {
        self.folder.as_ref().unwrap_or(&self.datadir).as_fd()
    }

    fn require_regular(&self, mode: u32) -> Result<(), Fault> {
        let kind = FileType::from_raw_mode(mode);
        if kind == FileType::RegularFile {
            return Ok(());
        }
        let path = self.target.path();
        Err(Fault::Location(format!("{} is not a regular file ({kind:?})", path.display())))
    }

    fn prove_listable(&self) -> Result<(), Fault> {
        list(self.datadir.as_fd())
            .map_err(|errno| Fault::DataDir(self.target.datadir.to_path_buf(), errno))
    }

    fn fault(&self, errno: Errno) -> Fault {
        Fault::Entry(self.target.path(), errno)
    }
}

/// Whether the data directory can be opened and listed.
pub(super) fn probe(datadir: &Path) -> Result<(), Fault> {
    let opened = open_datadir(datadir)?;
    list(opened.as_fd()).map_err(|errno| Fault::DataDir(datadir.to_path_buf(), errno))
}

fn open_datadir(path: &Path) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).map_err(|errno| Fault::DataDir(path.to_path_buf(), errno))
}

/// Reads one entry: a directory that was removed or is on a dead share may be open yet unreadable.
/// Even an empty one has `.`.
fn list(datadir: BorrowedFd<'_>) -> Result<(), Errno> {
    Dir::read_from(datadir)?.read().ok_or(Errno::NOENT)?.map(|_| ())
}

fn open_beneath(datadir: BorrowedFd<'_>, folder: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(datadir, folder, FOLDER, Mode::empty(), resolve) {
        // Kernels before 5.6 and gVisor have no openat2; older seccomp profiles answer EPERM.
        Err(Errno::NOSYS | Errno::PERM) => walk_beneath(datadir, folder),
        result => result,
    }
}

/// `open_beneath` one component at a time; the folder has no `..` in it.
fn walk_beneath(datadir: BorrowedFd<'_>, folder: &Path) -> Result<OwnedFd, Errno> {
    let mut opened: Option<OwnedFd> = None;
    for component in folder {
        let parent = opened.as_ref().map_or(datadir, AsFd::as_fd);
        opened = Some(openat(parent, component, FOLDER, Mode::empty())?);
    }
    opened.ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_into_a_folder_refuse_symbolic_links() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("a/link")).unwrap();
        std::fs::create_dir(outside.path().join("b")).unwrap();
        std::fs::write(root.path().join("a/file"), "").unwrap();
        let datadir = open_datadir(root.path()).unwrap();
        for enter in [open_beneath, walk_beneath] {
            let enter = |folder: &str| enter(datadir.as_fd(), Path::new(folder)).map(|_| ());
            assert_eq!(enter("a/b"), Ok(()));
            assert_eq!(enter("a/missing"), Err(Errno::NOENT));
            assert_eq!(enter("a/file"), Err(Errno::NOTDIR));
            for linked in ["a/link", "a/link/b"] {
                let refusal = enter(linked).unwrap_err();
                assert!(matches!(refusal, Errno::LOOP | Errno::NOTDIR), "{linked}: {refusal}");
            }
        }
    }

    #[test]
    fn a_data_directory_removed_while_open_proves_no_absence() {
        let root = tempfile::tempdir().unwrap();
        let datadir = root.path().join("images");
        std::fs::create_dir(&datadir).unwrap();
        let target =
            Target { datadir: datadir.as_path().into(), folder: "".into(), name: "x".to_owned() };
        let confined = Confined::open(&target).unwrap();
        assert_eq!(confined.size(), Ok(None));
        std::fs::remove_dir(&datadir).unwrap();
        assert!(matches!(confined.size(), Err(Fault::DataDir(..))));
    }

    #[test]
    fn a_removal_that_timed_out_leaves_the_file() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x");
        std::fs::write(&file, "data").unwrap();
        let target =
            Target { datadir: root.path().into(), folder: "".into(), name: "x".to_owned() };
        let confined = Confined::open(&target).unwrap();
        let turn = Turn::default();
        assert!(turn.take());
        assert!(confined.remove(&turn).is_err());
        assert!(file.exists());
        assert_eq!(confined.remove(&Turn::default()), Ok(Removal::Removed));
    }
}
