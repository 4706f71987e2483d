//! What defines an option: name, allowed values, default, help. Each is declared once, beside the
//! code that reads its section; reader, checks, errors, sample file and documentation derive from
//! it.

mod references;
mod typed;

use std::fmt;
use std::time::Duration;

use super::oslo::types;
pub use references::REFERENCES;
pub(super) use typed::{
    Choice, Opt, boolean, choice, clamped, integer, list, nonempty, nonempty_words,
    optional_integer, optional_text, optional_whole_seconds, parsed, path, path_or, required_text,
    seconds, seconds_up_to, secret_text, some_seconds, some_text, text_or, whole_seconds, words,
};

/// One option, without the type it is parsed into.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// As written in files.
    pub name: &'static str,
    /// Allowed values.
    pub kind: Kind,
    /// Whether its section is useless without it.
    pub required: bool,
    /// The default, as it would be written; `None` for unset.
    pub default: Option<&'static str>,
    /// What the sample shows if there is no default.
    pub example: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// Whether no part of the value may ever be printed.
    pub secret: bool,
    /// Former names that upstream still reads, as written in files.
    pub deprecated: &'static [&'static str],
}

/// The allowed values of an option. Displayed in documentation and errors.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text of this form.
    Text(&'static str),
    /// An absolute path.
    Path,
    /// A boolean.
    Boolean,
    /// A whole number.
    Integer(Range),
    /// A whole number of seconds.
    WholeSeconds,
    /// Seconds, whole or with a fraction.
    Seconds(Bound),
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
}

/// The integers an option accepts.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The smallest.
    pub least: i64,
    /// The largest.
    pub most: i64,
    /// Their unit; empty for plain counts.
    pub unit: &'static str,
}

/// The seconds an option accepts.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// Zero or more.
    Any,
    /// More than zero.
    Positive,
    /// At most this many.
    AtMost(i64),
}

impl OptionSpec {
    /// The allowed values, and whether the option is required.
    pub fn value(&self) -> String {
        format!("{}{}", self.kind, if self.required { ", required" } else { "" })
    }
}

impl Kind {
    fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::WholeSeconds | Self::Seconds(_))
    }

    /// Checks a number against its range.
    fn check(&self, text: &str) -> Result<(), String> {
        match self {
            Self::Integer(range) => {
                let number = types::integer(text)?;
                let fits = (range.least..=range.most).contains(&number);
                fits.then_some(()).ok_or_else(|| format!("{number} is out of range: {range}"))
            }
            Self::Seconds(bound) => {
                let fits = bound.admits(types::seconds(text)?);
                fits.then_some(()).ok_or_else(|| format!("must be {bound} seconds"))
            }
            Self::Text(_) | Self::Path | Self::Boolean | Self::WholeSeconds | Self::Choice(_) => {
                Ok(())
            }
        }
    }
}

impl Bound {
    fn admits(self, seconds: Duration) -> bool {
        match self {
            Self::Any => true,
            Self::Positive => !seconds.is_zero(),
            Self::AtMost(most) => seconds <= Duration::from_secs(most.unsigned_abs()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(form) => f.write_str(form),
            Self::Path => f.write_str("absolute path"),
            Self::Boolean => f.write_str("boolean"),
            Self::Integer(Range { least: i64::MIN, most: i64::MAX, unit: "" }) => {
                f.write_str("integer")
            }
            Self::Integer(range) => write!(f, "integer, {range}"),
            Self::WholeSeconds => f.write_str("integer, seconds"),
            Self::Seconds(Bound::Any) => f.write_str("seconds"),
            Self::Seconds(bound) => write!(f, "seconds, {bound}"),
            Self::Choice(words) => match words().as_slice() {
                [others @ .., last] if !others.is_empty() => {
                    write!(f, "{} or {last}", others.join(", "))
                }
                words => f.write_str(&words.concat()),
            },
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (i64::MIN, i64::MAX) => return f.write_str(self.unit),
            (least, i64::MAX) => write!(f, "{least} or more")?,
            (least, most) => write!(f, "{least} to {most}")?,
        }
        if self.unit.is_empty() { Ok(()) } else { write!(f, " {}", self.unit) }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("0 or more"),
            Self::Positive => f.write_str("more than 0"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

/// The group of our own options.
pub const REVERT_GROUP: &str = "revert";

/// The group with Glance's Keystone options.
pub const KEYSTONE_AUTHTOKEN_GROUP: &str = "keystone_authtoken";

/// Prefix of an issuer's group.
pub const REVERT_JWT_PREFIX: &str = "revert_jwt:";

/// Prefix of a retention rule's group.
pub const REVERT_RETENTION_PREFIX: &str = "revert_retention:";

/// Finds an option of a section by its name or a former one.
pub fn find(section: &[&'static [OptionSpec]], name: &str) -> Option<&'static OptionSpec> {
    let is_it = |option: &&OptionSpec| option.name == name || option.deprecated.contains(&name);
    section.iter().copied().flatten().find(is_it)
}

/// The option of a section whose name is most similar to a given one.
pub fn nearest(section: &[&'static [OptionSpec]], name: &str) -> Option<&'static str> {
    let likeness = |option: &&OptionSpec| strsim::jaro_winkler(option.name, name);
    let options = section.iter().copied().flatten();
    options.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).map(|option| option.name)
}
