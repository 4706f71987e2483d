//! Skips images that failed, for a longer time after each failure.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::domain::image::ImageId;
use crate::domain::time::Timestamp;

const FIRST: TimeDelta = TimeDelta::seconds(60);
const LONGEST: TimeDelta = TimeDelta::hours(6);
/// Maximum number of images remembered. If more fail, the cause is not in the images; the others
/// are simply tried in each pass.
const REMEMBERED: usize = 10_000;

/// When each failing image may be tried again. Kept in memory: after a restart all are tried.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    waits: HashMap<ImageId, Wait>,
}

#[derive(Debug)]
struct Wait {
    failures: u32,
    until: Timestamp,
}

impl Backoff {
    pub(super) fn waits(&self, id: &ImageId, now: Timestamp) -> bool {
        self.waits.get(id).is_some_and(|wait| now < wait.until)
    }

    pub(super) fn failed(&mut self, id: &ImageId, now: Timestamp) {
        if self.waits.len() >= REMEMBERED && !self.waits.contains_key(id) {
            return;
        }
        let wait = self.waits.entry(id.clone()).or_insert(Wait { failures: 0, until: now });
        let doubled = FIRST.checked_mul(1 << wait.failures.min(16)).unwrap_or(LONGEST);
        wait.until = now + doubled.min(LONGEST);
        wait.failures += 1;
    }

    pub(super) fn succeeded(&mut self, id: &ImageId) {
        self.waits.remove(id);
    }

    pub(super) fn len(&self) -> usize {
        self.waits.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn an_image_that_keeps_failing_waits_longer_each_time_up_to_a_limit() {
        let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let id = ImageId::parse("a").unwrap();
        let mut backoff = Backoff::default();
        backoff.failed(&id, start);
        assert!(backoff.waits(&id, start + TimeDelta::seconds(59)));
        assert!(!backoff.waits(&id, start + FIRST));
        for _ in 0..100 {
            backoff.failed(&id, start);
        }
        assert!(backoff.waits(&id, start + LONGEST - TimeDelta::seconds(1)));
        assert!(!backoff.waits(&id, start + LONGEST));
        backoff.succeeded(&id);
        assert!(!backoff.waits(&id, start));
    }
}
