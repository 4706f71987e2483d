//! Sections of ours that carry a name: `[revert_jwt:<name>]`, `[revert_retention:<name>]`.

use super::environment::Environment;
use super::oslo::Settings;
use super::reader::Section;

/// The names of the files' sections, then those set only in the environment.
pub(super) fn names(settings: &Settings, prefix: &str) -> Vec<String> {
    let of_section = |(group, _)| str::strip_prefix(group, prefix);
    let mut names: Vec<String> =
        settings.groups().filter_map(of_section).map(str::to_owned).collect();
    let in_environment = prefix.to_uppercase().replace(':', "_");
    for (_, group, _) in settings.environment().options() {
        let name = group.strip_prefix(in_environment.as_str()).filter(|name| !name.is_empty());
        let Some(name) = name else { continue };
        if !names.iter().any(|known| spelled(prefix, known) == spelled(prefix, name)) {
            names.push(name.to_lowercase());
        }
    }
    names
}

/// The name as it is written in the environment.
pub(super) fn spelled(prefix: &str, name: &str) -> String {
    Environment::variable(&format!("{prefix}{name}"), "")
}

/// Refuses a name that the environment could not spell.
pub(super) fn check_name(section: &mut Section<'_, '_>, name: &str, what: &str) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(allowed) {
        section.problem_of_all(format!("name the {what} with letters, digits, `-`, `_` and `.`"));
    }
}
