//! Errors of file operations and their meaning for the data: the errno table.

use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use crate::domain::store::{Deletion, StoreError};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The location must not be touched; nothing was changed.
    Location(String),
    /// The data directory cannot be opened or listed.
    DataDir(PathBuf, Errno),
    /// The folder, or the file in it; a missing file is not a fault.
    Entry(PathBuf, Errno),
    /// The deadline passed.
    Late(Duration),
    /// The thread that did the work ended without an answer.
    Lost,
}

/// The meaning of an errno for the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Forbidden,
    InUse,
    BadPath,
    Unknown,
}

fn meaning(errno: Errno) -> Meaning {
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Meaning::Forbidden,
        Errno::BUSY | Errno::TXTBSY => Meaning::InUse,
        Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ISDIR => Meaning::BadPath,
        _ => Meaning::Unknown,
    }
}

impl Fault {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Location(_) => Meaning::BadPath,
            Self::Entry(_, errno) => meaning(*errno),
            // If the data directory is not a directory, nothing is known about the location.
            Self::DataDir(_, errno) => match meaning(*errno) {
                Meaning::Forbidden => Meaning::Forbidden,
                Meaning::InUse | Meaning::BadPath | Meaning::Unknown => Meaning::Unknown,
            },
            Self::Late(_) | Self::Lost => Meaning::Unknown,
        }
    }

    /// The result of a removal that was started.
    pub(super) fn of_deletion(self) -> Deletion {
        let message = self.message();
        match self.meaning() {
            Meaning::Forbidden | Meaning::BadPath => Deletion::Refused(message),
            Meaning::InUse => Deletion::Held(message),
            Meaning::Unknown => Deletion::Uncertain(message),
        }
    }

    /// The result of a removal that was not started.
    pub(super) fn before_deletion(self) -> Deletion {
        Deletion::Refused(format!("nothing was deleted: {}", self.message()))
    }

    fn message(&self) -> String {
        match self {
            Self::Location(reason) => reason.clone(),
            Self::DataDir(path, errno) => {
                let hint = hint(*errno, "check that it is mounted");
                format!("the data directory {}: {errno}{hint}", path.display())
            }
            Self::Entry(path, errno) => {
                let hint = hint(*errno, "its folder is missing");
                format!("{}: {errno}{hint}", path.display())
            }
            Self::Late(limit) => format!(
                "no answer from the file system within {} s; check the network share",
                limit.as_secs_f32()
            ),
            Self::Lost => "the call ended without an answer".to_owned(),
        }
    }
}

fn hint(errno: Errno, missing: &str) -> String {
    match errno {
        Errno::NOENT => format!("; {missing}"),
        Errno::ACCESS | Errno::PERM => {
            "; run as the user that owns the data directory, and look for immutable files"
                .to_owned()
        }
        Errno::ROFS => "; the file system is mounted read-only".to_owned(),
        _ => String::new(),
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let message = fault.message();
        match fault.meaning() {
            Meaning::Forbidden => Self::Refused(message),
            Meaning::BadPath => Self::BadLocation(message),
            Meaning::InUse | Meaning::Unknown => Self::Unreachable(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletion(errno: Errno) -> Deletion {
        Fault::Entry(PathBuf::from("/d/x"), errno).of_deletion()
    }

    #[test]
    fn each_errno_says_what_happened_to_the_data() {
        for errno in [
            Errno::ACCESS,
            Errno::PERM,
            Errno::ROFS,
            Errno::NOTDIR,
            Errno::LOOP,
            Errno::NAMETOOLONG,
            Errno::ISDIR,
        ] {
            assert!(matches!(deletion(errno), Deletion::Refused(_)), "{errno}");
        }
        for errno in [Errno::BUSY, Errno::TXTBSY] {
            assert!(matches!(deletion(errno), Deletion::Held(_)), "{errno}");
        }
        for errno in [Errno::IO, Errno::STALE, Errno::TIMEDOUT, Errno::NOSPC] {
            assert!(matches!(deletion(errno), Deletion::Uncertain(_)), "{errno}");
            let before = Fault::Entry(PathBuf::from("/d/x"), errno).before_deletion();
            assert!(matches!(before, Deletion::Refused(_)), "{errno}");
        }
    }

    #[test]
    fn a_missing_data_directory_proves_nothing() {
        let fault = || Fault::DataDir(PathBuf::from("/d"), Errno::NOENT);
        let Deletion::Refused(message) = fault().before_deletion() else { panic!("not refused") };
        assert!(message.contains("check that it is mounted"));
        assert!(matches!(StoreError::from(fault()), StoreError::Unreachable(_)));
        let not_a_folder = Fault::DataDir(PathBuf::from("/d"), Errno::NOTDIR);
        assert!(matches!(StoreError::from(not_a_folder), StoreError::Unreachable(_)));
    }
}
