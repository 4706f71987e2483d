//! `scrub_time`: how long a deleted image waits. Unless it is set, nothing is destroyed.

use std::collections::BTreeSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::oslo::{DEFAULT_GROUP, Settings, types};
use crate::files::{FileProblem, read_options};

/// The configuration file of upstream's scrubber; a `scrub_time` there counts too.
const SCRUBBER_FILE: &str = "glance-scrubber.conf";
/// The default folder of Glance's files.
const GLANCE_FOLDER: &str = "etc/glance";
/// Edit distance up to which a name counts as a misspelled `scrub_time`.
const TYPO: usize = 2;

/// What the configuration says about `scrub_time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrubTime {
    /// Deleted images are kept this long.
    Set(Duration),
    /// Not set. Glance's default is 0, which would destroy everything at once.
    Unset,
    /// A configuration file of upstream's scrubber cannot be read: it may set a longer time.
    Unknown,
    /// It is below `[revert] min_scrub_time`.
    TooShort {
        /// What is set.
        set: Duration,
        /// The least that is accepted.
        least: Duration,
    },
}

impl ScrubTime {
    /// The time in force; `None` means that nothing may be scrubbed.
    pub fn in_force(self) -> Option<Duration> {
        match self {
            Self::Set(time) => Some(time),
            Self::Unset | Self::Unknown | Self::TooShort { .. } => None,
        }
    }

    fn of(set: Option<Duration>, least: Duration) -> Self {
        match set {
            None => Self::Unset,
            Some(set) if set < least => Self::TooShort { set, least },
            Some(set) => Self::Set(set),
        }
    }
}

impl fmt::Display for ScrubTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(time) => {
                write!(f, "deleted images can be reverted for {} seconds", time.as_secs())
            }
            Self::Unset => f.write_str(
                "[DEFAULT] scrub_time is not set, so nothing is scrubbed: set it to the time in \
                 which you notice mistakes, for example scrub_time = 604800 (a week)",
            ),
            Self::Unknown => f.write_str(
                "a glance-scrubber.conf cannot be read and may set a longer scrub_time, so \
                 nothing is scrubbed: correct it, let this service read it, or remove it",
            ),
            Self::TooShort { set, least } => write!(
                f,
                "[DEFAULT] scrub_time = {} is less than [revert] min_scrub_time = {}, so nothing \
                 is scrubbed: raise scrub_time, or lower min_scrub_time too if this is intended",
                set.as_secs(),
                least.as_secs_f64()
            ),
        }
    }
}

/// A configuration file of upstream's scrubber, and its `scrub_time`.
#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    said: Result<Duration, String>,
}

/// Reads every `glance-scrubber.conf` next to the files and folders that are read, and in Glance's
/// default folder, unless it is itself among those files.
pub(super) fn beside(files: &[PathBuf], folders: &[PathBuf], root: &Path) -> Vec<Beside> {
    let parents = files.iter().chain(folders).filter_map(|path| path.parent().map(Path::to_owned));
    let places: BTreeSet<PathBuf> =
        parents.chain(folders.iter().cloned()).chain([root.join(GLANCE_FOLDER)]).collect();
    let paths = places.into_iter().map(|folder| folder.join(SCRUBBER_FILE));
    paths
        .filter(|path| !files.contains(path))
        .filter_map(|path| Some(Beside { said: said_by(&path)?, path }))
        .collect()
}

fn said_by(path: &Path) -> Option<Result<Duration, String>> {
    let text = match read_options(path) {
        Ok(text) => text,
        Err(FileProblem::Unreadable(error)) => {
            let is_there = !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            return is_there.then(|| Err(error.to_string()));
        }
        Err(problem) => return Some(Err(problem.to_string())),
    };
    let mut settings = Settings::default();
    if let Err(errors) = settings.add_file(path, &text) {
        let first = errors.first().map(|error| format!("line {}: {}", error.line, error.defect));
        return Some(Err(first.unwrap_or_default()));
    }
    let value = settings.get(DEFAULT_GROUP, "scrub_time")?.value;
    match value.map_err(|error| error.to_string()).and_then(|text| parse(&text)) {
        Ok(said) => said.map(Ok),
        Err(problem) => Some(Err(format!("scrub_time: {problem}"))),
    }
}

/// Whole seconds; an empty text means unset.
fn parse(text: &str) -> Result<Option<Duration>, String> {
    if types::strip(text).is_empty() {
        return Ok(None);
    }
    types::whole_seconds(text).map(Some)
}

/// The greater of what Glance's files and the scrubber's files say, and warnings for the operator.
pub(super) fn decide(
    own: Option<Duration>,
    beside: &[Beside],
    least: Duration,
) -> (ScrubTime, Vec<String>) {
    let (mut greatest, mut is_known, mut warnings) = (own, true, Vec::new());
    for Beside { path, said } in beside {
        let file = path.display();
        match said {
            Ok(said) if Some(*said) == own => {}
            Ok(said) => {
                greatest = greatest.max(Some(*said));
                let ours = own.map_or("none".to_owned(), |own| own.as_secs().to_string());
                warnings.push(format!(
                    "{file} has scrub_time = {}, the files of this service have {ours}: the \
                     greater one applies. Set it in one file only",
                    said.as_secs()
                ));
            }
            Err(problem) => {
                is_known = false;
                warnings.push(format!("{file} cannot be read: {problem}"));
            }
        }
    }
    let time = if is_known { ScrubTime::of(greatest, least) } else { ScrubTime::Unknown };
    (time, warnings)
}

/// An option that is probably a misspelled `scrub_time`.
pub(super) fn misspelled(settings: &Settings) -> Option<String> {
    let near =
        |name: &str| name != "scrub_time" && strsim::osa_distance(name, "scrub_time") <= TYPO;
    let (name, origin) = settings.options(DEFAULT_GROUP).find(|(name, _)| near(name))?;
    Some(format!("[DEFAULT] {name} ({origin}) is not an option; did you mean scrub_time?"))
}
