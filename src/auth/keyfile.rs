//! A key file that is read again when it changes.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::algorithm::Algorithm;
use super::file::{self, FileProblem, Version};
use super::keys::{KeyProblem, KeySet, jwks, pem};
use crate::config::JwtKeyFile;
use crate::domain::time::Timestamp;

/// How often at most the file is looked at.
const INTERVAL: TimeDelta = TimeDelta::seconds(1);

/// The keys of one section, as fresh as its file.
///
/// A new file that cannot be taken leaves the keys of the old one in force, with one warning for
/// each such version; a key that is not in the new file is gone at once.
#[derive(Debug, Clone)]
pub(super) struct KeyFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    section: String,
    source: JwtKeyFile,
    allowed: Vec<Algorithm>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Arc<KeySet>,
    /// The version that `keys` are from, or the one that was refused; `None` if it was unreadable.
    seen: Option<Version>,
    checked: Timestamp,
    /// Whether a thread is looking at the file now.
    busy: bool,
}

/// What a look at the file led to.
#[derive(Debug)]
enum Look {
    Unchanged,
    Taken(KeySet),
    Refused(KeyProblem),
}

impl KeyFile {
    /// Reads the file for the first time; keys that could verify nothing are an error.
    pub(super) fn load(
        section: &str,
        source: &JwtKeyFile,
        allowed: &[Algorithm],
        now: Timestamp,
    ) -> Result<Self, KeyProblem> {
        let version = Version::of(path(source))?;
        let keys = read(source, allowed)?;
        if keys.is_empty() {
            return Err(KeyProblem::NoneUsable);
        }
        let state = State { keys: Arc::new(keys), seen: Some(version), checked: now, busy: false };
        Ok(Self(Arc::new(Inner {
            section: section.to_owned(),
            source: source.clone(),
            allowed: allowed.to_vec(),
            state: Mutex::new(state),
        })))
    }

    /// The keys. Looks at the file first if nobody did within the last second, on a thread where
    /// a slow disk holds up nobody else.
    pub(super) async fn current(&self, now: Timestamp) -> Arc<KeySet> {
        if self.0.start_look(now) {
            let inner = Arc::clone(&self.0);
            let section = &self.0.section;
            if let Err(error) = tokio::task::spawn_blocking(move || inner.finish_look()).await {
                tracing::error!(section, %error, "the look at the key file did not end");
            }
        }
        Arc::clone(&self.0.state().keys)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is this caller's turn to look. A clock that was set back counts as time passed.
    fn start_look(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let turn = !state.busy && (now - state.checked).abs() >= INTERVAL;
        if turn {
            state.checked = now;
            state.busy = true;
        }
        turn
    }

    fn finish_look(&self) {
        let seen = self.state().seen.clone();
        let (version, look) = self.look(seen.as_ref());
        let section = &self.section;
        let file = path(&self.source).display();
        let mut state = self.state();
        state.busy = false;
        match look {
            Look::Unchanged => return,
            Look::Taken(keys) => {
                if keys.is_empty() {
                    tracing::warn!(section, %file, "the new key file has no usable key");
                }
                state.keys = Arc::new(keys);
            }
            Look::Refused(problem) => {
                if version.is_some() || seen.is_some() {
                    tracing::warn!(section, %file, %problem, "the old keys stay in force");
                }
            }
        }
        state.seen = version;
    }

    /// The version is taken before the content: a write in between shows at the next look.
    fn look(&self, seen: Option<&Version>) -> (Option<Version>, Look) {
        let version = match Version::of(path(&self.source)) {
            Ok(version) => version,
            Err(problem) => return (None, Look::Refused(problem.into())),
        };
        if seen == Some(&version) {
            return (Some(version), Look::Unchanged);
        }
        match read(&self.source, &self.allowed) {
            Ok(keys) => (Some(version), Look::Taken(keys)),
            Err(problem @ KeyProblem::File(FileProblem::Unreadable(_))) => {
                (None, Look::Refused(problem))
            }
            Err(problem) => (Some(version), Look::Refused(problem)),
        }
    }
}

/// The file of either kind of source.
pub(super) fn path(source: &JwtKeyFile) -> &Path {
    match source {
        JwtKeyFile::Jwks(path) | JwtKeyFile::PublicKey(path) => path,
    }
}

fn read(source: &JwtKeyFile, allowed: &[Algorithm]) -> Result<KeySet, KeyProblem> {
    let text = file::read(path(source))?;
    match source {
        JwtKeyFile::Jwks(_) => jwks::parse(&text, allowed),
        JwtKeyFile::PublicKey(_) => pem::parse(&text, allowed),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn inner(path: &Path) -> Inner {
        let state =
            State { keys: Arc::default(), seen: None, checked: Timestamp::default(), busy: false };
        Inner {
            section: "main".to_owned(),
            source: JwtKeyFile::Jwks(path.to_owned()),
            allowed: vec![Algorithm::Es256],
            state: Mutex::new(state),
        }
    }

    #[test]
    fn a_refused_version_is_looked_into_once() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("jwks.json");
        fs::write(&path, "{}").unwrap();
        let inner = inner(&path);
        let (first, look) = inner.look(None);
        assert!(matches!(look, Look::Refused(KeyProblem::NotJwks(_))), "{look:?}");
        let (second, look) = inner.look(first.as_ref());
        assert!(matches!(look, Look::Unchanged), "{look:?}");
        assert_eq!(first, second);
        fs::write(&path, "{\"keys\": []}").unwrap();
        let (_, look) = inner.look(second.as_ref());
        assert!(matches!(look, Look::Taken(_)), "{look:?}");
    }

    #[test]
    fn one_caller_looks_at_a_time_and_once_a_second() {
        let inner = inner(Path::new("/missing"));
        let second = |number| Timestamp::default() + TimeDelta::seconds(number);
        assert!(!inner.start_look(second(0)), "just read");
        assert!(inner.start_look(second(1)));
        assert!(!inner.start_look(second(5)), "the first look has not ended");
        inner.finish_look();
        assert!(inner.start_look(second(6)));
    }
}
