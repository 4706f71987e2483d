//! A key file that is reloaded when it changes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use super::algorithm::Algorithm;
use super::keys::{KeyProblem, KeySet, jwks, pem};
use crate::config::JwtKeyFile;
use crate::domain::time::Timestamp;
use crate::files::{Look, Reloaded, Source};

/// The shortest time between two checks of the file.
const INTERVAL: TimeDelta = TimeDelta::seconds(1);

/// The keys of one section, reloaded when the file changes.
///
/// A new file that cannot be used leaves the old keys in force, with one warning per file version;
/// a key that is not in a good new file is gone at once.
#[derive(Debug, Clone)]
pub(super) struct KeyFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: String,
    source: JwtKeyFile,
    keys: Reloaded<Arc<KeySet>, KeyProblem>,
    /// When the file was last checked.
    checked: Mutex<Timestamp>,
}

impl KeyFile {
    /// Reads the file for the first time; a file without a usable key is an error.
    pub(super) fn load(
        section: &str,
        source: &JwtKeyFile,
        allowed: &[Algorithm],
        now: Timestamp,
    ) -> Result<Self, KeyProblem> {
        let (file, allowed, kind) = (option(source), allowed.to_vec(), source.clone());
        let keys = Reloaded::load(vec![Source::of_keys(file, path(source))], move |contents| {
            let text = contents.of(file);
            let keys = match kind {
                JwtKeyFile::Jwks(_) => jwks::parse(text, &allowed),
                JwtKeyFile::PublicKey(_) => pem::parse(text, &allowed),
            };
            keys.map(Arc::new)
        })?;
        if keys.get().is_empty() {
            return Err(KeyProblem::NoneUsable);
        }
        let (section, source, checked) = (section.to_owned(), source.clone(), Mutex::new(now));
        Ok(Self(Arc::new(Inner { section, source, keys, checked })))
    }

    /// The keys. Checks the file first unless that was done within the last second, on a blocking
    /// thread so that a slow disk delays no other request.
    pub(super) async fn current(&self, now: Timestamp) -> Arc<KeySet> {
        if self.0.is_turn(now) {
            let inner = Arc::clone(&self.0);
            let section = &self.0.section;
            if let Err(error) = tokio::task::spawn_blocking(move || inner.look()).await {
                tracing::error!(section, %error, "the look at the key file did not end");
            }
        }
        self.0.keys.get()
    }
}

impl Inner {
    /// Whether this caller should check the file. A clock that was set back counts as time passed.
    fn is_turn(&self, now: Timestamp) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_turn = (now - *checked).abs() >= INTERVAL;
        if is_turn {
            *checked = now;
        }
        is_turn
    }

    fn look(&self) {
        let (section, file) = (&self.section, path(&self.source).display());
        match self.keys.look() {
            Look::Taken if self.keys.get().is_empty() => {
                tracing::warn!(section, %file, "the new key file has no usable key");
            }
            Look::Unchanged | Look::Taken => {}
            Look::Refused(problem) => {
                tracing::warn!(section, %file, %problem, "the old keys stay in use");
            }
        }
    }
}

/// The path of the key file.
pub(super) fn path(source: &JwtKeyFile) -> &Path {
    match source {
        JwtKeyFile::Jwks(path) | JwtKeyFile::PublicKey(path) => path,
    }
}

/// The option that names the file.
pub(super) fn option(source: &JwtKeyFile) -> &'static str {
    match source {
        JwtKeyFile::Jwks(_) => "jwks_file",
        JwtKeyFile::PublicKey(_) => "public_key_file",
    }
}
