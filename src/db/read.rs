//! Parses rows into the domain's types.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;

use super::dialect::Dialect;
use super::error::{bad_row, repo_error};
use crate::domain::image::{Image, ImageId, ImageStatus, Member, Property, RowVersion, Tag};
use crate::domain::location::{Location, LocationMetadata, LocationStatus, LocationValue};
use crate::domain::pending::ImageDeletion;
use crate::domain::repo::{
    BadRow, DueImage, HeldLocation, Outlook, PendingMarker, PendingSummary, Position, RepoError,
};
use crate::domain::retention::{Facts, Labels};
use crate::domain::scrub::Tally;
use crate::domain::selection::Candidate;
use crate::domain::summary::WaitingRow;
use crate::domain::time::Timestamp;

/// Reads columns of one row; an error names the image and the column.
struct Columns<'r, D: Dialect> {
    row: &'r D::Row,
    image: String,
    table: &'static str,
}

impl<'r, D: Dialect> Columns<'r, D> {
    /// The row of an image, with its id in the column `id_column`.
    fn of(
        row: &'r D::Row,
        table: &'static str,
        id_column: &'static str,
    ) -> Result<Self, RepoError> {
        let image = D::text(row, id_column).map_err(repo_error)?.unwrap_or_default();
        Ok(Self { row, image, table })
    }

    fn bad(&self, column: &'static str, problem: impl Display) -> BadRow {
        bad_row(&self.image, self.table, column, problem)
    }

    fn text(&self, column: &'static str) -> Result<Option<String>, BadRow> {
        D::text(self.row, column).map_err(|error| self.bad(column, error))
    }

    fn needed_text(&self, column: &'static str) -> Result<String, BadRow> {
        self.text(column)?.ok_or_else(|| self.bad(column, "NULL"))
    }

    fn int(&self, column: &'static str) -> Result<i32, BadRow> {
        D::int(self.row, column).map_err(|error| self.bad(column, error))
    }

    fn big(&self, column: &'static str) -> Result<Option<i64>, BadRow> {
        D::big(self.row, column).map_err(|error| self.bad(column, error))
    }

    fn bool(&self, column: &'static str) -> Result<bool, BadRow> {
        D::bool(self.row, column).map_err(|error| self.bad(column, error))
    }

    fn time(&self, column: &'static str) -> Result<Option<Timestamp>, BadRow> {
        D::maybe_time(self.row, column).map_err(|error| self.bad(column, error))
    }

    fn needed_time(&self, column: &'static str) -> Result<Timestamp, BadRow> {
        self.time(column)?.ok_or_else(|| self.bad(column, "NULL"))
    }

    fn id(&self) -> Result<ImageId, BadRow> {
        ImageId::parse(&self.image).map_err(|error| self.bad("id", error))
    }
}

/// Groups the rows of [`super::statements::IMAGE`] or [`super::statements::IMAGES`] by image.
pub(super) fn images<D: Dialect>(rows: &[D::Row]) -> Result<Vec<Result<Image, BadRow>>, RepoError> {
    let mut images = Vec::new();
    for row in rows {
        add_row::<D>(&mut images, row)?;
    }
    Ok(images.into_iter().map(|(_, image)| image.map(in_order)).collect())
}

/// Images by their ids.
pub(super) type Images = Vec<(String, Result<Image, BadRow>)>;

/// Adds one row to those of its image, the one at the returned index.
pub(super) fn add_row<D: Dialect>(images: &mut Images, row: &D::Row) -> Result<usize, RepoError> {
    let columns = Columns::<D>::of(row, "images", "id")?;
    // rows of one image normally follow each other
    let known = images.iter().rposition(|(id, _)| *id == columns.image);
    let at = known.unwrap_or_else(|| {
        images.push((columns.image.clone(), image(&columns)));
        images.len() - 1
    });
    if let Some((_, image)) = images.get_mut(at)
        && let Ok(known) = image
        && let Err(bad) = add_child(known, &columns)
    {
        *image = Err(bad);
    }
    Ok(at)
}

/// Glance shows children in the order of their rows.
pub(super) fn in_order(mut image: Image) -> Image {
    image.locations.sort_by_key(|location| location.id);
    image
}

fn image<D: Dialect>(columns: &Columns<'_, D>) -> Result<Image, BadRow> {
    let status = columns.needed_text("status")?;
    let unknown = || columns.bad("status", format!("{status} is not a status of Glance"));
    Ok(Image {
        id: columns.id()?,
        name: columns.text("name")?,
        disk_format: columns.text("disk_format")?,
        container_format: columns.text("container_format")?,
        visibility: columns.needed_text("visibility")?,
        size: columns.big("size")?,
        virtual_size: columns.big("virtual_size")?,
        status: ImageStatus::parse(&status).ok_or_else(unknown)?,
        checksum: columns.text("checksum")?,
        os_hash_algo: columns.text("os_hash_algo")?,
        os_hash_value: columns.text("os_hash_value")?,
        protected: columns.bool("protected")?,
        os_hidden: columns.bool("os_hidden")?,
        min_ram: columns.int("min_ram")?,
        min_disk: columns.int("min_disk")?,
        owner: columns.text("owner")?,
        created_at: columns.needed_time("created_at")?,
        updated_at: columns.time("updated_at")?,
        deleted_at: columns.time("deleted_at")?,
        deleted: columns.bool("deleted")?,
        version: RowVersion {
            deleted_at: columns.text("deleted_at_text")?.unwrap_or_default(),
            updated_at: columns.text("updated_at_text")?.unwrap_or_default(),
        },
        locations: Vec::new(),
        properties: Vec::new(),
        tags: Vec::new(),
        members: Vec::new(),
    })
}

fn add_child<D: Dialect>(image: &mut Image, columns: &Columns<'_, D>) -> Result<(), BadRow> {
    let Some(kind) = columns.text("c_kind")? else { return Ok(()) };
    let deleted = columns.bool("c_deleted")?;
    let deleted_at = columns.time("c_deleted_at")?;
    match kind.as_str() {
        "location" => {
            image.locations.push(location(columns, deleted, deleted_at)?);
        }
        "property" => image.properties.push(Property {
            name: columns.needed_text("c_name")?,
            value: columns.text("c_value")?,
            deleted,
            deleted_at,
        }),
        "tag" => {
            image.tags.push(Tag { value: columns.needed_text("c_value")?, deleted, deleted_at });
        }
        _ => image.members.push(Member {
            member: columns.needed_text("c_value")?,
            status: columns.needed_text("c_status")?,
            deleted,
            deleted_at,
        }),
    }
    Ok(())
}

fn location<D: Dialect>(
    columns: &Columns<'_, D>,
    deleted: bool,
    deleted_at: Option<Timestamp>,
) -> Result<Location, BadRow> {
    let bad = |column, problem: String| bad_row(&columns.image, "image_locations", column, problem);
    let status = columns.needed_text("c_status")?;
    Ok(Location {
        id: columns.int("c_id")?,
        value: LocationValue::new(columns.needed_text("c_value")?),
        metadata: LocationMetadata::read(columns.text("c_name")?),
        status: LocationStatus::parse(&status)
            .ok_or_else(|| bad("status", format!("{status} is not a status of Glance")))?,
        deleted,
        deleted_at,
    })
}

/// A row of a list of pending images. Without id and time it has no place in the list; other
/// unreadable fields are omitted.
pub(super) fn summary<D: Dialect>(row: &D::Row) -> Result<PendingSummary, BadRow> {
    let image = D::text(row, "id").map_err(|error| bad_row("", "images", "id", error))?;
    let columns = Columns::<D> { row, image: image.unwrap_or_default(), table: "images" };
    let (id, deleted_at) = (columns.id()?, columns.needed_time("deleted_at")?);
    let mut bad = None;
    let name = readable(&mut bad, columns.text("name"));
    let owner = readable(&mut bad, columns.text("owner"));
    let size = readable(&mut bad, columns.big("size"));
    let visibility = readable(&mut bad, columns.needed_text("visibility"));
    let disk_format = readable(&mut bad, columns.text("disk_format"));
    let container_format = readable(&mut bad, columns.text("container_format"));
    let created_at = readable(&mut bad, columns.needed_time("created_at").map(Some));
    let has_location = readable(&mut bad, columns.needed_text("has_location")) == "yes";
    Ok(PendingSummary {
        id,
        name,
        owner,
        size,
        visibility,
        disk_format,
        container_format,
        created_at,
        deleted_at,
        has_location,
        unreadable: bad,
    })
}

/// A row of [`super::lists::SUM_WAITING`], or, `by_location`, of
/// [`super::lists::WAITING_LOCATIONS`]. Without its time it is omitted, as in the list.
pub(super) fn waiting<D: Dialect>(row: &D::Row, by_location: bool) -> Result<WaitingRow, BadRow> {
    let image = D::text(row, if by_location { "id" } else { "owner" }).ok().flatten();
    let columns = Columns::<D> { row, image: image.clone().unwrap_or_default(), table: "images" };
    let readable = |column| columns.text(column).ok().flatten();
    let (owner, deleted_at) = (readable("owner"), columns.needed_time("deleted_at")?);
    if !by_location {
        let tally = tally::<D>(row, "images", "bytes").unwrap_or_default();
        return Ok(WaitingRow { owner, deleted_at, tally, image: None, location: None });
    }
    let mut tally = Tally::default();
    tally.add(columns.big("size").ok().flatten());
    let location = |value| Location {
        id: 0,
        value: LocationValue::new(value),
        metadata: LocationMetadata::read(readable("meta_data")),
        status: LocationStatus::PendingDelete,
        deleted: true,
        deleted_at: Some(deleted_at),
    };
    let location = readable("value").map(location);
    Ok(WaitingRow { owner, deleted_at, tally, image, location })
}

/// A selected image. Without an id it can be neither named nor written.
pub(super) fn candidate<D: Dialect>(row: &D::Row) -> Result<Candidate, BadRow> {
    let image = D::text(row, "id").map_err(|error| bad_row("", "images", "id", error))?;
    let columns = Columns::<D> { row, image: image.unwrap_or_default(), table: "images" };
    Ok(Candidate {
        id: columns.id()?,
        name: columns.text("name").unwrap_or_default(),
        owner: columns.text("owner").unwrap_or_default(),
        size: columns.big("size").unwrap_or_default(),
        deleted_at: columns.time("deleted_at").unwrap_or_default(),
    })
}

/// A row of [`super::whole::FACTS`] or [`super::whole::FACTS_AND_LABELS`], added to those of its image.
pub(super) fn add_facts<D: Dialect>(
    found: &mut HashMap<ImageId, Facts>,
    row: &D::Row,
    wanted: &Labels,
) -> Result<(), BadRow> {
    let image = D::text(row, "id").map_err(|error| bad_row("", "images", "id", error))?;
    let columns = Columns::<D> { row, image: image.unwrap_or_default(), table: "images" };
    let id = columns.id()?;
    let facts = match found.entry(id) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(Facts {
            owner: columns.text("owner")?,
            visibility: columns.needed_text("visibility")?,
            name: columns.text("name")?,
            size: columns.big("size")?,
            ..Facts::default()
        }),
    };
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(kind) = columns.text("c_kind")? else { return Ok(()) };
    let status = columns.needed_text("status")?;
    let deletion = ImageDeletion {
        status: ImageStatus::parse(&status).unwrap_or(ImageStatus::Deleted),
        deleted: columns.bool("deleted")?,
        deleted_at: columns.time("deleted_at")?,
    };
    let (value, deleted) = (columns.text("c_value")?, columns.bool("c_deleted")?);
    let deleted_at = columns.time("c_deleted_at")?;
    if kind == "tag" {
        let value = value.unwrap_or_default();
        if wanted.tags.contains(&value) {
            facts.add_tag(deletion, &Tag { value, deleted, deleted_at });
        }
        return Ok(());
    }
    let name = columns.text("c_name")?.unwrap_or_default();
    if wanted.properties.contains(&name) {
        facts.add_property(deletion, &Property { name, value, deleted, deleted_at });
    }
    Ok(())
}

/// The value; or none, and records the first error of its row.
fn readable<T: Default>(bad: &mut Option<BadRow>, value: Result<T, BadRow>) -> T {
    value.unwrap_or_else(|fault| {
        bad.get_or_insert(fault);
        T::default()
    })
}

/// The position of the image of [`super::lists::DELETED_AT`] in the list.
pub(super) fn position<D: Dialect>(row: &D::Row, id: &ImageId) -> Result<Position, RepoError> {
    let columns = Columns::<D>::of(row, "images", "id")?;
    // MariaDB's comparison is not case-sensitive
    if columns.id().as_ref() != Ok(id) {
        return Ok(Position::Unknown);
    }
    let deleted_at = columns.time("deleted_at").unwrap_or_default();
    let marker = |deleted_at| PendingMarker { deleted_at, id: id.clone() };
    Ok(deleted_at.map_or(Position::Nowhere, |at| Position::At(marker(at))))
}

/// Two columns that count images and their bytes, the sum as text.
pub(super) fn tally<D: Dialect>(
    row: &D::Row,
    images: &'static str,
    bytes: &'static str,
) -> Result<Tally, RepoError> {
    let count = D::big(row, images).map_err(repo_error)?.unwrap_or(0);
    let sum = D::text(row, bytes).map_err(repo_error)?.unwrap_or_default();
    // larger than any store, or negative: rows that Glance never writes
    let bytes =
        sum.parse::<i128>().map_or(u64::MAX, |sum| sum.max(0).try_into().unwrap_or(u64::MAX));
    Ok(Tally { images: count.max(0).cast_unsigned(), bytes })
}

/// A row of [`super::backlog::LIST_DUE`].
pub(super) fn due<D: Dialect>(row: &D::Row) -> Result<DueImage, RepoError> {
    let id = D::text(row, "id").map_err(repo_error)?.unwrap_or_default();
    Ok(DueImage {
        // an id that cannot be parsed can neither be written by Glance nor claimed by us
        id: ImageId::parse(&id).ok(),
        size: D::big(row, "size").ok().flatten(),
        since: D::maybe_time(row, "since").ok().flatten(),
        location: D::int(row, "location").map_err(repo_error)?,
    })
}

/// The row of [`super::backlog::OUTLOOK`], or of [`super::backlog::OUTLOOK_OF_OTHERS`].
pub(super) fn outlook<D: Dialect>(row: &D::Row) -> Result<Outlook, RepoError> {
    let count = |column| tally::<D>(row, column, "pending_bytes").map(|tally| tally.images);
    Ok(Outlook {
        pending: tally::<D>(row, "pending", "pending_bytes")?,
        due: [
            tally::<D>(row, "due_0", "bytes_0")?,
            tally::<D>(row, "due_1", "bytes_1")?,
            tally::<D>(row, "due_2", "bytes_2")?,
        ],
        without_locations: count("without_locations")?,
        half_deleted: count("half_deleted")?,
        recent: tally::<D>(row, "recent", "recent_bytes")?,
    })
}

/// A row of a location. Unreadable fields, also an unknown status, are omitted: a bad row of
/// another image must not stop a pass, and must still protect its data.
pub(super) fn held<D: Dialect>(row: &D::Row) -> Result<HeldLocation, RepoError> {
    let columns = Columns::<D>::of(row, "image_locations", "image_id")?;
    let readable = |column| columns.text(column).ok().flatten();
    Ok(HeldLocation {
        image: columns.id().ok(),
        location: Location {
            id: columns.int("id")?,
            value: LocationValue::new(readable("value").unwrap_or_default()),
            metadata: LocationMetadata::read(readable("meta_data")),
            status: match columns.needed_text("status")?.as_str() {
                "active" => LocationStatus::Active,
                "deleted" => LocationStatus::Deleted,
                _ => LocationStatus::PendingDelete,
            },
            deleted: columns.bool("deleted")?,
            deleted_at: columns.time("deleted_at").unwrap_or_default(),
        },
    })
}

/// Logs an unreadable row that the list omits.
pub(super) fn warn_of_bad(row: Option<&BadRow>) {
    if let Some(problem) = row {
        tracing::warn!(%problem, "the list omits a row");
    }
}

/// Whether a filter has characters that some columns cannot store.
pub(super) fn has_rare_characters(filters: [Option<&String>; 2]) -> bool {
    let is_rare = |c: char| c == '\0' || c.len_utf8() > 3;
    filters.into_iter().flatten().any(|text| text.chars().any(is_rare))
}
