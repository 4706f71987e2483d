//! Several images with their children at a time: reads, and reverts in one transaction.

use super::{SqlRepo, begin_with, commit, far_past};
use crate::db::deadline::within;
use crate::db::dialect::Dialect;
use crate::db::error::{is_audit_refused, lost_race, repo_error};
use crate::db::lists;
use crate::db::pooled::PooledConnection;
use crate::db::read;
use crate::db::slim::Slim;
use crate::db::statement::{PATIENCE, Statement};
use crate::db::statements::{IMAGE, IMAGE_SLOTS, IMAGES, LOCATION_SLOTS, LOCATIONS_OF};
use crate::db::tables::Audit;
use crate::db::whole::{self, WHOLE_SLOTS};
use crate::domain::audit::AuditEntry;
use crate::domain::image::{Image, ImageId};
use crate::domain::location::{Location, LocationStatus};
use crate::domain::pending::{Children, RevertPlan};
use crate::domain::repo::{BadRow, HeldLocation, RepoError, Wholes, Write};
use crate::domain::selection::{Candidate, Filter, TakeCandidate};
use crate::domain::time::{FAR_FUTURE, Timestamp};

/// Limit of the children that one statement reads, in bytes. A larger image is read alone.
const MOST_OF_SEVERAL: usize = 8 << 20;

/// A revert of a locked image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) plan: &'a RevertPlan,
    pub(super) audit: &'a AuditEntry,
}

impl<D: Dialect> SqlRepo<D> {
    pub(super) async fn read_whole(
        &self,
        ids: &[ImageId],
        wanted: Children,
    ) -> Result<Wholes, RepoError> {
        let mut wholes = Wholes::default();
        for some in ids.chunks(WHOLE_SLOTS) {
            let statement = whole_images(some, wanted);
            match self.try_fetch(statement, Some(MOST_OF_SEVERAL)).await.map_err(repo_error)? {
                None => wholes.left_out.extend_from_slice(some),
                Some(rows) => {
                    let images = read::images::<D>(&rows)?.into_iter();
                    // MariaDB's comparison is not case-sensitive
                    let asked = images.filter(|image| {
                        image.as_ref().map_or(true, |image| some.contains(&image.id))
                    });
                    wholes.images.extend(asked);
                }
            }
        }
        Ok(wholes)
    }

    /// Several images with their locations, reduced as far as possible.
    pub(super) async fn read_slim(
        &self,
        ids: &[ImageId],
    ) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
        let mut slim = Slim::<D>::new(ids.len());
        for some in ids.chunks(IMAGE_SLOTS) {
            let statement = Statement::new(IMAGES).bind_list(IMAGE_SLOTS, &texts(some));
            self.each(statement, &mut |row| slim.add(row)).await?;
        }
        slim.done()
    }

    /// The `deleted` locations of an image: users can create any number of them.
    pub(super) async fn read_ended_locations(
        &self,
        id: &ImageId,
    ) -> Result<Vec<Location>, RepoError> {
        let (mut ended, mut bytes) = (Vec::new(), 0);
        let statement = Statement::new(LOCATIONS_OF).bind_list(LOCATION_SLOTS, &[id.as_str()]);
        let take = &mut |held: &HeldLocation| {
            let HeldLocation { image, location } = held;
            // MariaDB's comparison is not case-sensitive
            if location.status == LocationStatus::Deleted && image.as_ref() == Some(id) {
                bytes += location.value.as_stored().len() + location.metadata.len();
                if bytes <= MOST_OF_SEVERAL {
                    ended.push(location.clone());
                }
            }
        };
        self.hand_on(statement, take).await?;
        if bytes > MOST_OF_SEVERAL { Err(RepoError::TooLarge(id.clone())) } else { Ok(ended) }
    }

    /// Reads at most `most` candidates; a rehearsal reads none. With `since`, only those that have
    /// changed since then.
    pub(super) async fn read_candidates(
        &self,
        filter: &Filter,
        unscrubbed_after: Option<Timestamp>,
        since: Option<Timestamp>,
        most: i64,
        take: TakeCandidate<'_>,
    ) -> Result<(), RepoError> {
        // some columns cannot be compared with some characters
        let is_rare = |c: char| c == '\0' || c.len_utf8() > 3;
        let owner = filter.owner.as_deref().filter(|owner| !owner.contains(is_rare));
        let statement = match (owner, since) {
            (Some(_), _) => Statement::walk(lists::CANDIDATES_OF_OWNER),
            (None, None) => Statement::walk(lists::CANDIDATES),
            (None, Some(since)) => Statement::walk(lists::RECENT_CANDIDATES).bind(since),
        };
        let statement = statement
            .bind(unscrubbed_after.unwrap_or(FAR_FUTURE))
            .bind(filter.deleted_after.unwrap_or_else(far_past))
            .bind(filter.deleted_before.unwrap_or(FAR_FUTURE));
        let statement = owner.into_iter().fold(statement, Statement::bind);
        self.each(statement.bind(most), &mut |row| {
            let one = read::candidate::<D>(row);
            read::warn_of_bad(one.as_ref().err());
            one.into_iter().for_each(&mut *take);
        })
        .await
    }

    pub(super) async fn read_candidates_by_id(
        &self,
        ids: &[ImageId],
    ) -> Result<Vec<Candidate>, RepoError> {
        let mut found = Vec::new();
        for some in ids.chunks(WHOLE_SLOTS) {
            let statement = Statement::new(whole::CANDIDATES_BY_ID);
            let rows = self.fetch(statement.bind_list(WHOLE_SLOTS, &texts(some))).await?;
            found.extend(rows.iter().filter_map(|row| read::candidate::<D>(row).ok()));
        }
        Ok(found)
    }

    pub(super) async fn read_live_locations(
        &self,
        ids: &[ImageId],
    ) -> Result<Vec<(ImageId, i32)>, RepoError> {
        let mut live = Vec::new();
        for some in ids.chunks(WHOLE_SLOTS) {
            let statement = Statement::new(whole::LIVE_LOCATIONS_OF_ALL);
            let statement = statement.bind_list(WHOLE_SLOTS, &texts(some));
            for row in self.fetch(statement).await? {
                let image = D::text(&row, "image_id").map_err(repo_error)?.unwrap_or_default();
                if let Ok(image) = ImageId::parse(&image) {
                    live.push((image, D::int(&row, "id").map_err(repo_error)?));
                }
            }
        }
        Ok(live)
    }

    /// Writes reverts that differ only in their image together, if every statement matches all
    /// planned rows; otherwise, and for the others, one by one. If the database is unavailable, no
    /// further one is tried.
    pub(super) async fn revert_each(
        &self,
        changes: &[Change<'_>],
        now: Timestamp,
    ) -> Vec<Result<Write, RepoError>> {
        let mut written = Vec::new();
        if let Err(error) = self.has_transactions().await {
            written.resize(changes.len(), Err(error));
            return written;
        }
        let plain: Vec<_> =
            changes.iter().filter(|change| is_plain(change.plan)).copied().collect();
        let mut together = None;
        if plain.len() > 1 {
            together = self.revert_together(&plain, now).await.transpose();
        }
        for change in changes {
            let result = match (&together, written.last()) {
                (Some(together), _) if is_plain(change.plan) => together.clone(),
                (Some(Err(away @ RepoError::Unavailable(_))), _)
                | (_, Some(Err(away @ RepoError::Unavailable(_)))) => Err(away.clone()),
                _ => self.revert_one(change.plan, now, change.audit).await,
            };
            written.push(result);
        }
        written
    }

    /// The results of all; `None` if one revert, or one of its rows, blocks the others.
    async fn revert_together(
        &self,
        changes: &[Change<'_>],
        now: Timestamp,
    ) -> Result<Option<Write>, RepoError> {
        let mut connection = self.connection().await?;
        let mut has_begun = false;
        let plans: Vec<_> = changes.iter().map(|change| change.plan).collect();
        let written = async {
            let entries = changes.iter().map(|change| change.audit).collect();
            let audit = self.tables.audit(&mut connection, entries).await?;
            together(&mut connection, &plans, now, &audit, &mut has_begun).await
        };
        let written = written.await;
        if written.is_err() {
            // a transaction of BEGIN_REVERT stays open if a part of it failed
            connection.keep();
        }
        match self.connections.note_result(&mut connection, written) {
            Err(error) if is_audit_refused(&error) => {
                self.tables.refused(&error);
                Ok(None)
            }
            // locking the tables affects all of these images
            Err(error) if lost_race(&error) => Ok((!has_begun).then_some(Write::Stale)),
            written => match written.map_err(repo_error) {
                // a statement about a single image was refused
                Err(RepoError::Refused(_)) => Ok(None),
                written => written,
            },
        }
    }
}

pub(super) fn texts(ids: &[ImageId]) -> Vec<&str> {
    ids.iter().map(ImageId::as_str).collect()
}

/// The parameters of [`IMAGE`].
pub(super) fn image_with(id: &str, wanted: Children) -> Statement {
    let flag = i32::from;
    Statement::new(IMAGE)
        .bind(id)
        .bind(id)
        .bind(id)
        .bind(flag(wanted.properties))
        .bind(id)
        .bind(flag(wanted.tags))
        .bind(id)
        .bind(id)
        .bind(flag(wanted.members))
        .bind(id)
        .bind(id)
}

/// The parameters of [`whole::WHOLE_IMAGES`].
fn whole_images(ids: &[ImageId], wanted: Children) -> Statement {
    let ids = texts(ids);
    let flag = i32::from;
    Statement::new(whole::WHOLE_IMAGES)
        .bind_list(WHOLE_SLOTS, &ids)
        .bind_list(WHOLE_SLOTS, &ids)
        .bind(flag(wanted.properties))
        .bind_list(WHOLE_SLOTS, &ids)
        .bind(flag(wanted.tags))
        .bind_list(WHOLE_SLOTS, &ids)
        .bind(flag(wanted.members))
        .bind_list(WHOLE_SLOTS, &ids)
}

/// Whether the statements for several images can write this one.
fn is_plain(plan: &RevertPlan) -> bool {
    let image = plan.image();
    let has_live = image.tags.iter().any(|tag| !tag.deleted)
        || image.members.iter().any(|member| !member.deleted);
    !has_live && plan.left_out().is_empty()
}

async fn together<D: Dialect>(
    connection: &mut PooledConnection<D>,
    plans: &[&RevertPlan],
    now: Timestamp,
    audit: &Audit<'_>,
    has_begun: &mut bool,
) -> Result<Option<Write>, sqlx::Error> {
    let mut transaction = begin_with(connection, D::BEGIN_REVERT).await?;
    *has_begun = true;
    for (statement, expected) in statements(plans, now) {
        if D::execute(&mut transaction, statement).await? != expected as u64 {
            within(PATIENCE, transaction.rollback()).await?;
            return Ok(None);
        }
    }
    audit.write_reverts::<D>(&mut transaction).await?;
    commit(transaction).await?;
    Ok(Some(Write::Done))
}

/// The statements, each with the number of rows that it must match.
fn statements(plans: &[&RevertPlan], now: Timestamp) -> Vec<(Statement, usize)> {
    let mut statements = Vec::new();
    for protect in [false, true] {
        let some: Vec<_> = plans.iter().filter(|plan| plan.protect() == protect).collect();
        for some in some.chunks(WHOLE_SLOTS) {
            let statement = Statement::new(whole::REVERT_IMAGES).bind(now);
            let keys: Vec<_> = some.iter().map(|plan| super::row_as_text(plan.image())).collect();
            let statement = statement.bind(i32::from(protect));
            statements.push((with_keys(statement, some, &keys), some.len()));
        }
    }
    let locations: Vec<_> =
        plans.iter().flat_map(|plan| plan.locations().iter().copied()).collect();
    for some in locations.chunks(LOCATION_SLOTS) {
        let statement = Statement::new(whole::REVERT_LOCATIONS_OF_ALL).bind(now);
        statements.push((statement.bind_list(LOCATION_SLOTS, some), some.len()));
    }
    let having = |count: fn(&RevertPlan) -> usize| {
        plans.iter().filter(move |plan| count(plan) > 0).collect::<Vec<_>>()
    };
    let count = |plan: &RevertPlan| plan.counts().properties;
    for some in having(count).chunks(WHOLE_SLOTS) {
        statements.push((properties(some, now), some.iter().map(|plan| count(plan)).sum()));
    }
    for (sql, count) in [
        (whole::REVERT_TAGS_OF_ALL, (|plan| plan.counts().tags) as fn(&RevertPlan) -> usize),
        (whole::REVERT_MEMBERS_OF_ALL, |plan| plan.counts().members),
    ] {
        for some in having(count).chunks(WHOLE_SLOTS) {
            let key = |plan: &&&RevertPlan| {
                format!("{} {}", plan.id().as_str(), plan.image().version.deleted_at)
            };
            let keys: Vec<_> = some.iter().map(key).collect();
            let statement = with_keys(Statement::new(sql).bind(now), some, &keys);
            statements.push((statement, some.iter().map(|plan| count(plan)).sum()));
        }
    }
    statements
}

/// Binds ids, and then keys.
fn with_keys(statement: Statement, plans: &[&&RevertPlan], keys: &[String]) -> Statement {
    let ids: Vec<_> = plans.iter().map(|plan| plan.id().as_str()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    statement.bind_list(WHOLE_SLOTS, &ids).bind_list(WHOLE_SLOTS, &keys)
}

fn properties(plans: &[&&RevertPlan], now: Timestamp) -> Statement {
    let ids: Vec<_> = plans.iter().map(|plan| plan.id().as_str()).collect();
    let statement = Statement::new(whole::REVERT_PROPERTIES_OF_ALL).bind(now);
    let mut statement = statement.bind_list(WHOLE_SLOTS, &ids);
    let last = plans.last().into_iter().cycle();
    for plan in plans.iter().chain(last).take(WHOLE_SLOTS) {
        statement = statement.bind(plan.id().as_str()).bind(plan.properties_until());
    }
    statement
}
