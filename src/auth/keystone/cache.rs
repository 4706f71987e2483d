//! What Keystone said of a token, believed for a short while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;
use chrono::TimeDelta;

use super::worth::Worth;
use crate::domain::principal::Token;
use crate::domain::time::Timestamp;

/// So many tokens are kept. A cloud has some tens of admins.
const MOST: usize = 1024;

/// What a token is called here: its HMAC under a key of this process, so that neither a dump of
/// the memory nor a table of hashes gives a token away.
pub(super) type Fingerprint = [u8; 32];

/// What tokens are worth, by their fingerprints.
pub(super) struct Cache {
    key: Key,
    keep: TimeDelta,
    known: Mutex<HashMap<Fingerprint, Known>>,
}

struct Known {
    worth: Worth,
    /// Time may be set back: an answer is not believed before it was given either.
    since: Timestamp,
    until: Timestamp,
}

impl Cache {
    /// Keeps answers for `keep`. `None` where the machine has no randomness.
    pub(super) fn new(keep: Duration) -> Option<Self> {
        let key = Key::generate(HMAC_SHA256, &SystemRandom::new()).ok()?;
        let keep = TimeDelta::from_std(keep).ok()?;
        Some(Self { key, keep, known: Mutex::default() })
    }

    pub(super) fn fingerprint(&self, token: &Token) -> Fingerprint {
        let tag = hmac::sign(&self.key, token.expose().as_bytes());
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(tag.as_ref());
        fingerprint
    }

    pub(super) fn get(&self, fingerprint: &Fingerprint, now: Timestamp) -> Option<Worth> {
        let known = self.lock();
        let found = known.get(fingerprint).filter(|known| known.holds(now));
        found.map(|known| known.worth.clone())
    }

    /// Keeps an answer, never beyond the token's end.
    pub(super) fn put(&self, fingerprint: Fingerprint, worth: Worth, now: Timestamp) {
        let until = worth.expires_at.min(now + self.keep);
        if until <= now {
            return;
        }
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, known| known.holds(now));
        }
        if known.len() >= MOST {
            let oldest = known.iter().min_by_key(|(_, known)| known.until).map(|(key, _)| *key);
            oldest.and_then(|oldest| known.remove(&oldest));
        }
        known.insert(fingerprint, Known { worth, since: now, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn holds(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("keep", &self.keep).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::worth::{self, Rules};
    use super::*;
    use crate::net::keystone::Age;

    /// Of a token that expires in this second.
    fn worth(expires: i64) -> Worth {
        let expires_at = second(expires).and_utc().to_rfc3339();
        let body = json!({ "token": { "expires_at": expires_at, "user": { "id": "u" } } });
        let rules = Rules { allowed_projects: vec![], service_roles: vec![] };
        let (body, now) = (body.to_string(), second(0));
        worth::of(body.as_bytes(), &rules, now, Age::ExpiredToo).unwrap()
    }

    fn second(number: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::seconds(number)
    }

    #[test]
    fn an_answer_holds_for_its_time_and_not_beyond_the_token() {
        let cache = Cache::new(Duration::from_mins(1)).unwrap();
        let (long, short) = ([1; 32], [2; 32]);
        cache.put(long, worth(10_000), second(100));
        cache.put(short, worth(110), second(100));
        let holds = |fingerprint, now| cache.get(fingerprint, second(now)).is_some();
        assert!(holds(&long, 159) && !holds(&long, 160));
        assert!(holds(&short, 109) && !holds(&short, 110));
        assert!(!holds(&long, 99), "the clock was set back");
        assert!(!holds(&[3; 32], 100));
    }

    #[test]
    fn without_a_time_nothing_is_kept() {
        let cache = Cache::new(Duration::ZERO).unwrap();
        cache.put([1; 32], worth(100), second(0));
        assert!(cache.get(&[1; 32], second(0)).is_none());
    }

    #[test]
    fn what_expired_already_is_not_kept_and_takes_nobodys_place() {
        let cache = Cache::new(Duration::from_mins(1)).unwrap();
        cache.put([1; 32], worth(99), second(100));
        assert!(cache.lock().is_empty());
    }

    #[test]
    fn it_does_not_grow_without_end_and_the_oldest_goes_first() {
        let cache = Cache::new(Duration::from_mins(1)).unwrap();
        for number in 0..MOST * 2 {
            let mut fingerprint = [0; 32];
            fingerprint[..8].copy_from_slice(&number.to_le_bytes());
            let now = second(i64::try_from(number).unwrap() / 100);
            cache.put(fingerprint, worth(10_000), now);
        }
        assert_eq!(cache.lock().len(), MOST);
        assert!(cache.get(&[0; 32], second(20)).is_none());
    }

    #[test]
    fn fingerprints_are_of_this_process_alone() {
        let token = Token::new("gAAAA");
        let (one, other) =
            (Cache::new(Duration::ZERO).unwrap(), Cache::new(Duration::ZERO).unwrap());
        assert_eq!(one.fingerprint(&token), one.fingerprint(&token));
        assert_ne!(one.fingerprint(&token), other.fingerprint(&token));
        assert_ne!(one.fingerprint(&token), one.fingerprint(&Token::new("gAAAB")));
    }
}
