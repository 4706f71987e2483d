//! Changes that leave entries in the audit.

use super::{SqlRepo, or_stale, revert, settle};
use crate::db::dialect::Dialect;
use crate::db::error::is_audit_refused;
use crate::domain::audit::AuditEntry;
use crate::domain::pending::RevertPlan;
use crate::domain::repo::{RepoError, Write};
use crate::domain::scrub::Settled;
use crate::domain::time::Timestamp;

/// A settlement that lost a race is written again so often.
const SETTLE_ATTEMPTS: usize = 5;

impl<D: Dialect> SqlRepo<D> {
    /// A revert and its entry; the revert alone where the database refuses the entry.
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

    /// The same of what became of a batch.
    pub(super) async fn settle_audited(
        &self,
        settled: &[Settled<'_>],
        now: Timestamp,
    ) -> Result<u64, RepoError> {
        let mut entries: Vec<_> = settled.iter().filter_map(|one| one.audit.as_ref()).collect();
        for _ in 0..SETTLE_ATTEMPTS {
            match self.try_settle(settled, now, entries.clone()).await {
                Err(error) if is_audit_refused(&error) => {
                    self.tables.refused(&error);
                    entries.clear();
                }
                found => {
                    if let Some(found) = or_stale(found.map(Some), None)? {
                        return Ok(found);
                    }
                }
            }
        }
        Err(RepoError::Unavailable("other transactions kept winning".to_owned()))
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
            // what BEGIN_REVERT began has no end where a part of it failed
            connection.keep();
        }
        self.connections.note_result(&mut connection, written)
    }

    async fn try_settle(
        &self,
        settled: &[Settled<'_>],
        now: Timestamp,
        entries: Vec<&AuditEntry>,
    ) -> Result<u64, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let found = async {
            let audit = self.tables.audit(&mut connection, entries).await?;
            settle::all(&mut connection, settled, now, &audit).await
        };
        let found = found.await;
        self.connections.note_result(&mut connection, found)
    }
}
