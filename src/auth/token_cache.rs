//! A short-lived cache of what a server said about tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;
use chrono::TimeDelta;

use crate::domain::time::Timestamp;

/// The most tokens cached; beyond it the one that expires first is evicted. A cloud has some tens
/// of admins.
const MOST: usize = 1024;

/// A token's key in the cache: its HMAC under a key of this process, so that neither a memory dump
/// nor a table of hashes reveals a token.
pub(super) type Fingerprint = [u8; 32];

/// Answers about tokens, by fingerprint.
pub(super) struct TokenCache<A> {
    key: Key,
    keep: TimeDelta,
    known: Mutex<HashMap<Fingerprint, Known<A>>>,
}

struct Known<A> {
    answer: A,
    /// The clock may be set back: an answer is not valid before it was given either.
    since: Timestamp,
    until: Timestamp,
}

impl<A: Clone> TokenCache<A> {
    /// Caches answers for `keep`. `None` if the system has no randomness.
    pub(super) fn new(keep: TimeDelta) -> Option<Self> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self { key, keep, known: Mutex::default() })
    }

    pub(super) fn fingerprint(&self, token: &str) -> Fingerprint {
        let tag = hmac::sign(&self.key, token.as_bytes());
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(tag.as_ref());
        fingerprint
    }

    pub(super) fn get(&self, fingerprint: &Fingerprint, now: Timestamp) -> Option<A> {
        let known = self.lock();
        let found = known.get(fingerprint).filter(|known| known.holds(now));
        found.map(|known| known.answer.clone())
    }

    /// Caches the answer to a request sent at `asked`, never beyond the token's expiry.
    pub(super) fn put(&self, about: Fingerprint, answer: A, asked: Timestamp, end: Timestamp) {
        let until = end.min(asked + self.keep);
        if until <= asked {
            return;
        }
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, known| known.holds(asked));
        }
        if known.len() >= MOST {
            let first = known.iter().min_by_key(|(_, known)| known.until).map(|(key, _)| *key);
            first.and_then(|first| known.remove(&first));
        }
        known.insert(about, Known { answer, since: asked, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Known<A>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Known<A> {
    fn holds(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

impl<A> fmt::Debug for TokenCache<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("keep", &self.keep).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::milliseconds(millis)
    }

    fn cache(seconds: i64) -> TokenCache<&'static str> {
        TokenCache::new(TimeDelta::seconds(seconds)).unwrap()
    }

    fn numbered(number: usize) -> Fingerprint {
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&number.to_le_bytes());
        fingerprint
    }

    #[test]
    fn an_answer_holds_for_its_time_and_not_beyond_the_token() {
        let cache = cache(10);
        let (long, short) = ([1; 32], [2; 32]);
        cache.put(long, "long", at(5_000), at(1_000_000));
        cache.put(short, "short", at(5_000), at(9_500));
        let holds = |about, now| cache.get(about, at(now)).is_some();
        assert_eq!(cache.get(&long, at(5_000)), Some("long"));
        assert!(holds(&long, 14_999) && !holds(&long, 15_000));
        assert!(holds(&short, 9_499) && !holds(&short, 9_500));
        assert!(!holds(&long, 4_999), "the clock was set back");
        assert!(!holds(&[3; 32], 5_000));
    }

    #[test]
    fn a_cache_time_of_zero_caches_nothing() {
        let cache = cache(0);
        cache.put([1; 32], "a", at(0), at(100_000));
        assert!(cache.get(&[1; 32], at(0)).is_none());
    }

    #[test]
    fn answers_about_expired_tokens_are_not_cached() {
        let cache = cache(60);
        cache.put([1; 32], "a", at(100_000), at(99_000));
        assert!(cache.lock().is_empty());
    }

    #[test]
    fn no_more_than_1024_are_kept_and_the_first_to_end_makes_room() {
        let cache = cache(10);
        let asked = |number: usize| at(i64::try_from(number).unwrap());
        for number in 0..MOST * 2 {
            cache.put(numbered(number), "a", asked(number), at(1_000_000));
            assert!(cache.lock().len() <= MOST);
        }
        assert_eq!(cache.lock().len(), MOST);
        let now = asked(MOST * 2);
        let there = |number| cache.get(&numbered(number), now).is_some();
        assert!(!there(0) && !there(MOST - 1) && there(MOST) && there(MOST * 2 - 1));
        cache.put([255; 32], "a", at(1_000_000), at(2_000_000));
        assert_eq!(cache.lock().len(), 1, "those that have ended went first");
    }

    #[test]
    fn fingerprints_differ_between_processes() {
        let (one, other) = (cache(0), cache(0));
        assert_eq!(one.fingerprint("eyJ"), one.fingerprint("eyJ"));
        assert_ne!(one.fingerprint("eyJ"), other.fingerprint("eyJ"));
        assert_ne!(one.fingerprint("eyJ"), one.fingerprint("eyK"));
    }
}
