//! Options with the type they are parsed into, and their constructors.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::{Bound, Kind, OptionSpec, Range};
use crate::config::oslo::types;

/// An option and the type it is parsed into.
pub(in crate::config) struct Opt<T> {
    pub(in crate::config) spec: OptionSpec,
    parse: fn(&str) -> Result<T, String>,
    stand_in: fn() -> T,
}

/// An enum with one word per value.
pub(in crate::config) trait Choice: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

/// A type that integers are parsed into.
pub(in crate::config) trait Whole: Sized {
    /// `None` if the type cannot hold the number.
    fn of(number: i64) -> Option<Self>;
    fn stand_in() -> Self;
}

/// For code that does not care about the type.
impl<T> Deref for Opt<T> {
    type Target = OptionSpec;

    fn deref(&self) -> &OptionSpec {
        &self.spec
    }
}

impl<T> Opt<T> {
    const fn new(
        kind: Kind,
        default: Option<&'static str>,
        parse: fn(&str) -> Result<T, String>,
        stand_in: fn() -> T,
    ) -> Self {
        let spec = OptionSpec {
            name: "",
            kind,
            required: false,
            default,
            example: match default {
                Some(default) => default,
                None => "",
            },
            help: "",
            secret: false,
            deprecated: &[],
        };
        Self { spec, parse, stand_in }
    }

    /// Called by `options!`.
    pub(in crate::config) const fn named(mut self, name: &'static str, help: &'static str) -> Self {
        self.spec.name = name;
        self.spec.help = help.trim_ascii();
        self
    }

    /// What the sample shows instead of a default.
    pub(in crate::config) const fn example(mut self, example: &'static str) -> Self {
        self.spec.example = example;
        self
    }

    /// Never print the value.
    pub(in crate::config) const fn secret(mut self) -> Self {
        self.spec.secret = true;
        self
    }

    /// Its section is useless without it; parsing the empty text fails.
    pub(in crate::config) const fn required(mut self) -> Self {
        assert!(self.spec.default.is_none(), "what has a default need not be set");
        self.spec.required = true;
        self
    }

    /// Former names, as written in files.
    pub(in crate::config) const fn was(mut self, names: &'static [&'static str]) -> Self {
        self.spec.deprecated = names;
        self
    }

    /// Parses a text. For numbers, an empty one means the default.
    pub(in crate::config) fn parse(&self, text: &str) -> Result<T, String> {
        if self.spec.kind.is_number() && types::strip(text).is_empty() {
            return Ok(self.default());
        }
        self.spec.kind.check(text).and_then(|()| (self.parse)(text))
    }

    /// The value if nothing sets the option, or if what is set is refused.
    pub(in crate::config) fn default(&self) -> T {
        let default = self.spec.default.and_then(|text| (self.parse)(text).ok());
        default.unwrap_or_else(self.stand_in)
    }
}

/// Text of any form, checked by `parse`.
pub(in crate::config) const fn parsed<T>(
    form: &'static str,
    default: Option<&'static str>,
    parse: fn(&str) -> Result<T, String>,
    stand_in: fn() -> T,
) -> Opt<T> {
    Opt::new(Kind::Text(form), default, parse, stand_in)
}

/// Text; empty means unset.
pub(in crate::config) const fn optional_text(form: &'static str) -> Opt<Option<String>> {
    parsed(form, None, |text| Ok(filled(text)), || None)
}

/// The same with a default.
pub(in crate::config) const fn text_or(
    form: &'static str,
    default: &'static str,
) -> Opt<Option<String>> {
    parsed(form, Some(default), |text| Ok(filled(text)), || None)
}

/// Text that is not empty.
pub(in crate::config) const fn some_text(form: &'static str, default: &'static str) -> Opt<String> {
    assert!(!default.is_empty(), "the default is empty");
    parsed(form, Some(default), nonempty, String::new)
}

/// Text that must be set.
pub(in crate::config) const fn required_text(form: &'static str) -> Opt<String> {
    parsed(form, None, nonempty, String::new).required()
}

/// Text that is never printed; empty means unset.
pub(in crate::config) const fn secret_text() -> Opt<Option<SecretString>> {
    parsed("text", None, |text| Ok(filled(text).map(Into::into)), || None).secret()
}

/// A list; items may be empty.
pub(in crate::config) const fn list(default: &'static str) -> Opt<Vec<String>> {
    parsed("list", Some(default), |text| Ok(types::list(text)), Vec::new)
}

/// A list without empty items.
pub(in crate::config) const fn words(
    form: &'static str,
    default: &'static str,
) -> Opt<Vec<String>> {
    parsed(form, Some(default), nonempty_words, Vec::new)
}

/// An absolute path; empty means unset.
pub(in crate::config) const fn path() -> Opt<Option<PathBuf>> {
    Opt::new(Kind::Path, None, |text| Ok(filled(text).map(Into::into)), || None)
}

/// The same with a default.
pub(in crate::config) const fn path_or(default: &'static str) -> Opt<Option<PathBuf>> {
    Opt::new(Kind::Path, Some(default), |text| Ok(filled(text).map(Into::into)), || None)
}

pub(in crate::config) const fn boolean(default: bool) -> Opt<bool> {
    let default = if default { "true" } else { "false" };
    Opt::new(Kind::Boolean, Some(default), types::boolean, || false)
}

pub(in crate::config) const fn choice<T: Choice + Default>(default: &'static str) -> Opt<T> {
    Opt::new(Kind::Choice(word_list::<T>), Some(default), one_of, T::default)
}

/// A whole number within a range. A default outside of it does not compile.
pub(in crate::config) const fn integer<T: Whole>(
    least: i64,
    most: i64,
    default: &'static str,
) -> Opt<T> {
    let number = number(default);
    assert!(least <= number && number <= most, "the default is out of range");
    let range = Range { least, most, unit: "" };
    Opt::new(Kind::Integer(range), Some(default), whole, T::stand_in)
}

/// The same without a default.
pub(in crate::config) const fn optional_integer<T: Whole>(
    least: i64,
    unit: &'static str,
) -> Opt<Option<T>> {
    let range = Range { least, most: i64::MAX, unit };
    Opt::new(Kind::Integer(range), None, |text| whole(text).map(Some), || None)
}

/// An integer; one out of range is clamped.
pub(in crate::config) const fn clamped<T: Whole, const LEAST: i64, const MOST: i64>(
    unit: &'static str,
    default: &'static str,
) -> Opt<T> {
    let _ = number(default);
    let range = Range { least: i64::MIN, most: i64::MAX, unit };
    Opt::new(Kind::Integer(range), Some(default), within::<T, LEAST, MOST>, T::stand_in)
}

/// Seconds, with or without a fraction.
pub(in crate::config) const fn seconds(default: &'static str) -> Opt<Duration> {
    bounded(Bound::Any, default)
}

/// Seconds, more than zero.
pub(in crate::config) const fn some_seconds(default: &'static str) -> Opt<Duration> {
    bounded(Bound::Positive, default)
}

/// Seconds up to a maximum.
pub(in crate::config) const fn seconds_up_to(most: i64, default: &'static str) -> Opt<Duration> {
    bounded(Bound::AtMost(most), default)
}

/// Whole seconds, as Glance's options have them.
pub(in crate::config) const fn whole_seconds(default: &'static str) -> Opt<Duration> {
    assert!(number(default) >= 0, "the default is out of range");
    Opt::new(Kind::WholeSeconds, Some(default), types::whole_seconds, Duration::default)
}

/// The same without a default.
pub(in crate::config) const fn optional_whole_seconds() -> Opt<Option<Duration>> {
    Opt::new(Kind::WholeSeconds, None, |text| types::whole_seconds(text).map(Some), || None)
}

const fn bounded(bound: Bound, default: &'static str) -> Opt<Duration> {
    let number = number(default);
    let fits = match bound {
        Bound::Any => number >= 0,
        Bound::Positive => number > 0,
        Bound::AtMost(most) => number >= 0 && number <= most,
    };
    assert!(fits, "the default is out of range");
    Opt::new(Kind::Seconds(bound), Some(default), types::seconds, Duration::default)
}

/// A default that is not a number does not compile.
const fn number(default: &str) -> i64 {
    match i64::from_str_radix(default, 10) {
        Ok(number) => number,
        Err(_) => panic!("the default is no number"),
    }
}

/// `None` for an empty text.
fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(in crate::config) fn nonempty(text: &str) -> Result<String, String> {
    filled(text).ok_or_else(|| "must be set".to_owned())
}

pub(in crate::config) fn nonempty_words(text: &str) -> Result<Vec<String>, String> {
    let words = types::list(text);
    if words.iter().any(String::is_empty) {
        return Err("has an empty part between its commas".to_owned());
    }
    Ok(words)
}

fn word_list<T: Choice>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(word, _)| *word).collect()
}

fn one_of<T: Choice>(text: &str) -> Result<T, String> {
    let found = T::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| match word_list::<T>().as_slice() {
        [one, other] => format!("{text:?} is neither {one} nor {other}"),
        words => format!("{text:?} is none of {}", words.join(", ")),
    })
}

fn whole<T: Whole>(text: &str) -> Result<T, String> {
    T::of(types::integer(text)?).ok_or_else(|| format!("{text:?} is out of range"))
}

fn within<T: Whole, const LEAST: i64, const MOST: i64>(text: &str) -> Result<T, String> {
    let number = types::integer(text)?.clamp(LEAST, MOST);
    T::of(number).ok_or_else(|| format!("{text:?} is out of range"))
}

macro_rules! whole {
    ($($type:ty),+) => { $(
        impl Whole for $type {
            fn of(number: i64) -> Option<Self> {
                number.try_into().ok()
            }

            fn stand_in() -> Self {
                0
            }
        }
    )+ };
}
whole!(i64, u32, u64, usize);

impl Whole for NonZeroU32 {
    fn of(number: i64) -> Option<Self> {
        u32::of(number).and_then(Self::new)
    }

    fn stand_in() -> Self {
        Self::MIN
    }
}

/// In seconds.
impl Whole for Duration {
    fn of(number: i64) -> Option<Self> {
        number.try_into().ok().map(Self::from_secs)
    }

    fn stand_in() -> Self {
        Self::ZERO
    }
}
