//! Parses `swift_store_config_file` by the rules of Python's `configparser`, which `glance_store`
//! uses, not oslo.config's: names are lower case, comments may be indented, `[DEFAULT]` is
//! inherited, duplicates are errors, `%(name)s` is substituted and `%%` is a percent sign.

use std::collections::BTreeMap;

/// How deep values may refer to other values, as in Python.
const DEEPEST: usize = 10;

/// One section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    /// By lower-case name, including values inherited from `[DEFAULT]`.
    pub(super) values: BTreeMap<String, String>,
}

/// What Python refuses. No message holds a value, which may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("line {0}: an option before any section; write [ref1] above it")]
    NoSection(usize),
    #[error("line {0}: neither `=` nor `:` in the line")]
    NoDelimiter(usize),
    #[error("line {0}: a second section of this name")]
    SectionTwice(usize),
    #[error("line {0}: a second option of this name in its section")]
    OptionTwice(usize),
    #[error("[{0}] {1}: after a `%` must follow `%` or `(name)s`; write `%%` for a percent sign")]
    Percent(String, String),
    #[error("[{0}] {1}: its `%(name)s` names no option, or leads back to itself")]
    Unknown(String, String),
    #[error("[{0}] {1}: a quote that is not closed")]
    Quote(String, String),
}

type Values = BTreeMap<String, String>;

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Result<Vec<Reference>, FileError> {
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        parser.line(index + 1, line)?;
    }
    parser.end_value();
    let Parser { defaults, sections, .. } = parser;
    let resolve = |(name, own): (String, Values)| {
        let mut raw = defaults.clone();
        raw.extend(own);
        let values: Result<_, _> = raw
            .iter()
            .map(|(option, value)| {
                let section = Section { name: &name, option, raw: &raw };
                Ok((option.clone(), section.unquoted(section.filled(value, DEEPEST)?)?))
            })
            .collect();
        Ok(Reference { values: values?, name })
    };
    sections.into_iter().map(resolve).collect()
}

#[derive(Default)]
struct Parser {
    defaults: Values,
    sections: Vec<(String, Values)>,
    /// The section being read: `None` before the first.
    current: Option<Current>,
    /// The option whose value may continue, and the indentation of its line.
    open: Option<(String, usize)>,
}

#[derive(Clone, Copy)]
enum Current {
    Defaults,
    Section(usize),
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), FileError> {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.len() - line.trim_start().len();
        if let Some((option, level)) = self.open.clone()
            && (text.is_empty() || indent > level)
        {
            let value = self.values().and_then(|values| values.get_mut(&option));
            if let Some(value) = value {
                value.push('\n');
                value.push_str(text);
            }
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        self.end_value();
        let header = text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']'));
        match header.filter(|(name, _)| !name.is_empty()) {
            Some((name, _)) => self.section(number, name),
            None => self.option(number, indent, text),
        }
    }

    fn section(&mut self, number: usize, name: &str) -> Result<(), FileError> {
        if name == "DEFAULT" {
            self.current = Some(Current::Defaults);
            return Ok(());
        }
        if self.sections.iter().any(|(known, _)| known == name) {
            return Err(FileError::SectionTwice(number));
        }
        self.current = Some(Current::Section(self.sections.len()));
        self.sections.push((name.to_owned(), Values::new()));
        Ok(())
    }

    fn option(&mut self, number: usize, indent: usize, text: &str) -> Result<(), FileError> {
        let values = self.values().ok_or(FileError::NoSection(number))?;
        let (name, value) = text.split_once(['=', ':']).ok_or(FileError::NoDelimiter(number))?;
        let name = name.trim_end().to_lowercase();
        if name.is_empty() {
            return Err(FileError::NoDelimiter(number));
        }
        if values.insert(name.clone(), value.trim().to_owned()).is_some() {
            return Err(FileError::OptionTwice(number));
        }
        self.open = Some((name, indent));
        Ok(())
    }

    /// Trailing blank lines are not part of a value.
    fn end_value(&mut self) {
        if let Some((option, _)) = self.open.take()
            && let Some(value) = self.values().and_then(|values| values.get_mut(&option))
        {
            value.truncate(value.trim_end().len());
        }
    }

    fn values(&mut self) -> Option<&mut Values> {
        match self.current? {
            Current::Defaults => Some(&mut self.defaults),
            Current::Section(at) => self.sections.get_mut(at).map(|(_, values)| values),
        }
    }
}

/// One option of one section, being substituted.
struct Section<'a> {
    name: &'a str,
    option: &'a str,
    raw: &'a Values,
}

impl Section<'_> {
    fn filled(&self, value: &str, depth: usize) -> Result<String, FileError> {
        let place = || (self.name.to_owned(), self.option.to_owned());
        let percent = || {
            let (section, option) = place();
            FileError::Percent(section, option)
        };
        let unknown = || {
            let (section, option) = place();
            FileError::Unknown(section, option)
        };
        let mut filled = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            filled.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                filled.push('%');
                rest = after;
                continue;
            }
            let name = after.strip_prefix('(').and_then(|after| after.split_once(")s"));
            let (name, after) = name.ok_or_else(percent)?;
            let depth = depth.checked_sub(1).ok_or_else(unknown)?;
            let value = self.raw.get(&name.to_lowercase()).ok_or_else(unknown)?;
            filled.push_str(&self.filled(value, depth)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn unquoted(&self, value: String) -> Result<String, FileError> {
        let Some(quote) = value.chars().next().filter(|first| "\"'".contains(*first)) else {
            return Ok(value);
        };
        let inner = value[1..].strip_suffix(quote).map(str::to_owned);
        inner.ok_or_else(|| FileError::Quote(self.name.to_owned(), self.option.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of `key` in `[ref1]`.
    fn key(text: &str) -> String {
        let mut sections = parse(&format!("[ref1]\n{text}\n")).unwrap();
        sections.remove(0).values.remove("key").unwrap()
    }

    fn error(text: &str) -> FileError {
        parse(text).unwrap_err()
    }

    #[test]
    fn values_are_read_as_python_reads_them() {
        for (text, value) in [
            ("key = a # b", "a # b"),
            ("KEY: a=b:c", "a=b:c"),
            ("key = \"a b\"", "a b"),
            ("key = ' a '", " a "),
            ("key = 50%%", "50%"),
            ("key = %(user)s!\nuser = a", "a!"),
            ("key = a\n  b\n\n  c\n\n", "a\nb\n\nc"),
            ("key = a\n  # not a part\n; nor this", "a"),
            ("key =", ""),
        ] {
            assert_eq!(key(text), value, "{text}");
        }
    }

    #[test]
    fn default_is_inherited_and_is_no_reference() {
        let read = parse("[DEFAULT]\nuser = a\nkey = x\n[one]\nkey = y\n[two]\n").unwrap();
        let seen: Vec<_> = read
            .iter()
            .map(|section| {
                let of = |name: &str| section.values[name].as_str();
                (section.name.as_str(), of("user"), of("key"))
            })
            .collect();
        assert_eq!(seen, [("one", "a", "y"), ("two", "a", "x")]);
    }

    #[test]
    fn files_that_python_refuses_are_refused() {
        assert_eq!(error("key = a"), FileError::NoSection(1));
        assert_eq!(error("[a]\nword"), FileError::NoDelimiter(2));
        assert_eq!(error("[a]\n= b"), FileError::NoDelimiter(2));
        assert_eq!(error("[a]\n[b]\n[a]"), FileError::SectionTwice(3));
        assert_eq!(error("[a]\nk = 1\nK = 2"), FileError::OptionTwice(3));
        let (a, k) = (|| "a".to_owned(), || "k".to_owned());
        assert_eq!(error("[a]\nk = p%w"), FileError::Percent(a(), k()));
        assert_eq!(error("[a]\nk = %(user)s"), FileError::Unknown(a(), k()));
        assert_eq!(error("[a]\nk = %(k)s"), FileError::Unknown(a(), k()));
        assert_eq!(error("[a]\nk = 'open"), FileError::Quote(a(), k()));
        assert_eq!(error("[a]\nk = '"), FileError::Quote(a(), k()));
    }
}
