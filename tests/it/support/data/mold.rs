//! Hundreds of images with rows of the real Glance: it creates, uploads, shares, tags and deletes
//! one image, whose rows are then copied.

use serde_json::json;
use tokio::sync::OnceCell;

use crate::support::database::{Kind, TestDatabase};
use crate::support::glance::{Glance, GlanceOptions};
use crate::support::world::World;

/// The content of each image.
pub(crate) const DATA: &[u8] = b"every bit of an image that comes back, or goes as a whole";

/// The tables, each with the column of the image's id, and the other columns.
const TABLES: [(&str, &str, &str); 5] = [
    (
        "images",
        "id",
        "name, size, status, created_at, updated_at, deleted_at, deleted, disk_format, \
         container_format, checksum, owner, min_disk, min_ram, protected, virtual_size, visibility, \
         os_hidden, os_hash_algo, os_hash_value",
    ),
    (
        "image_locations",
        "image_id",
        "value, created_at, updated_at, deleted_at, deleted, meta_data, status",
    ),
    ("image_properties", "image_id", "name, value, created_at, updated_at, deleted_at, deleted"),
    ("image_tags", "image_id", "value, created_at, updated_at, deleted_at, deleted"),
    (
        "image_members",
        "image_id",
        "member, can_share, created_at, updated_at, deleted_at, deleted, status",
    ),
];

/// The rows of one table.
type Rows = Vec<Vec<Option<String>>>;

/// The rows of an image that was just deleted.
#[derive(Debug)]
struct Mold {
    rows: Vec<Rows>,
    uri: String,
}

/// One per database, shared by all tests of this run.
async fn mold(kind: Kind) -> &'static Mold {
    static MARIADB: OnceCell<Mold> = OnceCell::const_new();
    static POSTGRES: OnceCell<Mold> = OnceCell::const_new();
    static SQLITE: OnceCell<Mold> = OnceCell::const_new();
    let mold = match kind {
        Kind::Mariadb => &MARIADB,
        Kind::Postgres => &POSTGRES,
        Kind::Sqlite => &SQLITE,
    };
    mold.get_or_init(|| make(kind)).await
}

/// A tag and a member were removed from it long before it was deleted.
async fn make(kind: Kind) -> Mold {
    let database = TestDatabase::create(kind).await;
    let glance =
        Glance::start(&database, GlanceOptions { scrub_time: 3600, ..GlanceOptions::default() })
            .await;
    let owner = glance.member_of("p1");
    let image = json!({
        "name": "höwdy", "disk_format": "raw", "container_format": "bare", "visibility": "shared",
        "os_distro": "debian", "empty": ""
    });
    let id = owner.create_image(&image).await["id"].as_str().unwrap().to_owned();
    owner.upload(&id, DATA).await;
    for tag in ["blue", "gone"] {
        owner.add_tag(&id, tag).await;
    }
    owner.remove_tag(&id, "gone").await;
    for member in ["friend", "revoked"] {
        owner.add_member(&id, member).await;
    }
    owner.remove_member(&id, "revoked").await;
    for table in ["image_tags", "image_members"] {
        database.earlier(table, "deleted = TRUE", 3600).await;
    }
    owner.delete(&id).await;
    let mut rows = Vec::new();
    for (table, key, columns) in TABLES {
        let sql = format!("SELECT {columns} FROM {table} WHERE {key} = '{id}'");
        rows.push(database.rows(&sql).await);
    }
    let uri = format!("file://{}", glance.datadir("images").join(&id).display());
    Mold { rows, uri }
}

impl World {
    /// Images that the real Glance deleted this many days ago, each with its data.
    pub(crate) async fn deleted_by_glance(&self, kind: Kind, ids: &[String], days: i64) {
        let mold = mold(kind).await;
        for id in ids {
            std::fs::write(self.datadir().join(id), DATA).unwrap();
        }
        for ((table, key, columns), rows) in TABLES.iter().zip(&mold.rows) {
            let copies: Vec<_> = ids
                .iter()
                .flat_map(|id| rows.iter().map(move |row| self.copy(id, row, &mold.uri)))
                .collect();
            for some in copies.chunks(500) {
                let values = some.join(", ");
                let sql = format!("INSERT INTO {table} ({key}, {columns}) VALUES {values}");
                self.db.execute(&sql).await;
            }
        }
        let list = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        // the image last: until then it is not due, so a concurrent pass leaves it alone
        for (table, key, _) in TABLES.iter().rev() {
            let of_these = format!("{key} IN ({list})");
            self.db.earlier(table, &of_these, days * 24 * 3600).await;
        }
    }

    fn copy(&self, id: &str, row: &[Option<String>], uri: &str) -> String {
        let cell = |cell: &Option<String>| match cell.as_deref() {
            None => "NULL".to_owned(),
            Some(text) if text == uri => format!("'{}'", self.uri(id)),
            Some(text) => format!("'{}'", text.replace('\'', "''")),
        };
        let cells: Vec<_> = row.iter().map(cell).collect();
        format!("('{id}', {})", cells.join(", "))
    }
}
