//! Parses the lines of an oslo.config file, by its own rules: a comment starts in the first column,
//! there are no comments after a value, a line that starts with a blank continues the value above
//! it, one pair of equal quotes around a value is removed.

use super::types::{is_blank, strip};

/// An item of a file, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// `[name]`.
    Section {
        /// As written, without the brackets.
        name: String,
        /// From 1.
        line: usize,
    },
    /// `name = value` in the section above.
    Assignment {
        /// As written; case matters.
        name: String,
        /// Continuation lines joined by a line feed.
        value: String,
        /// Where it starts, from 1.
        line: usize,
    },
}

/// A line that oslo.config refuses. The line itself is not kept: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub defect: Defect,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Some editors write it; oslo.config reads it as text.
    #[error("the file starts with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
    /// Neither `=` nor `:`.
    #[error("neither `=` nor `:` in the line; write `name = value`, or a # in the first column")]
    NoDelimiter,
    /// Nothing before the delimiter.
    #[error("no name before the `=` or `:`")]
    EmptyName,
    /// Indented, after a blank line, a comment or a section.
    #[error("the line starts with a blank but there is no value above it to continue")]
    UnexpectedContinuation,
    /// `[name` without its end.
    #[error("the section's name must end with `]`, and nothing may follow it")]
    UnclosedSection,
    /// `[]`.
    #[error("the section has no name")]
    EmptySection,
    /// An option above the first section.
    #[error("an option before any section; write `[DEFAULT]` above it")]
    NoSection,
}

/// Reads a whole file.
///
/// # Errors
/// Every line that is refused, in order.
pub fn parse(text: &str) -> Result<Vec<Item>, Vec<ParseError>> {
    if text.starts_with('\u{feff}') {
        return Err(vec![ParseError { line: 1, defect: Defect::ByteOrderMark }]);
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut parser = Parser::default();
    for (index, line) in text.split('\n').enumerate() {
        parser.line(index + 1, line.trim_end_matches(is_blank));
    }
    if parser.errors.is_empty() { Ok(parser.items) } else { Err(parser.errors) }
}

#[derive(Default)]
struct Parser {
    items: Vec<Item>,
    errors: Vec<ParseError>,
    in_section: bool,
    open: Open,
}

/// What an indented line continues.
#[derive(Default, PartialEq)]
enum Open {
    #[default]
    Nothing,
    Value,
    /// A refused line: its continuation is not a second mistake.
    Refused,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() {
            self.open = Open::Nothing;
        } else if line.starts_with([' ', '\t']) {
            self.continuation(number, line.trim_start_matches(is_blank));
        } else if line.starts_with('[') {
            self.section(number, line);
        } else if line.starts_with(['#', ';']) {
            self.open = Open::Nothing;
        } else {
            self.assignment(number, line);
        }
    }

    fn continuation(&mut self, number: usize, text: &str) {
        match (&self.open, self.items.last_mut()) {
            (Open::Value, Some(Item::Assignment { value, .. })) => {
                value.push('\n');
                value.push_str(text);
            }
            (Open::Refused, _) => {}
            _ => self.refuse(number, Defect::UnexpectedContinuation),
        }
    }

    fn section(&mut self, number: usize, line: &str) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            None => self.refuse(number, Defect::UnclosedSection),
            Some("") => self.refuse(number, Defect::EmptySection),
            Some(name) => {
                self.items.push(Item::Section { name: name.to_owned(), line: number });
                self.in_section = true;
                self.open = Open::Nothing;
            }
        }
    }

    fn assignment(&mut self, number: usize, line: &str) {
        let Some((name, value)) = line.split_once(['=', ':']) else {
            return self.refuse(number, Defect::NoDelimiter);
        };
        let name = strip(name);
        if name.is_empty() {
            return self.refuse(number, Defect::EmptyName);
        }
        if !self.in_section {
            return self.refuse(number, Defect::NoSection);
        }
        self.items.push(Item::Assignment {
            name: name.to_owned(),
            value: unquote(strip(value)).to_owned(),
            line: number,
        });
        self.open = Open::Value;
    }

    fn refuse(&mut self, line: usize, defect: Defect) {
        self.errors.push(ParseError { line, defect });
        self.open = Open::Refused;
    }
}

/// Removes one pair of equal quotes. A lone quote is an empty value, as in oslo.config.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return if rest.is_empty() { "" } else { rest.strip_suffix(quote).unwrap_or(value) };
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let items = parse(text).unwrap();
        let assignment = |item| match item {
            Item::Assignment { name, value, .. } => Some((name, value)),
            Item::Section { .. } => None,
        };
        items.into_iter().filter_map(assignment).collect()
    }

    fn value(line: &str) -> String {
        values(&format!("[DEFAULT]\n{line}")).remove(0).1
    }

    fn defect(text: &str) -> (usize, Defect) {
        let error = parse(text).unwrap_err().remove(0);
        (error.line, error.defect)
    }

    #[test]
    fn a_hash_after_a_value_belongs_to_the_value() {
        assert_eq!(value("connection = mysql://u:p#w@h/d # main"), "mysql://u:p#w@h/d # main");
    }

    #[test]
    fn the_first_of_equals_and_colon_ends_the_name() {
        assert_eq!(value("stores: a=b"), "a=b");
        assert_eq!(value("stores = a:b"), "a:b");
    }

    #[test]
    fn one_pair_of_equal_quotes_is_removed() {
        assert_eq!(value("a = \"rbd\""), "rbd");
        assert_eq!(value("a = ''rbd''"), "'rbd'");
        assert_eq!(value("a = \"rbd'"), "\"rbd'");
        assert_eq!(value("a = \""), "");
    }

    #[test]
    fn indented_lines_continue_a_value_comments_included() {
        assert_eq!(value("a = one,\n  two\n\t# three"), "one,\ntwo\n# three");
    }

    #[test]
    fn repeated_names_are_all_kept() {
        let repeated = values("[DEFAULT]\na = 1\na = 2\n");
        assert_eq!(
            repeated.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
            ["1", "2"]
        );
    }

    #[test]
    fn every_defect_names_its_line() {
        assert_eq!(defect("[DEFAULT]\nword"), (2, Defect::NoDelimiter));
        assert_eq!(defect("[DEFAULT]\n= v"), (2, Defect::EmptyName));
        assert_eq!(defect("[DEFAULT]\na = 1\n\n  b"), (4, Defect::UnexpectedContinuation));
        assert_eq!(defect("[DEFAULT]\n# c\n  b"), (3, Defect::UnexpectedContinuation));
        assert_eq!(defect("[DEFAULT] # main"), (1, Defect::UnclosedSection));
        assert_eq!(defect("[]"), (1, Defect::EmptySection));
        assert_eq!(defect("a = 1"), (1, Defect::NoSection));
        assert_eq!(defect("\u{feff}[DEFAULT]"), (1, Defect::ByteOrderMark));
    }

    #[test]
    fn one_mistake_does_not_hide_the_next() {
        let errors = parse("[DEFAULT]\nword\n  more\n= v\n").unwrap_err();
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 4]);
    }
}
