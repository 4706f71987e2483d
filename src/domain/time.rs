//! Time as Glance stores it, and the injected clock.

use std::fmt::Debug;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, SubsecRound};

/// A moment in UTC without a zone, as in Glance's columns.
pub type Timestamp = NaiveDateTime;

/// Later than anything Glance can have stored, and valid in every database.
pub const FAR_FUTURE: Timestamp = match NaiveDate::from_ymd_opt(9999, 1, 1) {
    Some(day) => day.and_time(NaiveTime::MIN),
    None => Timestamp::MAX,
};

/// The current time; tests inject their own.
pub trait Clock: Debug + Send + Sync {
    /// The current time in UTC.
    fn now(&self) -> Timestamp;

    /// The current time cut to whole seconds, which is all that MariaDB's `datetime` keeps: so
    /// writes and responses are equal on every database.
    fn now_in_seconds(&self) -> Timestamp {
        self.now().trunc_subsecs(0)
    }
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().naive_utc()
    }
}

/// `2026-11-22T12:59:35Z`, as oslo's `timeutils.isotime` prints a time.
pub fn isotime(time: Timestamp) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
