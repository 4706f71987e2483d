//! All rows, and transactions on them.

use std::collections::BTreeMap;

use glance_revert::domain::audit::AuditRow;
use glance_revert::domain::control::InForce;
use glance_revert::domain::image::Image;
use glance_revert::domain::pending::Children;

use super::row::{ChildKind, ChildRow, ImageRow, LocationRow, OrdersRow};

/// All rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tables {
    pub(crate) images: BTreeMap<String, ImageRow>,
    pub(crate) locations: BTreeMap<i32, LocationRow>,
    pub(crate) children: BTreeMap<i32, ChildRow>,
    pub(crate) orders: OrdersRow,
    pub(crate) holds: BTreeMap<String, InForce>,
    pub(crate) audit: BTreeMap<String, AuditRow>,
}

/// The new value of a row; `None` for a deleted one.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "few live at a time")]
pub(crate) enum Change {
    Image(String, Option<ImageRow>),
    Location(i32, Option<LocationRow>),
    Child(i32, Option<ChildRow>),
    Orders(OrdersRow),
    Hold(String, Option<InForce>),
    Audit(String, Option<AuditRow>),
}

impl Change {
    /// Whether two transactions with these changes conflict.
    pub(crate) fn is_of_the_same_row(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Image(one, _), Self::Image(two, _))
            | (Self::Hold(one, _), Self::Hold(two, _))
            | (Self::Audit(one, _), Self::Audit(two, _)) => one == two,
            (Self::Location(one, _), Self::Location(two, _))
            | (Self::Child(one, _), Self::Child(two, _)) => one == two,
            (Self::Orders(_), Self::Orders(_)) => true,
            _ => false,
        }
    }
}

fn put<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: &K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key.clone(), value),
        None => map.remove(key),
    }
}

impl Tables {
    /// Changes a row; returns the change that undoes it.
    pub(super) fn apply(&mut self, change: Change) -> Change {
        match change {
            Change::Image(id, row) => {
                let old = put(&mut self.images, &id, row);
                Change::Image(id, old)
            }
            Change::Location(id, row) => Change::Location(id, put(&mut self.locations, &id, row)),
            Change::Child(id, row) => Change::Child(id, put(&mut self.children, &id, row)),
            Change::Orders(row) => Change::Orders(std::mem::replace(&mut self.orders, row)),
            Change::Hold(id, row) => {
                let old = put(&mut self.holds, &id, row);
                Change::Hold(id, old)
            }
            Change::Audit(id, row) => {
                let old = put(&mut self.audit, &id, row);
                Change::Audit(id, old)
            }
        }
    }

    /// The locations of an image, by row id.
    pub(crate) fn locations_of<'t>(
        &'t self,
        image: &'t str,
    ) -> impl Iterator<Item = &'t LocationRow> {
        self.locations.values().filter(move |row| row.image == image)
    }

    /// The other children of an image.
    pub(crate) fn children_of<'t>(
        &'t self,
        image: &'t str,
        kind: ChildKind,
    ) -> impl Iterator<Item = &'t ChildRow> {
        self.children.values().filter(move |row| row.kind == kind && row.image == image)
    }

    /// An image with its locations, except settled ones.
    pub(crate) fn image_with_locations(&self, id: &str) -> Option<Image> {
        let row = self.images.get(id)?;
        let mut image = row.image();
        let is_wanted = |location: &&LocationRow| {
            location.status != glance_revert::domain::location::LocationStatus::Deleted
                || (location.deleted_at.is_some() && location.deleted_at == row.deleted_at)
        };
        image.locations =
            self.locations_of(id).filter(is_wanted).map(LocationRow::location).collect();
        Some(image)
    }

    /// The whole image as `IMAGE` reads it.
    pub(crate) fn whole_image(&self, id: &str, wanted: Children) -> Option<Image> {
        let mut image = self.image_with_locations(id)?;
        let moment = image.deleted_at;
        let at_moment = |row: &ChildRow| row.deleted_at.is_some() && row.deleted_at == moment;
        let properties = self.children_of(id, ChildKind::Property);
        image.properties = properties
            .filter(|row| !row.deleted || wanted.properties)
            .map(ChildRow::property)
            .collect();
        let tags = self.children_of(id, ChildKind::Tag);
        image.tags = tags
            .filter(|row| !row.deleted || (wanted.tags && at_moment(row)))
            .map(ChildRow::tag)
            .collect();
        let members = self.children_of(id, ChildKind::Member);
        image.members = members
            .filter(|row| !row.deleted || (wanted.members && at_moment(row)))
            .map(ChildRow::member)
            .collect();
        Some(image)
    }
}

/// A running transaction.
#[derive(Debug)]
pub(crate) struct Transaction<'t> {
    tables: &'t mut Tables,
    before: Vec<Change>,
    after: Vec<Change>,
}

impl<'t> Transaction<'t> {
    pub(super) fn new(tables: &'t mut Tables) -> Self {
        Self { tables, before: Vec::new(), after: Vec::new() }
    }

    /// The rows as this transaction sees them.
    pub(crate) fn tables(&self) -> &Tables {
        self.tables
    }

    /// Changes a row.
    pub(crate) fn set(&mut self, change: Change) {
        self.after.push(change.clone());
        self.before.push(self.tables.apply(change));
    }

    /// `UPDATE image_locations`; returns the number of matched rows.
    pub(crate) fn update_locations(
        &mut self,
        is_wanted: impl Fn(&LocationRow) -> bool,
        update: impl Fn(&mut LocationRow),
    ) -> usize {
        let found = self.tables.locations.values().filter(|row| is_wanted(row)).cloned();
        let found: Vec<_> = found.collect();
        let count = found.len();
        for mut row in found {
            update(&mut row);
            self.set(Change::Location(row.id, Some(row)));
        }
        count
    }

    /// `UPDATE` of a child table; returns the number of matched rows.
    pub(crate) fn update_children(
        &mut self,
        is_wanted: impl Fn(&ChildRow) -> bool,
        update: impl Fn(&mut ChildRow),
    ) -> usize {
        let found = self.tables.children.values().filter(|row| is_wanted(row)).cloned();
        let found: Vec<_> = found.collect();
        let count = found.len();
        for mut row in found {
            update(&mut row);
            self.set(Change::Child(row.id, Some(row)));
        }
        count
    }

    /// `UPDATE images` of one image; returns whether the row matched.
    pub(crate) fn update_image(
        &mut self,
        id: &str,
        is_wanted: impl Fn(&ImageRow) -> bool,
        update: impl Fn(&mut ImageRow),
    ) -> bool {
        let found = self.tables.images.get(id).filter(|row| is_wanted(row)).cloned();
        let Some(mut row) = found else { return false };
        update(&mut row);
        self.set(Change::Image(row.id.clone(), Some(row)));
        true
    }

    pub(super) fn roll_back(self) {
        Self::undo(self.tables, self.before);
    }

    /// The changes that undo it, and its changes.
    pub(super) fn changes(self) -> (Vec<Change>, Vec<Change>) {
        (self.before, self.after)
    }

    pub(super) fn undo(tables: &mut Tables, before: Vec<Change>) {
        for change in before.into_iter().rev() {
            tables.apply(change);
        }
    }
}
