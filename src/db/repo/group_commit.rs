//! Concurrent reverts share one transaction.
//!
//! On PostgreSQL a revert locks tables ([`Dialect::BEGIN_REVERT`]), so only one can write at a
//! time; on the others each COMMIT goes to disk. A revert that arrives while another one is written
//! joins a queue, and the next transaction writes the whole queue. A single revert does not wait.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::SqlRepo;
use super::many::Change;
use crate::db::dialect::Dialect;
use crate::db::whole::WHOLE_SLOTS;
use crate::domain::audit::AuditEntry;
use crate::domain::pending::RevertPlan;
use crate::domain::repo::{RepoError, Write};
use crate::domain::time::Timestamp;

/// The queue of reverts, and the turn to write.
#[derive(Debug, Default)]
pub(super) struct GroupCommit {
    waiting: Mutex<Vec<WaitingRevert>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct WaitingRevert {
    plan: RevertPlan,
    audit: AuditEntry,
    now: Timestamp,
    answer: oneshot::Sender<Result<Write, RepoError>>,
}

impl GroupCommit {
    fn join(&self, one: WaitingRevert) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    /// The first revert of the queue and those that can be written with it, if their callers still
    /// wait.
    fn leave(&self) -> Vec<WaitingRevert> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|one| !one.answer.is_closed());
        let Some(now) = waiting.first().map(|one| one.now) else { return Vec::new() };
        let mut places = WHOLE_SLOTS;
        let fits = |one: &mut WaitingRevert| {
            let fits = one.now == now && places > 0;
            places -= usize::from(fits);
            fits
        };
        waiting.extract_if(.., fits).collect()
    }
}

impl<D: Dialect> SqlRepo<D> {
    /// Queues a revert, which is written together with the others in the queue. Runs in its own
    /// task, so that a cancelled caller does not stop it: others may be in the same transaction.
    pub(super) async fn revert_in_group(
        &self,
        change: Change<'_>,
        now: Timestamp,
    ) -> Result<Write, RepoError> {
        let (answer, written) = oneshot::channel();
        let (plan, audit) = (change.plan.clone(), change.audit.clone());
        self.group_commit.join(WaitingRevert { plan, audit, now, answer });
        tokio::spawn(self.clone().write_for_all().in_current_span());
        written.await.unwrap_or_else(|_| {
            Err(RepoError::Unavailable(
                "the outcome of the change is unknown; read the image again".to_owned(),
            ))
        })
    }

    /// Takes one turn. Every caller that joins starts one, so that no revert is forgotten.
    async fn write_for_all(self) {
        let _turn = self.group_commit.turn.lock().await;
        let group = self.group_commit.leave();
        let Some(now) = group.first().map(|one| one.now) else { return };
        let changes: Vec<_> =
            group.iter().map(|one| Change { plan: &one.plan, audit: &one.audit }).collect();
        let written = self.revert_each(&changes, now).await;
        for (one, written) in group.into_iter().zip(written) {
            // a caller that disconnected finds the result in the audit
            one.answer.send(written).ok();
        }
    }
}
