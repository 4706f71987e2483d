//! All layers between the API and the real database: repo, locks, a file store, a fixed clock.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glance_revert::config::{DatabaseConfig, FileConfig, StoreConfig, StoreKind};
use glance_revert::db::Database;
use glance_revert::domain::image::ImageId;
use glance_revert::domain::principal::Admin;
use glance_revert::domain::repo::Write;
use glance_revert::domain::revert::{
    RevertError, RevertRequest, RevertSettings, Reverted, Reverter, Verify,
};
use glance_revert::domain::scrub::{Claim, PassLimits, ScrubReport, ScrubSettings, Scrubber};
use glance_revert::domain::store::Stores;
use glance_revert::domain::time::Clock;
use glance_revert::store::{ConfiguredStores, StoreOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::clock;
use crate::support::clock::FixedClock;
use crate::support::database::{Kind, TestDatabase};
use crate::support::rows::Rows;

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A Glance database of one kind, with a data directory.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) db: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) stores: Arc<dyn Stores>,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with_datadirs(kind, &["images"]).await
    }

    /// Adds our own tables, with the grants of `deploy/sql/`.
    pub(crate) async fn with_tables(kind: Kind) -> Self {
        let world = Self::new(kind).await;
        world.db.make_own_tables().await;
        world.db.grant_own_tables().await;
        world
    }

    /// A store with several folders; [`World::datadir`] is the first one.
    pub(crate) async fn with_datadirs(kind: Kind, names: &[&str]) -> Self {
        Self::around(TestDatabase::create(kind).await, names)
    }

    /// On another server, given as a URL without a database.
    pub(crate) async fn at(kind: Kind, server: String) -> Self {
        Self::around(TestDatabase::create_at(kind, server).await, &["images"])
    }

    /// On an existing database.
    pub(crate) fn on(db: TestDatabase) -> Self {
        Self::around(db, &["images"])
    }

    fn around(db: TestDatabase, names: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let datadirs: Vec<_> = names.iter().map(|name| folder.path().join(name)).collect();
        for datadir in &datadirs {
            std::fs::create_dir(datadir).unwrap();
        }
        let stores = [StoreConfig {
            id: "file".to_owned(),
            kind: StoreKind::File(FileConfig { datadirs, timeout: None }),
        }];
        let options =
            StoreOptions { store_timeout: Duration::from_secs(10), ..StoreOptions::default() };
        let stores =
            Arc::new(ConfiguredStores::new(&stores, &options, &clock::machine(), None).unwrap());
        Self { db, clock: Arc::default(), stores, folder }
    }

    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows(&self.db)
    }

    /// A connection pool and a lock session of its own, like another process.
    pub(crate) fn open(&self) -> Database {
        self.open_many(4)
    }

    /// The same with this many connections.
    pub(crate) fn open_many(&self, connections: u32) -> Database {
        let config = DatabaseConfig::parse(&self.db.url(), "").unwrap();
        Database::open(&config, connections).unwrap()
    }

    /// The same with another address.
    pub(crate) fn open_at(url: &str) -> Database {
        Database::open(&DatabaseConfig::parse(url, "").unwrap(), 4).unwrap()
    }

    pub(crate) fn datadir(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    pub(crate) fn uri(&self, id: &str) -> String {
        format!("file://{}", self.datadir().join(id).display())
    }

    pub(crate) fn has_data(&self, id: &str) -> bool {
        self.datadir().join(id).exists()
    }

    /// An image of 8 bytes with all kinds of children, deleted an hour ago; its file exists.
    pub(crate) async fn deleted_image(&self, id: &str) {
        std::fs::write(self.datadir().join(id), b"contents").unwrap();
        self.rows().deleted_image(id, &self.uri(id), 8).await;
    }

    /// A living image, as a canary for the store.
    pub(crate) async fn live_image(&self, id: &str) {
        self.live_image_in("images", id).await;
    }

    /// The same in one of several folders.
    pub(crate) async fn live_image_in(&self, folder: &str, id: &str) {
        let path = self.folder.path().join(folder).join(id);
        std::fs::write(&path, b"contents").unwrap();
        self.rows().image(id, "active", 8, None).await;
        self.rows().location(id, &format!("file://{}", path.display()), "active", None).await;
    }

    pub(crate) fn reverter(&self, database: &Database) -> Reverter {
        let delete_grace = Duration::from_mins(1);
        Reverter::new(
            Arc::clone(&database.repo),
            Arc::clone(&database.lock),
            Arc::clone(&self.stores),
            self.clock.clone(),
            RevertSettings {
                lock_wait: Duration::from_secs(5),
                delete_grace,
                delayed_delete: true,
            },
        )
        .with_tables(Arc::clone(&database.tables))
    }

    pub(crate) fn scrubber(&self, database: &Database) -> Scrubber {
        self.scrubber_over(database, Arc::clone(&self.stores))
    }

    /// A scrubber over other stores.
    pub(crate) fn scrubber_over(&self, database: &Database, stores: Arc<dyn Stores>) -> Scrubber {
        let settings = ScrubSettings {
            scrub_time: Duration::from_mins(1),
            pool_size: 4,
            absent_limit: 20,
            limits: PassLimits::NONE,
            delayed_delete: true,
        };
        Scrubber::new(
            Arc::clone(&database.scrub_repo),
            Arc::clone(&database.lock),
            stores,
            self.clock.clone(),
            settings,
        )
    }

    pub(crate) async fn revert(&self, id: &str) -> Result<Reverted, RevertError> {
        self.revert_with(id, &RevertRequest::whole(Verify::Exists)).await
    }

    pub(crate) async fn revert_with(
        &self,
        id: &str,
        request: &RevertRequest,
    ) -> Result<Reverted, RevertError> {
        let reverter = self.reverter(&self.open());
        reverter.revert(&Admin::local_operator(), &ImageId::parse(id).unwrap(), request).await
    }

    pub(crate) async fn scrub(&self) -> ScrubReport {
        self.scrubber(&self.open()).run_once(&CancellationToken::new()).await.unwrap()
    }

    /// Claims images like a pass that dies before it destroys anything.
    pub(crate) async fn claim(&self, ids: &[&str]) {
        let ids: Vec<_> = ids.iter().map(|id| ImageId::parse(id).unwrap()).collect();
        let (database, now) = (self.open(), self.clock.now());
        for image in database.repo.get_many(&ids).await.unwrap() {
            let work = image.unwrap().into_work(now).unwrap();
            let guard = database.lock.try_lock(&work.image().id).await.unwrap().unwrap();
            let claim = Claim { guard: &guard, work: &work, stamp: work.stamp(now) };
            assert_eq!(database.scrub_repo.claim(&[claim]).await.unwrap(), Some(vec![Write::Done]));
            guard.release().await;
        }
    }

    /// Ends every session on the test's database except the current one.
    pub(crate) async fn cut_connections(&self, kind: Kind) {
        let cut = match kind {
            Kind::Sqlite => return,
            Kind::Mariadb => {
                "BEGIN NOT ATOMIC FOR session IN (SELECT id FROM information_schema.processlist \
                 WHERE db = DATABASE() AND id <> CONNECTION_ID()) \
                 DO EXECUTE IMMEDIATE CONCAT('KILL ', session.id); END FOR; END"
            }
            Kind::Postgres => {
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()"
            }
        };
        self.db.execute(cut).await;
    }

    /// `status deleted` of an image, in the same words for every database.
    pub(crate) async fn status(&self, id: &str) -> String {
        let sql = format!(
            "SELECT status, CASE WHEN deleted = TRUE THEN 'deleted' ELSE 'kept' END, \
             CASE WHEN deleted_at IS NULL THEN 'no time' ELSE 'time' END FROM images \
             WHERE id = '{id}'"
        );
        joined(&self.db.rows(&sql).await)
    }

    /// `status deleted` of an image's locations, by row id.
    pub(crate) async fn locations(&self, id: &str) -> String {
        let sql = format!(
            "SELECT status, CASE WHEN deleted = TRUE THEN 'deleted' ELSE 'kept' END, \
             CASE WHEN deleted_at IS NULL THEN 'no time' ELSE 'time' END \
             FROM image_locations WHERE image_id = '{id}' ORDER BY id"
        );
        joined(&self.db.rows(&sql).await)
    }

    /// The column's values in the live rows of a child table, sorted.
    pub(crate) async fn live(&self, table: &str, column: &str, id: &str) -> String {
        let sql = format!(
            "SELECT {column} FROM {table} WHERE image_id = '{id}' AND deleted = FALSE \
             AND deleted_at IS NULL ORDER BY {column}"
        );
        joined(&self.db.rows(&sql).await)
    }
}

fn joined(rows: &[Vec<Option<String>>]) -> String {
    let line = |row: &Vec<Option<String>>| {
        row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join(", ")
}
