//! What an option is: its name, what may be written, its default, its help. Each is declared once,
//! beside what reads its section; reader, checks, errors, sample file and documentation take it
//! from there.

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

/// One option, without the type that it is read as.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// As in the files.
    pub name: &'static str,
    /// What may be written.
    pub kind: Kind,
    /// Whether its section is of no use without it.
    pub required: bool,
    /// The value where nothing sets it, as it would be written; `None` for unset.
    pub default: Option<&'static str>,
    /// What the sample shows where there is no default.
    pub example: &'static str,
    /// One sentence or two.
    pub help: &'static str,
    /// Whether the value, and all of its pieces, must never be printed.
    pub secret: bool,
    /// Names of earlier versions, which upstream reads still, as they stand in files.
    pub deprecated: &'static [&'static str],
}

/// What may be written for an option. As text it is for people, in documentation and in errors.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text of this form.
    Text(&'static str),
    /// A path from the root of the file system.
    Path,
    /// A word for true or false.
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

/// The whole numbers that an option may be.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The least of them.
    pub least: i64,
    /// The greatest of them.
    pub most: i64,
    /// What they count, where it must be said.
    pub unit: &'static str,
}

/// Which seconds an option may be.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// None, or more.
    Any,
    /// More than none.
    Positive,
    /// So many at most.
    AtMost(i64),
}

impl OptionSpec {
    /// What may be written, in full.
    pub fn value(&self) -> String {
        format!("{}{}", self.kind, if self.required { ", required" } else { "" })
    }
}

impl Kind {
    fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::WholeSeconds | Self::Seconds(_))
    }

    /// Holds a number against its range.
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

/// The group in which Glance is told of its Keystone.
pub const KEYSTONE_AUTHTOKEN_GROUP: &str = "keystone_authtoken";

/// What stands before an issuer's name in its group.
pub const REVERT_JWT_PREFIX: &str = "revert_jwt:";

/// Finds an option of a section by its name, or by one that it had.
pub fn find(section: &[&'static [OptionSpec]], name: &str) -> Option<&'static OptionSpec> {
    let is_it = |option: &&OptionSpec| option.name == name || option.deprecated.contains(&name);
    section.iter().copied().flatten().find(is_it)
}

/// The option of a section whose name is most like a given one.
pub fn nearest(section: &[&'static [OptionSpec]], name: &str) -> Option<&'static str> {
    let likeness = |option: &&OptionSpec| strsim::jaro_winkler(option.name, name);
    let options = section.iter().copied().flatten();
    options.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).map(|option| option.name)
}
