//! Keeps all output of the product during tests where `tests/run` searches it for secrets
//! (`tests/harness/secrets.py`). Without `tests/run` nothing is kept.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{LazyLock, Mutex};

use axum::http::HeaderMap;
use uuid::Uuid;

use crate::support::env;

/// The path of a new file there.
pub(crate) fn path(of: &str) -> Option<PathBuf> {
    env::output().map(|folder| folder.join(format!("{of}-{}", Uuid::new_v4().simple())))
}

/// A new file for the output of a process, or of this one.
pub(crate) fn file(of: &str) -> Option<File> {
    path(of).map(|path| File::create(path).unwrap())
}

/// Keeps output of a process that no test reads.
pub(crate) fn sink(of: &str) -> Stdio {
    file(of).map_or_else(Stdio::null, Stdio::from)
}

/// Keeps a response, with all others.
pub(crate) fn answer(head: &HeaderMap, body: &[u8]) {
    static ANSWERS: LazyLock<Option<Mutex<File>>> =
        LazyLock::new(|| file("answers").map(Mutex::new));
    if let Some(file) = ANSWERS.as_ref() {
        let text = format!("{head:?} {}\n", String::from_utf8_lossy(body));
        file.lock().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

/// Keeps the output of a process.
pub(crate) fn keep(of: &str, said: &[&[u8]]) {
    if let Some(path) = path(of) {
        fs::write(path, said.concat()).unwrap();
    }
}
