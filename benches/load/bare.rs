//! What the database alone would allow: the statements of a revert in a loop.

use std::sync::Arc;
use std::time::Instant;

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

use super::statements::{
    IMAGE, LOCATION_SLOTS, REVERT_IMAGE, REVERT_LOCATIONS, REVERT_MEMBERS, REVERT_PROPERTIES,
    REVERT_TAGS,
};
use super::{Failure, Ids};

/// The texts, with the placeholders of one database.
struct Texts {
    read: &'static str,
    image: &'static str,
    locations: &'static str,
    properties: &'static str,
    tags: &'static str,
    members: &'static str,
}

impl Texts {
    fn new(of: fn(&'static str) -> &'static str) -> Arc<Self> {
        Arc::new(Self {
            read: of(IMAGE),
            image: of(REVERT_IMAGE),
            locations: of(REVERT_LOCATIONS),
            properties: of(REVERT_PROPERTIES),
            tags: of(REVERT_TAGS),
            members: of(REVERT_MEMBERS),
        })
    }
}

/// `$1`, `$2` and so on for each `?`; made six times in the life of the process.
fn numbered(text: &'static str) -> &'static str {
    let mut number = 0;
    let parts = text.split('?').map(|part| {
        number += 1;
        if number == 1 { part.to_owned() } else { format!("${}{part}", number - 1) }
    });
    parts.collect::<String>().leak()
}

/// Reverts every id; how many were, and when the loop began, with all connections open.
pub(super) fn run(
    url: &str,
    ids: &Arc<Ids>,
    connections: usize,
) -> Result<(usize, Instant), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if url.starts_with("mysql:") {
        let texts = Texts::new(|text| text);
        runtime.block_on(mysql::run(url, ids, connections, &texts))
    } else {
        let texts = Texts::new(numbered);
        runtime.block_on(postgres::run(url, ids, connections, &texts))
    }
}

/// So often a deadlock is tried again, as the service does.
const RACES: usize = 10;

fn lost_race(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// The loop, once for each database: sqlx has no type that stands for both.
macro_rules! bare_loop {
    ($module:ident, $connection:ty) => {
        mod $module {
            use super::*;

            pub(super) async fn run(
                url: &str,
                ids: &Arc<Ids>,
                connections: usize,
                texts: &Arc<Texts>,
            ) -> Result<(usize, Instant), Failure> {
                let mut open = Vec::new();
                for _ in 0..connections {
                    open.push(<$connection>::connect(url).await?);
                }
                let began = Instant::now();
                let workers: Vec<_> = open
                    .into_iter()
                    .map(|connection| worker(connection, Arc::clone(ids), Arc::clone(texts)))
                    .map(tokio::spawn)
                    .collect();
                let mut done = 0;
                for worker in workers {
                    done += worker.await??;
                }
                Ok((done, began))
            }

            async fn worker(
                mut connection: $connection,
                ids: Arc<Ids>,
                texts: Arc<Texts>,
            ) -> Result<usize, Failure> {
                let mut done = 0;
                while let Some(id) = ids.next() {
                    let mut lost = 0;
                    done += loop {
                        match revert(&mut connection, &texts, id).await {
                            Err(error) if lost < RACES && lost_race(&error) => lost += 1,
                            other => break usize::from(other?),
                        }
                    };
                }
                Ok(done)
            }

            async fn revert(
                connection: &mut $connection,
                texts: &Texts,
                id: &str,
            ) -> Result<bool, sqlx::Error> {
                let read = sqlx::query(texts.read).bind(id).bind(id).bind(id).bind(1).bind(id);
                let read = read.bind(1).bind(id).bind(id).bind(1).bind(id).bind(id);
                let rows = read.fetch_all(&mut *connection).await?;
                let image = rows.first().ok_or(sqlx::Error::RowNotFound)?;
                let deleted_at: String = image.try_get("deleted_at_text")?;
                let updated_at: String = image.try_get("updated_at_text")?;
                let moment: chrono::NaiveDateTime = image.try_get("deleted_at")?;
                let mut location = None;
                for row in &rows {
                    if row.try_get::<&str, _>("c_kind")? == "location" {
                        location = Some(row.try_get::<i32, _>("c_id")?);
                    }
                }
                let now = moment + chrono::TimeDelta::days(1);
                let mut transaction = connection.begin().await?;
                let image = sqlx::query(texts.image).bind(now).bind(0).bind(id);
                let image = image.bind("pending_delete").bind(&deleted_at).bind(&updated_at);
                let won = image.execute(&mut *transaction).await?.rows_affected() == 1;
                let mut locations = sqlx::query(texts.locations).bind(now).bind(id);
                for _ in 0..LOCATION_SLOTS {
                    locations = locations.bind(location);
                }
                locations.execute(&mut *transaction).await?;
                let properties = sqlx::query(texts.properties).bind(now).bind(id).bind(moment);
                properties.execute(&mut *transaction).await?;
                for text in [texts.tags, texts.members] {
                    let children = sqlx::query(text).bind(now).bind(id).bind(&deleted_at);
                    children.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(won)
            }
        }
    };
}

bare_loop!(mysql, MySqlConnection);
bare_loop!(postgres, PgConnection);
