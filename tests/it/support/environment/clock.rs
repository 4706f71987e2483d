//! A clock that the test controls.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::NaiveDate;
use glance_revert::domain::time::{Clock, SystemClock, Timestamp};

/// The machine's clock.
pub(crate) fn machine() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Stands still at noon of 2026-11-22 until it is moved.
#[derive(Debug)]
pub(crate) struct FixedClock(Mutex<Timestamp>);

impl Default for FixedClock {
    fn default() -> Self {
        let noon = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap().and_hms_opt(12, 0, 0).unwrap();
        Self(Mutex::new(noon))
    }
}

impl FixedClock {
    /// Stands still at another time.
    pub(crate) fn at(moment: Timestamp) -> Self {
        Self(Mutex::new(moment))
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    fn lock(&self) -> MutexGuard<'_, Timestamp> {
        self.0.lock().unwrap()
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.lock()
    }
}

/// The machine's clock, put forward.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock(Mutex<Duration>);

impl ShiftedClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + *self.0.lock().unwrap()
    }
}
