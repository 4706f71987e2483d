//! Plans every statement, and writes to rows that cannot exist, to find and name what the database
//! refuses before a revert needs it.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{SqlRepo, begin, far_past};
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::{lost_race, repo_error};
use crate::db::plans::On;
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, LOCATION_SLOTS};
use crate::domain::repo::{DatabaseHealth, RepoError};

/// The columns of each table that are read and written: the grants of deploy/sql.
const COLUMNS: [(&str, &str, &str); 5] = [
    (
        "images",
        "id name disk_format container_format size virtual_size status checksum os_hash_algo \
         os_hash_value protected os_hidden min_ram min_disk owner visibility created_at updated_at \
         deleted_at deleted",
        "status protected updated_at deleted_at deleted",
    ),
    (
        "image_locations",
        "id image_id value meta_data status deleted_at deleted",
        "status updated_at deleted_at deleted",
    ),
    (
        "image_properties",
        "id image_id name value deleted_at deleted",
        "updated_at deleted_at deleted",
    ),
    ("image_tags", "id image_id value deleted_at deleted", "updated_at deleted_at deleted"),
    (
        "image_members",
        "id image_id member status deleted_at deleted",
        "updated_at deleted_at deleted",
    ),
];

#[async_trait]
impl<D: Dialect> DatabaseHealth for SqlRepo<D> {
    async fn rehearse(&self) -> Result<(), RepoError> {
        self.rehearse_all().await
    }

    async fn ping(&self) -> Result<(), RepoError> {
        self.fetch(Statement::new(sql::PING)).await.map(drop)
    }
}

impl<D: Dialect> SqlRepo<D> {
    /// Names what the database refuses.
    pub(super) async fn rehearse_all(&self) -> Result<(), RepoError> {
        let rehearsed = async {
            self.rehearse_statements().await?;
            self.look_for_faulty_tables().await
        };
        match rehearsed.await {
            Err(RepoError::Refused(text)) => Err(self.explain(text).await),
            done => done,
        }
    }

    async fn rehearse_statements(&self) -> Result<(), RepoError> {
        let mut connection = self.connection().await?;
        let rehearsed = async {
            self.planned.all::<D>(&mut connection, On::Glance).await?;
            write(&mut connection).await?;
            lock_tables(&mut connection).await
        };
        let rehearsed = rehearsed.await;
        if rehearsed.is_err() {
            connection.keep();
        }
        match self.connections.note_result(&mut connection, rehearsed) {
            // a statement that lost against another transaction was allowed
            Err(error) if lost_race(&error) => Ok(()),
            rehearsed => rehearsed.map_err(repo_error),
        }
    }

    /// Fails if a table does not support transactions, because a failed revert would then remain
    /// half done. Checked once, until the next rehearsal.
    pub(super) async fn has_transactions(&self) -> Result<(), RepoError> {
        if self.has_transactions.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.look_for_faulty_tables().await
    }

    async fn look_for_faulty_tables(&self) -> Result<(), RepoError> {
        if let Some(sql) = D::FAULTY_TABLES {
            self.has_transactions.store(false, Ordering::Relaxed);
            let faults = self.faults(sql).await?;
            if !faults.is_empty() {
                return Err(RepoError::Refused(format!(
                    "{} does not support transactions, so a failed revert would stay half done: \
                     ALTER TABLE .. ENGINE = InnoDB",
                    faults.join(", ")
                )));
            }
        }
        self.has_transactions.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn faults(&self, sql: &'static str) -> Result<Vec<String>, RepoError> {
        let rows = self.fetch(Statement::new(sql)).await?;
        Ok(rows.iter().filter_map(|row| D::text(row, "fault").ok().flatten()).collect())
    }

    /// Lists everything that is missing. The database's own message names at most the first.
    async fn explain(&self, text: String) -> RepoError {
        let mut missing = Vec::new();
        if let (true, Some(sql)) = (text.contains("collations"), D::ODD_COLLATIONS) {
            missing.extend(self.faults(sql).await.unwrap_or_default());
        }
        for (table, read, written) in COLUMNS {
            for column in read.split(' ') {
                let probe = format!("SELECT {column} FROM {table} WHERE 1 = 0");
                self.probe(probe, &mut missing, || format!("{table}.{column} cannot be read"))
                    .await;
            }
            for column in written.split(' ') {
                let probe = format!("UPDATE {table} SET {column} = NULL WHERE 1 = 0");
                self.probe(probe, &mut missing, || format!("{table}.{column} cannot be written"))
                    .await;
            }
        }
        let is_told = missing.is_empty();
        RepoError::Refused(if is_told { text } else { format!("{}: {text}", missing.join(", ")) })
    }

    async fn probe(&self, text: String, missing: &mut Vec<String>, what: impl FnOnce() -> String) {
        let Ok(mut connection) = self.connection().await else { return };
        let answer = D::probe(&mut connection, text).await;
        let answer = self.connections.note_result(&mut connection, answer).map_err(repo_error);
        if let Err(RepoError::Refused(_)) = answer {
            missing.push(what());
        }
    }
}

/// Whether a revert may take the lock against a purge. The test need not get the lock.
async fn lock_tables<D: Dialect>(connection: &mut PooledConnection<D>) -> Result<(), sqlx::Error> {
    let Some(lock) = D::TRY_LOCK_TABLES else { return Ok(()) };
    let mut transaction = begin(connection).await?;
    match D::execute(&mut transaction, Statement::new(lock)).await {
        Err(error) if !lost_race(&error) => return Err(error),
        _ => {}
    }
    within(PATIENCE, transaction.rollback()).await
}

/// Writes to each table, which a server that may only be read refuses.
async fn write<D: Dialect>(connection: &mut PooledConnection<D>) -> Result<(), sqlx::Error> {
    let (id, now) = (" ", far_past());
    let unchanged = |statement: Statement| statement.bind("").bind("").bind("");
    let of_child = |sql| Statement::new(sql).bind(now).bind(id);
    let mut transaction = begin(connection).await?;
    for statement in [
        unchanged(Statement::new(sql::REVERT_IMAGE).bind(now).bind(0).bind(id)),
        of_child(sql::REVERT_LOCATIONS).bind_list(LOCATION_SLOTS, &[0]),
        of_child(sql::REVERT_PROPERTIES).bind(now),
        of_child(sql::REVERT_TAGS).bind(""),
        of_child(sql::REVERT_MEMBERS).bind(""),
    ] {
        D::execute(&mut transaction, statement).await?;
    }
    within(PATIENCE, transaction.rollback()).await
}
