//! The good answers of an API server, believed for a short while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use chrono::TimeDelta;

use crate::domain::time::Timestamp;

/// How long an answer is believed.
const BELIEVED: TimeDelta = TimeDelta::seconds(10);

/// So many answers are kept; when there are more, the one that ends first goes.
const MOST: usize = 1024;

/// What a token is called here: its HMAC under a key of this process.
pub(super) type Hash = [u8; 32];

/// The names of tokens' holders.
pub(super) struct Kept {
    key: hmac::Key,
    answers: Mutex<HashMap<Hash, Answer>>,
}

struct Answer {
    username: String,
    /// Time may be set back: an answer is not believed before it was given either.
    since: Timestamp,
    until: Timestamp,
}

impl Kept {
    /// `None` where the machine has no randomness.
    pub(super) fn new() -> Option<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self { key, answers: Mutex::default() })
    }

    pub(super) fn hash(&self, token: &str) -> Hash {
        let tag = hmac::sign(&self.key, token.as_bytes());
        let mut hash = Hash::default();
        hash.copy_from_slice(tag.as_ref());
        hash
    }

    pub(super) fn get(&self, hash: &Hash, now: Timestamp) -> Option<String> {
        let answers = self.lock();
        let found = answers.get(hash).filter(|answer| answer.holds(now));
        found.map(|answer| answer.username.clone())
    }

    /// Keeps an answer to what was asked at `asked`, never beyond the token's end.
    pub(super) fn put(&self, hash: Hash, username: &str, asked: Timestamp, end: Timestamp) {
        let until = end.min(asked + BELIEVED);
        let mut answers = self.lock();
        if answers.len() >= MOST {
            answers.retain(|_, answer| answer.holds(asked));
        }
        if answers.len() >= MOST {
            let first = answers.iter().min_by_key(|(_, answer)| answer.until);
            let first = first.map(|(hash, _)| *hash);
            first.and_then(|first| answers.remove(&first));
        }
        answers.insert(hash, Answer { username: username.to_owned(), since: asked, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn holds(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn an_answer_holds_for_ten_seconds_and_not_beyond_the_token() {
        let kept = Kept::new().unwrap();
        let (long, short, over) = ([1; 32], [2; 32], [3; 32]);
        for (hash, end) in [(long, 1_000_000), (short, 9_500), (over, 5_000)] {
            kept.put(hash, "a", at(5_000), at(end));
        }
        let holds = |hash, now| kept.get(hash, at(now)).is_some();
        assert!(holds(&long, 14_999) && !holds(&long, 15_000));
        assert!(holds(&short, 9_499) && !holds(&short, 9_500));
        assert!(!holds(&over, 5_000), "the token had ended when it was asked about");
        assert!(!holds(&long, 4_999), "the clock was set back");
        assert!(!holds(&[4; 32], 5_000));
    }

    #[test]
    fn no_more_than_1024_are_kept_and_the_first_to_end_makes_room() {
        let kept = Kept::new().unwrap();
        let hash = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            hash
        };
        let asked = |number: usize| at(i64::try_from(number).unwrap());
        for number in 0..MOST * 2 {
            kept.put(hash(number), "a", asked(number), at(1_000_000));
            assert!(kept.lock().len() <= MOST);
        }
        let now = asked(MOST * 2);
        let there = |number| kept.get(&hash(number), now).is_some();
        assert!(!there(MOST - 1) && there(MOST) && there(MOST * 2 - 1));
        kept.put([255; 32], "a", at(1_000_000), at(2_000_000));
        assert_eq!(kept.lock().len(), 1, "those that have ended went first");
    }

    #[test]
    fn hashes_are_of_this_process_alone() {
        let (one, other) = (Kept::new().unwrap(), Kept::new().unwrap());
        assert_eq!(one.hash("eyJ"), one.hash("eyJ"));
        assert_ne!(one.hash("eyJ"), other.hash("eyJ"));
        assert_ne!(one.hash("eyJ"), one.hash("eyK"));
    }
}
