//! Advisory locks, which belong to a session that can be lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::lock::{HeldLock, ImageGuard, ImageLock, PassGuard};
use glance_revert::domain::repo::RepoError;

use super::MemoryRepo;

/// The name of the pass lock.
const PASS: &str = "pass";

/// The holders of the locks, separately for each node, because nodes do not share locks.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// By node and name: the process, and a number for this acquisition.
    by_name: BTreeMap<(usize, String), (usize, u64)>,
    takings: u64,
}

impl Locks {
    fn take(&self, node: usize, process: usize, name: &str) -> Option<u64> {
        let mut held = self.0.lock().unwrap();
        let key = (node, name.to_owned());
        if held.by_name.contains_key(&key) {
            return None;
        }
        held.takings += 1;
        let taking = held.takings;
        held.by_name.insert(key, (process, taking));
        Some(taking)
    }

    fn release(&self, node: usize, name: &str, taking: u64) {
        let mut held = self.0.lock().unwrap();
        let key = (node, name.to_owned());
        if held.by_name.get(&key).is_some_and(|(_, its)| *its == taking) {
            held.by_name.remove(&key);
        }
    }

    /// Ends the session of a process: others may take its locks, and the process does not know it.
    pub(crate) fn lose(&self, process: usize) {
        self.0.lock().unwrap().by_name.retain(|_, (its, _)| *its != process);
    }
}

/// The locks as seen by one process.
#[derive(Debug)]
pub(crate) struct MemoryLock {
    pub(crate) locks: Arc<Locks>,
    pub(crate) repo: Arc<MemoryRepo>,
}

#[derive(Debug)]
struct Lock {
    locks: Arc<Locks>,
    node: usize,
    name: String,
    taking: u64,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.locks.release(self.node, &self.name, self.taking);
    }
}

#[async_trait]
impl HeldLock for Lock {
    async fn release(self: Box<Self>) {}
}

impl MemoryLock {
    async fn take(&self, call: &'static str, name: &str) -> Result<Option<Box<Lock>>, RepoError> {
        let line = &self.repo.line;
        line.ask(call).await?;
        let (node, process) = (line.node(), line.process());
        let lock = self.locks.take(node, process, name).map(|taking| {
            let (locks, name) = (Arc::clone(&self.locks), name.to_owned());
            Box::new(Lock { locks, node, name, taking })
        });
        line.answer(call).await.map(|()| lock)
    }
}

#[async_trait]
impl ImageLock for MemoryLock {
    async fn try_lock(&self, id: &ImageId) -> Result<Option<ImageGuard>, RepoError> {
        self.repo.remember(id);
        let held = self.take("lock", id.as_str()).await?;
        Ok(held.map(|held| ImageGuard::new(id.clone(), held)))
    }

    async fn try_lock_pass(&self) -> Result<Option<PassGuard>, RepoError> {
        let held = self.take("lock_pass", PASS).await?;
        Ok(held.map(|held| PassGuard::new(held)))
    }
}
