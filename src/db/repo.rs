//! The one implementation of [`ImageRepo`], for every dialect.

mod claim;
mod hand_on;
mod rehearsal;
mod transaction;

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;

use self::transaction::{begin, begin_with, commit};
use super::connections::{Connections, Lent, is_late, within};
use super::dialect::Dialect;
use super::error::{connection_broke, lost_race, no_such_character, repo_error};
use super::read;
use super::slim::Slim;
use super::statement::{PATIENCE, Statement};
use super::statements::{self as sql, IMAGE_SLOTS, LOCATION_SLOTS};
use crate::domain::image::{Image, ImageId, RowVersion};
use crate::domain::lock::ImageGuard;
use crate::domain::pending::RevertPlan;
use crate::domain::repo::{
    BadRow, Handed, ImageRepo, Outlook, PendingMarker, PendingQuery, PendingSort, PendingSummary,
    Position, RepoError, TakeLocation, Write,
};
use crate::domain::scrub::{Claim, Settled, Tally};
use crate::domain::time::Timestamp;

/// A settlement that lost a race is written again so often.
const SETTLE_ATTEMPTS: usize = 5;

/// Glance's tables in one family of databases.
#[derive(Debug)]
pub(super) struct SqlRepo<D: Dialect> {
    connections: Connections<D>,
    /// Whether all tables were seen to have them.
    has_transactions: AtomicBool,
}

impl<D: Dialect> SqlRepo<D> {
    pub(super) fn new(connections: Connections<D>) -> Self {
        Self { connections, has_transactions: AtomicBool::default() }
    }

    async fn connection(&self) -> Result<Lent<D>, RepoError> {
        self.connections.acquire().await.map_err(repo_error)
    }

    /// A question changes nothing, so one that a dead connection swallowed is put again.
    async fn fetch(&self, statement: Statement) -> Result<Vec<D::Row>, RepoError> {
        self.try_fetch(statement).await.map_err(repo_error)
    }

    async fn try_fetch(&self, statement: Statement) -> Result<Vec<D::Row>, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let answer = D::fetch(&mut connection, statement.clone()).await;
        match self.connections.heed(&mut connection, answer) {
            Err(error) if connection_broke(&error) && !is_late(&error) => {
                drop(connection);
                self.fetch_once(statement).await
            }
            answer => answer,
        }
    }

    async fn fetch_once(&self, statement: Statement) -> Result<Vec<D::Row>, sqlx::Error> {
        let mut connection = self.connections.acquire().await?;
        let answer = D::fetch(&mut connection, statement).await;
        self.connections.heed(&mut connection, answer)
    }
}

/// `Stale` where another transaction won, be it at COMMIT.
fn or_stale<T>(result: Result<T, sqlx::Error>, stale: T) -> Result<T, RepoError> {
    match result {
        Err(error) if lost_race(&error) => Ok(stale),
        other => other.map_err(repo_error),
    }
}

/// Says that the row must be as it was read (`unchanged!` of [`super::statements`]).
fn bind_unchanged(statement: Statement, image: &Image) -> Statement {
    let RowVersion { deleted_at, updated_at } = &image.version;
    statement.bind(image.status.as_str()).bind(deleted_at.as_str()).bind(updated_at.as_str())
}

#[async_trait]
impl<D: Dialect> ImageRepo for SqlRepo<D> {
    async fn get(&self, id: &ImageId) -> Result<Option<Image>, RepoError> {
        let id_text = id.as_str();
        let statement = (0..5).fold(Statement::new(sql::IMAGE), |s, _| s.bind(id_text));
        let rows = self.fetch(statement).await?;
        let image = read::images::<D>(&rows)?.into_iter().next().transpose()?;
        // MariaDB compares without regard to case
        Ok(image.filter(|image| image.id == *id))
    }

    async fn get_many(&self, ids: &[ImageId]) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
        let mut slim = Slim::<D>::new(ids.len());
        for some in ids.chunks(IMAGE_SLOTS) {
            let some: Vec<_> = some.iter().map(ImageId::as_str).collect();
            let statement = Statement::new(sql::IMAGES).bind_list(IMAGE_SLOTS, &some);
            self.each(statement, &mut |row| slim.add(row)).await?;
        }
        slim.done()
    }

    async fn revert(
        &self,
        guard: &ImageGuard,
        plan: &RevertPlan,
        now: Timestamp,
    ) -> Result<Write, RepoError> {
        must_be_locked(guard, plan.id())?;
        self.has_transactions().await?;
        let mut connection = self.connection().await?;
        let written = revert(&mut connection, plan, now).await;
        if written.is_err() {
            // what BEGIN_REVERT began has no end where a part of it failed
            connection.keep();
        }
        or_stale(self.connections.heed(&mut connection, written), Write::Stale)
    }

    async fn list_pending(
        &self,
        query: &PendingQuery,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError> {
        let rows = match self.try_fetch(list_pending(query)).await {
            // a column of three-byte characters has none of four
            Err(error) if no_such_character(&error) && read::has_rare_characters(query) => {
                Vec::new()
            }
            answer => answer.map_err(repo_error)?,
        };
        let rows = rows.iter().map(read::summary::<D>);
        Ok(rows.inspect(|row| read::warn_of_bad(row.as_ref().err())).collect())
    }

    async fn position(&self, id: &ImageId) -> Result<Position, RepoError> {
        let rows = self.fetch(Statement::new(sql::DELETED_AT).bind(id.as_str())).await?;
        rows.first().map_or(Ok(Position::Unknown), |row| read::position::<D>(row, id))
    }

    async fn list_due(
        &self,
        before: Timestamp,
        after: Option<&ImageId>,
        limit: u32,
    ) -> Result<Vec<ImageId>, RepoError> {
        let after = after.map_or("", ImageId::as_str);
        let statement = Statement::walk(sql::LIST_DUE).bind(after);
        let statement = statement.bind(before).bind(before).bind(before).bind(i64::from(limit));
        let rows = self.fetch(statement).await?;
        let ids = rows.iter().map(|row| D::text(row, "id").map_err(repo_error));
        let mut parsed = Vec::with_capacity(rows.len());
        for id in ids {
            // an id that cannot be parsed can neither be written by Glance nor claimed by us
            parsed.extend(ImageId::parse(&id?.unwrap_or_default()));
        }
        Ok(parsed)
    }

    async fn count_due(&self, before: Timestamp) -> Result<Tally, RepoError> {
        let statement = Statement::walk(sql::COUNT_DUE).bind("").bind(before).bind(before);
        let rows = self.fetch(statement.bind(before)).await?;
        rows.first().map_or(Ok(Tally::default()), |row| read::tally::<D>(row, "images", "bytes"))
    }

    async fn outlook(&self, before: [Timestamp; 3]) -> Result<Outlook, RepoError> {
        let statement = Statement::walk(sql::OUTLOOK);
        let statement = before.into_iter().fold(statement, |s, at| s.bind(at).bind(at));
        let rows = self.fetch(statement).await?;
        rows.first().map_or(Ok(Outlook::default()), read::outlook::<D>)
    }

    async fn claim(&self, claims: &[Claim<'_>]) -> Result<Vec<Write>, RepoError> {
        for claim in claims {
            must_be_locked(claim.guard, &claim.work.image().id)?;
        }
        let mut connection = self.connection().await?;
        let all_stale = vec![Write::Stale; claims.len()];
        let claimed = claim::all(&mut connection, claims).await;
        or_stale(self.connections.heed(&mut connection, claimed), all_stale)
    }

    async fn settle(&self, settled: &[Settled<'_>], now: Timestamp) -> Result<u64, RepoError> {
        for _ in 0..SETTLE_ATTEMPTS {
            let mut connection = self.connection().await?;
            let found = settle_all(&mut connection, settled, now).await.map(Some);
            if let Some(found) = or_stale(self.connections.heed(&mut connection, found), None)? {
                return Ok(found);
            }
        }
        Err(RepoError::Unavailable("other transactions kept winning".to_owned()))
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
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        let statement = Statement::walk(sql::NEEDED_LOCATIONS).bind(after).bind(i64::from(limit));
        self.hand_on(statement, take).await
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

    async fn rehearse(&self) -> Result<(), RepoError> {
        self.rehearse_all().await
    }

    async fn now(&self) -> Result<Timestamp, RepoError> {
        let rows = self.fetch(Statement::new(D::NOW)).await?;
        let now = rows.first().map(|row| D::maybe_time(row, "now")).transpose();
        let now = now.map_err(repo_error)?.flatten();
        now.ok_or_else(|| RepoError::Unavailable("the database tells no time".to_owned()))
    }

    async fn ping(&self) -> Result<(), RepoError> {
        self.fetch(Statement::new(sql::PING)).await.map(drop)
    }
}

fn must_be_locked(guard: &ImageGuard, id: &ImageId) -> Result<(), RepoError> {
    if guard.id() == id { Ok(()) } else { Err(RepoError::NotLocked(id.clone())) }
}

async fn revert<D: Dialect>(
    connection: &mut Lent<D>,
    plan: &RevertPlan,
    now: Timestamp,
) -> Result<Write, sqlx::Error> {
    let mut transaction = begin_with(connection, D::BEGIN_REVERT).await?;
    let protect = i32::from(plan.protect());
    let statement = Statement::new(sql::REVERT_IMAGE).bind(now).bind(protect);
    let statement = bind_unchanged(statement.bind(plan.id().as_str()), plan.image());
    let mut as_planned = D::execute(&mut transaction, statement).await? == 1;
    for (statement, expected) in children(plan, now) {
        if as_planned {
            as_planned = D::execute(&mut transaction, statement).await? == expected as u64;
        }
    }
    if !as_planned {
        within(PATIENCE, transaction.rollback()).await?;
        return Ok(Write::Stale);
    }
    commit(transaction).await?;
    Ok(Write::Done)
}

/// The statements for an image's children, each with the number of rows that it must find.
fn children(plan: &RevertPlan, now: Timestamp) -> Vec<(Statement, usize)> {
    let of_image = |sql| Statement::new(sql).bind(now).bind(plan.id().as_str());
    let mut statements: Vec<_> = plan
        .locations()
        .chunks(LOCATION_SLOTS)
        .map(|ids| (of_image(sql::REVERT_LOCATIONS).bind_list(LOCATION_SLOTS, ids), ids.len()))
        .collect();
    let counts = plan.counts();
    let (from, until) = plan.property_window();
    let properties = of_image(sql::REVERT_PROPERTIES).bind(from).bind(until);
    let moment = plan.image().version.deleted_at.as_str();
    let at_moment = |sql| of_image(sql).bind(moment).bind(plan.id().as_str());
    statements.push((properties, counts.properties));
    statements.push((at_moment(sql::REVERT_TAGS), counts.tags));
    statements.push((at_moment(sql::REVERT_MEMBERS), counts.members));
    statements.retain(|(_, expected)| *expected > 0);
    statements
}

async fn settle_all<D: Dialect>(
    connection: &mut Lent<D>,
    settled: &[Settled<'_>],
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let mut transaction = begin(connection).await?;
    let mut found = 0;
    let deleted: Vec<i32> = settled.iter().flat_map(|one| one.deleted.iter().copied()).collect();
    for some in deleted.chunks(IMAGE_SLOTS) {
        let statement = Statement::new(sql::LOCATIONS_DELETED).bind(now).bind(now);
        found += D::execute(&mut transaction, statement.bind_list(IMAGE_SLOTS, some)).await?;
    }
    for one in settled {
        if let Some(stamp) = one.give_back {
            let statement = Statement::new(sql::GIVE_BACK).bind(one.guard.id().as_str());
            D::execute(&mut transaction, statement.bind(stamp)).await?;
        }
    }
    commit(transaction).await?;
    Ok(found)
}

async fn rehearse<D: Dialect>(connection: &mut Lent<D>) -> Result<(), sqlx::Error> {
    let (id, now) = (" ", far_past());
    let unchanged = |statement: Statement| statement.bind("").bind("").bind("");
    let of_many = |statement: Statement| statement.bind_list(IMAGE_SLOTS, &[id]);
    let of_child = |sql| Statement::new(sql).bind(now).bind(id);
    let mut transaction = begin(connection).await?;
    for statement in [
        unchanged(Statement::new(sql::REVERT_IMAGE).bind(now).bind(0).bind(id)),
        of_child(sql::REVERT_LOCATIONS).bind_list(LOCATION_SLOTS, &[0]),
        of_child(sql::REVERT_PROPERTIES).bind(now).bind(now),
        of_child(sql::REVERT_TAGS).bind("").bind(id),
        of_child(sql::REVERT_MEMBERS).bind("").bind(id),
        unchanged(Statement::new(sql::CLAIM_IMAGE).bind(now).bind(id)),
        Statement::new(sql::CLAIM_LOCATION).bind(now).bind(0).bind(id),
        of_many(Statement::new(sql::CLAIM_IMAGES).bind(now)).bind_list(IMAGE_SLOTS, &[""]),
        Statement::new(sql::LOCATIONS_DELETED).bind(now).bind(now).bind_list(IMAGE_SLOTS, &[0]),
        Statement::new(sql::GIVE_BACK).bind(id).bind(now),
    ] {
        D::execute(&mut transaction, statement).await?;
    }
    within(PATIENCE, transaction.rollback()).await
}

fn list_pending(query: &PendingQuery) -> Statement {
    let (sql, start) = match query.sort {
        PendingSort::NewestFirst => (sql::LIST_PENDING_NEWEST, far_future()),
        PendingSort::OldestFirst => (sql::LIST_PENDING_OLDEST, far_past()),
    };
    let (seen_at, seen_id) = match &query.marker {
        Some(PendingMarker { deleted_at, id }) => (*deleted_at, id.as_str()),
        None => (start, ""),
    };
    let (owner, name) = (query.owner.as_deref(), query.name.as_deref());
    Statement::new(sql)
        .bind(owner)
        .bind(owner)
        .bind(name)
        .bind(name)
        .bind(query.deleted_after.unwrap_or_else(far_past))
        .bind(query.deleted_before.unwrap_or_else(far_future))
        .bind(seen_at)
        .bind(seen_at)
        .bind(seen_id)
        .bind(i64::from(query.limit))
}

/// Before anything that Glance can have stored.
fn far_past() -> Timestamp {
    chrono::DateTime::UNIX_EPOCH.naive_utc()
}

/// After anything that Glance can have stored, and still a date for every database.
fn far_future() -> Timestamp {
    chrono::NaiveDate::from_ymd_opt(9999, 1, 1).unwrap_or_default().into()
}
