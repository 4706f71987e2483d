//! Whether our own tables exist. They may be created at any time, so while missing they are looked
//! for repeatedly; once seen, they are trusted.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::audit;
use super::connections::Connections;
use super::deadline::within;
use super::dialect::Dialect;
use super::error::{audit_refused, is_refused, lost_race, repo_error};
use super::orders::{self, HOLD_SLOTS};
use super::own::{self as sql, NEEDED};
use super::plans::{On, Planned};
use super::pooled::PooledConnection;
use super::statement::{PATIENCE, Statement};
use super::statements::IMAGE_SLOTS;
use super::transaction::begin;
use crate::domain::audit::{Actor, AuditEntry, AuditQuery, AuditRow};
use crate::domain::image::ImageId;
use crate::domain::principal::Admin;
use crate::domain::repo::RepoError;
use crate::domain::tables::{MOST_UNRECORDED, OwnTables, TablesState};
use crate::domain::time::Timestamp;

/// Our own tables in one family of databases.
#[derive(Debug)]
pub(super) struct SqlTables<D: Dialect> {
    connections: Connections<D>,
    were_seen: AtomicBool,
    planned: Planned,
    /// This host's name, for audit entries.
    host: String,
}

impl<D: Dialect> SqlTables<D> {
    pub(super) fn new(connections: Connections<D>) -> Self {
        let (were_seen, planned) = (AtomicBool::default(), Planned::default());
        Self { connections, were_seen, planned, host: host() }
    }

    /// Whether they exist, queried on this connection if they were not seen before. Missing tables
    /// cause no error, so this also works inside a transaction.
    pub(super) async fn are_there(
        &self,
        connection: &mut D::Connection,
    ) -> Result<bool, sqlx::Error> {
        if self.were_seen.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let are_there = version::<D>(connection).await? >= NEEDED;
        self.were_seen.store(are_there, Ordering::Relaxed);
        Ok(are_there)
    }

    /// Fails if they are missing.
    pub(super) async fn must_be_there(&self) -> Result<(), RepoError> {
        match self.state().await? {
            TablesState::Present => Ok(()),
            TablesState::Missing => Err(RepoError::TablesMissing),
            TablesState::Unusable(why) => Err(RepoError::Refused(why)),
        }
    }

    /// The name of this host.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The audit entries to write with a change on this connection; none while the tables are
    /// missing. If an entry cannot be written, the image still comes back: the error is logged, and
    /// the log has the same record.
    pub(super) async fn audit<'e>(
        &'e self,
        connection: &mut D::Connection,
        entries: Vec<&'e AuditEntry>,
    ) -> Result<Audit<'e>, sqlx::Error> {
        let are_there = match self.are_there(connection).await {
            Err(error) if is_refused(&error) => {
                self.refused(&error);
                false
            }
            are_there => are_there?,
        };
        Ok(Audit { entries: if are_there { entries } else { Vec::new() }, host: &self.host })
    }

    /// Logs that the database refused an entry: the change is made without it.
    pub(super) fn refused(&self, error: &sqlx::Error) {
        tracing::error!(%error, "audit records are only in the log; see glance-revert check");
        self.doubt();
    }

    /// Runs a query on them.
    async fn fetch(&self, statement: Statement) -> Result<Vec<D::Row>, RepoError> {
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let rows = D::fetch(&mut connection, statement).await;
        if rows.as_ref().is_err_and(is_refused) {
            self.doubt();
        }
        self.connections.note_result(&mut connection, rows).map_err(repo_error)
    }

    /// Forgets that they exist, after a refused statement.
    pub(super) fn doubt(&self) {
        self.were_seen.store(false, Ordering::Relaxed);
    }
}

/// The audit entries of a change, if there is an audit table.
pub(super) struct Audit<'e> {
    entries: Vec<&'e AuditEntry>,
    host: &'e str,
}

impl Audit<'_> {
    /// Writes them in the change's transaction.
    pub(super) async fn write<D: Dialect>(
        &self,
        transaction: &mut D::Connection,
    ) -> Result<(), sqlx::Error> {
        audit::write::<D>(transaction, &self.entries, self.host).await
    }

    /// Keeps only the first entries.
    pub(super) fn split_off(&mut self, first: usize) -> Self {
        let entries = self.entries.split_off(first.min(self.entries.len()));
        Self { entries, host: self.host }
    }

    /// The images of the entries.
    pub(super) fn images(&self) -> Vec<&str> {
        let images = self.entries.iter().filter_map(|entry| entry.image.as_ref());
        images.map(|image| image.id.as_str()).collect()
    }

    /// Removes the entries of these images.
    pub(super) fn without(mut self, images: &HashSet<String>) -> Self {
        self.entries.retain(|entry| {
            entry.image.as_ref().is_none_or(|image| !images.contains(image.id.as_str()))
        });
        self
    }

    /// The same for reverts, which also end the holds of their images.
    pub(super) async fn write_reverts<D: Dialect>(
        &self,
        transaction: &mut D::Connection,
    ) -> Result<(), sqlx::Error> {
        let held = self.end_holds::<D>(transaction).await.map_err(audit_refused)?;
        let of_held = |entry: &&&AuditEntry| {
            entry.image.as_ref().is_some_and(|image| held.contains(image.id.as_str()))
        };
        let released: Vec<_> =
            self.entries.iter().filter(of_held).map(|entry| entry.release_of_hold()).collect();
        let all: Vec<_> = released.iter().chain(self.entries.iter().copied()).collect();
        audit::write::<D>(transaction, &all, self.host).await
    }

    /// Ends the holds of the images of its entries; returns which of them were held.
    async fn end_holds<D: Dialect>(
        &self,
        transaction: &mut D::Connection,
    ) -> Result<HashSet<String>, sqlx::Error> {
        let images = self.images();
        let is_few = images.len() <= IMAGE_SLOTS;
        let (text, slots) =
            if is_few { (orders::HELD, IMAGE_SLOTS) } else { (orders::HOLDS_OF, HOLD_SLOTS) };
        let mut held = HashSet::new();
        for some in images.chunks(slots) {
            let rows = D::fetch(transaction, Statement::new(text).bind_list(slots, some)).await?;
            for row in &rows {
                held.extend(D::text(row, "image_id")?);
            }
        }
        let ended: Vec<_> = held.iter().map(String::as_str).collect();
        for some in ended.chunks(IMAGE_SLOTS) {
            let statement = Statement::new(orders::END_HOLDS).bind_list(IMAGE_SLOTS, some);
            D::execute(transaction, statement).await?;
        }
        Ok(held)
    }
}

#[async_trait]
impl<D: Dialect> OwnTables for SqlTables<D> {
    async fn state(&self) -> Result<TablesState, RepoError> {
        if self.were_seen.load(Ordering::Relaxed) {
            return Ok(TablesState::Present);
        }
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let seen = self.are_there(&mut connection).await;
        match self.connections.note_result(&mut connection, seen).map_err(repo_error) {
            Ok(true) => Ok(TablesState::Present),
            Ok(false) => Ok(TablesState::Missing),
            Err(RepoError::Refused(why)) => Ok(TablesState::Unusable(why)),
            Err(error) => Err(error),
        }
    }

    async fn rehearse(&self) -> Result<TablesState, RepoError> {
        self.doubt();
        let state = self.state().await?;
        if state != TablesState::Present {
            return Ok(state);
        }
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let rehearsed = rehearse(&mut connection, &self.planned).await;
        if rehearsed.is_err() {
            connection.keep();
        }
        let rehearsed = match self.connections.note_result(&mut connection, rehearsed) {
            // a statement that lost against another transaction was allowed
            Err(error) if lost_race(&error) => Ok(()),
            rehearsed => rehearsed.map_err(repo_error),
        };
        match rehearsed {
            Ok(()) => Ok(state),
            Err(RepoError::Refused(why)) => Ok(TablesState::Unusable(why)),
            Err(error) => Err(error),
        }
    }

    async fn unrecorded_scrubs(&self, since: Timestamp) -> Result<Option<Vec<ImageId>>, RepoError> {
        match self.must_be_there().await {
            Err(RepoError::TablesMissing) => return Ok(None),
            there => there?,
        }
        let operation = Some("trimAudit".to_owned());
        let trims = AuditQuery { operation, limit: 1, ..AuditQuery::default() };
        let trims = self.fetch(audit::list(&trims)).await?;
        let trim = trims.first().map(audit::read::<D>).transpose().map_err(repo_error)?;
        let since = since.max(trim.and_then(|trim| trimmed_before(&trim)).unwrap_or(since));
        let mut rows = Vec::new();
        for text in [sql::UNRECORDED_SCRUBS, sql::TAKEN_AFTER_REVERT] {
            let statement = Statement::walk(text).bind(since);
            rows.extend(self.fetch(statement.bind(i64::from(MOST_UNRECORDED))).await?);
        }
        let ids = rows.iter().map(|row| D::text(row, "id").map_err(repo_error));
        let ids = ids.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        Ok(Some(ids.filter_map(|id| ImageId::parse(&id).ok()).collect()))
    }

    async fn last_of(&self, _: &Admin, images: &[ImageId]) -> Result<Vec<AuditRow>, RepoError> {
        self.must_be_there().await?;
        let mut last = Vec::new();
        for some in images.chunks(IMAGE_SLOTS) {
            let some: Vec<_> = some.iter().map(ImageId::as_str).collect();
            let statement = Statement::new(sql::LAST_AUDIT_OF).bind_list(IMAGE_SLOTS, &some);
            for row in self.fetch(statement).await? {
                last.push(audit::read::<D>(&row).map_err(repo_error)?);
            }
        }
        Ok(last)
    }

    async fn list_audit(&self, _: &Admin, query: &AuditQuery) -> Result<Vec<AuditRow>, RepoError> {
        self.must_be_there().await?;
        let rows = self.fetch(audit::list(query)).await?;
        rows.iter().map(|row| audit::read::<D>(row).map_err(repo_error)).collect()
    }
}

async fn rehearse<D: Dialect>(
    connection: &mut PooledConnection<D>,
    planned: &Planned,
) -> Result<(), sqlx::Error> {
    planned.all::<D>(connection, On::Ours).await?;
    let mut transaction = begin(connection).await?;
    let of_nobody = Statement::new(orders::END_HOLDS).bind_list(IMAGE_SLOTS, &[" "]);
    D::execute(&mut transaction, of_nobody).await?;
    let past = chrono::DateTime::UNIX_EPOCH.naive_utc();
    let entry = AuditEntry::new(past, "rehearsal", Actor::scrubber());
    audit::write::<D>(&mut transaction, &[&entry], "").await?;
    within(PATIENCE, transaction.rollback()).await
}

/// Changes before this time no longer have an entry.
fn trimmed_before(trim: &AuditRow) -> Option<Timestamp> {
    let before = trim.details.get("before")?.as_str()?;
    before.strip_suffix('Z')?.parse().ok()
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The version that the database has, 0 for none. Two queries that cannot fail because a table is
/// missing: on PostgreSQL a failure would end the surrounding transaction.
pub(super) async fn version<D: Dialect>(
    connection: &mut D::Connection,
) -> Result<i64, sqlx::Error> {
    if D::fetch(connection, Statement::new(D::HAS_MIGRATIONS)).await?.is_empty() {
        return Ok(0);
    }
    let rows = D::fetch(connection, Statement::new(sql::VERSION)).await?;
    Ok(rows.first().map(|row| D::big(row, "version")).transpose()?.flatten().unwrap_or(0))
}
