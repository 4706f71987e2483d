//! Changes with audit entries.

use super::{SqlRepo, or_stale, revert, settle};
use crate::db::dialect::Dialect;
use crate::db::error::is_audit_refused;
use crate::domain::audit::AuditEntry;
use crate::domain::pending::RevertPlan;
use crate::domain::repo::{RepoError, Write};
use crate::domain::scrub::{Ended, Settled};
use crate::domain::time::Timestamp;

/// Attempts of a settlement that loses a race.
const SETTLE_ATTEMPTS: usize = 5;

impl<D: Dialect> SqlRepo<D> {
    /// Writes a revert and its audit entry; only the revert if the database refuses the entry.
    pub(super) async fn revert_audited(
        &self,
        plan: &RevertPlan,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Write, sqlx::Error> {
        match self.try_revert(plan, now, vec![audit]).await {
            Err(error) if is_audit_refused(&error) => {
                self.tables.refused(&error);
                self.try_revert(plan, now, Vec::new()).await
            }
            written => written,
        }
    }

    /// The same for settling a batch.
    pub(super) async fn settle_audited(
        &self,
        settled: &[Settled<'_>],
        now: Timestamp,
    ) -> Result<Ended, RepoError> {
        let mut is_audited = true;
        for _ in 0..SETTLE_ATTEMPTS {
            match self.try_settle(settled, now, is_audited).await {
                Err(error) if is_audit_refused(&error) => {
                    self.tables.refused(&error);
                    is_audited = false;
                }
                ended => {
                    if let Some(ended) = or_stale(ended.map(Some), None)? {
                        return Ok(ended);
                    }
                }
            }
        }
        Err(RepoError::Unavailable("too many conflicts with other transactions".to_owned()))
    }

    async fn try_revert(
        &self,
        plan: &RevertPlan,
        now: Timestamp,
        entries: Vec<&AuditEntry>,
    ) -> Result<Write, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let written = async {
            let audit = self.tables.audit(&mut connection, entries).await?;
            revert::revert(&mut connection, plan, now, &audit).await
        };
        let written = written.await;
        if written.is_err() {
            // a transaction of BEGIN_REVERT stays open if a part of it failed
            connection.keep();
        }
        self.connections.note_result(&mut connection, written)
    }

    async fn try_settle(
        &self,
        settled: &[Settled<'_>],
        now: Timestamp,
        is_audited: bool,
    ) -> Result<Ended, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let ended = async {
            let entries = |is_whole| {
                let those = settled.iter().filter(move |one| one.is_whole == is_whole);
                those.filter_map(|one| one.audit.as_ref()).filter(|_| is_audited)
            };
            let all = entries(true).chain(entries(false)).collect();
            let mut whole = self.tables.audit(&mut connection, all).await?;
            let parts = whole.split_off(entries(true).count());
            settle::all(&mut connection, settled, now, (whole, parts)).await
        };
        let ended = ended.await;
        self.connections.note_result(&mut connection, ended)
    }
}
