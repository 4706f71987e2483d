//! A value made from files, remade when one of them changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError, RwLock, TryLockError};

use super::{FileError, FileVersion, Source};

/// A value made from files, as of the last check.
///
/// Files that cannot be used are an error the first time. Later the last good value stays in force,
/// and each bad version is reported once.
pub struct Reloaded<T, E> {
    sources: Vec<Source>,
    make: Make<T, E>,
    value: RwLock<T>,
    seen: Mutex<Seen>,
}

type Make<T, E> = Box<dyn Fn(&Contents) -> Result<T, E> + Send + Sync>;

/// The files' contents, by option.
#[derive(Default)]
pub struct Contents(BTreeMap<&'static str, Vec<u8>>);

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<E> {
    /// The files did not change, or another caller is checking them now.
    Unchanged,
    /// They changed, and the new value is in force.
    Taken,
    /// They changed or became unreadable; the old value stays in force.
    Refused(E),
}

/// What the last check found.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// These versions were processed, successfully or not.
    Judged(Vec<FileVersion>),
    /// The files could not be read, for this reason.
    Unreadable(String),
}

impl<T: Clone, E: From<FileError>> Reloaded<T, E> {
    /// Reads the files for the first time.
    pub fn load(
        sources: Vec<Source>,
        make: impl Fn(&Contents) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let versions = versions(&sources)?;
        let value = make(&Contents::read(&sources)?)?;
        let (value, seen) = (RwLock::new(value), Mutex::new(Seen::Judged(versions)));
        Ok(Self { sources, make: Box::new(make), value, seen })
    }

    /// The value in force.
    pub fn get(&self) -> T {
        self.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks the files, and takes a new value if it is good. Blocks on the disk; only one caller
    /// checks at a time, and the others return at once.
    pub fn look(&self) -> Look<E> {
        let mut seen = match self.seen.try_lock() {
            Ok(seen) => seen,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Look::Unchanged,
        };
        match self.read_if_new(&seen) {
            Ok(None) => Look::Unchanged,
            Ok(Some((versions, contents))) => {
                *seen = Seen::Judged(versions);
                match (self.make)(&contents) {
                    Ok(value) => {
                        *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
                        Look::Taken
                    }
                    Err(error) => Look::Refused(error),
                }
            }
            Err(error) => {
                let now = Seen::Unreadable(error.to_string());
                if *seen == now {
                    return Look::Unchanged;
                }
                *seen = now;
                Look::Refused(error.into())
            }
        }
    }

    /// Reads versions before contents: a write in between is found by the next check.
    fn read_if_new(&self, seen: &Seen) -> Result<Option<(Vec<FileVersion>, Contents)>, FileError> {
        let versions = versions(&self.sources)?;
        if matches!(seen, Seen::Judged(judged) if *judged == versions) {
            return Ok(None);
        }
        Ok(Some((versions, Contents::read(&self.sources)?)))
    }
}

fn versions(sources: &[Source]) -> Result<Vec<FileVersion>, FileError> {
    sources.iter().map(Source::version).collect()
}

impl Contents {
    /// Reads all of them.
    pub fn read(sources: &[Source]) -> Result<Self, FileError> {
        sources
            .iter()
            .map(|source| Ok((source.option, source.read()?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The content of the option's file; empty if the option is not set.
    pub fn of(&self, option: &str) -> &[u8] {
        self.0.get(option).map(Vec::as_slice).unwrap_or_default()
    }
}

impl<T, E> fmt::Debug for Reloaded<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloaded").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// Not derived: contents may be keys.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, Instant};

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tempfile::TempDir;

    use super::*;

    /// Reloads a number from a file.
    fn number(path: &Path) -> Result<Reloaded<u64, String>, String> {
        Reloaded::load(vec![Source::of_keys("number_file", path)], |contents| {
            let text = String::from_utf8_lossy(contents.of("number_file")).into_owned();
            text.trim().parse().map_err(|_| format!("{text:?} is no number"))
        })
    }

    impl From<FileError> for String {
        fn from(error: FileError) -> Self {
            error.to_string()
        }
    }

    /// What is put in the place of a file: how the error describes it, and how to create it.
    type Kind = (&'static str, fn(&Path));

    /// Replaces a file by something else.
    fn replace(path: &Path, make: impl FnOnce(&Path)) {
        let beside = path.with_extension("new");
        make(&beside);
        let _ = fs::remove_dir(path).or_else(|_| fs::remove_file(path));
        fs::rename(beside, path).unwrap();
    }

    fn refused(look: Look<String>) -> String {
        let Look::Refused(error) = look else { panic!("{look:?}") };
        error
    }

    #[test]
    fn an_unusable_file_is_an_error_at_first_and_keeps_the_old_value_later() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("number");
        let kinds: [Kind; 5] = [
            ("is not a regular file", |path| {
                mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
            }),
            ("is not a regular file", |path| fs::create_dir(path).unwrap()),
            ("is larger than 256 KiB", |path| {
                File::create(path).unwrap().set_len(1 << 40).unwrap();
            }),
            ("cannot be read: No such file", |path| {
                std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap();
            }),
            ("\"x\" is no number", |path| fs::write(path, "x").unwrap()),
        ];
        for (told, make) in kinds {
            fs::write(&path, "7").unwrap();
            let reloaded = number(&path).unwrap();
            replace(&path, make);
            let first = number(&path).unwrap_err();
            assert!(first.contains(told), "{first}");
            assert_eq!(refused(reloaded.look()), first);
            assert_eq!(reloaded.look(), Look::Unchanged, "{told}: it was told of already");
            assert_eq!(reloaded.get(), 7, "{told}");
            replace(&path, |path| fs::write(path, "8").unwrap());
            assert_eq!((reloaded.look(), reloaded.get()), (Look::Taken, 8), "{told}");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_value_is_rebuilt_when_its_file_is_written_renamed_or_relinked() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, text) in [("one", "1"), ("two", "2"), ("three", "3")] {
            fs::write(at(name), text).unwrap();
        }
        let link = |to: &str| {
            let _ = fs::remove_file(at("link"));
            std::os::unix::fs::symlink(at(to), at("link")).unwrap();
        };
        link("one");
        let reloaded = number(&at("link")).unwrap();
        assert_eq!((reloaded.look(), reloaded.get()), (Look::Unchanged, 1));
        link("two");
        assert_eq!((reloaded.look(), reloaded.get()), (Look::Taken, 2));
        fs::rename(at("three"), at("two")).unwrap();
        assert_eq!((reloaded.look(), reloaded.get()), (Look::Taken, 3));
        let before = fs::metadata(at("two")).unwrap().modified().unwrap();
        let begun = Instant::now();
        // Repeat until the file system's clock has advanced.
        while reloaded.look() == Look::Unchanged {
            assert!(begun.elapsed() < Duration::from_secs(10), "a content's time was believed");
            fs::write(at("two"), "4").unwrap();
            File::options().write(true).open(at("two")).unwrap().set_modified(before).unwrap();
        }
        assert_eq!(reloaded.get(), 4);
        assert_eq!(reloaded.look(), Look::Unchanged);
    }

    #[test]
    fn one_caller_checks_at_a_time_and_nobody_waits_for_it() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let reloaded = number(&path).unwrap();
        replace(&path, |path| fs::write(path, "2").unwrap());
        let looking = reloaded.seen.lock().unwrap();
        assert_eq!((reloaded.look(), reloaded.get()), (Look::Unchanged, 1));
        drop(looking);
        assert_eq!((reloaded.look(), reloaded.get()), (Look::Taken, 2));
    }
}
