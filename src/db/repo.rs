//! The one implementation of [`ImageRepo`] and [`ScrubRepo`], for every dialect.

mod audited;
mod claim;
mod facts;
mod group_commit;
mod hand_on;
mod list;
mod many;
mod order;
mod rehearsal;
mod revert;
mod scrubbed;
mod settle;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;

use self::group_commit::GroupCommit;
use self::list::due;
use self::many::{Change, image_with};
use self::order::SeenOrders;
use super::connections::Connections;
use super::deadline::is_late;
use super::dialect::Dialect;
use super::error::{connection_broke, lost_race, repo_error};
use super::plans::Planned;
use super::pooled::PooledConnection;
use super::statement::Statement;
use super::statements::{self as sql, LOCATION_SLOTS};
use super::tables::SqlTables;
use super::transaction::{begin, begin_with, commit};
use super::{backlog, lists, read};
use crate::domain::audit::AuditEntry;
use crate::domain::image::{Image, ImageId, RowVersion};
use crate::domain::location::Location;
use crate::domain::lock::ImageGuard;
use crate::domain::pending::{Children, RevertPlan};
use crate::domain::repo::{
    BadRow, DueImage, Handed, ImageRepo, Outlook, PendingQuery, PendingSummary, Position, Remnants,
    RepoError, Revert, ScrubRepo, Scrubbed, ScrubbedQuery, Stretch, TakeLocation, Wholes, Write,
};
use crate::domain::retention::{Facts, Labels};
use crate::domain::scrub::{Claim, Ended, Settled, Tally};
use crate::domain::selection::{Candidate, Filter, TakeCandidate};
use crate::domain::summary::TakeWaiting;
use crate::domain::time::Timestamp;

/// Limit of an image's children, in bytes. Glance's quota of 128 properties of up to 64 KiB counts
/// only live ones, but removed properties come back too.
const MOST_OF_IMAGE: usize = 16 << 20;

/// Glance's tables in one family of databases.
#[derive(Debug)]
pub(super) struct SqlRepo<D: Dialect> {
    connections: Connections<D>,
    tables: Arc<SqlTables<D>>,
    /// Whether all tables are known to support transactions.
    has_transactions: Arc<AtomicBool>,
    planned: Arc<Planned>,
    seen: Arc<SeenOrders>,
    group_commit: Arc<GroupCommit>,
}

/// Clones share all of it.
impl<D: Dialect> Clone for SqlRepo<D> {
    fn clone(&self) -> Self {
        Self {
            connections: self.connections.clone(),
            tables: Arc::clone(&self.tables),
            has_transactions: Arc::clone(&self.has_transactions),
            planned: Arc::clone(&self.planned),
            seen: Arc::clone(&self.seen),
            group_commit: Arc::clone(&self.group_commit),
        }
    }
}

impl<D: Dialect> SqlRepo<D> {
    pub(super) fn new(connections: Connections<D>, tables: Arc<SqlTables<D>>) -> Self {
        Self {
            connections,
            tables,
            has_transactions: Arc::default(),
            planned: Arc::default(),
            seen: Arc::default(),
            group_commit: Arc::default(),
        }
    }

    async fn connection(&self) -> Result<PooledConnection<D>, RepoError> {
        self.connections.acquire().await.map_err(repo_error)
    }

    async fn fetch(&self, statement: Statement) -> Result<Vec<D::Row>, RepoError> {
        self.try_fetch(statement, None).await.map_err(repo_error).map(Option::unwrap_or_default)
    }

    /// A query changes nothing, so it is repeated if its connection was dead.
    async fn try_fetch(
        &self,
        statement: Statement,
        most: Option<usize>,
    ) -> Result<Option<Vec<D::Row>>, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        match self.fetch_on(&mut connection, statement.clone(), most).await {
            Err(error) if connection_broke(&error) && !is_late(&error) => {
                drop(connection);
                let mut connection = self.connections.acquire().await?;
                self.fetch_on(&mut connection, statement, most).await
            }
            answer => answer,
        }
    }

    async fn fetch_on(
        &self,
        connection: &mut PooledConnection<D>,
        statement: Statement,
        most: Option<usize>,
    ) -> Result<Option<Vec<D::Row>>, sqlx::Error> {
        match D::fetch_within(connection, statement, most).await {
            // dropped with unread rows, and so closed
            Ok(None) => Ok(None),
            answer => self.connections.note_result(connection, answer),
        }
    }

    async fn revert_one(
        &self,
        plan: &RevertPlan,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Write, RepoError> {
        or_stale(self.revert_audited(plan, now, audit).await, Write::Stale)
    }

    async fn page_of_ids(&self, statement: Statement) -> Result<Vec<ImageId>, RepoError> {
        let rows = self.fetch(statement).await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            // an id that cannot be parsed can neither be written by Glance nor claimed by us
            let text = D::text(row, "id").map_err(repo_error)?;
            ids.extend(ImageId::parse(&text.unwrap_or_default()));
        }
        Ok(ids)
    }
}

/// `Stale` if another transaction won, also at COMMIT.
fn or_stale<T>(result: Result<T, sqlx::Error>, stale: T) -> Result<T, RepoError> {
    match result {
        Err(error) if lost_race(&error) => Ok(stale),
        other => other.map_err(repo_error),
    }
}

/// Binds the condition that the row is unchanged (`unchanged!` of [`super::statements`]).
fn bind_unchanged(statement: Statement, image: &Image) -> Statement {
    let RowVersion { deleted_at, updated_at } = &image.version;
    statement.bind(image.status.as_str()).bind(deleted_at.as_str()).bind(updated_at.as_str())
}

/// The same as one text, as [`sql::CLAIM_IMAGES`] compares it.
fn row_as_text(image: &Image) -> String {
    let RowVersion { deleted_at, updated_at } = &image.version;
    format!("{} {} {deleted_at} {updated_at}", image.id.as_str(), image.status.as_str())
}

#[async_trait]
impl<D: Dialect> ImageRepo for SqlRepo<D> {
    async fn get(&self, id: &ImageId, wanted: Children) -> Result<Option<Image>, RepoError> {
        let statement = image_with(id.as_str(), wanted);
        let rows = self.try_fetch(statement, Some(MOST_OF_IMAGE)).await.map_err(repo_error)?;
        let rows = rows.ok_or_else(|| RepoError::TooLarge(id.clone()))?;
        let image = read::images::<D>(&rows)?.into_iter().next().transpose()?;
        // MariaDB's comparison is not case-sensitive
        Ok(image.filter(|image| image.id == *id))
    }

    async fn live_locations_of(&self, id: &ImageId) -> Result<Vec<i32>, RepoError> {
        let rows = self.fetch(Statement::new(sql::LIVE_LOCATIONS_OF).bind(id.as_str())).await?;
        rows.iter().map(|row| D::int(row, "id").map_err(repo_error)).collect()
    }

    async fn get_many(&self, ids: &[ImageId]) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
        self.read_slim(ids).await
    }

    async fn revert(
        &self,
        guard: &ImageGuard,
        plan: &RevertPlan,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Write, RepoError> {
        must_be_locked(guard, plan.id())?;
        self.revert_in_group(Change { plan, audit }, now).await
    }

    async fn ended_locations(&self, id: &ImageId) -> Result<Vec<Location>, RepoError> {
        self.read_ended_locations(id).await
    }

    async fn get_whole(&self, ids: &[ImageId], wanted: Children) -> Result<Wholes, RepoError> {
        self.read_whole(ids, wanted).await
    }

    async fn live_locations_of_all(
        &self,
        ids: &[ImageId],
    ) -> Result<Vec<(ImageId, i32)>, RepoError> {
        self.read_live_locations(ids).await
    }

    async fn revert_all(
        &self,
        reverts: &[Revert<'_>],
        now: Timestamp,
    ) -> Vec<Result<Write, RepoError>> {
        let locked = |one: &Revert<'_>| must_be_locked(one.guard, one.plan.id());
        if let Some(error) = reverts.iter().find_map(|one| locked(one).err()) {
            return reverts.iter().map(|_| Err(error.clone())).collect();
        }
        let changes: Vec<_> =
            reverts.iter().map(|one| Change { plan: one.plan, audit: &one.audit }).collect();
        self.revert_each(&changes, now).await
    }

    async fn list_pending(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError> {
        let rows = self.page_of_pending(query, unscrubbed_after).await?;
        let rows = rows.iter().map(read::summary::<D>);
        Ok(rows.inspect(|row| read::warn_of_bad(row.as_ref().err())).collect())
    }

    async fn waiting(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
        by_location: bool,
        take: TakeWaiting<'_>,
    ) -> Result<(), RepoError> {
        self.each_waiting(query, unscrubbed_after, by_location, take).await
    }

    async fn candidates(
        &self,
        filter: &Filter,
        unscrubbed_after: Option<Timestamp>,
        take: TakeCandidate<'_>,
    ) -> Result<(), RepoError> {
        let since = match &filter.owner {
            Some(_) => None,
            None => self.first_change(unscrubbed_after).await?,
        };
        self.read_candidates(filter, unscrubbed_after, since, i64::MAX, take).await
    }

    async fn facts_of(
        &self,
        ids: &[ImageId],
        wanted: &Labels,
    ) -> Result<HashMap<ImageId, Facts>, RepoError> {
        self.read_facts(ids, wanted).await
    }

    async fn candidates_of(&self, ids: &[ImageId]) -> Result<Vec<Candidate>, RepoError> {
        self.read_candidates_by_id(ids).await
    }

    async fn list_scrubbed(&self, query: &ScrubbedQuery) -> Result<Scrubbed, RepoError> {
        self.page_of_scrubbed(query).await
    }

    async fn position(&self, id: &ImageId) -> Result<Position, RepoError> {
        let rows = self.fetch(Statement::new(lists::DELETED_AT).bind(id.as_str())).await?;
        rows.first().map_or(Ok(Position::Unknown), |row| read::position::<D>(row, id))
    }

    async fn now(&self) -> Result<Timestamp, RepoError> {
        let rows = self.fetch(Statement::new(D::NOW)).await?;
        let now = rows.first().map(|row| D::maybe_time(row, "now")).transpose();
        let now = now.map_err(repo_error)?.flatten();
        now.ok_or_else(|| RepoError::Unavailable("the database returned no time".to_owned()))
    }

    async fn live_locations(
        &self,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        let statement = Statement::walk(sql::LIVE_LOCATIONS).bind(after).bind(i64::from(limit));
        self.hand_on(statement, take).await
    }
}

#[async_trait]
impl<D: Dialect> ScrubRepo for SqlRepo<D> {
    async fn list_due(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
    ) -> Result<Vec<DueImage>, RepoError> {
        let statement = due(backlog::LIST_DUE, after, before).bind(i64::from(limit));
        let (mut due, mut bad) = (Vec::new(), None);
        let take = &mut |row: &D::Row| match read::due::<D>(row) {
            Ok(image) => due.push(image),
            Err(error) => bad = bad.take().or(Some(error)),
        };
        self.each(statement, take).await?;
        bad.map_or(Ok(due), Err)
    }

    async fn remnants(
        &self,
        before: Timestamp,
        after: Option<&ImageId>,
        unscrubbed: bool,
        stretch: Stretch,
    ) -> Result<Remnants, RepoError> {
        let after = after.map_or("", ImageId::as_str);
        let end = Statement::new(backlog::END_OF_STRETCH).bind(after);
        let end = end.bind(i64::from(stretch.images.saturating_sub(1)));
        let end = self.page_of_ids(end).await?.pop();
        let statement = match &end {
            Some(end) => Statement::walk(backlog::REMNANTS_UNTIL).bind(after).bind(end.as_str()),
            None => Statement::walk(backlog::REMNANTS).bind(after),
        };
        let statement = statement.bind(before).bind(before).bind(i32::from(unscrubbed));
        let ids = self.page_of_ids(statement.bind(i64::from(stretch.found))).await?;
        let is_full = ids.len() >= stretch.found as usize;
        let next = if is_full { ids.last().cloned() } else { end };
        Ok(Remnants { ids, next })
    }

    async fn count_due(&self, before: Timestamp) -> Result<Tally, RepoError> {
        let rows = self.fetch(due(backlog::COUNT_DUE, 0, before)).await?;
        rows.first().map_or(Ok(Tally::default()), |row| read::tally::<D>(row, "images", "bytes"))
    }

    async fn outlook(
        &self,
        before: [Timestamp; 3],
        since: Timestamp,
    ) -> Result<Outlook, RepoError> {
        self.look_ahead(before, since).await
    }

    async fn claim(&self, claims: &[Claim<'_>]) -> Result<Option<Vec<Write>>, RepoError> {
        for claim in claims {
            must_be_locked(claim.guard, &claim.work.image().id)?;
        }
        let mut connection = self.connection().await?;
        let all_stale = Some(vec![Write::Stale; claims.len()]);
        let claimed = claim::all(&mut connection, &self.tables, claims).await;
        or_stale(self.connections.note_result(&mut connection, claimed), all_stale)
    }

    async fn settle(&self, settled: &[Settled<'_>], now: Timestamp) -> Result<Ended, RepoError> {
        self.settle_audited(settled, now).await
    }

    async fn locations_of(&self, ids: &[ImageId], take: TakeLocation<'_>) -> Result<(), RepoError> {
        for some in ids.chunks(LOCATION_SLOTS) {
            let some: Vec<_> = some.iter().map(ImageId::as_str).collect();
            let statement = Statement::new(sql::LOCATIONS_OF).bind_list(LOCATION_SLOTS, &some);
            self.hand_on(statement, take).await?;
        }
        Ok(())
    }

    async fn needed_locations(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        let statement = Statement::walk(sql::NEEDED_LOCATIONS).bind(before).bind(after);
        self.hand_on(statement.bind(i64::from(limit)), take).await
    }
}

fn must_be_locked(guard: &ImageGuard, id: &ImageId) -> Result<(), RepoError> {
    if guard.id() == id { Ok(()) } else { Err(RepoError::NotLocked(id.clone())) }
}

/// Earlier than any time that Glance can have stored.
fn far_past() -> Timestamp {
    chrono::DateTime::UNIX_EPOCH.naive_utc()
}
