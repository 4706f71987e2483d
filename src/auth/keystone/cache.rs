//! What Keystone said of a token, believed for a short while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;
use chrono::TimeDelta;

use crate::domain::principal::{Principal, Token};
use crate::domain::time::Timestamp;

/// So many tokens are kept. A cloud has some tens of admins.
const MOST: usize = 1024;

/// What a token is called here: its HMAC under a key of this process, so that neither a dump of
/// the memory nor a table of hashes gives a token away.
pub(super) type Fingerprint = [u8; 32];

/// Principals by their tokens' fingerprints.
pub(super) struct Cache {
    key: Key,
    keep: TimeDelta,
    known: Mutex<HashMap<Fingerprint, Known>>,
}

struct Known {
    principal: Principal,
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

    pub(super) fn get(&self, fingerprint: &Fingerprint, now: Timestamp) -> Option<Principal> {
        let known = self.lock();
        let found = known.get(fingerprint).filter(|known| known.holds(now));
        found.map(|known| known.principal.clone())
    }

    /// Keeps an answer, never beyond the token's end.
    pub(super) fn put(
        &self,
        fingerprint: Fingerprint,
        principal: Principal,
        now: Timestamp,
        expires_at: Timestamp,
    ) {
        let until = expires_at.min(now + self.keep);
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, known| known.holds(now));
        }
        if known.len() >= MOST {
            let oldest = known.iter().min_by_key(|(_, known)| known.until).map(|(key, _)| *key);
            oldest.and_then(|oldest| known.remove(&oldest));
        }
        known.insert(fingerprint, Known { principal, since: now, until });
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
    use super::*;
    use crate::domain::principal::AuthMethod;

    fn principal() -> Principal {
        Principal::new("keystone", "u", AuthMethod::Keystone)
    }

    fn second(number: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::seconds(number)
    }

    #[test]
    fn an_answer_holds_for_its_time_and_not_beyond_the_token() {
        let cache = Cache::new(Duration::from_mins(1)).unwrap();
        let (long, short) = ([1; 32], [2; 32]);
        cache.put(long, principal(), second(100), second(10_000));
        cache.put(short, principal(), second(100), second(110));
        let holds = |fingerprint, now| cache.get(fingerprint, second(now)).is_some();
        assert!(holds(&long, 159) && !holds(&long, 160));
        assert!(holds(&short, 109) && !holds(&short, 110));
        assert!(!holds(&long, 99), "the clock was set back");
        assert!(!holds(&[3; 32], 100));
    }

    #[test]
    fn without_a_time_nothing_is_kept() {
        let cache = Cache::new(Duration::ZERO).unwrap();
        cache.put([1; 32], principal(), second(0), second(100));
        assert!(cache.get(&[1; 32], second(0)).is_none());
    }

    #[test]
    fn it_does_not_grow_without_end_and_the_oldest_goes_first() {
        let cache = Cache::new(Duration::from_mins(1)).unwrap();
        for number in 0..MOST * 2 {
            let mut fingerprint = [0; 32];
            fingerprint[..8].copy_from_slice(&number.to_le_bytes());
            let now = second(i64::try_from(number).unwrap() / 100);
            cache.put(fingerprint, principal(), now, second(10_000));
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
