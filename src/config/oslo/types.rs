//! oslo.config's types: how text is parsed as a boolean, number, list or dictionary.
//!
//! Errors are sentences that quote the value; none of these types is used for secrets.

use std::time::Duration;

/// A hundred years, in seconds: more is a typo, and would overflow dates.
const MOST_SECONDS: f64 = 3_153_600_000.0;

/// Whether Python's `str.strip` removes the character.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.strip`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// `true`, `1`, `on`, `yes` and their opposites, in any case.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A decimal integer, as Python's `int` parses it (also `1_000`).
pub fn integer(text: &str) -> Result<i64, String> {
    let stripped = strip(text);
    let refused = || format!("{text:?} is not a whole number");
    let digits = stripped.strip_prefix(['+', '-']).unwrap_or(stripped);
    let group = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits.split('_').all(group) {
        return Err(refused());
    }
    stripped.replace('_', "").parse().map_err(|_| refused())
}

/// Seconds, whole or with a fraction, from 0 to a hundred years.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = strip(text)
        .parse()
        .map_err(|_| format!("{text:?} is not a number of seconds, such as 5 or 0.5"))?;
    if !(0.0..=MOST_SECONDS).contains(&number) {
        return Err(format!("{text:?} is out of range: 0 to {MOST_SECONDS} seconds"));
    }
    Duration::try_from_secs_f64(number).map_err(|error| format!("{text:?}: {error}"))
}

/// Whole seconds, from 0 to a hundred years.
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    seconds(&integer(text)?.to_string())
}

/// Comma-separated items, stripped; trailing commas are ignored.
pub fn list(text: &str) -> Vec<String> {
    let text = strip(text).trim_end_matches(',');
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|part| strip(part).to_owned()).collect()
}

/// Comma-separated `key:value` pairs, in order. A part without a colon is joined to the next one.
pub fn dictionary(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let text = strip(text);
    if text.is_empty() {
        return Ok(pairs);
    }
    let mut pending = String::new();
    for part in text.split(',') {
        pending.push_str(part);
        let Some((key, value)) = pending.split_once(':') else {
            pending.push(',');
            continue;
        };
        let (key, value) = (strip(key).to_owned(), strip(value).to_owned());
        if key.is_empty() {
            return Err(format!("{text:?} has a pair without a name; write name:value"));
        }
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(format!("{text:?} names {key:?} twice"));
        }
        pairs.push((key, value));
        pending.clear();
    }
    if pending.is_empty() {
        Ok(pairs)
    } else {
        Err(format!("{text:?} does not end with a pair; write name:value, name:value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_case_insensitive_words() {
        assert_eq!(boolean("YES"), Ok(true));
        assert_eq!(boolean("off"), Ok(false));
        assert!(boolean("").is_err());
        assert!(boolean("2").is_err());
    }

    #[test]
    fn integers_are_pythons() {
        assert_eq!(integer(" +007 "), Ok(7));
        assert_eq!(integer("1_000"), Ok(1000));
        assert_eq!(integer("-3"), Ok(-3));
        for refused in ["", "1__0", "_1", "0x10", "1.0", "99999999999999999999"] {
            assert!(integer(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction_but_no_sign_and_no_infinity() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("300"), Ok(Duration::from_mins(5)));
        for refused in ["-1", "inf", "nan", "5s", "1e300"] {
            assert!(seconds(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_list_drops_commas_at_its_end_and_keeps_empty_parts() {
        assert_eq!(list(" file ,\nhttp,, "), ["file", "http"]);
        assert_eq!(list("a,,b"), ["a", "", "b"]);
        assert!(list(" , ").is_empty());
    }

    #[test]
    fn a_dictionary_needs_whole_pairs_and_each_name_once() {
        let pairs = dictionary("fast:rbd, slow : file").unwrap();
        assert_eq!(pairs, [("fast".into(), "rbd".into()), ("slow".into(), "file".into())]);
        for refused in ["fast", "a:b,", "a:b,a:c", ":b"] {
            assert!(dictionary(refused).is_err(), "{refused}");
        }
    }
}
