//! Counts failed authentications per client, in bounded memory.
//!
//! A client may fail a number of times a minute, at once or spread; then it is limited until time
//! frees an attempt. [`super::auth`] decides what a limit means.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::principal::Token;

/// A client without failures for this long has all attempts again.
const SPAN: Duration = Duration::from_mins(1);

/// How long a good token is remembered, at least.
const GOOD_FOR: Duration = Duration::from_mins(10);

/// The first 64 bits: the smallest network of a customer, who can choose the rest.
const IPV6_NETWORK: u128 = !0 << 64;

/// Counts failed authentications.
pub struct Throttle {
    per_minute: NonZeroU32,
    keys: RandomState,
    state: Mutex<State>,
}

struct State {
    /// When each client will have all attempts again (the "theoretical arrival time" of GCRA).
    clients: Recent<IpAddr, Instant>,
    /// Keyed hashes of recently good tokens. A collision would only let another token be verified.
    good: Recent<u64, ()>,
}

impl Throttle {
    /// Allows each client this many failures a minute.
    #[must_use]
    pub fn new(per_minute: NonZeroU32) -> Self {
        let state = State { clients: Recent::new(SPAN), good: Recent::new(GOOD_FOR) };
        Self { per_minute, keys: RandomState::new(), state: Mutex::new(state) }
    }

    /// Time until the client may try again; `None` if it may now.
    pub(super) fn limited(&self, client: IpAddr) -> Option<Duration> {
        let now = Instant::now();
        let full = self.state().clients.get(&network(client), now).copied();
        self.wait(full.unwrap_or(now).max(now) + self.interval(), now)
    }

    /// Counts a failure; returns the time to wait if the client had no attempt left.
    pub(super) fn failed(&self, client: IpAddr) -> Option<Duration> {
        let now = Instant::now();
        let client = network(client);
        let mut state = self.state();
        let full = state.clients.get(&client, now).copied();
        let full = full.unwrap_or(now).max(now) + self.interval();
        let wait = self.wait(full, now);
        if wait.is_none() {
            state.clients.insert(client, full, now);
        }
        wait
    }

    /// Remembers a good token.
    pub(super) fn remember(&self, token: &Token) {
        let hash = self.keys.hash_one(token.expose());
        self.state().good.insert(hash, (), Instant::now());
    }

    /// Whether the token was good recently.
    pub(super) fn remembers(&self, token: &Token) -> bool {
        let hash = self.keys.hash_one(token.expose());
        self.state().good.get(&hash, Instant::now()).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interval(&self) -> Duration {
        SPAN / self.per_minute.get()
    }

    fn wait(&self, full: Instant, now: Instant) -> Option<Duration> {
        let wait = full.duration_since(now).saturating_sub(self.interval() * self.per_minute.get());
        (!wait.is_zero()).then_some(wait)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("per_minute", &self.per_minute).finish_non_exhaustive()
    }
}

fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A map that drops entries not written for a span or two, and sooner when it grows too large.
struct Recent<K, V> {
    span: Duration,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    turned: Instant,
}

impl<K: Hash + Eq, V> Recent<K, V> {
    /// Entries per generation; there are two.
    const MOST: usize = 8192;

    fn new(span: Duration) -> Self {
        Self { span, young: HashMap::new(), old: HashMap::new(), turned: Instant::now() }
    }

    fn get(&mut self, key: &K, now: Instant) -> Option<&V> {
        self.turn(now);
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn insert(&mut self, key: K, value: V, now: Instant) {
        self.turn(now);
        self.young.insert(key, value);
    }

    fn turn(&mut self, now: Instant) {
        let age = now.duration_since(self.turned);
        if age >= self.span || self.young.len() >= Self::MOST {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        if age >= self.span * 2 {
            self.old.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn throttle(per_minute: u32) -> Throttle {
        Throttle::new(NonZeroU32::new(per_minute).unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_up_to_the_limit_are_free_and_time_makes_room_again() {
        let (throttle, client) = (throttle(3), ip("192.0.2.1"));
        for _ in 0..3 {
            assert_eq!(throttle.limited(client), None);
            assert_eq!(throttle.failed(client), None);
        }
        assert_eq!(throttle.limited(client), Some(Duration::from_secs(20)));
        assert_eq!(throttle.failed(client), Some(Duration::from_secs(20)));

        advance(Duration::from_secs(19)).await;
        assert_eq!(throttle.failed(client), Some(Duration::from_secs(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.failed(client), None, "one attempt every 20 seconds");
        assert!(throttle.limited(client).is_some());

        advance(Duration::from_secs(59)).await;
        assert_eq!([(); 2].map(|()| throttle.failed(client)), [None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_are_counted_apart_and_ipv6_by_its_network() {
        let throttle = throttle(1);
        assert_eq!(throttle.failed(ip("192.0.2.1")), None);
        assert_eq!(throttle.failed(ip("192.0.2.2")), None);
        assert!(throttle.limited(ip("::ffff:192.0.2.1")).is_some(), "the same host");
        assert_eq!(throttle.failed(ip("2001:db8::1")), None);
        assert!(throttle.limited(ip("2001:db8::ffff:1")).is_some());
        assert_eq!(throttle.limited(ip("2001:db8:0:1::1")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_addresses_takes_no_more_memory_than_two_generations() {
        let throttle = throttle(1);
        for address in 0..100_000 {
            assert_eq!(throttle.failed(IpAddr::V4(address.into())), None);
        }
        let state = throttle.state();
        assert!(state.clients.young.len() + state.clients.old.len() <= 2 * 8192);
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_token_is_remembered_for_a_while() {
        let (throttle, token) = (throttle(1), Token::new("good"));
        assert!(!throttle.remembers(&token));
        throttle.remember(&token);
        advance(GOOD_FOR).await;
        assert!(throttle.remembers(&token) && !throttle.remembers(&Token::new("other")));
        advance(GOOD_FOR * 2).await;
        assert!(!throttle.remembers(&token));
    }
}
