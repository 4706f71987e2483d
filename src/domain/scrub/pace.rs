//! The size of the next batch of claims.
//!
//! Claims in one transaction share its cost, especially where a commit waits for a disk. But a
//! claimed image cannot be reverted, so where deletion is slow, only a few images should be claimed
//! at a time.

use std::time::Duration;

const FEWEST: usize = 16;
const MOST: usize = 64;
/// A batch faster than this may be followed by a larger one: a service with bulk deletion takes
/// about as long for a few objects.
const QUICK: Duration = Duration::from_secs(1);

/// The size of the next batch.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Pace {
    pub(super) fn new() -> Self {
        Self(FEWEST)
    }

    pub(super) fn batch(&self) -> usize {
        self.0
    }

    /// Adapts to the last batch: its duration, and whether all of it succeeded. If a store fails,
    /// few images should be claimed in vain.
    pub(super) fn took(&mut self, time: Duration, well: bool) {
        let next = if time < QUICK { self.0 * 2 } else { self.0 / 2 };
        self.0 = if well { next.clamp(FEWEST, MOST) } else { FEWEST };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_once_they_are_not() {
        let mut pace = Pace::new();
        let mut sizes = Vec::new();
        for millis in [10, 10, 10, 10, 1100, 900, 9000, 9000, 9000] {
            sizes.push(pace.batch());
            pace.took(Duration::from_millis(millis), true);
        }
        assert_eq!(sizes, [16, 32, 64, 64, 64, 32, 64, 32, 16]);
        assert_eq!(pace.batch(), FEWEST);
    }

    #[test]
    fn a_batch_with_a_failure_is_followed_by_the_smallest() {
        let mut pace = Pace::new();
        pace.took(Duration::ZERO, true);
        pace.took(Duration::ZERO, true);
        pace.took(Duration::ZERO, false);
        assert_eq!(pace.batch(), FEWEST);
    }
}
