//! How much one pass may destroy before somebody must accept it.

use std::fmt;
use std::time::Duration;

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

/// How much one pass may destroy without an acceptance.
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

    /// Checks whether a pass may destroy what is due. Any number of images that are due only
    /// because `scrub_time` or a rule was shortened is over the limit. An acceptance permits its
    /// number of images, whatever their size and whenever they became due.
    pub fn judge(
        self,
        due: Tally,
        lowered: Option<Lowered>,
        accepted: Option<u64>,
    ) -> Result<(), Limited> {
        let is_accepted = accepted.is_some_and(|accepted| due.images <= accepted);
        let fits = due.images <= self.images && self.bytes.is_none_or(|most| due.bytes <= most);
        if is_accepted || (fits && lowered.is_none()) {
            return Ok(());
        }
        Err(Limited { due, limits: self, lowered, accepted })
    }

    /// What an admitted pass may destroy. It may find more than was counted: images that became due
    /// since, and those that only the stores know about.
    pub(super) fn allowance(self, accepted: Option<u64>) -> Allowance {
        Allowance {
            images: self.images.max(accepted.unwrap_or(0)),
            bytes: self.bytes.filter(|_| accepted.is_none()),
        }
    }
}

/// What a pass may still destroy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    images: u64,
    bytes: Option<u64>,
}

impl Allowance {
    /// Whether another image may be destroyed; if so, subtracts it.
    pub(super) fn take(&mut self, size: Option<i64>) -> bool {
        let mut one = Tally::default();
        one.add(size);
        let fits = self.images > 0 && self.bytes.is_none_or(|left| one.bytes <= left);
        if fits {
            self.images -= 1;
            self.bytes = self.bytes.map(|left| left - one.bytes);
        }
        fits
    }

    /// How many of these images may be destroyed, in their order.
    pub(super) fn prefix(mut self, sizes: impl Iterator<Item = Option<i64>>) -> usize {
        sizes.take_while(|size| self.take(*size)).count()
    }
}

/// Images that are due only because `scrub_time` was lowered or a rule is shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lowered {
    /// The `scrub_time` in force; at most `to` if only rules are shorter.
    pub from: Duration,
    /// The `scrub_time` of this process.
    pub to: Duration,
    /// How many.
    pub images: u64,
}

impl fmt::Display for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, images } = self;
        let (from, to) = (from.as_secs(), to.as_secs());
        if from > to {
            write!(f, "{images} of them only because scrub_time was lowered from {from} to {to}")
        } else {
            write!(f, "{images} of them only because retention rules make them due earlier")
        }
    }
}

/// Why a pass destroyed nothing: more is due than it may destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limited {
    /// What is due.
    pub due: Tally,
    /// What a pass may destroy.
    pub limits: PassLimits,
    /// Those of them that are due only because times were shortened.
    pub lowered: Option<Lowered>,
    /// The number of images that somebody accepted, fewer than are due.
    pub accepted: Option<u64>,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { images, bytes } = self.due;
        write!(f, "{images} images of {bytes} bytes together are due")?;
        match (self.accepted, self.limits) {
            (Some(accepted), _) => write!(f, ", and only {accepted} were accepted")?,
            (None, PassLimits { images: most, .. }) if images > most => {
                write!(f, ", more than max_images_per_pass = {most}")?;
            }
            (None, PassLimits { bytes: Some(most), .. }) if bytes > most => {
                write!(f, ", more than max_bytes_per_pass = {most}")?;
            }
            (None, _) => {}
        }
        if let Some(lowered) = self.lowered {
            write!(f, ", {lowered}")?;
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
        LIMITS.judge(Tally { images, bytes }, None, accepted).map_err(|limited| limited.to_string())
    }

    #[test]
    fn a_pass_may_destroy_up_to_each_limit() {
        assert_eq!(judged(10, 100, None), Ok(()));
        assert!(judged(11, 1, None).unwrap_err().contains("max_images_per_pass = 10"));
        assert!(judged(1, 101, None).unwrap_err().contains("max_bytes_per_pass = 100"));
    }

    #[test]
    fn an_acceptance_permits_its_number_of_images_and_no_more() {
        assert_eq!(judged(20, 1000, Some(20)), Ok(()));
        assert!(judged(21, 1, Some(20)).unwrap_err().contains("only 20 were accepted"));
        assert_eq!(judged(10, 1, Some(2)), Ok(()), "it takes nothing away");
    }

    #[test]
    fn images_due_only_by_a_lowered_scrub_time_exceed_the_limit_whatever_their_number() {
        let (from, to) = (Duration::from_hours(168), Duration::from_hours(1));
        let lowered = Some(Lowered { from, to, images: 1 });
        let judged = |accepted| LIMITS.judge(Tally { images: 2, bytes: 1 }, lowered, accepted);
        let told = judged(None).unwrap_err().to_string();
        assert_eq!(
            told,
            "2 images of 1 bytes together are due, 1 of them only because scrub_time was lowered from \
             604800 to 3600: nothing is destroyed"
        );
        assert!(judged(Some(1)).unwrap_err().to_string().contains("only 1 were accepted, 1 of"));
        assert_eq!(judged(Some(2)), Ok(()));
    }

    #[test]
    fn an_allowance_ends_with_its_images_and_with_its_bytes() {
        let five_of_40 = || std::iter::repeat_n(Some(40), 5);
        assert_eq!(LIMITS.allowance(None).prefix(five_of_40()), 2);
        assert_eq!(LIMITS.allowance(Some(11)).prefix(five_of_40()), 5, "whatever their size");
        assert_eq!(LIMITS.allowance(None).prefix(std::iter::repeat_n(None, 12)), 10);
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
