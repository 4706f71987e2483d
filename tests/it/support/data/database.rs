//! An empty Glance database for each test.

mod product_user;

use std::fs;
use std::thread;

use glance_revert::config::DatabaseConfig;
use glance_revert::db::Database;
use regex::Regex;
use sqlx::mysql::MySql;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::Postgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, MySqlPool, PgPool, Row, SqlitePool, Transaction,
    TypeInfo, raw_sql,
};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) use self::product_user::ProductUser;
use crate::support::{env, log};

// The tests' connections log no statements, because the log is searched for the secrets that these
// statements contain.

/// Glance's tables for tests without servers.
const SQLITE_SCHEMA: &str = include_str!("../../../../src/db/demo.sql");

/// Enough for a test that reads while the product works.
const CONNECTIONS: u32 = 3;

/// The databases that Glance supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Mariadb,
    Postgres,
}

#[derive(Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Mariadb(MySqlPool),
    Postgres(PgPool),
}

/// A new Glance database, which is dropped with this value.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    kind: Kind,
    server: String,
    owner_url: String,
    pool: Pool,
    /// SQLite has no users.
    user: Option<ProductUser>,
    _folder: TempDir,
}

impl TestDatabase {
    /// Creates it: with the tables of the real `glance-manage db_sync` under `tests/run`; without
    /// it, SQLite with the five tables written by hand.
    pub(crate) async fn create(kind: Kind) -> Self {
        let server = if kind == Kind::Sqlite { String::new() } else { server_url(kind) };
        Self::create_at(kind, server).await
    }

    /// Creates it on another server of this kind, given as a URL without a database.
    pub(crate) async fn create_at(kind: Kind, server: String) -> Self {
        log::install();
        let folder = TempDir::new().unwrap();
        let name = format!("t_{}", Uuid::new_v4().simple());
        let (url, pool) = match kind {
            Kind::Sqlite => {
                let file = folder.path().join("glance.db");
                let real = env::schema().map(|schema| schema.join("sqlite.db"));
                if let Some(real) = &real {
                    fs::copy(real, &file).unwrap();
                }
                let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
                let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
                let pool = pool
                    .connect_with(options.foreign_keys(false).disable_statement_logging())
                    .await
                    .unwrap();
                if real.is_none() {
                    raw_sql(SQLITE_SCHEMA).execute(&pool).await.unwrap();
                }
                (format!("sqlite:///{}", file.display()), Pool::Sqlite(pool))
            }
            Kind::Mariadb | Kind::Postgres => {
                let statement = format!("CREATE DATABASE {name}{}", template(kind));
                administer(kind, &server, statement).await;
                let url = format!("{server}/{name}");
                let pool = connect(kind, &url).await;
                (url, pool)
            }
        };
        let user = (kind != Kind::Sqlite).then(|| ProductUser::new(kind));
        let database = Self { kind, server, owner_url: url, pool, user, _folder: folder };
        if kind == Kind::Mariadb {
            let schema = env::schema().unwrap();
            let tables = fs::read_to_string(schema.join("mariadb.sql")).unwrap();
            // MySQL's names of checks are unique per database, not per table
            let tables =
                Regex::new("CONSTRAINT `CONSTRAINT_[0-9]+` ").unwrap().replace_all(&tables, "");
            database.execute(&tables).await;
        }
        if let Some(user) = &database.user {
            database.execute(&user.create()).await;
        }
        database
    }

    /// `[database] connection` for the product: the user of `deploy/sql/`, with only the rights
    /// granted there.
    pub(crate) fn url(&self) -> String {
        self.user.as_ref().map_or_else(|| self.owner_url.clone(), |user| user.url(&self.owner_url))
    }

    /// `[database] connection` for Glance, the owner of these tables.
    pub(crate) fn owner_url(&self) -> String {
        self.owner_url.clone()
    }

    /// The product's user, if the database has users.
    pub(crate) fn user(&self) -> Option<&ProductUser> {
        self.user.as_ref()
    }

    /// Creates our own tables with the product, as the owner of the database.
    pub(crate) async fn make_own_tables(&self) {
        let config = DatabaseConfig::parse(&self.owner_url, "").unwrap();
        Database::open(&config, 2).unwrap().schema.sync().await.unwrap();
    }

    /// Grants the product's user access to them.
    pub(crate) async fn grant_own_tables(&self) {
        if let Some(user) = &self.user {
            self.execute(&user.grant_own_tables()).await;
        }
    }

    /// Runs several statements separated by semicolons.
    pub(crate) async fn execute(&self, sql: &str) {
        let query = raw_sql(AssertSqlSafe(sql.to_owned()));
        match &self.pool {
            Pool::Sqlite(pool) => drop(query.execute(pool).await.unwrap()),
            Pool::Mariadb(pool) => drop(query.execute(pool).await.unwrap()),
            Pool::Postgres(pool) => drop(query.execute(pool).await.unwrap()),
        }
    }

    /// Runs a statement in a transaction that stays open.
    pub(crate) async fn open_transaction(&self, sql: &str) -> OpenTransaction {
        let query = raw_sql(AssertSqlSafe(sql.to_owned()));
        match &self.pool {
            Pool::Sqlite(_) => unreachable!("there all wait for each other"),
            Pool::Mariadb(pool) => {
                let mut open = pool.begin().await.unwrap();
                query.execute(&mut *open).await.unwrap();
                OpenTransaction::Mariadb(open)
            }
            Pool::Postgres(pool) => {
                let mut open = pool.begin().await.unwrap();
                query.execute(&mut *open).await.unwrap();
                OpenTransaction::Postgres(open)
            }
        }
    }

    /// Makes the times of these rows earlier by this many seconds, instead of waiting.
    pub(crate) async fn earlier(&self, table: &str, condition: &str, seconds: i64) {
        let earlier = |column: &str| match self.kind {
            Kind::Sqlite => format!(
                "{column} = CASE WHEN {column} IS NULL THEN NULL ELSE strftime(\
                 '%Y-%m-%d %H:%M:%S', {column}, '-{seconds} seconds') || substr({column}, 20) END"
            ),
            Kind::Mariadb => format!("{column} = {column} - INTERVAL {seconds} SECOND"),
            Kind::Postgres => format!("{column} = {column} - INTERVAL '{seconds} seconds'"),
        };
        let columns = [earlier("deleted_at"), earlier("updated_at")].join(", ");
        self.execute(&format!("UPDATE {table} SET {columns} WHERE {condition}")).await;
    }

    /// The rows of a query. Each value is written as by the database itself; booleans are `1` and
    /// `0` everywhere.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let query = raw_sql(AssertSqlSafe(sql.to_owned()));
        match &self.pool {
            Pool::Sqlite(pool) => {
                let rows = query.fetch_all(pool).await.unwrap();
                rows.iter().map(|row| cells(row, |i| row.get_unchecked(i))).collect()
            }
            Pool::Mariadb(pool) => {
                let rows = query.fetch_all(pool).await.unwrap();
                rows.iter().map(|row| cells(row, |i| row.get_unchecked(i))).collect()
            }
            Pool::Postgres(pool) => {
                let rows = query.fetch_all(pool).await.unwrap();
                rows.iter().map(|row| cells(row, |i| row.get_unchecked(i))).collect()
            }
        }
    }
}

/// An open transaction that keeps its locks.
#[derive(Debug)]
pub(crate) enum OpenTransaction {
    Mariadb(Transaction<'static, MySql>),
    Postgres(Transaction<'static, Postgres>),
}

impl OpenTransaction {
    pub(crate) async fn rollback(self) {
        match self {
            Self::Mariadb(open) => open.rollback().await.unwrap(),
            Self::Postgres(open) => open.rollback().await.unwrap(),
        }
    }
}

impl Drop for TestDatabase {
    /// Best effort: anything left is deleted with the private server.
    fn drop(&mut self) {
        let force = if self.kind == Kind::Postgres { " WITH (FORCE)" } else { "" };
        let Some(user) = &self.user else { return };
        let (kind, name) = (self.kind, self.owner_url.rsplit('/').next().unwrap_or_default());
        let statements = [format!("DROP DATABASE {name}{force}"), user.drop()];
        let server = self.server.clone();
        // In a thread, because the test's runtime is busy dropping this.
        let dropper = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let all = async {
                for sql in statements {
                    administer(kind, &server, sql).await;
                }
            };
            runtime.map(|runtime| runtime.block_on(all))
        });
        drop(dropper.join());
    }
}

fn cells<R: Row>(row: &R, cell: impl Fn(usize) -> Option<String>) -> Vec<Option<String>> {
    let text = |column: &<R::Database as sqlx::Database>::Column| {
        let text = cell(column.ordinal());
        match (column.type_info().name(), text.as_deref()) {
            ("BOOL", Some("t")) => Some("1".to_owned()),
            ("BOOL", Some("f")) => Some("0".to_owned()),
            _ => text,
        }
    };
    row.columns().iter().map(text).collect()
}

fn server_url(kind: Kind) -> String {
    env::required(match kind {
        Kind::Mariadb => "GLANCE_REVERT_TEST_MARIADB",
        Kind::Postgres => "GLANCE_REVERT_TEST_POSTGRES",
        Kind::Sqlite => unreachable!("SQLite has no server"),
    })
}

fn template(kind: Kind) -> &'static str {
    if kind == Kind::Postgres { " TEMPLATE glance_template" } else { "" }
}

/// Runs a statement on the server itself.
async fn administer(kind: Kind, server: &str, sql: String) {
    let home = if kind == Kind::Postgres { "postgres" } else { "mysql" };
    let query = raw_sql(AssertSqlSafe(sql));
    match connect(kind, &format!("{server}/{home}")).await {
        Pool::Mariadb(pool) => {
            query.execute(&pool).await.unwrap();
            pool.close().await;
        }
        Pool::Postgres(pool) => {
            query.execute(&pool).await.unwrap();
            pool.close().await;
        }
        Pool::Sqlite(_) => unreachable!("SQLite has no server"),
    }
}

async fn connect(kind: Kind, url: &str) -> Pool {
    let (_, rest) = url.split_once("://").unwrap();
    match kind {
        Kind::Mariadb => {
            let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS);
            let options: MySqlConnectOptions = format!("mysql://{rest}").parse().unwrap();
            let options = options.disable_statement_logging();
            Pool::Mariadb(pool.connect_with(options).await.unwrap())
        }
        Kind::Postgres => {
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
            let options: PgConnectOptions = format!("postgres://{rest}").parse().unwrap();
            let options = options.disable_statement_logging();
            Pool::Postgres(pool.connect_with(options).await.unwrap())
        }
        Kind::Sqlite => unreachable!("SQLite has no server"),
    }
}

/// Makes a test on each database from each `async fn(Kind)` of a list. Tests that need servers are
/// ignored by a plain `cargo test`. `with glance:` before the list says that all of them need
/// servers.
macro_rules! on_each_database {
    (with glance: $($case:ident),+ $(,)?) => {
        $crate::support::database::tests_on!(sqlite, Sqlite, [#[ignore = "needs the servers of make test"]], $($case),+);
        $crate::support::database::tests_on!(mariadb, Mariadb, [#[ignore = "needs the servers of make test"]], $($case),+);
        $crate::support::database::tests_on!(postgres, Postgres, [#[ignore = "needs the servers of make test"]], $($case),+);
    };
    ($($case:ident),+ $(,)?) => {
        $crate::support::database::tests_on!(sqlite, Sqlite, [], $($case),+);
        $crate::support::database::tests_on!(mariadb, Mariadb, [#[ignore = "needs the servers of make test"]], $($case),+);
        $crate::support::database::tests_on!(postgres, Postgres, [#[ignore = "needs the servers of make test"]], $($case),+);
    };
}
pub(crate) use on_each_database;

macro_rules! tests_on {
    ($module:ident, $kind:ident, $ignored:tt, $($case:ident),+) => {
        mod $module {
            $( $crate::support::database::test_on!($case, $kind, $ignored); )+
        }
    };
}
pub(crate) use tests_on;

macro_rules! test_on {
    ($case:ident, $kind:ident, [$($ignored:tt)*]) => {
        #[tokio::test]
        $($ignored)*
        async fn $case() {
            super::$case($crate::support::database::Kind::$kind).await;
        }
    };
}
pub(crate) use test_on;
