//! Lists and reverts, like `src/db/repo.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use glance_revert::domain::audit::{AuditEntry, AuditRow};
use glance_revert::domain::image::{Image, ImageId, ImageStatus};
use glance_revert::domain::location::{Location, LocationStatus};
use glance_revert::domain::lock::ImageGuard;
use glance_revert::domain::pending::{Children, RevertPlan};
use glance_revert::domain::repo::{
    BadRow, DatabaseHealth, Handed, ImageRepo, PendingQuery, PendingSummary, Position, RepoError,
    Revert, Scrubbed, ScrubbedQuery, TakeLocation, Write,
};
use glance_revert::domain::retention::{Facts, Labels};
use glance_revert::domain::scrub::{Tally, Work};
use glance_revert::domain::selection::Candidate;
use glance_revert::domain::summary::{TakeWaiting, WaitingRow};
use glance_revert::domain::time::{Clock, Timestamp};

use super::question::{self, hand_on, held};
use super::revert::is_near;
use super::row::{ChildKind, LocationRow, printed};
use super::scrub::is_held;
use super::tables::{Change, Transaction};
use super::{Database, Line, LostRace};

/// Glance's tables in memory.
#[derive(Debug)]
pub(crate) struct MemoryRepo {
    pub(super) database: Arc<Database>,
    pub(super) line: Arc<dyn Line>,
    /// The clock of the database's host.
    pub(super) clock: Arc<dyn Clock>,
    /// Claims that are written only after the bytes are destroyed.
    pub(super) late_claims: Mutex<Vec<(Work, Timestamp)>>,
    planned: Mutex<BTreeMap<String, Vec<i32>>>,
    /// Images as they were before their lock was taken.
    stale: Mutex<BTreeMap<String, Option<Image>>>,
}

impl MemoryRepo {
    pub(crate) fn new(database: Arc<Database>, line: Arc<dyn Line>, clock: Arc<dyn Clock>) -> Self {
        let (late_claims, planned, stale) = Default::default();
        Self { database, line, clock, late_claims, planned, stale }
    }

    /// For a mutant that reads before it locks.
    pub(super) fn remember(&self, id: &ImageId) {
        if self.database.without.look_after_lock {
            let read = |tables: &super::Tables| tables.whole_image(id.as_str(), Children::ALL);
            let image = self.database.read(self.line.node(), read);
            self.stale.lock().unwrap().entry(id.to_string()).or_insert(image);
        }
    }

    /// Runs a query, with the faults of the connection.
    pub(super) async fn ask<T>(
        &self,
        call: &'static str,
        ask: impl FnOnce(&super::Tables) -> T + Send,
    ) -> Result<T, RepoError> {
        self.line.ask(call).await?;
        let answer = self.database.read(self.line.node(), ask);
        self.line.answer(call).await.map(|()| answer)
    }

    /// Runs a transaction, with the faults of the connection; `None` if it was rolled back, or lost
    /// at COMMIT.
    pub(super) async fn write<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut Transaction<'_>) -> Option<T> + Send,
    ) -> Result<Option<T>, RepoError> {
        self.line.ask(call).await?;
        let done = self.try_write(call, act).unwrap_or_default();
        self.line.answer(call).await.map(|()| done)
    }

    fn try_write<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut Transaction<'_>) -> Option<T>,
    ) -> Result<Option<T>, LostRace> {
        let (node, process) = (self.line.node(), self.line.process());
        self.database.transaction((call, node, process), act)
    }

    /// Writes the entries of a change separately, for a mutant.
    pub(super) async fn write_audit_apart(
        &self,
        entries: Vec<&AuditEntry>,
    ) -> Result<(), RepoError> {
        if self.database.without.audit_inside && !entries.is_empty() {
            let write = |transaction: &mut Transaction<'_>| {
                add_entries(transaction, &entries);
                Some(())
            };
            self.write("audit", write).await?;
        }
        Ok(())
    }

    fn read_whole(&self, tables: &super::Tables, id: &ImageId, wanted: Children) -> Option<Image> {
        let mut image = tables.whole_image(id.as_str(), wanted)?;
        if self.database.without.moment
            && let Some(moment) = image.deleted_at
        {
            let near = |kind| {
                let rows = tables.children_of(id.as_str(), kind);
                rows.filter(move |row| is_near(row, moment)).cloned().map(move |mut row| {
                    row.deleted_at = Some(moment);
                    row
                })
            };
            image.tags.retain(|tag| !tag.deleted);
            image.tags.extend(near(ChildKind::Tag).map(|row| row.tag()));
            image.members.retain(|member| !member.deleted);
            image.members.extend(near(ChildKind::Member).map(|row| row.member()));
        }
        Some(image)
    }

    fn note_plan(&self, plan: &RevertPlan) {
        let mut planned = self.planned.lock().unwrap();
        planned.insert(plan.id().as_str().to_owned(), plan.locations().to_vec());
    }
}

/// Whether the row is unchanged since it was read.
pub(super) fn is_unchanged(row: &super::ImageRow, image: &Image) -> bool {
    row.status == image.status
        && printed(row.deleted_at) == image.version.deleted_at
        && printed(row.updated_at) == image.version.updated_at
}

/// Adds the audit entries of reverts, which also end the holds of their images.
fn add_reverts(transaction: &mut Transaction<'_>, entries: &[&AuditEntry], now: Timestamp) {
    for entry in entries {
        let id = entry.image.as_ref().map(|image| image.id.to_string()).unwrap_or_default();
        if is_held(transaction.tables(), &id, now) {
            transaction.set(Change::Hold(id, None));
            add_entries(transaction, &[&entry.release_of_hold()]);
        }
    }
    add_entries(transaction, entries);
}

/// Writes audit entries; later ones have greater ids.
pub(super) fn add_entries(transaction: &mut Transaction<'_>, entries: &[&AuditEntry]) {
    for entry in entries {
        let number = transaction.tables().audit.len();
        let at = entry.at.and_utc().timestamp_micros();
        let id = format!("{at:020}-{number:06}");
        let (image, actor) = (entry.image.as_ref(), &entry.actor);
        let row = AuditRow {
            id: id.clone(),
            at: entry.at,
            operation: entry.operation.to_owned(),
            outcome: "success".to_owned(),
            image_id: image.map(|image| image.id.to_string()),
            owner: image.and_then(|image| image.owner.clone()),
            name: image.and_then(|image| image.name.clone()),
            actor: actor.subject.clone(),
            actor_name: actor.name.clone(),
            actor_issuer: actor.issuer.clone(),
            actor_method: actor.method.map(str::to_owned),
            actor_scope: actor.scope.clone(),
            source: actor.source.as_str().to_owned(),
            host: None,
            request_id: actor.request_id.clone(),
            details: serde_json::from_str(&entry.details()).unwrap(),
        };
        transaction.set(Change::Audit(id, Some(row)));
    }
}

fn must_be_locked(guard: &ImageGuard, id: &ImageId) -> Result<(), RepoError> {
    if guard.id() == id { Ok(()) } else { Err(RepoError::NotLocked(id.clone())) }
}

/// Whether the statements for several images can write this one.
fn is_plain(plan: &RevertPlan) -> bool {
    let image = plan.image();
    let has_live = image.tags.iter().any(|tag| !tag.deleted)
        || image.members.iter().any(|member| !member.deleted);
    !has_live && plan.left_out().is_empty()
}

#[async_trait]
impl ImageRepo for MemoryRepo {
    async fn get(&self, id: &ImageId, wanted: Children) -> Result<Option<Image>, RepoError> {
        let stale = self.stale.lock().unwrap().remove(id.as_str());
        let read = |tables: &super::Tables| self.read_whole(tables, id, wanted);
        self.ask("get", |tables| stale.unwrap_or_else(|| read(tables))).await
    }

    async fn live_locations_of(&self, id: &ImageId) -> Result<Vec<i32>, RepoError> {
        if self.database.without.second_look {
            return Ok(self.planned.lock().unwrap().get(id.as_str()).cloned().unwrap_or_default());
        }
        let live = |tables: &super::Tables| {
            self.line.looked_again(id.as_str());
            let is_active = tables
                .images
                .get(id.as_str())
                .is_some_and(|image| image.status == ImageStatus::Active && !image.deleted);
            let live = tables.locations_of(id.as_str()).filter(|row| is_active && row.is_live());
            live.map(|row| row.id).collect()
        };
        self.ask("live_locations_of", live).await
    }

    async fn ended_locations(&self, id: &ImageId) -> Result<Vec<Location>, RepoError> {
        let ended = |tables: &super::Tables| {
            let rows = tables.locations_of(id.as_str()).map(LocationRow::location);
            rows.filter(|location| location.status == LocationStatus::Deleted).collect()
        };
        self.ask("ended_locations", ended).await
    }

    async fn get_many(&self, ids: &[ImageId]) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
        let mut ids: Vec<_> = ids.iter().collect();
        ids.sort_unstable();
        let images = |tables: &super::Tables| {
            ids.iter().filter_map(|id| tables.image_with_locations(id.as_str()).map(Ok)).collect()
        };
        self.ask("get_many", images).await
    }

    async fn revert(
        &self,
        guard: &ImageGuard,
        plan: &RevertPlan,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<Write, RepoError> {
        must_be_locked(guard, plan.id())?;
        let is_inside = !self.database.without.audit_inside;
        let write = |transaction: &mut Transaction<'_>| {
            self.revert_in(transaction, plan, now).then(|| {
                if is_inside {
                    add_reverts(transaction, &[audit], self.clock.now());
                }
            })
        };
        let written = self.write("revert", write).await?;
        if written.is_none() {
            return Ok(Write::Stale);
        }
        self.note_plan(plan);
        self.write_audit_apart(vec![audit]).await?;
        Ok(Write::Done)
    }

    async fn revert_all(
        &self,
        reverts: &[Revert<'_>],
        now: Timestamp,
    ) -> Vec<Result<Write, RepoError>> {
        let plain: Vec<_> = reverts.iter().filter(|one| is_plain(one.plan)).collect();
        let mut together = false;
        if plain.len() > 1 && !self.database.without.audit_inside {
            let entries: Vec<_> = plain.iter().map(|one| &one.audit).collect();
            let write = |transaction: &mut Transaction<'_>| {
                let all = plain.iter().all(|one| self.revert_in(transaction, one.plan, now));
                all.then(|| add_reverts(transaction, &entries, self.clock.now()))
            };
            match self.write("revert", write).await {
                Ok(done) => together = done.is_some(),
                Err(error) => return reverts.iter().map(|_| Err(error.clone())).collect(),
            }
        }
        let mut written: Vec<Result<Write, RepoError>> = Vec::with_capacity(reverts.len());
        for Revert { guard, plan, audit } in reverts {
            let one = if together && is_plain(plan) {
                self.note_plan(plan);
                Ok(Write::Done)
            } else if let Some(Err(error)) = written.last() {
                Err(error.clone())
            } else {
                self.revert(guard, plan, now, audit).await
            };
            written.push(one);
        }
        written
    }

    async fn list_pending(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
    ) -> Result<Vec<Result<PendingSummary, BadRow>>, RepoError> {
        let page = |tables: &super::Tables| {
            let page = question::list_pending(tables, query, unscrubbed_after);
            page.into_iter().map(Ok).collect()
        };
        self.ask("list_pending", page).await
    }

    async fn waiting(
        &self,
        query: &PendingQuery,
        unscrubbed_after: Option<Timestamp>,
        by_location: bool,
        take: TakeWaiting<'_>,
    ) -> Result<(), RepoError> {
        let query = PendingQuery { limit: u32::MAX, ..query.clone() };
        let lines = self.list_pending(&query, unscrubbed_after).await?;
        for one in lines.into_iter().flatten() {
            let mut tally = Tally::default();
            tally.add(one.size);
            let image = by_location.then(|| one.id.to_string());
            let (owner, deleted_at) = (one.owner, one.deleted_at);
            take(&WaitingRow { owner, deleted_at, tally, image, location: None });
        }
        Ok(())
    }

    async fn facts_of(
        &self,
        ids: &[ImageId],
        wanted: &Labels,
    ) -> Result<HashMap<ImageId, Facts>, RepoError> {
        let is_blind = self.database.without.labels;
        let facts = |tables: &super::Tables| question::facts_of(tables, ids, wanted, is_blind);
        self.ask("facts_of", facts).await
    }

    async fn candidates_of(&self, ids: &[ImageId]) -> Result<Vec<Candidate>, RepoError> {
        let candidates = |tables: &super::Tables| {
            let rows = ids.iter().filter_map(|id| tables.images.get(id.as_str()));
            let candidate = |row: &super::ImageRow| Candidate {
                id: ImageId::parse(&row.id).unwrap(),
                name: Some(format!("name of {}", row.id)),
                owner: row.owner.clone(),
                size: row.size,
                deleted_at: question::marker(row).map(|marker| marker.deleted_at),
            };
            rows.map(candidate).collect()
        };
        self.ask("candidates_of", candidates).await
    }

    async fn list_scrubbed(&self, query: &ScrubbedQuery) -> Result<Scrubbed, RepoError> {
        self.ask("list_scrubbed", |tables| question::list_scrubbed(tables, query)).await
    }

    async fn position(&self, id: &ImageId) -> Result<Position, RepoError> {
        let position = |tables: &super::Tables| {
            let row = tables.images.get(id.as_str());
            row.map_or(Position::Unknown, |row| {
                question::marker(row).map_or(Position::Nowhere, Position::At)
            })
        };
        self.ask("position", position).await
    }

    async fn live_locations(
        &self,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        let without_canary = self.database.without.canary;
        let page = |tables: &super::Tables| {
            let live = tables.locations.range(after.saturating_add(1)..).map(|(_, row)| row);
            if without_canary {
                for store in ["fast", "slow"] {
                    let mut row = LocationRow::live(1, "image-0", &format!("mem://{store}/canary"));
                    row.id = after.saturating_add(1);
                    take(&held(&row));
                }
            }
            hand_on(live.filter(|row| row.is_live()), limit, take)
        };
        self.ask("live_locations", page).await
    }

    async fn now(&self) -> Result<Timestamp, RepoError> {
        self.ask("now", |_| self.clock.now()).await
    }
}

#[async_trait]
impl DatabaseHealth for MemoryRepo {
    async fn rehearse(&self) -> Result<(), RepoError> {
        self.ask("rehearse", |_| ()).await
    }

    async fn ping(&self) -> Result<(), RepoError> {
        self.ask("ping", |_| ()).await
    }
}
