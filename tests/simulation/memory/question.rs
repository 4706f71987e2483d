//! The queries of `src/db/lists.rs` and `src/db/backlog.rs`, on rows in memory.

use std::collections::HashMap;

use glance_revert::domain::image::{ImageId, ImageStatus};
use glance_revert::domain::location::LocationStatus;
use glance_revert::domain::pending::Children;
use glance_revert::domain::repo::{
    DueImage, Handed, HeldLocation, Outlook, PendingMarker, PendingQuery, PendingSort,
    PendingSummary, Remnants, Scrubbed, ScrubbedMarker, ScrubbedQuery, Stretch, TakeLocation,
};
use glance_revert::domain::retention::{Facts, Labels};
use glance_revert::domain::scrub::Tally;
use glance_revert::domain::time::{FAR_FUTURE, Timestamp};

use super::row::{ImageRow, LocationRow};
use super::tables::Tables;

pub(super) fn held(row: &LocationRow) -> HeldLocation {
    HeldLocation { image: ImageId::parse(&row.image).ok(), location: row.location() }
}

/// Passes on a page of locations, by row id.
pub(super) fn hand_on<'r>(
    rows: impl Iterator<Item = &'r LocationRow>,
    limit: u32,
    take: TakeLocation<'_>,
) -> Handed {
    let mut handed = Handed::Nothing;
    for row in rows.take(limit as usize) {
        take(&held(row));
        handed = Handed::Until(row.id);
    }
    handed
}

/// `FACTS`; a mutant sees nothing that was deleted.
pub(super) fn facts_of(
    tables: &Tables,
    ids: &[ImageId],
    wanted: &Labels,
    is_blind: bool,
) -> HashMap<ImageId, Facts> {
    let children = Children { members: false, ..Children::ALL };
    let facts = |id: &ImageId| {
        let mut image = tables.whole_image(id.as_str(), children)?;
        image.tags.retain(|tag| !tag.deleted || !is_blind);
        image.properties.retain(|property| !property.deleted || !is_blind);
        let mut facts = Facts::of(&image);
        facts.keep(wanted);
        Some((id.clone(), facts))
    };
    ids.iter().filter_map(facts).collect()
}

fn is_due(row: &LocationRow, before: Timestamp) -> bool {
    row.status == LocationStatus::PendingDelete && row.deleted_at.is_none_or(|at| at <= before)
}

fn ended_with(row: &LocationRow, image: &ImageRow) -> bool {
    row.status == LocationStatus::Deleted
        && row.deleted_at.is_some()
        && row.deleted_at == image.deleted_at
}

fn is_stamped(row: &LocationRow) -> bool {
    row.status == LocationStatus::PendingDelete && row.deleted_at.is_some()
}

/// `LIST_DUE`.
pub(super) fn list_due(
    tables: &Tables,
    before: Timestamp,
    after: i32,
    limit: usize,
) -> Vec<DueImage> {
    let mut due = Vec::new();
    for row in tables.locations.range(after.saturating_add(1)..).map(|(_, row)| row) {
        let Some(image) = tables.images.get(&row.image).filter(|_| is_due(row, before)) else {
            continue;
        };
        let is_dead = image.deleted
            && matches!(
                image.status,
                ImageStatus::PendingDelete | ImageStatus::Active | ImageStatus::Deleted
            )
            && image.gone_at().is_some_and(|at| at <= before);
        let lives = || {
            !image.deleted
                && image.status == ImageStatus::Active
                && tables.locations_of(&image.id).any(LocationRow::is_live)
        };
        let is_first =
            || !tables.locations_of(&image.id).any(|f| f.id < row.id && is_due(f, before));
        if (is_dead || lives()) && is_first() {
            let id = ImageId::parse(&image.id).ok();
            let since = image.gone_at().filter(|_| image.deleted);
            due.push(DueImage { id, size: image.size, since, location: row.id });
        }
        if due.len() == limit {
            break;
        }
    }
    due
}

/// `COUNT_DUE`.
pub(super) fn count_due(tables: &Tables, before: Timestamp) -> Tally {
    let mut tally = Tally::default();
    for image in list_due(tables, before, 0, usize::MAX) {
        tally.add(image.size);
    }
    tally
}

/// `REMNANTS`, and where the stretch ends.
pub(super) fn remnants(
    tables: &Tables,
    before: Timestamp,
    after: Option<&ImageId>,
    unscrubbed: bool,
    stretch: Stretch,
) -> Remnants {
    let after = after.map_or("", ImageId::as_str);
    let images: Vec<_> = tables.images.values().filter(|image| &*image.id > after).collect();
    let end = images.get(stretch.images as usize - 1).map(|image| image.id.clone());
    let is_remnant = |image: &&&ImageRow| {
        let mut locations = tables.locations_of(&image.id);
        let is_gone = image.deleted && image.gone_at().is_some_and(|at| at <= before);
        is_gone
            && match image.status {
                ImageStatus::PendingDelete | ImageStatus::Active => {
                    !locations.any(|row| is_due(row, before))
                }
                ImageStatus::Deleted => locations.any(|row| {
                    row.is_live()
                        || (is_stamped(row)
                            && image.deleted_at.is_some()
                            && row.deleted_at > image.deleted_at)
                        || (unscrubbed && ended_with(row, image))
                }),
                _ => false,
            }
    };
    let until = |image: &&&ImageRow| end.as_ref().is_none_or(|end| image.id <= *end);
    let found = images.iter().filter(until).filter(is_remnant).take(stretch.found as usize);
    let ids: Vec<_> = found.map(|image| ImageId::parse(&image.id).unwrap()).collect();
    let is_full = ids.len() >= stretch.found as usize;
    let end = end.and_then(|end| ImageId::parse(&end).ok());
    let next = if is_full { ids.last().cloned() } else { end };
    Remnants { ids, next }
}

/// Whether `LIST_PENDING` lists an image, apart from filters.
fn waits(tables: &Tables, image: &ImageRow, unscrubbed_after: Timestamp) -> bool {
    match image.status {
        ImageStatus::PendingDelete => true,
        ImageStatus::Active => image.deleted,
        ImageStatus::Deleted if image.deleted => {
            tables.locations_of(&image.id).any(is_stamped)
                || (image.updated_at.is_some_and(|at| at >= unscrubbed_after)
                    && tables.locations_of(&image.id).any(|row| ended_with(row, image)))
        }
        _ => false,
    }
}

fn fits(image: &ImageRow, at: Timestamp, query: &PendingQuery) -> bool {
    let name = format!("name of {}", image.id);
    query.owner.as_ref().is_none_or(|owner| image.owner.as_ref() == Some(owner))
        && query.name.as_ref().is_none_or(|wanted| name == *wanted)
        && query.deleted_after.is_none_or(|after| at >= after)
        && at < query.deleted_before.unwrap_or(FAR_FUTURE)
        && query.marker.as_ref().is_none_or(|marker| {
            let (here, there) = ((at, image.id.as_str()), (marker.deleted_at, marker.id.as_str()));
            match query.sort {
                PendingSort::NewestFirst => here < there,
                PendingSort::OldestFirst => here > there,
            }
        })
}

/// `LIST_PENDING`.
pub(super) fn list_pending(
    tables: &Tables,
    query: &PendingQuery,
    unscrubbed_after: Option<Timestamp>,
) -> Vec<PendingSummary> {
    let unscrubbed_after = unscrubbed_after.unwrap_or(FAR_FUTURE);
    let line = |image: &ImageRow| {
        let deleted_at = image.gone_at()?;
        let is_wanted = waits(tables, image, unscrubbed_after) && fits(image, deleted_at, query);
        is_wanted.then(|| PendingSummary {
            id: ImageId::parse(&image.id).unwrap(),
            name: Some(format!("name of {}", image.id)),
            owner: image.owner.clone(),
            size: image.size,
            visibility: "shared".to_owned(),
            disk_format: Some("raw".to_owned()),
            container_format: Some("bare".to_owned()),
            created_at: Some(image.created_at),
            deleted_at,
            has_location: tables
                .locations_of(&image.id)
                .any(|row| is_stamped(row) || row.is_live() || ended_with(row, image)),
            unreadable: None,
        })
    };
    let mut found: Vec<_> = tables.images.values().filter_map(line).collect();
    found.sort_by(|one, two| (one.deleted_at, &one.id).cmp(&(two.deleted_at, &two.id)));
    if query.sort == PendingSort::NewestFirst {
        found.reverse();
    }
    found.truncate(query.limit as usize);
    found
}

/// `LIST_SCRUBBED`.
pub(super) fn list_scrubbed(tables: &Tables, query: &ScrubbedQuery) -> Scrubbed {
    let line = |image: &ImageRow| {
        let id = ImageId::parse(&image.id).unwrap();
        let place = ScrubbedMarker { changed_at: image.updated_at?, id };
        let (at, name) = (image.deleted_at?, format!("name of {}", image.id));
        let is_ended = |row: &LocationRow| row.status == LocationStatus::Deleted;
        let is_wanted = image.status == ImageStatus::Deleted
            && image.deleted
            && tables.locations_of(&image.id).any(is_ended)
            && query.owner.as_ref().is_none_or(|owner| image.owner.as_ref() == Some(owner))
            && query.name.as_ref().is_none_or(|wanted| name == *wanted)
            && query.deleted_after.is_none_or(|after| at >= after && place.changed_at >= after)
            && query.deleted_before.is_none_or(|before| at < before)
            && query.marker.as_ref().is_none_or(|marker| place < *marker);
        is_wanted.then_some(place)
    };
    let mut found: Vec<_> = tables.images.values().filter_map(line).collect();
    found.sort();
    found.reverse();
    let more = found.len() > query.limit as usize;
    found.truncate(query.limit as usize);
    let next = found.last().filter(|_| more).cloned();
    Scrubbed { ids: found.into_iter().map(|one| one.id).collect(), next }
}

/// `DELETED_AT`.
pub(super) fn marker(image: &ImageRow) -> Option<PendingMarker> {
    let is_gone = image.deleted || image.status == ImageStatus::PendingDelete;
    let id = ImageId::parse(&image.id).unwrap();
    image.gone_at().filter(|_| is_gone).map(|deleted_at| PendingMarker { deleted_at, id })
}

/// `NEEDED_LOCATIONS`.
pub(super) fn may_be_needed(row: &LocationRow, before: Timestamp) -> bool {
    match row.status {
        LocationStatus::PendingDelete => true,
        LocationStatus::Active => !row.deleted,
        LocationStatus::Deleted => row.deleted_at.is_some_and(|at| at > before),
    }
}

/// `OUTLOOK`.
pub(super) fn outlook(tables: &Tables, before: [Timestamp; 3], since: Timestamp) -> Outlook {
    let mut outlook = Outlook::default();
    for image in tables.images.values() {
        let is_pending = |row: &&LocationRow| row.status == LocationStatus::PendingDelete;
        let locations = || tables.locations_of(&image.id).filter(is_pending);
        let is_waiting = match image.status {
            ImageStatus::PendingDelete if !image.deleted => {
                outlook.half_deleted += 1;
                false
            }
            ImageStatus::PendingDelete => {
                outlook.without_locations += u64::from(locations().next().is_none());
                true
            }
            ImageStatus::Deleted => {
                locations().next().is_some() && locations().all(|row| row.deleted_at.is_some())
            }
            _ => image.status == ImageStatus::Active,
        };
        if !is_waiting || !image.deleted {
            continue;
        }
        outlook.pending.add(image.size);
        let at = image.deleted_at.or(image.updated_at);
        if at.is_some_and(|at| at > since) {
            outlook.recent.add(image.size);
        }
        for (due, before) in outlook.due.iter_mut().zip(before) {
            if at.is_some_and(|at| at <= before) {
                due.add(image.size);
            }
        }
    }
    outlook
}
