//! The writes of Glance and its users, transaction by transaction: `docs/development/tables.md`
//! lists them.

use std::sync::Arc;
use std::time::Duration;

use glance_revert::domain::image::ImageStatus;
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::time::Timestamp;
use md5::{Digest, Md5};
use tokio::time::sleep;

use crate::chance::Chance;
use crate::kept::bytes;
use crate::memory::{
    Cause, Change, ChildKind, ChildRow, ImageRow, LocationRow, Tables, Transaction,
};
use crate::objects::{self, STORES};
use crate::world::World;

/// A glance-api.
#[derive(Debug)]
pub(crate) struct Glance {
    pub(crate) world: Arc<World>,
    pub(crate) node: usize,
}

/// Attempts of a transaction that loses a race.
const ATTEMPTS: usize = 3;

impl Glance {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let node = world.chance("node of glance").below(world.odds.nodes as u64);
        Self { world: Arc::clone(world), node: usize::try_from(node).unwrap() }
    }

    pub(crate) fn write(
        &self,
        event: &'static str,
        act: impl Fn(&mut Transaction<'_>) -> Option<()>,
    ) -> bool {
        self.world.hear(self.node);
        for _ in 0..ATTEMPTS {
            match self.world.database.transaction((event, self.node, 0), &act) {
                Ok(done) => return done.is_some(),
                Err(_) => self.world.database.catch_up(self.node),
            }
        }
        false
    }

    pub(crate) fn read<T>(&self, ask: impl FnOnce(&Tables) -> T) -> T {
        self.world.hear(self.node);
        self.world.database.read(self.node, ask)
    }

    /// The image as `GET` finds it.
    fn shown(&self, id: &str) -> Option<ImageRow> {
        let is_shown = |row: &&ImageRow| !row.deleted && row.status != ImageStatus::PendingDelete;
        self.read(|tables| tables.images.get(id).filter(is_shown).cloned())
    }

    fn live_locations(&self, id: &str) -> Vec<LocationRow> {
        self.read(|tables| tables.locations_of(id).filter(|row| !row.deleted).cloned().collect())
    }

    /// Waits between two transactions: usually not at all, sometimes for a long time. False if the
    /// process dies.
    pub(crate) async fn between(&self, chance: &mut Chance) -> bool {
        if self.world.is_quiet() {
            return true;
        }
        let wait = match chance.below(100) {
            0..70 => chance.below(60),
            70..92 => chance.below(1500),
            _ => chance.below(200_000),
        };
        sleep(Duration::from_millis(wait)).await;
        !chance.permille(self.world.odds.crash / 2)
    }

    /// Creates an image with data in one or two stores.
    pub(crate) fn create(&self, id: &str, chance: &mut Chance) {
        let now = self.world.stored_now();
        let rows: Vec<_> = STORES
            .iter()
            .take(if id == "image-0" { 2 } else { 1 + usize::from(chance.permille(500)) })
            .map(|store| {
                let object = format!("{store}/{id}");
                self.world.objects.lock().unwrap().put(&object, id);
                LocationRow::live(self.world.new_row(), id, &format!("mem://{object}"))
            })
            .collect();
        let children = self.new_children(id, chance);
        self.write("create", |transaction| {
            let row = ImageRow {
                id: id.to_owned(),
                owner: Some(if id == "image-4" { "p2" } else { "p1" }.to_owned()),
                size: Some(8),
                checksum: Some(hex::encode(Md5::digest(bytes(id)))),
                status: ImageStatus::Active,
                protected: false,
                created_at: now,
                updated_at: Some(now),
                deleted_at: None,
                deleted: false,
            };
            transaction.set(Change::Image(id.to_owned(), Some(row)));
            for row in &rows {
                transaction.set(Change::Location(row.id, Some(row.clone())));
            }
            for row in &children {
                transaction.set(Change::Child(row.id, Some(row.clone())));
            }
            Some(())
        });
    }

    fn new_children(&self, id: &str, chance: &mut Chance) -> Vec<ChildRow> {
        let all = [
            (ChildKind::Property, "os_type"),
            (ChildKind::Property, "os_glance_import_task"),
            (ChildKind::Tag, "golden"),
            (ChildKind::Tag, "old"),
            (ChildKind::Member, "p2"),
            (ChildKind::Member, "p3"),
        ];
        let wanted = all.into_iter().filter(|_| chance.permille(700)).collect::<Vec<_>>();
        wanted.into_iter().map(|(kind, word)| self.new_child(id, kind, word)).collect()
    }

    fn new_child(&self, id: &str, kind: ChildKind, word: &str) -> ChildRow {
        ChildRow {
            id: self.world.new_row(),
            kind,
            image: id.to_owned(),
            word: word.to_owned(),
            updated_at: None,
            deleted_at: None,
            deleted: false,
            cause: Cause::Nobody,
        }
    }

    /// DELETE: four transactions, each of which may be the last one, or a minute late.
    pub(crate) async fn delete(&self, id: &str, chance: &mut Chance) {
        let Some(image) = self.shown(id).filter(|row| !row.protected) else { return };
        let locations: Vec<_> = self.live_locations(id).iter().map(|row| row.id).collect();
        let is_deactivated = image.status == ImageStatus::Deactivated;
        // An image without locations, or a deactivated one, does not wait: it ends at once.
        let waits = !locations.is_empty() && !is_deactivated;
        let moment = self.world.stored_now();
        if waits {
            for event in ["delete.1", "delete.2"] {
                if !self.stamp(event, &locations, moment) || !self.between(chance).await {
                    return;
                }
            }
        }
        let status = if waits { ImageStatus::PendingDelete } else { ImageStatus::Deleted };
        if !self.change_status(id, status, moment) || !self.between(chance).await {
            return;
        }
        self.destroy_image(id, moment);
    }

    /// The first two transactions.
    fn stamp(&self, event: &'static str, locations: &[i32], moment: Timestamp) -> bool {
        let now = self.world.stored_now();
        self.write(event, |transaction| {
            let found = transaction.update_locations(
                |row| locations.contains(&row.id),
                |row| {
                    row.status = LocationStatus::PendingDelete;
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                    row.cause = Cause::Delete(moment);
                },
            );
            // a missing row fails the request
            (found == locations.len()).then_some(())
        })
    }

    /// The third transaction: the status, and every property, including deleted ones.
    fn change_status(&self, id: &str, status: ImageStatus, moment: Timestamp) -> bool {
        let now = self.world.stored_now();
        self.write("delete.3", |transaction| {
            let found = transaction.update_image(
                id,
                |row| !row.deleted,
                |row| {
                    row.status = status;
                    row.updated_at = Some(now);
                },
            );
            transaction.update_children(
                |row| row.kind == ChildKind::Property && row.image == id && found,
                |row| {
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                    row.cause = Cause::Delete(moment);
                },
            );
            found.then_some(())
        })
    }

    /// The fourth transaction, `image_destroy`: the image, its tags and members, and its live
    /// locations.
    fn destroy_image(&self, id: &str, moment: Timestamp) {
        let now = self.world.stored_now();
        self.write("delete.4", |transaction| {
            let found = transaction.update_image(
                id,
                |row| !row.deleted,
                |row| {
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                },
            );
            transaction.update_locations(
                |row| row.image == id && !row.deleted && found,
                |row| {
                    row.status = LocationStatus::Deleted;
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                    row.cause = Cause::Delete(moment);
                },
            );
            transaction.update_children(
                |row| row.kind != ChildKind::Property && row.image == id && !row.deleted && found,
                |row| {
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                    row.cause = Cause::Delete(now);
                },
            );
            found.then_some(())
        });
    }

    /// PATCH that removes a location, if another one is live.
    pub(crate) fn remove_location(&self, id: &str, chance: &mut Chance) {
        let Some(image) = self.shown(id) else { return };
        let live = self.live_locations(id);
        if image.status != ImageStatus::Active || live.len() < 2 {
            return;
        }
        let Some(going) = chance.pick(&live).map(|row| row.id) else { return };
        let now = self.world.stored_now();
        self.write("remove_location", |transaction| {
            transaction.update_locations(
                |row| row.id == going,
                |row| {
                    row.status = LocationStatus::PendingDelete;
                    row.deleted = true;
                    row.deleted_at = Some(now);
                    row.updated_at = Some(now);
                    row.cause = Cause::User(now);
                },
            );
            transaction.update_image(id, |_| true, |row| row.updated_at = Some(now));
            Some(())
        });
    }

    /// PATCH that adds a location: another image's, or this image's own again in another spelling.
    pub(crate) fn add_location(&self, id: &str, chance: &mut Chance) {
        if self.shown(id).is_none_or(|row| row.status != ImageStatus::Active) {
            return;
        }
        // Glance accepts lost and pending locations too, because it checks only whether the data
        // exists
        let all = self.read(|tables| {
            tables.locations.values().map(|row| row.value.clone()).collect::<Vec<_>>()
        });
        let Some(value) = chance.pick(&all) else { return };
        let value = objects::respelled(value, chance.next());
        let is_there =
            self.world.objects.lock().unwrap().whole.contains_key(&objects::object(&value));
        let is_live = |row: &LocationRow| row.value == value;
        if is_there && !self.live_locations(id).iter().any(is_live) {
            self.insert_location("add_location", id, &value);
        }
    }

    /// `copy-image`: copies the data into another store, and adds a location.
    pub(crate) async fn copy_image(&self, id: &str, chance: &mut Chance) {
        let Some(store) = chance.pick(&STORES) else { return };
        let live = self.live_locations(id);
        let object = format!("{store}/{id}");
        let has_it = live.iter().any(|row| objects::object(&row.value) == object);
        let source = live.first().map(|row| objects::object(&row.value));
        let Some(source) = source.filter(|_| !has_it) else { return };
        if !self.world.copy(&source, &object) {
            return;
        }
        let is_alive = self.between(chance).await;
        if is_alive && self.shown(id).is_some_and(|row| row.status == ImageStatus::Active) {
            self.insert_location("copy_image", id, &format!("mem://{object}"));
        }
    }

    fn insert_location(&self, event: &'static str, id: &str, value: &str) {
        let now = self.world.stored_now();
        let mut row = LocationRow::live(self.world.new_row(), id, value);
        row.updated_at = Some(now);
        self.world.truth.is_born(row.id);
        self.write(event, |transaction| {
            let is_found = transaction.update_image(
                id,
                |row| !row.deleted && row.status == ImageStatus::Active,
                |row| row.updated_at = Some(now),
            );
            transaction.set(Change::Location(row.id, Some(row.clone())));
            is_found.then_some(())
        });
    }

    /// Removes or restores a tag, a member or a property.
    pub(crate) fn change_child(&self, id: &str, chance: &mut Chance) {
        if self.shown(id).is_none_or(|row| row.status != ImageStatus::Active) {
            return;
        }
        let now = self.world.stored_now();
        let all = self.read(|tables| {
            tables.children.values().filter(|row| row.image == id).cloned().collect::<Vec<_>>()
        });
        let Some(row) = chance.pick(&all).cloned() else { return };
        let is_live =
            |other: &ChildRow| other.kind == row.kind && other.word == row.word && !other.deleted;
        if !row.deleted {
            let mut gone = row;
            gone.deleted = true;
            gone.deleted_at = Some(now);
            gone.cause = Cause::User(now);
            self.set_child("remove_child", &gone);
        } else if !all.iter().any(is_live) {
            // a tag gets a new row; a property keeps its time
            let is_new = row.kind == ChildKind::Tag;
            let mut back = if is_new { self.new_child(id, row.kind, &row.word) } else { row };
            back.deleted = false;
            back.cause = Cause::Nobody;
            if back.kind == ChildKind::Member {
                back.deleted_at = None;
            }
            self.set_child("add_child", &back);
        }
    }

    fn set_child(&self, event: &'static str, row: &ChildRow) {
        self.write(event, |transaction| {
            let is_there = transaction.tables().images.get(&row.image);
            let is_shown = is_there.is_some_and(|image| !image.deleted);
            transaction.set(Change::Child(row.id, Some(row.clone())));
            is_shown.then_some(())
        });
    }

    /// `deactivate` and `reactivate`.
    pub(crate) fn turn(&self, id: &str) {
        let now = self.world.stored_now();
        self.write("deactivate", |transaction| {
            let other = |status| match status {
                ImageStatus::Active => Some(ImageStatus::Deactivated),
                ImageStatus::Deactivated => Some(ImageStatus::Active),
                _ => None,
            };
            let found = transaction.update_image(
                id,
                |row| !row.deleted && other(row.status).is_some(),
                |row| {
                    row.status = other(row.status).unwrap_or(row.status);
                    row.updated_at = Some(now);
                },
            );
            found.then_some(())
        });
    }
}
