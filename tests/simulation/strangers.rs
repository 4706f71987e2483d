//! Programs that do not know the product: upstream's scrubber, `db purge`, somebody who deletes
//! objects.

use chrono::TimeDelta;
use glance_revert::domain::image::{Image, ImageStatus, State};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::time::Timestamp;

use crate::chance::Chance;
use crate::glance::Glance;
use crate::memory::{Cause, Change};
use crate::objects;
use crate::world::{SCRUB_TIME, World};

impl Glance {
    /// `glance-manage db purge` of rows that were deleted this long ago.
    pub(crate) fn purge(&self, age: TimeDelta) {
        let before = self.world.now() - age;
        self.write("purge", |transaction| {
            let is_old =
                |deleted: bool, at: Option<Timestamp>| deleted && at.is_some_and(|at| at < before);
            let tables = transaction.tables();
            let locations: Vec<_> = tables
                .locations
                .values()
                .filter(|row| is_old(row.deleted, row.deleted_at))
                .map(|row| row.id)
                .collect();
            let children: Vec<_> = tables
                .children
                .values()
                .filter(|row| is_old(row.deleted, row.deleted_at))
                .map(|row| row.id)
                .collect();
            for id in locations {
                transaction.set(Change::Location(id, None));
            }
            for id in children {
                transaction.set(Change::Child(id, None));
            }
            Some(())
        });
    }

    /// One pass of upstream's glance-scrubber over one image.
    pub(crate) async fn scrub(&self, id: &str, chance: &mut Chance) {
        let is_due = |image: &Image| {
            image.status == ImageStatus::PendingDelete
                && image.deleted
                && image.deleted_at.is_some_and(|at| {
                    at + TimeDelta::from_std(SCRUB_TIME).unwrap() <= self.world.now()
                })
        };
        let image = self.read(|tables| tables.image_with_locations(id)).filter(is_due);
        let Some(image) = image else { return };
        for location in &image.locations {
            if location.status != LocationStatus::PendingDelete {
                continue;
            }
            if !self.between(chance).await {
                return;
            }
            let name = objects::object(location.value.as_stored());
            self.world.take(&name);
            let now = self.world.stored_now();
            self.write("stranger.settle", |transaction| {
                transaction.update_locations(
                    |row| row.id == location.id,
                    |row| {
                        row.status = LocationStatus::Deleted;
                        row.deleted = true;
                        row.deleted_at = Some(now);
                        row.updated_at = Some(now);
                        row.cause = Cause::Stranger;
                    },
                );
                Some(())
            });
        }
        if !self.between(chance).await {
            return;
        }
        let now = self.world.stored_now();
        self.write("stranger.end", |transaction| {
            transaction.update_image(
                id,
                |_| true,
                |row| {
                    row.status = ImageStatus::Deleted;
                    row.updated_at = Some(now);
                },
            );
            Some(())
        });
    }

    /// `glance-scrubber --restore`.
    pub(crate) fn restore(&self, id: &str) {
        let now = self.world.stored_now();
        self.write("stranger.restore", |transaction| {
            let found = transaction.update_image(
                id,
                |row| row.status == ImageStatus::PendingDelete && row.deleted,
                |row| {
                    row.status = ImageStatus::Active;
                    row.deleted = false;
                    row.updated_at = Some(now);
                },
            );
            found.then_some(())
        });
    }
}

impl World {
    /// Somebody else destroys an object.
    pub(crate) fn take(&self, name: &str) {
        let mut objects = self.objects.lock().unwrap();
        if objects.mount(name) == objects::Mount::Up {
            objects.remove(name, self.elapsed());
            objects.taken.insert(name.to_owned());
        }
    }

    /// Somebody deletes an image's object in one store.
    pub(crate) fn take_by_hand(&self, image: &str, store: &str) {
        self.truth.tell(|| format!("somebody takes {store}/{image}"));
        self.truth.seen.lock().unwrap().strange.insert(image.to_owned());
        self.take(&format!("{store}/{image}"));
    }

    /// Copies an object; true if the source existed and the target did not.
    pub(crate) fn copy(&self, source: &str, name: &str) -> bool {
        let mut objects = self.objects.lock().unwrap();
        let of = objects.whole.get(source).map(|content| content.of.clone());
        let is_free = !objects.whole.contains_key(name);
        of.filter(|_| is_free).map(|of| objects.put(name, &of)).is_some()
    }

    /// The state of an image.
    pub(crate) fn state_of(&self, id: &str) -> Option<State> {
        self.database.latest(|tables| tables.image_with_locations(id).map(|image| image.state()))
    }
}
