//! Typed reads that do not stop at a problem: each is noted and a placeholder returned, so that one
//! run reports them all.

use super::options::{Kind, Opt, OptionSpec};
use super::oslo::{Found, Origin, Settings};
use super::problem::Problem;

/// Reads options and collects their problems.
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

    /// One section, or several of which the first that sets an option wins.
    pub(super) fn section(&mut self, groups: &[&str]) -> Section<'_, 'a> {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        Section { reader: self, groups }
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Reads an optional part. Its problems are returned, and affect nothing else.
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

/// One section.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    groups: Vec<String>,
}

impl Section<'_, '_> {
    /// Notes a problem with the whole section.
    pub(super) fn problem_of_all(&mut self, message: impl Into<String>) {
        let group = self.groups.first().cloned().unwrap_or_default();
        let origin = self.place(&group);
        self.note(group, "", origin, message.into());
    }

    /// Notes a problem with an option, at the place where it or else its section is written.
    pub(super) fn problem(&mut self, option: &OptionSpec, message: impl Into<String>) {
        let set =
            self.groups.iter().find_map(|group| Some((group, self.find(group, option)?.origin)));
        let (group, origin) = if let Some((group, origin)) = set {
            (group.clone(), Some(origin))
        } else {
            let group = self.groups.first().cloned().unwrap_or_default();
            let origin = self.place(&group);
            (group, origin)
        };
        self.note(group, option.name, origin, message.into());
    }

    /// Where a section begins.
    fn place(&self, group: &str) -> Option<Origin> {
        let section = self.reader.settings.groups().find(|(name, _)| *name == group);
        section.map(|(_, origin)| origin.clone())
    }

    /// Whether the option is set to a non-empty value.
    pub(super) fn says(&self, option: &OptionSpec) -> bool {
        let found = self.groups.iter().find_map(|group| self.find(group, option));
        found.and_then(|found| found.value.ok()).is_some_and(|text| !text.is_empty())
    }

    /// Whether anything sets the option.
    pub(super) fn is_set(&self, option: &OptionSpec) -> bool {
        self.groups.iter().any(|group| self.find(group, option).is_some())
    }

    /// Where the option is set.
    pub(super) fn origin(&self, option: &OptionSpec) -> Option<Origin> {
        self.groups.iter().find_map(|group| Some(self.find(group, option)?.origin))
    }

    /// The option's value in one section, by its current or a former name.
    fn find(&self, group: &str, option: &OptionSpec) -> Option<Found> {
        self.reader.settings.get_renamed(group, option.name, option.deprecated)
    }

    pub(super) fn has_problem(&self, option: &OptionSpec) -> bool {
        let noted = |problem: &Problem| {
            problem.option == option.name && self.groups.contains(&problem.group)
        };
        self.reader.problems.iter().any(noted)
    }

    /// An option's value, else its default. Refused values are noted.
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
            // Kept, so that nothing is reported as missing.
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

    /// The value of an option that another option makes mandatory.
    pub(super) fn required<T>(&mut self, option: &Opt<Option<T>>) -> Option<T> {
        let value = self.get(option);
        if value.is_none() && !self.has_problem(option) {
            self.problem(option, "must be set");
        }
        value
    }

    /// A required option without a default refuses the empty text.
    fn unset<T>(&mut self, option: &Opt<T>) -> T {
        if option.spec.default.is_none()
            && option.spec.required
            && let Err(fault) = option.parse("")
        {
            self.problem(option, fault);
        }
        option.default()
    }

    /// All values of a repeatable option, from the first section that has any. Refused values are
    /// noted and omitted.
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

    /// The text of a value; `None` (and a problem) if a reference in it cannot be substituted.
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
                    "`$` is not followed by the name of an option; write `$$` for a dollar sign"
                        .to_owned()
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
