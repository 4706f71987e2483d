//! Implements [`crate::domain::repo`] on Glance's tables, and the locks.
//!
//! All SQL is written once, in `statements`, for MariaDB/MySQL, PostgreSQL and SQLite; differences
//! are in `dialect` and `lock`. The type parameter never leaves this module. No statement creates,
//! inserts or deletes a row of Glance ([`demo`] has its own database). Our own tables are
//! `revert_*`: `schema` creates them, `own` has their statements.

mod audit;
mod backlog;
mod connect;
mod connections;
mod control;
mod deadline;
pub mod demo;
mod dialect;
mod error;
mod lists;
mod lock;
mod login;
mod names;
mod orders;
mod own;
mod plans;
mod pooled;
mod read;
mod repo;
mod schema;
mod slim;
mod statement;
#[macro_use]
mod statements;
mod tables;
mod transaction;
mod whole;

use std::sync::Arc;

use crate::config::{DatabaseConfig, DatabaseKind};
use crate::domain::control::ControlRepo;
use crate::domain::lock::ImageLock;
use crate::domain::repo::{DatabaseHealth, ImageRepo, ScrubRepo};
use crate::domain::tables::OwnTables;

pub use self::connect::ConnectError;
pub use self::schema::{Schema, SchemaVersion};

/// Glance's database: its tables and its locks, over one pool of connections.
#[derive(Debug, Clone)]
pub struct Database {
    /// The tables, for lists and reverts.
    pub repo: Arc<dyn ImageRepo>,
    /// The same tables, for scrub passes.
    pub scrub_repo: Arc<dyn ScrubRepo>,
    /// Whether they can be used.
    pub health: Arc<dyn DatabaseHealth>,
    /// The advisory locks.
    pub lock: Arc<dyn ImageLock>,
    /// Our own tables.
    pub tables: Arc<dyn OwnTables>,
    /// Pauses and holds for all scrubbers, stored in these tables.
    pub control: Arc<dyn ControlRepo>,
    /// Creates these tables.
    pub schema: Arc<dyn Schema>,
}

impl Database {
    /// Prepares a pool that connects on first use, so that a database that is down only delays the
    /// start. Must be called inside a tokio runtime.
    pub fn open(config: &DatabaseConfig, pool_size: u32) -> Result<Self, ConnectError> {
        match config.kind {
            DatabaseKind::Mysql => {
                let pool = connect::mysql(config, pool_size);
                let session = lock::Session::new(pool.clone(), &config.database);
                Ok(Self::of(pool, lock::AdvisoryLock::shared(session)))
            }
            DatabaseKind::Postgres => {
                let pool = connect::postgres(config, pool_size);
                let session = lock::Session::new(pool.clone(), &config.database);
                Ok(Self::of(pool, lock::AdvisoryLock::shared(session)))
            }
            DatabaseKind::Sqlite => {
                let pool = connect::sqlite(config)?;
                let pass_file = format!("{}.glance-revert-scrub", config.database);
                Ok(Self::of(pool, lock::AdvisoryLock::local(pass_file.into())))
            }
        }
    }

    fn of<D: schema::SchemaDialect>(
        pool: connections::Connections<D>,
        lock: lock::AdvisoryLock,
    ) -> Self {
        let tables = Arc::new(tables::SqlTables::new(pool.clone()));
        let control = control::SqlControl::new(pool.clone(), Arc::clone(&tables));
        let (connections, known) = (pool.clone(), Arc::clone(&tables));
        let schema = Arc::new(schema::SqlSchema { connections, tables: known });
        let repo = Arc::new(repo::SqlRepo::new(pool, Arc::clone(&tables)));
        Self {
            repo: repo.clone(),
            scrub_repo: repo.clone(),
            health: repo,
            lock: Arc::new(lock),
            tables,
            control: Arc::new(control),
            schema,
        }
    }
}
