//! Whether our own tables are there. They may come at any time, so while they are missing they are
//! looked for again and again; once they were seen, they are trusted.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::connections::Connections;
use super::deadline::within;
use super::dialect::Dialect;
use super::error::repo_error;
use super::orders;
use super::own::{self as sql, NEEDED};
use super::pooled::PooledConnection;
use super::statement::{PATIENCE, Statement};
use super::statements::IMAGE_SLOTS;
use super::transaction::begin;
use crate::domain::repo::RepoError;
use crate::domain::tables::{OwnTables, TablesState};

/// Our own tables in one family of databases.
#[derive(Debug)]
pub(super) struct SqlTables<D: Dialect> {
    connections: Connections<D>,
    were_seen: AtomicBool,
}

impl<D: Dialect> SqlTables<D> {
    pub(super) fn new(connections: Connections<D>) -> Self {
        Self { connections, were_seen: AtomicBool::default() }
    }

    /// Whether they are there, asked on this connection if they were not seen yet. No error means that
    /// they are not: inside of a transaction it is as good as outside.
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

    /// Looks for them again the next time: a statement on them was refused.
    pub(super) fn doubt(&self) {
        self.were_seen.store(false, Ordering::Relaxed);
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
        let rehearsed = rehearse(&mut connection).await;
        if rehearsed.is_err() {
            connection.keep();
        }
        match self.connections.note_result(&mut connection, rehearsed).map_err(repo_error) {
            Ok(()) => Ok(state),
            Err(RepoError::Refused(why)) => Ok(TablesState::Unusable(why)),
            Err(error) => Err(error),
        }
    }
}

async fn rehearse<D: Dialect>(connection: &mut PooledConnection<D>) -> Result<(), sqlx::Error> {
    let mut transaction = begin(connection).await?;
    for statement in [Statement::new(sql::SEE_SCRUBBER), Statement::new(orders::ORDERS)] {
        D::fetch(&mut transaction, statement).await?;
    }
    let past = chrono::DateTime::UNIX_EPOCH.naive_utc();
    let of_nobody = |statement: Statement| statement.bind_list(IMAGE_SLOTS, &[" "]);
    let term = |sql| Statement::new(sql).bind(past).bind(past).bind("").bind("");
    for statement in [
        Statement::new(orders::USE_UP).bind(-1_i64).bind(past),
        of_nobody(Statement::new(orders::LOCK_IMAGES)),
        of_nobody(term(orders::LENGTHEN_HOLDS).bind(past)),
        of_nobody(term(orders::ADD_HOLDS)),
        of_nobody(Statement::new(orders::END_HOLDS)),
    ] {
        D::execute(&mut transaction, statement).await?;
    }
    within(PATIENCE, transaction.rollback()).await
}

/// The version that the database has, 0 for none. Two questions, none of which can fail for want of a
/// table: on PostgreSQL a failure would end the transaction that it is asked in.
pub(super) async fn version<D: Dialect>(
    connection: &mut D::Connection,
) -> Result<i64, sqlx::Error> {
    if D::fetch(connection, Statement::new(D::HAS_MIGRATIONS)).await?.is_empty() {
        return Ok(0);
    }
    let rows = D::fetch(connection, Statement::new(sql::VERSION)).await?;
    Ok(rows.first().map(|row| D::big(row, "version")).transpose()?.flatten().unwrap_or(0))
}
