//! Groups pending images by project, burst and store, so that 30,000 images fit on one page.
//!
//! Rows arrive ordered by project and time, so a group is complete when the next one begins: memory
//! use does not grow with the backlog.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use super::location::Location;
use super::scrub::Tally;
use super::store::{StoreId, Stores};
use super::time::Timestamp;

/// Deletions of one project within this gap belong to one burst.
const GAP: TimeDelta = TimeDelta::seconds(60);
/// Groups listed individually.
const MOST_GROUPS: usize = 1000;

/// The grouping. All off: a single group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupBy {
    /// By `images.owner`.
    pub project: bool,
    /// By deletions of one project with no gap over a minute.
    pub burst: bool,
    /// By the store that has the data.
    pub store: bool,
}

/// Part of the pending images as the database returns it: those of one owner deleted at one moment,
/// or one location of one image.
#[derive(Debug, Clone)]
pub struct WaitingRow {
    /// `images.owner`.
    pub owner: Option<String>,
    /// `images.deleted_at`.
    pub deleted_at: Timestamp,
    /// Images and their sizes.
    pub tally: Tally,
    /// The image, if the row is one of its locations or says that it has none.
    pub image: Option<String>,
    /// The location.
    pub location: Option<Location>,
}

/// Receives one row at a time, by owner, time and image.
pub type TakeWaiting<'a> = &'a mut (dyn FnMut(&WaitingRow) + Send);

/// Size and time span of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Images, and the sum of their sizes.
    pub tally: Tally,
    /// The first deletion.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
}

/// A group of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its project, if grouped by project or burst.
    pub project: Option<String>,
    /// Its store, if grouped by store. `None` also if no configured store has the data.
    pub store: Option<String>,
    /// Size and time span.
    pub span: Span,
    /// When the first of its images is due; `None` if that is the image that was deleted first.
    pub first_due: Option<Timestamp>,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Everything pending; `None` if nothing is.
    pub all: Option<Span>,
    /// When the first image is due; `None` if that is the image that was deleted first.
    pub first_due: Option<Timestamp>,
    /// The groups with the most images, at most a thousand, the largest first. An image with copies
    /// in several stores is in several groups.
    pub groups: Vec<Group>,
    /// Number of groups omitted.
    pub other_groups: u64,
    /// Number of images in groups that are not listed.
    pub others: Tally,
}

impl Span {
    fn of(row: &WaitingRow) -> Self {
        Self { tally: row.tally, first: row.deleted_at, last: row.deleted_at }
    }

    fn add(&mut self, row: &WaitingRow) {
        self.tally.add_all(row.tally);
        self.first = self.first.min(row.deleted_at);
        self.last = self.last.max(row.deleted_at);
    }
}

/// A group still being filled, and its parts by store.
#[derive(Debug, Default)]
struct OpenGroup {
    owner: Option<String>,
    last: Timestamp,
    parts: HashMap<Option<StoreId>, Span>,
}

/// A summary under construction.
#[derive(Debug)]
pub struct SummaryDraft<'a> {
    by: GroupBy,
    stores: &'a dyn Stores,
    all: Option<Span>,
    open: Option<OpenGroup>,
    /// The image whose locations are arriving, and the stores it was counted in.
    image: Option<String>,
    counted: HashSet<Option<StoreId>>,
    groups: Vec<Group>,
    other_groups: u64,
    others: Tally,
}

impl<'a> SummaryDraft<'a> {
    /// An empty summary.
    pub fn new(by: GroupBy, stores: &'a dyn Stores) -> Self {
        Self {
            by,
            stores,
            all: None,
            open: None,
            image: None,
            counted: HashSet::new(),
            groups: Vec::new(),
            other_groups: 0,
            others: Tally::default(),
        }
    }

    /// Adds the next row.
    pub fn take(&mut self, row: &WaitingRow) {
        let is_new = row.image.is_none() || row.image != self.image;
        if is_new {
            self.image.clone_from(&row.image);
            self.counted.clear();
            match &mut self.all {
                Some(all) => all.add(row),
                none => *none = Some(Span::of(row)),
            }
        }
        if self.open.as_ref().is_some_and(|open| !self.goes_on(open, row)) {
            self.close();
        }
        let store = row.location.as_ref().and_then(|location| self.store(location));
        let open = self.open.get_or_insert_with(OpenGroup::default);
        open.owner.clone_from(&row.owner);
        open.last = row.deleted_at;
        if self.counted.insert(store.clone()) {
            let empty = Span { tally: Tally::default(), ..Span::of(row) };
            open.parts.entry(store).or_insert(empty).add(row);
        }
    }

    fn goes_on(&self, open: &OpenGroup, row: &WaitingRow) -> bool {
        let is_whole = !self.by.project && !self.by.burst;
        let is_same = open.owner == row.owner;
        let is_near = row.deleted_at - open.last <= GAP;
        is_whole || (is_same && (!self.by.burst || is_near))
    }

    fn store(&self, location: &Location) -> Option<StoreId> {
        self.stores.place(location).ok().map(|placed| placed.store.id().clone())
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let project = open.owner.filter(|_| self.by.project || self.by.burst);
        for (store, span) in open.parts {
            let store = store.map(|store| store.0);
            self.groups.push(Group { project: project.clone(), store, span, first_due: None });
        }
        if self.groups.len() >= 2 * MOST_GROUPS {
            self.leave_out_the_smallest();
        }
    }

    fn leave_out_the_smallest(&mut self) {
        self.groups.sort_by_cached_key(|group| {
            let Tally { images, bytes } = group.span.tally;
            let place = (group.span.first, group.project.clone(), group.store.clone());
            (Reverse(images), Reverse(bytes), place)
        });
        let kept = self.groups.len().min(MOST_GROUPS);
        for group in self.groups.drain(kept..) {
            self.other_groups += 1;
            self.others.add_all(group.span.tally);
        }
    }

    /// Completes the summary.
    pub fn finish(mut self) -> Summary {
        self.close();
        self.leave_out_the_smallest();
        let Self { all, groups, other_groups, others, .. } = self;
        Summary { all, first_due: None, groups, other_groups, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::location::LocationValue;
    use crate::domain::store::{Objects, Placed, Store, StoreUri, Unplaced};
    use std::sync::Arc;

    /// A configuration without stores.
    #[derive(Debug)]
    struct NoStores;

    impl Stores for NoStores {
        fn place(&self, location: &Location) -> Result<Placed, Unplaced> {
            Err(Unplaced::Unreadable(location.id))
        }
        fn uri(&self, _: &LocationValue) -> Option<StoreUri> {
            None
        }
        fn objects(&self, _: &Location) -> Objects {
            Objects::default()
        }
        fn all(&self) -> Vec<Arc<dyn Store>> {
            Vec::new()
        }
    }

    /// A row of project `p`, deleted this many seconds after the first.
    fn row(seconds: i64, images: u64) -> WaitingRow {
        WaitingRow {
            owner: Some("p".to_owned()),
            deleted_at: Timestamp::default() + TimeDelta::seconds(seconds),
            tally: Tally { images, bytes: images },
            image: None,
            location: None,
        }
    }

    #[test]
    fn the_largest_groups_are_listed_and_the_others_counted_in_bounded_memory() {
        let by = GroupBy { burst: true, ..GroupBy::default() };
        let mut draft = SummaryDraft::new(by, &NoStores);
        for hour in 0..30_000 {
            draft.take(&row(hour * 3600, if hour == 20_000 { 300 } else { 1 }));
            assert!(draft.groups.len() <= 2 * MOST_GROUPS);
        }
        let summary = draft.finish();
        assert_eq!((summary.groups.len(), summary.other_groups), (1000, 29_000));
        assert_eq!(summary.groups[0].span.tally.images, 300, "the largest one first");
        assert_eq!(summary.groups[1].span.first, Timestamp::default(), "then the oldest");
        let told: u64 = summary.groups.iter().map(|group| group.span.tally.images).sum();
        assert_eq!(
            (told + summary.others.images, summary.all.unwrap().tally.images),
            (30_299, 30_299)
        );
    }

    #[test]
    fn nothing_sums_up_to_nothing() {
        let summary = SummaryDraft::new(GroupBy::default(), &NoStores).finish();
        assert_eq!((summary.all, summary.groups.len()), (None, 0));
    }

    #[test]
    fn ungrouped_everything_is_one_group() {
        let mut draft = SummaryDraft::new(GroupBy::default(), &NoStores);
        for row in [row(0, 1), row(9999, 2)] {
            draft.take(&row);
        }
        let summary = draft.finish();
        assert_eq!((summary.groups.len(), summary.groups[0].span.tally.images), (1, 3));
        assert_eq!(summary.groups[0].project, None);
    }
}
