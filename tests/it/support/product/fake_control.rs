//! Pauses and holds in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use glance_revert::domain::audit::AuditEntry;
use glance_revert::domain::control::{
    Acceptance, ControlRepo, Hold, HoldOutcome, InForce, LastPass, Orders, PassResult, Term,
};
use glance_revert::domain::image::{ImageId, ImageStatus};
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::time::Clock;

use crate::support::clock::FixedClock;
use crate::support::fakes::FakeRepo;

/// The tables exist unless a test removes them.
#[derive(Debug)]
pub(crate) struct FakeControl {
    repo: Arc<FakeRepo>,
    clock: Arc<FixedClock>,
    pub(crate) is_missing: Mutex<bool>,
    /// The number of claims in progress.
    pub(crate) in_hand: Mutex<u64>,
    orders: Mutex<Orders>,
    holds: Mutex<BTreeMap<ImageId, InForce>>,
}

impl FakeControl {
    pub(crate) fn new(repo: Arc<FakeRepo>, clock: Arc<FixedClock>) -> Self {
        Self {
            repo,
            clock,
            is_missing: Mutex::default(),
            in_hand: Mutex::default(),
            orders: Mutex::default(),
            holds: Mutex::default(),
        }
    }

    fn must_be_there(&self) -> Result<(), RepoError> {
        if *self.is_missing.lock().unwrap() { Err(RepoError::TablesMissing) } else { Ok(()) }
    }

    fn in_force(&self, term: &Term, by: &Admin) -> InForce {
        let by = by.principal().subject.clone();
        InForce { term: term.clone(), since: self.clock.now(), by }
    }
}

#[async_trait]
impl ControlRepo for FakeControl {
    async fn orders(&self) -> Result<Option<Orders>, RepoError> {
        let held = self.holds.lock().unwrap().len().try_into().unwrap();
        let orders = Orders { held, ..self.orders.lock().unwrap().clone() };
        Ok(self.must_be_there().ok().map(|()| orders))
    }

    async fn is_paused(&self) -> Result<bool, RepoError> {
        Ok(self.orders.lock().unwrap().pause.is_some())
    }

    async fn pause(&self, term: &Term, by: &Admin) -> Result<(), RepoError> {
        self.must_be_there()?;
        let pause = self.in_force(term, by);
        self.orders.lock().unwrap().pause = Some(pause);
        Ok(())
    }

    async fn resume(&self, _: &Admin) -> Result<bool, RepoError> {
        self.must_be_there()?;
        Ok(self.orders.lock().unwrap().pause.take().is_some())
    }

    async fn accept(&self, images: u64, by: &Admin) -> Result<(), RepoError> {
        self.must_be_there()?;
        let (at, by) = (self.clock.now(), by.principal().subject.clone());
        self.orders.lock().unwrap().accepted = Some(Acceptance { images, at, by });
        Ok(())
    }

    async fn use_up(&self, _: &Acceptance) -> Result<(), RepoError> {
        self.orders.lock().unwrap().accepted = None;
        Ok(())
    }

    async fn keep_scrub_time(&self, scrub_time: Duration) -> Result<(), RepoError> {
        let mut orders = self.orders.lock().unwrap();
        orders.scrub_time = orders.scrub_time.max(Some(scrub_time));
        Ok(())
    }

    async fn shorten_scrub_time(&self, _: Duration, to: Duration) -> Result<(), RepoError> {
        self.orders.lock().unwrap().scrub_time = Some(to);
        Ok(())
    }

    async fn keep_retention(&self, _: Option<&str>, to: Option<&str>) -> Result<(), RepoError> {
        self.orders.lock().unwrap().retention = to.map(str::to_owned);
        Ok(())
    }

    async fn pass_began(&self) -> Result<(), RepoError> {
        let (began, host) = (self.clock.now(), "controller-1".to_owned());
        let pass = LastPass { began, ended: None, host, result: None };
        self.orders.lock().unwrap().last_pass = Some(pass);
        Ok(())
    }

    async fn pass_ended(&self, result: &PassResult) -> Result<(), RepoError> {
        if let Some(pass) = &mut self.orders.lock().unwrap().last_pass {
            pass.ended = Some(self.clock.now());
            pass.result = Some(result.clone());
        }
        Ok(())
    }

    async fn hold(
        &self,
        images: &[ImageId],
        term: &Term,
        by: &Admin,
    ) -> Result<Vec<HoldOutcome>, RepoError> {
        self.must_be_there()?;
        let known = self.repo.images.lock().unwrap();
        let outcome = |id: &ImageId| match known.get(id.as_str()).map(|image| image.status) {
            None => HoldOutcome::NotFound,
            Some(ImageStatus::PendingDelete) => {
                self.holds.lock().unwrap().insert(id.clone(), self.in_force(term, by));
                HoldOutcome::Held
            }
            Some(_) => HoldOutcome::Refused(NotPending::ScrubInProgress),
        };
        Ok(images.iter().map(outcome).collect())
    }

    async fn release(&self, images: &[ImageId], _: &Admin) -> Result<Vec<bool>, RepoError> {
        self.must_be_there()?;
        let mut holds = self.holds.lock().unwrap();
        Ok(images.iter().map(|id| holds.remove(id).is_some()).collect())
    }

    async fn holds_of(&self, images: &[ImageId]) -> Result<Vec<Hold>, RepoError> {
        let holds = self.holds.lock().unwrap();
        let one = |id: &ImageId| Some(Hold { image: id.clone(), hold: holds.get(id)?.clone() });
        Ok(images.iter().filter_map(one).collect())
    }

    async fn rehearse(&self) -> Result<(), RepoError> {
        Ok(())
    }

    async fn holds(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<Hold>, RepoError> {
        let holds = self.holds.lock().unwrap();
        let later = holds.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        let later = later.map(|(id, hold)| Hold { image: id.clone(), hold: hold.clone() });
        Ok(later.take(limit.try_into().unwrap()).collect())
    }

    async fn record(&self, _: &AuditEntry) -> Result<bool, RepoError> {
        Ok(true)
    }

    async fn claimed(&self) -> Result<u64, RepoError> {
        Ok(*self.in_hand.lock().unwrap())
    }
}
