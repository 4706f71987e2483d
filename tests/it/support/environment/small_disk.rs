//! A disk that a test can fill, in its own mount namespace: it disappears with the process that
//! holds it, however that process ends. Only root can create one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::daemon::until;
use crate::support::process::Process;

/// Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    // Before the folder: fields are dropped in this order.
    holder: Process,
    folder: TempDir,
}

impl SmallDisk {
    pub(crate) async fn new(megabytes: usize) -> Self {
        let folder = TempDir::new().unwrap();
        // servers that do not run as root must be able to traverse it
        let opened = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(folder.path(), opened).unwrap();
        let place = folder.path().to_owned();
        fs::create_dir(place.join("disk")).unwrap();
        let holder = Process::start("unshare", move |command| {
            let script = "mount -t tmpfs -o size=\"$1m\",mode=0777 tmpfs \"$0/disk\" && touch \"$0/disk/made\" \
                          && exec sleep infinity";
            command.args(["--mount", "sh", "-c", script]).arg(place).arg(megabytes.to_string());
        })
        .unwrap();
        let disk = Self { holder, folder };
        until("the disk", async || disk.seen_from_outside().join("made").exists().then_some(()))
            .await;
        disk
    }

    /// Its path for programs that [`Self::enter`] starts.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// The command prefix that starts a program with access to it.
    pub(crate) fn enter(&self) -> Vec<String> {
        ["nsenter", "--mount", "--target", &self.holder.id().to_string()].map(str::to_owned).into()
    }

    /// Its path from outside of the namespace.
    pub(crate) fn seen_from_outside(&self) -> PathBuf {
        let path = self.path();
        let path = path.strip_prefix("/").unwrap();
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(path)
    }

    fn ballast(&self) -> PathBuf {
        self.seen_from_outside().join("ballast")
    }

    /// Fills the disk completely.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [1 << 20, 4096, 1] {
            while ballast.write_all(&vec![1; size]).is_ok() {}
        }
    }

    pub(crate) fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}
