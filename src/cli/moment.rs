//! Times on the command line.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta};

use crate::domain::time::Timestamp;

/// A point in time as an operator writes it: a moment, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    Ago(TimeDelta),
}

/// For the help of an option.
pub(super) const FORMS: &str = "TIME";

impl Moment {
    /// Parses RFC 3339 in any zone, the same without zone (UTC) or seconds, a date (its first
    /// moment, UTC), `now`, or how long ago: `90s`, `30m`, `2h`, `3d`, `1w`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let found = ago(text).map(Self::Ago).or_else(|| at(text).map(Self::At));
        found.ok_or_else(|| {
            "write 2h, 3d, now, 2026-11-22, 2026-11-22T12:00:00Z or 2026-11-22T13:00:00+01:00; \
             a time without a zone is UTC"
                .to_owned()
        })
    }

    /// The moment it means.
    pub(super) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                now.checked_sub_signed(ago).unwrap_or(DateTime::UNIX_EPOCH.naive_utc())
            }
        }
    }
}

fn ago(text: &str) -> Option<TimeDelta> {
    if text == "now" {
        return Some(TimeDelta::zero());
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let number = number.parse::<u32>().ok().filter(|_| !number.starts_with('+'))?;
    TimeDelta::try_seconds(i64::from(number) * seconds)
}

fn at(text: &str) -> Option<Timestamp> {
    let zoned = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.naive_utc());
    let without = |form| NaiveDateTime::parse_from_str(text, form).ok();
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Timestamp::from);
    let found = zoned()
        .or_else(|| without("%Y-%m-%dT%H:%M:%S%.f"))
        .or_else(|| without("%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|| without("%Y-%m-%dT%H:%M"))
        .or_else(|| without("%Y-%m-%d %H:%M"))
        .or_else(date);
    // databases cannot store other years
    found.filter(|time| (1..=9999).contains(&time.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Option<String> {
        let now = "2026-11-22T12:00:00".parse().unwrap();
        Moment::parse(text).ok().map(|moment| moment.resolve(now).to_string())
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("now", "2026-11-22 12:00:00"),
            ("90s", "2026-11-22 11:58:30"),
            ("30m", "2026-11-22 11:30:00"),
            ("2h", "2026-11-22 10:00:00"),
            ("3d", "2026-11-19 12:00:00"),
            ("1w", "2026-11-15 12:00:00"),
            ("2026-11-20", "2026-11-20 00:00:00"),
            ("2026-11-20T08:30:00Z", "2026-11-20 08:30:00"),
            ("2026-11-20T08:30:00+05:30", "2026-11-20 03:00:00"),
            ("2026-11-20 08:30:00.25-01:00", "2026-11-20 09:30:00.250"),
            ("2026-11-20T08:30:00", "2026-11-20 08:30:00"),
            ("2026-11-20 08:30", "2026-11-20 08:30:00"),
            ("4294967295w", "1970-01-01 00:00:00"),
        ] {
            assert_eq!(resolved(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "h", "2", "-2h", "+2h", "2y", "2 h", "yesterday", "2026", "2026-13-01", "é"]
        {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
