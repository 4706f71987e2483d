//! The demo's own small Glance database: the only code that creates Glance's tables and rows, and
//! never in a real database.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{Sqlite, SqliteConnectOptions};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::dialect::Dialect;
use super::statement::Statement;
use crate::domain::time::Timestamp;

/// Glance's five tables as `glance-manage db_sync` makes them.
const SCHEMA: &str = include_str!("demo.sql");

/// An image of the demo.
#[derive(Debug, Clone)]
pub struct DemoImage<'a> {
    /// `images.id`.
    pub id: &'a str,
    /// `images.name`.
    pub name: &'a str,
    /// `images.owner`.
    pub project: &'a str,
    /// Its data.
    pub data: DemoData,
    /// Properties, and their values.
    pub properties: &'a [(&'a str, &'a str)],
    /// Tags.
    pub tags: &'a [&'a str],
    /// Projects that the image is shared with.
    pub members: &'a [&'a str],
    /// How long ago it was deleted; `None` for an active one.
    pub deleted: Option<Duration>,
}

/// The data of an image.
#[derive(Debug, Clone)]
pub struct DemoData {
    /// Where it is.
    pub location: String,
    /// Bytes.
    pub size: i64,
    /// `os_hash_value`, SHA-512.
    pub sha512: String,
}

/// Creates the database and writes the images, deleted as Glance deletes: locations first, then
/// properties, then the image with tags and members, a little apart in time.
pub async fn create(
    path: &Path,
    images: &[DemoImage<'_>],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
    let mut transaction = connection.begin().await?;
    for image in images {
        insert(&mut transaction, image, now).await?;
    }
    transaction.commit().await?;
    connection.close().await
}

const INSERT_IMAGE: &str = "INSERT INTO images (id, name, size, status, created_at, updated_at, \
     deleted_at, deleted, disk_format, container_format, owner, min_disk, min_ram, visibility, \
     os_hash_algo, os_hash_value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'raw', 'bare', ?, 0, 0, \
     'shared', 'sha512', ?)";
const INSERT_LOCATION: &str = "INSERT INTO image_locations (image_id, value, created_at, \
     updated_at, deleted_at, deleted, meta_data, status) VALUES (?, ?, ?, ?, ?, ?, '{}', ?)";
const INSERT_PROPERTY: &str = "INSERT INTO image_properties (image_id, name, value, created_at, \
     updated_at, deleted_at, deleted) VALUES (?, ?, ?, ?, ?, ?, ?)";
const INSERT_TAG: &str = "INSERT INTO image_tags (image_id, value, created_at, updated_at, \
     deleted_at, deleted) VALUES (?, ?, ?, ?, ?, ?)";
const INSERT_MEMBER: &str = "INSERT INTO image_members (image_id, member, can_share, created_at, \
     updated_at, deleted_at, deleted, status) VALUES (?, ?, 0, ?, ?, ?, ?, 'accepted')";

/// When things happened to one image.
struct Times {
    created: Timestamp,
    /// The delete's first transaction.
    began: Option<Timestamp>,
    /// The delete's last one.
    ended: Option<Timestamp>,
}

impl Times {
    /// Binds `created_at, updated_at, deleted_at, deleted`.
    fn bind(&self, statement: Statement, deleted_at: Option<Timestamp>) -> Statement {
        let statement = statement.bind(self.created).bind(deleted_at.unwrap_or(self.created));
        match deleted_at {
            Some(at) => statement.bind(at).bind(1),
            None => statement.bind(None::<&str>).bind(0),
        }
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    image: &DemoImage<'_>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let ended = image.deleted.map(|ago| now - ago);
    let began = ended.map(|ended| ended - Duration::from_millis(80));
    let times = Times { created: now - Duration::from_hours(72), began, ended };
    let (image_status, location_status) = match ended {
        Some(_) => ("pending_delete", "pending_delete"),
        None => ("active", "active"),
    };
    let of_image = |sql| Statement::new(sql).bind(image.id);
    let row = of_image(INSERT_IMAGE).bind(image.name).bind(image.data.size).bind(image_status);
    let row = times.bind(row, times.ended).bind(image.project).bind(image.data.sha512.as_str());
    Sqlite::execute(connection, row).await?;
    let row = of_image(INSERT_LOCATION).bind(image.data.location.as_str());
    let row = times.bind(row, times.began).bind(location_status);
    Sqlite::execute(connection, row).await?;
    for (name, value) in image.properties {
        let row = of_image(INSERT_PROPERTY).bind(*name).bind(*value);
        Sqlite::execute(connection, times.bind(row, times.began)).await?;
    }
    for (sql, values) in [(INSERT_TAG, image.tags), (INSERT_MEMBER, image.members)] {
        for value in values {
            let row = of_image(sql).bind(*value);
            Sqlite::execute(connection, times.bind(row, times.ended)).await?;
        }
    }
    Ok(())
}
