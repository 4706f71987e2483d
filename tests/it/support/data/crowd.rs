//! Many deleted images at once, and their states afterwards.

use std::collections::BTreeMap;

use crate::support::rows::CREATED;
use crate::support::world::World;

/// Long ago by every clock.
pub(crate) const LONG_AGO: &str = "2020-02-02 11:00:00.327000";
/// In the future by every clock.
pub(crate) const NOT_YET: &str = "2199-01-01 00:00:00.000000";

/// The state of an image according to its rows and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Active, with a live location and all its children.
    Live { file: bool },
    /// As its delete left it, with its children.
    Pending { file: bool },
    /// Claimed by a scrubber, which may be dead.
    Claimed { file: bool },
    /// Settled by the scrubber.
    Scrubbed { file: bool },
    /// A state that must never occur; contains the row.
    Wrong(String),
}

impl Fate {
    pub(crate) const KEPT: Self = Self::Live { file: true };
    pub(crate) const WAITS: Self = Self::Pending { file: true };
    pub(crate) const GONE: Self = Self::Scrubbed { file: false };
}

/// Ids in sort order.
pub(crate) fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:04}")).collect()
}

/// The content of an image's file.
pub(crate) fn bytes_of(id: &str) -> Vec<u8> {
    format!("the bytes of {id}").into_bytes()
}

fn values<'a>(ids: &'a [String], row: impl Fn(&'a str) -> String) -> String {
    ids.iter().map(|id| row(id)).collect::<Vec<_>>().join(", ")
}

impl World {
    /// Deleted images, each with a file, two properties, a tag and a member.
    pub(crate) async fn crowd(&self, ids: &[String], deleted_at: &str) {
        for id in ids {
            std::fs::write(self.datadir().join(id), bytes_of(id)).unwrap();
        }
        let times = format!("'{CREATED}', '{deleted_at}', '{deleted_at}', TRUE");
        let stamped = "created_at, updated_at, deleted_at, deleted";
        let image = |id: &str| {
            let size = bytes_of(id).len();
            format!(
                "('{id}', 'name of {id}', 'raw', 'bare', {size}, 'pending_delete', 'shared', 0, \
                 0, 'p1', FALSE, FALSE, {times})"
            )
        };
        let location =
            |id: &str| format!("('{id}', '{}', '{{}}', 'pending_delete', {times})", self.uri(id));
        let inserts = [
            (
                "images",
                "id, name, disk_format, container_format, size, status, visibility, min_disk, \
                 min_ram, owner, protected, os_hidden",
                values(ids, image),
            ),
            ("image_locations", "image_id, value, meta_data, status", values(ids, location)),
            (
                "image_properties",
                "image_id, name, value",
                values(ids, |id| {
                    format!("('{id}', 'a', '1', {times}), ('{id}', 'b', '', {times})")
                }),
            ),
            ("image_tags", "image_id, value", values(ids, |id| format!("('{id}', 't', {times})"))),
            (
                "image_members",
                "image_id, member, can_share, status",
                values(ids, |id| format!("('{id}', 'p2', FALSE, 'accepted', {times})")),
            ),
        ];
        for (table, columns, values) in inserts {
            let sql = format!("INSERT INTO {table} ({columns}, {stamped}) VALUES {values}");
            self.db.execute(&sql).await;
        }
    }

    /// The state of every image whose id begins like this, each read with one statement.
    pub(crate) async fn fates(&self, prefix: &str) -> BTreeMap<String, Fate> {
        let count = |table: &str, condition: &str| {
            format!("(SELECT COUNT(*) FROM {table} c WHERE c.image_id = i.id AND {condition})")
        };
        let live = "c.deleted = FALSE AND c.deleted_at IS NULL";
        let sql = format!(
            "SELECT i.id, i.status, CASE WHEN i.deleted = TRUE THEN 'deleted' ELSE 'kept' END, \
             CASE WHEN i.deleted_at IS NULL THEN 'no time' ELSE 'time' END, {}, {}, {}, {}, {} \
             FROM images i WHERE i.id LIKE '{prefix}-%' ORDER BY i.id",
            count("image_locations", &format!("c.status = 'active' AND {live}")),
            count("image_locations", "c.status = 'pending_delete' AND c.deleted = TRUE"),
            count("image_properties", live),
            count("image_tags", live),
            count("image_members", live),
        );
        let rows = self.db.rows(&sql).await;
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
        rows.into_iter()
            .map(|row| {
                let mut cells = row.into_iter().map(cell);
                let id = cells.next().unwrap();
                let fate = fate(&cells.collect::<Vec<_>>().join(" "), self.has_data(&id));
                (id, fate)
            })
            .collect()
    }

    /// The number of files in the store.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(self.datadir()).unwrap().count()
    }
}

fn fate(row: &str, file: bool) -> Fate {
    match row {
        "active kept no time 1 0 2 1 1" => Fate::Live { file },
        "pending_delete deleted time 0 1 0 0 0" => Fate::Pending { file },
        "deleted deleted time 0 1 0 0 0" => Fate::Claimed { file },
        "deleted deleted time 0 0 0 0 0" => Fate::Scrubbed { file },
        other => Fate::Wrong(format!("{other}, file: {file}")),
    }
}

/// The number of images in each state, for messages.
pub(crate) fn tally(fates: &BTreeMap<String, Fate>) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for fate in fates.values() {
        *tally.entry(format!("{fate:?}")).or_default() += 1;
    }
    tally
}
