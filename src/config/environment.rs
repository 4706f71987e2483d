//! Options from the environment, named as oslo.config names them: `OS_<GROUP>__<OPTION>`.

use std::collections::BTreeMap;
use std::fmt;

/// The variables that can be options, passed as a value: nothing below reads the process's.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_text: Vec<String>,
}

impl Environment {
    /// Collects the process's variables that have the form of an option.
    pub fn from_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.insert(name, value),
                Err(_) if split(&name).is_some() => environment.not_text.push(name),
                Err(_) => {}
            }
        }
        environment
    }

    /// The variable for an option. Characters that a shell does not allow in names become `_` in
    /// our own groups that carry a name (`revert_jwt:my-idp` is `OS_REVERT_JWT_MY_IDP__..`);
    /// Glance's groups stay as oslo.config writes them.
    pub fn variable(group: &str, option: &str) -> String {
        let mut group = group.to_uppercase();
        if group.contains(':') {
            group = group.replace(|c: char| !c.is_alphanumeric(), "_");
        }
        format!("OS_{group}__{}", option.to_uppercase())
    }

    /// An option's value.
    pub fn get(&self, group: &str, option: &str) -> Option<(String, &str)> {
        let name = Self::variable(group, option);
        self.variables.get(&name).map(|value| (name, value.as_str()))
    }

    /// Every variable with the form of an option: its name, and group and option in upper case.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.variables
            .keys()
            .filter_map(|name| split(name).map(|(group, option)| (name.as_str(), group, option)))
    }

    /// Variables with an option's form whose value is not UTF-8.
    pub fn not_text(&self) -> &[String] {
        &self.not_text
    }

    fn insert(&mut self, name: String, value: String) {
        if split(&name).is_some() {
            self.variables.insert(name, value);
        }
    }
}

/// Splits group from option; a group's name may contain `__`, an option's never does.
fn split(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("OS_")?.rsplit_once("__")
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            environment.insert(name.into(), value.into());
        }
        environment
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).entries(&self.not_text).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_by_group_and_name() {
        let environment = Environment::from_iter([("OS_DATABASE__CONNECTION", "sqlite:////g.db")]);
        let (name, value) = environment.get("database", "connection").unwrap();
        assert_eq!((name.as_str(), value), ("OS_DATABASE__CONNECTION", "sqlite:////g.db"));
    }

    #[test]
    fn only_groups_with_a_colon_are_spelled_for_a_shell() {
        assert_eq!(
            Environment::variable("revert_jwt:my-idp", "issuer"),
            "OS_REVERT_JWT_MY_IDP__ISSUER"
        );
        assert_eq!(Environment::variable("my-store", "weight"), "OS_MY-STORE__WEIGHT");
    }

    #[test]
    fn variables_of_other_forms_are_not_kept_and_values_are_not_printed() {
        let environment =
            Environment::from_iter([("OS_PASSWORD", "hidden"), ("OS_DATABASE__CONNECTION", "x")]);
        assert_eq!(format!("{environment:?}"), r#"{"OS_DATABASE__CONNECTION"}"#);
    }
}
