//! The size of the next batch of claims.
//!
//! Claims of one transaction share its cost, most of all where a commit waits for a disk. But a
//! claimed image is out of every revert's reach, so where data goes slowly few wait for their turn.

use std::time::Duration;

const FEWEST: usize = 16;
const MOST: usize = 64;
/// A batch that took less time may be followed by a larger one: a service that takes many objects at
/// once needs about as long for few.
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

    /// How long the last batch took, and whether all of it went well: where a store makes
    /// trouble, few images are claimed for nothing.
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
