//! The queries and writes of a pass, like `src/db/repo/claim.rs` and its neighbours.

use async_trait::async_trait;
use chrono::DateTime;
use glance_revert::domain::audit::AuditEntry;
use glance_revert::domain::image::{ImageId, ImageStatus};
use glance_revert::domain::location::{Location, LocationStatus};
use glance_revert::domain::repo::{
    DueImage, Handed, Outlook, Remnants, RepoError, ScrubRepo, Stretch, TakeLocation, Write,
};
use glance_revert::domain::scrub::{Claim, Ended, Release, Settled, Tally, Work, WorkKind};
use glance_revert::domain::time::Timestamp;

use super::question::{self, hand_on};
use super::repo::{MemoryRepo, add_entries, is_unchanged};
use super::row::LocationRow;
use super::tables::{Change, Tables, Transaction};

/// Attempts of a settlement that loses a race.
const SETTLE_ATTEMPTS: usize = 5;

/// How the transaction of a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claimed {
    All,
    Paused,
}

impl MemoryRepo {
    /// `BEGIN_CLAIMS` and all of these claims, or none of them.
    async fn claim_in_one(
        &self,
        works: &[(&Work, Timestamp)],
    ) -> Result<Option<Claimed>, RepoError> {
        let now = self.clock.now();
        let write = |transaction: &mut Transaction<'_>| {
            if !begin_claims(transaction, now) {
                return Some(Claimed::Paused);
            }
            let each = works.iter();
            let mut all = each.map(|(work, stamp)| self.claim_one(transaction, work, *stamp, now));
            all.all(|is_won| is_won).then_some(Claimed::All)
        };
        self.write("claim", write).await
    }

    fn claim_one(
        &self,
        transaction: &mut Transaction<'_>,
        work: &Work,
        stamp: Timestamp,
        now: Timestamp,
    ) -> bool {
        let (image, without) = (work.image(), self.database.without);
        let id = image.id.as_str();
        let is_held = is_held(transaction.tables(), id, now) && !without.hold;
        if work.kind() == WorkKind::Leftovers {
            let is_target =
                |row: &LocationRow| work.targets().iter().any(|target| target.id == row.id);
            let found = transaction.update_locations(
                |row| {
                    is_target(row)
                        && row.image == id
                        && row.status == LocationStatus::PendingDelete
                        && row.deleted
                        && !is_held
                },
                |row| {
                    row.deleted_at = None;
                    row.updated_at = Some(stamp);
                },
            );
            return found == work.targets().len();
        }
        let unmarked: Vec<_> =
            work.targets().iter().filter(|location| !location.is_claimed()).collect();
        let is_target = |row: &LocationRow| {
            unmarked.iter().any(|one| one.id == row.id && one.status == row.status)
        };
        let marked = transaction.update_locations(is_target, |row| {
            row.status = LocationStatus::PendingDelete;
            row.deleted = true;
            row.deleted_at = None;
            row.updated_at = Some(stamp);
        });
        let is_as_read = transaction.update_image(
            id,
            |row| row.deleted && is_unchanged(row, image) && !is_held,
            |row| {
                row.status = ImageStatus::Deleted;
                if !without.stamp {
                    row.updated_at = Some(stamp);
                }
            },
        );
        is_as_read && marked == unmarked.len()
    }

    async fn claim_now(
        &self,
        works: &[(&Work, Timestamp)],
    ) -> Result<Option<Vec<Write>>, RepoError> {
        let stamp = works.first().map(|(_, stamp)| *stamp);
        let alike = |(work, at): &(&Work, Timestamp)| {
            Some(*at) == stamp && work.kind() != WorkKind::Leftovers
        };
        if works.iter().all(alike) {
            match self.claim_in_one(works).await? {
                Some(Claimed::All) => return Ok(Some(vec![Write::Done; works.len()])),
                Some(Claimed::Paused) => return Ok(None),
                None => {}
            }
        }
        let mut writes = Vec::with_capacity(works.len());
        for one in works {
            let won = self.claim_in_one(std::slice::from_ref(one)).await? == Some(Claimed::All);
            writes.push(if won { Write::Done } else { Write::Stale });
        }
        Ok(Some(writes))
    }

    fn settle_in(
        &self,
        transaction: &mut Transaction<'_>,
        settled: &[Settled<'_>],
        now: Timestamp,
    ) -> Ended {
        if settled.iter().any(is_part) {
            // `BEGIN_ORDER`
            let mut orders = transaction.tables().orders.clone();
            orders.claims += 1;
            transaction.set(Change::Orders(orders));
        }
        let at = self.database.stored(now);
        let mut missed = Vec::new();
        for one in settled {
            let ended = transaction.update_locations(
                |row| one.deleted.contains(&row.id) && row.status == LocationStatus::PendingDelete,
                |row| {
                    row.status = LocationStatus::Deleted;
                    row.deleted = true;
                    row.deleted_at = Some(at);
                    row.updated_at = Some(at);
                },
            );
            let left = (one.deleted.len() - ended) as u64;
            missed.extend((left > 0).then(|| (one.guard.id().clone(), left)));
        }
        for one in settled {
            if let Some(release) = &one.release {
                self.release_in(transaction, one.guard.id(), release);
            }
        }
        let last = last_of(transaction.tables(), settled);
        if !self.database.without.audit_inside {
            add_entries(transaction, &entries_of(settled, &last));
        }
        Ended { missed, last }
    }

    fn release_in(&self, transaction: &mut Transaction<'_>, id: &ImageId, release: &Release<'_>) {
        let without_stamp = self.database.without.stamp;
        let is_ours = transaction.update_image(
            id.as_str(),
            |row| {
                row.status == ImageStatus::Deleted
                    && row.deleted
                    && (without_stamp || row.updated_at == Some(release.stamp))
            },
            |row| row.status = release.status,
        );
        let as_read = |row: &LocationRow| release.locations.iter().find(|one| one.id == row.id);
        if is_ours {
            transaction.update_locations(
                |row| row.image == id.as_str() && row.is_claimed() && as_read(row).is_some(),
                |row| {
                    let Some(Location { status, deleted, deleted_at, .. }) =
                        release.locations.iter().find(|one| one.id == row.id).cloned()
                    else {
                        return;
                    };
                    row.status = status;
                    row.deleted = deleted;
                    row.deleted_at = deleted_at;
                },
            );
        }
    }
}

fn is_part(one: &Settled<'_>) -> bool {
    !one.is_whole && one.audit.is_some()
}

/// Images of which another pass has ended everything that this one left.
fn last_of(tables: &Tables, settled: &[Settled<'_>]) -> Vec<ImageId> {
    let waits = |id: &ImageId| {
        let mut rows = tables.locations_of(id.as_str());
        rows.any(|row| row.status == LocationStatus::PendingDelete)
    };
    let parts = settled.iter().filter(|one| is_part(one)).map(|one| one.guard.id());
    parts.filter(|id| !waits(id)).cloned().collect()
}

fn entries_of<'s>(settled: &'s [Settled<'_>], last: &[ImageId]) -> Vec<&'s AuditEntry> {
    let ended = settled.iter().filter(|one| one.is_whole || last.contains(one.guard.id()));
    ended.filter_map(|one| one.audit.as_ref()).collect()
}

fn begin_claims(transaction: &mut Transaction<'_>, now: Timestamp) -> bool {
    let mut orders = transaction.tables().orders.clone();
    let is_paused = orders.pause.as_ref().is_some_and(|pause| pause.term.until > now);
    orders.claims += 1;
    if !is_paused {
        transaction.set(Change::Orders(orders));
    }
    !is_paused
}

/// Whether a hold is in force.
pub(super) fn is_held(tables: &Tables, id: &str, now: Timestamp) -> bool {
    tables.holds.get(id).is_some_and(|hold| hold.term.until > now)
}

#[async_trait]
impl ScrubRepo for MemoryRepo {
    async fn list_due(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
    ) -> Result<Vec<DueImage>, RepoError> {
        let due = |tables: &Tables| question::list_due(tables, before, after, limit as usize);
        self.ask("list_due", due).await
    }

    async fn count_due(&self, before: Timestamp) -> Result<Tally, RepoError> {
        self.ask("count_due", |tables| question::count_due(tables, before)).await
    }

    async fn outlook(
        &self,
        before: [Timestamp; 3],
        since: Timestamp,
    ) -> Result<Outlook, RepoError> {
        self.ask("outlook", |tables| question::outlook(tables, before, since)).await
    }

    async fn remnants(
        &self,
        before: Timestamp,
        after: Option<&ImageId>,
        unscrubbed: bool,
        stretch: Stretch,
    ) -> Result<Remnants, RepoError> {
        let remnants =
            |tables: &Tables| question::remnants(tables, before, after, unscrubbed, stretch);
        self.ask("remnants", remnants).await
    }

    async fn claim(&self, claims: &[Claim<'_>]) -> Result<Option<Vec<Write>>, RepoError> {
        let works: Vec<_> = claims.iter().map(|claim| (claim.work, claim.stamp)).collect();
        if self.database.without.claim_first {
            let late = works.iter().map(|(work, stamp)| ((*work).clone(), *stamp));
            self.late_claims.lock().unwrap().extend(late);
            return Ok(Some(vec![Write::Done; claims.len()]));
        }
        self.claim_now(&works).await
    }

    async fn settle(&self, settled: &[Settled<'_>], now: Timestamp) -> Result<Ended, RepoError> {
        let late = std::mem::take(&mut *self.late_claims.lock().unwrap());
        if !late.is_empty() {
            let works: Vec<_> = late.iter().map(|(work, stamp)| (work, *stamp)).collect();
            self.claim_now(&works).await?;
        }
        for _ in 0..SETTLE_ATTEMPTS {
            let write =
                |transaction: &mut Transaction<'_>| Some(self.settle_in(transaction, settled, now));
            if let Some(ended) = self.write("settle", write).await? {
                self.write_audit_apart(entries_of(settled, &ended.last)).await?;
                return Ok(ended);
            }
        }
        Err(RepoError::Unavailable("too many conflicts with other transactions".to_owned()))
    }

    async fn locations_of(&self, ids: &[ImageId], take: TakeLocation<'_>) -> Result<(), RepoError> {
        let page = |tables: &Tables| {
            let is_of_one = |row: &&LocationRow| ids.iter().any(|id| id.as_str() == row.image);
            hand_on(tables.locations.values().filter(is_of_one), u32::MAX, take);
        };
        self.ask("locations_of", page).await
    }

    async fn needed_locations(
        &self,
        before: Timestamp,
        after: i32,
        limit: u32,
        take: TakeLocation<'_>,
    ) -> Result<Handed, RepoError> {
        // only a purge asks for everything
        let is_purge = before == DateTime::UNIX_EPOCH.naive_utc();
        if is_purge && self.database.without.purge_names {
            return Ok(Handed::Nothing);
        }
        let page = |tables: &Tables| {
            let rows = tables.locations.range(after.saturating_add(1)..).map(|(_, row)| row);
            hand_on(rows.filter(|row| question::may_be_needed(row, before)), limit, take)
        };
        self.ask("needed_locations", page).await
    }
}
