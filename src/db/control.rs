//! Pauses and holds on the database: see [`ControlRepo`] for why a claim cannot miss them.

mod recorded;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::connections::Connections;
use super::dialect::Dialect;
use super::error::{is_audit_refused, lost_race, repo_error};
use super::orders::{self as sql, HOLD_SLOTS};
use super::pooled::PooledConnection;
use super::statement::Statement;
use super::statements::IMAGE_SLOTS;
use super::tables::SqlTables;
use super::transaction::{begin, commit};
use crate::domain::audit::{AuditEntry, AuditedImage};
use crate::domain::control::{
    Acceptance, ControlRepo, Hold, HoldOutcome, Orders, PassResult, Term,
};
use crate::domain::image::{ImageId, ImageStatus};
use crate::domain::pending::NotPending;
use crate::domain::principal::Admin;
use crate::domain::repo::RepoError;
use crate::domain::tables::{OwnTables as _, TablesState};
use crate::domain::time::Timestamp;

/// Attempts of an order that loses a race.
const ATTEMPTS: usize = 20;
/// Length of the columns for the caller, in characters.
const LONGEST_NAME: usize = 255;

/// Pauses and holds in one family of databases.
#[derive(Debug)]
pub(super) struct SqlControl<D: Dialect> {
    connections: Connections<D>,
    tables: Arc<SqlTables<D>>,
}

/// The change to make in one transaction.
enum Order<'a> {
    Pause(&'a Term),
    Resume,
    Accept(u64),
    Hold(&'a [ImageId], &'a Term),
    Release(&'a [ImageId]),
    /// Nothing but its entry.
    Record(&'a AuditEntry),
}

/// The result: for the order, or for each image, and which images changed.
enum Done {
    Changed(bool),
    Held(Vec<HoldOutcome>, Vec<AuditedImage>),
    Released(Vec<bool>, Vec<AuditedImage>),
}

impl<D: Dialect> SqlControl<D> {
    pub(super) fn new(connections: Connections<D>, tables: Arc<SqlTables<D>>) -> Self {
        Self { connections, tables }
    }

    /// The rows of a query; none without the tables.
    async fn ask(&self, statement: Statement) -> Result<Option<Vec<D::Row>>, RepoError> {
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let asked = async {
            if !self.tables.are_there(&mut connection).await? {
                return Ok(None);
            }
            D::fetch(&mut connection, statement).await.map(Some)
        };
        let rows = asked.await;
        self.connections.note_result(&mut connection, rows).map_err(repo_error)
    }

    /// Makes a change that no operator ordered; repeats it if another transaction won; does nothing
    /// without the tables.
    async fn note(&self, statement: Statement) -> Result<(), RepoError> {
        for _ in 0..ATTEMPTS {
            let mut connection = self.connections.acquire().await.map_err(repo_error)?;
            let change = async {
                if !self.tables.are_there(&mut connection).await? {
                    return Ok(0);
                }
                D::execute(&mut connection, statement.clone()).await
            };
            let changed = change.await;
            match self.connections.note_result(&mut connection, changed) {
                Err(error) if lost_race(&error) => {}
                changed => return changed.map(drop).map_err(repo_error),
            }
        }
        Err(RepoError::Unavailable("too many conflicts with other transactions".to_owned()))
    }

    async fn now(&self) -> Result<Timestamp, RepoError> {
        let mut connection = self.connections.acquire().await.map_err(repo_error)?;
        let now = now::<D>(&mut connection).await;
        self.connections.note_result(&mut connection, now).map_err(repo_error)
    }

    /// Carries out an order; repeats it if another transaction won. If the database refuses the
    /// audit entries, carries it out without them: an operator must always be able to stop a
    /// scrubber.
    async fn carry_out(&self, order: Order<'_>, by: &Admin) -> Result<Done, RepoError> {
        let mut is_audited = true;
        for attempt in 1.. {
            let mut connection = self.connections.acquire().await.map_err(repo_error)?;
            let done = self.once(&mut connection, &order, by, is_audited).await;
            match self.connections.note_result(&mut connection, done) {
                Err(error) if lost_race(&error) && attempt < ATTEMPTS => {}
                Err(error) if is_audit_refused(&error) => {
                    self.tables.refused(&error);
                    is_audited = false;
                }
                done => return done.map_err(repo_error)?.ok_or(RepoError::TablesMissing),
            }
        }
        Err(RepoError::TablesMissing)
    }

    async fn once(
        &self,
        connection: &mut PooledConnection<D>,
        order: &Order<'_>,
        by: &Admin,
        is_audited: bool,
    ) -> Result<Option<Done>, sqlx::Error> {
        if !self.tables.are_there(connection).await? {
            return Ok(None);
        }
        let (who, now) = (who(by), now::<D>(connection).await?);
        let mut transaction = begin(connection).await?;
        let done = match order {
            Order::Pause(term) => {
                let statement =
                    Statement::new(sql::PAUSE).bind(term.until).bind(now).bind(who.as_str());
                let statement = statement.bind(term.reason.as_deref()).bind(term.until);
                Done::Changed(D::execute(&mut transaction, statement).await? == 1)
            }
            Order::Resume => {
                let ended = D::execute(&mut transaction, Statement::new(sql::RESUME)).await?;
                Done::Changed(ended == 1)
            }
            Order::Accept(images) => {
                let count = i64::try_from(*images).unwrap_or(i64::MAX);
                let statement =
                    Statement::new(sql::ACCEPT).bind(count).bind(now).bind(who.as_str());
                D::execute(&mut transaction, statement).await?;
                Done::Changed(true)
            }
            Order::Hold(ids, term) => hold::<D>(&mut transaction, ids, term, (&who, now)).await?,
            Order::Release(ids) => release::<D>(&mut transaction, ids).await?,
            Order::Record(_) => Done::Changed(is_audited),
        };
        if is_audited {
            let entries = recorded::entries(order, &done, by, now);
            let audit = self.tables.audit(&mut transaction, entries.iter().collect()).await?;
            audit.write::<D>(&mut transaction).await?;
        }
        commit(transaction).await?;
        Ok(Some(done))
    }
}

/// The name of the caller in the order's row.
fn who(by: &Admin) -> String {
    let who = by.principal();
    let name = who.name.as_deref().unwrap_or(&who.subject);
    name.chars().filter(|c| *c != '\0').take(LONGEST_NAME).collect()
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

async fn now<D: Dialect>(connection: &mut D::Connection) -> Result<Timestamp, sqlx::Error> {
    let rows = D::fetch(connection, Statement::new(D::NOW)).await?;
    let now = rows.first().map(|row| D::maybe_time(row, "now")).transpose()?.flatten();
    now.ok_or_else(|| sqlx::Error::Decode("the database returned no time".into()))
}

/// Returns a result for each image.
async fn hold<D: Dialect>(
    transaction: &mut D::Connection,
    ids: &[ImageId],
    term: &Term,
    (who, now): (&str, Timestamp),
) -> Result<Done, sqlx::Error> {
    D::execute(transaction, Statement::new(sql::BEGIN_ORDER)).await?;
    let mut found = HashMap::new();
    let mut images = HashMap::new();
    for some in ids.chunks(IMAGE_SLOTS) {
        let some: Vec<_> = some.iter().map(ImageId::as_str).collect();
        let locked = Statement::new(sql::LOCK_IMAGES).bind_list(IMAGE_SLOTS, &some);
        D::execute(transaction, locked).await?;
        let statement = Statement::new(sql::HOLDABLE).bind_list(IMAGE_SLOTS, &some);
        for row in D::fetch(transaction, statement).await? {
            let id = D::text(&row, "id")?.unwrap_or_default();
            if let Ok(image) = ImageId::parse(&id) {
                images.insert(id.clone(), rows::named::<D>(image, &row));
            }
            found.insert(id, outcome::<D>(&row)?);
        }
    }
    let outcome = |id: &ImageId| found.get(id.as_str()).cloned().unwrap_or(HoldOutcome::NotFound);
    let outcomes: Vec<_> = ids.iter().map(outcome).collect();
    let held: Vec<_> = ids
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == HoldOutcome::Held)
        .map(|(id, _)| id.as_str())
        .collect();
    for some in held.chunks(IMAGE_SLOTS) {
        let reason = term.reason.as_deref();
        let longer = Statement::new(sql::LENGTHEN_HOLDS).bind(term.until).bind(now);
        let longer = longer.bind(who).bind(reason).bind(term.until);
        D::execute(transaction, longer.bind_list(IMAGE_SLOTS, some)).await?;
        let new = Statement::new(sql::ADD_HOLDS).bind(term.until).bind(now).bind(who).bind(reason);
        D::execute(transaction, new.bind_list(IMAGE_SLOTS, some)).await?;
    }
    let held = held.into_iter().filter_map(|id| images.remove(id)).collect();
    Ok(Done::Held(outcomes, held))
}

/// Whether an image can still be protected from a claim.
fn outcome<D: Dialect>(row: &D::Row) -> Result<HoldOutcome, sqlx::Error> {
    let is = |column: &str| Ok::<_, sqlx::Error>(D::text(row, column)?.as_deref() == Some("yes"));
    let (waits, claimed, deleted) = (is("waits")?, is("claimed")?, D::bool(row, "deleted")?);
    let status = ImageStatus::parse(&D::text(row, "status")?.unwrap_or_default());
    Ok(match status {
        Some(ImageStatus::Active) if !deleted => HoldOutcome::Refused(NotPending::AlreadyActive),
        Some(ImageStatus::Active | ImageStatus::PendingDelete) => HoldOutcome::Held,
        Some(ImageStatus::Deleted) if waits => HoldOutcome::Held,
        Some(ImageStatus::Deleted) if claimed => HoldOutcome::Refused(NotPending::ScrubInProgress),
        Some(ImageStatus::Deleted) => HoldOutcome::Refused(NotPending::AlreadyScrubbed),
        Some(other) => HoldOutcome::Refused(NotPending::OtherStatus(other)),
        None => HoldOutcome::NotFound,
    })
}

/// Returns whether each image was held.
async fn release<D: Dialect>(
    transaction: &mut D::Connection,
    ids: &[ImageId],
) -> Result<Done, sqlx::Error> {
    D::execute(transaction, Statement::new(sql::BEGIN_ORDER)).await?;
    let mut held = HashMap::new();
    for some in ids.chunks(IMAGE_SLOTS) {
        let some: Vec<_> = some.iter().map(ImageId::as_str).collect();
        let statement = Statement::new(sql::HELD).bind_list(IMAGE_SLOTS, &some);
        for row in D::fetch(transaction, statement).await? {
            let id = D::text(&row, "image_id")?.and_then(|id| ImageId::parse(&id).ok());
            held.extend(id.map(|id| (id.clone(), AuditedImage { id, owner: None, name: None })));
        }
        if !held.is_empty() {
            // a purged image has no rows
            let statement = Statement::new(sql::NAMES).bind_list(IMAGE_SLOTS, &some);
            for row in D::fetch(transaction, statement).await? {
                let id = D::text(&row, "id")?.and_then(|id| ImageId::parse(&id).ok());
                if let Some(image) = id.as_ref().and_then(|id| held.get_mut(id)) {
                    *image = rows::named::<D>(image.id.clone(), &row);
                }
            }
        }
        // including expired ones
        let statement = Statement::new(sql::END_HOLDS).bind_list(IMAGE_SLOTS, &some);
        D::execute(transaction, statement).await?;
    }
    let were_held = ids.iter().map(|id| held.contains_key(id)).collect();
    let released = ids.iter().filter_map(|id| held.remove(id)).collect();
    Ok(Done::Released(were_held, released))
}

#[async_trait]
impl<D: Dialect> ControlRepo for SqlControl<D> {
    async fn orders(&self) -> Result<Option<Orders>, RepoError> {
        let rows = self.ask(Statement::new(sql::ORDERS)).await?;
        let row = rows.as_ref().and_then(|rows| rows.first());
        row.map(rows::orders::<D>).transpose().map_err(repo_error)
    }

    async fn is_paused(&self) -> Result<bool, RepoError> {
        let rows = self.ask(Statement::new(sql::IS_PAUSED)).await?.unwrap_or_default();
        let word = rows.first().map(|row| D::text(row, "is_paused")).transpose();
        Ok(word.map_err(repo_error)?.flatten().as_deref() == Some("yes"))
    }

    async fn pause(&self, term: &Term, by: &Admin) -> Result<(), RepoError> {
        self.carry_out(Order::Pause(term), by).await.map(drop)
    }

    async fn resume(&self, by: &Admin) -> Result<bool, RepoError> {
        Ok(matches!(self.carry_out(Order::Resume, by).await?, Done::Changed(true)))
    }

    async fn accept(&self, images: u64, by: &Admin) -> Result<(), RepoError> {
        self.carry_out(Order::Accept(images), by).await.map(drop)
    }

    async fn use_up(&self, accepted: &Acceptance) -> Result<(), RepoError> {
        let images = i64::try_from(accepted.images).unwrap_or(i64::MAX);
        self.note(Statement::new(sql::USE_UP).bind(images).bind(accepted.at)).await
    }

    async fn keep_scrub_time(&self, scrub_time: Duration) -> Result<(), RepoError> {
        let time = seconds(scrub_time);
        self.note(Statement::new(sql::KEEP_SCRUB_TIME).bind(time).bind(time)).await
    }

    async fn shorten_scrub_time(&self, from: Duration, to: Duration) -> Result<(), RepoError> {
        let statement = Statement::new(sql::SHORTEN_SCRUB_TIME).bind(seconds(to));
        self.note(statement.bind(seconds(from))).await
    }

    async fn keep_retention(&self, from: Option<&str>, to: Option<&str>) -> Result<(), RepoError> {
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        self.note(Statement::new(sql::KEEP_RETENTION).bind(to).bind(from)).await
    }

    async fn pass_began(&self) -> Result<(), RepoError> {
        let statement = Statement::new(sql::PASS_BEGAN).bind(self.now().await?);
        self.note(statement.bind(self.tables.host())).await
    }

    async fn pass_ended(&self, result: &PassResult) -> Result<(), RepoError> {
        let report = serde_json::to_string(result).unwrap_or_default();
        let statement = Statement::new(sql::PASS_ENDED).bind(self.now().await?);
        self.note(statement.bind(report.as_str()).bind(self.tables.host())).await
    }

    async fn hold(
        &self,
        images: &[ImageId],
        term: &Term,
        by: &Admin,
    ) -> Result<Vec<HoldOutcome>, RepoError> {
        match self.carry_out(Order::Hold(images, term), by).await? {
            Done::Held(outcomes, _) => Ok(outcomes),
            Done::Changed(_) | Done::Released(..) => Ok(Vec::new()),
        }
    }

    async fn release(&self, images: &[ImageId], by: &Admin) -> Result<Vec<bool>, RepoError> {
        match self.carry_out(Order::Release(images), by).await? {
            Done::Released(were_held, _) => Ok(were_held),
            Done::Changed(_) | Done::Held(..) => Ok(Vec::new()),
        }
    }

    async fn holds_of(&self, images: &[ImageId]) -> Result<Vec<Hold>, RepoError> {
        let mut all = Vec::new();
        for some in images.chunks(HOLD_SLOTS) {
            let some: Vec<_> = some.iter().map(ImageId::as_str).collect();
            let statement = Statement::new(sql::HOLDS_OF).bind_list(HOLD_SLOTS, &some);
            let rows = self.ask(statement).await?.unwrap_or_default();
            for row in &rows {
                all.extend(rows::held::<D>(row).map_err(repo_error)?);
            }
        }
        Ok(all)
    }

    async fn rehearse(&self) -> Result<(), RepoError> {
        match self.tables.rehearse().await? {
            TablesState::Unusable(why) => Err(RepoError::Refused(why)),
            TablesState::Present | TablesState::Missing => Ok(()),
        }
    }

    async fn holds(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<Hold>, RepoError> {
        let statement = Statement::new(sql::HOLDS).bind(after.map_or("", ImageId::as_str));
        let rows = self.ask(statement.bind(i64::from(limit))).await?.unwrap_or_default();
        let holds = rows.iter().filter_map(|row| rows::held::<D>(row).transpose());
        holds.collect::<Result<_, _>>().map_err(repo_error)
    }

    async fn record(&self, entry: &AuditEntry) -> Result<bool, RepoError> {
        match self.carry_out(Order::Record(entry), &Admin::local_operator()).await {
            Ok(done) => Ok(matches!(done, Done::Changed(true))),
            Err(RepoError::TablesMissing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn claimed(&self) -> Result<u64, RepoError> {
        let rows = self.ask(Statement::walk(sql::COUNT_CLAIMED)).await?.unwrap_or_default();
        let images = rows.first().map(|row| D::big(row, "images")).transpose();
        Ok(images.map_err(repo_error)?.flatten().unwrap_or_default().max(0).cast_unsigned())
    }
}
