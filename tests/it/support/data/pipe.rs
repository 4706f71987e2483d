//! A named pipe, in the place of a file.

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Makes a pipe into which nobody writes: whoever opens it as a file waits for ever.
pub(crate) fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}
