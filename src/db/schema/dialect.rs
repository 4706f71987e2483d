//! Differences in creating tables between the three families of databases.

use sqlx::migrate::Migrate;
use sqlx::mysql::MySql;
use sqlx::postgres::Postgres;
use sqlx::sqlite::Sqlite;

use crate::db::dialect::Dialect;

/// How a family of databases is told to make tables.
pub(in crate::db) trait SchemaDialect: Dialect<Connection: Migrate> {
    /// Makes the table of what was made, with the columns that sqlx wants, unless it is there.
    const MIGRATIONS_TABLE: &'static str;
    /// The type of a time.
    const TIME_TYPE: &'static str;
    /// What stands behind the columns of a table.
    const TABLE_OPTIONS: &'static str = "";

    /// Bytes as a literal, from their hexadecimal digits.
    fn bytes(hex: &str) -> String;
}

impl SchemaDialect for MySql {
    const MIGRATIONS_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS revert_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
) ENGINE = InnoDB;";
    const TIME_TYPE: &'static str = "DATETIME(6)";
    /// Times and ids are compared with Glance's, whatever the collation of these is: of one binary and
    /// one other the binary one is taken, and of two sets of Unicode the larger.
    const TABLE_OPTIONS: &'static str =
        " ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin";

    fn bytes(hex: &str) -> String {
        format!("X'{hex}'")
    }
}

impl SchemaDialect for Postgres {
    const MIGRATIONS_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS revert_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
);";
    const TIME_TYPE: &'static str = "TIMESTAMP";

    fn bytes(hex: &str) -> String {
        format!("'\\x{hex}'")
    }
}

impl SchemaDialect for Sqlite {
    const MIGRATIONS_TABLE: &'static str = "CREATE TABLE IF NOT EXISTS revert_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);";
    const TIME_TYPE: &'static str = "DATETIME";

    fn bytes(hex: &str) -> String {
        format!("X'{hex}'")
    }
}
