//! Pauses, holds and the audit, like `src/db/control.rs` and `src/db/tables.rs`.

use std::time::Duration;

use async_trait::async_trait;
use glance_revert::domain::audit::{
    Actor, AuditEntry, AuditQuery, AuditRow, AuditedImage, RELEASE_IMAGE,
};
use glance_revert::domain::control::{
    Acceptance, ControlRepo, Hold, HoldOutcome, InForce, Orders, PassResult, Term,
};
use glance_revert::domain::image::{ImageId, ImageStatus};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::pending::NotPending;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::RepoError;
use glance_revert::domain::tables::{OwnTables, TablesState};
use glance_revert::domain::time::Timestamp;

use super::repo::{MemoryRepo, add_entries};
use super::row::OrdersRow;
use super::tables::{Change, Tables, Transaction};

/// Attempts of an order that loses a race.
const ATTEMPTS: usize = 20;

/// Orders and the audit, in memory.
#[derive(Debug)]
pub(crate) struct MemoryControl(pub(crate) std::sync::Arc<MemoryRepo>);

impl MemoryControl {
    /// Carries out an order, and writes its audit entries.
    async fn order<T: Send>(
        &self,
        call: &'static str,
        act: impl Fn(&mut Transaction<'_>, Timestamp) -> (T, Vec<AuditEntry>) + Sync,
    ) -> Result<T, RepoError> {
        for _ in 0..ATTEMPTS {
            let now = self.0.database.stored(self.0.clock.now());
            let write = |transaction: &mut Transaction<'_>| {
                let (done, entries) = act(transaction, now);
                add_entries(transaction, &entries.iter().collect::<Vec<_>>());
                Some(done)
            };
            if let Some(done) = self.0.write(call, write).await? {
                return Ok(done);
            }
        }
        Err(RepoError::Unavailable("too many conflicts with other transactions".to_owned()))
    }
}

impl MemoryControl {
    /// Changes the row of orders without an order.
    async fn note(
        &self,
        call: &'static str,
        change: impl Fn(&mut OrdersRow) + Send + Sync,
    ) -> Result<(), RepoError> {
        let write = |transaction: &mut Transaction<'_>| {
            let mut orders = transaction.tables().orders.clone();
            change(&mut orders);
            transaction.set(Change::Orders(orders));
            Some(())
        };
        self.0.write(call, write).await.map(drop)
    }
}

/// `BEGIN_ORDER`, or an order that is an UPDATE of this row.
fn change_orders(transaction: &mut Transaction<'_>, change: impl FnOnce(&mut OrdersRow)) {
    let mut orders = transaction.tables().orders.clone();
    orders.claims += 1;
    change(&mut orders);
    transaction.set(Change::Orders(orders));
}

fn in_force(term: &Term, since: Timestamp, by: &Admin) -> InForce {
    InForce { term: term.clone(), since, by: who(by) }
}

fn who(by: &Admin) -> String {
    let who = by.principal();
    who.name.clone().unwrap_or_else(|| who.subject.clone())
}

fn runs(pause: Option<&InForce>, now: Timestamp) -> bool {
    pause.is_some_and(|pause| pause.term.until > now)
}

/// An image as an audit entry names it.
fn named(tables: &Tables, id: &ImageId) -> AuditedImage {
    let row = tables.images.get(id.as_str());
    let name = row.map(|row| format!("name of {}", row.id));
    AuditedImage { id: id.clone(), owner: row.and_then(|row| row.owner.clone()), name }
}

/// `HOLDABLE`.
fn outcome(tables: &Tables, id: &str) -> HoldOutcome {
    let Some(image) = tables.images.get(id) else { return HoldOutcome::NotFound };
    let waits = tables.locations_of(id).any(|row| {
        row.is_live()
            || (row.status == LocationStatus::PendingDelete && row.deleted_at.is_some())
            || (row.status == LocationStatus::Deleted
                && row.deleted_at.is_some()
                && row.deleted_at == image.deleted_at)
    });
    let claimed = tables.locations_of(id).any(super::LocationRow::is_claimed);
    match image.status {
        ImageStatus::Active if !image.deleted => HoldOutcome::Refused(NotPending::AlreadyActive),
        ImageStatus::Active | ImageStatus::PendingDelete => HoldOutcome::Held,
        ImageStatus::Deleted if waits => HoldOutcome::Held,
        ImageStatus::Deleted if claimed => HoldOutcome::Refused(NotPending::ScrubInProgress),
        ImageStatus::Deleted => HoldOutcome::Refused(NotPending::AlreadyScrubbed),
        other => HoldOutcome::Refused(NotPending::OtherStatus(other)),
    }
}

#[async_trait]
impl ControlRepo for MemoryControl {
    async fn orders(&self) -> Result<Option<Orders>, RepoError> {
        let now = self.0.clock.now();
        let is_blind = self.0.database.without.kept_times;
        let orders = |tables: &Tables| Orders {
            pause: tables.orders.pause.clone().filter(|pause| pause.term.until > now),
            accepted: tables.orders.accepted.clone(),
            scrub_time: tables.orders.scrub_time.filter(|_| !is_blind),
            retention: tables.orders.retention.clone().filter(|_| !is_blind),
            last_pass: None,
            held: tables.holds.values().filter(|hold| hold.term.until > now).count() as u64,
        };
        self.0.ask("orders", orders).await.map(Some)
    }

    async fn is_paused(&self) -> Result<bool, RepoError> {
        let now = self.0.clock.now();
        self.0.ask("is_paused", |tables| runs(tables.orders.pause.as_ref(), now)).await
    }

    async fn pause(&self, term: &Term, by: &Admin) -> Result<(), RepoError> {
        let act = |transaction: &mut Transaction<'_>, now| {
            let pause = transaction.tables().orders.pause.clone();
            if pause.is_some_and(|pause| pause.term.until > term.until) {
                return ((), Vec::new());
            }
            change_orders(transaction, |orders| orders.pause = Some(in_force(term, now, by)));
            ((), vec![AuditEntry::new(now, "pauseScrubber", Actor::from(by))])
        };
        self.order("pause", act).await
    }

    async fn resume(&self, by: &Admin) -> Result<bool, RepoError> {
        let act = |transaction: &mut Transaction<'_>, now| {
            if !runs(transaction.tables().orders.pause.as_ref(), now) {
                return (false, Vec::new());
            }
            change_orders(transaction, |orders| orders.pause = None);
            (true, vec![AuditEntry::new(now, "resumeScrubber", Actor::from(by))])
        };
        self.order("resume", act).await
    }

    async fn accept(&self, images: u64, by: &Admin) -> Result<(), RepoError> {
        let act = |transaction: &mut Transaction<'_>, at| {
            let accepted = Acceptance { images, at, by: who(by) };
            change_orders(transaction, |orders| orders.accepted = Some(accepted));
            ((), vec![AuditEntry::new(at, "acceptScrub", Actor::from(by))])
        };
        self.order("accept", act).await
    }

    async fn use_up(&self, accepted: &Acceptance) -> Result<(), RepoError> {
        let act = |transaction: &mut Transaction<'_>| {
            let kept = transaction.tables().orders.accepted.clone();
            let is_it =
                kept.is_some_and(|kept| kept.images == accepted.images && kept.at == accepted.at);
            if is_it {
                change_orders(transaction, |orders| orders.accepted = None);
            }
            Some(())
        };
        self.0.write("use_up", act).await.map(drop)
    }

    async fn keep_scrub_time(&self, scrub_time: Duration) -> Result<(), RepoError> {
        let keep = |orders: &mut OrdersRow| {
            orders.scrub_time = orders.scrub_time.max(Some(scrub_time));
        };
        self.note("keep_scrub_time", keep).await
    }

    async fn shorten_scrub_time(&self, from: Duration, to: Duration) -> Result<(), RepoError> {
        let shorten = |orders: &mut OrdersRow| {
            if orders.scrub_time == Some(from) {
                orders.scrub_time = Some(to);
            }
        };
        self.note("shorten_scrub_time", shorten).await
    }

    async fn keep_retention(&self, from: Option<&str>, to: Option<&str>) -> Result<(), RepoError> {
        let keep = |orders: &mut OrdersRow| {
            if orders.retention.as_deref() == from {
                orders.retention = to.map(str::to_owned);
            }
        };
        self.note("keep_retention", keep).await
    }

    async fn pass_began(&self) -> Result<(), RepoError> {
        self.note("pass_began", |_| {}).await
    }

    async fn pass_ended(&self, _: &PassResult) -> Result<(), RepoError> {
        self.note("pass_ended", |_| {}).await
    }

    async fn hold(
        &self,
        images: &[ImageId],
        term: &Term,
        by: &Admin,
    ) -> Result<Vec<HoldOutcome>, RepoError> {
        let act = |transaction: &mut Transaction<'_>, now| {
            change_orders(transaction, |_| {});
            let mut outcomes = Vec::new();
            let mut entries = Vec::new();
            for id in images {
                let outcome = outcome(transaction.tables(), id.as_str());
                if outcome == HoldOutcome::Held {
                    let known = transaction.tables().holds.get(id.as_str());
                    if known.is_none_or(|known| known.term.until < term.until) {
                        let hold = Some(in_force(term, now, by));
                        transaction.set(Change::Hold(id.to_string(), hold));
                    }
                    let entry = AuditEntry::new(now, "holdImage", Actor::from(by));
                    entries.push(entry.about(named(transaction.tables(), id)));
                }
                outcomes.push(outcome);
            }
            (outcomes, entries)
        };
        self.order("hold", act).await
    }

    async fn release(&self, images: &[ImageId], by: &Admin) -> Result<Vec<bool>, RepoError> {
        let act = |transaction: &mut Transaction<'_>, now| {
            change_orders(transaction, |_| {});
            let mut were_held = Vec::new();
            let mut entries = Vec::new();
            for id in images {
                let hold = transaction.tables().holds.get(id.as_str()).cloned();
                let was_held = runs(hold.as_ref(), now);
                if hold.is_some() {
                    transaction.set(Change::Hold(id.to_string(), None));
                }
                if was_held {
                    let entry = AuditEntry::new(now, RELEASE_IMAGE, Actor::from(by));
                    entries.push(entry.about(named(transaction.tables(), id)));
                }
                were_held.push(was_held);
            }
            (were_held, entries)
        };
        self.order("release", act).await
    }

    async fn holds_of(&self, images: &[ImageId]) -> Result<Vec<Hold>, RepoError> {
        let now = self.0.clock.now();
        let holds = |tables: &Tables| {
            let hold = |id: &ImageId| {
                let hold = tables.holds.get(id.as_str()).filter(|hold| hold.term.until > now)?;
                Some(Hold { image: id.clone(), hold: hold.clone() })
            };
            images.iter().filter_map(hold).collect()
        };
        self.0.ask("holds_of", holds).await
    }

    async fn rehearse(&self) -> Result<(), RepoError> {
        Ok(())
    }

    async fn holds(&self, after: Option<&ImageId>, limit: u32) -> Result<Vec<Hold>, RepoError> {
        let (now, after) = (self.0.clock.now(), after.map_or("", ImageId::as_str));
        let holds = |tables: &Tables| {
            let later = tables
                .holds
                .iter()
                .filter(|(id, hold)| id.as_str() > after && hold.term.until > now);
            let hold = |(id, hold): (&String, &InForce)| Hold {
                image: ImageId::parse(id).unwrap(),
                hold: hold.clone(),
            };
            later.take(limit as usize).map(hold).collect()
        };
        self.0.ask("holds", holds).await
    }

    async fn record(&self, entry: &AuditEntry) -> Result<bool, RepoError> {
        let act = |_: &mut Transaction<'_>, _| (true, vec![entry.clone()]);
        self.order("record", act).await
    }

    async fn claimed(&self) -> Result<u64, RepoError> {
        let claimed = |tables: &Tables| {
            let claimed = tables.locations.values().filter(|row| row.is_claimed());
            let images: std::collections::BTreeSet<_> = claimed.map(|row| &row.image).collect();
            images.len() as u64
        };
        self.0.ask("claimed", claimed).await
    }
}

#[async_trait]
impl OwnTables for MemoryControl {
    async fn state(&self) -> Result<TablesState, RepoError> {
        Ok(TablesState::Present)
    }

    async fn rehearse(&self) -> Result<TablesState, RepoError> {
        Ok(TablesState::Present)
    }

    async fn unrecorded_scrubs(&self, _: Timestamp) -> Result<Option<Vec<ImageId>>, RepoError> {
        Ok(None)
    }

    async fn last_of(&self, _: &Admin, images: &[ImageId]) -> Result<Vec<AuditRow>, RepoError> {
        let last = |tables: &Tables| {
            let of = |id: &ImageId| {
                let mut rows = tables.audit.values().rev();
                rows.find(|row| {
                    let is_hold = ["holdImage", RELEASE_IMAGE].contains(&&*row.operation);
                    row.image_id.as_deref() == Some(id.as_str()) && !is_hold
                })
                .cloned()
            };
            images.iter().filter_map(of).collect()
        };
        self.0.ask("last_of", last).await
    }

    async fn list_audit(&self, _: &Admin, query: &AuditQuery) -> Result<Vec<AuditRow>, RepoError> {
        let rows = |tables: &Tables| {
            let wanted = |row: &&AuditRow| {
                query.image.as_ref().is_none_or(|id| row.image_id.as_deref() == Some(id.as_str()))
                    && query.operation.as_ref().is_none_or(|wanted| row.operation == *wanted)
                    && query.actor.as_ref().is_none_or(|wanted| row.actor == *wanted)
            };
            let rows = tables.audit.values().rev().filter(wanted);
            rows.take(query.limit as usize).cloned().collect()
        };
        self.0.ask("list_audit", rows).await
    }
}
