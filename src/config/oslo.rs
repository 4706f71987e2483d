//! Merges several files and the environment as oslo.config does.
//!
//! Knows the rules of parsing, but no option.

pub mod ini;
mod substitute;
pub mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use ini::{Item, ParseError};
pub use substitute::SubstitutionError;

/// The group where a `$name` is looked up last, and the only one whose name is case-sensitive.
pub const DEFAULT_GROUP: &str = "DEFAULT";

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File {
        /// The path as given.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
        }
    }
}

/// A value with references substituted, and where it was written.
#[derive(Clone)]
pub struct Found {
    /// The text, or why a reference cannot be substituted.
    pub value: Result<String, SubstitutionError>,
    /// Where it was written.
    pub origin: Origin,
}

/// Files and environment, merged.
#[derive(Clone, Default)]
pub struct Settings {
    environment: Environment,
    groups: Vec<(String, Origin)>,
    files: usize,
    entries: Vec<Entry>,
    defaults: BTreeMap<(String, String), String>,
}

#[derive(Clone)]
struct Entry {
    /// Index of the file it is from.
    file: usize,
    group: String,
    name: String,
    value: String,
    origin: Origin,
}

impl Settings {
    /// Starts with the environment, which overrides every file.
    pub fn new(environment: Environment) -> Self {
        Self { environment, ..Self::default() }
    }

    /// Adds a file; later files override earlier ones.
    ///
    /// # Errors
    /// Every line that oslo.config refuses; the file is then ignored as a whole.
    pub fn add_file(&mut self, path: &Path, text: &str) -> Result<(), Vec<ParseError>> {
        let mut group = String::new();
        let items = ini::parse(text)?;
        self.files += 1;
        let file = self.files;
        for item in items {
            match item {
                Item::Section { name, line } => {
                    group = normalized(&name);
                    if !self.groups.iter().any(|(known, _)| *known == group) {
                        let origin = Origin::File { path: path.to_owned(), line };
                        self.groups.push((group.clone(), origin));
                    }
                }
                Item::Assignment { name, value, line } => {
                    let origin = Origin::File { path: path.to_owned(), line };
                    self.entries.push(Entry { file, group: group.clone(), name, value, origin });
                }
            }
        }
        Ok(())
    }

    /// Declares an option that a value may refer to although nothing sets it.
    pub fn set_default(&mut self, group: &str, name: &str, value: &str) {
        self.defaults.insert((group.to_owned(), name.to_owned()), value.to_owned());
    }

    /// An option's value: from the environment, else the last one in the last file that has it.
    pub fn get(&self, group: &str, name: &str) -> Option<Found> {
        self.get_renamed(group, name, &[])
    }

    /// The same for an option with former names. The last file that has any of them counts, and in
    /// it the current name first. The environment knows only the current name.
    pub fn get_renamed(&self, group: &str, name: &str, deprecated: &[&str]) -> Option<Found> {
        let (value, origin) = self.raw(group, name, deprecated)?;
        Some(self.found(group, name, value, origin))
    }

    /// All values of a repeatable option, in file order. The environment holds one, which overrides
    /// them all.
    pub fn get_all(&self, group: &str, name: &str) -> Vec<Found> {
        if let Some((variable, value)) = self.environment.get(group, name) {
            return vec![self.found(group, name, value, Origin::Environment(variable))];
        }
        self.entries_of(group, name)
            .map(|entry| self.found(group, name, &entry.value, entry.origin.clone()))
            .collect()
    }

    /// The files' sections, empty ones too, in order; lower case except `DEFAULT`.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.groups.iter().map(|(group, origin)| (group.as_str(), origin))
    }

    /// The options that the files set in a section.
    pub fn options(&self, group: &str) -> impl Iterator<Item = (&str, &Origin)> {
        self.entries
            .iter()
            .filter(move |entry| entry.group == group)
            .map(|entry| (entry.name.as_str(), &entry.origin))
    }

    /// The environment passed to [`Self::new`].
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    fn entries_of(&self, group: &str, name: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.group == group && entry.name == name)
    }

    fn raw(&self, group: &str, name: &str, deprecated: &[&str]) -> Option<(&str, Origin)> {
        if let Some((variable, value)) = self.environment.get(group, name) {
            return Some((value, Origin::Environment(variable)));
        }
        let names = || std::iter::once(&name).chain(deprecated);
        let last = |name: &&str| self.entries_of(group, name).next_back();
        let file = names().filter_map(last).map(|entry| entry.file).max()?;
        let entry = names().filter_map(last).find(|entry| entry.file == file)?;
        Some((&entry.value, entry.origin.clone()))
    }

    fn found(&self, group: &str, name: &str, value: &str, origin: Origin) -> Found {
        let mut trail = vec![(group.to_owned(), name.to_owned())];
        Found { value: self.fill_in(group, value, &mut trail), origin }
    }

    fn fill_in(
        &self,
        group: &str,
        text: &str,
        trail: &mut Trail,
    ) -> Result<String, SubstitutionError> {
        substitute::expand(text, |reference| self.refer(group, reference, trail))
    }

    /// Looks a bare name up in the value's group, then in `DEFAULT`. oslo.config only knows
    /// registered options; here every option that the files set can be referred to.
    fn refer(
        &self,
        group: &str,
        reference: &str,
        trail: &mut Trail,
    ) -> Result<String, SubstitutionError> {
        let places = match reference.split_once('.') {
            Some((DEFAULT_GROUP, _)) => vec![],
            Some(place) => vec![place],
            None => vec![(group, reference), (DEFAULT_GROUP, reference)],
        };
        for (group, name) in places {
            let key = (group.to_owned(), name.to_owned());
            let raw = self.raw(group, name, &[]).map(|(value, _)| value);
            let Some(value) = raw.or_else(|| self.defaults.get(&key).map(String::as_str)) else {
                continue;
            };
            if trail.contains(&key) {
                return Err(SubstitutionError::Circular(reference.to_owned()));
            }
            trail.push(key);
            let filled = self.fill_in(group, value, trail);
            trail.pop();
            return filled;
        }
        Err(SubstitutionError::Unknown(reference.to_owned()))
    }
}

/// The options being substituted, outermost first.
type Trail = Vec<(String, String)>;

fn normalized(group: &str) -> String {
    if group == DEFAULT_GROUP { group.to_owned() } else { group.to_lowercase() }
}

/// Names only: values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("environment", &self.environment)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[&str]) -> Settings {
        let mut settings = Settings::default();
        for (index, text) in files.iter().enumerate() {
            settings.add_file(Path::new(&format!("{index}.conf")), text).unwrap();
        }
        settings
    }

    fn value(settings: &Settings, group: &str, name: &str) -> String {
        settings.get(group, name).unwrap().value.unwrap()
    }

    #[test]
    fn the_last_value_of_the_last_file_wins_and_says_where_it_is() {
        let settings = settings(&["[DEFAULT]\na = 1\n", "[DEFAULT]\na = 2\na = 3\n"]);
        let found = settings.get("DEFAULT", "a").unwrap();
        assert_eq!(found.value.unwrap(), "3");
        assert_eq!(found.origin.to_string(), "1.conf line 3");
    }

    #[test]
    fn the_environment_overrides_the_files() {
        let mut settings = Settings::new(Environment::from_iter([("OS_DEFAULT__A", "env")]));
        settings.add_file(Path::new("x"), "[DEFAULT]\na = file\n").unwrap();
        assert_eq!(value(&settings, "DEFAULT", "a"), "env");
        assert_eq!(settings.get_all("DEFAULT", "a").len(), 1);
    }

    #[test]
    fn repeated_values_keep_the_order_of_the_files() {
        let settings = settings(&["[s]\nd = a\nd = b\n", "[S]\nd = c\n"]);
        let all: Vec<_> =
            settings.get_all("s", "d").into_iter().map(|found| found.value.unwrap()).collect();
        assert_eq!(all, ["a", "b", "c"]);
    }

    #[test]
    fn sections_merge_whatever_their_case_but_default_is_upper_case() {
        let settings = settings(&["[Database]\na = 1\n[database]\nb = 2\n[default]\nc = 3\n"]);
        assert_eq!(value(&settings, "database", "a"), "1");
        assert_eq!(value(&settings, "database", "b"), "2");
        assert!(settings.get("DEFAULT", "c").is_none());
    }

    #[test]
    fn a_reference_is_looked_up_beside_the_value_then_in_default() {
        let mut settings = settings(&[
            "[DEFAULT]\nx = far\ny = far\n[s]\nx = near\na = $x-$y-$t.z\n[t]\nz = $n\n",
        ]);
        settings.set_default("DEFAULT", "n", "none");
        assert_eq!(value(&settings, "s", "a"), "near-far-none");
    }

    #[test]
    fn an_old_name_counts_unless_its_file_has_the_new_one_too() {
        let read = |files: &[&str]| {
            let found = settings(files).get_renamed("s", "new", &["old", "older"]);
            found.map(|found| found.value.unwrap())
        };
        assert_eq!(read(&["[s]\nold = 1\nnew = 2\n"]).as_deref(), Some("2"));
        assert_eq!(read(&["[s]\nnew = 2\n", "[s]\nolder = 3\n"]).as_deref(), Some("3"));
        assert_eq!(read(&["[s]\nother = 2\n"]), None);
    }

    #[test]
    fn unknown_and_circular_references_are_refused() {
        let settings = settings(&["[s]\na = pa$word\nb = $c\nc = $b\n"]);
        let refused = |name| settings.get("s", name).unwrap().value.unwrap_err();
        assert_eq!(refused("a"), SubstitutionError::Unknown("word".to_owned()));
        assert_eq!(refused("b"), SubstitutionError::Circular("b".to_owned()));
    }

    #[test]
    fn printing_shows_no_values() {
        let settings = settings(&["[database]\nconnection = hidden\n"]);
        let found = settings.get("database", "connection").unwrap();
        assert!(!format!("{settings:?} {found:?}").contains("hidden"));
    }
}
