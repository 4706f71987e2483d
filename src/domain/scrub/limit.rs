//! How much one pass may destroy before somebody has to say that it is meant.

use std::fmt;

use serde::Serialize;

/// Images, and the sum of their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Images.
    pub images: u64,
    /// Bytes: the size of each image once, however many copies it has.
    pub bytes: u64,
}

impl Tally {
    /// Adds one image.
    pub fn add(&mut self, size: Option<i64>) {
        self.images += 1;
        self.bytes = self.bytes.saturating_add(size.unwrap_or(0).try_into().unwrap_or(0));
    }

    /// Adds others.
    pub fn add_all(&mut self, others: Self) {
        self.images += others.images;
        self.bytes = self.bytes.saturating_add(others.bytes);
    }
}

/// The most that one pass destroys unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassLimits {
    /// `max_images_per_pass`.
    pub images: u64,
    /// `max_bytes_per_pass`; `None` for any number.
    pub bytes: Option<u64>,
}

impl PassLimits {
    /// No limit at all.
    pub const NONE: Self = Self { images: u64::MAX, bytes: None };

    /// Whether a pass may destroy so much. What was accepted lets so many images through, whatever
    /// their size.
    pub fn judge(self, due: Tally, accepted: Option<u64>) -> Result<(), Limited> {
        let is_accepted = accepted.is_some_and(|accepted| due.images <= accepted);
        let fits = due.images <= self.images && self.bytes.is_none_or(|most| due.bytes <= most);
        if is_accepted || fits { Ok(()) } else { Err(Limited { due, limits: self, accepted }) }
    }

    /// How many images a pass that was let through may destroy: more can have become due since.
    pub(super) fn most_images(self, accepted: Option<u64>) -> u64 {
        self.images.max(accepted.unwrap_or(0))
    }
}

/// More is due than a pass may destroy, so it destroyed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// What is due.
    pub due: Tally,
    /// What a pass may destroy.
    pub limits: PassLimits,
    /// How many images somebody accepted; fewer than are due.
    pub accepted: Option<u64>,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { images, bytes } = self.due;
        write!(f, "{images} images of {bytes} bytes together are due, ")?;
        match (self.accepted, self.limits) {
            (Some(accepted), _) => write!(f, "and only {accepted} were accepted")?,
            (None, limits) if images > limits.images => {
                write!(f, "more than max_images_per_pass = {}", limits.images)?;
            }
            (None, limits) => {
                write!(f, "more than max_bytes_per_pass = {}", limits.bytes.unwrap_or(u64::MAX))?;
            }
        }
        f.write_str(": nothing is destroyed")
    }
}

impl Serialize for Limited {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.due.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PassLimits = PassLimits { images: 10, bytes: Some(100) };

    fn judged(images: u64, bytes: u64, accepted: Option<u64>) -> Result<(), String> {
        LIMITS.judge(Tally { images, bytes }, accepted).map_err(|limited| limited.to_string())
    }

    #[test]
    fn a_pass_may_destroy_up_to_each_limit() {
        assert_eq!(judged(10, 100, None), Ok(()));
        assert!(judged(11, 1, None).unwrap_err().contains("max_images_per_pass = 10"));
        assert!(judged(1, 101, None).unwrap_err().contains("max_bytes_per_pass = 100"));
    }

    #[test]
    fn what_was_accepted_lets_so_many_images_through_and_no_more() {
        assert_eq!(judged(20, 1000, Some(20)), Ok(()));
        assert!(judged(21, 1, Some(20)).unwrap_err().contains("only 20 were accepted"));
        assert_eq!(judged(10, 1, Some(2)), Ok(()), "it takes nothing away");
    }

    #[test]
    fn sizes_that_glance_never_writes_count_for_nothing() {
        let mut tally = Tally::default();
        for size in [Some(7), None, Some(-7)] {
            tally.add(size);
        }
        assert_eq!(tally, Tally { images: 3, bytes: 7 });
    }
}
