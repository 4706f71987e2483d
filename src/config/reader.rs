//! Typed reads that never stop at a problem: each is noted, and a stand-in is handed back, so that
//! one run shows them all.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::options::{self, Kind, Opt, OptionSpec};
use super::oslo::{Found, Origin, Settings, types};
use super::problem::Problem;

/// Reads options and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, problems: Vec::new() }
    }

    pub(super) fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// The options of a table in one section, or in the first of several that sets them.
    pub(super) fn section(
        &mut self,
        groups: &[&str],
        table: &'static [OptionSpec],
    ) -> Section<'_, 'a> {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        Section { reader: self, groups, table }
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reads a part that can be left alone where it cannot be used. What is wrong with it is the
    /// part's own and stops nothing else.
    pub(super) fn part<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> Result<T, Vec<Problem>> {
        let before = self.problems.len();
        let part = read(self);
        let own = self.problems.split_off(before);
        if own.is_empty() { Ok(part) } else { Err(own) }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// An option, or its name in the section's table.
pub(super) trait Named {
    fn name(&self) -> &str;
    fn deprecated(&self, table: &'static [OptionSpec]) -> &'static [&'static str];
}

impl Named for str {
    fn name(&self) -> &str {
        self
    }

    fn deprecated(&self, table: &'static [OptionSpec]) -> &'static [&'static str] {
        options::find(&[table], self).map_or(&[], |spec| spec.deprecated)
    }
}

impl Named for OptionSpec {
    fn name(&self) -> &str {
        self.name
    }

    fn deprecated(&self, _: &'static [OptionSpec]) -> &'static [&'static str] {
        self.deprecated
    }
}

impl<T> Named for Opt<T> {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn deprecated(&self, _: &'static [OptionSpec]) -> &'static [&'static str] {
        self.spec.deprecated
    }
}

/// One section, seen through its table.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    groups: Vec<String>,
    table: &'static [OptionSpec],
}

impl Section<'_, '_> {
    /// Notes a problem of the whole section.
    pub(super) fn problem_of_all(&mut self, message: impl Into<String>) {
        let group = self.groups.first().cloned().unwrap_or_default();
        let origin = self.place(&group);
        self.note(group, "", origin, message.into());
    }

    /// Notes a problem of an option, with the place where the option is set, else its section's.
    pub(super) fn problem(&mut self, option: &(impl Named + ?Sized), message: impl Into<String>) {
        let set =
            self.groups.iter().find_map(|group| Some((group, self.find(group, option)?.origin)));
        let (group, origin) = if let Some((group, origin)) = set {
            (group.clone(), Some(origin))
        } else {
            let group = self.groups.first().cloned().unwrap_or_default();
            let origin = self.place(&group);
            (group, origin)
        };
        self.note(group, option.name(), origin, message.into());
    }

    /// Where a section begins.
    fn place(&self, group: &str) -> Option<Origin> {
        let section = self.reader.settings.groups().find(|(name, _)| *name == group);
        section.map(|(_, origin)| origin.clone())
    }

    /// Whether anything sets the option to something.
    pub(super) fn says(&self, option: &OptionSpec) -> bool {
        let found = self.groups.iter().find_map(|group| self.find(group, option));
        found.and_then(|found| found.value.ok()).is_some_and(|text| !text.is_empty())
    }

    /// Whether anything sets the option.
    pub(super) fn is_set(&self, option: &(impl Named + ?Sized)) -> bool {
        self.groups.iter().any(|group| self.find(group, option).is_some())
    }

    /// Where the option is set.
    pub(super) fn origin(&self, option: &(impl Named + ?Sized)) -> Option<Origin> {
        self.groups.iter().find_map(|group| Some(self.find(group, option)?.origin))
    }

    /// What sets the option in one section, by the names that it has had.
    fn find(&self, group: &str, option: &(impl Named + ?Sized)) -> Option<Found> {
        let deprecated = option.deprecated(self.table);
        self.reader.settings.get_renamed(group, option.name(), deprecated)
    }

    pub(super) fn has_problem(&self, option: &(impl Named + ?Sized)) -> bool {
        let noted = |problem: &Problem| {
            problem.option == option.name() && self.groups.contains(&problem.group)
        };
        self.reader.problems.iter().any(noted)
    }

    /// An option's value: what is written, else its default. What is refused is noted.
    pub(super) fn get<T>(&mut self, option: &Opt<T>) -> T {
        let groups = self.groups.clone();
        let find = |group: String| Some((self.find(&group, option)?, group));
        let Some((found, group)) = groups.into_iter().find_map(find) else {
            return self.unset(option);
        };
        let (text, origin) = self.filled(&group, &option.spec, found);
        let Some(text) = text else { return option.default() };
        let relative = matches!(option.spec.kind, Kind::Path) && !text.starts_with('/');
        let (value, fault) = match option.parse(&text) {
            // It is kept, so that nothing is said to be missing.
            Ok(path) if relative && !text.is_empty() => {
                (path, Some("must be an absolute path".to_owned()))
            }
            Ok(value) => (value, None),
            Err(fault) => (option.default(), Some(fault)),
        };
        if let Some(fault) = fault {
            self.note(group, option.spec.name, Some(origin), fault);
        }
        value
    }

    /// The value of an option that must be set, since another one is as it is.
    pub(super) fn required<T>(&mut self, option: &Opt<Option<T>>) -> Option<T> {
        let value = self.get(option);
        if value.is_none() && !self.has_problem(option) {
            self.problem(option, "must be set");
        }
        value
    }

    /// Without a default, an option that must be set refuses an empty text.
    fn unset<T>(&mut self, option: &Opt<T>) -> T {
        if option.spec.default.is_none()
            && option.spec.required
            && let Err(fault) = option.parse("")
        {
            self.problem(option, fault);
        }
        option.default()
    }

    /// The text as it is, or the default; `None` where there is neither.
    pub(super) fn text(&mut self, option: &str) -> Option<String> {
        self.read(option, |text| Ok(text.to_owned()))
    }

    /// Text that must be there.
    pub(super) fn required_text(&mut self, option: &str) -> String {
        let text = self.text(option).unwrap_or_default();
        if text.is_empty() && !self.has_problem(option) {
            self.problem(option, "must be set");
        }
        text
    }

    /// A path from the root of the file system; empty is unset.
    pub(super) fn path(&mut self, option: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(option).filter(|text| !text.is_empty())?);
        if !path.is_absolute() {
            self.problem(option, "must be an absolute path");
        }
        Some(path)
    }

    pub(super) fn boolean(&mut self, option: &str) -> bool {
        self.read(option, types::boolean).unwrap_or_default()
    }

    /// A whole number within a range; empty is unset.
    pub(super) fn integer<T: TryFrom<i64> + Default>(
        &mut self,
        option: &str,
        range: RangeInclusive<i64>,
    ) -> T {
        let within = |text: &str| {
            let number = types::integer(text)?;
            let fits = range.contains(&number).then(|| T::try_from(number).ok()).flatten();
            fits.ok_or_else(|| format!("{number} is out of range: {}", describe(&range)))
        };
        self.read_unless_empty(option, within).unwrap_or_default()
    }

    /// All values of an option that may be repeated, of the first section that has any. What is
    /// refused is noted and left out.
    pub(super) fn repeated<T>(&mut self, option: &Opt<T>) -> Vec<T> {
        let settings = self.reader.settings;
        let all = self.groups.iter().find_map(|group| {
            let all = settings.get_all(group, option.spec.name);
            (!all.is_empty()).then(|| (group.clone(), all))
        });
        let (group, all) = all.unwrap_or_default();
        let mut values = Vec::new();
        for found in all {
            let (Some(text), origin) = self.filled(&group, &option.spec, found) else { continue };
            match option.parse(&text) {
                Ok(value) => values.push(value),
                Err(fault) => self.note(group.clone(), option.spec.name, Some(origin), fault),
            }
        }
        values
    }

    /// Reads any type. What is refused counts as not set.
    pub(super) fn read<T>(
        &mut self,
        option: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if let Some((group, (text, origin))) = self.raw(option)
            && let Some(text) = text
        {
            match parse(&text) {
                Ok(value) => return Some(value),
                Err(message) => self.note(group, option, Some(origin), message),
            }
        }
        parse(options::find(&[self.table], option)?.default?).ok()
    }

    fn read_unless_empty<T>(
        &mut self,
        option: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let default = options::find(&[self.table], option)?.default?;
        let or_default =
            |text: &str| parse(if types::strip(text).is_empty() { default } else { text });
        self.read(option, or_default)
    }

    fn raw(&mut self, option: &str) -> Option<(String, (Option<String>, Origin))> {
        let groups = self.groups.clone();
        let find = |group: String| Some((self.find(&group, option)?, group));
        let (found, group) = groups.into_iter().find_map(find)?;
        let spec = options::find(&[self.table], option)?;
        let filled = self.filled(&group, spec, found);
        Some((group, filled))
    }

    /// The text of a value, `None` (and a problem) where it refers to what is not there.
    fn filled(
        &mut self,
        group: &str,
        option: &OptionSpec,
        found: Found,
    ) -> (Option<String>, Origin) {
        match found.value {
            Ok(text) => (Some(text), found.origin),
            Err(error) => {
                let message = if option.secret {
                    "a `$` is followed by what is no option; write `$$` for a dollar".to_owned()
                } else {
                    error.to_string()
                };
                self.note(group.to_owned(), option.name, Some(found.origin.clone()), message);
                (None, found.origin)
            }
        }
    }

    fn note(&mut self, group: String, option: &str, origin: Option<Origin>, message: String) {
        let option = option.to_owned();
        self.reader.problem(Problem { origin, group, option, message });
    }
}

fn describe(range: &RangeInclusive<i64>) -> String {
    let (least, most) = (range.start(), range.end());
    if *most == i64::MAX { format!("{least} or more") } else { format!("{least} to {most}") }
}
