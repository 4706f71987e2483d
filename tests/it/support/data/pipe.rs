//! A named pipe in place of a file.

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Creates a pipe without a writer: whoever opens it as a file waits forever.
pub(crate) fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}
