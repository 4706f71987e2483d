//! `my.cnf`, as `PyMySQL` reads it: Python's configparser, one section, no includes.

use std::collections::BTreeMap;

/// The options of one section; names in lower case with `-`. Holds passwords: no `Debug`.
#[derive(Default)]
pub(super) struct OptionFile {
    options: BTreeMap<String, String>,
}

impl OptionFile {
    /// Parses one section; a name without a value has an empty one.
    pub(super) fn parse(text: &str, section: &str) -> Self {
        let mut options = BTreeMap::new();
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                inside = name == section;
            } else if inside && !line.is_empty() && !line.starts_with(['#', ';', '!']) {
                let (name, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
                let name = name.trim().to_lowercase().replace('_', "-");
                options.insert(name, unquote(value.trim()).to_owned());
            }
        }
        Self { options }
    }

    /// The option's value, if not empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.options.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Whether a switch is on: `name` or `name=1`.
    pub(super) fn is_on(&self, name: &str) -> bool {
        let off = ["0", "false", "off", "no"];
        self.options.get(name).is_some_and(|value| !off.contains(&value.to_lowercase().as_str()))
    }
}

fn unquote(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_section_is_read_and_the_rest_is_not() {
        let text =
            "[client]\nssl_ca = '/ca.pem'\nssl\n# user = no\n!include /x\n[mysqld]\nport=1\n";
        let file = OptionFile::parse(text, "client");
        assert_eq!(file.get("ssl-ca").as_deref(), Some("/ca.pem"));
        assert!(file.is_on("ssl"));
        assert_eq!(file.get("user"), None);
        assert_eq!(file.get("port"), None);
    }
}
