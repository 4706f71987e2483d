//! One process: its clock, its connection to the database, and its death.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use glance_revert::domain::control::Control;
use glance_revert::domain::purge::Purger;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::revert::{RevertSettings, Reverter};
use glance_revert::domain::scrub::{PassLimits, ScrubSettings, Scrubber};
use glance_revert::domain::time::Clock;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::chance::{Chance, word};
use crate::memory::{Line, MemoryControl, MemoryLock, MemoryRepo};
use crate::objects::SimStores;
use crate::world::{GRACE, HostClock, World};

/// A process that runs the product.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) number: usize,
    pub(crate) node: usize,
    pub(crate) clock: Arc<HostClock>,
    /// The number of the policy that it read at its start.
    pub(crate) policy: usize,
    /// Cancelled when it dies.
    pub(crate) dead: CancellationToken,
    /// It is frozen until then.
    frozen: Mutex<Option<Instant>>,
    calls: Mutex<BTreeMap<(&'static str, u8), u64>>,
}

impl Process {
    pub(crate) fn start(world: &Arc<World>) -> Arc<Self> {
        let number = world.new_process();
        let mut chance = Chance::of(world.seed, &[word("process"), number as u64]);
        let node = usize::try_from(chance.below(world.odds.nodes as u64)).unwrap();
        let ahead = i64::try_from(chance.below(400)).unwrap() - 200;
        let clock = Arc::new(HostClock { world: Arc::clone(world), ahead: ahead.into() });
        let policy = world.truth.policies.number(world.elapsed());
        world.truth.seen.lock().unwrap().policy_of.insert(number, policy);
        Arc::new(Self {
            policy,
            world: Arc::clone(world),
            number,
            node,
            clock,
            dead: CancellationToken::new(),
            frozen: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    /// The choices for one call, different each time.
    pub(crate) fn chance(&self, call: &'static str, side: u8) -> Chance {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry((call, side)).or_default();
        *count += 1;
        Chance::of(self.world.seed, &[self.number as u64, word(call), u64::from(side), *count])
    }

    /// Freezes it for a while, like SIGSTOP. It may lose its sessions meanwhile.
    pub(crate) fn freeze(&self, time: Duration, loses_locks: bool) {
        *self.frozen.lock().unwrap() = Some(Instant::now() + time);
        if loses_locks {
            self.world.locks.lose(self.number);
        }
    }

    /// Takes a random time.
    pub(crate) async fn take_time(&self, chance: &mut Chance) {
        if self.world.is_quiet() {
            return sleep(Duration::from_millis(1)).await;
        }
        match chance.below(1000) {
            slow if slow < self.world.odds.slow => {
                sleep(Duration::from_millis(500 + chance.below(40_000))).await;
            }
            0..760 => {}
            760..960 => sleep(Duration::from_millis(1 + chance.below(4))).await,
            _ => sleep(Duration::from_millis(10 + chance.below(200))).await,
        }
        loop {
            let until = self.frozen.lock().unwrap().filter(|until| *until > Instant::now());
            let Some(until) = until else { break };
            sleep_until(until).await;
        }
    }

    async fn cross(&self, call: &'static str, side: u8) -> Result<(), RepoError> {
        let mut chance = self.chance(call, side);
        self.take_time(&mut chance).await;
        let side_word = if side == 0 { "asks" } else { "is told" };
        self.world.truth.tell(|| format!("process {} {side_word} {call}", self.number));
        let hurts = side == 1 && ["claim", "holds_of", "revert"].contains(&call);
        if hurts && !self.world.is_quiet() && chance.permille(self.world.odds.slow) {
            if chance.permille(500) {
                self.world.locks.lose(self.number);
            }
            sleep(Duration::from_millis(chance.below(400_000))).await;
        }
        if !self.world.is_quiet() && chance.permille(self.world.odds.broken) {
            return Err(RepoError::Unavailable("the connection broke".to_owned()));
        }
        Ok(())
    }

    /// Builds the product's parts.
    pub(crate) fn product(self: &Arc<Self>) -> Product {
        let world = &self.world;
        let database_clock = Arc::new(HostClock { world: Arc::clone(world), ahead: 0.into() });
        let database = Arc::clone(&world.database);
        let repo = Arc::new(MemoryRepo::new(database, self.clone(), database_clock));
        let control = Arc::new(MemoryControl(Arc::clone(&repo)));
        let lock = Arc::new(MemoryLock { locks: Arc::clone(&world.locks), repo: repo.clone() });
        let stores = Arc::new(SimStores::new(self));
        let settings = RevertSettings {
            lock_wait: Duration::from_secs(5),
            delete_grace: GRACE,
            delayed_delete: true,
        };
        let (clock, stores): (Arc<dyn Clock>, Arc<_>) = (self.clock.clone(), stores);
        let reverter =
            Reverter::new(repo.clone(), lock.clone(), stores.clone(), clock.clone(), settings);
        let retention = world.truth.policies.retention(self.policy).clone();
        let reverter = reverter.with_tables(control.clone()).with_retention(retention.clone());
        let reverter = Arc::new(reverter);
        let settings = ScrubSettings {
            scrub_time: retention.scrub_time,
            pool_size: 2,
            absent_limit: 20,
            limits: PassLimits::NONE,
            delayed_delete: true,
        };
        let purger =
            Purger::new(repo.clone(), lock.clone(), stores.clone(), clock.clone(), control.clone());
        let scrubber = Scrubber::new(repo, lock.clone(), stores, clock, settings);
        let scrubber = scrubber.with_rules(retention.rules).with_control(control.clone());
        let control = Control::new(control, lock, Arc::clone(&reverter));
        Product { reverter, scrubber, control, purger }
    }
}

/// The product's parts in one process.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) reverter: Arc<Reverter>,
    pub(crate) scrubber: Scrubber,
    pub(crate) control: Control,
    pub(crate) purger: Purger,
}

#[async_trait]
impl Line for Process {
    async fn ask(&self, call: &'static str) -> Result<(), RepoError> {
        self.cross(call, 0).await?;
        self.world.hear(self.node);
        match call {
            "lock" => self.world.truth.asked_for_lock(self.number),
            "lock_pass" => self.world.truth.began(self.number),
            _ => {}
        }
        Ok(())
    }

    async fn answer(&self, call: &'static str) -> Result<(), RepoError> {
        self.cross(call, 1).await
    }

    fn looked_again(&self, image: &str) {
        self.world.truth.looked_again(self.number, image);
    }

    fn node(&self) -> usize {
        self.node
    }

    fn process(&self) -> usize {
        self.number
    }
}

impl Process {
    /// Runs something; `None` if the process dies before the end, at a random moment.
    pub(crate) async fn run<T>(&self, act: impl Future<Output = T>) -> Option<T> {
        let mut chance = self.chance("death", 0);
        let dies = !self.world.is_quiet() && chance.permille(self.world.odds.crash);
        let death = async {
            if dies {
                sleep(Duration::from_millis(chance.below(60))).await;
                self.dead.cancel();
            }
            self.dead.cancelled().await;
        };
        let done = tokio::select! {
            biased;
            () = death => None,
            done = act => Some(done),
        };
        if done.is_none() {
            self.world.locks.lose(self.number);
        }
        done
    }

    /// Sets its clock.
    pub(crate) fn set_clock(&self, ahead: i64) {
        self.clock.ahead.store(ahead, Ordering::Relaxed);
    }
}
