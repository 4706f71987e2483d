//! Runs every statement on rows that cannot exist, to find and name what the database refuses
//! before a revert needs it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{SqlRepo, begin, due, far_past};
use crate::db::backlog;
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::{lost_race, repo_error};
use crate::db::pooled::PooledConnection;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{self as sql, IMAGE_SLOTS, LOCATION_SLOTS};
use crate::db::whole::{self, WHOLE_SLOTS};
use crate::domain::image::ImageId;
use crate::domain::pending::Children;
use crate::domain::repo::{
    DatabaseHealth, ImageRepo, RepoError, ScrubRepo, ScrubbedQuery, Stretch,
};
use crate::domain::retention::Labels;
use crate::domain::selection::Filter;

/// Greater than every id of Glance, so that no table is walked over.
const NOBODY: &str = "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz";

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
    /// Runs all of them, and names what the database refuses.
    pub(super) async fn rehearse_all(&self) -> Result<(), RepoError> {
        let rehearsed = async {
            self.rehearse_reads().await?;
            self.rehearse_writes().await?;
            self.look_for_faulty_tables().await
        };
        match rehearsed.await {
            Err(RepoError::Refused(text)) => Err(self.explain(text).await),
            done => done,
        }
    }

    async fn rehearse_reads(&self) -> Result<(), RepoError> {
        let problem = |error| RepoError::Refused(format!("{NOBODY}: {error}"));
        let nobody = ImageId::parse(NOBODY).map_err(problem)?;
        self.get(&nobody, Children::ALL).await?;
        self.live_locations_of(&nobody).await?;
        self.get_whole(std::slice::from_ref(&nobody), Children::ALL).await?;
        self.live_locations_of_all(std::slice::from_ref(&nobody)).await?;
        self.get_many(std::slice::from_ref(&nobody)).await?;
        self.rehearse_list().await?;
        for (owner, since) in [(None, None), (None, Some(far_past())), (Some(NOBODY), None)] {
            let filter = Filter { owner: owner.map(str::to_owned), ..Filter::default() };
            self.read_candidates(&filter, None, since, 0, &mut drop).await?;
        }
        self.candidates_of(std::slice::from_ref(&nobody)).await?;
        self.page_of_scrubbed(&ScrubbedQuery::default()).await?;
        for tags in [HashSet::new(), HashSet::from([NOBODY.to_owned()])] {
            let wanted = Labels { tags, ..Labels::default() };
            self.facts_of(std::slice::from_ref(&nobody), &wanted).await?;
        }
        self.position(&nobody).await?;
        self.list_due(far_past(), i32::MAX, 1).await?;
        self.fetch(due(backlog::COUNT_DUE, i32::MAX, far_past())).await?;
        self.remnants(far_past(), Some(&nobody), true, Stretch { images: 1, found: 1 }).await?;
        self.outlook_after(Some(NOBODY), [far_past(); 3], far_past()).await?;
        self.locations_of(std::slice::from_ref(&nobody), &mut |_| {}).await?;
        self.needed_locations(far_past(), i32::MAX, 1, &mut |_| {}).await?;
        self.live_locations(i32::MAX, 1, &mut |_| {}).await?;
        self.now().await.map(drop)
    }

    async fn rehearse_writes(&self) -> Result<(), RepoError> {
        let mut connection = self.connection().await?;
        let rehearsed = async {
            rehearse(&mut connection).await?;
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

async fn rehearse<D: Dialect>(connection: &mut PooledConnection<D>) -> Result<(), sqlx::Error> {
    let (id, now) = (" ", far_past());
    let unchanged = |statement: Statement| statement.bind("").bind("").bind("");
    let of_many = |statement: Statement| statement.bind_list(IMAGE_SLOTS, &[id]);
    let of_all = |statement: Statement| statement.bind_list(WHOLE_SLOTS, &[id]);
    let of_child = |sql| Statement::new(sql).bind(now).bind(id);
    let mut transaction = begin(connection).await?;
    for statement in [
        unchanged(Statement::new(sql::REVERT_IMAGE).bind(now).bind(0).bind(id)),
        of_child(sql::REVERT_LOCATIONS).bind_list(LOCATION_SLOTS, &[0]),
        Statement::new(sql::LEAVE_LOCATIONS_OUT)
            .bind(now)
            .bind(now)
            .bind(id)
            .bind_list(LOCATION_SLOTS, &[0]),
        of_child(sql::REVERT_PROPERTIES).bind(now),
        of_child(sql::REVERT_TAGS).bind(""),
        of_child(sql::REVERT_MORE_TAGS).bind("").bind(id),
        of_child(sql::REVERT_MEMBERS).bind(""),
        of_child(sql::REVERT_MORE_MEMBERS).bind("").bind(id),
        unchanged(Statement::new(sql::CLAIM_IMAGE).bind(now).bind(id)),
        Statement::new(sql::CLAIM_LOCATION).bind(now).bind(0).bind(id),
        of_many(Statement::new(sql::CLAIM_IMAGES).bind(now)).bind_list(IMAGE_SLOTS, &[""]),
        Statement::new(sql::LOCATIONS_DELETED).bind(now).bind(now).bind_list(IMAGE_SLOTS, &[0]),
        Statement::new(sql::CLAIM_LOCATIONS)
            .bind(now)
            .bind_list(LOCATION_SLOTS, &[0])
            .bind_list(LOCATION_SLOTS, &[""]),
        Statement::new(sql::RELEASE_IMAGE).bind("").bind(id).bind(now),
        of_all(Statement::new(whole::REVERT_IMAGES).bind(now).bind(0))
            .bind_list(WHOLE_SLOTS, &[""]),
        Statement::new(whole::REVERT_LOCATIONS_OF_ALL).bind(now).bind_list(LOCATION_SLOTS, &[0]),
        (0..WHOLE_SLOTS).fold(
            of_all(Statement::new(whole::REVERT_PROPERTIES_OF_ALL).bind(now)),
            |statement, _| statement.bind(id).bind(now),
        ),
        of_all(Statement::new(whole::REVERT_TAGS_OF_ALL).bind(now)).bind_list(WHOLE_SLOTS, &[""]),
        of_all(Statement::new(whole::REVERT_MEMBERS_OF_ALL).bind(now))
            .bind_list(WHOLE_SLOTS, &[""]),
        Statement::new(sql::RELEASE_LOCATION).bind("").bind(0).bind(now).bind(0).bind(id),
    ] {
        D::execute(&mut transaction, statement).await?;
    }
    within(PATIENCE, transaction.rollback()).await
}
